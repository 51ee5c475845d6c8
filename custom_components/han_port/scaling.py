"""By how much are the values of a meter behind transformers too small?"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from math import hypot
from typing import Any

from .const import (
    CONF_MULTIPLY_CURRENT,
    CONF_MULTIPLY_ENERGY,
    CONF_MULTIPLY_POWER,
    CONF_MULTIPLY_VOLTAGE,
)
from .protocol.reading import MeterReading, Quantity

# By what the names of quantities begin with
_MULTIPLIED = {
    "voltage_l": CONF_MULTIPLY_VOLTAGE,
    "current_": CONF_MULTIPLY_CURRENT,
    "active_power_": CONF_MULTIPLY_POWER,
    "reactive_power_": CONF_MULTIPLY_POWER,
    "apparent_power_": CONF_MULTIPLY_POWER,
    "demand_": CONF_MULTIPLY_POWER,
    "energy_": CONF_MULTIPLY_ENERGY,
    "reactive_energy_": CONF_MULTIPLY_ENERGY,
}
MULTIPLIERS = (
    CONF_MULTIPLY_VOLTAGE,
    CONF_MULTIPLY_CURRENT,
    CONF_MULTIPLY_POWER,
    CONF_MULTIPLY_ENERGY,
)


def multipliers(options: Mapping[str, Any]) -> dict[Quantity, float]:
    """Give the multiplier of each quantity that has one in the options of an entry."""
    return {
        quantity: options[key]
        for quantity in Quantity
        for name, key in _MULTIPLIED.items()
        if quantity.startswith(name) and options.get(key, 1) != 1
    }


def scaled(reading: MeterReading, by: Mapping[Quantity, float]) -> MeterReading:
    """Multiply the values of a meter; those of its submeters are as they are."""
    if not by:
        return reading
    values = {
        quantity: round(value * by[quantity], 6) if quantity in by else value
        for quantity, value in reading.values.items()
    }
    return reading._replace(values=values)


_VOLTAGES = (Quantity.VOLTAGE_L1, Quantity.VOLTAGE_L2, Quantity.VOLTAGE_L3)
_CURRENTS = (Quantity.CURRENT_L1, Quantity.CURRENT_L2, Quantity.CURRENT_L3)

# A. Smaller currents say too little: meters send steps of up to 0.1 A, P1 meters whole ones.
_LEAST_CURRENT = 1
_LEAST_WHOLE_CURRENT = 6

# Power is at most voltage times current. What is beyond these, is so with no load: much
# less is what idle capacitors and inverters take.
_HIGHEST = 1.6
_LOWEST = 0.15
# By how much the two have to differ, in how many readings, over how long a time
_DIFFERS = 5
_READINGS = 100
_LASTS = timedelta(hours=1)
# Within that voltage times current has to change by this factor, and the ratio by less than
# a power of ten: what is only idle does not change, and what is only balanced does not follow.
_CHANGES = 2
_STEADY = 10


def apparent_power(
    values: Mapping[Quantity, float] | Mapping[str, float],
) -> float | None:
    """Give the sum of voltage times current in VA; None if a phase is not known.

    On a three-wire net voltages are between phases, and L2 may be left out: the sum is
    more than what is drawn then, up to twice as much, and never less.
    """
    total = 0.0
    for name, of_current in zip(_VOLTAGES, _CURRENTS, strict=True):
        voltage, current = values.get(name), values.get(of_current)
        if voltage and current is not None:
            total += abs(voltage * current)
        elif name is Quantity.VOLTAGE_L1 or (voltage and name is Quantity.VOLTAGE_L3):
            return None
    return total


class PowerCheck:
    """Do power, and voltage times current, differ by about a power of ten?

    `times` is by how much the larger one is too large, None while nothing is wrong or not
    known for long enough; `apparent` and `power` are what the last reading said, in VA
    and W.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        """Take the multipliers: they may be what is wrong."""
        self.apparent = self.power = 0.0
        self.times: int | None = None
        self._by_apparent = options.get(CONF_MULTIPLY_VOLTAGE, 1) * options.get(
            CONF_MULTIPLY_CURRENT, 1
        )
        self._by_power = options.get(CONF_MULTIPLY_POWER, 1)
        self._forget()

    def _forget(self) -> None:
        self._since: datetime | None = None
        self._count = 0
        self._apparent: list[float] = []
        self._ratio: list[float] = []
        self.times = None

    def advance(self, when: datetime, reading: MeterReading) -> None:
        """Take a reading as the meter sent it, before it is multiplied."""
        values = reading.measured
        if (found := _compared(values)) is None:
            return
        apparent, active, total = found
        self.apparent = apparent * self._by_apparent
        self.power = active * self._by_power
        ratio = total * self._by_power / self.apparent
        exports = values.get(Quantity.ACTIVE_POWER_EXPORT) or active < 0
        if _LOWEST <= ratio <= _HIGHEST or (ratio < _LOWEST and exports):
            # What is fed in on one phase may be used on another.
            self._forget()
            return
        ratios = [*self._ratio, ratio]
        if max(ratios) > _STEADY * min(ratios):
            self._forget()
            ratios = [ratio]
        apparents = [*self._apparent, apparent]
        self._ratio = [min(ratios), max(ratios)]
        self._apparent = [min(apparents), max(apparents)]
        self._since = self._since or when
        self._count += 1
        # The highest one is that of a load that takes no reactive power.
        times = max(self._ratio[1], 1 / self._ratio[1])
        if (
            self._count >= _READINGS
            and abs(when - self._since) >= _LASTS
            and self._apparent[1] >= _CHANGES * self._apparent[0]
            and times >= _DIFFERS
        ):
            # On a three-wire net half of it is seen, or twice as much.
            self.times = 10 if times < 25 else int(float(f"{times:.0e}"))


def _compared(
    values: Mapping[Quantity, float],
) -> tuple[float, float, float] | None:
    """Give VA, W and the power with its reactive part, None if they say too little."""
    if not (apparent := apparent_power(values)):
        return None
    power = values.get(Quantity.ACTIVE_POWER_NET)
    if power is None:
        power = values.get(Quantity.ACTIVE_POWER_IMPORT, 0) - values.get(
            Quantity.ACTIVE_POWER_EXPORT, 0
        )
    if not power:
        return None
    currents = [abs(values[name]) for name in _CURRENTS if name in values]
    least = (
        _LEAST_WHOLE_CURRENT
        if all(current == int(current) for current in currents)
        else _LEAST_CURRENT
    )
    if sum(currents) < least:
        return None
    reactive = values.get(Quantity.REACTIVE_POWER_IMPORT, 0) - values.get(
        Quantity.REACTIVE_POWER_EXPORT, 0
    )
    return apparent, power, hypot(power, reactive)
