"""Which register stands where in each maker's list, and with what scaler.

A list is tagged (every value comes with its OBIS code), described (it begins with the
codes of what follows) or positional (values only), and sends scaler and unit or leaves
them out. What the meter sends is believed; the rows here say only what it leaves out.

Reading a list gives a `Layout`: which bytes are which quantity. The next message of the
same list differs in those bytes only, so its layout reads it without parsing it again,
after every other byte was found to be the same.
"""

from collections.abc import Callable, Iterable, Mapping
from math import hypot
import struct
from types import MappingProxyType
from typing import Final, NamedTuple

from . import obis
from .dlms import (
    ARRAY,
    ENUM,
    LONG64,
    OCTETS,
    STRUCTURE,
    TEXT,
    WHOLE_NUMBERS,
    Branch,
    Leaf,
    Node,
    Notification,
    date_time,
)
from .obis import (
    AMPERE,
    NO_UNIT,
    VAR,
    VAR_HOUR,
    VOLT,
    VOLT_AMPERE,
    WATT,
    WATT_HOUR,
)
from .reading import ErrorCode, Meter, MeterReading, ProtocolError, Quantity as Q

_POWERS: Final = (
    Q.ACTIVE_POWER_IMPORT,
    Q.ACTIVE_POWER_EXPORT,
    Q.REACTIVE_POWER_IMPORT,
    Q.REACTIVE_POWER_EXPORT,
)
_IMPORTS: Final = (
    Q.ACTIVE_POWER_IMPORT_L1,
    Q.ACTIVE_POWER_IMPORT_L2,
    Q.ACTIVE_POWER_IMPORT_L3,
)
_EXPORTS: Final = (
    Q.ACTIVE_POWER_EXPORT_L1,
    Q.ACTIVE_POWER_EXPORT_L2,
    Q.ACTIVE_POWER_EXPORT_L3,
)
_FACTORS: Final = (Q.POWER_FACTOR_L1, Q.POWER_FACTOR_L2, Q.POWER_FACTOR_L3)
_CURRENTS: Final = (Q.CURRENT_L1, Q.CURRENT_L2, Q.CURRENT_L3)
_VOLTAGES: Final = (Q.VOLTAGE_L1, Q.VOLTAGE_L2, Q.VOLTAGE_L3)
_ENERGIES: Final = (
    Q.ENERGY_IMPORT,
    Q.ENERGY_EXPORT,
    Q.REACTIVE_ENERGY_IMPORT,
    Q.REACTIVE_ENERGY_EXPORT,
)
_IMPORT_TARIFFS: Final = (Q.ENERGY_IMPORT, Q.ENERGY_IMPORT_T1, Q.ENERGY_IMPORT_T2)
_EXPORT_TARIFFS: Final = (Q.ENERGY_EXPORT, Q.ENERGY_EXPORT_T1, Q.ENERGY_EXPORT_T2)
_QUADRANTS: Final = (
    Q.REACTIVE_ENERGY_Q1,
    Q.REACTIVE_ENERGY_Q2,
    Q.REACTIVE_ENERGY_Q3,
    Q.REACTIVE_ENERGY_Q4,
)


class Scalers(NamedTuple):
    """Powers of ten for values sent without one; None: not known, leave them out."""

    power: int | None = 0
    energy: int | None = 0
    current: int | None = None
    voltage: int | None = None
    factor: int | None = None


# Which of them holds for which unit.
_SCALER: Final = {
    WATT: 0,
    VAR: 0,
    VOLT_AMPERE: 0,
    WATT_HOUR: 1,
    VAR_HOUR: 1,
    AMPERE: 2,
    VOLT: 3,
    NO_UNIT: 4,
}


class Family(NamedTuple):
    """What a maker's lists do not say themselves.

    `adapt` works out the scalers from the raw values where they depend on how a meter
    was configured. `kinds`: the lists come in the three kinds of the Norwegian port.
    `clock_offset`: the deviation in the clock can be believed.
    """

    manufacturer: str | None = None
    scalers: Scalers = Scalers()
    adapt: Callable[[Meter, Mapping[Q, int], Scalers], Scalers] | None = None
    kinds: bool = False
    clock_offset: bool = True


