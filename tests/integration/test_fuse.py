"""Does a person see how near the fuse is, and nothing that is not known?"""

from datetime import UTC, datetime, timedelta

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.protocol import Decoder
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    Sender,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)


def _overload(hass: HomeAssistant) -> str | None:
    name = entity_id(hass, "overload", platform=Platform.BINARY_SENSOR)
    found = hass.states.get(name) if name else None
    return found.state if found else None


async def test_fuse(hass: HomeAssistant, port: Port) -> None:
    """Each phase has its headroom, the lowest says of which; silence is unavailable."""
    await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    await say(hass, port, METER.list(2, current_l1=10, current_l2=70, current_l3=-5))
    assert state(hass, "headroom_l1") == "15.0"
    assert state(hass, "headroom_l2") == "-45.0"
    assert state(hass, "headroom_l3") == "30.0"
    assert state(hass, "headroom") == "-45.0"
    found = hass.states.get(entity_id(hass, "headroom") or "")
    assert found is not None
    assert found.attributes["phases"] == ["L1", "L2", "L3"]
    assert found.attributes["grid"] == "four_wire"
    assert _overload(hass) == "on"
    await say(hass, port, b"")
    assert state(hass, "headroom") == state(hass, "headroom_l1") == "unavailable"
    assert _overload(hass) == "unavailable"


async def test_no_fuse(hass: HomeAssistant, port: Port) -> None:
    """Without a main fuse nothing is said of one; the day's highest power is."""
    await set_up(hass, make_entry())
    await say(hass, port, METER.list(2, active_power_import=5000))
    await say(hass, port, METER.list(2, active_power_import=4000))
    assert state(hass, "headroom") is None
    assert _overload(hass) is None
    assert float(state(hass, "power_max_today") or 0) == 5000


async def test_three_wires(hass: HomeAssistant, port: Port) -> None:
    """Where the meter sends no L2 there is no headroom of it, and the lowest says so."""
    meter = Sender("aidon-3w")
    await set_up(hass, make_entry(meter, options={"main_fuse": 25.0}))
    await say(hass, port, meter.list(2, current_l1=10, current_l3=20))
    assert state(hass, "headroom_l1", meter.id) == "15.0"
    assert state(hass, "headroom_l2", meter.id) is None
    assert state(hass, "headroom_l3", meter.id) == "5.0"
    found = hass.states.get(entity_id(hass, "headroom", meter.id) or "")
    assert found is not None
    assert found.state == "5.0"
    assert found.attributes["phases"] == ["L1", "L3"]
    assert found.attributes["grid"] == "three_wire"


