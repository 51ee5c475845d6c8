"""Is it seen at a glance whether every meter is heard?"""

from importlib.metadata import version

from pytest_homeassistant_custom_component.common import get_system_health_info

from custom_components.han_port.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.integration.conftest import METER, Port, Sender, make_entry, say, set_up


async def test_system_health(hass: HomeAssistant, port: Port) -> None:
    """Meters count as heard while they are, also beside one that is not loaded."""
    await set_up(hass, make_entry())
    make_entry(Sender("kaifa-3p"), "socket://192.0.2.1:6638").add_to_hass(hass)
    assert await async_setup_component(hass, "system_health", {})
    await hass.async_block_till_done()
    shown = {"meters": 2, "heard": 0, "messages": 0, "serialx": version("serialx")}
    assert await get_system_health_info(hass, DOMAIN) == shown
    await say(hass, port, METER.list(2), METER.list(1))
    shown |= {"heard": 1, "messages": 2}
    assert await get_system_health_info(hass, DOMAIN) == shown