def _apparent_power(raw: Mapping[Q, int], current: int, voltage: int) -> float:
    """Give the sum of U times I in VA, which no power of the meter can exceed."""
    product = sum(
        raw.get(u, 0) * raw.get(i, 0)
        for u, i in zip(_VOLTAGES, _CURRENTS, strict=True)
    )
    return obis.scale(product, current + voltage)


def _power(raw: Mapping[Q, int]) -> float:
    """Give the raw power through the meter, reactive power included."""
    active_in, active_out, reactive_in, reactive_out = (
        raw.get(quantity, 0) for quantity in _POWERS
    )
    return hypot(active_in - active_out, reactive_in - reactive_out)


# A power that is more than U times I by this factor is on another scale. Values of one
# message are up to a second apart, so a factor near 1 says nothing; near 10 it does.
_OFF_SCALE: Final = 3.5
# Meters count no current below some 20 mA, so small powers show no current: VA.
_UNSEEN: Final = 15


def _voltage_scaler(raw: Mapping[Q, int], scaler: int) -> int:
    """Lower a scaler until no voltage is above those of a low-voltage grid."""
    highest = max(raw.get(quantity, 0) for quantity in _VOLTAGES)
    while obis.scale(highest, scaler) > 500:
        scaler -= 1
    return scaler


def _kamstrup(meter: Meter, raw: Mapping[Q, int], scalers: Scalers) -> Scalers:
    """Find out how a Kamstrup meter was configured.

    The HAN-NVE description (rev 3.1, 2.7) has 1 W, 10 Wh, 0.01 A and 1 V, and meters of
    Norway keep to it. The OMNIPOWER description (5512-2584, chapter 5) says that
    the scale is configured and not sent: voltages come with two decimals as well, power
    with one or two. Current transformer meters (type 685...) send mA. The last three
    digits of the type number are the country; meters of Sweden (09.) and
    Switzerland (059, 063, 065) count in Wh. The list of all values has no type number.
    """
    type_ = meter.type or ""
    power, energy, current, voltage, factor = scalers
    voltage = _voltage_scaler(raw, voltage)
    if type_.startswith("685") or (not type_ and _is_milliampere(raw, voltage)):
        current = -3
    if type_[-3:-1] == "09" or type_[-3:] in ("059", "063", "065"):
        energy = 0
    if type_[-3:] != "040" and Q.CURRENT_L1 in raw and Q.VOLTAGE_L1 in raw:
        most = _OFF_SCALE * _apparent_power(raw, current, voltage) + _UNSEEN
        while power > -2 and obis.scale(_power(raw), power) > most:
            power -= 1
    return Scalers(power, energy, current, voltage, factor)


def _is_milliampere(raw: Mapping[Q, int], voltage: int) -> bool:
    """Tell mA from 10 mA by U * I * power factor = P, which holds in every phase."""
    expected = power = 0.0
    phases = zip(_VOLTAGES, _CURRENTS, _FACTORS, _IMPORTS, _EXPORTS, strict=True)
    for u, i, factor, into, out in phases:
        expected += raw.get(u, 0) * raw.get(i, 0) * raw.get(factor, 0)
        power += raw.get(into, 0) + raw.get(out, 0)
    return obis.scale(expected, voltage - 4) > _OFF_SCALE * power + _UNSEEN


def _landis_gyr(meter: Meter, raw: Mapping[Q, int], scalers: Scalers) -> Scalers:
    """Find out the scale of voltage and current of a Landis+Gyr meter.

    The E450 sends whole volts and 0.01 A, the E360 0.1 V. Behind transformers the
    current is on a coarser scale; it must carry the power.
    """
    current, voltage = scalers.current, _voltage_scaler(raw, scalers.voltage)
    if any(raw.get(quantity) for quantity in _VOLTAGES):
        power = _power(raw)
        while current < 0 and power > _UNSEEN + _OFF_SCALE * _apparent_power(
            raw, current, voltage
        ):
            current += 1
    return scalers._replace(current=current, voltage=voltage)


