"""Which list is it, and what does it say?

A list is tagged (every value comes with its OBIS code), described (it begins with the
codes of what follows) or positional (values only, see `rows`), and sends scaler and unit
or leaves them out (see `scales`).
"""

from collections.abc import Mapping
from typing import Final, NamedTuple

from . import obis, rows
from .dlms import (
    ARRAY,
    ENUM,
    INTEGER,
    LONG64,
    LONG_UNSIGNED,
    OCTETS,
    Branch,
    Leaf,
    Node,
    Notification,
)
from .layout import Family, Layout, ListRegister
from .reading import Meter, Quantity
from .rows import Row, is_clock, text
from .scales import (
    AIDON,
    AIDON_OR_EMBRIQ,
    CURRENTS,
    E570,
    EMBRIQ,
    ISKRA,
    KAIFA,
    KAMSTRUP,
    LANDIS_GYR,
    UNKNOWN,
)

Q = Quantity

# List versions: AIDON_V0001, EMBRIQ_V1_1, KFM_001, Kamstrup_V0001.
_LIST_VERSIONS: Final = {
    "AIDON_": AIDON,
    "EMBRIQ_": EMBRIQ,
    "KFM_": KAIFA,
    "Kamstrup_": KAMSTRUP,
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
    if (row := rows.find(apdu, notification, items)) is not None:
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
    type_ = meter.type or ("ZFF" if family is EMBRIQ else "")
    unmeasured = next(
        (names for prefix, names in _UNMEASURED.items() if type_.startswith(prefix)),
        frozenset[Q](),
    )
    return Layout(apdu, family, meter, registers, clocks, unmeasured=unmeasured)


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
            contents.identity[field] = text(leaf)
    return contents


def _tagged(entries: list[_Entry]) -> _Contents:
    contents = _Contents([], [], {})
    for code, leaf, scaler, unit in entries:
        if is_clock(leaf):
            contents.clocks.append(leaf)
        elif code is None:
            said = text(leaf)
            field = "id" if _by_list_version(said) is None else "list_version"
            contents.identity.setdefault(field, said)
        elif code in IDENTITY:
            contents.identity.setdefault(IDENTITY[code], text(leaf))
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
        return ISKRA
    if contents.registers and all(
        register.leaf.tag == LONG64
        for register in contents.registers
        if register.quantity in CURRENTS
    ):
        return E570
    return LANDIS_GYR


def _tagged_family(contents: _Contents, tag: int) -> Family:
    """Tell the makers of tagged lists by the version or, without one, the shape."""
    version = contents.identity.get("list_version")
    if version is not None:
        return _by_list_version(version) or AIDON_OR_EMBRIQ
    if tag != ARRAY:
        return UNKNOWN
    return AIDON if len(contents.registers) > 1 else AIDON_OR_EMBRIQ


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
