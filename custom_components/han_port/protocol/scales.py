"""On which scale is what a maker sends without a scaler?

What the meter sends is believed; the families here say only what it leaves out. Where a
scale depends on how a meter was configured, it follows from what is plausible.
"""

from collections.abc import Iterable, Mapping
from math import hypot
from typing import Final

from . import obis
from .layout import Family, Scalers
from .reading import Meter, Quantity

Q = Quantity

POWERS: Final = (
    Q.ACTIVE_POWER_IMPORT,
    Q.ACTIVE_POWER_EXPORT,
    Q.REACTIVE_POWER_IMPORT,
    Q.REACTIVE_POWER_EXPORT,
)
IMPORTS: Final = (
    Q.ACTIVE_POWER_IMPORT_L1,
    Q.ACTIVE_POWER_IMPORT_L2,
    Q.ACTIVE_POWER_IMPORT_L3,
)
EXPORTS: Final = (
    Q.ACTIVE_POWER_EXPORT_L1,
    Q.ACTIVE_POWER_EXPORT_L2,
    Q.ACTIVE_POWER_EXPORT_L3,
)
FACTORS: Final = (Q.POWER_FACTOR_L1, Q.POWER_FACTOR_L2, Q.POWER_FACTOR_L3)
CURRENTS: Final = (Q.CURRENT_L1, Q.CURRENT_L2, Q.CURRENT_L3)
VOLTAGES: Final = (Q.VOLTAGE_L1, Q.VOLTAGE_L2, Q.VOLTAGE_L3)
ENERGIES: Final = (
    Q.ENERGY_IMPORT,
    Q.ENERGY_EXPORT,
    Q.REACTIVE_ENERGY_IMPORT,
    Q.REACTIVE_ENERGY_EXPORT,
)
IMPORT_TARIFFS: Final = (Q.ENERGY_IMPORT, Q.ENERGY_IMPORT_T1, Q.ENERGY_IMPORT_T2)
EXPORT_TARIFFS: Final = (Q.ENERGY_EXPORT, Q.ENERGY_EXPORT_T1, Q.ENERGY_EXPORT_T2)
ANGLES: Final = (Q.PHASE_ANGLE_L1, Q.PHASE_ANGLE_L2, Q.PHASE_ANGLE_L3)
QUADRANTS: Final = (
    Q.REACTIVE_ENERGY_Q1,
    Q.REACTIVE_ENERGY_Q2,
    Q.REACTIVE_ENERGY_Q3,
    Q.REACTIVE_ENERGY_Q4,
)


def _apparent_power(raw: Mapping[Q, int], current: int, voltage: int) -> float:
    """Give the sum of U times I in VA, which no power of the meter can exceed."""
    product = sum(
        raw.get(u, 0) * raw.get(i, 0) for u, i in zip(VOLTAGES, CURRENTS, strict=True)
    )
    return obis.scale(product, current + voltage)


def _power(raw: Mapping[Q, int]) -> float:
    """Give the raw power through the meter, reactive power included."""
    active_in, active_out, reactive_in, reactive_out = (
        raw.get(quantity, 0) for quantity in POWERS
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
    power, energy, current, voltage = scalers[:4]
    voltage = _fitting(raw, VOLTAGES, voltage, _HIGHEST_VOLTAGE)
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
    phases = zip(VOLTAGES, CURRENTS, FACTORS, IMPORTS, EXPORTS, strict=True)
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
    current, frequency = scalers.current, scalers.frequency
    voltage = _fitting(raw, VOLTAGES, scalers.voltage, _HIGHEST_VOLTAGE)
    if any(raw.get(quantity) for quantity in VOLTAGES):
        through = _power(raw)
        while current < 0 and through > _UNSEEN + _OFF_SCALE * _apparent_power(
            raw, current, voltage
        ):
            current += 1
    if frequency is not None and Q.FREQUENCY in raw:
        frequency = _fitting(raw, (Q.FREQUENCY,), frequency, _HIGHEST_FREQUENCY)
    return scalers._replace(current=current, voltage=voltage, frequency=frequency)


# Scaler and unit are sent. Aidon HAN Interface Description v1.1A, 2.3 and 3.2. Its clock
# says deviation 0 and runs on standard time all the same.
AIDON: Final = Family("Aidon", kinds=True, clock_offset=False)
# The Landis+Gyr E350 of Norway follows Aidon's description.
EMBRIQ: Final = AIDON._replace(manufacturer="Landis+Gyr")
# The list with power only is the same from Aidon and the E350.
AIDON_OR_EMBRIQ: Final = AIDON._replace(manufacturer=None)
# Kaifa HAN OBIS codes KFM_001.
KAIFA: Final = Family("Kaifa", Scalers(current=-3, voltage=-1), kinds=True)
KAMSTRUP: Final = Family(
    "Kamstrup",
    Scalers(energy=1, current=-2, voltage=0, factor=-2),
    _kamstrup,
    kinds=True,
)
# Regionalwerke Baden, Bedienungsanleitung SmartMeter (E450): push lists of Switzerland.
LANDIS_GYR: Final = Family(
    "Landis+Gyr",
    Scalers(current=-2, voltage=0, factor=-3, frequency=0, angle=0),
    _landis_gyr,
)
# The E570 behind transformers sends 64 bits throughout and whole amperes.
E570: Final = LANDIS_GYR._replace(scalers=Scalers(factor=-3, frequency=0, angle=0))
# Iskraemeco AM550 and IE.5 as captured in Slovenia, Croatia and Switzerland.
ISKRA: Final = Family("Iskraemeco", Scalers(current=-2, voltage=-1, factor=-3))
UNKNOWN: Final = Family()