# Aidon HAN Interface Description v1.1A, 2.3 and 3.2. Its clock says deviation 0 and
# runs on standard time all the same.
_AIDON: Final = Family("Aidon", kinds=True, clock_offset=False)
# The Landis+Gyr E350 of Norway follows Aidon's description.
_EMBRIQ: Final = _AIDON._replace(manufacturer="Landis+Gyr")
# The list with power only is the same from Aidon and the E350.
_AIDON_OR_EMBRIQ: Final = _AIDON._replace(manufacturer=None)
# Kaifa HAN OBIS codes KFM_001.
_KAIFA: Final = Family("Kaifa", Scalers(current=-3, voltage=-1), kinds=True)
_KAMSTRUP: Final = Family(
    "Kamstrup",
    Scalers(energy=1, current=-2, voltage=0, factor=-2),
    _kamstrup,
    kinds=True,
)
# Regionalwerke Baden, Bedienungsanleitung SmartMeter (E450): push lists of Switzerland.
_LANDIS_GYR: Final = Family(
    "Landis+Gyr", Scalers(current=-2, voltage=0, factor=-3), _landis_gyr
)
# The E570 behind transformers sends 64 bits throughout and whole amperes.
_E570: Final = _LANDIS_GYR._replace(scalers=_LANDIS_GYR.scalers._replace(current=0))
# Iskraemeco AM550 and IE.5 as captured in Slovenia, Croatia and Switzerland.
_ISKRA: Final = Family("Iskraemeco", Scalers(current=-2, voltage=-1, factor=-3))
# Nothing is known: currents, voltages and factors without a scaler are left out.
_UNKNOWN: Final = Family()

# List versions: AIDON_V0001, EMBRIQ_V1_1, KFM_001, Kamstrup_V0001.
_LIST_VERSIONS: Final = {
    "AIDON_": _AIDON,
    "EMBRIQ_": _EMBRIQ,
    "KFM_": _KAIFA,
    "Kamstrup_": _KAMSTRUP,
}

# The maker's letters (FLAG identification) open a logical device name and, unless it is
# enciphered itself, a system title.
_FLAG_IDS: Final = {
    "ADN": "Aidon",
    "EGM": "Elgama",
    "ISK": "Iskraemeco",
    "KAM": "Kamstrup",
    "KFM": "Kaifa",
    "LGZ": "Landis+Gyr",
    "SAG": "Sagemcom",
    "SIE": "Siemens",
}


class Row(NamedTuple):
    """A positional list: the family, and what stands at each place.

    A text names what a string says of the meter, "clock" is a date-time, None is not
    understood or not used.
    """

    family: Family
    fields: tuple[Q | str | None, ...]


_KFM: Final = ("list_version", "id", "type", *_POWERS)
_KFM_1: Final = (*_KFM, Q.CURRENT_L1, Q.VOLTAGE_L1)
_KFM_3: Final = (*_KFM, *_CURRENTS, *_VOLTAGES)
_AUSTRIA: Final = (None, "id", None, None, *_ENERGIES, *_POWERS[:2])
_HR_PHASES: Final = (*_IMPORTS, *_EXPORTS, *_VOLTAGES, *_CURRENTS)
# What identifies the list in one variant is the serial number in another.
_ISK: Final = ("logical_device_name", "id_alt")

