"""What do the lines of a P1 telegram say?

A line is an OBIS code and values in parentheses (DSMR P1 Companion Standard 5.0.2, clause
6; Swedish recommendation for customer ports 2.0; e-MUCS P1). Where the telegram begins
and ends, and that it is intact, `p1` has found out.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta, timezone
from operator import mul, truediv
import re
import struct
from types import MappingProxyType
from typing import Final, NamedTuple

from . import obis
from .p1 import HEAD
from .reading import ErrorCode, Meter, MeterKind, MeterReading, ProtocolError, Quantity

_Q = Quantity

_LINE: Final = re.compile(
    r"^(\d{1,3}-\d{1,3}:\d{1,3}\.\d{1,3}\.\d{1,3})(?:\*(\d{1,3}))?"
    r"((?:(?:\r?\n)?\([^()\r\n]*\))+)",
    re.MULTILINE | re.ASCII,
)
_GROUP: Final = re.compile(r"\(([^()\r\n]*)\)")
_NUMBER: Final = re.compile(r"(-?\d{1,12})(?:\.(\d{1,9}))?(?:\*(\w{1,6}))?", re.ASCII)
_TIME: Final = re.compile(r"\d{12}[SW]?|\d{8} \d\d:\d\d:\d\d", re.ASCII)
_POINTS: Final = bytes(0xFF if byte == ord(".") else 0 for byte in range(256))
_SIX_DIGITS: Final = re.compile(r"\d{6}", re.ASCII)

_PREFIXES: Final = {"": 0, "k": 3, "K": 3, "M": 6, "m": -3}
_UNIT: Final = re.compile(r"([kKMm]?)([A-Za-z]+)")
# How makers write a unit, in small letters. Aidon's document prints kVA for reactive
# power (Aidon RJ12 v1.6P, 3.4).
_SPELLINGS: Final = {
    obis.WATT: ("w",),
    obis.WATT_HOUR: ("wh",),
    obis.VAR: ("var", "va"),
    obis.VAR_HOUR: ("varh", "vah"),
    obis.VOLT_AMPERE: ("va",),
    obis.VOLT: ("v",),
    obis.AMPERE: ("a",),
    obis.HERTZ: ("hz",),
    obis.NO_UNIT: ("",),
}

# What only P1 sends: DSMR 5.0.2, table 6-3; e-MUCS P1 1.4, table 2. Swiss meters have
# the demand of channel 1.
_FURTHER: Final = {
    "1-0:1.4.0": (_Q.DEMAND_IMPORT, obis.WATT),
    "1-1:1.4.0": (_Q.DEMAND_IMPORT, obis.WATT),
    "1-0:1.6.0": (_Q.DEMAND_IMPORT_PEAK, obis.WATT),
    "1-1:1.6.0": (_Q.DEMAND_IMPORT_PEAK, obis.WATT),
    "0-0:96.14.0": (_Q.TARIFF, obis.NO_UNIT),
    "0-0:96.7.21": (_Q.POWER_FAILURES, obis.NO_UNIT),
    "0-0:96.7.9": (_Q.LONG_POWER_FAILURES, obis.NO_UNIT),
    "1-0:32.32.0": (_Q.VOLTAGE_SAGS_L1, obis.NO_UNIT),
    "1-0:52.32.0": (_Q.VOLTAGE_SAGS_L2, obis.NO_UNIT),
    "1-0:72.32.0": (_Q.VOLTAGE_SAGS_L3, obis.NO_UNIT),
    "1-0:32.36.0": (_Q.VOLTAGE_SWELLS_L1, obis.NO_UNIT),
    "1-0:52.36.0": (_Q.VOLTAGE_SWELLS_L2, obis.NO_UNIT),
    "1-0:72.36.0": (_Q.VOLTAGE_SWELLS_L3, obis.NO_UNIT),
}

# DSMR sends tariffs only; the meter's total is their sum.
_TOTALS: Final = {
    _Q.ENERGY_IMPORT: (
        _Q.ENERGY_IMPORT_T1,
        _Q.ENERGY_IMPORT_T2,
        _Q.ENERGY_IMPORT_T3,
        _Q.ENERGY_IMPORT_T4,
    ),
    _Q.ENERGY_EXPORT: (
        _Q.ENERGY_EXPORT_T1,
        _Q.ENERGY_EXPORT_T2,
        _Q.ENERGY_EXPORT_T3,
        _Q.ENERGY_EXPORT_T4,
    ),
}

# Who the meter is. Poland writes the type into 96.1.1, so 96.1.0 goes first.
_IDS: Final = (
    "0-0:96.1.0",
    "0-0:96.1.1",
    "0-0:42.0.0",
    "0-0:0.0.0",
    "0-0:96.1.255",
    "1-0:0.0.0",
)
# Luxembourg has five messages (Luxmetering P1 specification, table 3.1).
_TEXTS: Final = (
    "0-0:96.13.0",
    "0-0:96.13.2",
    "0-0:96.13.3",
    "0-0:96.13.4",
    "0-0:96.13.5",
)
_VERSIONS: Final = ("1-3:0.2.8", "0-0:96.1.4")
# All that is read beside what `obis` names
FURTHER_CODES: Final = frozenset((*_FURTHER, *_IDS, *_TEXTS, *_VERSIONS))

# By the FLAG letters in capitals; grid companies put their own. The last letters are
# those of meter ids after DIN 43863-5, where the head names no maker.
_MAKERS: Final = {
    "ADN": "Aidon",
    "EGM": "Elgama",
    "ELL": "Sagemcom",
    "ENE": "Sagemcom",
    "EST": "Sagemcom",
    "ESY": "EasyMeter",
    "ISK": "Iskraemeco",
    "KAM": "Kamstrup",
    "KFM": "Kaifa",
    "KMP": "Kamstrup",
    "LGF": "Landis+Gyr",
    "LGZ": "Landis+Gyr",
    "LUX": "Sagemcom",
    "NES": "NES",
    "SAG": "Sagemcom",
    "XMX": "Landis+Gyr",
}

# Where S and W do not mean Central European Time: Aidon's meters of the 7000 series are
# made for Finland (AIDONFD_RJ12_HAN_Interface_FI), ESO is the grid of Lithuania.
_EASTERN: Final = ("ADN9 7", "ESO")

# Device types of EN 13757-3, table 4, in the decimal digits of DSMR 5.0.2, table 6-3.
_KINDS: Final = {
    "2": MeterKind.ELECTRICITY,
    "3": MeterKind.GAS,
    "4": MeterKind.HEAT,
    "6": MeterKind.HOT_WATER,
    "7": MeterKind.WATER,
    "10": MeterKind.COOLING,
    "11": MeterKind.COOLING,
    "12": MeterKind.HEAT,
    "13": MeterKind.HEAT,
    "21": MeterKind.HOT_WATER,
    "22": MeterKind.WATER,
}
# Units of submeters: quantity, factor and power of ten to its own unit. Heat is counted
# in GJ; a kWh is 0.0036 of it.
_SUBMETER_UNITS: Final = {
    "m3": (_Q.VOLUME, 1, 0),
    "l": (_Q.VOLUME, 1, -3),
    "GJ": (_Q.THERMAL_ENERGY, 1, 0),
    "MJ": (_Q.THERMAL_ENERGY, 1, -3),
    "MWh": (_Q.THERMAL_ENERGY, 36, -1),
    "kWh": (_Q.THERMAL_ENERGY, 36, -4),
    "Wh": (_Q.THERMAL_ENERGY, 36, -7),
}
_ELECTRIC_UNITS: Final = {
    "MWh": (_Q.ENERGY_IMPORT, 1, 3),
    "kWh": (_Q.ENERGY_IMPORT, 1, 0),
    "Wh": (_Q.ENERGY_IMPORT, 1, -3),
}
# The last value of a device (DSMR 5.0.2; the Belgian gas code; DSMR 2.2 and 3).
_SUBMETER_VALUES: Final = ("24.2.1", "24.2.3", "24.3.0")

_HEX_TEXT: Final = re.compile(r"(?:[2-7][0-9A-Fa-f])+(?:00)*")


class _Line(NamedTuple):
    """One line: its code without F, and its groups with their places in the text."""

    code: str
    groups: tuple[tuple[int, str], ...]


class _Number(NamedTuple):
    """Digits in the text that are raw * 10**exponent of a quantity."""

    quantity: Quantity
    start: int
    end: int
    exponent: int


def _lines(text: str) -> Iterator[_Line]:
    for match in _LINE.finditer(text):
        if match[2] in (None, "255"):
            groups = _GROUP.finditer(text, match.start(3), match.end(3))
            yield _Line(match[1], tuple((group.start(1), group[1]) for group in groups))


def _plain(hexadecimal: str) -> str | None:
    """Read the hexadecimal text of letters and digits that DSMR writes texts in."""
    if _HEX_TEXT.fullmatch(hexadecimal) and len(hexadecimal) % 2 == 0:
        text = bytes.fromhex(hexadecimal).decode("ascii").strip("\0 ")
        return text if text.isprintable() and text else None
    return None


def _identity(content: str) -> str | None:
    """Read an id: hexadecimal text, or as it is where that gives no likely id.

    Eight digits are a serial number though they could be four letters.
    """
    plain = _plain(content)
    if plain and len(plain) > 5 and re.fullmatch(r"[\w ./-]+", plain, re.ASCII):
        return plain
    return content.strip() or None


def _meter(head: tuple[str, str], lines: dict[str, _Line]) -> Meter:
    flag, name = head
    found = {
        code: content
        for code in (*_IDS, *_VERSIONS)
        if code in lines and (content := lines[code].groups[0][1])
    }
    sent = next((found[code] for code in _IDS if code in found), "")
    id_ = _identity(sent)
    # A baud rate, and after a backslash a mode, precede the identification.
    name = re.sub(r"\\\d?", "", name[1:], count=1).strip()
    letters = id_[1:4] if id_ and id_[0].isdigit() else ""
    return Meter(
        manufacturer=_MAKERS.get(flag.upper()) or _MAKERS.get(letters),
        type=name or None,
        id=id_,
        list_version=next((found[code] for code in _VERSIONS if code in found), None),
        logical_device_name=_identity(lines["0-0:42.0.0"].groups[0][1])
        if "0-0:42.0.0" in lines
        else None,
        flag_id=flag,
        id_raw=None if sent.strip() == (id_ or "") else sent,
    )


def _register(line: _Line) -> _Number | None:
    """Read a line as a value of the electricity meter, None if it is none."""
    quantity: Quantity | None
    if (further := _FURTHER.get(line.code)) is not None:
        quantity, unit = further
    else:
        code = obis.parse(line.code)
        quantity = obis.quantity(code) if code else None
        unit = obis.UNITS[quantity] if quantity else obis.NO_UNIT
    # The peak of a month is preceded by when it was.
    start, content = line.groups[-1]
    number = _NUMBER.fullmatch(content)
    if quantity is None or number is None:
        return None
    prefix, name = "", number[3] or ""
    if (spelling := _UNIT.fullmatch(name)) is not None:
        prefix, name = spelling.groups()
    if name.lower() not in _SPELLINGS.get(unit, ()):
        return None
    scaler = _PREFIXES[prefix] - len(number[2] or "")
    exponent = scaler - 3 if unit in (obis.WATT_HOUR, obis.VAR_HOUR) else scaler
    end = start + (number.end(2) if number[2] else number.end(1))
    return _Number(quantity, start, end, exponent)


class _Fields:
    """Digits of a telegram as whole numbers, the decimal points taken out."""

    def __init__(self, payload: bytes, spans: Iterable[tuple[int, int]]) -> None:
        form, at = "=", 0
        for start, end in spans:
            first, last = (
                place - payload.count(b".", 0, place) for place in (start, end)
            )
            form += f"{first - at}x{last - first}s"
            at = last
        self._unpack = struct.Struct(form).unpack_from

    def read(self, digits: bytes) -> list[int]:
        return list(map(int, self._unpack(digits)))


class _Clock:
    """A time in a telegram: six numbers, and the zone they are in, if it is known."""

    def __init__(
        self,
        payload: bytes,
        spans: list[tuple[int, int]],
        zone: timezone | None = None,
    ) -> None:
        """Take the places of year, month, day, hour, minute, second."""
        self.spans = spans
        self._fields = _Fields(payload, sorted(spans))
        self._time_first = spans[-1] < spans[0]
        self._zone = zone

    def read(self, digits: bytes) -> datetime | None:
        """Give the time, None where it is none; empty slots send 632525252525W."""
        try:
            numbers = self._fields.read(digits)
            if self._time_first:
                numbers = numbers[3:] + numbers[:3]
            year, month, day, hour, minute, second = numbers
            year += 2000 if year < 100 else 0
            return datetime(year, month, day, hour, minute, second, tzinfo=self._zone)
        except ValueError:
            return None


def _places(start: int, sizes: Iterable[int]) -> list[tuple[int, int]]:
    """Give the places of groups of digits, a negative size being what separates them."""
    spans = []
    for size in sizes:
        if size > 0:
            spans.append((start, start + size))
        start += abs(size)
    return spans


def _time(payload: bytes, start: int, text: str, winter: int) -> _Clock | None:
    """Read a time; S is summer, W winter time, `winter` hours ahead of UTC."""
    if not _TIME.fullmatch(text):
        return None
    if " " in text:
        return _Clock(payload, _places(start, (4, 2, 2, -1, 2, -1, 2, -1, 2)))
    season = {"W": 0, "S": 1}.get(text[-1])
    zone = None if season is None else timezone(timedelta(hours=winter + season))
    return _Clock(payload, _places(start, (2,) * 6), zone)


def _clock(payload: bytes, lines: dict[str, _Line], winter: int) -> _Clock | None:
    """Find the clock; Iskraemeco's ISK9 sends time and date in two lines."""
    if (line := lines.get("0-0:1.0.0")) is not None:
        return _time(payload, *line.groups[0], winter)
    if "1-0:0.9.1" in lines and "1-0:0.9.2" in lines:
        (at, time), (day, date) = (
            lines[code].groups[0] for code in ("1-0:0.9.1", "1-0:0.9.2")
        )
        if _SIX_DIGITS.fullmatch(time) and _SIX_DIGITS.fullmatch(date):
            return _Clock(payload, _places(day, (2,) * 3) + _places(at, (2,) * 3))
    return None


