"""Can others rely on the keys that the README says stay, and automations on what they are?"""

from pathlib import Path
import re

import pytest

from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from tests.integration.conftest import METER, Port, entity_id, make_entry, say, set_up

README = Path(__file__).parents[2] / "README.md"

# What is here is written in the README, and neither renamed nor removed.
STABLE = {
    "net_power": "W",
    "active_power_import": "W",
    "active_power_export": "W",
    "voltage_l1": "V",
    "voltage_l2": "V",
    "voltage_l3": "V",
    "current_l1": "A",
    "current_l2": "A",
    "current_l3": "A",
    "energy_import": "kWh",
    "energy_export": "kWh",
    "energy_this_hour": "kWh",
    "forecast_this_hour": "kWh",
    "energy_last_hour": "kWh",
    "available_power": "W",
    "peak_average": "kW",
    "headroom": "A",
    "headroom_l1": "A",
    "headroom_l2": "A",
    "headroom_l3": "A",
    "power_mean_1": "W",
    "power_mean_5": "W",
    "power_mean_15": "W",
    "power_max_today": "W",
    "phase_imbalance": "%",
    "connection": None,
    "hour_limit_at_risk": None,
    "overload": None,
    "voltage_out_of_range": None,
    "hour_limit": "kW",
}
MEASURED = {key for key, unit in STABLE.items() if unit in ("W", "V", "A", "%")}


def _platform(key: str) -> Platform:
    if key == "hour_limit":
        return Platform.NUMBER
    return Platform.SENSOR if STABLE[key] else Platform.BINARY_SENSOR


def test_readme() -> None:
    """The README has these keys and units, in this order, and no others."""
    section = README.read_text().split("### Entity keys that stay\n")[1]
    section = section.split("\n## ")[0]
    assert re.findall(r"^\| `(\w+)` \| (.+) \|$", section, re.MULTILINE) == [
        (key, unit or "on or off") for key, unit in STABLE.items()
    ]


@pytest.mark.usefixtures("all_enabled")
async def test_keys(hass: HomeAssistant, port: Port) -> None:
    """Each is the end of a unique id, with its unit, and a class that automations need."""
    await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    await say(hass, port, METER.list(3), METER.list(2))
    for key, unit in STABLE.items():
        name = entity_id(hass, key, platform=_platform(key))
        found = hass.states.get(name) if name else None
        assert found is not None, key
        assert found.attributes.get("unit_of_measurement") == unit, key
        assert found.attributes.get("state_class") == (
            "measurement"
            if key in MEASURED or key == "peak_average"
            else "total"
            if key in ("energy_import", "energy_export")
            else None
        ), key
        if unit == "W":
            assert found.attributes["device_class"] == "power", key


@pytest.mark.usefixtures("all_enabled")
async def test_silence(hass: HomeAssistant, port: Port) -> None:
    """While the meter is silent each is unavailable, but what says so and what is set."""
    await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    await say(hass, port, METER.list(3), METER.list(2))
    await say(hass, port, b"")
    for key in STABLE.keys() - {"connection", "hour_limit"}:
        name = entity_id(hass, key, platform=_platform(key)) or ""
        assert hass.states.is_state(name, "unavailable"), key
