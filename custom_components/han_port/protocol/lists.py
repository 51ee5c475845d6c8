"""Which register stands where in each maker's list, and with what scaler.

A list is tagged (every value comes with its OBIS code) or positional (values only),
and sends scaler and unit or leaves them out. What the meter sends is believed; the rows
here say only what it leaves out. One walker reads them all.

Reading a list gives a `Layout`: which bytes are which quantity. The next message of the
same list differs in those bytes only, so its layout reads it without parsing it again,
after every other byte was found to be the same.
"""

import struct
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from . import obis
from .dlms import (
    ARRAY,
    ENUM,
    INTEGER,
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
from .obis import AMPERE, NO_UNIT, VAR, VAR_HOUR, VOLT, WATT, WATT_HOUR
from .reading import ErrorCode, Meter, MeterReading, ProtocolError
from .reading import Quantity as Q


class Family(NamedTuple):
    """What a maker's lists do not say themselves.

    `scalers` gives the power of ten by unit for values sent without one. `kinds`: its
    lists come in the three kinds of the Norwegian port. `clock_offset`: the deviation
    in its clock can be believed.
    """

    manufacturer: str | None = None
    scalers: Mapping[int, int] = MappingProxyType({})
    kinds: bool = False
    clock_offset: bool = True


_PLAIN: Final = {WATT: 0, VAR: 0, WATT_HOUR: 0, VAR_HOUR: 0}

# Aidon HAN Interface Description v1.1A, 2.3 and 3.2. Its clock says deviation 0 and
# runs on standard time all the same.
_AIDON: Final = Family("Aidon", kinds=True, clock_offset=False)
# The Landis+Gyr E350 of Norway follows Aidon's description.
_EMBRIQ: Final = _AIDON._replace(manufacturer="Landis+Gyr")
# Aidon or E350: the short list names neither. Aidon RJ12 v1.6P, 3.2, does not either.
_AIDON_SHAPE: Final = _AIDON._replace(manufacturer=None)
# Kaifa HAN OBIS codes KFM_001.
_KAIFA: Final = Family("Kaifa", {**_PLAIN, AMPERE: -3, VOLT: -1}, kinds=True)
# Kamstrup HAN-NVE interface description rev 3.1, 2.5 to 2.9; see `_kamstrup`.
_KAMSTRUP: Final = Family(
    "Kamstrup",
    {**_PLAIN, WATT_HOUR: 1, VAR_HOUR: 1, AMPERE: -2, VOLT: 0, NO_UNIT: -2},
    kinds=True,
)
# Nothing is known: currents and voltages without a scaler are left out.
_UNKNOWN: Final = Family(scalers=_PLAIN)

_BY_LIST_VERSION: Final = {
    "AIDON_V0001": _AIDON,
    "EMBRIQ_V1_1": _EMBRIQ,
    "KFM_001": _KAIFA,
    "Kamstrup_V0001": _KAMSTRUP,
}


class Row(NamedTuple):
    """A positional list: the family, and what stands at each place.

    A text names a field of `Meter`, "clock" is a date-time, None is not understood.
    """

    family: Family
    fields: tuple[Q | str | None, ...]


_POWERS: Final = (
    Q.ACTIVE_POWER_IMPORT,
    Q.ACTIVE_POWER_EXPORT,
    Q.REACTIVE_POWER_IMPORT,
    Q.REACTIVE_POWER_EXPORT,
)
_CURRENTS: Final = (Q.CURRENT_L1, Q.CURRENT_L2, Q.CURRENT_L3)
_VOLTAGES: Final = (Q.VOLTAGE_L1, Q.VOLTAGE_L2, Q.VOLTAGE_L3)
_ENERGIES: Final = (
    Q.ENERGY_IMPORT,
    Q.ENERGY_EXPORT,
    Q.REACTIVE_ENERGY_IMPORT,
    Q.REACTIVE_ENERGY_EXPORT,
)
_KFM: Final = ("list_version", "id", "type", *_POWERS)
_KFM_1: Final = (*_KFM, Q.CURRENT_L1, Q.VOLTAGE_L1)
_KFM_3: Final = (*_KFM, *_CURRENTS, *_VOLTAGES)

# By the types of the values, see `_LETTERS`.
_POSITIONAL: Final = {
    # Kaifa HAN OBIS codes KFM_001, p. 2 to 5: lists 2 and 3, one and three phases. The
    # Swedish MA304T4 sends its counters with 64 bits.
    "ooouuuuuu": Row(_KAIFA, _KFM_1),
    "ooouuuuuuuuuu": Row(_KAIFA, _KFM_3),
    "ooouuuuuutuuuu": Row(_KAIFA, (*_KFM_1, "clock", *_ENERGIES)),
    "ooouuuuuuuuuutuuuu": Row(_KAIFA, (*_KFM_3, "clock", *_ENERGIES)),
    "ooouuuuuutllll": Row(_KAIFA, (*_KFM_1, "clock", *_ENERGIES)),
    "ooouuuuuuuuuutllll": Row(_KAIFA, (*_KFM_3, "clock", *_ENERGIES)),
}
_KAIFA_LIST_1: Final = Row(_KAIFA._replace(manufacturer=None), _POWERS[:1])

_LETTERS: Final = {
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
        "type": ("0-0:96.1.7", "1-1:96.1.1"),
        "logical_device_name": ("0-0:42.0.0",),
        "id_alt": ("0-0:96.1.1",),
    }.items()
    for code in codes
}

