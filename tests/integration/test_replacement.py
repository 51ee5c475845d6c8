"""Does an entry go on with the meter that took the place of its own?"""

from datetime import datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.const import DOMAIN
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import SOURCE_RECONFIGURE, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
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
)
from tests.integration.test_watch import issues, live

pytestmark = pytest.mark.usefixtures("true_time")
NEW = Sender("kaifa-3p", seed=2)


def hour_list(meter: Sender, when: datetime, energy: float) -> bytes:
    """Give the list of a full hour without power, so that all energy is the counter's."""
    known = meter._meter.values(meter._meter.moment(when, 3))
    values = {
        **known,
        "active_power_import": 0,
        "active_power_export": 0,
        "energy_import": energy,
    }
    return meter._meter.model.layout.frames(3, values, when)


@pytest.fixture(name="entry")
async def _entry(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> Any:
    """Set up a meter that has counted 40,000 kWh, and then is another."""
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry())
    await say(hass, port, hour_list(METER, NOON, 40000))
    assert float(state(hass, "energy_import") or 0) == 40000
    await live(hass, port, freezer, 800, NEW.list(2))
    assert set(issues(hass)) == {"other_meter"}
    return entry


async def choose(hass: HomeAssistant, step: str) -> Any:
    """Open the dialog of the repair and choose."""
    assert await async_setup_component(hass, "repairs", {})
    await hass.async_block_till_done()
    manager = repairs_flow_manager(hass)
    assert manager is not None
    issue = issues(hass)["other_meter"]
    menu: Any = await manager.async_init(DOMAIN, data={"issue_id": issue.issue_id})
    assert menu["menu_options"] == ["replaced", "listen"]
    assert menu["description_placeholders"]["found"] == NEW.id
    return await manager.async_configure(menu["flow_id"], {"next_step_id": step})


async def confirm(hass: HomeAssistant, form: Any) -> Any:
    """Press the button."""
    manager = repairs_flow_manager(hass)
    assert manager is not None
    result = await manager.async_configure(form["flow_id"], {})
    await hass.async_block_till_done()
    return result


@pytest.mark.usefixtures("all_enabled")
async def test_replaced(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, entry: Any
) -> None:
    """Entities keep their names, energy goes on without a step, the device is the new one."""
    entities, devices = er.async_get(hass), dr.async_get(hass)
    names = {
        each.entity_id
        for each in er.async_entries_for_config_entry(entities, entry.entry_id)
    }
    form = await choose(hass, "replaced")
    assert (form["type"], form["step_id"]) == ("form", "replaced")
    assert form["description_placeholders"]["expected"] == METER.id
    assert entry.unique_id == METER.id
    assert (await confirm(hass, form))["type"] == "create_entry"

    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass) == {}
    assert entry.unique_id == NEW.id
    assert entry.data["meter_id"] == NEW.id
    assert entry.data["manufacturer"] == "Kaifa"
    assert entry.title == "Aidon 6534"
    after = er.async_entries_for_config_entry(entities, entry.entry_id)
    assert {each.entity_id for each in after} == names
    assert {each.unique_id.partition("_")[0] for each in after} == {NEW.id}
    (device,) = dr.async_entries_for_config_entry(devices, entry.entry_id)
    assert device.identifiers == {(DOMAIN, NEW.id)}
    assert (device.serial_number, device.manufacturer) == (NEW.id, "Kaifa")

    shown = []
    for hour, energy in ((1, 7), (2, 8.5), (3, 9)):
        when = NOON + timedelta(hours=hour)
        freezer.move_to(when + timedelta(seconds=10))
        await say(hass, port, hour_list(NEW, when, energy))
        shown.append(float(state(hass, "energy_import", NEW.id) or 0))
        assert float(state(hass, "energy_import_counter", NEW.id) or 0) == energy
    assert shown == [40000, 40001.5, 40002]
    assert entity_id(hass, "energy_import") is None
    await say(hass, port, METER.list(2))
    assert entry.runtime_data.counters["other_meter"] == 1


async def test_listen(hass: HomeAssistant, entry: Any) -> None:
    """A meter that is only somewhere else is looked for."""
    result = await choose(hass, "listen")
    assert (result["type"], result["reason"]) == ("abort", "listen")
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert flow["context"]["source"] == SOURCE_RECONFIGURE
    assert set(issues(hass)) == {"other_meter"}


async def test_has_entry(hass: HomeAssistant, entry: Any) -> None:
    """A meter that has an entry of its own is left to it."""
    form = await choose(hass, "replaced")
    make_entry(NEW, "socket://192.0.2.1:6638").add_to_hass(hass)
    result = await confirm(hass, form)
    assert (result["type"], result["reason"]) == ("abort", "has_entry")
    assert entry.unique_id == METER.id
    assert set(issues(hass)) == {"other_meter"}


async def test_has_entities(hass: HomeAssistant, entry: Any) -> None:
    """So is one of which entities are left."""
    form = await choose(hass, "replaced")
    er.async_get(hass).async_get_or_create("sensor", DOMAIN, f"{NEW.id}_voltage_l1")
    result = await confirm(hass, form)
    assert (result["type"], result["reason"]) == ("abort", "has_entry")
    assert entry.state is ConfigEntryState.LOADED


async def test_not_loaded(hass: HomeAssistant, entry: Any) -> None:
    """An entry that was unloaded meanwhile stays as it is."""
    form = await choose(hass, "replaced")
    assert await hass.config_entries.async_unload(entry.entry_id)
    result = await confirm(hass, form)
    assert (result["type"], result["reason"]) == ("abort", "not_loaded")
    assert entry.unique_id == METER.id
