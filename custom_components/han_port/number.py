"""How high may an hour become?"""

from typing import override

from homeassistant.components.number import NumberDeviceClass, NumberMode, RestoreNumber
from homeassistant.const import EntityCategory, UnitOfPower
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import LINK, HanPortConfigEntry
from .entity import HanPortEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HanPortConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the limit."""
    async_add_entities([HanPortLimit(entry.runtime_data, "hour_limit", LINK)])


class HanPortLimit(HanPortEntity, RestoreNumber):
    """What the mean power of an hour shall not exceed; none until set, and at 0."""

    _attr_device_class = NumberDeviceClass.POWER
    _attr_entity_category = EntityCategory.CONFIG
    _attr_mode = NumberMode.BOX
    _attr_native_max_value = 100
    _attr_native_min_value = 0
    _attr_native_step = 0.1
    _attr_native_unit_of_measurement = UnitOfPower.KILO_WATT

    @property
    @override
    def _value(self) -> float | None:
        return self.native_value

    @override
    async def async_added_to_hass(self) -> None:
        """Bring back what was set before the restart."""
        await super().async_added_to_hass()
        if (last := await self.async_get_last_number_data()) is not None:
            self._set(last.native_value)

    @property
    @override
    def available(self) -> bool:
        """It can be set whether the meter is heard or not."""
        return True

    @override
    async def async_set_native_value(self, value: float) -> None:
        """Set it, and tell at once what goes by it."""
        self._set(value)
        self.coordinator.async_update_listeners()

    def _set(self, value: float | None) -> None:
        self._attr_native_value = value
        self.coordinator.limit = value or None
