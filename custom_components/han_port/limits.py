"""Which limits do people set on what is shown?

Each number in an automation or helper that names an entity counts as a limit on it: one
too many costs some rows in the database, one too few would be an automation that is late.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from math import isfinite
import re
from typing import Any

from homeassistant.components.automation import (
    DATA_COMPONENT as AUTOMATIONS,
    EVENT_AUTOMATION_RELOADED,
)
from homeassistant.config_entries import (
    SIGNAL_CONFIG_ENTRY_CHANGED,
    ConfigEntry,
    ConfigEntryChange,
)
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT, Platform
from homeassistant.core import CALLBACK_TYPE, HomeAssistant, callback
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
)
from homeassistant.helpers.dispatcher import async_dispatcher_connect
from homeassistant.helpers.event import async_track_state_change_event
from homeassistant.helpers.start import async_at_started

from .const import DOMAIN
from .coordinator import HanPortCoordinator

# As many are kept for an entity
MOST = 100

# Those whose options name what they follow
HELPERS = ("template", "threshold")
# Keys under which a number is a time or a name
NO_LIMITS = frozenset(
    {"alias", "delay", "description", "for", "hysteresis", "id", "name", "timeout"}
)
_WORD = re.compile(r"[\w.]+")
# Not a part of a word, such as the id of a device, and not of a time
_NUMBER = re.compile(
    r"(?<![\w.:])-?\d+(?:_\d+)*(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w:])", re.ASCII
)
_NUMBER_ENTITY = re.compile(r"\b(?:input_number|number)\.\w+")
# Other units than ours, by their prefix
_UNIT = re.compile(r"\b([mkMGT])(?:W|VA|var|V|A)\b")
_TIMES = {"m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12}


@callback
def async_find_limits(hass: HomeAssistant, coordinator: HanPortCoordinator) -> None:
    """Keep the limits of a coordinator's publisher until its entry is unloaded."""
    entry = coordinator.config_entry
    entities = er.async_get(hass)
    untrack: CALLBACK_TYPE | None = None

    @callback
    def forget() -> None:
        if untrack is not None:
            untrack()

    @callback
    def read(_: object = None) -> None:
        nonlocal untrack
        forget()
        coordinator.publisher.limits, helpers = _read(hass, coordinator)
        untrack = async_track_state_change_event(hass, helpers, read)

    @callback
    def read_all(_: object = None) -> None:
        # An entity that was changed has written its state by itself: what is shown is
        # known again after the next reading.
        coordinator.publisher.show_all()
        read()

    @callback
    def changed(change: ConfigEntryChange, helper: ConfigEntry) -> None:
        if helper.domain in HELPERS:
            read_all()

    @callback
    def is_ours(data: Mapping[str, Any]) -> bool:
        if (name := data.get("entity_id")) is not None:
            found = entities.async_get(name)
            return found is not None and found.config_entry_id == entry.entry_id
        device = dr.async_get(hass).async_get(data["device_id"])
        return device is not None and (DOMAIN, coordinator.identifier) in (
            device.identifiers
        )

    @callback
    def started(_: HomeAssistant) -> None:
        read_all()
        bus = hass.bus
        for unsubscribe in (
            bus.async_listen(EVENT_AUTOMATION_RELOADED, read_all),
            bus.async_listen(er.EVENT_ENTITY_REGISTRY_UPDATED, read_all, is_ours),
            bus.async_listen(dr.EVENT_DEVICE_REGISTRY_UPDATED, read_all, is_ours),
            async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, changed),
        ):
            entry.async_on_unload(unsubscribe)

    entry.async_on_unload(forget)
    entry.async_on_unload(async_at_started(hass, started))


def _read(
    hass: HomeAssistant, coordinator: HanPortCoordinator
) -> tuple[dict[str, tuple[float, ...]], set[str]]:
    """Give the limits of each quantity in its unit, and the helpers that hold some."""
    entities = er.async_get(hass)
    ours = {}
    for key in coordinator.publisher.keys:
        unique_id = f"{coordinator.identifier}_{key}"
        name = entities.async_get_entity_id(Platform.SENSOR, DOMAIN, unique_id)
        if name is not None and (entity := entities.async_get(name)) is not None:
            ours[key] = entity, _names(hass, entity)
    found: defaultdict[str, list[float]] = defaultdict(list)
    helpers: set[str] = set()
    for text in _texts(hass):
        words = set(_WORD.findall(text))
        named = [
            (key, entity)
            for key, (entity, names) in ours.items()
            if entity.entity_id in text or not names.isdisjoint(words)
        ]
        if not named:
            continue
        values = [text]
        for helper in _NUMBER_ENTITY.findall(text):
            helpers.add(helper)
            if (state := hass.states.get(helper)) is not None:
                unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
                values.append(f"{state.state} {unit}")
        for key, entity in named:
            # In which a person wants it to be shown, and numeric states are compared
            options: Mapping[str, Any] = entity.options.get(Platform.SENSOR, {})
            unit = options.get(ATTR_UNIT_OF_MEASUREMENT)
            found[key] += _numbers("\n".join([*values, str(unit)]))
    return {
        key: tuple(sorted(islice(dict.fromkeys(numbers), MOST)))
        for key, numbers in found.items()
    }, helpers


def _names(hass: HomeAssistant, entity: er.RegistryEntry) -> set[str | None]:
    """Give what an automation may name an entity by, beside the entity id."""
    device = dr.async_get(hass).async_get(entity.device_id or "")
    area_id = entity.area_id or (device.area_id if device else None)
    area = ar.async_get(hass).async_get_area(area_id or "")
    names = {entity.id, entity.device_id, area_id, *entity.labels}
    if device:
        names |= device.labels
    if area:
        names |= {area.floor_id, *area.labels}
    return names


def _texts(hass: HomeAssistant) -> Iterator[str]:
    """Give the words and numbers of each automation and helper."""
    automations = hass.data.get(AUTOMATIONS)
    for automation in automations.entities if automations else ():
        yield "\n".join(_words(automation.raw_config))
    for domain in HELPERS:
        for helper in hass.config_entries.async_entries(domain):
            options = helper.options
            margin = options.get("hysteresis") or 0
            edges = [
                edge + side
                for edge in (options.get("lower"), options.get("upper"))
                if edge is not None
                for side in (-margin, margin)
            ]
            yield "\n".join(_words([options, edges]))


def _words(config: object) -> Iterator[str]:
    if isinstance(config, Mapping):
        for key, value in config.items():
            if key not in NO_LIMITS:
                yield from _words(value)
    elif isinstance(config, list):
        for each in config:
            yield from _words(each)
    else:
        yield str(config)


def _numbers(text: str) -> Iterator[float]:
    """Give each number of a text in our unit, by all units in which it may be meant."""
    numbers = [float(each) for each in _NUMBER.findall(text)]
    times = {1.0, *(_TIMES[prefix] for prefix in _UNIT.findall(text))}
    if 1000 in numbers:
        # A template that divides by it, to compare in kW
        times.add(1000)
    for number in numbers:
        for each in times:
            if isfinite(limit := round(number * each, 6)):
                yield limit
                # `power - 5000 < 0`
                yield abs(limit)
