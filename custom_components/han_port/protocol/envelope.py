"""What is in a message of a reader on MQTT?

Some readers hand on what the meter sends, as bytes or as hex text, alone or in JSON. The
Tibber Pulse collects it in a container after a quarter of an hour. What they say about
themselves is kept apart: it tells what is wrong, and is no message of a meter.
"""

from enum import StrEnum
import re
from typing import Final, NamedTuple
import zlib

from . import hdlc, mbus, p1
from .decoder import from_hex
from .reading import ErrorCode, MeterReading, Outcome

# The longest message of any meter is a tenth of it; beyond, nothing is looked at.
LONGEST: Final = 65536

# Entries of one container; two telegrams have been seen, and 15 minutes of them have 90
_MOST_ENTRIES: Final = 100

# Seconds in which a bare list is taken for a copy out of the frame before it
_COPY: Final = 1.0

# Of what a reader says, this many characters are kept.
_TEXT_LENGTH: Final = 200

# Tibber's container: field 1 is always this number.
_BATCH: Final = b"\x08\xdc\xd9\x02"
# Protocol Buffers, wire types
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5

_HEX_IN_JSON: Final = re.compile(rb'\s*\{[^{}]*?"data"\s*:\s*"([0-9A-Fa-f\s]*)')
_JSON: Final = re.compile(rb"\s*[{\[]")
_READER_STATUS: Final = re.compile(rb'\s*\{\s*"status"\s*:')
_NO_DATA: Final = re.compile(rb"\s*Debug:\s*No HAN data", re.IGNORECASE)
_TEXT: Final = re.compile(rb"\s*Debug:")
_WILL: Final = re.compile(rb"\s*(online|offline)\s*", re.IGNORECASE)
_NUMBER: Final = re.compile(rb"\s*[-+]?\d{1,15}(?:\.\d{0,15})?\s*")

# A list alone, without the header and checksum of a frame
_BODY: Final = re.compile(rb"(?:\x09?\x0c.{12})?[\x01\x02]", re.DOTALL)
_FRAMED: Final = (hdlc.FLAG, mbus.BEGIN)
_PROVED: Final = (*_FRAMED, *p1.STARTS)
_DAMAGED: Final = (ErrorCode.CRC, ErrorCode.TRUNCATED)


class Said(StrEnum):
    """What a payload says when it is no message of a meter."""

    NO_DATA = "no_data"
    DECODED = "decoded"
    STATUS = "status"
    TOO_LONG = "too_long"
    ONLINE = "online"
    OFFLINE = "offline"


class Message(NamedTuple):
    """A message of a meter, and for how many seconds the reader has kept it."""

    data: bytes
    age: float = 0


class Contents(NamedTuple):
    """What was in a payload: messages for `Decoder.decode`, or what the reader says."""

    messages: list[Message]
    said: Said | None = None
    text: str = ""


class Envelope:
    """Unwraps the payloads of one topic; nothing it is given makes it raise."""

    def __init__(self) -> None:
        """Start without a frame."""
        self._framed: float | None = None

    def unwrap(self, payload: bytes, when: float) -> Contents:
        """Give what is in a payload that came at `when`, in seconds of any one clock.

        An amsreader sends each frame, and after it the list that is in it once more. The
        frame has a checksum and the time, so that the list is left out.
        """
        if len(payload) > LONGEST:
            return Contents([], Said.TOO_LONG)
        if (messages := _batch(payload)) is not None:
            return Contents(messages)
        if (found := _HEX_IN_JSON.match(payload)) and len(found[1]) > 1:
            data = from_hex(found[1])
        elif (said := _said(payload)) is not None:
            return Contents([], said, _text(payload))
        else:
            data = from_hex(payload)
        if data[:1] and data[0] in _FRAMED:
            self._framed = when
        elif (
            self._framed is not None
            and when - self._framed <= _COPY
            and _BODY.match(data)
        ):
            return Contents([])
        return Contents([Message(data)] if data else [])


def is_proved(outcome: Outcome) -> bool:
    """Say whether an intact frame or telegram of a meter was found, whatever is in it."""
    return (
        outcome.frame[:1] != b""
        and outcome.frame[0] in _PROVED
        and (
            isinstance(outcome.result, MeterReading)
            or outcome.result.code not in _DAMAGED
        )
    )


def _said(payload: bytes) -> Said | None:
    """Tell what a reader says, None where it may be a message of a meter."""
    if (will := _WILL.fullmatch(payload)) is not None:
        return Said(will[1].decode("ascii").lower())
    if _NO_DATA.match(payload):
        return Said.NO_DATA
    if _READER_STATUS.match(payload) or _TEXT.match(payload):
        return Said.STATUS
    # Readers that decode by themselves send JSON, or one value on each topic.
    if _JSON.match(payload) or _NUMBER.fullmatch(payload):
        return Said.DECODED
    return None


def _text(payload: bytes) -> str:
    """Give the beginning of a payload, for people."""
    text = payload[:_TEXT_LENGTH].decode("utf-8", "replace")
    return "".join(each if each.isprintable() else " " for each in text).strip()


def _batch(payload: bytes) -> list[Message] | None:
    """Open the container of a Tibber Pulse, None if it is none.

    Each entry has the uptime of the Pulse in ms, what kind of port it is from, and a
    message. Where it also has a length, the messages are one deflate stream, of which
    each entry has a part. One that is damaged is left to the decoder as it is.
    """
    if not payload.startswith(_BATCH):
        return None
    entries: list[tuple[int, bytes]] = []
    stream = zlib.decompressobj()
    room = LONGEST
    try:
        for number, field in _fields(payload):
            if number != 2 or not isinstance(field, bytes):
                continue
            entry = dict(_fields(field))
            uptime, data = entry.get(1), entry.get(3)
            if not isinstance(uptime, int) or not isinstance(data, bytes):
                continue
            if 4 in entry and data[:1] not in (b"\x7e", b"/"):
                data = stream.decompress(data, room)
                room -= len(data)
            entries.append((uptime, data))
            if room <= 0 or len(entries) >= _MOST_ENTRIES:
                break
    except ValueError, zlib.error:
        if not entries:
            return [Message(payload)]
    newest = max((uptime for uptime, _ in entries), default=0)
    return [
        Message(data, min(newest - uptime, 3_600_000) / 1000)
        for uptime, data in entries
        if data
    ]


def _fields(data: bytes) -> list[tuple[int, int | bytes]]:
    """Read the fields of one message of Protocol Buffers; ValueError if it is none."""
    fields: list[tuple[int, int | bytes]] = []
    at = 0
    while at < len(data) and len(fields) < 2 * _MOST_ENTRIES:
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            if kind == _BYTES:
                size, at = _varint(data, at)
            elif kind in (_FIXED64, _FIXED32):
                size = 8 if kind == _FIXED64 else 4
            else:
                raise ValueError("no wire type of this number")
            if size > len(data) - at:
                raise ValueError("a field ends behind the message")
            value = data[at : at + size]
            if kind != _BYTES:
                value = int.from_bytes(value, "little")
            at += size
        fields.append((number, value))
    return fields


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number of 7 bits a byte, least significant first; give where it ends."""
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(data):
            break
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without end")
