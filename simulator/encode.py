"""How does a meter write its values down?

Written from the documents, without a look at any decoder: the two prove each other.
Sources: Blue Book 13 section 4.1 (data types, date-time, scaler_unit), Green Book 9
section 9.3.10 (data-notification), DSMR 5.0.2 section 6 (P1).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
import struct
from typing import NamedTuple
from zoneinfo import ZoneInfo

from .frames import length, telegram

OSLO = ZoneInfo("Europe/Oslo")  # the other countries' clocks are set alike
STANDARD_TIME = timezone(timedelta(hours=1))

# Tags of A-XDR data (Blue Book 13 section 4.1.5, table 2) ...
NULL, ARRAY, STRUCTURE, U32, OCTETS, TEXT = b"\x00", 0x01, 0x02, 0x06, 0x09, 0x0A
I8, I16, U8, U16, U64, ENUM = 0x0F, 0x10, 0x11, 0x12, 0x15, 0x16
_FORMATS = {U32: ">I", I8: ">b", I16: ">h", U8: ">B", U16: ">H", U64: ">Q", ENUM: ">B"}
# ... and units (table 4).
W, VAR, WH, VARH, A, V, NO_UNIT = 0x1B, 0x1D, 0x1E, 0x20, 0x21, 0x23, 0xFF

# Values by the names of the quantities, in W, var, kWh, kvarh, V and A, besides the
# meter's identity (`meter_id`, `meter_type`, `list_version`) and clock (`meter_time`,
# aware). What the meter does not send is not there.
type Value = float | str | bytes | datetime
type Values = Mapping[str, Value]


def _compound(tag: int, elements: Sequence[bytes]) -> bytes:
    return bytes([tag]) + length(len(elements)) + b"".join(elements)


@cache
def obis(code: str) -> bytes:
    """Return "1-0:1.7.0" as the octet string that is sent."""
    media, _, rest = code.partition("-")
    channel, _, reduced = rest.partition(":")
    return bytes(
        [OCTETS, 6, int(media), int(channel), *map(int, reduced.split(".")), 0xFF]
    )


@dataclass(frozen=True)
class Clock:
    """How a maker writes the time (Blue Book 13 section 4.1.6.1).

    `deviation` in minutes from local time to UTC, None for the true one; `status` None
    for the true one, which says in bit 7 whether it is summer.
    """

    zone: tzinfo
    deviation: int | None = -0x8000
    status: int | None = 0
    hundredths: int = 0xFF
    sunday: int = 7

    def write(self, when: datetime) -> bytes:
        """Return the 12 bytes of the aware `when`."""
        local = when.astimezone(self.zone)
        weekday = local.isoweekday()
        deviation, status = self.deviation, self.status
        if deviation is None:
            deviation = -int((local.utcoffset() or timedelta()).total_seconds()) // 60
        if status is None:
            status = 0x80 if when.astimezone(OSLO).dst() else 0
        return struct.pack(
            ">HBBBBBBBhB",
            local.year,
            local.month,
            local.day,
            self.sunday if weekday == 7 else weekday,
            local.hour,
            local.minute,
            local.second,
            self.hundredths,
            deviation,
            status,
        )


class Row(NamedTuple):
    """One element of a list: which value, its OBIS code, how it is written."""

    key: str
    obis: str
    tag: int
    scaler: int = 0
    unit: int = NO_UNIT


def _number(value: float, row: Row) -> int:
    """Scale a value to what is sent: counters run down to a step, the rest is rounded."""
    if row.unit in (WH, VARH):
        return int(round(value * 1000) / 10.0**row.scaler)
    return round(value / 10.0**row.scaler)


def element(value: Value, row: Row, clock: Clock) -> bytes:
    """Write one value as A-XDR data."""
    if isinstance(value, datetime):
        value = clock.write(value)
    if isinstance(value, str):
        value = int(value) if row.tag in _FORMATS else value.encode("ascii")
    if isinstance(value, int) and row.tag == OCTETS:
        value = value.to_bytes(2)
    if isinstance(value, bytes):
        return bytes([row.tag]) + length(len(value)) + value
    return bytes([row.tag]) + struct.pack(_FORMATS[row.tag], _number(value, row))


# Writes the rows of a list that have a value as the elements of its body.
type Shape = Callable[[Sequence[Row], Values, Clock], list[bytes]]


def _scaler_unit(row: Row) -> bytes:
    return bytes([STRUCTURE, 2, I8, row.scaler & 0xFF, ENUM, row.unit])


def tagged(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write structures of OBIS code, value and, for a number, scaler_unit."""
    elements = []
    for row in rows:
        if row.key in values:
            parts = [obis(row.obis), element(values[row.key], row, clock)]
            if row.tag not in (OCTETS, TEXT):
                parts.append(_scaler_unit(row))
            elements.append(_compound(STRUCTURE, parts))
    return elements


