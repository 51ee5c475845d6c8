"""Does a person see how near the fuse is, and nothing that is not known?"""

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from tests.integration.conftest import (
    METER,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
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
