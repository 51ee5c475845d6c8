"""Bytes as a meter would write them, made without anything of the decoder."""

from datetime import datetime
from typing import Final

LLC: Final = bytes.fromhex("e6e700")
NOISE: Final = bytes.fromhex("00ff7e13a0ff0068002f0d0a7e7e0f0020")


def crc_x25(data: bytes) -> bytes:
    """Give the checksum of HDLC as sent, bit by bit (Green Book ed. 8, 8.5)."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x8408 if crc & 1 else 0)
    return (crc ^ 0xFFFF).to_bytes(2, "little")


def hdlc(
    payload: bytes,
    *,
    addresses: str = "41 0883",
    control: int = 0x13,
    segmented: bool = False,
) -> bytes:
    """Wrap a payload in a frame with both checksums."""
    head = bytes.fromhex(addresses) + bytes((control,))
    length = 2 + len(head) + (2 + len(payload) if payload else 0) + 2
    head = (0xA000 | segmented << 11 | length).to_bytes(2) + head
    body = head + crc_x25(head) + payload if payload else head
    return b"\x7e" + body + crc_x25(body) + b"\x7e"


def length(count: int) -> bytes:
    """Write an A-XDR length."""
    if count < 0x80:
        return bytes((count,))
    return bytes.fromhex("82") + count.to_bytes(2)


def octets(value: bytes | str) -> bytes:
    """Write an octet-string, of bytes or of the text in it."""
    value = value.encode() if isinstance(value, str) else value
    return b"\x09" + length(len(value)) + value


def text(value: str) -> bytes:
    """Write a visible-string."""
    return b"\x0a" + length(len(value)) + value.encode()


def code(printed: str) -> bytes:
    """Write an OBIS code as the octet-string of six it is."""
    head, _, tail = printed.partition(":")
    numbers = [*head.split("-"), *tail.split(".")]
    return octets(bytes(map(int, numbers)).ljust(6, b"\xff"))


def u8(value: int) -> bytes:
    """Write an unsigned."""
    return b"\x11" + value.to_bytes(1)


def u16(value: int) -> bytes:
    """Write a long-unsigned."""
    return b"\x12" + value.to_bytes(2)


def i16(value: int) -> bytes:
    """Write a long."""
    return b"\x10" + value.to_bytes(2, signed=True)


def u32(value: int) -> bytes:
    """Write a double-long-unsigned."""
    return b"\x06" + value.to_bytes(4)


def i64(value: int) -> bytes:
    """Write a long64."""
    return b"\x14" + value.to_bytes(8, signed=True)


def u64(value: int) -> bytes:
    """Write a long64-unsigned."""
    return b"\x15" + value.to_bytes(8)


def structure(*items: bytes) -> bytes:
    """Write a structure."""
    return b"\x02" + length(len(items)) + b"".join(items)


def array(*items: bytes) -> bytes:
    """Write an array."""
    return b"\x01" + length(len(items)) + b"".join(items)


def scaler_unit(scaler: int, unit: int) -> bytes:
    """Write a structure of scaler and unit."""
    return structure(
        b"\x0f" + scaler.to_bytes(1, signed=True), b"\x16" + bytes((unit,))
    )


def clock(
    when: datetime,
    *,
    deviation: int | None = None,
    status: int = 0,
    weekday: int = 0xFF,
) -> bytes:
    """Write the 12 bytes of a date-time."""
    minutes = 0x8000 if deviation is None else deviation & 0xFFFF
    return (
        when.year.to_bytes(2)
        + bytes((when.month, when.day, weekday, when.hour, when.minute, when.second))
        + b"\xff"
        + minutes.to_bytes(2)
        + bytes((status,))
    )


def notification(
    body: bytes, time: bytes = b"\0", *, invoke: int = 0x40000000
) -> bytes:
    """Write a data-notification; `time` is its date-time as sent, length and all."""
    return b"\x0f" + invoke.to_bytes(4) + time + body


def register(printed: str, value: bytes, scaler: int, unit: int) -> bytes:
    """Write a structure of code, value, scaler and unit."""
    return structure(code(printed), value, scaler_unit(scaler, unit))


def blocks(apdu: bytes, size: int) -> list[bytes]:
    """Cut an APDU in general-block-transfer APDUs."""
    parts = [apdu[at : at + size] for at in range(0, len(apdu), size)]
    return [
        b"\xe0"
        + bytes((0xC0 if number == len(parts) else 0x40,))
        + number.to_bytes(2)
        + bytes(2)
        + length(len(part))
        + part
        for number, part in enumerate(parts, 1)
    ]


def segments(payload: bytes, size: int) -> list[bytes]:
    """Cut a payload in HDLC frames, all but the last with the S bit."""
    parts = [payload[at : at + size] for at in range(0, len(payload), size)]
    return [
        hdlc(
            part,
            segmented=number < len(parts),
            control=3 if number < len(parts) else 19,
        )
        for number, part in enumerate(parts, 1)
    ]


def at(text: str) -> datetime:
    """Give a time as written, without a zone where none is written."""
    return datetime.fromisoformat(text)
