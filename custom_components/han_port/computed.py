"""What comes of the readings: in the hour, against the main fuse, over some minutes?"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, override

from homeassistant.components.sensor import (
    SensorDeviceClass,
    SensorEntity,
    SensorEntityDescription,
    SensorStateClass,
)
from homeassistant.const import (
    PERCENTAGE,
    UnitOfElectricCurrent,
    UnitOfEnergy,
    UnitOfPower,
)

from .accounting import imbalance
from .coordinator import DAY, HOURS, LIMIT, PEAKS, HanPortCoordinator
from .entity import HanPortEntity
from .protocol import Quantity

type _Value = Callable[[HanPortCoordinator], float | None]


@dataclass(frozen=True, kw_only=True)
class ComputedDescription(SensorEntityDescription):
    """What a sensor takes from the coordinator, and when it is there.

    `needs` is the quantity without which it has nothing to say; `of_fuse` are only there
    with a main fuse. What is `lasting` holds before the first reading of this run, all
    else would be as old as the last one of the run before.
    """

    value: _Value
    needs: Quantity = Quantity.ACTIVE_POWER_IMPORT
    of_fuse: bool = False
    lasting: bool = False
    # What it is about, if not every reading: as the coordinator calls it
    about: str | None = None
    # Where the value alone does not say what it is of
    attributes: Callable[[HanPortCoordinator], dict[str, Any]] | None = None


def _hour_energy(
    key: str, value: _Value, about: str | None = None
) -> ComputedDescription:
    # No state class: what restarts each hour is nothing for long-term statistics.
    return ComputedDescription(
        key=key,
        device_class=SensorDeviceClass.ENERGY,
        native_unit_of_measurement=UnitOfEnergy.KILO_WATT_HOUR,
        suggested_display_precision=2,
        value=value,
        about=about,
    )


def _power(
    key: str, value: _Value, about: str | None = None, *, enabled: bool = True
) -> ComputedDescription:
    return ComputedDescription(
        key=key,
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.WATT,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=enabled,
        value=value,
        about=about,
    )


def _step(energy: float | None) -> float | None:
    """Move in steps of 0.01 kWh: each state is a row in the database."""
    return None if energy is None else round(energy, 2)


def _last_hour(coordinator: HanPortCoordinator) -> float | None:
    last = coordinator.account.hour.last
    return None if last is None else last.energy


def _available(coordinator: HanPortCoordinator) -> float | None:
    limit = coordinator.limit
    return None if limit is None else coordinator.account.hour.available(limit)


def _mean(minutes: int) -> ComputedDescription:
    window = timedelta(minutes=minutes)
    return _power(
        f"power_mean_{minutes}",
        lambda it: it.power_means.mean(window) if it.power_means else None,
        enabled=False,
    )


def _headroom(
    phase: str | None,
    needs: Quantity,
    attributes: Callable[[HanPortCoordinator], dict[str, Any]] | None = None,
) -> ComputedDescription:
    """Describe the headroom of a phase, or the lowest."""

    def value(coordinator: HanPortCoordinator) -> float | None:
        if (fuse := coordinator.fuse) is None:
            return None
        if phase is None:
            return min(fuse.headroom.values(), default=None)
        return fuse.headroom.get(phase)

    return ComputedDescription(
        key="headroom" if phase is None else f"headroom_{phase}",
        device_class=SensorDeviceClass.CURRENT,
        native_unit_of_measurement=UnitOfElectricCurrent.AMPERE,
        suggested_display_precision=1,
        state_class=SensorStateClass.MEASUREMENT,
        value=value,
        needs=needs,
        of_fuse=True,
        attributes=attributes,
    )


def _headroom_of(coordinator: HanPortCoordinator) -> dict[str, Any]:
    """Say which phases are known: on three-wire grids two of them, with many meters."""
    if (fuse := coordinator.fuse) is None:
        return {}
    return {"phases": [name.upper() for name in fuse.headroom], "grid": fuse.grid}


MEANS = tuple(_mean(minutes) for minutes in (1, 5, 15))
COMPUTED = (
    _hour_energy("energy_this_hour", lambda it: _step(it.account.hour.energy)),
    _hour_energy("forecast_this_hour", lambda it: _step(it.account.hour.forecast)),
    _hour_energy("energy_last_hour", _last_hour, HOURS),
    _power("available_power", _available, LIMIT),
    ComputedDescription(
        key="peak_average",
        device_class=SensorDeviceClass.POWER,
        native_unit_of_measurement=UnitOfPower.KILO_WATT,
        suggested_display_precision=2,
        state_class=SensorStateClass.MEASUREMENT,
        value=lambda it: it.account.peaks.average(),
        lasting=True,
        about=PEAKS,
    ),
    *MEANS,
    _power("power_max_today", lambda it: it.power_maximum.value, DAY),
    _headroom(None, Quantity.CURRENT_L1, _headroom_of),
    _headroom("l1", Quantity.CURRENT_L1),
    _headroom("l2", Quantity.CURRENT_L2),
    _headroom("l3", Quantity.CURRENT_L3),
    ComputedDescription(
        key="phase_imbalance",
        native_unit_of_measurement=PERCENTAGE,
        suggested_display_precision=0,
        state_class=SensorStateClass.MEASUREMENT,
        entity_registry_enabled_default=False,
        value=lambda it: imbalance(it.data),
        needs=Quantity.CURRENT_L2,
    ),
)


class HanPortNumber(HanPortEntity, SensorEntity):
    """A number about the meter."""

    @property
    @override
    def _value(self) -> object:
        return self.native_value


class HanPortComputed(HanPortNumber):
    """What comes of the readings until now."""

    entity_description: ComputedDescription

    def __init__(
        self, coordinator: HanPortCoordinator, description: ComputedDescription
    ) -> None:
        """Take the row of the table."""
        super().__init__(coordinator, description.key, description.about)
        self.entity_description = description

    @override
    async def async_added_to_hass(self) -> None:
        """Have kept what a mean is taken from: most people ask for none."""
        await super().async_added_to_hass()
        if self.entity_description in MEANS:
            self.coordinator.async_keep_means()

    @property
    @override
    def available(self) -> bool:
        """Say whether the meter is heard: what is from before is no ground to act on."""
        if self.entity_description.lasting:
            return super().available
        return self.coordinator.connected

    @property
    @override
    def native_value(self) -> float | None:
        """Give what is known, None where too little is."""
        return self.entity_description.value(self.coordinator)

    @property
    @override
    def extra_state_attributes(self) -> dict[str, Any] | None:
        """Give what the value is of, where that is not plain."""
        attributes = self.entity_description.attributes
        return None if attributes is None else attributes(self.coordinator)
