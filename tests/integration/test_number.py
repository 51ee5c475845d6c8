"""Does the limit of the hour hold, and is it told in time that it will not?"""

from datetime import timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.const import ATTR_ENTITY_ID, Platform
from homeassistant.core import HomeAssistant
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)


async def set_limit(hass: HomeAssistant, value: float) -> None:
    """Set the limit as a person or an automation does."""
    name = entity_id(hass, "hour_limit", platform=Platform.NUMBER)
    await hass.services.async_call(
        "number", "set_value", {ATTR_ENTITY_ID: name, "value": value}, blocking=True
    )
    await hass.async_block_till_done()


def shown(hass: HomeAssistant, platform: Platform, key: str) -> str:
    """Give the state of an entity that is no sensor."""
    name = entity_id(hass, key, platform=platform)
    assert name is not None
    found = hass.states.get(name)
    assert found is not None
    return found.state


async def draw(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    minutes: tuple[float, float],
    watts: float,
) -> None:
    """Draw power between two times after noon, seen every 10 s."""
    for tenth in range(round(minutes[0] * 6), round(minutes[1] * 6) + 1):
        freezer.move_to(NOON + timedelta(seconds=10 * tenth))
        await say(hass, port, METER.list(2, active_power_import=watts))


@pytest.mark.usefixtures("true_time")
async def test_limit(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """It is off until set, and again at 0; what goes by it follows at once."""
    freezer.move_to(NOON)
    entry = await set_up(hass, make_entry())
    await draw(hass, port, freezer, (0, 1.5), 6000)
    assert shown(hass, Platform.NUMBER, "hour_limit") == "unknown"
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "unknown"
    assert state(hass, "available_power") == "unknown"

    await set_limit(hass, 5)
    # Not in the first two minutes
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "off"
    await draw(hass, port, freezer, (1.5, 6), 6000)
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "on"
    assert state(hass, "energy_this_hour") == "0.6"
    assert state(hass, "forecast_this_hour") == "6.0"
    # 4.4 kWh are left for 54 minutes, and 6 kW are drawn
    available = state(hass, "available_power")
    assert available is not None
    assert float(available) == pytest.approx(4400 / 0.9 - 6000)

    await set_limit(hass, 6.1)
    # The forecast is below it, by less than 5 %
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "on"
    await set_limit(hass, 6.5)
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "off"

    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert shown(hass, Platform.NUMBER, "hour_limit") == "6.5"
    assert entry.runtime_data.limit == 6.5
    risk = "hour_limit_at_risk"
    assert shown(hass, Platform.BINARY_SENSOR, risk) == "unavailable"
    await draw(hass, port, freezer, (6, 6), 6000)
    assert shown(hass, Platform.BINARY_SENSOR, risk) == "off"
    await set_limit(hass, 0)
    assert shown(hass, Platform.BINARY_SENSOR, "hour_limit_at_risk") == "unknown"
