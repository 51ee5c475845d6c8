"""Which register stands where in each maker's list, and with what scaler.

A list is tagged (every value comes with its OBIS code), described (it begins with the
codes of what follows) or positional (values only), and sends scaler and unit or leaves
them out. What the meter sends is believed; the rows here say only what it leaves out.
"""

from collections.abc import Iterable, Mapping
from math import hypot
import re
from typing import Final, NamedTuple

from . import obis
from .dlms import (
    ARRAY,
    ENUM,
    INTEGER,
    LONG64,
    LONG_UNSIGNED,
    OCTETS,
    STRUCTURE,
    TEXT,
    Branch,
    Leaf,
    Node,
    Notification,
)
from .layout import Family, Layout, ListRegister, Scalers
from .reading import Meter, Quantity

Q = Quantity

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
_ANGLES: Final = (Q.PHASE_ANGLE_L1, Q.PHASE_ANGLE_L2, Q.PHASE_ANGLE_L3)
_QUADRANTS: Final = (
    Q.REACTIVE_ENERGY_Q1,
    Q.REACTIVE_ENERGY_Q2,
    Q.REACTIVE_ENERGY_Q3,
    Q.REACTIVE_ENERGY_Q4,
)


def _apparent_power(raw: Mapping[Q, int], current: int, voltage: int) -> float:
    """Give the sum of U times I in VA, which no power of the meter can exceed."""
    product = sum(
        raw.get(u, 0) * raw.get(i, 0) for u, i in zip(_VOLTAGES, _CURRENTS, strict=True)
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


# Of a low-voltage grid in V, and of any in Hz
_HIGHEST_VOLTAGE: Final = 500
_HIGHEST_FREQUENCY: Final = 70


def _fitting(
    raw: Mapping[Q, int], quantities: Iterable[Q], scaler: int, highest: float
) -> int:
    """Lower a scaler until none of the quantities is above what there is."""
    most = max(raw.get(quantity, 0) for quantity in quantities)
    while obis.scale(most, scaler) > highest:
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
    power, energy, current = scalers.power, scalers.energy, scalers.current
    voltage = _fitting(raw, _VOLTAGES, scalers.voltage, _HIGHEST_VOLTAGE)
    if type_.startswith("685") or (not type_ and _is_milliampere(raw, voltage)):
        current = -3
    if type_[-3:-1] == "09" or type_[-3:] in ("059", "063", "065"):
        energy = 0
    if type_[-3:] != "040" and Q.CURRENT_L1 in raw and Q.VOLTAGE_L1 in raw:
        most = _OFF_SCALE * _apparent_power(raw, current, voltage) + _UNSEEN
        while power > -2 and obis.scale(_power(raw), power) > most:
            power -= 1
    return scalers._replace(
        power=power, energy=energy, current=current, voltage=voltage
    )


def _is_milliampere(raw: Mapping[Q, int], voltage: int) -> bool:
    """Tell mA from 10 mA by U * I * power factor = P, which holds in every phase."""
    expected = power = 0.0
    phases = zip(_VOLTAGES, _CURRENTS, _FACTORS, _IMPORTS, _EXPORTS, strict=True)
    for u, i, factor, into, out in phases:
        flow = raw.get(into, 0) + raw.get(out, 0)
        # No power where a direction is left out proves nothing.
        if flow or (into in raw and out in raw):
            expected += raw.get(u, 0) * raw.get(i, 0) * raw.get(factor, 0)
            power += flow
    return obis.scale(expected, voltage - 4) > _OFF_SCALE * power + _UNSEEN


def _landis_gyr(meter: Meter, raw: Mapping[Q, int], scalers: Scalers) -> Scalers:
    """Find out the scale of voltage, current and frequency of a Landis+Gyr meter.

    The E450 sends whole volts and hertz and 0.01 A, the E360 0.1 V. Behind transformers the
    current is on a coarser scale; it must carry the power.
    """
    current = scalers.current
    voltage = _fitting(raw, _VOLTAGES, scalers.voltage, _HIGHEST_VOLTAGE)
    if any(raw.get(quantity) for quantity in _VOLTAGES):
        power = _power(raw)
        while current < 0 and power > _UNSEEN + _OFF_SCALE * _apparent_power(
            raw, current, voltage
        ):
            current += 1
    if Q.FREQUENCY in raw:
        frequency = _fitting(raw, (Q.FREQUENCY,), 0, _HIGHEST_FREQUENCY)
        scalers = scalers._replace(frequency=frequency)
    return scalers._replace(current=current, voltage=voltage)


# Scaler and unit are sent. Aidon HAN Interface Description v1.1A, 2.3 and 3.2. Its clock says deviation 0 and
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
    "Landis+Gyr",
    Scalers(current=-2, voltage=0, factor=-3, frequency=0, angle=0),
    _landis_gyr,
)
# The E570 behind transformers sends 64 bits throughout and whole amperes.
_E570: Final = _LANDIS_GYR._replace(scalers=Scalers(factor=-3, frequency=0, angle=0))
# Iskraemeco AM550 and IE.5 as captured in Slovenia, Croatia and Switzerland.
_ISKRA: Final = Family("Iskraemeco", Scalers(current=-2, voltage=-1, factor=-3))
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


