"""Which answers are yes or no?"""

from typing import Any, override

# From `const`, where it is now, 2026.9 cannot have it.
from homeassistant.components.binary_sensor import (  # type: ignore[attr-defined]
    BinarySensorDeviceClass,
    BinarySensorEntity,
)
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import (
    LIMIT,
    LINK,
    SENT,
    VOLTAGES,
    HanPortConfigEntry,
    HanPortCoordinator,
)
from .entity import HanPortEntity
from .protocol import Quantity

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
            HanPortConnection(coordinator, "connection", LINK),
            HanPortAtRisk(coordinator, "hour_limit_at_risk", LIMIT),
        ]
    )
    added: set[str] = set()

    @callback
    def add_new() -> None:
        """Add what needs a voltage or a current when the meter sends the first."""
        new = coordinator.quantities - added
        added.update(new)
        if Quantity.VOLTAGE_L1 in new:
            async_add_entities(
                [HanPortVoltage(coordinator, "voltage_out_of_range", VOLTAGES)]
            )
        if Quantity.CURRENT_L1 in new and coordinator.fuse is not None:
            async_add_entities([HanPortOverload(coordinator, "overload")])

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new, SENT))


class HanPortBinarySensor(HanPortEntity, BinarySensorEntity):
    """An answer about the meter."""

    @property
    @override
    def available(self) -> bool:
        """Say whether the meter is heard: what is from before is no ground to act on."""
        return self.coordinator.connected

    @property
    @override
    def _value(self) -> bool | None:
        return self.is_on


class HanPortConnection(HanPortBinarySensor):
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


class HanPortAtRisk(HanPortBinarySensor):
    """On while the forecast of the hour is above the limit; unknown without a limit."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM

    def __init__(self, coordinator: HanPortCoordinator, key: str, about: str) -> None:
        """Start with what is known already."""
        super().__init__(coordinator, key, about)
        self._look()

    def _look(self) -> None:
        limit, hour = self.coordinator.limit, self.coordinator.account.hour
        if limit is None or not self.coordinator.connected:
            self._attr_is_on = None
        else:
            self._attr_is_on = hour.at_risk(limit, before=bool(self._attr_is_on))

    @override
    @callback
    def _handle_coordinator_update(self) -> None:
        self._look()
        super()._handle_coordinator_update()


class HanPortOverload(HanPortBinarySensor):
    """On while a phase has more than the main fuse bears for as long as it lasts."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM

    @property
    @override
    def is_on(self) -> bool | None:
        """Say whether there is one, None while no current is known."""
        fuse = self.coordinator.fuse
        return None if fuse is None else fuse.overload


class HanPortVoltage(HanPortBinarySensor):
    """On while a voltage is out of range as a mean over ten minutes."""

    _attr_device_class = BinarySensorDeviceClass.PROBLEM

    @property
    @override
    def is_on(self) -> bool | None:
        """Say whether one is, None until ten minutes of a voltage are known."""
        outside = self.coordinator.voltages.outside
        return None if outside is None else bool(outside)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Give which, and of how many."""
        outside = self.coordinator.voltages.outside or []
        return {
            "phases": [name.upper() for name in outside],
            "watched": len(self.coordinator.voltages.means),
        }
