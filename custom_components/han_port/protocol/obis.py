"""What an OBIS code is, and which quantity it names.

An OBIS code is six octets A to F, printed as A-B:C.D.E.F (DLMS UA Blue Book ed. 13,
clause 7; IEC 62056-61). F is 255 for the value now; 0 to 99 would be a past billing
period, which is not what the meter measures now and is never taken for it.
"""

from collections.abc import Iterable
import re
from typing import Final

from .reading import Quantity, Register

# Units, Blue Book ed. 13 clause 4.3.2, table 4.
WATT: Final = 0x1B
VOLT_AMPERE: Final = 0x1C
VAR: Final = 0x1D
WATT_HOUR: Final = 0x1E
VAR_HOUR: Final = 0x20
AMPERE: Final = 0x21
VOLT: Final = 0x23
HERTZ: Final = 0x2C
DEGREE: Final = 0x08
NO_UNIT: Final = 0xFF

_Q = Quantity

# C.D.E of electricity (A = 1) with the unit the code is measured in. B is the channel:
# 0 with most makers, 1 with Kamstrup and, for some registers, Iskraemeco and Landis+Gyr.
_ELECTRICITY: Final[dict[tuple[int, int, int], tuple[Quantity, int]]] = {
    (1, 7, 0): (_Q.ACTIVE_POWER_IMPORT, WATT),
    (2, 7, 0): (_Q.ACTIVE_POWER_EXPORT, WATT),
    (3, 7, 0): (_Q.REACTIVE_POWER_IMPORT, VAR),
    (4, 7, 0): (_Q.REACTIVE_POWER_EXPORT, VAR),
    (5, 7, 0): (_Q.REACTIVE_POWER_Q1, VAR),
    (6, 7, 0): (_Q.REACTIVE_POWER_Q2, VAR),
    (7, 7, 0): (_Q.REACTIVE_POWER_Q3, VAR),
    (8, 7, 0): (_Q.REACTIVE_POWER_Q4, VAR),
    (9, 7, 0): (_Q.APPARENT_POWER_IMPORT, VOLT_AMPERE),
    (10, 7, 0): (_Q.APPARENT_POWER_EXPORT, VOLT_AMPERE),
    (13, 7, 0): (_Q.POWER_FACTOR, NO_UNIT),
    (14, 7, 0): (_Q.FREQUENCY, HERTZ),
    (16, 7, 0): (_Q.ACTIVE_POWER_NET, WATT),
    (21, 7, 0): (_Q.ACTIVE_POWER_IMPORT_L1, WATT),
    (41, 7, 0): (_Q.ACTIVE_POWER_IMPORT_L2, WATT),
    (61, 7, 0): (_Q.ACTIVE_POWER_IMPORT_L3, WATT),
    (22, 7, 0): (_Q.ACTIVE_POWER_EXPORT_L1, WATT),
    (42, 7, 0): (_Q.ACTIVE_POWER_EXPORT_L2, WATT),
    (62, 7, 0): (_Q.ACTIVE_POWER_EXPORT_L3, WATT),
    (23, 7, 0): (_Q.REACTIVE_POWER_IMPORT_L1, VAR),
    (43, 7, 0): (_Q.REACTIVE_POWER_IMPORT_L2, VAR),
    (63, 7, 0): (_Q.REACTIVE_POWER_IMPORT_L3, VAR),
    (24, 7, 0): (_Q.REACTIVE_POWER_EXPORT_L1, VAR),
    (44, 7, 0): (_Q.REACTIVE_POWER_EXPORT_L2, VAR),
    (64, 7, 0): (_Q.REACTIVE_POWER_EXPORT_L3, VAR),
    (31, 7, 0): (_Q.CURRENT_L1, AMPERE),
    (51, 7, 0): (_Q.CURRENT_L2, AMPERE),
    (71, 7, 0): (_Q.CURRENT_L3, AMPERE),
    (91, 7, 0): (_Q.CURRENT_N, AMPERE),
    (32, 7, 0): (_Q.VOLTAGE_L1, VOLT),
    (52, 7, 0): (_Q.VOLTAGE_L2, VOLT),
    (72, 7, 0): (_Q.VOLTAGE_L3, VOLT),
    (33, 7, 0): (_Q.POWER_FACTOR_L1, NO_UNIT),
    (53, 7, 0): (_Q.POWER_FACTOR_L2, NO_UNIT),
    (73, 7, 0): (_Q.POWER_FACTOR_L3, NO_UNIT),
    (81, 7, 40): (_Q.PHASE_ANGLE_L1, DEGREE),
    (81, 7, 51): (_Q.PHASE_ANGLE_L2, DEGREE),
    (81, 7, 62): (_Q.PHASE_ANGLE_L3, DEGREE),
    (1, 8, 0): (_Q.ENERGY_IMPORT, WATT_HOUR),
    (1, 8, 1): (_Q.ENERGY_IMPORT_T1, WATT_HOUR),
    (1, 8, 2): (_Q.ENERGY_IMPORT_T2, WATT_HOUR),
    (1, 8, 3): (_Q.ENERGY_IMPORT_T3, WATT_HOUR),
    (1, 8, 4): (_Q.ENERGY_IMPORT_T4, WATT_HOUR),
    (2, 8, 0): (_Q.ENERGY_EXPORT, WATT_HOUR),
    (2, 8, 1): (_Q.ENERGY_EXPORT_T1, WATT_HOUR),
    (2, 8, 2): (_Q.ENERGY_EXPORT_T2, WATT_HOUR),
    (2, 8, 3): (_Q.ENERGY_EXPORT_T3, WATT_HOUR),
    (2, 8, 4): (_Q.ENERGY_EXPORT_T4, WATT_HOUR),
    (21, 8, 0): (_Q.ENERGY_IMPORT_L1, WATT_HOUR),
    (41, 8, 0): (_Q.ENERGY_IMPORT_L2, WATT_HOUR),
    (61, 8, 0): (_Q.ENERGY_IMPORT_L3, WATT_HOUR),
    (22, 8, 0): (_Q.ENERGY_EXPORT_L1, WATT_HOUR),
    (42, 8, 0): (_Q.ENERGY_EXPORT_L2, WATT_HOUR),
    (62, 8, 0): (_Q.ENERGY_EXPORT_L3, WATT_HOUR),
    (3, 8, 0): (_Q.REACTIVE_ENERGY_IMPORT, VAR_HOUR),
    (3, 8, 1): (_Q.REACTIVE_ENERGY_IMPORT_T1, VAR_HOUR),
    (3, 8, 2): (_Q.REACTIVE_ENERGY_IMPORT_T2, VAR_HOUR),
    (3, 8, 3): (_Q.REACTIVE_ENERGY_IMPORT_T3, VAR_HOUR),
    (3, 8, 4): (_Q.REACTIVE_ENERGY_IMPORT_T4, VAR_HOUR),
    (4, 8, 0): (_Q.REACTIVE_ENERGY_EXPORT, VAR_HOUR),
    (4, 8, 1): (_Q.REACTIVE_ENERGY_EXPORT_T1, VAR_HOUR),
    (4, 8, 2): (_Q.REACTIVE_ENERGY_EXPORT_T2, VAR_HOUR),
    (4, 8, 3): (_Q.REACTIVE_ENERGY_EXPORT_T3, VAR_HOUR),
    (4, 8, 4): (_Q.REACTIVE_ENERGY_EXPORT_T4, VAR_HOUR),
    (5, 8, 0): (_Q.REACTIVE_ENERGY_Q1, VAR_HOUR),
    (6, 8, 0): (_Q.REACTIVE_ENERGY_Q2, VAR_HOUR),
    (7, 8, 0): (_Q.REACTIVE_ENERGY_Q3, VAR_HOUR),
    (8, 8, 0): (_Q.REACTIVE_ENERGY_Q4, VAR_HOUR),
}

