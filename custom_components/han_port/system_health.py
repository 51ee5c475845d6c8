"""Is every meter heard, at a glance?"""

from importlib.metadata import version
from typing import Any

from homeassistant.components import system_health
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import HanPortConfigEntry


@callback
def async_register(
    hass: HomeAssistant, register: system_health.SystemHealthRegistration
) -> None:
    """Offer what is shown under system health."""
    register.async_register_info(_async_info)


async def _async_info(hass: HomeAssistant) -> dict[str, Any]:
    """Count the meters, those heard now, and their messages since the start."""
    entries: list[HanPortConfigEntry] = hass.config_entries.async_entries(DOMAIN)
    loaded: list[HanPortConfigEntry] = hass.config_entries.async_loaded_entries(DOMAIN)
    coordinators = [entry.runtime_data for entry in loaded]
    return {
        "meters": len(entries),
        "heard": sum(each.connected for each in coordinators),
        "messages": sum(each.counters["frames"] for each in coordinators),
        "serialx": version("serialx"),
    }
