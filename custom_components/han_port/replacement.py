"""How does an entry go on with the meter that took the place of its own?"""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er

from .const import CONF_MANUFACTURER, CONF_METER_ID, CONF_METER_TYPE, DOMAIN
from .coordinator import HanPortConfigEntry
from .protocol import Meter


async def async_replace_meter(
    hass: HomeAssistant, entry: HanPortConfigEntry, meter: Meter
) -> str | None:
    """Let a loaded entry be that of another meter, which has an id; its history goes on.

    Entities keep their names and what is recorded of them, and counters go on from where
    they are. Gives why nothing was changed, as the key of a text, None if it is done.
    """
    old = entry.data[CONF_METER_ID]
    if entry.state is not ConfigEntryState.LOADED or old is None or meter.id is None:
        return "not_loaded"
    entities, devices = er.async_get(hass), dr.async_get(hass)
    if any(
        other.unique_id == meter.id
        for other in hass.config_entries.async_entries(DOMAIN)
    ) or any(
        each.platform == DOMAIN and each.unique_id.startswith(f"{meter.id}_")
        for each in entities.entities.values()
    ):
        return "has_entry"
    entry.runtime_data.account.replace_meter()
    entry.runtime_data.async_start_over()
    if not await hass.config_entries.async_unload(entry.entry_id):
        return "not_loaded"
    for entity in er.async_entries_for_config_entry(entities, entry.entry_id):
        if (unique_id := _renamed(entity.unique_id, old, meter.id)) is not None:
            entities.async_update_entity(entity.entity_id, new_unique_id=unique_id)
    for device in dr.async_entries_for_config_entry(devices, entry.entry_id):
        identifiers = {
            (domain, (domain == DOMAIN and _renamed(key, old, meter.id)) or key)
            for domain, key in device.identifiers
        }
        devices.async_update_device(device.id, new_identifiers=identifiers)
    hass.config_entries.async_update_entry(
        entry,
        unique_id=meter.id,
        data={
            **entry.data,
            CONF_METER_ID: meter.id,
            CONF_MANUFACTURER: meter.manufacturer,
            CONF_METER_TYPE: meter.type,
        },
    )
    await hass.config_entries.async_setup(entry.entry_id)
    return None


def _renamed(key: str, old: str, new: str) -> str | None:
    """Put the id of another meter for that of ours, None if a key does not begin with it."""
    if key != old and not key.startswith(f"{old}_"):
        return None
    return new + key.removeprefix(old)