def maker(system_title: bytes) -> str | None:
    """Name the maker of the meter with this system title, None if it is not known."""
    return _FLAG_IDS.get(system_title[:3].decode("latin-1"))


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
_FIRST_PHASE: Final = (Q.VOLTAGE_L1, Q.CURRENT_L1)
_HR_COUNTERS: Final = ("id", None, None, *_IMPORT_TARIFFS, *_EXPORT_TARIFFS)
_HR_PHASES: Final = (*_IMPORTS, *_EXPORTS, *_VOLTAGES, *_CURRENTS)
# What identifies the list in one variant is the serial number in another.
_ISK: Final = ("logical_device_name", "id_alt")
_ISK_COUNTERS: Final = (
    *_ISK,
    None,
    Q.TARIFF,
    *_IMPORT_TARIFFS,
    *_EXPORT_TARIFFS,
    *_ENERGIES[2:],
)

# By the types of the values, see `_types`.
_POSITIONAL: Final = {
    # Kaifa HAN OBIS codes KFM_001, p. 2 to 5: lists 2 and 3, three phases and one.
    "koouuuuuuuuuutuuuu": Row(_KAIFA, (*_KFM_3, "clock", *_ENERGIES)),
    "koouuuuuutuuuu": Row(_KAIFA, (*_KFM_1, "clock", *_ENERGIES)),
    "koouuuuuuuuuu": Row(_KAIFA, _KFM_3),
    "koouuuuuu": Row(_KAIFA, _KFM_1),
    # Oesterreichs Energie, Smart Meter customer interfaces, variant 1: Iskraemeco and
    # Siemens of Carinthia. Time and date are those of the notification.
    "oooouuuuuuoo": Row(_UNKNOWN, _AUSTRIA),
    # The same, variant 3: Vienna.
    "tuuuuuuuu": Row(_UNKNOWN, ("clock", *_ENERGIES, *_POWERS)),
    # The same, variant 6: Landis+Gyr of Burgenland, with and without phase angles.
    "hhhhhhuuuuhhho": Row(
        _LANDIS_GYR,
        (*_VOLTAGES, *_CURRENTS, *_POWERS[:2], *_ENERGIES[:2], *_ANGLES, "id"),
    ),
    "hhhhhhuuuuo": Row(
        _LANDIS_GYR, (*_VOLTAGES, *_CURRENTS, *_POWERS[:2], *_ENERGIES[:2], "id")
    ),
    # Slovenia, Landis+Gyr E450 as captured. The second list begins with the number of
    # the grid company, which the first does not name: one id is enough.
    "duuuuuuuu": Row(_LANDIS_GYR, ("id", *_POWERS, *_ENERGIES)),
    "dhhhhhhhuuuuuu": Row(
        _LANDIS_GYR,
        (None, Q.FREQUENCY, *_CURRENTS, *_VOLTAGES, *_IMPORTS, *_EXPORTS),
    ),
    # Slovenia, Iskraemeco AM550 as captured: three-phase and one-phase values, then
    # the counters with the state of the breaker and the tariff, then counters only.
    "iouuuuhhhhhhuuuuuu": Row(
        _ISKRA, (*_ISK, *_POWERS, *_VOLTAGES, *_CURRENTS, *_IMPORTS, *_EXPORTS)
    ),
    "iohhhhhhuuuu": Row(_ISKRA, (*_ISK, *_VOLTAGES, *_CURRENTS, *_POWERS)),
    "iouuuuhhuu": Row(
        _ISKRA, (*_ISK, *_POWERS, *_FIRST_PHASE, _IMPORTS[0], _EXPORTS[0])
    ),
    "iohhuuuu": Row(_ISKRA, (*_ISK, *_FIRST_PHASE, *_POWERS)),
    "iouuuuhuu": Row(_ISKRA, (*_ISK, *_POWERS, Q.VOLTAGE_L1, None, None)),
    "ioeouuuuuuuu": Row(_ISKRA, _ISK_COUNTERS),
    "iozouuuuuuuu": Row(_ISKRA, _ISK_COUNTERS),
    "iuuuuuuuu": Row(
        _ISKRA, (_ISK[0], *_POWERS[:2], *_IMPORT_TARIFFS, *_EXPORT_TARIFFS)
    ),
    "dbuu": Row(_ISKRA, ("id", None, *_ENERGIES[:2])),
    # Croatia, Iskraemeco IE.5 as captured, with quadrants and without; the last ones are
    # limits and the breaker.
    "doouuuuuuuuuuuuhuuuuuuhhhhhhuaaaz": Row(
        _ISKRA, (*_HR_COUNTERS, *_QUADRANTS, *_POWERS[:2], Q.POWER_FACTOR, *_HR_PHASES)
    ),
    "doouuuuuuuuuuuuuuhhhhhhuaaaz": Row(
        _ISKRA, (*_HR_COUNTERS, *_POWERS[:2], *_HR_PHASES)
    ),
}
_KAIFA_LIST_1: Final = Row(_KAIFA._replace(manufacturer=None), _POWERS[:1])

