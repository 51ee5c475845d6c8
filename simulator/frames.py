"""How is an APDU or a telegram wrapped for the wire?

Sources: Green Book 8 section 8.4 (HDLC) and 9 section 9.4.6.13 (general block transfer)
and 9.2.7.2.4 (ciphering), TINETZ "Beschreibung Kundenschnittstelle" (M-Bus), DSMR 5.0.2
section 6 (P1).
"""

from collections.abc import Sequence
from functools import cache
import struct

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

LLC = b"\xe6\xe7\x00"


@cache
def _crc_table(polynomial: int) -> list[int]:
    table = []
    for crc in range(256):
        for _ in range(8):
            crc = crc >> 1 ^ (polynomial if crc & 1 else 0)
        table.append(crc)
    return table


def _crc(data: bytes, polynomial: int, start: int) -> int:
    table = _crc_table(polynomial)
    crc = start
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc_x25(data: bytes) -> bytes:
    """Return the check sequence of HDLC as it is sent (Green Book 8 section 8.5)."""
    return (_crc(data, 0x8408, 0xFFFF) ^ 0xFFFF).to_bytes(2, "little")


def crc_arc(data: bytes) -> int:
    """Return the CRC16 of P1 (DSMR 5.0.2 section 6.2)."""
    return _crc(data, 0xA001, 0)


def length(count: int) -> bytes:
    """Return an A-XDR length or count in the fewest bytes."""
    if count < 0x80:
        return bytes([count])
    if count < 0x100:
        return bytes([0x81, count])
    return b"\x82" + struct.pack(">H", count)


def hdlc(
    information: bytes, address: bytes, *, control: int = 0x13, segmented: bool = False
) -> bytes:
    """Wrap `information` in one frame, format type 3 (Green Book 8 section 8.4.1).

    `address` is destination and source as sent; a segment is followed by another.
    """
    between_flags = 2 + len(address) + 1 + 2 + len(information) + 2
    header = (
        struct.pack(">H", 0xA000 | 0x800 * segmented | between_flags)
        + address
        + bytes([control])
    )
    body = header + crc_x25(header) + information
    return b"\x7e" + body + crc_x25(body) + b"\x7e"


def one_frame(parts: Sequence[bytes], address: bytes, control: int = 0x13) -> bytes:
    """Send an APDU, given in parts, in one HDLC frame."""
    return hdlc(LLC + b"".join(parts), address, control=control)


def segments(parts: Sequence[bytes], address: bytes) -> bytes:
    """Send an APDU in HDLC segments of 154 bytes, as Iskraemeco does."""
    information = LLC + b"".join(parts)
    pieces = [information[at : at + 154] for at in range(0, len(information), 154)]
    return b"".join(
        hdlc(piece, address, control=0x03, segmented=True) for piece in pieces[:-1]
    ) + hdlc(pieces[-1], address)


def blocks(parts: Sequence[bytes], address: bytes) -> bytes:
    """Send an APDU in general block transfer, as Landis+Gyr does.

    A frame holds up to 128 bytes and a part stays whole where it can.
    """
    room = 128 - 7 - len(LLC)
    data = [b""]
    for part in parts:
        while len(part) > 128 - 7:
            cut = room - len(data[-1])
            data[-1] += part[:cut]
            part = part[cut:]
            data.append(b"")
            room = 128 - 7
        if len(data[-1]) + len(part) > room:
            data.append(b"")
            room = 128 - 7
        data[-1] += part
    sent = b""
    for number, block in enumerate(data, 1):
        last = number == len(data)
        header = struct.pack(
            ">BBHHB", 0xE0, 0xC0 if last else 0x40, number, 0, len(block)
        )
        sent += hdlc((LLC if number == 1 else b"") + header + block, address)
    return sent


def mbus(parts: Sequence[bytes], size: int = 245) -> bytes:
    """Send an APDU in wired M-Bus long frames of up to `size` bytes of it (TINETZ p. 4).

    The length is one byte, so an old Sagemcom that sends 252 of them says 1 (257 - 256).
    """
    apdu = b"".join(parts)
    pieces = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    sent = b""
    for number, piece in enumerate(pieces):
        final = 0x10 if number == len(pieces) - 1 else 0
        body = bytes([0x53, 0xFF, final | number, 0x01, 0x67]) + piece
        size_byte = len(body) & 0xFF
        sent += bytes([0x68, size_byte, size_byte, 0x68]) + body
        sent += bytes([sum(body) & 0xFF, 0x16])
    return sent


def seal(
    apdu: bytes,
    *,
    title: bytes,
    counter: int,
    control: int,
    encryption_key: bytes,
    authentication_key: bytes,
    long_length: bool = False,
) -> bytes:
    """Encrypt an APDU with AES-128-GCM: general-glo-ciphering (Green Book 9, 9.2.7.2.4).

    `control` bit 4 adds the tag. Kamstrup writes the length in three bytes always.
    """
    authenticated = control & 0x10
    nonce = title + struct.pack(">I", counter)
    more = bytes([control]) + authentication_key if authenticated else None
    sealed = AESGCM(encryption_key).encrypt(nonce, apdu, more)
    content = bytes([control]) + nonce[8:] + sealed[: -4 if authenticated else -16]
    count = b"\x82" + struct.pack(">H", len(content))
    return (
        b"\xdb\x08" + title + (count if long_length else length(len(content))) + content
    )


def telegram(lines: Sequence[str], end: str = "\r\n") -> bytes:
    """Write a P1 telegram: identification, an empty line, data lines, CRC."""
    text = end.join([f"/{lines[0]}", "", *lines[1:], "!"]).encode("ascii")
    return text + f"{crc_arc(text):04X}{end}".encode("ascii")
