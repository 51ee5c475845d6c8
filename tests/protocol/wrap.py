"""Telegrams, M-Bus frames and ciphered APDUs, made without anything of the decoder."""

from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from .build import length

KEY: Final = bytes.fromhex("000102030405060708090a0b0c0d0e0f")
AUTHENTICATION_KEY: Final = bytes.fromhex("d0d1d2d3d4d5d6d7d8d9dadbdcdddedf")


def crc_arc(data: bytes) -> int:
    """Give the CRC-16/ARC, bit by bit (DSMR 5.0.2, 6.2)."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc


def text(lines: Iterable[str] | str, head: str = "KAM5") -> bytes:
    """Write a telegram from `/` to `!`."""
    lines = [lines] if isinstance(lines, str) else lines
    return "\r\n".join([f"/{head}", "", *lines, "!"]).encode("ascii")


def telegram(lines: Iterable[str] | str, head: str = "KAM5") -> bytes:
    """Write a telegram with its checksum, the line end after it left out."""
    body = text(lines, head)
    return body + b"%04X" % crc_arc(body)


def mbus(
    data: bytes, *, control: int = 0x10, size: int | None = None, c: int = 0x53
) -> bytes:
    """Wrap data in a long frame; `size` is its length as written, if that differs."""
    body = bytes((c, 0xFF, control, 0x01, 0x67)) + data
    written = (len(body) if size is None else size) & 0xFF
    return (
        bytes((0x68, written, written, 0x68)) + body + bytes((sum(body) & 0xFF, 0x16))
    )


def mbus_parts(apdu: bytes, size: int) -> list[bytes]:
    """Cut an APDU in M-Bus frames."""
    parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    return [
        mbus(part, control=number | 0x10 * (number == len(parts) - 1))
        for number, part in enumerate(parts)
    ]


def encipher(
    plaintext: bytes,
    *,
    title: bytes = b"KAM\x45\0\0\0\1",
    control: int = 0x30,
    counter: int = 1,
    key: bytes = KEY,
    authentication_key: bytes = AUTHENTICATION_KEY,
) -> bytes:
    """Encipher; give security control, counter, ciphertext and tag."""
    head = bytes((control,)) + counter.to_bytes(4)
    mode = modes.GCM(title.ljust(8, b"\0") + head[1:])
    sealer = Cipher(algorithms.AES(key), mode).encryptor()
    if control & 0x10:
        sealer.authenticate_additional_data(head[:1] + authentication_key)
    ciphertext = sealer.update(plaintext) + sealer.finalize()
    return head + ciphertext + (sealer.tag[:12] if control & 0x10 else b"")


def seal(
    plaintext: bytes,
    *,
    title: bytes = b"KAM\x45\0\0\0\1",
    control: int = 0x30,
    authentication_key: bytes = AUTHENTICATION_KEY,
) -> bytes:
    """Write a general-glo-ciphering APDU."""
    content = encipher(
        plaintext, title=title, control=control, authentication_key=authentication_key
    )
    return b"\xdb" + length(len(title)) + title + length(len(content)) + content


def seal_lines(lines: Iterable[str], head: str = "KFM5KAIFA-METER") -> bytes:
    """Write a telegram with enciphered lines as in Poland, from `/` to `!`."""
    content = encipher("\r\n".join([*lines, ""]).encode("ascii"), title=b"", counter=0)
    sealed = b"\0\x82" + len(content).to_bytes(2) + content
    return f"/{head}\r\n\r\n".encode("ascii") + sealed + b"!"