# By the types of the values, see `_LETTERS`. Kaifa HAN OBIS codes KFM_001, p. 2 to 5:
# lists 2 and 3, three phases and one. Swedish MA304T4 send counters of 64 bits.
_KAIFA_ROWS: Final = {
    "ooouuuuuuuuuutuuuu": Row(_KAIFA, (*_KFM_3, "clock", *_ENERGIES)),
    "ooouuuuuuuuuutllll": Row(_KAIFA, (*_KFM_3, "clock", *_ENERGIES)),
    "ooouuuuuutuuuu": Row(_KAIFA, (*_KFM_1, "clock", *_ENERGIES)),
    "ooouuuuuutllll": Row(_KAIFA, (*_KFM_1, "clock", *_ENERGIES)),
    "ooouuuuuuuuuu": Row(_KAIFA, _KFM_3),
    "ooouuuuuu": Row(_KAIFA, _KFM_1),
}
_POSITIONAL: Final = {
    # Oesterreichs Energie, Smart Meter customer interfaces, variant 1: Iskraemeco and
    # Siemens of Carinthia. Time and date are those of the notification.
    "oooouuuuuuoo": Row(_UNKNOWN, _AUSTRIA),
    # The same, variant 3: Vienna.
    "tuuuuuuuu": Row(_UNKNOWN, ("clock", *_ENERGIES, *_POWERS)),
    # The same, variant 6: Landis+Gyr of Burgenland, with and without phase angles.
    "hhhhhhuuuuhhho": Row(
        _LANDIS_GYR,
        (*_VOLTAGES, *_CURRENTS, *_POWERS[:2], *_ENERGIES[:2], None, None, None, "id"),
    ),
    "hhhhhhuuuuo": Row(
        _LANDIS_GYR, (*_VOLTAGES, *_CURRENTS, *_POWERS[:2], *_ENERGIES[:2], "id")
    ),
    # Slovenia, Iskraemeco AM550 as captured: three-phase and one-phase values, then
    # the counters with the state of the breaker and the tariff, then counters only.
    "oouuuuhhhhhhuuuuuu": Row(
        _ISKRA, (*_ISK, *_POWERS, *_VOLTAGES, *_CURRENTS, *_IMPORTS, *_EXPORTS)
    ),
    "oohhhhhhuuuu": Row(_ISKRA, (*_ISK, *_VOLTAGES, *_CURRENTS, *_POWERS)),
    "oouuuuhhuu": Row(
        _ISKRA,
        (
            *_ISK,
            *_POWERS,
            Q.VOLTAGE_L1,
            Q.CURRENT_L1,
            Q.ACTIVE_POWER_IMPORT_L1,
            Q.ACTIVE_POWER_EXPORT_L1,
        ),
    ),
    "oouuuuhuu": Row(_ISKRA, (*_ISK, *_POWERS, Q.VOLTAGE_L1, None, None)),
    "ooeouuuuuuuu": Row(
        _ISKRA,
        (*_ISK, None, None, *_IMPORT_TARIFFS, *_EXPORT_TARIFFS, *_ENERGIES[2:]),
    ),
    "oozouuuuuuuu": Row(
        _ISKRA,
        (*_ISK, None, None, *_IMPORT_TARIFFS, *_EXPORT_TARIFFS, *_ENERGIES[2:]),
    ),
    "ouuuuuuuu": Row(
        _ISKRA, (_ISK[0], *_POWERS[:2], *_IMPORT_TARIFFS, *_EXPORT_TARIFFS)
    ),
    "obuu": Row(_ISKRA, ("id", None, *_ENERGIES[:2])),
    # Croatia, Iskraemeco IE.5 as captured; the number after the powers looks like the
    # power factor, the last ones are limits and the breaker.
    "ooouuuuuuuuuuuuhuuuuuuhhhhhhuaaaz": Row(
        _ISKRA,
        (
            "id",
            None,
            None,
            *_IMPORT_TARIFFS,
            *_EXPORT_TARIFFS,
            *_QUADRANTS,
            *_POWERS[:2],
            None,
            *_HR_PHASES,
        ),
    ),
}
_KAIFA_LIST_1: Final = Row(_KAIFA._replace(manufacturer=None), _POWERS[:1])

_LETTERS: Final = {
    ARRAY: "a",
    0x03: "z",
    0x06: "u",
    OCTETS: "o",
    TEXT: "o",
    0x11: "b",
    0x12: "h",
    0x15: "l",
    ENUM: "e",
}

# Codes that say who the meter is; several makers have their own.
_IDENTITY: Final = {
    obis.parse(code): field
    for field, codes in {
        "list_version": ("1-1:0.2.129", "1-0:0.2.129"),
        "id": ("0-0:96.1.0", "1-1:0.0.5", "1-1:0.0.1"),
        "id_2": ("0-0:96.1.1",),
        "type": ("0-0:96.1.7", "1-1:96.1.1"),
        "logical_device_name": ("0-0:42.0.0",),
    }.items()
    for code in codes
}
# Meter types that send 0 for what they do not measure, on grids without a neutral:
# Kaifa's OBIS table (notes on values that are always 0); Landis+Gyr's letters ZFF stand
# for three-phase three-wire.
_UNMEASURED: Final = (
    ("MA304H3E", frozenset({Q.VOLTAGE_L2})),
    ("MA304T3", frozenset({Q.CURRENT_L2, Q.VOLTAGE_L2})),
    ("ZFF", frozenset({Q.CURRENT_L2, Q.VOLTAGE_L2})),
)


class _Register(NamedTuple):
    """A value of a list: its OBIS code or quantity, and scaler and unit where sent."""

    name: bytes | Q
    leaf: Leaf
    scaler: int | None = None
    unit: int | None = None


