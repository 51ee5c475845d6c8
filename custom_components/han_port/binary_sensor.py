"""Which answers are yes or no?"""

from typing import override

from homeassistant.components.binary_sensor import BinarySensorEntity
from homeassistant.components.binary_sensor.const import BinarySensorDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HanPortConfigEntry
from .entity import HanPortEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HanPortConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add what tells whether the meter is heard."""
    async_add_entities([HanPortConnection(entry.runtime_data, "connection")])


class HanPortConnection(HanPortEntity, BinarySensorEntity):
    """On while readings arrive."""

    _attr_device_class = BinarySensorDeviceClass.CONNECTIVITY
    _attr_entity_category = EntityCategory.DIAGNOSTIC

    @property
    @override
    def available(self) -> bool:
        """Silence is an answer too."""
        return True

    @property
    @override
    def is_on(self) -> bool:
        """Say whether the meter is heard."""
        return self.coordinator.connected
