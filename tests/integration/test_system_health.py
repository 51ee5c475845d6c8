"""Is it seen at a glance whether every meter is heard?"""

from importlib.metadata import version
from typing import Any

from freezegun.api import FrozenDateTimeFactory
from pytest_homeassistant_custom_component.common import (
    async_fire_mqtt_message,
    get_system_health_info,
)

from custom_components.han_port.const import DOMAIN
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.integration.conftest import (
    METER,
    Port,
    Sender,
    make_entry,
    say,
    set_up,
    wait,
)


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


async def test_mqtt(
    hass: HomeAssistant, mqtt_mock: Any, freezer: FrozenDateTimeFactory
) -> None:
    """A reader on MQTT is heard with its messages, and not once it has said goodbye."""
    await set_up(hass, make_entry(device="mqtt://han/kitchen"))
    assert await async_setup_component(hass, "system_health", {})
    for topic, payload, heard in (
        ("han/kitchen", METER.list(2), 1),
        ("han/kitchen/status", b"offline", 0),
    ):
        async_fire_mqtt_message(hass, topic, payload)
        await wait(hass, freezer, 5)
        info = await get_system_health_info(hass, DOMAIN)
        assert (info["meters"], info["heard"], info["messages"]) == (1, heard, 1)