class _Submeter:
    """Where the last value of one channel stands, and when it was read."""

    def __init__(
        self,
        payload: bytes,
        meter: Meter,
        quantity: Quantity,
        number: tuple[int, int],
        scale: tuple[int, int],
        clock: _Clock,
    ) -> None:
        """Take the places of number and clock; a factor and a power of ten."""
        self.spans = [number, *clock.spans]
        self._fields = _Fields(payload, [number])
        self._meter = meter
        self._quantity = quantity
        self._factor, self._exponent = scale
        self._clock = clock

    def read(self, digits: bytes) -> MeterReading | None:
        """Give the value, None where its time is none. Raises ValueError if it is none."""
        if (when := self._clock.read(digits)) is None:
            return None
        value = obis.scale(self._fields.read(digits)[0] * self._factor, self._exponent)
        values = MappingProxyType({self._quantity: value})
        return MeterReading(self._meter, values, meter_time=when)


def _submeter(
    payload: bytes, channel: int, lines: dict[str, _Line], winter: int
) -> _Submeter | None:
    """Read the lines of one channel, by the end of their code; None if it is empty."""
    line = next((lines[code] for code in _SUBMETER_VALUES if code in lines), None)
    if line is None or len(line.groups) < 2:
        return None
    time, unit, value = (line.groups[place][1] for place in (0, -2, -1))
    number = _NUMBER.fullmatch(value)
    clock = _time(payload, line.groups[0][0], time, winter)
    if number is None or clock is None or not clock.read(payload.translate(None, b".")):
        return None
    content = {code: line.groups[0][1] for code, line in lines.items()}
    kind = _KINDS.get(content.get("24.1.0", "").lstrip("0"), MeterKind.OTHER)
    # DSMR 2.2 and 3 write the unit before the value, in a group of its own.
    unit = number[3] or unit
    units = _ELECTRIC_UNITS if kind is MeterKind.ELECTRICITY else _SUBMETER_UNITS
    if unit not in units:
        return None
    quantity, factor, scaler = units[unit]
    start = line.groups[-1][0]
    end = start + (number.end(2) if number[2] else number.end(1))
    meter = Meter(
        id=_identity(content.get("96.1.0") or content.get("96.1.1") or ""),
        kind=kind,
        channel=channel,
    )
    scale = factor, scaler - len(number[2] or "")
    return _Submeter(payload, meter, quantity, (start, end), scale, clock)


