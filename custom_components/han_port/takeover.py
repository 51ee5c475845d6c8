"""What does another integration leave us?

AMSHAN (`amshan`) and AMS Reader (`ams`) read the same meters. What they wrote into the
registries stays there when they cannot be loaded any more. An entity that changes hands
keeps its entity id, and with it its history and statistics, and all that a person set.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from homeassistant.components.sensor import DOMAIN as SENSOR_DOMAIN, SensorDeviceClass
from homeassistant.components.sensor.const import AMBIGUOUS_UNITS, UNIT_CONVERTERS
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import entity_sources

from .const import DOMAIN
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
    """Why an entity stays where it is; the value is the field that names it."""

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