# Meter types that send 0 for what they do not measure, on grids without a neutral:
# Kaifa's OBIS table (notes on values that are always 0); Landis+Gyr's type letters ZFF
# stand for three-phase three-wire.
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


def _code(node: Node) -> bytes | None:
    """Give the OBIS code in a node, None if it holds none."""
    if (
        isinstance(node, Leaf)
        and node.tag == OCTETS
        and isinstance(node.value, bytes)
        and len(node.value) == 6
    ):
        return node.value
    return None


def _scaler_unit(node: Node | None) -> tuple[int, int] | None:
    """Give scaler and unit of a structure of the two, None for anything else."""
    match node:
        case Branch(2, (Leaf(0x0F, _, int(scaler)), Leaf(0x16, _, int(unit)))):
            return scaler, unit
    return None


def _walk(items: tuple[Node, ...]) -> tuple[list[_Register], list[Leaf]]:
    """Split a tagged list into registers and values without a code.

    Takes {code, value}, {code, value, {scaler, unit}} as structures of their own and
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
            group = (item, items[at])
            at += 1
            if at < len(items) and _scaler_unit(items[at]):
                group = (*group, items[at])
                at += 1
        else:
            loose.append(item)
            continue
        match group:
            case (head, Leaf() as leaf, *rest) if (code := _code(head)) and len(
                rest
            ) < 2:
                scaler, unit = _scaler_unit(rest[0] if rest else None) or (None, None)
                registers.append(_Register(code, leaf, scaler, unit))
    return registers, loose


def _text(leaf: Leaf) -> str | None:
    """Give what a leaf says about identity as text, without the padding."""
    if isinstance(leaf.value, bytes):
        text = leaf.value.decode("latin-1").strip("\0 ")
        return (text if text.isprintable() else leaf.value.hex()) or None
    return None if leaf.value is None else str(leaf.value)


def _is_clock(leaf: Leaf) -> bool:
    return isinstance(leaf.value, bytes) and len(leaf.value) == 12


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
        mask = bytearray(b"\xff" * len(apdu))
        mask[1:5] = bytes(4)
        fields: dict[Q, tuple[int, str, int]] = {}
        for name, leaf, scaler, unit in registers:
            if (code := WHOLE_NUMBERS.get(leaf.tag)) is None:
                continue
            size = struct.calcsize(code)
            mask[leaf.start : leaf.start + size] = bytes(size)
            quantity = name if isinstance(name, Q) else obis.quantity(name)
            if quantity is None or quantity in fields:
                continue
            own = obis.UNITS[quantity]
            if unit is None:
                scaler = family.scalers.get(own)
            elif unit != own:
                continue
            if scaler is None:
                continue
            exponent = obis.exponent(quantity, scaler)
            fields[quantity] = (leaf.start, code, exponent)
        if not fields:
            raise ProtocolError(
                ErrorCode.UNSUPPORTED, "the list holds no electricity value"
            )
        for clock in clocks:
            mask[clock.start : clock.start + 12] = bytes(12)

        self._mask = int.from_bytes(mask)
        self._constant = int.from_bytes(apdu) & self._mask
        self._quantities = tuple(sorted(fields, key=lambda name: fields[name][0]))
        self._exponents = tuple(fields[name][2] for name in self._quantities)
        format_, end = ">", 0
        for name in self._quantities:
            start, code, _ = fields[name]
            format_ += f"{start - end}x{code}"
            end = start + struct.calcsize(code)
        self._unpack = struct.Struct(format_).unpack_from
        self._clocks = tuple(clock.start for clock in clocks)
        self._clock_offset = family.clock_offset
        self._meter = meter
        self._kind = _kind(self._quantities) if family.kinds else None
        self._kamstrup = family is _KAMSTRUP
        self._unmeasured = next(
            (
                quantities & fields.keys()
                for prefix, quantities in _UNMEASURED
                if meter.type and meter.type.startswith(prefix)
            ),
            frozenset[Q](),
        )

    def fits(self, apdu: bytes) -> bool:
        """Say whether an APDU of the same length differs in values and times only."""
        return int.from_bytes(apdu) & self._mask == self._constant

    def read(self, apdu: bytes) -> MeterReading:
        """Give what an APDU that fits says."""
        raws = self._unpack(apdu)
        exponents = self._exponents
        if self._kamstrup:
            exponents = _kamstrup(self._meter.type, self._quantities, raws, exponents)
        values = dict(
            zip(self._quantities, map(obis.scale, raws, exponents), strict=True)
        )
        times = [
            date_time(apdu[start : start + 12], offset=self._clock_offset)
            for start in self._clocks
        ]
        time = next((time for time in times if time), None)
        other = next((other for other in times if other and other != time), None)
        unmeasured = self._unmeasured
        if unmeasured and any(values[quantity] for quantity in unmeasured):
            unmeasured = frozenset()
        return MeterReading(
            self._meter, MappingProxyType(values), self._kind, time, other, unmeasured
        )


def _kind(quantities: tuple[Q, ...]) -> int:
    if any(obis.UNITS[quantity] == WATT_HOUR for quantity in quantities):
        return 3
    return 2 if len(quantities) > 1 else 1


def _kamstrup(
    meter_type: str | None,
    quantities: tuple[Q, ...],
    raws: tuple[int, ...],
    exponents: tuple[int, ...],
) -> tuple[int, ...]:
    return exponents


def read(apdu: bytes, notification: Notification) -> Layout:
    """Find out which list a data-notification holds and what stands where in it.

    Raises ProtocolError UNSUPPORTED if it holds no electricity value.
    """
    time, body = notification
    items = body.items if isinstance(body, Branch) else (body,)
    clocks = [time] if time else []
    identity: dict[str, str | None] = {}
    registers: list[_Register] = []
    family: Family | None = None

    if (row := _row(apdu, notification, items)) is not None:
        family = row.family
        for field, leaf in zip(row.fields, items, strict=False):
            if field is None or not isinstance(leaf, Leaf):
                continue
            if isinstance(field, Q):
                registers.append(_Register(field, leaf))
            elif field == "clock":
                clocks.append(leaf)
            else:
                identity[field] = _text(leaf)
    else:
        registers, loose = _walk(items)
        for register in registers:
            field = _IDENTITY.get(register.name)
            if field is not None:
                identity.setdefault(field, _text(register.leaf))
            elif _is_clock(register.leaf):
                clocks.append(register.leaf)
        registers = [r for r in registers if r.name not in _IDENTITY]
        for leaf in loose:
            if _is_clock(leaf):
                clocks.append(leaf)
            elif leaf.tag == TEXT:
                identity.setdefault("list_version", _text(leaf))
        family = _BY_LIST_VERSION.get(identity.get("list_version") or "")
        if family is None:
            family = _AIDON_SHAPE if body.tag == ARRAY else _UNKNOWN
    meter = Meter(manufacturer=family.manufacturer, **identity)
    return Layout(apdu, family, meter, registers, clocks)


def _row(
    apdu: bytes, notification: Notification, items: tuple[Node, ...]
) -> Row | None:
    """Find the row of a positional list, None if the list is none."""
    if notification.body.tag != STRUCTURE:
        return None
    types = "".join(
        "t"
        if isinstance(item, Leaf) and _is_clock(item)
        else _LETTERS.get(item.tag, "?")
        for item in items
    )
    if (row := _POSITIONAL.get(types)) is not None:
        return row
    time = notification.time
    # The short list of Kaifa is one number; its date-time has the tag others omit.
    if types == "u" and time is not None and apdu[time.start - 2] == OCTETS:
        return _KAIFA_LIST_1
    return None


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
