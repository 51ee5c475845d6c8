"""Where a P1 telegram ends, and whether it is whole.

The text of IEC 62056-21 mode D as P1 and H1 ports send it (DSMR P1 Companion Standard
5.0.2, clause 6; Swedish recommendation for customer ports 2.0; e-MUCS P1):

    /XXX5<identification> CR LF CR LF <lines> ! <CRC> CR LF

XXX are the maker's FLAG letters; what the lines say is read in `telegram`. The CRC is
CRC-16/ARC from `/` to `!` inclusive, four hexadecimal digits, high byte first; meters
older than DSMR 4 and a few others send none. Neither `/` nor `!` may occur in between
(IEC 62056-21, 6.3.14), so a second `/` says that the end of the first was lost.
"""

import re
from typing import Final, NamedTuple

from .hdlc import intact as intact_x25
from .reading import ErrorCode, ProtocolError

# The longest known, with texts and an event log, has two.
LONGEST: Final = 8 * 1024

END: Final = b"!"

# Even parity in bit 7 where a line of 7 data bits is read with 8.
_PARITY: Final = bytes(byte | (byte.bit_count() & 1) << 7 for byte in range(128)) * 2
_EVEN: Final = bytes(byte for byte in range(256) if not byte.bit_count() & 1)
_STRIP: Final = bytes(byte & 0x7F for byte in range(256))

_SLASH: Final = b"/"
_LETTERS: Final = bytes(byte for byte in range(0x80) if chr(byte).isalpha())
_PRINTABLE: Final = bytes(byte for byte in range(0x20, 0x7F) if byte not in b"/!")


def _start(table: bytes) -> bytes:
    """Write the pattern of an identification whose bytes were changed by a table."""

    def any_of(characters: bytes) -> bytes:
        return b"[" + re.escape(characters.translate(table)) + b"]"

    slash, cr, lf = (re.escape(bytes((table[byte],))) for byte in b"/\r\n")
    letter = any_of(_LETTERS)
    return (
        slash + b"(?=" + letter + b"{3}" + any_of(_PRINTABLE) + b"{0,60}+"
        rb"(?:" + cr + b"{0,2}" + lf + b"|" + cr + rb"{0,2}\Z)"
        rb"|" + letter + rb"{0,2}\Z)"
    )


# At the end of the buffer the rest may yet come.
START: Final = _start(bytes(range(256))) + b"|" + _start(_PARITY)
STARTS: Final = _SLASH + _SLASH.translate(_PARITY)

# The letters, and the identification
HEAD: Final = re.compile(rb"/([A-Za-z]{3})([ \"-.0-~]{0,60}+)\r{0,2}\n")
_LONGEST_HEAD: Final = 4 + 60 + 3
_CHECKSUM_SIZE: Final = 4
_SEALED: Final = re.compile(rb"(?:\r{0,2}\n)?\0")
_LINE_FEED: Final = 0x0A
_CHECKSUM: Final = re.compile(rb"([0-9A-Fa-f]{4})|([0-9A-Fa-f]{0,3})(?=[\r\n])")
_LINE_END: Final = re.compile(rb"\r*\n")
_NO_ASCII: Final = re.compile(rb"[\x80-\xff]")

# Without a checksum every line must have the form of a line.
_FORM: Final = re.compile(
    rb"(?:\r{0,2}\n)*+"
    rb"(?:(?:\d+-\d+:\d+\.\d+\.\d+(?:\*\d+)?)?(?:\([^()\r\n]*\))+\r{0,2}\n)++"
)
# P1 of this and later versions has a checksum (DSMR 4.0, clause 5.2; e-MUCS P1 1.4).
_VERSION: Final = re.compile(rb"\n(?:1-3:0\.2\.8|0-0:96\.1\.4)\(")


class Unfinished(NamedTuple):
    """The text of a telegram that goes on.

    More can be said with `size` bytes from its start on, and not before unless byte
    `mark` comes, or one that is no ASCII.
    """

    size: int
    mark: int


class P1Telegram(NamedTuple):
    """One intact telegram: index after it, its bytes from `/` to `!`.

    The bytes are the text as the meter sent it, or, between identification and `!`, a
    ciphered part; the line end after the checksum is not in it.
    """

    end: int
    payload: bytes


# The check is a division of the whole message, as one number, by the polynomial
# x^16 + x^15 + x^2 + 1 = (x + 1)(x^15 + x + 1). By the first factor a number with an
# even count of bits is divisible. By the second: ARC sends the lowest bit first, which
# makes the number a mirror image, to be divided by x^15 + x^14 + 1. With s a power of
# two, 1 = x^14s + x^15s, so the low 14s bits L and the rest H are together worth
# (L + L x^s + H) x^14s, and x^14s divides nothing. So a number of any length is halved
# as a whole, an order of magnitude faster than by a table. It takes the fewest steps to
# go to the next s when 22s bits are left; fewer than 15 leave no multiple but 0.
_FOLDS: Final = [
    (1 << 22 * s if s > 1 else 1 << 15, 14 * s, (1 << 14 * s) - 1, s)
    for s in (512, 256, 128, 64, 32, 16, 8, 4, 2, 1)
]