class Layout:
    """Which bytes of an APDU are which quantity, and what the rest of it says."""

    def __init__(
        self,
        apdu: bytes,
        family: Family,
        meter: Meter,
        registers: Iterable[_Register],
        clocks: list[Leaf],
    ) -> None:
        """Work out places, scalers and what must stay the same.

        Raises ProtocolError UNSUPPORTED if no register names an electricity value.
        """
        # The invoke id may count; no other byte but values and times may differ.
        mask = bytearray(b"\xff" * len(apdu))
        mask[1:5] = bytes(4)
        for clock in clocks:
            mask[clock.start : clock.start + 12] = bytes(12)
        fields: dict[Q, tuple[int, str, _Register]] = {}
        for register in registers:
            if (code := WHOLE_NUMBERS.get(register.leaf.tag)) is None:
                continue
            start = register.leaf.start
            size = struct.calcsize(code)
            mask[start : start + size] = bytes(size)
            name = register.name
            quantity = name if isinstance(name, Q) else obis.quantity(name)
            if quantity is None or quantity in fields:
                continue
            unit = obis.UNITS[quantity]
            if register.unit is None:
                silent = _SCALER.get(unit)
                if silent is None or family.scalers[silent] is None:
                    continue
            elif register.unit != unit:
                continue
            fields[quantity] = (start, code, register)
        if not fields:
            raise ProtocolError(
                ErrorCode.UNSUPPORTED, "the list holds no electricity value"
            )
        self._mask = int.from_bytes(mask)
        self._constant = int.from_bytes(apdu) & self._mask

        self._quantities = tuple(sorted(fields, key=lambda name: fields[name][0]))
        places, end = ">", 0
        for start, code, _ in (fields[name] for name in self._quantities):
            places += f"{start - end}x{code}"
            end = start + struct.calcsize(code)
        self._unpack = struct.Struct(places).unpack_from
        self._sent = tuple(fields[name][2].scaler for name in self._quantities)
        self._exponents: dict[Scalers, tuple[int, ...]] = {}

        self._family = family
        self._meter = meter
        self._clocks = tuple(clock.start for clock in clocks)
        self._kind = _kind(self._quantities) if family.kinds else None
        type_ = meter.type or ("ZFF" if family is _EMBRIQ else "")
        self._unmeasured = frozenset[Q]().union(
            *(names for prefix, names in _UNMEASURED if type_.startswith(prefix))
        ).intersection(fields)

    def fits(self, apdu: bytes) -> bool:
        """Say whether an APDU of the same length differs in values and times only."""
        return int.from_bytes(apdu) & self._mask == self._constant

    def read(self, apdu: bytes) -> MeterReading:
        """Give what an APDU that fits says."""
        family = self._family
        raws = self._unpack(apdu)
        scalers = family.scalers
        if family.adapt is not None:
            raw = dict(zip(self._quantities, raws, strict=True))
            scalers = family.adapt(self._meter, raw, scalers)
        exponents = self._exponents.get(scalers) or self._scale(scalers)
        values = dict(zip(self._quantities, map(obis.scale, raws, exponents)))
        time = other = None
        for start in self._clocks:
            sent = date_time(apdu[start : start + 12], offset=family.clock_offset)
            if time is None:
                time = sent
            elif sent is not None and sent != time:
                other = sent
        unmeasured = self._unmeasured
        if unmeasured and any(values[quantity] for quantity in unmeasured):
            unmeasured = frozenset()
        return MeterReading(
            self._meter, MappingProxyType(values), self._kind, time, other, unmeasured
        )

    def _scale(self, scalers: Scalers) -> tuple[int, ...]:
        """Give the power of ten of every quantity, the one it is sent with first."""
        exponents = self._exponents[scalers] = tuple(
            obis.exponent(
                name, scalers[_SCALER[obis.UNITS[name]]] if sent is None else sent
            )
            for name, sent in zip(self._quantities, self._sent, strict=True)
        )
        return exponents


def _kind(quantities: tuple[Q, ...]) -> int:
    """Tell the kinds of the Norwegian port: power only, all values, with counters."""
    if any(obis.UNITS[quantity] == WATT_HOUR for quantity in quantities):
        return 3
    return 2 if len(quantities) > 1 else 1


