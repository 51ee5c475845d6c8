"""How does a meter write its values on the wire?

Written from the documents, without a look at any decoder: the two prove each other.
Sources: Green Book 8 section 8.4 (HDLC) and 9.5 (data-notification), Blue Book 13 section
4.1 (data types, date-time, scaler_unit).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
import struct
from typing import NamedTuple
from zoneinfo import ZoneInfo

OSLO = ZoneInfo("Europe/Oslo")
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
    """Return an A-XDR length or count."""
    if count < 0x80:
        return bytes([count])
    return (
        b"\x81" + bytes([count])
        if count < 0x100
        else b"\x82" + struct.pack(">H", count)
    )


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
        value = value.encode("ascii")
    if isinstance(value, bytes):
        return bytes([row.tag]) + length(len(value)) + value
    return bytes([row.tag]) + struct.pack(_FORMATS[row.tag], _number(value, row))


type Shape = Callable[[Row, Values, Clock], list[bytes]]


def tagged(row: Row, values: Values, clock: Clock) -> list[bytes]:
    """Write a structure of OBIS code, value and, for a number, scaler_unit."""
    if row.key not in values:
        return []
    parts = [obis(row.obis), element(values[row.key], row, clock)]
    if row.tag not in (OCTETS, TEXT):
        parts.append(scaler_unit(row))
    return [_compound(STRUCTURE, parts)]


def scaler_unit(row: Row) -> bytes:
    """Write the structure of scaler and unit."""
    return bytes([STRUCTURE, 2, I8, row.scaler & 0xFF, ENUM, row.unit])


def positional(row: Row, values: Values, clock: Clock) -> list[bytes]:
    """Write the value alone."""
    return [element(values[row.key], row, clock)] if row.key in values else []


def paired(row: Row, values: Values, clock: Clock) -> list[bytes]:
    """Write OBIS code and value one after the other; a row without a code alone."""
    if row.key not in values:
        return []
    code = [obis(row.obis)] if row.obis else []
    return [*code, element(values[row.key], row, clock)]


def paired_or_null(row: Row, values: Values, clock: Clock) -> list[bytes]:
    """Write OBIS code and value, or null twice for what the meter does not have."""
    return paired(row, values, clock) or [NULL, NULL]


def hdlc(
    information: bytes, *, address: bytes, control: int = 0x13, segmented: bool = False
) -> bytes:
    """Wrap `information` in one frame, format type 3 (Green Book 8 section 8.4.1).

    `address` is destination and source as sent.
    """
    length = 2 + len(address) + 1 + 2 + len(information) + 2
    header = (
        struct.pack(">H", 0xA000 | 0x800 * segmented | length)
        + address
        + bytes([control])
    )
    body = header + crc_x25(header) + information
    return b"\x7e" + body + crc_x25(body) + b"\x7e"


LLC = b"\xe6\xe7\x00"
NO_TIME, WITH_TIME, STRAY_TAG = b"\x00", b"\x0c", b"\x09\x0c"


@dataclass(frozen=True)
class DlmsLayout:
    """The lists of one maker: what is in them and how they are wrapped."""

    lists: Mapping[int, Sequence[Row]]
    shape: Shape
    container: int
    clock: Clock
    address: bytes
    control: int = 0x13
    time: bytes = NO_TIME
    invoke_id: int = 0x40000000

    def apdu(self, kind: int, values: Values, sent: datetime) -> bytes:
        """Return the data-notification with list `kind`, sent at the aware `sent`."""
        elements = [
            part
            for row in self.lists[kind]
            for part in self.shape(row, values, self.clock)
        ]
        return (
            struct.pack(">BI", 0x0F, self.invoke_id)
            + self.time
            + (b"" if self.time == NO_TIME else self.clock.write(sent))
            + _compound(self.container, elements)
        )

    def frames(self, kind: int, values: Values, sent: datetime) -> bytes:
        """Return list `kind` as it is on the wire."""
        return hdlc(
            LLC + self.apdu(kind, values, sent),
            address=self.address,
            control=self.control,
        )
