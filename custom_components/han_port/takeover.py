"""What does another integration leave us?

AMSHAN (`amshan`) and AMS Reader (`ams`) read the same meters. What they wrote into the
registries stays there when they cannot be loaded any more. An entity that changes hands
keeps its entity id, and with it its history and statistics, and all that a person set.
"""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Final, Self

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN, SensorDeviceClass
from homeassistant.components.sensor.const import AMBIGUOUS_UNITS, UNIT_CONVERTERS
from homeassistant.config_entries import (
    ConfigEntry,
    ConfigEntryDisabler,
    ConfigEntryState,
    OperationNotAllowed,
    UnknownEntry,
)
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import ConfigEntryError
from homeassistant.helpers import (
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.entity import entity_sources

from .const import CONF_METER_ID, CONF_MOVE, CONF_MOVED, DOMAIN
from .protocol import Meter, Quantity

AMSHAN: Final = "amshan"
AMS: Final = "ams"
NAMES = {AMSHAN: "AMSHAN", AMS: "AMS Reader"}

_Q = Quantity

# Which class the units of a quantity are of: what stays within it can be converted.
_CLASSES = {
    quantity: device_class
    for device_class, quantities in {
        SensorDeviceClass.POWER: (
            *(_Q.ACTIVE_POWER_IMPORT, _Q.ACTIVE_POWER_EXPORT),
            *(_Q.ACTIVE_POWER_IMPORT_L1, _Q.ACTIVE_POWER_EXPORT_L1),
            *(_Q.ACTIVE_POWER_IMPORT_L2, _Q.ACTIVE_POWER_EXPORT_L2),
            *(_Q.ACTIVE_POWER_IMPORT_L3, _Q.ACTIVE_POWER_EXPORT_L3),
        ),
        SensorDeviceClass.REACTIVE_POWER: (
            *(_Q.REACTIVE_POWER_IMPORT, _Q.REACTIVE_POWER_EXPORT),
            *(_Q.REACTIVE_POWER_IMPORT_L1, _Q.REACTIVE_POWER_EXPORT_L1),
            *(_Q.REACTIVE_POWER_IMPORT_L2, _Q.REACTIVE_POWER_EXPORT_L2),
            *(_Q.REACTIVE_POWER_IMPORT_L3, _Q.REACTIVE_POWER_EXPORT_L3),
        ),
        SensorDeviceClass.CURRENT: (_Q.CURRENT_L1, _Q.CURRENT_L2, _Q.CURRENT_L3),
        SensorDeviceClass.VOLTAGE: (_Q.VOLTAGE_L1, _Q.VOLTAGE_L2, _Q.VOLTAGE_L3),
        SensorDeviceClass.ENERGY: (_Q.ENERGY_IMPORT, _Q.ENERGY_EXPORT),
        SensorDeviceClass.REACTIVE_ENERGY: (
            *(_Q.REACTIVE_ENERGY_IMPORT, _Q.REACTIVE_ENERGY_EXPORT),
        ),
    }.items()
    for quantity in quantities
}

# AMSHAN names its counters after power: by their hour at first, as totals later.
_AMSHAN_KEYS = {quantity.value: quantity for quantity in _CLASSES} | {
    f"{power}_{ending}": counter
    for power, counter in (
        (_Q.ACTIVE_POWER_IMPORT, _Q.ENERGY_IMPORT),
        (_Q.ACTIVE_POWER_EXPORT, _Q.ENERGY_EXPORT),
        (_Q.REACTIVE_POWER_IMPORT, _Q.REACTIVE_ENERGY_IMPORT),
        (_Q.REACTIVE_POWER_EXPORT, _Q.REACTIVE_ENERGY_EXPORT),
    )
    for ending in ("hour", "total")
}
_AMS_KEYS = {f"ams_{quantity}": quantity for quantity in _CLASSES} | {
    "ams_active_energy_import": _Q.ENERGY_IMPORT,
    "ams_active_energy_export": _Q.ENERGY_EXPORT,
}

# What AMSHAN's option multiplies
_SCALED = {
    quantity
    for quantity, device_class in _CLASSES.items()
    if device_class is not SensorDeviceClass.VOLTAGE
}


@dataclass(frozen=True)
class Port:
    """Where an entry of another integration reads.

    `device` is a path or URL as in our own entries; `line` is the setting of a serial
    port as in "2400 8N1", None on a network.
    """

    device: str
    line: str | None = None


class Reason(StrEnum):
    """Why an entity stays where it is; the value is the placeholder of the text."""

    NO_QUANTITY = "no_quantity"
    OTHER_METER = "other_meter"
    UNIT = "unit"
    SCALED = "scaled"
    TAKEN = "taken"
    LOADED = "loaded"


# What nobody would expect to move
_NOT_OURS = {Reason.NO_QUANTITY, Reason.OTHER_METER}


@dataclass(frozen=True)
class Plan:
    """What becomes of the entities of the others: their entity ids.

    `moves` gives the quantity of each that changes hands, `stays` the reason of the rest.
    """

    moves: Mapping[str, Quantity]
    stays: Mapping[str, Reason]

    @property
    def concerns_us(self) -> bool:
        """Say whether a person has a choice, or something to know."""
        return bool(self.moves) or not set(self.stays.values()) <= _NOT_OURS


@callback
def entries(hass: HomeAssistant) -> Iterator[tuple[ConfigEntry, Port]]:
    """Yield the entries of the others and their ports, those whose data can be read."""
    for domain in NAMES:
        for entry in hass.config_entries.async_entries(domain, include_ignore=False):
            if (port := parse_port(domain, entry.data)) is not None:
                yield entry, port


def parse_port(domain: str, data: Mapping[str, Any]) -> Port | None:
    """Read the port from the data of an entry, None if there is none in it.

    AMSHAN has the port in a mapping of its own since version 2 of its entries. An early
    AMS Reader stored what its list showed, "/dev/ttyUSB0: description".
    """
    if domain == AMSHAN:
        data = data.get("connection", data)
        if not isinstance(data, Mapping):
            return None
        topics = data.get("mqtt_topics")
        if isinstance(topics, str):
            # We read one topic, and not a pattern of many.
            topic = next(
                (
                    topic.strip()
                    for topic in topics.split(",")
                    if topic.strip() and not {"+", "#"} & set(topic)
                ),
                None,
            )
            return None if topic is None else Port(f"mqtt://{topic}")
        host, port, path = data.get("host"), data.get("port"), data.get("port")
    else:
        host, port = data.get("tcp_host"), data.get("tcp_port")
        path = data.get("serial_port")
    if isinstance(host, str) and host:
        host = f"[{host}]" if ":" in host else host
        return Port(f"socket://{host}:{port}") if isinstance(port, int) else None
    if not isinstance(path, str) or not path:
        return None
    baudrate, parity = data.get("baudrate", 2400), data.get("parity", "N")
    size = data.get("bytesize", 8)
    return Port(path.split(": ")[0], f"{baudrate} {size}{parity}1")


@callback
def plan(hass: HomeAssistant, meter: Meter, chosen: str | None = None) -> Plan:
    """Say what can be had of the others for this meter.

    `chosen` is the id of the entry whose port the meter was found on: what it has of a
    meter without an id is of this one.
    """
    registry = er.async_get(hass)
    ids = {meter.id, meter.id_alt, meter.id_raw} - {None}
    moves: dict[str, Quantity] = {}
    stays: dict[str, Reason] = {}
    rows = [row for row in registry.entities.values() if row.platform in NAMES]
    # Of two that mean the same, the one in use goes first.
    rows.sort(key=lambda row: (row.disabled_by is not None, row.entity_id))
    for row in rows:
        quantity, found_id = _parse(row)
        if found_id not in ids and (found_id or row.config_entry_id != chosen):
            stays[row.entity_id] = Reason.OTHER_METER
        elif quantity is None:
            stays[row.entity_id] = Reason.NO_QUANTITY
        elif not _fits(row, quantity):
            stays[row.entity_id] = Reason.UNIT
        elif quantity in _SCALED and _scale(hass, row) != 1:
            stays[row.entity_id] = Reason.SCALED
        elif _is_stuck(hass, row):
            stays[row.entity_id] = Reason.LOADED
        elif quantity in moves.values() or registry.async_get_entity_id(
            SENSOR_DOMAIN, DOMAIN, f"{meter.id}_{quantity}"
        ):
            stays[row.entity_id] = Reason.TAKEN
        else:
            moves[row.entity_id] = quantity
    return Plan(moves, stays)


def _parse(row: er.RegistryEntry) -> tuple[Quantity | None, str | None]:
    """Read the quantity and the meter's id from a unique id.

    AMSHAN: `maker-id-key`, and `CEID-entry-maker and type-key` where a meter sends no
    id; the maker and type of those may look like `{'AUX'}None`. AMS Reader: `key_id`.
    """
    if row.platform == AMSHAN:
        head, _, key = row.unique_id.rpartition("-")
        if head.startswith("CEID-"):
            return _AMSHAN_KEYS.get(key), None
        return _AMSHAN_KEYS.get(key), head.partition("-")[2] or None
    key, _, meter_id = row.unique_id.rpartition("_")
    return _AMS_KEYS.get(key), meter_id or None


def _fits(row: er.RegistryEntry, quantity: Quantity) -> bool:
    """Say whether the history of an entity is of our kind, or can be converted to it."""
    device_class = _CLASSES[quantity]
    if row.device_class not in {None, device_class}:
        return False
    unit = row.unit_of_measurement
    unit = AMBIGUOUS_UNITS.get(unit, unit)
    return unit is None or unit in UNIT_CONVERTERS[device_class].VALID_UNITS


def _scale(hass: HomeAssistant, row: er.RegistryEntry) -> float:
    """Give the factor that an entry of AMSHAN multiplies its values with."""
    entry = hass.config_entries.async_get_entry(row.config_entry_id or "")
    scale = entry.options.get("scale_factor", 1) if entry is not None else 1
    return scale if isinstance(scale, int | float) else 1


def _is_stuck(hass: HomeAssistant, row: er.RegistryEntry) -> bool:
    """Say whether an entity is loaded and cannot be unloaded."""
    if row.entity_id not in entity_sources(hass):
        return False
    entry = hass.config_entries.async_get_entry(row.config_entry_id or "")
    return entry is None or not (entry.state.recoverable and entry.supports_unload)


async def async_take_over(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Move the entities that a person agreed to; all of them, or none.

    Before the entry's own entities are made. The entries they come from are unloaded,
    and stay, disabled, with what did not move. What was is kept until it is confirmed.
    Raises ConfigEntryError if something is in the way, after everything is as it was.
    """
    registry = er.async_get(hass)
    rows = [
        (row, quantity)
        for entity_id, quantity in entry.data[CONF_MOVE].items()
        if (row := registry.async_get(entity_id)) and row.platform in NAMES
    ]
    others = {
        row.config_entry_id: other
        for row, _ in rows
        if (other := hass.config_entries.async_get_entry(row.config_entry_id or ""))
    }
    disabled = [each.entry_id for each in others.values() if not each.disabled_by]
    for other in others.values():
        # What cannot be unloaded may have no entities loaded all the same.
        with suppress(OperationNotAllowed):
            await hass.config_entries.async_unload(other.entry_id)
    try:
        _move(hass, [(row, _ours(hass, entry, row, each)) for row, each in rows])
    except ValueError as err:
        for other in others.values():
            if other.state is ConfigEntryState.NOT_LOADED and not other.disabled_by:
                hass.config_entries.async_schedule_reload(other.entry_id)
        raise ConfigEntryError(
            translation_domain=DOMAIN,
            translation_key="takeover_failed",
            translation_placeholders={"detail": str(err)},
        ) from err
    moved = {
        "entities": {row.entity_id: asdict(_Place.of(row)) for row, _ in rows},
        "disabled": disabled,
    }
    _store(hass, entry, {CONF_MOVED: moved} if rows else {})
    for entry_id in disabled:
        with suppress(OperationNotAllowed):
            await hass.config_entries.async_set_disabled_by(
                entry_id, ConfigEntryDisabler.USER
            )


@callback
def async_ask_about_move(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Ask whether what was taken over from another integration is right."""
    ir.async_create_issue(
        hass,
        DOMAIN,
        f"moved_in_{entry.entry_id}",
        is_fixable=True,
        severity=ir.IssueSeverity.WARNING,
        translation_key="moved_in",
        translation_placeholders={
            "entry": entry.title,
            "count": str(len(entry.data[CONF_MOVED]["entities"])),
        },
        data={"entry_id": entry.entry_id},
    )


@callback
def async_forget_move(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Drop the question about an entry that is no more."""
    ir.async_delete_issue(hass, DOMAIN, f"moved_in_{entry.entry_id}")


@callback
def async_confirm(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Let what moved be ours for good."""
    _store(hass, entry, {})


async def async_undo(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Give everything back that was moved; False if that cannot be, and nothing is.

    Our own entry is set up anew and makes entities of its own.
    """
    registry = er.async_get(hass)
    moved = entry.data[CONF_MOVED]
    await hass.config_entries.async_unload(entry.entry_id)
    try:
        _move(
            hass,
            [
                (row, _Place(**place))
                for entity_id, place in moved["entities"].items()
                if (row := registry.async_get(entity_id))
                and row.config_entry_id == entry.entry_id
            ],
        )
    except ValueError:
        return False
    else:
        _store(hass, entry, {})
        for entry_id in moved["disabled"]:
            with suppress(OperationNotAllowed, UnknownEntry):
                await hass.config_entries.async_set_disabled_by(entry_id, None)
        return True
    finally:
        hass.config_entries.async_schedule_reload(entry.entry_id)


@callback
def _store(hass: HomeAssistant, entry: ConfigEntry, data: dict[str, Any]) -> None:
    """Keep this about a move in the data of our entry, and nothing else."""
    rest = {
        name: each
        for name, each in entry.data.items()
        if name not in (CONF_MOVE, CONF_MOVED)
    }
    hass.config_entries.async_update_entry(entry, data={**rest, **data})


# What an integration says of its own entity
_SAID = (
    *("capabilities", "has_entity_name", "original_device_class", "original_icon"),
    *("original_name", "translation_key"),
)


@dataclass(frozen=True)
class _Place:
    """Whose an entity is, and what its integration says of it: nothing until it does."""

    platform: str
    config_entry_id: str | None
    unique_id: str
    device_id: str | None
    unit_of_measurement: str | None
    said: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, row: er.RegistryEntry) -> Self:
        """Read it from the registry."""
        return cls(
            row.platform,
            row.config_entry_id,
            row.unique_id,
            row.device_id,
            row.unit_of_measurement,
            {name: getattr(row, name) for name in _SAID},
        )


def _ours(
    hass: HomeAssistant, entry: ConfigEntry, row: er.RegistryEntry, quantity: str
) -> _Place:
    """Give the place that our own entity of a quantity has."""
    identifier = entry.data[CONF_METER_ID] or entry.entry_id
    unit = row.unit_of_measurement
    return _Place(
        DOMAIN,
        entry.entry_id,
        f"{identifier}_{quantity}",
        _device(hass, entry, identifier, row),
        # What is in the registry a sensor goes on in, if it is spelled as today.
        AMBIGUOUS_UNITS.get(unit, unit),
    )


@callback
def _move(hass: HomeAssistant, rows: list[tuple[er.RegistryEntry, _Place]]) -> None:
    """Put entities into their places; raise ValueError after putting all back."""
    moved: list[er.RegistryEntry] = []
    try:
        for row, place in rows:
            _put(hass, row, place)
            moved.append(row)
    except ValueError:
        for row in reversed(moved):
            _put(hass, row, _Place.of(row))
        raise


@callback
def _put(hass: HomeAssistant, row: er.RegistryEntry, place: _Place) -> None:
    """Put an entity into a place; raise ValueError if it is loaded, or that is taken."""
    registry = er.async_get(hass)
    # The registry itself looks for it on the platform of before only.
    if taken := registry.async_get_entity_id(
        row.domain, place.platform, place.unique_id
    ):
        raise ValueError(f"{taken} is there already")
    registry.async_update_entity_platform(
        row.entity_id,
        place.platform,
        # None is for what never had an entry: the annotation forgets it.
        new_config_entry_id=place.config_entry_id,  # type: ignore[arg-type]
        new_unique_id=place.unique_id,
        new_device_id=place.device_id,
    )
    registry.async_update_entity(
        row.entity_id, unit_of_measurement=place.unit_of_measurement, **place.said
    )


@callback
def _device(
    hass: HomeAssistant, entry: ConfigEntry, identifier: str, row: er.RegistryEntry
) -> str:
    """Give our device, in the room that the other integration's device is in."""
    registry = dr.async_get(hass)
    device = registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, identifier)},
        name=entry.title,
    )
    old = registry.async_get(row.device_id) if row.device_id else None
    if old is not None:
        registry.async_update_device(
            device.id,
            area_id=device.area_id or old.area_id,
            labels=device.labels | old.labels,
        )
    return device.id
