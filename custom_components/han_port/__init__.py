"""How is an entry set up and taken down?"""

from contextlib import AsyncExitStack

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from .actions import async_setup_actions
from .const import CONF_METER_ID, CONF_MOVE, CONF_MOVED, DOMAIN
from .coordinator import HanPortConfigEntry, HanPortCoordinator, stores
from .handover import async_ask_about_move, async_forget_move, async_take_over
from .limits import async_find_limits
from .source import SourceError
from .watch import async_watch

PLATFORMS = (Platform.BINARY_SENSOR, Platform.NUMBER, Platform.SENSOR)

CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:
    """Offer the actions, also while no meter is set up."""
    async_setup_actions(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: HanPortConfigEntry) -> bool:
    """Open the port, make the entities, start to read; do not wait for the meter."""
    if CONF_MOVE in entry.data:
        await async_take_over(hass, entry)
    if CONF_MOVED in entry.data:
        async_ask_about_move(hass, entry)
    entry.runtime_data = coordinator = HanPortCoordinator(hass, entry)
    await coordinator.async_load()
    async with AsyncExitStack() as port:
        try:
            source = await port.enter_async_context(coordinator.open_source())
        except SourceError as err:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key=err.reason,
                translation_placeholders={"device": err.device, "detail": err.detail},
            ) from err
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        # From here on the coordinator closes it, also when Home Assistant stops.
        coordinator.async_start(port.pop_all(), source)
    async_watch(hass, coordinator)
    async_find_limits(hass, coordinator)
    return True


async def async_remove_config_entry_device(
    hass: HomeAssistant, entry: HanPortConfigEntry, device: DeviceEntry
) -> bool:
    """Let a person delete a submeter that is not sent any more, never the meter."""
    keys = {key for domain, key in device.identifiers if domain == DOMAIN}
    if (
        entry.state is not ConfigEntryState.LOADED
        or (entry.data[CONF_METER_ID] or entry.entry_id) in keys
    ):
        return False
    return all(entry.runtime_data.async_forget(key) for key in keys)


async def async_unload_entry(hass: HomeAssistant, entry: HanPortConfigEntry) -> bool:
    """Take the entities down; the reader ends with the entry and closes the port."""
    if not await hass.config_entries.async_unload_platforms(entry, PLATFORMS):
        return False
    # A list that came while this is stored would be stored later, also of a removed entry.
    entry.runtime_data.async_stop()
    await entry.runtime_data.async_save()
    return True


async def async_remove_entry(hass: HomeAssistant, entry: HanPortConfigEntry) -> None:
    """Forget the accounts of a meter with its entry, and what was asked about it."""
    async_forget_move(hass, entry)
    for store in stores(hass, entry):
        await store.async_remove()
