"""By how much are the values of a meter behind transformers too small?"""

from collections.abc import Mapping
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
    values = {
        quantity: round(value * by[quantity], 6) if quantity in by else value
        for quantity, value in reading.values.items()
    }
    return reading._replace(values=values)
