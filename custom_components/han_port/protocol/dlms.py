"""What an APDU says: data-notification, A-XDR data, COSEM date-time.

The data-notification is DLMS UA Green Book ed. 9, clause 9.3.10; data types are Blue
Book ed. 13, clause 4.1.5, table 2; date-time is clause 4.1.6.1. Input comes from a
wire: every length, count and depth is checked, and what does not fit raises
ProtocolError.
"""

from datetime import datetime, timedelta, timezone
from functools import cache
import struct
from typing import Final, NamedTuple

from .reading import ErrorCode, ProtocolError

LLC: Final = b"\xe6\xe7\x00"
NOTIFICATION: Final = 0x0F
BLOCK: Final = b"\xe0"

ARRAY: Final = 0x01
STRUCTURE: Final = 0x02
OCTETS: Final = 0x09
TEXT: Final = 0x0A
INTEGER: Final = 0x0F
LONG_UNSIGNED: Final = 0x12
LONG64: Final = 0x14
ENUM: Final = 0x16
DATE_TIME: Final = 0x19

_COMPACT_ARRAY: Final = 0x13
_BIT_STRING: Final = 0x04
_LENGTH_FIRST: Final = (OCTETS, TEXT, 0x0C)

# Numbers by tag, as struct writes them (all big-endian).
WHOLE_NUMBERS: Final[dict[int, str]] = {
    0x05: "i",
    0x06: "I",
    INTEGER: "b",
    0x10: "h",
    0x11: "B",
    LONG_UNSIGNED: "H",
    LONG64: "q",
    0x15: "Q",
    ENUM: "B",
}
_FLOATS: Final = {0x17: "f", 0x18: "d"}
_READERS: Final = {
    tag: struct.Struct(">" + code) for tag, code in (WHOLE_NUMBERS | _FLOATS).items()
}

# Bytes after the tag for types that are neither numbers nor carry a length: null-data,
# boolean, bcd, date-time, date, time, don't-care.
_SIZES: Final = {0x00: 0, 0x03: 1, 0x0D: 1, DATE_TIME: 12, 0x1A: 5, 0x1B: 4, 0xFF: 0}

_NOTHING: Final = (0x00, 0xFF)

# The deepest list known has four levels; compact arrays describe their types likewise.
_DEEPEST: Final = 8


class Leaf(NamedTuple):
    """One simple value: its tag, where its bytes start in the APDU, the value.

    Numbers are int or float, null-data and don't-care None, all else the bytes.
    """

    tag: int
    start: int
    value: int | float | bytes | None


class Branch(NamedTuple):
    """An array or a structure and what is in it."""

    tag: int
    items: tuple[Node, ...]


type Node = Leaf | Branch


class Notification(NamedTuple):
    """A data-notification: the octets of its date-time, if it has one, and the body."""

    time: Leaf | None
    body: Node


def _unsupported(detail: str) -> ProtocolError:
    return ProtocolError(ErrorCode.UNSUPPORTED, detail)


def _truncated() -> ProtocolError:
    return ProtocolError(ErrorCode.TRUNCATED, "the APDU ends inside a value")


def length_at(data: bytes, at: int) -> tuple[int, int]:
    """Read an A-XDR length or count; give it and the index after it."""
    if at >= len(data):
        raise _truncated()
    first = data[at]
    if first < 0x80:
        return first, at + 1
    end = at + 1 + (first & 0x7F)
    if not 0x81 <= first <= 0x84:
        raise _unsupported("a length of more than four bytes")
    if end > len(data):
        raise _truncated()
    return int.from_bytes(data[at + 1 : end]), end


class Block(NamedTuple):
    """One block of a general block transfer: its number from 1, is it the last, data."""

    number: int
    last: bool
    data: bytes


def parse_block(apdu: bytes) -> Block:
    """Read a general-block-transfer APDU (Green Book ed. 9, 9.4.6.13).

    E0, block control with bit 7 for the last block, number, number acknowledged, length,
    data. Raises ProtocolError as `parse_notification`.
    """
    size, at = length_at(apdu, 6)
    if at + size > len(apdu):
        raise _truncated()
    if at + size < len(apdu):
        raise _unsupported("bytes after the end of the block")
    return Block(int.from_bytes(apdu[2:4]), apdu[1] >= 0x80, apdu[at:])


