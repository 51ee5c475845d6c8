"""How does Home Assistant show each quantity? One table, one class."""

from collections.abc import Iterator
from dataclasses import replace
from typing import override

from homeassistant.components.sensor import (
    RestoreSensor,
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    DEGREE,
    EntityCategory,
    UnitOfApparentPower,
    UnitOfElectricCurrent,
    UnitOfElectricPotential,
    UnitOfEnergy,
    UnitOfFrequency,
    UnitOfPower,
    UnitOfReactiveEnergy,
    UnitOfReactivePower,
    UnitOfVolume,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .const import NET_POWER
from .coordinator import COUNTERS, HanPortConfigEntry, HanPortCoordinator
from .entity import HanPortEntity, submeter_device
from .protocol import MeterKind, Quantity

PARALLEL_UPDATES = 0

_Q = Quantity


def _alike(
    device_class: SensorDeviceClass | None,
    unit: str | None,
    precision: int,
    *keys: str,
    state_class: SensorStateClass | None = SensorStateClass.MEASUREMENT,
    category: EntityCategory | None = None,
    enabled: bool = True,
) -> Iterator[SensorEntityDescription]:
    """Describe quantities that differ in their name only."""
    for key in keys:
        yield SensorEntityDescription(
            key=key,
            device_class=device_class,
            native_unit_of_measurement=unit,
            suggested_display_precision=precision,
            state_class=state_class,
            entity_category=category,
            entity_registry_enabled_default=enabled,
        )


# Energy is TOTAL: on TOTAL_INCREASING one false zero books the whole counter again.
# What few people look at is there for those who enable it.
SENSORS = {
    description.key: description
    for description in (
        *_alike(
            SensorDeviceClass.POWER,
            UnitOfPower.WATT,
            0,
            NET_POWER,
            _Q.ACTIVE_POWER_IMPORT,
            _Q.ACTIVE_POWER_EXPORT,
            _Q.ACTIVE_POWER_IMPORT_L1,
            _Q.ACTIVE_POWER_IMPORT_L2,
            _Q.ACTIVE_POWER_IMPORT_L3,
            _Q.ACTIVE_POWER_EXPORT_L1,
            _Q.ACTIVE_POWER_EXPORT_L2,
            _Q.ACTIVE_POWER_EXPORT_L3,
            _Q.DEMAND_IMPORT,
            _Q.DEMAND_IMPORT_PEAK,
        ),
        *_alike(
            SensorDeviceClass.POWER,
            UnitOfPower.WATT,
            0,
            _Q.ACTIVE_POWER_NET,
            enabled=False,
        ),
        *_alike(
            SensorDeviceClass.REACTIVE_POWER,
            UnitOfReactivePower.VOLT_AMPERE_REACTIVE,
            0,
            _Q.REACTIVE_POWER_IMPORT,
            _Q.REACTIVE_POWER_EXPORT,
            _Q.REACTIVE_POWER_Q1,
            _Q.REACTIVE_POWER_Q2,
            _Q.REACTIVE_POWER_Q3,
            _Q.REACTIVE_POWER_Q4,
            _Q.REACTIVE_POWER_IMPORT_L1,
            _Q.REACTIVE_POWER_IMPORT_L2,
            _Q.REACTIVE_POWER_IMPORT_L3,
            _Q.REACTIVE_POWER_EXPORT_L1,
            _Q.REACTIVE_POWER_EXPORT_L2,
            _Q.REACTIVE_POWER_EXPORT_L3,
            enabled=False,
        ),
        *_alike(
            SensorDeviceClass.APPARENT_POWER,
            UnitOfApparentPower.VOLT_AMPERE,
            0,
            _Q.APPARENT_POWER_IMPORT,
            _Q.APPARENT_POWER_EXPORT,
            enabled=False,
        ),
        *_alike(
            SensorDeviceClass.VOLTAGE,
            UnitOfElectricPotential.VOLT,
            1,
            _Q.VOLTAGE_L1,
            _Q.VOLTAGE_L2,
            _Q.VOLTAGE_L3,
        ),
        *_alike(
            SensorDeviceClass.CURRENT,
            UnitOfElectricCurrent.AMPERE,
            2,
            _Q.CURRENT_L1,
            _Q.CURRENT_L2,
            _Q.CURRENT_L3,
        ),
        *_alike(
            SensorDeviceClass.CURRENT,
            UnitOfElectricCurrent.AMPERE,
            2,
            _Q.CURRENT_N,
            enabled=False,
        ),
        *_alike(
            None,
            DEGREE,
            0,
            _Q.PHASE_ANGLE_L1,
            _Q.PHASE_ANGLE_L2,
            _Q.PHASE_ANGLE_L3,
            enabled=False,
        ),
        *_alike(SensorDeviceClass.POWER_FACTOR, None, 2, _Q.POWER_FACTOR),
        *_alike(
            SensorDeviceClass.POWER_FACTOR,
            None,
            2,
            _Q.POWER_FACTOR_L1,
            _Q.POWER_FACTOR_L2,
            _Q.POWER_FACTOR_L3,
            enabled=False,
        ),
        *_alike(SensorDeviceClass.FREQUENCY, UnitOfFrequency.HERTZ, 2, _Q.FREQUENCY),
        *_alike(
            SensorDeviceClass.ENERGY,
            UnitOfEnergy.KILO_WATT_HOUR,
            2,
            _Q.ENERGY_IMPORT,
            _Q.ENERGY_EXPORT,
            _Q.ENERGY_IMPORT_T1,
            _Q.ENERGY_IMPORT_T2,
            _Q.ENERGY_EXPORT_T1,
            _Q.ENERGY_EXPORT_T2,
            state_class=SensorStateClass.TOTAL,
        ),
        *_alike(
            SensorDeviceClass.ENERGY,
            UnitOfEnergy.KILO_WATT_HOUR,
            2,
            _Q.ENERGY_IMPORT_T3,
            _Q.ENERGY_IMPORT_T4,
            _Q.ENERGY_EXPORT_T3,
            _Q.ENERGY_EXPORT_T4,
            _Q.ENERGY_IMPORT_L1,
            _Q.ENERGY_IMPORT_L2,
            _Q.ENERGY_IMPORT_L3,
            _Q.ENERGY_EXPORT_L1,
            _Q.ENERGY_EXPORT_L2,
            _Q.ENERGY_EXPORT_L3,
            state_class=SensorStateClass.TOTAL,
            enabled=False,
        ),
        *_alike(
            SensorDeviceClass.REACTIVE_ENERGY,
            UnitOfReactiveEnergy.KILO_VOLT_AMPERE_REACTIVE_HOUR,
            2,
            _Q.REACTIVE_ENERGY_IMPORT,
            _Q.REACTIVE_ENERGY_EXPORT,
            _Q.REACTIVE_ENERGY_IMPORT_T1,
            _Q.REACTIVE_ENERGY_IMPORT_T2,
            _Q.REACTIVE_ENERGY_IMPORT_T3,
            _Q.REACTIVE_ENERGY_IMPORT_T4,
            _Q.REACTIVE_ENERGY_EXPORT_T1,
            _Q.REACTIVE_ENERGY_EXPORT_T2,
            _Q.REACTIVE_ENERGY_EXPORT_T3,
            _Q.REACTIVE_ENERGY_EXPORT_T4,
            _Q.REACTIVE_ENERGY_Q1,
            _Q.REACTIVE_ENERGY_Q2,
            _Q.REACTIVE_ENERGY_Q3,
            _Q.REACTIVE_ENERGY_Q4,
            state_class=SensorStateClass.TOTAL,
            enabled=False,
        ),
        *_alike(None, None, 0, _Q.TARIFF, state_class=None),
        *_alike(
            None,
            None,
            0,
            _Q.POWER_FAILURES,
            _Q.LONG_POWER_FAILURES,
            _Q.VOLTAGE_SAGS_L1,
            _Q.VOLTAGE_SAGS_L2,
            _Q.VOLTAGE_SAGS_L3,
            _Q.VOLTAGE_SWELLS_L1,
            _Q.VOLTAGE_SWELLS_L2,
            _Q.VOLTAGE_SWELLS_L3,
            state_class=SensorStateClass.TOTAL,
            category=EntityCategory.DIAGNOSTIC,
            enabled=False,
        ),
        *_alike(
            SensorDeviceClass.VOLUME,
            UnitOfVolume.CUBIC_METERS,
            2,
            _Q.VOLUME,
            state_class=SensorStateClass.TOTAL,
        ),
        *_alike(
            SensorDeviceClass.ENERGY,
            UnitOfEnergy.GIGA_JOULE,
            2,
            _Q.THERMAL_ENERGY,
            state_class=SensorStateClass.TOTAL,
        ),
    )
}


async def async_setup_entry(
    hass: HomeAssistant,
    entry: HanPortConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add what the meter is known to send, and on the spot what it sends later."""
    coordinator = entry.runtime_data
    _add_submeters(entry, async_add_entities)
    added: set[str] = set()

    @callback
    def add_new() -> None:
        if coordinator.quantities <= added:
            return
        new = [key for key in SENSORS if key in coordinator.quantities - added]
        added.update(coordinator.quantities)
        async_add_entities(HanPortSensor(coordinator, SENSORS[key]) for key in new)

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


class HanPortSensor(HanPortEntity, RestoreSensor):
    """What the meter says of one quantity."""

    def __init__(
        self,
        coordinator: HanPortCoordinator,
        description: SensorEntityDescription,
        quantity: Quantity | None = None,
    ) -> None:
        """Take the row of the table, and the quantity where it is not its key."""
        super().__init__(coordinator, description.key)
        self.entity_description = description
        self._quantity = quantity or description.key

    @override
    async def async_added_to_hass(self) -> None:
        """Bring back a counter, as the meter may send the next in an hour only."""
        await super().async_added_to_hass()
        if (
            self._quantity in COUNTERS
            and (last := await self.async_get_last_sensor_data()) is not None
            and isinstance(last.native_value, int | float)
        ):
            self._restore(last.native_value)

    def _restore(self, value: float) -> None:
        """Take the last value from before the restart."""
        self.coordinator.async_restore(self._quantity, value)

    @property
    @override
    def available(self) -> bool:
        """Say whether the meter is heard, and has sent this since it was last lost."""
        return super().available and self.native_value is not None

    @property
    @override
    def native_value(self) -> float | None:
        """Give what the meter said last."""
        return self.coordinator.data.get(self._quantity)


def _add_submeters(
    entry: HanPortConfigEntry, async_add_entities: AddConfigEntryEntitiesCallback
) -> None:
    """Add the known submeters, and on the spot those that are heard of later."""
    coordinator = entry.runtime_data
    added: set[tuple[str, str]] = set()

    @callback
    def add_new() -> None:
        known = {
            (key, quantity)
            for key, submeter in coordinator.submeters.items()
            for quantity in submeter.quantities & SENSORS.keys()
        }
        new = known - added
        # One that was deleted may be sent again.
        added.intersection_update(known)
        added.update(new)
        if new:
            async_add_entities(
                HanPortSubmeterSensor(coordinator, *each) for each in sorted(new)
            )

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new))


# What fills a volume, where Home Assistant has a class for it
VOLUME_CLASSES = {
    MeterKind.GAS: SensorDeviceClass.GAS,
    MeterKind.WATER: SensorDeviceClass.WATER,
    MeterKind.HOT_WATER: SensorDeviceClass.WATER,
}


class HanPortSubmeterSensor(HanPortSensor):
    """What a meter behind the meter says of one quantity."""

    def __init__(
        self, coordinator: HanPortCoordinator, key: str, quantity: str
    ) -> None:
        """Take the submeter by its key in the coordinator."""
        self._submeter = coordinator.submeters[key]
        description = SENSORS[quantity]
        if quantity == Quantity.VOLUME:
            kind = self._submeter.meter.kind
            device_class = VOLUME_CLASSES.get(kind, SensorDeviceClass.VOLUME)
            description = replace(description, device_class=device_class)
        super().__init__(coordinator, description)
        self._attr_unique_id = f"{key}_{quantity}"
        self._attr_device_info = submeter_device(
            coordinator, key, self._attr_device_info
        )

    @override
    def _restore(self, value: float) -> None:
        self._submeter.values.setdefault(self._quantity, value)

    @property
    @override
    def available(self) -> bool:
        """Say whether the meter sends it, or may: before the first reading."""
        return super().available and (
            not self.coordinator.connected or self.coordinator.is_sent(self._submeter)
        )

    @property
    @override
    def native_value(self) -> float | None:
        """Give what the submeter said last."""
        return self._submeter.values.get(self._quantity)
