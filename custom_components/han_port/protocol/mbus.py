"""Where a wired M-Bus frame ends, whether it is whole, and which APDU it is part of.

The long frame of EN 13757-2 as meters in Austria and Poland send it (TINETZ,
Beschreibung der Kundenschnittstelle, p. 4 to 6; EN 13757-1 for the transport header):

    68 | L | L | 68 | C A CI STSAP DTSAP data | checksum | 16

L counts C to the last byte of data; the checksum is their sum. CI holds the number of
the part in bits 3 to 0 and FIN, the last part, in bit 4.
"""

from typing import Final, NamedTuple

from .reading import ErrorCode, ProtocolError

# "h" is 68; C is SND_UD, 53 or 73. At the end of the buffer the rest may yet come.
START: Final = rb"h(?=\Z|.\Z|(?P<length>.)(?P=length)(?:\Z|h(?:\Z|[Ss])))"

BEGIN: Final = 0x68

_OVERHEAD: Final = 6
_HEADER: Final = 9
_STOP: Final = 0x16
_FIN: Final = 0x10

# Parts are numbered with four bits.
_MOST_PARTS: Final = 16


class MbusFrame(NamedTuple):
    """One intact frame: index after it, number of the part, last of them, its data."""

    end: int
    part: int
    final: bool
    payload: bytes


def parse(buffer: bytes | bytearray, start: int) -> MbusFrame | int:
    """Read the frame whose first 68 is at `start`.

    Gives the frame, or how many bytes from `start` on it takes to say more. Raises
    ProtocolError CRC when no intact frame starts here; its `length` is the frame's own.

    Sagemcom's older T210-D sends frames of more than 255 bytes with the length modulo
    256, so where the frame of length L is not intact, that of L + 256 is tried.
    """
    available = len(buffer) - start
    if available < 4:
        return 4
    length = buffer[start + 1]
    if buffer[start + 2] != length or buffer[start + 3] != buffer[start]:
        raise ProtocolError(ErrorCode.CRC, "no M-Bus long frame", length=4)
    for size in (length, length + 256):
        # Shorter than its own header, the length must be one modulo 256.
        if size + 4 < _HEADER:
            continue
        end = start + size + _OVERHEAD
        if len(buffer) < end:
            return size + _OVERHEAD
        if (
            buffer[end - 1] == _STOP
            and sum(buffer[start + 4 : end - 2]) & 0xFF == buffer[end - 2]
        ):
            control = buffer[start + 6]
            if control & 0xE0:
                raise ProtocolError(
                    ErrorCode.UNSUPPORTED,
                    f"M-Bus frame with control information {control:02X}",
                    length=end - start,
                )
            return MbusFrame(
                end,
                control & 0x0F,
                bool(control & _FIN),
                bytes(buffer[start + _HEADER : end - 2]),
            )
    raise ProtocolError(
        ErrorCode.CRC,
        "M-Bus checksum or stop byte is wrong",
        length=max(length, 5) + _OVERHEAD,
    )