def _skip_type(data: bytes, at: int, depth: int) -> int:
    """Give the index after the type description of a compact array."""
    if depth > _DEEPEST:
        raise _unsupported("data nested too deeply")
    if at >= len(data):
        raise _truncated()
    tag = data[at]
    if tag == ARRAY:
        return _skip_type(data, at + 3, depth + 1)
    if tag == STRUCTURE:
        count, at = length_at(data, at + 1)
        if count > len(data) - at:
            raise _truncated()
        for _ in range(count):
            at = _skip_type(data, at, depth + 1)
        return at
    return at + 1


def parse_data(data: bytes, at: int, depth: int = 0) -> tuple[Node, int]:
    """Read one A-XDR value; give it and the index after it."""
    if at >= len(data):
        raise _truncated()
    tag = data[at]
    at += 1
    if (reader := _READERS.get(tag)) is not None:
        end = at + reader.size
        if end > len(data):
            raise _truncated()
        return Leaf(tag, at, reader.unpack_from(data, at)[0]), end
    if tag in (ARRAY, STRUCTURE):
        if depth == _DEEPEST:
            raise _unsupported("data nested too deeply")
        count, at = length_at(data, at)
        # Every element takes a byte at least, so a huge count is a lie at once.
        if count > len(data) - at:
            raise _truncated()
        items = []
        for _ in range(count):
            item, at = parse_data(data, at, depth + 1)
            items.append(item)
        return Branch(tag, tuple(items)), at
    if (size := _SIZES.get(tag)) is None:
        if tag == _COMPACT_ARRAY:
            size, at = length_at(data, _skip_type(data, at, depth + 1))
        elif tag == _BIT_STRING:
            bits, at = length_at(data, at)
            size = (bits + 7) // 8
        elif tag in _LENGTH_FIRST:
            size, at = length_at(data, at)
        else:
            raise _unsupported(f"data type {tag} does not exist")
    end = at + size
    if end > len(data):
        raise _truncated()
    return Leaf(tag, at, None if tag in _NOTHING else data[at:end]), end


def parse_notification(apdu: bytes) -> Notification:
    """Read a whole data-notification; every byte must belong to it.

    Raises ProtocolError: TRUNCATED where the APDU ends too soon, UNSUPPORTED where it
    is no data-notification or holds what A-XDR does not know.
    """
    if not apdu:
        raise _truncated()
    if apdu[0] != NOTIFICATION:
        raise _unsupported(f"APDU {apdu[0]:02X} is no data-notification")
    # The long-invoke-id-and-priority of four bytes is a counter or a constant.
    return _parse_body(apdu, 5)


def _parse_body(apdu: bytes, at: int) -> Notification:
    """Read date-time and body.

    The date-time is an octet string without its tag: a length and 0 or 12 bytes. Kaifa
    and early Kamstrup firmware (HAN-NVE interface description, revision table) write
    the tag all the same, and a date-time with a tag of its own has no length.
    """
    if at >= len(apdu):
        raise _truncated()
    if apdu[at] == OCTETS:
        at += 1
    if apdu[at : at + 1] == bytes((DATE_TIME,)):
        size, at = 12, at + 1
    else:
        size, at = length_at(apdu, at)
    if size not in (0, 12):
        raise _unsupported(f"a date-time of {size} bytes")
    time = Leaf(OCTETS, at, apdu[at : at + size]) if size else None
    body, end = parse_data(apdu, at + size)
    if end != len(apdu):
        raise _unsupported(f"{len(apdu) - end} bytes after the end of the list")
    return Notification(time, body)


_TIME: Final = struct.Struct(">HBBxBBBxhx")


@cache
def _zone(deviation: int) -> timezone:
    return timezone(timedelta(minutes=-deviation))


def date_time(octets: bytes, *, offset: bool = True) -> datetime | None:
    """Read the 12 bytes of a COSEM date-time; None where they name no instant.

    The deviation is minutes from local time to UTC, so Central European Time is -60.
    `offset` False leaves it out, for meters that are known to send a wrong one.
    """
    year, month, day, hour, minute, second, deviation = _TIME.unpack(octets)
    usable = offset and -720 <= deviation <= 720
    try:
        return datetime(
            year,
            month,
            day,
            hour,
            minute,
            second,
            tzinfo=_zone(deviation) if usable else None,
        )
    except ValueError:
        return None
