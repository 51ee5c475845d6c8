"""Which answers are yes or no?"""

from typing import override

# From `const`, where it is now, 2026.9 cannot have it.
from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import HanPortConfigEntry, HanPortCoordinator
from .entity import HanPortEntity

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HanPortConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add what tells whether the meter is heard, and whether the hour gets too high."""
    coordinator = entry.runtime_data
    async_add_entities(
        [
            HanPortConnection(coordinator, "connection"),
            HanPortAtRisk(coordinator, "hour_limit_at_risk"),
        ]
    )


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


class HanPortAtRisk(HanPortEntity, BinarySensorEntity):
    """On while the forecast of the hour is above the limit; unknown without a limit."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM

    def __init__(self, coordinator: HanPortCoordinator, key: str) -> None:
        """Start with what is known already."""
        super().__init__(coordinator, key)
        self._look()

    def _look(self) -> None:
        limit, hour = self.coordinator.limit, self.coordinator.account.hour
        if limit is None:
            self._attr_is_on = None
        else:
            self._attr_is_on = hour.at_risk(limit, before=bool(self._attr_is_on))

    @override
    @callback
    def _handle_coordinator_update(self) -> None:
        self._look()
        super()._handle_coordinator_update()
