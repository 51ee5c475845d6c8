"""Which register stands where in lists that hold values only?

A row is found by the types of the values, and by what the first one says if it is a text.
"""

import re
from typing import Final, NamedTuple

from .dlms import (
    ARRAY,
    ENUM,
    LONG64,
    LONG_UNSIGNED,
    OCTETS,
    STRUCTURE,
    TEXT,
    Leaf,
    Node,
    Notification,
)
from .layout import Family
from .reading import Quantity
from .scales import (
    ANGLES,
    CURRENTS,
    ENERGIES,
    EXPORT_TARIFFS,
    EXPORTS,
    IMPORT_TARIFFS,
    IMPORTS,
    ISKRA,
    KAIFA,
    LANDIS_GYR,
    POWERS,
    QUADRANTS,
    UNKNOWN,
    VOLTAGES,
)

Q = Quantity


class Row(NamedTuple):
    """A positional list: the family, and what stands at each place.

    A text names what a string says of the meter, "clock" is a date-time, None is not
    understood or not used.
    """

    family: Family
    fields: tuple[Q | str | None, ...]


_KFM: Final = ("list_version", "id", "type", *POWERS)
_KFM_1: Final = (*_KFM, Q.CURRENT_L1, Q.VOLTAGE_L1)
_KFM_3: Final = (*_KFM, *CURRENTS, *VOLTAGES)
_AUSTRIA: Final = (None, "id", None, None, *ENERGIES, *POWERS[:2])
_FIRST_PHASE: Final = (Q.VOLTAGE_L1, Q.CURRENT_L1)
_HR_COUNTERS: Final = ("id", None, None, *IMPORT_TARIFFS, *EXPORT_TARIFFS)
_HR_PHASES: Final = (*IMPORTS, *EXPORTS, *VOLTAGES, *CURRENTS)
# What identifies the list in one variant is the serial number in another.
_ISK: Final = ("logical_device_name", "id_alt")
_ISK_COUNTERS: Final = (
    *_ISK,
    None,
    Q.TARIFF,
    *IMPORT_TARIFFS,
    *EXPORT_TARIFFS,
    *ENERGIES[2:],
)

# By the types of the values, see `_types`.
_POSITIONAL: Final = {
    # Kaifa HAN OBIS codes KFM_001, p. 2 to 5: lists 2 and 3, three phases and one.
    "koouuuuuuuuuutuuuu": Row(KAIFA, (*_KFM_3, "clock", *ENERGIES)),
    "koouuuuuutuuuu": Row(KAIFA, (*_KFM_1, "clock", *ENERGIES)),
    "koouuuuuuuuuu": Row(KAIFA, _KFM_3),
    "koouuuuuu": Row(KAIFA, _KFM_1),
    # Oesterreichs Energie, Smart Meter customer interfaces, variant 1: Iskraemeco and
    # Siemens of Carinthia. Time and date are those of the notification.
    "oooouuuuuuoo": Row(UNKNOWN, _AUSTRIA),
    # The same, variant 3: Vienna.
    "tuuuuuuuu": Row(UNKNOWN, ("clock", *ENERGIES, *POWERS)),
    # The same, variant 6: Landis+Gyr of Burgenland, with and without phase angles.
    "hhhhhhuuuuhhho": Row(
        LANDIS_GYR,
        (*VOLTAGES, *CURRENTS, *POWERS[:2], *ENERGIES[:2], *ANGLES, "id"),
    ),
    "hhhhhhuuuuo": Row(
        LANDIS_GYR, (*VOLTAGES, *CURRENTS, *POWERS[:2], *ENERGIES[:2], "id")
    ),
    # Slovenia, Landis+Gyr E450 as captured. The second list begins with the number of
    # the grid company, which the first does not name: one id is enough.
    "duuuuuuuu": Row(LANDIS_GYR, ("id", *POWERS, *ENERGIES)),
    "dhhhhhhhuuuuuu": Row(
        LANDIS_GYR,
        (None, Q.FREQUENCY, *CURRENTS, *VOLTAGES, *IMPORTS, *EXPORTS),
    ),
    # Slovenia, Iskraemeco AM550 as captured: three-phase and one-phase values, then
    # the counters with the state of the breaker and the tariff, then counters only.
    "iouuuuhhhhhhuuuuuu": Row(
        ISKRA, (*_ISK, *POWERS, *VOLTAGES, *CURRENTS, *IMPORTS, *EXPORTS)
    ),
    "iohhhhhhuuuu": Row(ISKRA, (*_ISK, *VOLTAGES, *CURRENTS, *POWERS)),
    "iouuuuhhuu": Row(ISKRA, (*_ISK, *POWERS, *_FIRST_PHASE, IMPORTS[0], EXPORTS[0])),
    "iohhuuuu": Row(ISKRA, (*_ISK, *_FIRST_PHASE, *POWERS)),
    "iouuuuhuu": Row(ISKRA, (*_ISK, *POWERS, Q.VOLTAGE_L1, None, None)),
    "ioeouuuuuuuu": Row(ISKRA, _ISK_COUNTERS),
    "iozouuuuuuuu": Row(ISKRA, _ISK_COUNTERS),
    "iuuuuuuuu": Row(ISKRA, (_ISK[0], *POWERS[:2], *IMPORT_TARIFFS, *EXPORT_TARIFFS)),
    "dbuu": Row(ISKRA, ("id", None, *ENERGIES[:2])),
    # Croatia, Iskraemeco IE.5 as captured, with quadrants and without; the last ones are
    # limits and the breaker.
    "doouuuuuuuuuuuuhuuuuuuhhhhhhuaaaz": Row(
        ISKRA, (*_HR_COUNTERS, *QUADRANTS, *POWERS[:2], Q.POWER_FACTOR, *_HR_PHASES)
    ),
    "doouuuuuuuuuuuuuuhhhhhhuaaaz": Row(
        ISKRA, (*_HR_COUNTERS, *POWERS[:2], *_HR_PHASES)
    ),
}
_KAIFA_LIST_1: Final = Row(KAIFA._replace(manufacturer=None), POWERS[:1])

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


def find(
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
        three = {"MA1": False, "MA3": True}.get(text(items[2])[:3])
        if three is not None and three != (Q.CURRENT_L2 in row.fields):
            return None
    return row


def _types(items: tuple[Node, ...]) -> str:
    """Write the types of the values with a letter each, see `_LETTERS` and `_TEXTS`."""
    types = "".join(
        "t" if is_clock(item) else _LETTERS.get(item.tag, "?") for item in items
    )
    if types[0] == "o":
        said = text(items[0])
        for pattern, letter in _TEXTS:
            if pattern.fullmatch(said):
                return letter + types[1:]
    return types


def text(node: Node) -> str:
    """Give what a leaf says about identity as text, without the padding."""
    match node:
        case Leaf(value=bytes(value)):
            text = value.decode("latin-1").strip("\0 ")
            return text if text.isprintable() else value.hex()
        case Leaf(value=int(value)):
            return str(value)
    return ""


def is_clock(node: Node) -> bool:
    """Tell a date-time from a text of the same length by the high byte of its year."""
    if not isinstance(node, Leaf):
        return False
    octets = node.value
    return (
        isinstance(octets, bytes)
        and len(octets) == 12
        and octets[0] in (0x07, 0x08, 0xFF)
    )