def read(apdu: bytes, notification: Notification, flag_id: str | None) -> Layout:
    """Find out which list a data-notification holds and what stands where in it.

    `flag_id` are the maker's letters from the system title, if it was enciphered.
    Raises ProtocolError UNSUPPORTED if it holds no electricity value.
    """
    body = notification.body
    items = body.items if isinstance(body, Branch) else ()
    identity: dict[str, str | None] = {}
    clocks: list[Leaf] = []
    row = _row(apdu, notification, items)
    if row is not None:
        family = row.family
        registers = []
        for field, leaf in zip(row.fields, items, strict=False):
            assert isinstance(leaf, Leaf)
            if isinstance(field, Q):
                registers.append(_Register(field, leaf))
            elif field == "clock":
                clocks.append(leaf)
            elif field is not None:
                identity[field] = _text(leaf)
    else:
        described = _described(items)
        registers, loose = described or _walk(items)
        for register in registers:
            if (field := _IDENTITY.get(register.name)) is not None:
                identity.setdefault(field, _text(register.leaf))
            elif _is_clock(register.leaf):
                clocks.append(register.leaf)
        registers = [r for r in registers if r.name not in _IDENTITY]
        for leaf in loose:
            if _is_clock(leaf):
                clocks.append(leaf)
            elif leaf.tag in (OCTETS, TEXT):
                text = _text(leaf)
                field = "list_version" if _by_list_version(text) else "id"
                identity.setdefault(field, text)
        version = identity.get("list_version")
        if described:
            family = _described_family(registers, identity)
        elif (known := _by_list_version(version)) is not None:
            family = known
        elif body.tag != ARRAY:
            family = _UNKNOWN
        elif len(items) > 1 and version is None:
            family = _AIDON
        else:
            family = _AIDON_OR_EMBRIQ
    if notification.time is not None:
        clocks.append(notification.time)
    meter = _meter(identity, family.manufacturer, flag_id)
    return Layout(apdu, family, meter, registers, clocks)


def _row(
    apdu: bytes, notification: Notification, items: tuple[Node, ...]
) -> Row | None:
    """Find the row of a positional list, None if the list is none."""
    if notification.body.tag != STRUCTURE or not items:
        return None
    types = "".join(
        "t" if _is_clock(item) else _LETTERS.get(item.tag, "?") for item in items
    )
    first, time = _text(items[0]), notification.time
    if first == "KFM_001":
        # A later version of the list may have more at its end.
        one_phase = len(items) > 2 and (_text(items[2]) or "").startswith("MA1")
        rows = (
            row
            for known, row in _KAIFA_ROWS.items()
            if types == known
            or (types.startswith(known) and (_KFM_1[-1] in row.fields[:9]) == one_phase)
        )
        return next(rows, None)
    # The short list of Kaifa is one number; its date-time has the tag others omit.
    if types == "u" and time is not None and apdu[time.start - 2] == OCTETS:
        return _KAIFA_LIST_1
    row = _POSITIONAL.get(types)
    if row is not None and row.fields[0] == _ISK[0] and not (first or "").startswith("ISK"):
        return None
    return row


def _code(node: Node) -> bytes | None:
    """Give the OBIS code in a node, None if it holds none."""
    match node:
        case Leaf(tag=0x09, value=bytes(code)) if len(code) == 6:
            return code
    return None


def _scaler_unit(node: Node | None) -> tuple[int, int] | None:
    """Give scaler and unit of a structure of the two, None for anything else."""
    match node:
        case Branch(
            items=(Leaf(tag=0x0F, value=int(scaler)), Leaf(tag=0x16, value=int(unit)))
        ):
            return scaler, unit
    return None


def _walk(items: tuple[Node, ...]) -> tuple[list[_Register], list[Leaf]]:
    """Split a tagged list into registers and values without a code.

    Takes {code, value} and {code, value, {scaler, unit}} as structures of their own and
    strung together alike.
    """
    registers: list[_Register] = []
    loose: list[Leaf] = []
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        group: tuple[Node, ...]
        if isinstance(item, Branch):
            group = item.items
        elif _code(item) and at < len(items):
            group = items[at - 1 : at + 2]
            at += 1
            if _scaler_unit(group[-1]):
                at += 1
            else:
                group = group[:2]
        else:
            loose.append(item)
            continue
        match group:
            case (head, Leaf() as leaf, *rest) if (code := _code(head)):
                scaler, unit = _scaler_unit(rest[0] if rest else None) or (None, None)
                registers.append(_Register(code, leaf, scaler, unit))
    return registers, loose


