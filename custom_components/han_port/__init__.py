"""How is an entry set up and taken down?"""

from contextlib import AsyncExitStack

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady

from .const import DOMAIN
from .coordinator import HanPortConfigEntry, HanPortCoordinator
from .source import SourceError, open_source

PLATFORMS = (Platform.BINARY_SENSOR, Platform.SENSOR)


async def async_setup_entry(hass: HomeAssistant, entry: HanPortConfigEntry) -> bool:
    """Open the port, make the entities, start to read; do not wait for the meter."""
    entry.runtime_data = coordinator = HanPortCoordinator(hass, entry)
    async with AsyncExitStack() as port:
        try:
            chunks = await port.enter_async_context(open_source(coordinator.device))
        except SourceError as err:
            raise ConfigEntryNotReady(
                translation_domain=DOMAIN,
                translation_key=err.reason,
                translation_placeholders={"device": err.device, "detail": err.detail},
            ) from err
        await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
        # From here on the coordinator closes it, also when Home Assistant stops.
        coordinator.async_start(port.pop_all(), chunks)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: HanPortConfigEntry) -> bool:
    """Take the entities down; the reader ends with the entry and closes the port."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)