UNITS: Final[dict[Quantity, int]] = dict(_ELECTRICITY.values())

# Above these it is no value: Landis+Gyr sends an angle of 400 where no current flows,
# E.ON Hungary a power factor of 4.5.
LIMITS: Final = {
    **dict.fromkeys((name for name in UNITS if UNITS[name] == DEGREE), 360),
    **dict.fromkeys((name for name in UNITS if UNITS[name] == NO_UNIT), 1),
}

_BY_CODE: Final[dict[bytes, Quantity]] = {
    bytes((1, channel, *code, 255)): quantity
    for code, (quantity, _) in _ELECTRICITY.items()
    for channel in (0, 1)
} | {
    # The hour list of Landis+Gyr's E350 in Norway has its counters under A = 0.
    bytes((0, 0, code, 8, 0, 255)): _ELECTRICITY[code, 8, 0][0]
    for code in (1, 2, 3, 4)
}

_TEXT: Final = re.compile(
    r"(\d{1,3})-(\d{1,3}):(\d{1,3})\.(\d{1,3})\.(\d{1,3})(?:[.*](\d{1,3}))?",
    re.ASCII,
)


def quantity(code: bytes) -> Quantity | None:
    """Name what a code of six octets measures; None where it is not one of ours."""
    return _BY_CODE.get(code)


def exponent(quantity: Quantity, scaler: int) -> int:
    """Give the power of ten from a raw number to the quantity's own unit.

    `scaler` is the power of ten to the DLMS unit; energies are kWh and kvarh here and
    Wh and varh there.
    """
    return scaler - 3 if UNITS.get(quantity) in (WATT_HOUR, VAR_HOUR) else scaler


def values(registers: Iterable[Register]) -> dict[Quantity, float]:
    """Name and scale registers; the first one of a quantity counts.

    Leaves out codes that are not ours and those in another unit than they are defined
    in: a wrong value is worse than none.
    """
    found: dict[Quantity, float] = {}
    for code, raw, scaler, unit in registers:
        name = _BY_CODE.get(code)
        if name is not None and name not in found and unit == UNITS[name]:
            found[name] = scale(raw, exponent(name, scaler))
    return found


def scale(raw: float, exponent: int) -> float:
    """Give raw * 10**exponent as the decimal number the meter would print.

    Dividing by a power of ten is correctly rounded, multiplying by a negative power
    is not.
    """
    return raw / 10**-exponent if exponent < 0 else float(raw * 10**exponent)


def text(code: bytes) -> str:
    """Print six octets the way people write them, F left out when it is 255."""
    a, b, c, d, e, f = code
    return f"{a}-{b}:{c}.{d}.{e}" + ("" if f == 255 else f".{f}")


def parse(text: str) -> bytes | None:
    """Read a printed code, F = 255 where it is left out; None if it is none."""
    if (match := _TEXT.fullmatch(text)) is None:
        return None
    numbers = [255 if group is None else int(group) for group in match.groups()]
    return bytes(numbers) if max(numbers) < 256 else None