class Layout:
    """Where in a telegram which value stands, and what the rest of it says.

    The next telegram of the same meter mostly differs in digits of values and clock
    only, so its layout reads it without parsing it again, after every other byte was
    found to be the same. Submeters send a new value a few times an hour at most, so their
    part is read again where it is another.
    """

    def __init__(self, payload: bytes) -> None:
        """Work out the places of an intact telegram.

        Raises ProtocolError UNSUPPORTED if it is none, or holds no electricity value.
        """
        text = payload.decode("latin-1")
        if (head := HEAD.match(payload)) is None:
            raise ProtocolError(ErrorCode.UNSUPPORTED, "this is no telegram")
        winter = 2 if text[1:].startswith(_EASTERN) else 1
        lines: dict[str, _Line] = {}
        channels: dict[int, dict[str, _Line]] = {}
        numbers: dict[Quantity, _Number] = {}
        unknown: list[tuple[int, int]] = []
        for line in _lines(text):
            medium, channel, code = re.split("[-:]", line.code, maxsplit=2)
            if medium == "0" and channel != "0":
                channels.setdefault(int(channel), {}).setdefault(code, line)
            elif (number := _register(line)) is not None:
                numbers.setdefault(number.quantity, number)
            else:
                lines.setdefault(line.code, line)
                start, content = line.groups[-1]
                if "*" in content and _NUMBER.fullmatch(content):
                    unknown.append((start, start + content.index("*")))
        if not numbers.keys() & obis.UNITS.keys():
            raise ProtocolError(
                ErrorCode.UNSUPPORTED, "the telegram holds no electricity value"
            )

        self._meter = _meter((head[1].decode(), head[2].decode()), lines)
        texts = (_plain(lines[code].groups[0][1]) for code in _TEXTS if code in lines)
        self._text = "\n".join(filter(None, texts)) or None
        self._clock = _clock(payload, lines, winter)
        submeters = (
            _submeter(payload, channel, found, winter)
            for channel, found in channels.items()
        )
        self._submeters = tuple(filter(None, submeters))
        places = [place for each in self._submeters for place in each.spans]
        self._submeter_part = slice(
            min((start for start, _ in places), default=0),
            max((end for _, end in places), default=0),
        )
        self._submeter_last: tuple[bytes, tuple[MeterReading, ...]] = b"", ()

        self._quantities = tuple(numbers)
        exponents = [number.exponent for number in numbers.values()]
        self._divisors = [10 ** max(0, -exponent) for exponent in exponents]
        self._factors = [10 ** max(0, exponent) for exponent in exponents]
        self._scaled = max(self._factors) > 1
        self._totals = [
            (total, [self._quantities.index(tariff) for tariff in tariffs])
            for total, all_tariffs in _TOTALS.items()
            if total not in numbers
            and (tariffs := [tariff for tariff in all_tariffs if tariff in numbers])
            and len({numbers[tariff].exponent for tariff in tariffs}) == 1
        ]
        self._limited = [
            (name, obis.LIMITS[name]) for name in numbers if name in obis.LIMITS
        ]

        spans = [(number.start, number.end) for number in numbers.values()]
        self._fields = _Fields(payload, spans)
        # All but digits stay the same, the decimal points among them.
        mask = bytearray(b"\xff" * len(payload))
        clocks = self._clock.spans if self._clock else []
        for start, end in spans + unknown + clocks + places:
            mask[start:end] = payload[start:end].translate(_POINTS)
        self._mask = int.from_bytes(mask)
        self._constant = int.from_bytes(payload) & self._mask

    def fits(self, payload: bytes) -> bool:
        """Say whether a telegram differs only where this one has digits that count."""
        return int.from_bytes(payload) & self._mask == self._constant

    def read(self, payload: bytes) -> MeterReading:
        """Give what a telegram that fits says.

        Raises ProtocolError UNSUPPORTED if no electricity value is left in it.
        """
        digits = payload.translate(None, b".")
        part = payload[self._submeter_part]
        try:
            raws = self._fields.read(digits)
            if part != self._submeter_last[0]:
                submeters = (each.read(digits) for each in self._submeters)
                self._submeter_last = part, tuple(filter(None, submeters))
        except ValueError:
            # Where the number was there is none now, so it is another layout.
            return Layout(payload).read(payload)
        if self._scaled:
            raws = list(map(mul, raws, self._factors, strict=True))
        # All are of one length; to have that checked costs as much as the values do.
        numbers = map(truediv, raws, self._divisors)  # noqa: B912
        values = dict(zip(self._quantities, numbers))  # noqa: B905
        for total, places in self._totals:
            values[total] = sum(raws[n] for n in places) / self._divisors[places[0]]
        for name, limit in self._limited:
            if values[name] > limit:
                del values[name]
        return MeterReading(
            self._meter,
            MappingProxyType(values),
            meter_time=self._clock.read(digits) if self._clock else None,
            submeters=self._submeter_last[1],
            text=self._text,
        )