@pytest.mark.usefixtures("true_time")
async def test_currents_stop(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Where only power goes on, headroom and overload are unknown, not what they were."""
    freezer.move_to(NOON)
    await set_up(hass, make_entry(options={"main_fuse": 20.0}))
    await say(hass, port, METER.list(2, current_l1=10, current_l2=10, current_l3=10))
    assert state(hass, "headroom") == "10.0"
    assert _overload(hass) == "off"
    for _ in range(10):
        await wait(hass, freezer, 10)
        await say(hass, port, METER.list(1, active_power_import=4000))
    assert state(hass, "active_power_import") == "4000.0"
    assert state(hass, "headroom") == state(hass, "headroom_l1") == "unknown"
    assert _overload(hass) == "unknown"


@pytest.mark.usefixtures("true_time", "all_enabled")
async def test_means_and_voltage(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Means are those of their whole window; a voltage is out of range after ten minutes."""
    freezer.move_to(NOON)
    await set_up(hass, make_entry())
    name = "voltage_out_of_range"
    low = {"voltage_l1": 206.0, "voltage_l2": 230.0, "voltage_l3": 230.0}
    currents = {"current_l1": 10.0, "current_l2": 4.0, "current_l3": 4.0}
    seen = {}
    found = None
    for seconds in range(0, 961, 10):
        watts = 2000 if seconds <= 600 else 5000
        values = {"active_power_import": watts, **low, **currents}
        await say(hass, port, METER.list(2, **values))
        voltage = entity_id(hass, name, platform=Platform.BINARY_SENSOR) or ""
        found = hass.states.get(voltage)
        assert found is not None
        seen[seconds] = found.state
        await wait(hass, freezer, 10)
    # The tick of a wait is a bit longer than it says.
    assert seen[580] == "unknown"
    assert seen[610] == "on"
    assert found is not None
    assert found.attributes["phases"] == ["L1"]
    assert found.attributes["watched"] == 3
    assert float(state(hass, "power_mean_1") or 0) == 5000
    assert float(state(hass, "power_mean_5") or 0) == 5000
    # Six minutes of 5 kW, nearly, after nine of 2 kW
    assert float(state(hass, "power_mean_15") or 0) == pytest.approx(3183, abs=2)
    assert float(state(hass, "phase_imbalance") or 0) == pytest.approx(66.7, abs=0.05)
    assert float(state(hass, "power_max_today") or 0) == 5000
    await wait(hass, freezer, 200)
    assert hass.states.is_state(voltage, "unavailable")
    assert state(hass, "power_mean_1") == "unavailable"


@pytest.mark.usefixtures("true_time")
async def test_nothing_from_before(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """After a restart nothing that automations act on is known before the first reading."""
    freezer.move_to(NOON)
    entry = await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    limit = entity_id(hass, "hour_limit", platform=Platform.NUMBER)
    await hass.services.async_call(
        "number", "set_value", {"entity_id": limit, "value": 5}, blocking=True
    )
    await say(hass, port, METER.list(2, active_power_import=7000))
    assert float(state(hass, "available_power") or 0) == pytest.approx(-2000, abs=10)
    assert await hass.config_entries.async_unload(entry.entry_id)
    freezer.move_to(NOON + timedelta(hours=20))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    sensors = ("available_power", "forecast_this_hour", "headroom", "power_max_today")
    for key in sensors:
        assert state(hass, key) == "unavailable", key
    for key in ("hour_limit_at_risk", "overload", "voltage_out_of_range"):
        name = entity_id(hass, key, platform=Platform.BINARY_SENSOR) or ""
        assert hass.states.is_state(name, "unavailable"), key
    await say(hass, port, METER.list(2, active_power_import=100))
    assert float(state(hass, "power_max_today") or 0) == 100


@pytest.mark.usefixtures("true_time", "all_enabled")
async def test_ages_that_are_not_exact(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A message that seems older than the one before makes no mean begin anew."""
    freezer.move_to(NOON)
    entry = await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    decoder = Decoder()
    for minute in range(4):
        freezer.move_to(NOON + timedelta(minutes=minute))
        # A bridge that collects for a minute: the first is said to be 62 s old.
        for age in (62, 40, 20, 0):
            values = {"active_power_import": 3000.0, "current_l1": 36.0}
            frame = METER.list(2, **values)
            entry.runtime_data._take(decoder.feed(frame), [age])
    await hass.async_block_till_done()
    assert float(state(hass, "power_mean_1") or 0) == 3000
    assert _overload(hass) == "on"


@pytest.mark.usefixtures("true_time")
async def test_maximum_of_the_day(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """The day's highest power outlives a restart, and begins anew at local midnight."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    freezer.move_to(datetime(2026, 1, 15, 22, 50, tzinfo=UTC))
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2, active_power_import=6000))
    await say(hass, port, METER.list(2, active_power_import=1000))
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await say(hass, port, METER.list(2, active_power_import=1500))
    assert float(state(hass, "power_max_today") or 0) == 6000
    freezer.move_to(datetime(2026, 1, 15, 23, 0, 5, tzinfo=UTC))
    await say(hass, port, METER.list(2, active_power_import=1200))
    assert float(state(hass, "power_max_today") or 0) == 1200


async def test_slow(hass: HomeAssistant, port: Port) -> None:
    """However rarely values are shown, the headroom is that of the last current."""
    await set_up(hass, make_entry(options={"main_fuse": 25.0, "publish": "slow"}))
    currents = {"current_l2": 1, "current_l3": 1}
    await say(hass, port, METER.list(2, current_l1=10, **currents))
    await say(hass, port, METER.list(2, current_l1=11, **currents))
    assert state(hass, "current_l1") == "10.0"
    assert state(hass, "headroom") == state(hass, "headroom_l1") == "14.0"