# Firmware changes how wide a number is and whether it has a sign, not what it means.
_LETTERS: Final = {
    ARRAY: "a",
    0x03: "z",
    0x05: "u",
    0x06: "u",
    OCTETS: "o",
    TEXT: "o",
    0x10: "h",
    0x11: "b",
    LONG_UNSIGNED: "h",
    LONG64: "u",
    0x15: "u",
    ENUM: "e",
}
# What the text says that a list begins with: who made it, or a serial number.
_TEXTS: Final = (
    (re.compile("KFM_001"), "k"),
    (re.compile("ISK.*"), "i"),
    (re.compile("[0-9]+"), "d"),
)

# Codes that say who the meter is; several makers have their own.
IDENTITY: Final = {
    code: field
    for field, texts in {
        "list_version": ("1-1:0.2.129", "1-0:0.2.129"),
        "id": ("0-0:96.1.0", "1-1:0.0.5", "1-1:0.0.1"),
        "id_2": ("0-0:96.1.1",),
        "type": ("0-0:96.1.7", "1-1:96.1.1"),
        "logical_device_name": ("0-0:42.0.0",),
    }.items()
    for text in texts
    if (code := obis.parse(text))
}

# Meter types that send 0 for what they do not measure, on grids without a neutral:
# Kaifa's OBIS table (notes on values that are always 0); Landis+Gyr's letters ZFF stand
# for three-phase three-wire. An E350 does not always send its type.
_UNMEASURED: Final = {
    "MA304H3E": frozenset({Q.VOLTAGE_L2}),
    "MA304T3": frozenset({Q.CURRENT_L2, Q.VOLTAGE_L2}),
    "ZFF": frozenset({Q.CURRENT_L2, Q.VOLTAGE_L2}),
}


class _Contents(NamedTuple):
    """What was found in a list: values, date-times, and who the meter says it is."""

    registers: list[ListRegister]
    clocks: list[Leaf]
    identity: dict[str, str]


class _Entry(NamedTuple):
    """One value of a list with its OBIS code, scaler and unit, as far as it has them."""

    code: bytes | None
    leaf: Leaf
    scaler: int | None = None
    unit: int | None = None