def _described(
    items: tuple[Node, ...],
) -> tuple[list[_Register], list[Leaf]] | None:
    """Read a list whose first item says what the items are, itself included.

    The description is the push object list (Blue Book ed. 13, 4.4.8.2): class, code,
    attribute, index. Attribute 2 is the value of a register. None for other lists.
    """
    match items:
        case (Branch(tag=0x01, items=objects), *values) if len(objects) == len(items):
            registers = []
            for entry, leaf in zip(objects[1:], values, strict=True):
                match entry:
                    case Branch(items=(_, head, Leaf(value=2), *_)) if (
                        code := _code(head)
                    ) and isinstance(leaf, Leaf):
                        registers.append(_Register(code, leaf))
            return registers, []
    return None


def _described_family(
    registers: list[_Register], identity: Mapping[str, str | None]
) -> Family:
    """Tell the makers that send described lists apart."""
    if (identity.get("logical_device_name") or "").startswith("ISK"):
        return _ISKRA
    if any(leaf.tag == LONG64 for _, leaf, *_ in registers):
        return _E570
    return _LANDIS_GYR


def _by_list_version(text: str | None) -> Family | None:
    """Find the family by the letters its list versions begin with."""
    return next(
        (
            family
            for letters, family in _LIST_VERSIONS.items()
            if text and text.startswith(letters)
        ),
        None,
    )


def _text(node: Node) -> str | None:
    """Give what a leaf says about identity as text, without the padding."""
    match node:
        case Leaf(value=bytes(value)):
            text = value.decode("latin-1").strip("\0 ")
            return (text if text.isprintable() else value.hex()) or None
        case Leaf(value=int(value)):
            return str(value)
    return None


def _is_clock(node: Node) -> bool:
    """Tell a date-time from a text of the same length by the high byte of its year."""
    match node:
        case Leaf(value=bytes(value)):
            return len(value) == 12 and value[0] in (0x07, 0x08, 0xFF)
    return False


def _meter(
    identity: dict[str, str | None], manufacturer: str | None, flag_id: str | None
) -> Meter:
    """Choose what identifies the meter among what the list says."""
    device = identity.get("logical_device_name")
    ids = [
        text
        for key in ("id", "id_2", "logical_device_name", "id_alt")
        if (text := identity.get(key))
    ]
    if device is not None:
        flag_id = device[:3]
    return Meter(
        manufacturer=manufacturer or _FLAG_IDS.get(flag_id or ""),
        type=identity.get("type"),
        id=ids[0] if ids else None,
        id_alt=next((text for text in ids if text != ids[0]), None),
        list_version=identity.get("list_version"),
        logical_device_name=device,
        flag_id=flag_id if flag_id in _FLAG_IDS else None,
    )


# Aidon HAN Interface Description v1.1A, 4.1; Kaifa HAN OBIS codes; Kamstrup HAN-NVE
# interface description rev 3.1, 2.2. The longest prefix counts.
_MODELS: Final = {
    "Aidon": {
        "6515": "6515 (one-phase)",
        "6525": "6525 (three-phase, three-wire)",
        "6534": "6534 (three-phase, four-wire)",
        "6540": "6540 (three-phase, three-wire, current transformers)",
        "6550": "6550 (three-phase, four-wire, current transformers)",
    },
    "Kaifa": {
        "MA105": "MA105 (one-phase)",
        "MA304H3": "MA304H3 (three-phase, three-wire)",
        "MA304H4": "MA304H4 (three-phase, four-wire)",
        "MA304T3": "MA304T3 (three-phase, three-wire, current transformers)",
        "MA304T4": "MA304T4 (three-phase, four-wire, current transformers)",
    },
    "Kamstrup": {
        "6861": "Omnipower one-phase",
        "684112": "Omnipower three-phase, three-wire",
        "684113": "Omnipower three-phase",
        "685112": "Omnipower three-phase, three-wire, current transformers",
        "685113": "Omnipower three-phase, current transformers",
    },
    "Landis+Gyr": {"ZFF": "E350 (three-phase, three-wire)", "ZMF": "E350"},
}


def model_name(meter: Meter) -> str | None:
    """Name the model by the type number it sends; the number itself if not known."""
    if meter.type is None:
        return None
    names = _MODELS.get(meter.manufacturer or "", {})
    return next(
        (name for prefix, name in names.items() if meter.type.startswith(prefix)),
        meter.type,
    )
