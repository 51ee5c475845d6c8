"""How does Home Assistant show each quantity, and which hours were the highest?"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    DEGREE,
    EVENT_RECORDER_5MIN_STATISTICS_GENERATED,
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
from homeassistant.core import CoreState, Event, HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .accounting import LiveCounter, Peak, Settlement
from .computed import COMPUTED, HanPortComputed, HanPortNumber
from .const import NET_POWER
from .coordinator import HOURS, PEAKS, SENT, HanPortConfigEntry, HanPortCoordinator
from .entity import HanPortEntity, submeter_device
from .protocol import MeterKind, Quantity

PARALLEL_UPDATES = 0

# More kWh than a house uses between two times that the accounts are stored
UNSTORED = 1

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


# The meter's counters as it sends them, under keys of their own: the energy sensors are
# live. No state class: statistics would book the step when a meter is replaced.
METER_COUNTERS = {
    quantity: SensorEntityDescription(
        key=f"{quantity}_counter",
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        entity_registry_enabled_default=False,
    )
    for quantity in (_Q.ENERGY_IMPORT, _Q.ENERGY_EXPORT)
}


PEAK = SensorEntityDescription(
    key="peak",
    device_class=SensorDeviceClass.POWER,
    native_unit_of_measurement=UnitOfPower.KILO_WATT,
    suggested_display_precision=2,
)


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
        # Live counters may be the sum of tariffs, and then no quantity of the meter.
        known = coordinator.quantities | {
            quantity
            for quantity, counter in coordinator.account.counters.items()
            if counter.published is not None
        }
        if known <= added:
            return
        new = known - added
        added.update(known)
        async_add_entities(_entities(coordinator, new))

    add_new()
    entry.async_on_unload(coordinator.async_add_listener(add_new, SENT))


def _entities(
    coordinator: HanPortCoordinator, keys: set[str]
) -> Iterator[HanPortEntity]:
    """Make the sensors of quantities that are new."""
    for key, description in SENSORS.items():
        if key not in keys:
            continue
        if key not in METER_COUNTERS:
            yield HanPortSensor(coordinator, description)
            continue
        quantity = Quantity(key)
        yield HanPortLiveCounter(coordinator, description, quantity)
        if key in coordinator.quantities:
            yield HanPortSensor(coordinator, METER_COUNTERS[quantity], quantity)
    if Quantity.ACTIVE_POWER_IMPORT in keys:
        for number in range(coordinator.account.peaks.rules.count):
            yield HanPortPeak(coordinator, number + 1)
    for each in COMPUTED:
        if each.needs in keys and (coordinator.fuse is not None or not each.of_fuse):
            yield HanPortComputed(coordinator, each)


class HanPortSensor(HanPortNumber):
    """What the meter says of one quantity."""

    def __init__(
        self,
        coordinator: HanPortCoordinator,
        description: SensorEntityDescription,
        quantity: Quantity | None = None,
    ) -> None:
        """Take the row of the table, and the quantity where it is not its key."""
        self._quantity = quantity or description.key
        super().__init__(coordinator, description.key, self._quantity)
        self.entity_description = description

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


class HanPortLiveCounter(HanPortSensor):
    """The meter's counter between the times that it sends it; its hours are settled."""

    def __init__(
        self,
        coordinator: HanPortCoordinator,
        description: SensorEntityDescription,
        quantity: Quantity,
    ) -> None:
        """Take the direction, energy import or export."""
        super().__init__(coordinator, description)
        self._direction = quantity
        self._last: Settlement | None = None

    @override
    async def async_added_to_hass(self) -> None:
        """Settle hours where there is a recorder of them."""
        await super().async_added_to_hass()
        if "recorder" not in self.hass.config.components:
            return
        await self._hold_recorded()
        self.async_on_remove(
            self.hass.bus.async_listen(
                # The recorder made rows; those of the hour are there by the next time
                # at the latest.
                EVENT_RECORDER_5MIN_STATISTICS_GENERATED,
                self._on_statistics,
            )
        )
        self.async_on_remove(
            self.coordinator.async_add_listener(self._on_settled, HOURS)
        )

    async def _hold_recorded(self) -> None:
        """Never show less than before Home Assistant was killed.

        What was shown since the accounts were stored only the recorder knows. What it has
        of another meter, which had the name of this entity, is further off.
        """
        from .statistics import async_last_recorded  # noqa: PLC0415

        if (stored := self._counter.published) is not None:
            recorded = await async_last_recorded(self.hass, self.entity_id)
            if recorded is not None and 0 < recorded - stored < UNSTORED:
                self._counter.hold(recorded)

    @property
    def _counter(self) -> LiveCounter:
        return self.coordinator.account.counters[self._direction]

    @property
    @override
    def available(self) -> bool:
        """Say whether the meter is heard; it is unknown until the first hour list."""
        return self.coordinator.last_update_success

    @property
    @override
    def native_value(self) -> float | None:
        """Give the live counter."""
        return self._counter.published

    @callback
    def _on_settled(self) -> None:
        settlement = self.coordinator.account.unbooked.get(self._direction)
        if settlement is not self._last:
            self._last = settlement
            self._settle_soon()

    @callback
    def _on_statistics(self, event: Event) -> None:
        self._settle_soon()

    @callback
    def _settle_soon(self) -> None:
        settlement = self.coordinator.account.unbooked.get(self._direction)
        # The recorder waits for the start, and the start for tasks of entries.
        if settlement is not None and self.hass.state is CoreState.running:
            self.coordinator.config_entry.async_create_task(
                self.hass, self._settle(settlement), f"{self.entity_id} settles"
            )

    async def _settle(self, settlement: Settlement) -> None:
        # Where there is no recorder its libraries may be missing too.
        from .statistics import async_settle  # noqa: PLC0415

        if await async_settle(self.hass, self.entity_id, settlement):
            self.coordinator.account.booked(self._direction, settlement)


class HanPortPeak(HanPortNumber):
    """One of the month's highest hours: what it counts, and when it was."""

    entity_description = PEAK

    def __init__(self, coordinator: HanPortCoordinator, number: int) -> None:
        """Take the place, 1 for the highest."""
        super().__init__(coordinator, f"{PEAK.key}_{number}", PEAKS)
        self._attr_translation_key = PEAK.key
        self._attr_translation_placeholders = {"number": str(number)}
        self._number = number

    @property
    def _peak(self) -> Peak | None:
        peaks = self.coordinator.account.peaks.top()
        return peaks[self._number - 1] if len(peaks) >= self._number else None

    @property
    @override
    def native_value(self) -> float | None:
        """Give the mean power that counts."""
        return None if self._peak is None else self._peak.counted

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any]:
        """Give the day, the hour of its clock, and whether a person entered it."""
        if (peak := self._peak) is None:
            return {"date": None, "hour": None, "corrected": None}
        return {
            "date": peak.start.date().isoformat(),
            "hour": f"{peak.start:%H:%M}",
            "corrected": peak.corrected,
        }


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
    entry.async_on_unload(coordinator.async_add_listener(add_new, SENT))


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
        # It may not be sent any more.
        self.coordinator_context = None
        self._attr_unique_id = f"{key}_{quantity}"
        self._attr_device_info = submeter_device(
            coordinator, key, self._attr_device_info
        )

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