def read(apdu: bytes, notification: Notification, flag_id: str | None) -> Layout:
    """Find out which list a data-notification holds and what stands where in it.

    `flag_id` are the maker's letters from the system title, if it was enciphered.
    Raises ProtocolError UNSUPPORTED if it holds no electricity value.
    """
    body, time = notification.body, notification.time
    items = body.items if isinstance(body, Branch) else ()
    if (row := _row(apdu, notification, items)) is not None:
        family, contents = row.family, _positional(row, items)
    elif (described := _described(items)) is not None:
        contents = _tagged(described)
        family = _described_family(contents)
    else:
        contents = _tagged(_walk(items))
        family = _tagged_family(contents, body.tag)
    registers, clocks, identity = contents
    if time is not None:
        clocks.append(time)
    meter = _meter(identity, family.manufacturer, flag_id)
    # Of an E350 the type is missing now and then.
    type_ = meter.type or ("ZFF" if family is _EMBRIQ else "")
    unmeasured = next(
        (names for prefix, names in _UNMEASURED.items() if type_.startswith(prefix)),
        frozenset[Q](),
    )
    return Layout(apdu, family, meter, registers, clocks, unmeasured=unmeasured)


def _row(
    apdu: bytes, notification: Notification, items: tuple[Node, ...]
) -> Row | None:
    """Find the row of a positional list, None if the list is none."""
    if notification.body.tag != STRUCTURE or not items:
        return None
    types, time = _types(items), notification.time
    # The short list of Kaifa is one number; its date-time has the tag others omit.
    if types == "u" and time is not None and apdu[time.start - 2] == OCTETS:
        return _KAIFA_LIST_1
    row = _POSITIONAL.get(types)
    # Of Kaifa's types MA1.. have one phase, MA3.. three.
    if types[0] == "k" and row is not None:
        phases = {"MA1": False, "MA3": True}.get(_text(items[2])[:3])
        if phases is (Q.CURRENT_L2 not in row.fields):
            return None
    return row


def _types(items: tuple[Node, ...]) -> str:
    """Write the types of the values with a letter each, see `_LETTERS` and `_TEXTS`."""
    types = "".join(
        "t" if _is_clock(item) else _LETTERS.get(item.tag, "?") for item in items
    )
    if types[0] == "o":
        text = _text(items[0])
        for pattern, letter in _TEXTS:
            if pattern.fullmatch(text):
                return letter + types[1:]
    return types


def _positional(row: Row, items: tuple[Node, ...]) -> _Contents:
    contents = _Contents([], [], {})
    for field, leaf in zip(row.fields, items, strict=False):
        if field is None or not isinstance(leaf, Leaf):
            continue
        if field is Q.TARIFF:
            # A number all the same, as two octets
            if isinstance(leaf.value, bytes) and len(leaf.value) == 2:
                number = leaf._replace(tag=LONG_UNSIGNED)
                contents.registers.append(ListRegister(field, number, 0, obis.NO_UNIT))
        elif isinstance(field, Q):
            contents.registers.append(ListRegister(field, leaf))
        elif field == "clock":
            contents.clocks.append(leaf)
        else:
            contents.identity[field] = _text(leaf)
    return contents


def _tagged(entries: list[_Entry]) -> _Contents:
    contents = _Contents([], [], {})
    for code, leaf, scaler, unit in entries:
        if _is_clock(leaf):
            contents.clocks.append(leaf)
        elif code is None:
            text = _text(leaf)
            field = "id" if _by_list_version(text) is None else "list_version"
            contents.identity.setdefault(field, text)
        elif code in IDENTITY:
            contents.identity.setdefault(IDENTITY[code], _text(leaf))
        else:
            register = ListRegister(obis.quantity(code), leaf, scaler, unit)
            contents.registers.append(register)
    return contents


def _walk(items: tuple[Node, ...]) -> list[_Entry]:
    """Take a tagged list apart.

    Takes {code, value} and {code, value, {scaler, unit}} as structures of their own and
    strung together alike. What has no code is left with none.
    """
    entries = []
    at = 0
    while at < len(items):
        item = items[at]
        at += 1
        if isinstance(item, Branch):
            group = item.items
        elif _code(item) and at < len(items):
            group = (item, items[at])
            at += 1
            if at < len(items) and _scaler_unit(items[at]):
                group = (*group, items[at])
                at += 1
        else:
            entries.append(_Entry(None, item))
            continue
        if len(group) < 2 or not isinstance(leaf := group[1], Leaf):
            continue
        if (code := _code(group[0])) is not None:
            sent = _scaler_unit(group[2]) if len(group) > 2 else None
            scaler, unit = sent or (None, None)
            entries.append(_Entry(code, leaf, scaler, unit))
    return entries


