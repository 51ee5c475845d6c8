"""A sensor for each number."""

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorStateClass,
)
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import (
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfPower,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from . import NUMBERS, Meter
from .config_flow import DOMAIN

KINDS = {
    "energy": (SensorDeviceClass.ENERGY, UnitOfEnergy.KILO_WATT_HOUR),
    "voltage": (SensorDeviceClass.VOLTAGE, UnitOfElectricPotential.VOLT),
    "current": (SensorDeviceClass.CURRENT, UnitOfElectricCurrent.AMPERE),
}
POWER = (SensorDeviceClass.POWER, UnitOfPower.WATT)


async def async_setup_entry(
    hass: HomeAssistant,
    entry: ConfigEntry[Meter],
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add them all at once."""
    keys = [*(key for key, *_ in NUMBERS.values()), "net_power"]
    async_add_entities(MinimalSensor(entry, key) for key in keys)


class MinimalSensor(SensorEntity):
    """One number."""

    _attr_has_entity_name = True
    _attr_should_poll = False

    def __init__(self, entry: ConfigEntry[Meter], key: str) -> None:
        """Take the key of the number."""
        self._meter = entry.runtime_data
        self._key = key
        self._attr_name = key
        self._attr_unique_id = f"{entry.entry_id}_{key}"
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, entry.entry_id)}, name=entry.title
        )
        kind = key.partition("_")[0]
        device_class, unit = KINDS.get(kind, POWER)
        self._attr_device_class = device_class
        self._attr_native_unit_of_measurement = unit
        self._attr_state_class = (
            SensorStateClass.TOTAL if kind == "energy" else SensorStateClass.MEASUREMENT
        )

    async def async_added_to_hass(self) -> None:
        """Begin to listen."""
        self._meter.listeners.append(self._update)

    @callback
    def _update(self) -> None:
        meter, value = self._meter, self._meter.values.get(self._key)
        available = meter.heard and value is not None
        if value != self._attr_native_value or available != self._attr_available:
            self._attr_native_value = value
            self._attr_available = available
            self.async_write_ha_state()