def clock_and_tagged(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write the code and value of the first row, and the others as structures."""
    return [*paired(rows[:1], values, clock), *tagged(rows[1:], values, clock)]


def positional(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write the values alone."""
    return [element(values[row.key], row, clock) for row in rows if row.key in values]


def flat(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write OBIS code, value and scaler_unit in turn; clock and texts alone."""
    elements = []
    for row in rows:
        if row.key in values:
            value = element(values[row.key], row, clock)
            number = row.tag not in (OCTETS, TEXT)
            elements += (
                [obis(row.obis), value, _scaler_unit(row)] if number else [value]
            )
    return elements


def _pair(row: Row, values: Values, clock: Clock) -> list[bytes]:
    code = [obis(row.obis)] if row.obis else []
    return [*code, element(values[row.key], row, clock)]


def paired(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write OBIS code and value in turn; a row without a code alone."""
    return [
        part for row in rows if row.key in values for part in _pair(row, values, clock)
    ]


def paired_or_null(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write OBIS code and value in turn, or null twice for what the meter has not."""
    return [
        part
        for row in rows
        for part in (_pair(row, values, clock) if row.key in values else [NULL, NULL])
    ]


PUSH_LIST = bytes.fromhex("0008190900ff")  # 0-8:25.9.0, the push set-up


def described(rows: Sequence[Row], values: Values, clock: Clock) -> list[bytes]:
    """Write an array that describes all elements, then the values of all but itself.

    A description is COSEM class, OBIS code, attribute and index. The first two are of
    the push set-up: its list, and its name.
    """

    def describe(kind: int, code: bytes, attribute: int) -> bytes:
        head = bytes([STRUCTURE, 4, U16]) + struct.pack(">H", kind)
        return head + code + bytes([I8, attribute, U16, 0, 0])

    push = bytes([OCTETS, 6]) + PUSH_LIST
    rows = [row for row in rows if row.key in values]
    descriptions = [
        describe(40, push, 2),
        describe(40, push, 1),
        *(describe(1 if row.tag == OCTETS else 3, obis(row.obis), 2) for row in rows),
    ]
    array = bytes([ARRAY]) + length(len(descriptions)) + descriptions[0]
    return [array, *descriptions[1:], push, *positional(rows, values, clock)]


NO_TIME, WITH_TIME, STRAY_TAG = b"\x00", b"\x0c", b"\x09\x0c"


@dataclass(frozen=True)
class DlmsLayout:
    """The lists of one maker: what is in them and how they are wrapped.

    `invoke_id` is constant, or where the meter counts, that of message 0.
    """

    lists: Mapping[int, Sequence[Row]]
    shape: Shape
    container: int
    clock: Clock
    wrap: Callable[[Sequence[bytes]], bytes]
    time: bytes = NO_TIME
    invoke_id: int = 0x40000000
    counts: bool = False

    def frames(
        self,
        kind: int,
        values: Values,
        sent: datetime,
        count: int = 0,
        seal: Callable[[bytes], bytes] | None = None,
    ) -> bytes:
        """Return list `kind` as it is on the wire when sent at the aware `sent`.

        `count` is the number of the message, `seal` encrypts its APDU.
        """
        elements = self.shape(self.lists[kind], values, self.clock)
        number = len(elements)
        # Descriptions all stand in the first element, and are parts so that blocks end
        # between them.
        if self.shape is described:
            number = (number + 1) // 2
        invoke_id = self.invoke_id + (count % 0x1000000 if self.counts else 0)
        head = struct.pack(">BI", 0x0F, invoke_id) + self.time
        if self.time != NO_TIME:
            head += self.clock.write(sent)
        parts = [head + bytes([self.container]) + length(number), *elements]
        return self.wrap([seal(b"".join(parts))] if seal else parts)


class Line(NamedTuple):
    """One line of a P1 telegram: which value, its OBIS code, digits and unit.

    The unit "hex" stands for a text in hexadecimal.
    """

    key: str
    obis: str
    digits: int = 0
    decimals: int = 0
    unit: str = ""


def _p1_time(when: datetime, zone: tzinfo) -> str:
    local = when.astimezone(zone)
    return f"{local:%y%m%d%H%M%S}{'S' if local.dst() else 'W'}"


def _p1_value(value: Value, line: Line, zone: tzinfo) -> str:
    if isinstance(value, datetime):
        return _p1_time(value, zone)
    if not isinstance(value, (int, float)):
        text = value if isinstance(value, str) else value.decode("ascii")
        return text.encode("ascii").hex().upper() if line.unit == "hex" else text
    if line.unit in ("kW", "kvar"):
        value /= 1000
    width = line.digits + (line.decimals and line.decimals + 1)
    number = f"{value:0{width}.{line.decimals}f}"
    return f"{number}*{line.unit}" if line.unit else number


@dataclass(frozen=True)
class P1Layout:
    """The telegram of one P1 family; a line that is a text is sent as it is.

    `zone` is the time of its clock, which marks summer time where the zone has it.
    """

    identification: str
    lines: Sequence[Line | str]
    zone: tzinfo

    def frames(
        self,
        kind: int,
        values: Values,
        sent: datetime,
        count: int = 0,
        seal: Callable[[bytes], bytes] | None = None,
    ) -> bytes:
        """Return the telegram; `seal` encrypts all of it."""
        lines = [self.identification]
        for line in self.lines:
            if isinstance(line, str):
                lines.append(line)
            elif line.key in values:
                groups = [_p1_value(values[line.key], line, self.zone)]
                if line.key == "gas_volume":
                    groups.insert(0, _p1_value(values["gas_time"], line, self.zone))
                lines.append(line.obis + "".join(f"({group})" for group in groups))
        text = telegram(lines)
        return seal(text) if seal else text
