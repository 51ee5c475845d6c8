"""Where an HDLC frame ends, and whether it is whole.

Frame format type 3 without octet stuffing (DLMS UA Green Book ed. 8, clause 8.4):

    7E | A S.LLL LLLLLLLL | destination | source | control | HCS | information | FCS | 7E

L counts the bytes between the flags. Both checksums are CRC-16/X-25, low byte first:
HCS covers format to control, FCS format to the last byte before it. The closing flag
may open the next frame. 7E and 7D inside a frame are ordinary bytes.
"""

from binascii import crc_hqx
from contextlib import suppress
from functools import lru_cache
import re
from typing import Final, NamedTuple

from .reading import ErrorCode, ProtocolError

FLAG: Final = 0x7E

# The format field of type 3 follows the flag; at the end of the buffer it may yet come.
START: Final = rb"\x7e(?=[\xa0-\xaf]|\Z)"

# X-25 reflects its bits and crc_hqx does not, so the bytes are mirrored first. Run over
# data and checksum together, an intact frame leaves this constant (Green Book 8.5).
_MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))
_RESIDUE: Final = 0x1D0F


def _any_of(values: range) -> bytes:
    return b"[" + b"".join(b"\\x%02x" % value for value in values) + b"]"


# An address has 1, 2 or 4 bytes; bit 0 marks the last (Green Book 8.4.2).
_MORE: Final = _any_of(range(0, 256, 2))
_LAST: Final = _any_of(range(1, 256, 2))
_ADDRESS: Final = b"(?:" + _MORE + b"?" + _LAST + b"|" + _MORE * 3 + _LAST + b")"
# Format, destination, source, control. Kaifa sends an I-frame's control byte where the
# others send UI: nothing is read from it.
_HEADER: Final = re.compile(rb"[\xa0-\xaf]." + _ADDRESS * 2 + b".", re.DOTALL)
_LONGEST_HEADER: Final = 1 + 2 + 4 + 4 + 1 + 2
_LONGEST: Final = 1 + 0x7FF + 1


class HdlcFrame(NamedTuple):
    """One intact frame: index after its closing flag, S bit, information field."""

    end: int
    segmented: bool
    payload: bytes


def intact(data: bytes | bytearray) -> bool:
    """Say whether the last two bytes are the CRC-16/X-25 of those before."""
    return crc_hqx(data.translate(_MIRROR), 0xFFFF) == _RESIDUE


def lacks_flags(message: bytes) -> bool:
    """Say whether a message is as long as it says a frame without flags is."""
    return (
        len(message) > 2
        and message[0] & 0xF0 == 0xA0
        and (message[0] & 0x07) << 8 | message[1] == len(message)
    )


def size_at(buffer: bytes | bytearray, start: int) -> int:
    """Give how many bytes a frame has with its flags, by the format at its start."""
    return ((buffer[start + 1] & 0x07) << 8 | buffer[start + 2]) + 2


# A meter sends the same two or three headers for years.
@lru_cache(maxsize=64)
def _information_at(head: bytes) -> int | str:
    """Give where the information field begins after the flag, or what is wrong.

    Takes the bytes after the flag, as many as the longest header has.
    """
    header = _HEADER.match(head)
    if header is None:
        return "HDLC addresses do not end"
    information = header.end() + 2
    check = ((head[0] & 0x07) << 8 | head[1]) - 2
    if information <= check:
        if intact(head[:information]):
            return information
        return "HDLC header checksum is wrong"
    # Without an information field there is no HCS (Green Book 8.4.1.6).
    if header.end() == check:
        return check
    return "HDLC length is shorter than the header"


def is_none(buffer: bytearray, start: int) -> bool:
    """Say whether no frame can begin at `start`, by what follows for 14 bytes."""
    head = bytes(buffer[start + 1 : start + _LONGEST_HEADER])
    return isinstance(_information_at(head), str) and b"\r\n" not in head


def parse(buffer: bytearray, start: int) -> HdlcFrame | int:
    """Read the frame whose opening flag is at `start`.

    Gives the frame, or how many bytes from `start` on it takes to say more. Raises
    ProtocolError when no intact frame starts here; its `claim` is the frame's length.

    An adapter that turns line feeds into carriage return and line feed (Oss-brikken
    does, in any byte 0A) is undone where the checksums then prove it.
    """
    available = len(buffer) - start
    if available < _LONGEST_HEADER:
        # A last segment of a byte or two is shorter than the longest header. What is no
        # frame is judged by as many bytes as ever.
        if 3 <= available >= size_at(buffer, start):
            with suppress(ProtocolError):
                return _parse(buffer, start)
        return _LONGEST_HEADER
    try:
        return _parse(buffer, start)
    except ProtocolError as error:
        if buffer.find(b"\r\n", start, start + error.length) < 0:
            raise
        found = _parse_translated(buffer, start)
        if found is None:
            raise
        return found


def _parse(buffer: bytes | bytearray, start: int) -> HdlcFrame | int:
    length = size_at(buffer, start)
    end = start + length
    information = _information_at(bytes(buffer[start + 1 : start + _LONGEST_HEADER]))
    if isinstance(information, str):
        raise ProtocolError(
            ErrorCode.CRC, information, length=_LONGEST_HEADER, claim=length
        )
    if len(buffer) < end:
        return length
    if buffer[end - 1] != FLAG:
        raise ProtocolError(
            ErrorCode.CRC, "HDLC closing flag is not where it should be", length=length
        )
    if not intact(buffer[start + 1 : end - 1]):
        raise ProtocolError(ErrorCode.CRC, "HDLC checksum is wrong", length=length)
    payload = bytes(buffer[start + 1 + information : end - 3])
    return HdlcFrame(end, bool(buffer[start + 1] & 0x08), payload)


def _parse_translated(buffer: bytearray, start: int) -> HdlcFrame | int | None:
    """Read a frame in which every 0A was sent as 0D 0A; None if it is none."""
    found: HdlcFrame | int = 0
    raw = text = b""
    # The header first: a false start must not cost a copy of the longest frame.
    for size in (_LONGEST_HEADER, _LONGEST):
        raw = bytes(buffer[start : start + 2 * size])
        text = raw.replace(b"\r\n", b"\n")
        if len(text) < _LONGEST_HEADER:
            return 2 * _LONGEST_HEADER
        try:
            found = _parse(text, 0)
        except ProtocolError:
            return None
    if isinstance(found, int):
        return len(raw) + found - len(text)
    added = text.count(b"\n", 0, found.end)
    if raw.count(b"\r\n", 0, found.end + added) != added:
        return None
    return found._replace(end=start + found.end + added)