def _described(items: tuple[Node, ...]) -> list[_Entry] | None:
    """Take apart a list whose first item says what the items are, itself included.

    The description is the push object list (Blue Book ed. 13, 4.4.8.2): class, code,
    attribute, index. Attribute 2 is the value of a register. None for other lists.
    """
    match items:
        case (Branch(0x01, objects), *values) if len(objects) == len(items):
            entries = []
            for entry, leaf in zip(objects[1:], values, strict=True):
                match entry, leaf:
                    case Branch(_, (_, head, Leaf(value=2), *_)), Leaf():
                        entries.append(_Entry(_code(head) or b"", leaf))
            return entries
    return None


def _described_family(contents: _Contents) -> Family:
    """Tell the makers that send described lists apart."""
    if contents.identity.get("logical_device_name", "").startswith("ISK"):
        return _ISKRA
    if contents.registers and all(
        register.leaf.tag == LONG64
        for register in contents.registers
        if register.quantity in _CURRENTS
    ):
        return _E570
    return _LANDIS_GYR


def _tagged_family(contents: _Contents, tag: int) -> Family:
    """Tell the makers of tagged lists by the version or, without one, the shape."""
    version = contents.identity.get("list_version")
    if version is not None:
        return _by_list_version(version) or _AIDON_OR_EMBRIQ
    if tag != ARRAY:
        return _UNKNOWN
    return _AIDON if len(contents.registers) > 1 else _AIDON_OR_EMBRIQ


def _by_list_version(text: str) -> Family | None:
    """Find the family by the letters its list versions begin with."""
    return next(
        (family for start, family in _LIST_VERSIONS.items() if text.startswith(start)),
        None,
    )


def _code(node: Node) -> bytes | None:
    """Give the OBIS code in a node, None if it holds none."""
    if isinstance(node, Leaf) and node.tag == OCTETS:
        octets = node.value
        if isinstance(octets, bytes) and len(octets) == 6:
            return octets
    return None


def _scaler_unit(node: Node) -> tuple[int, int] | None:
    """Give scaler and unit of a structure of the two, None for anything else."""
    if isinstance(node, Branch) and len(node.items) == 2:
        scaler, unit = node.items
        if (scaler.tag, unit.tag) == (INTEGER, ENUM):
            assert isinstance(scaler, Leaf)
            assert isinstance(unit, Leaf)
            assert isinstance(scaler.value, int)
            assert isinstance(unit.value, int)
            return scaler.value, unit.value
    return None


def _text(node: Node) -> str:
    """Give what a leaf says about identity as text, without the padding."""
    match node:
        case Leaf(value=bytes(value)):
            text = value.decode("latin-1").strip("\0 ")
            return text if text.isprintable() else value.hex()
        case Leaf(value=int(value)):
            return str(value)
    return ""


def _is_clock(node: Node) -> bool:
    """Tell a date-time from a text of the same length by the high byte of its year."""
    if not isinstance(node, Leaf):
        return False
    octets = node.value
    return (
        isinstance(octets, bytes)
        and len(octets) == 12
        and octets[0] in (0x07, 0x08, 0xFF)
    )


def _meter(
    identity: Mapping[str, str], manufacturer: str | None, flag_id: str | None
) -> Meter:
    """Choose what identifies the meter among what the list says."""
    keys = ("id", "id_2", "logical_device_name", "id_alt")
    ids = [text for key in keys if (text := identity.get(key))]
    device = identity.get("logical_device_name") or None
    letters = device[:3] if device else flag_id
    return Meter(
        manufacturer=manufacturer or _FLAG_IDS.get(letters or ""),
        type=identity.get("type") or None,
        id=ids[0] if ids else None,
        id_alt=next((text for text in ids if text != ids[0]), None),
        list_version=identity.get("list_version") or None,
        logical_device_name=device,
        flag_id=letters if letters in _FLAG_IDS else None,
    )
