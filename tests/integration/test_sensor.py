"""Does Home Assistant show each quantity as what it is?"""

from datetime import timedelta
import json
from math import nan
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_wait_recording_done,
    do_adhoc_statistics,
)

from custom_components.han_port.computed import COMPUTED
from custom_components.han_port.protocol import Quantity
from custom_components.han_port.sensor import METER_COUNTERS, PEAK, SENSORS
from homeassistant.components.recorder.statistics import (
    async_list_statistic_ids,
    statistics_during_period,
)
from homeassistant.components.sensor.const import (
    DEVICE_CLASS_STATE_CLASSES,
    DEVICE_CLASS_UNITS,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.recorder import get_instance
from homeassistant.util import dt as dt_util
from tests.integration.conftest import (
    METER,
    Port,
    Sender,
    connection,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)

TRANSLATIONS = (
    Path(__file__).parents[2] / "custom_components" / "han_port" / "translations"
)

POWER = {"active_power_import", "active_power_export", "net_power"}
REACTIVE = {"reactive_power_import", "reactive_power_export"}
ENERGY = {"energy_import", "energy_export"}
REACTIVE_ENERGY = {"reactive_energy_import", "reactive_energy_export"}
COUNTERS = {"energy_import_counter", "energy_export_counter"}
HOUR = {"energy_this_hour", "forecast_this_hour", "energy_last_hour"}
HOUR |= {"available_power", "peak_average", "peak_1", "peak_2", "peak_3"}
HOUR |= {"power_max_today"}
MEANS = {"power_mean_1", "power_mean_5", "power_mean_15"}


def phases(key: str, numbers: str = "123") -> set[str]:
    """Name a quantity by phase."""
    return {f"{key}_l{number}" for number in numbers}


def registered(hass: HomeAssistant, owner: str, *, enabled: bool) -> set[str]:
    """Name what a meter has entities for, those that are enabled or the others."""
    return {
        each.unique_id.removeprefix(f"{owner}_")
        for each in er.async_get(hass).entities.values()
        if each.domain == "sensor" and (each.disabled_by is None) is enabled
    }


async def test_only_news(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A reading writes the states that it changes, and no other."""
    await set_up(hass, make_entry(options={"publish": "every_reading"}))
    for _ in range(2):
        await say(hass, port, METER.list(2, active_power_import=1000))
    write = Entity.async_write_ha_state
    with patch.object(
        Entity, "async_write_ha_state", autospec=True, side_effect=write
    ) as written:
        await say(hass, port, METER.list(2, active_power_import=1000))
        assert written.call_count == 0
        await say(hass, port, METER.list(2, active_power_import=1001))
    keys = sorted(call.args[0].translation_key for call in written.call_args_list)
    assert keys == ["active_power_import", "net_power", "power_max_today"]


def test_every_quantity() -> None:
    """Every quantity of the protocol has a row, and nothing else but net power."""
    assert set(SENSORS) == {*Quantity, "net_power"}


@pytest.mark.parametrize(
    "path", TRANSLATIONS.glob("*.json"), ids=lambda path: path.stem
)
def test_every_text(path: Path) -> None:
    """Every row has a name in every language, and every name a row."""
    texts = json.loads(path.read_text())["entity"]["sensor"]
    others = {
        each.key
        for each in (
            *METER_COUNTERS.values(),
            *COMPUTED,
            PEAK,
        )
    }
    assert texts.keys() == SENSORS.keys() | others
    names = [text["name"] for text in texts.values()]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("key", SENSORS)
def test_every_class(key: str) -> None:
    """Device class, unit and state class of a row go together in Home Assistant."""
    row = SENSORS[key]
    assert row.key == key
    if row.device_class is None:
        return
    assert row.native_unit_of_measurement in DEVICE_CLASS_UNITS[row.device_class]
    assert row.state_class in DEVICE_CLASS_STATE_CLASSES[row.device_class]


@pytest.mark.parametrize(
    ("key", "sent", "shown", "attributes"),
    [
        ("active_power_import", 1234, "1234.0", ("power", "measurement", "W")),
        ("active_power_export", 1234, "1234.0", ("power", "measurement", "W")),
        (
            "reactive_power_import",
            12,
            "12.0",
            ("reactive_power", "measurement", "var"),
        ),
        ("voltage_l2", 231.4, "231.4", ("voltage", "measurement", "V")),
        ("current_l3", -7.4, "-7.4", ("current", "measurement", "A")),
        ("energy_import", 1234.56, "1234.56", ("energy", "total", "kWh")),
        ("energy_export", 0, "0.0", ("energy", "total", "kWh")),
        (
            "reactive_energy_export",
            7.01,
            "7.01",
            ("reactive_energy", "total", "kvarh"),
        ),
    ],
)
async def test_value(
    hass: HomeAssistant,
    port: Port,
    key: str,
    sent: float,
    shown: str,
    attributes: tuple[str, str, str],
) -> None:
    """A value is shown as it was sent, with its class and unit, and nothing more."""
    with patch.object(Entity, "entity_registry_enabled_default", True):
        await set_up(hass, make_entry())
        await say(hass, port, METER.list(2), METER.list(3, **{key: sent}))
    name = entity_id(hass, key)
    assert name is not None
    found = hass.states.get(name)
    assert found is not None
    assert found.state == shown
    text = json.loads((TRANSLATIONS / "en.json").read_text())
    assert found.attributes == {
        "device_class": attributes[0],
        "state_class": attributes[1],
        "unit_of_measurement": attributes[2],
        "friendly_name": f"Aidon 6534 {text['entity']['sensor'][key]['name']}",
    }


@pytest.mark.parametrize(
    ("model", "kinds", "enabled", "disabled"),
    [
        (
            "aidon-1p",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage", "1") | phases("current", "1"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "aidon-3w",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage") | phases("current", "13"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "aidon-3p",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage") | phases("current"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "kaifa-3w",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage", "13") | phases("current"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "kaifa-3w-ct",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage", "13") | phases("current", "13"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "kamstrup-1p",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage", "1") | phases("current", "1"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "lg-e350",
            (1, 2, 3),
            POWER | ENERGY | phases("voltage", "13") | phases("current", "13"),
            REACTIVE | REACTIVE_ENERGY,
        ),
        (
            "aidon-se",
            (2,),
            POWER
            | ENERGY
            | phases("voltage")
            | phases("current")
            | phases("active_power_import")
            | phases("active_power_export"),
            REACTIVE
            | REACTIVE_ENERGY
            | phases("reactive_power_import")
            | phases("reactive_power_export"),
        ),
    ],
)
async def test_entities_of_model(
    hass: HomeAssistant,
    port: Port,
    model: str,
    kinds: tuple[int, ...],
    enabled: set[str],
    disabled: set[str],
) -> None:
    """A meter gets what it measures: no phase it does not have, no constant zero."""
    entry = await set_up(hass, make_entry(None))
    meter = Sender(model)
    for kind in kinds * 2:
        await say(hass, port, meter.list(kind))
    assert registered(hass, entry.entry_id, enabled=True) == enabled | HOUR
    made = MEANS | ({"phase_imbalance"} if "current_l2" in enabled else set())
    assert registered(hass, entry.entry_id, enabled=False) == disabled | COUNTERS | made
    assert set(entry.data["quantities"]) == enabled | disabled


async def test_new_quantity(hass: HomeAssistant, port: Port) -> None:
    """What is heard for the first time is there at once, and after every restart."""
    entry = await set_up(hass, make_entry(quantities=["active_power_import"]))
    assert entity_id(hass, "voltage_l1") is None
    await say(hass, port, METER.list(2, voltage_l1=231.4))
    assert state(hass, "voltage_l1") == "231.4"
    assert port.times_opened == 1

    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, "voltage_l1") == "unavailable"
    assert state(hass, "net_power") == "unavailable"
    assert connection(hass) == "off"
    await say(hass, port, METER.list(2, voltage_l1=231.5))
    assert state(hass, "voltage_l1") == "231.5"


async def test_unknown_quantity(hass: HomeAssistant, port: Port) -> None:
    """What a newer version has remembered is no error for this one."""
    await set_up(hass, make_entry(quantities=["active_power_import", "joy"]))
    await say(hass, port, METER.list(2, active_power_import=5))
    assert state(hass, "active_power_import") == "5.0"
    assert entity_id(hass, "joy") is None


@pytest.mark.usefixtures("recorder_mock")
async def test_energy_before_hour(hass: HomeAssistant, port: Port) -> None:
    """Energy can be chosen for the dashboard at once, unknown until the first hour list."""
    await set_up(hass, make_entry())
    assert state(hass, "energy_import") is None
    await say(hass, port, METER.list(2))
    assert state(hass, "energy_import") == "unknown"
    assert state(hass, "energy_export") == "unknown"
    assert registered(hass, METER.id, enabled=False) >= COUNTERS
    # The recorder learns of the sensors' statistics in its own thread.
    await async_wait_recording_done(hass)
    listed = await async_list_statistic_ids(hass)
    chosen = {each["statistic_id"] for each in listed}
    assert chosen >= {entity_id(hass, each) for each in ENERGY}
    await say(hass, port, b"")
    assert state(hass, "energy_import") == "unavailable"


async def run_before(hass: HomeAssistant, port: Port, energy: float) -> MockConfigEntry:
    """Let Home Assistant have run, with this import, and have stopped."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(3, energy_import=energy))
    assert await hass.config_entries.async_unload(entry.entry_id)
    return entry


async def start(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """Let Home Assistant start again."""
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


METERS_OWN = "energy_import_counter"


@pytest.mark.usefixtures("all_enabled")
async def test_restored_energy(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A counter is there from the start, and only as long as the meter may be heard."""
    entry = await run_before(hass, port, 1234.56)
    freezer.tick()
    await start(hass, entry)
    assert state(hass, "energy_import") == "1234.56"
    assert state(hass, METERS_OWN) == "1234.56"
    assert state(hass, "active_power_import") == "unavailable"

    await say(hass, port, METER.list(2))
    assert state(hass, "energy_import") == "1234.56"
    assert state(hass, METERS_OWN) == "1234.56"
    await say(hass, port, METER.list(3, energy_import=1235))
    assert state(hass, "energy_import") == "1235.0"
    assert state(hass, METERS_OWN) == "1235.0"


async def test_restored_energy_in_silence(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A restored counter goes when nothing is heard, and comes back with the meter."""
    entry = await run_before(hass, port, 1234.56)
    freezer.tick()
    await start(hass, entry)
    await wait(hass, freezer, 119)
    assert state(hass, "energy_import") == "1234.56"
    await wait(hass, freezer, 2)
    assert state(hass, "energy_import") == "unavailable"
    await wait(hass, freezer, 1)
    await say(hass, port, METER.list(2))
    assert state(hass, "energy_import") == "1234.56"


@pytest.mark.usefixtures("all_enabled")
async def test_restored_energy_guards(hass: HomeAssistant, port: Port) -> None:
    """A zero after a restart is no more believed than before it."""
    await start(hass, await run_before(hass, port, 1234.56))
    await say(hass, port, METER.list(3, energy_import=0))
    assert state(hass, "energy_import") == "1234.56"
    assert state(hass, METERS_OWN) == "1234.56"


@pytest.mark.usefixtures("all_enabled")
@pytest.mark.parametrize(
    "stored",
    [None, [], {"energy_import": "1234.56"}, {"energy_import": nan}, {"energy": 1}],
)
async def test_restored_nothing(
    hass: HomeAssistant, port: Port, hass_storage: dict[str, Any], stored: object
) -> None:
    """What is no number is not restored."""
    entry = await run_before(hass, port, 1234.56)
    hass_storage[f"han_port.{entry.entry_id}"]["data"] = {"shown": stored}
    await start(hass, entry)
    assert state(hass, METERS_OWN) == "unavailable"
    await say(hass, port, METER.list(3, energy_import=5))
    assert state(hass, METERS_OWN) == "5.0"


@pytest.mark.usefixtures("all_enabled")
async def test_of_another_meter(hass: HomeAssistant, port: Port) -> None:
    """A meter that gets the entity ids of one that was removed does not go on from it."""
    entry = await run_before(hass, port, 1234.56)
    before = entity_id(hass, METERS_OWN)
    assert await hass.config_entries.async_remove(entry.entry_id)
    await set_up(hass, make_entry(quantities=["energy_import"]))
    assert entity_id(hass, METERS_OWN) == before
    assert state(hass, METERS_OWN) == "unavailable"
    assert state(hass, "energy_import") == "unknown"
    await say(hass, port, METER.list(3, energy_import=5))
    assert state(hass, "energy_import") == "5.0"


async def test_not_restored(hass: HomeAssistant, port: Port) -> None:
    """What is measured now is not restored."""
    await start(hass, await run_before(hass, port, 1234.56))
    assert port.is_open
    assert state(hass, "active_power_import") == "unavailable"


async def test_energy_over_reload(hass: HomeAssistant, port: Port) -> None:
    """A counter survives a reload, also one that came to nothing."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(3, energy_import=1234.56))
    for _ in range(2):
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()
        assert state(hass, "energy_import") == "1234.56"
        await say(hass, port, b"")
        assert state(hass, "energy_import") == "unavailable"


@pytest.mark.usefixtures("recorder_mock", "true_time")
async def test_statistics(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Statistics count what was used, whatever false counters and losses there were."""
    # The recorder has compiled what is past when it starts, so this is an hour to come.
    start = dt_util.utcnow().replace(minute=0, second=0, microsecond=0)
    start += timedelta(hours=1)
    freezer.move_to(start)
    await set_up(hass, make_entry())
    for count, energy in enumerate((1000, 1000.5, 0, 0, 0, 1000.6, 999)):
        freezer.move_to(start.replace(second=count + 1))
        await say(hass, port, METER.list(3, energy_import=energy))
    await say(hass, port, b"")
    await async_wait_recording_done(hass)
    do_adhoc_statistics(hass, start=start)
    await async_wait_recording_done(hass)
    name = entity_id(hass, "energy_import")
    assert name is not None
    rows = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        start,
        None,
        {name},
        "5minute",
        None,
        {"state", "sum"},
    )
    (row,) = rows[name]
    assert row["state"] == 1000.6
    assert row["sum"] == pytest.approx(0.6)
