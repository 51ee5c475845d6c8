"""Does what Home Assistant itself offers for limits of power work with our sensors, at once?"""

import asyncio
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.han_port.publishing import Publish
from homeassistant.config_entries import SOURCE_USER
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from tests.integration.conftest import (
    METER,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)


def _list(watts: float) -> bytes:
    """Give a list of a house that exports nothing."""
    return METER.list(2, active_power_import=watts, active_power_export=0)


def _crossed(power: str, watts: float) -> dict[str, Any]:
    """Give the trigger that the editor calls "Power crossed threshold"."""
    value = {"number": watts, "unit_of_measurement": "W"}
    return {
        "trigger": "power.crossed_threshold",
        "target": {"entity_id": power},
        "options": {"threshold": {"type": "above", "value": value}},
    }


def _numeric_state(power: str, watts: float) -> dict[str, Any]:
    return {"trigger": "numeric_state", "entity_id": power, "above": watts}


@pytest.mark.parametrize("trigger", [_crossed, _numeric_state])
@pytest.mark.parametrize("key", ["active_power_import", "net_power"])
@pytest.mark.parametrize(
    ("publish", "limit", "before", "after"),
    [
        # One W past a round number, half a second after another value was shown
        (Publish.BALANCED, 5000, 4999, 5001),
        (Publish.BALANCED, 5100, 5099, 5101),
        (Publish.BALANCED, 5120, 5100, 5150),
        (Publish.SLOW, 5000, 4999, 5001),
        (Publish.EVERY_READING, 5011, 5010, 5012),
    ],
)
async def test_triggers(
    hass: HomeAssistant,
    port: Port,
    trigger: Any,
    key: str,
    publish: Publish,
    limit: float,
    before: float,
    after: float,
) -> None:
    """The reading that passes a limit fires, without a wait, once, and not after silence."""
    calls = async_mock_service(hass, "notify", "phone")
    await set_up(hass, make_entry(options={"publish": publish}))
    await say(hass, port, _list(before))
    power = entity_id(hass, key)
    assert power is not None
    automation = {
        "triggers": [trigger(power, limit)],
        "actions": [{"action": "notify.phone"}],
    }
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    for watts, fired in ((before, 0), (after, 1), (after + 1, 1)):
        await say(hass, port, _list(watts))
        assert len(calls) == fired
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


@pytest.mark.parametrize("trigger", [_crossed, _numeric_state])
@pytest.mark.parametrize("publish", Publish)
async def test_at_once(
    hass: HomeAssistant, port: Port, trigger: Any, publish: Publish
) -> None:
    """The action runs three turns of the loop after the bytes came: no timer is between."""
    calls = async_mock_service(hass, "notify", "phone")
    await set_up(hass, make_entry(options={"publish": publish}))
    await say(hass, port, _list(4999))
    power = entity_id(hass, "active_power_import")
    assert power is not None
    automation = {
        "triggers": [trigger(power, 5000)],
        "actions": [{"action": "notify.phone"}],
    }
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    port.put(_list(5001))
    for _ in range(3):
        await asyncio.sleep(0)
    assert len(calls) == 1
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def test_threshold_helper(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """The threshold helper follows with each reading, and knows nothing in silence."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(4000))
    flow = await hass.config_entries.flow.async_init(
        "threshold", context={"source": SOURCE_USER}
    )
    done = await hass.config_entries.flow.async_configure(
        flow["flow_id"],
        {
            "name": "High",
            "entity_id": entity_id(hass, "active_power_import"),
            "upper": 5000,
            "hysteresis": 0,
        },
    )
    await hass.async_block_till_done()
    (helper,) = er.async_entries_for_config_entry(
        er.async_get(hass), done["result"].entry_id
    )
    for watts, expected in ((4999, "off"), (5001, "on"), (4000, "off"), (7000, "on")):
        await say(hass, port, _list(watts))
        found = hass.states.get(helper.entity_id)
        assert found is not None
        assert found.state == expected
    await wait(hass, freezer, 130)
    assert state(hass, "active_power_import") == "unavailable"
    found = hass.states.get(helper.entity_id)
    assert found is not None
    assert found.state == "unknown"