def intact(text: bytes, checksum: int) -> bool:
    """Say whether a text has this CRC-16/ARC (init 0, no final xor)."""
    number = int.from_bytes(text + checksum.to_bytes(2, "little"), "little")
    if number.bit_count() & 1:
        return False
    for limit, size, mask, shift in _FOLDS:
        while number >= limit:
            low = number & mask
            number = number >> size ^ low << shift ^ low
    return not number


def _bad(detail: str, length: int) -> ProtocolError:
    return ProtocolError(ErrorCode.CRC, detail, length=length)


def parse(buffer: bytes | bytearray, start: int) -> P1Telegram | Unfinished | int:
    """Read the telegram whose `/` is at `start`.

    Gives the telegram, or what it takes to say more; where that is no text, how many
    bytes from `start` on. Raises ProtocolError CRC or TRUNCATED when no intact telegram
    starts here; its `length` is the telegram's own.

    Line ends that a bridge changed are put right if the checksum then proves it. A
    telegram of 7 data bits and even parity is read as if it had come with 8.
    """
    if buffer[start] > 0x7F:
        return _parse_parity(buffer, start)
    available = len(buffer) - start
    head = HEAD.match(buffer, start)
    if head is None:
        if available >= _LONGEST_HEAD or b"\n" in buffer[start:]:
            raise _bad("no identification after the slash", 1)
        return Unfinished(_LONGEST_HEAD, _LINE_FEED)
    at = head.end()
    if (sealed := _SEALED.match(buffer, at)) is not None:
        return _parse_sealed(buffer, start, sealed.end() - 1)

    end = buffer.find(END, at, start + LONGEST)
    limit = min(start + LONGEST, len(buffer)) if end < 0 else end
    slash = buffer.find(_SLASH, at, limit)
    inside = buffer[at : limit if slash < 0 else slash]
    if not inside.isascii():
        wrong = _NO_ASCII.search(inside)
        assert wrong is not None
        raise _bad("a byte that is no text", at + wrong.end() - start)
    if slash >= 0:
        raise ProtocolError(
            ErrorCode.TRUNCATED,
            "another telegram begins inside",
            length=slash - start,
        )
    if end < 0:
        if available < LONGEST:
            return Unfinished(LONGEST, END[0])
        raise ProtocolError(ErrorCode.TRUNCATED, "no end mark", length=LONGEST)

    end += 1
    text = bytes(buffer[start:end])
    match = _CHECKSUM.match(buffer, end)
    if match is None:
        missing = _CHECKSUM_SIZE - (len(buffer) - end)
        if missing > 0 and not buffer[end:].strip(b"0123456789ABCDEFabcdef"):
            return Unfinished(available + missing, _LINE_FEED)
        raise _bad("no checksum after the end mark", end - start)
    if digits := match[1] or match[2]:
        checksum = int(digits, 16)
        if not intact(text, checksum):
            repaired = _LINE_END.sub(b"\r\n", text)
            if repaired == text or not intact(repaired, checksum):
                raise _bad("the checksum is wrong", match.end() - start)
            text = repaired
    elif not _FORM.fullmatch(text, at - start, len(text) - 1) or _VERSION.search(text):
        raise _bad("no checksum where there should be one", end - start)
    return P1Telegram(match.end(), text)


def _parse_parity(
    buffer: bytes | bytearray, start: int
) -> P1Telegram | Unfinished | int:
    window = bytes(buffer[start : start + LONGEST + 8])
    telegram = parse(window.translate(_STRIP), 0)
    if not isinstance(telegram, P1Telegram):
        return telegram
    if window[: telegram.end].translate(None, _EVEN):
        raise _bad("a byte with wrong parity", telegram.end)
    return telegram._replace(end=start + telegram.end)


def _parse_sealed(buffer: bytes | bytearray, start: int, at: int) -> P1Telegram | int:
    """Read a telegram whose lines are enciphered, as in Poland (see `security`).

    A title of no bytes, a length of two bytes, so many bytes, then `!`. Its checksum
    is CRC-16/ARC (Kaifa) or CRC-16/X-25 with the low byte first (Elgama), over the
    bytes as they are on the wire.
    """
    if len(buffer) < at + 4:
        return at + 4 - start
    if buffer[at + 1] != 0x82:
        raise _bad("no length where enciphered lines begin", at - start)
    size = buffer[at + 2] << 8 | buffer[at + 3]
    mark = at + 4 + size
    if mark - start >= LONGEST:
        raise _bad("enciphered lines longer than a telegram", at - start)
    end = mark + 5
    if len(buffer) < end:
        return end - start
    digits = _CHECKSUM.match(buffer, mark + 1)
    if buffer[mark : mark + 1] != END or digits is None or digits[1] is None:
        raise _bad("no end mark after enciphered lines", end - start)
    sealed = bytes(buffer[start : mark + 1])
    checksum = bytes.fromhex(digits[1].decode("ascii"))
    if not intact(sealed, int.from_bytes(checksum)) and not intact_x25(
        sealed + checksum
    ):
        raise _bad("the checksum is wrong", end - start)
    return P1Telegram(end, sealed)


def sealed_part(payload: bytes) -> tuple[bytes, bytes]:
    """Split a telegram into its identification and what is enciphered in it.

    The second is empty where nothing is.
    """
    head, mark, sealed = payload.partition(b"\0")
    return head, mark + sealed[:-1] if mark else b""
