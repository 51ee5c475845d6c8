"""How do entities change hands, all or none, and back until a person is content?"""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from homeassistant.components.sensor.const import AMBIGUOUS_UNITS
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

from .const import CONF_METER_ID, CONF_MOVE, CONF_MOVED, DOMAIN
from .takeover import NAMES


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
