"""Can a person let something happen at a limit of power, by clicking?"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
import re
from threading import Thread
from typing import Any

from playwright.sync_api import Locator, Page, expect
import pytest

from simulator import SimulatedMeter
from simulator.faults import parse_fault

from .conftest import Server
from .ui import ROOT, Ui

HEATER = "input_boolean.heater"
SWITCH = "switch.water_heater"


@contextmanager
def web_server() -> Iterator[str]:
    """Serve our blueprints as a website does; give its address."""
    folder = ROOT / "blueprints/automation/han_port"
    handler = partial(SimpleHTTPRequestHandler, directory=folder)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as web:
        Thread(target=web.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{web.server_port}"
        web.shutdown()


@pytest.fixture(name="meter")
def _meter(server: Server, english: Ui) -> Iterator[SimulatedMeter]:
    """Give a meter that shows 500 W, in a house whose heaters are off; forget the automations."""
    with server.meter("aidon-3p", "power:500") as (meter, port):
        server.add(port)
        server.rest(
            "POST",
            "/api/services/homeassistant/turn_off",
            json={"entity_id": [HEATER, SWITCH]},
        )
        yield meter
    # An editor would ask for what is deleted.
    english.open("/config/dashboard", "ha-sidebar")
    for entity_id in server.states():
        if entity_id.startswith("automation."):
            config = server.command("automation/config", entity_id=entity_id)["config"]
            path = f"/api/config/automation/config/{config['id']}"
            server.rest("DELETE", path)


def turn_heater_on(page: Page) -> None:
    """Choose what is to be done, from the heater on."""
    page.get_by_role("button", name="Add action").click()
    add = page.locator("add-automation-element-dialog")
    add.get_by_role("textbox").first.fill("Heater")
    add.get_by_text("Heater", exact=True).first.click()
    add.get_by_text("Turn on input boolean").first.click()


def check(server: Server, meter: SimulatedMeter) -> None:
    """See that the heater is on after the limit of 3000 W, and not before."""
    for watts in (2900, 3100):
        assert server.states()[HEATER] == "off"
        meter.faults[:] = [parse_fault(f"power:{watts}")]
        server.until(
            "the power",
            lambda: float(server.value("net_power")) == watts,  # noqa: B023
        )
    server.until("the heater", lambda: server.states()[HEATER] == "on")


def test_threshold(server: Server, english: Ui, meter: SimulatedMeter) -> None:
    """An automation on "Power crossed threshold", made in the editor, fires."""
    page = english.page
    english.open("/config/automation/edit/new", "ha-automation-editor")
    page.get_by_role("button", name="Add trigger").click()
    add = page.locator("add-automation-element-dialog")
    add.get_by_role("textbox").first.fill("Net power")
    add.get_by_text("Net power", exact=True).click()
    add.get_by_text("Power crossed threshold").first.click()
    limit = page.locator("ha-selector-numeric_threshold")
    limit.locator("ha-selector-number input").fill("3000")
    limit.locator("ha-picker-field").nth(1).click()
    limit.get_by_text("W", exact=True).click()
    english.shot("trigger")
    turn_heater_on(page)
    page.get_by_role("button", name="Save").click()
    save = page.locator("ha-dialog-automation-save")
    save.get_by_role("textbox").first.fill("Too much")
    save.get_by_role("button", name="Save").last.click()
    server.until("the automation", lambda: server.states().get("automation.too_much"))
    check(server, meter)


def test_blueprint(server: Server, english: Ui, meter: SimulatedMeter) -> None:
    """A blueprint imported from a website becomes an automation, and runs."""
    page = english.page
    english.open("/config/blueprint/dashboard", "ha-blueprint-overview")
    page.get_by_role("button", name="Import blueprint").click()
    dialog = page.locator("ha-dialog-import-blueprint")
    name = "Notify when power is high"
    with web_server() as address:
        dialog.get_by_role("textbox").fill(f"{address}/power_above.yaml")
        dialog.get_by_role("button", name="Preview").click()
        expect(dialog.get_by_text(name, exact=True)).to_be_visible()
        english.shot("import")
        dialog.get_by_role("button", name="Import blueprint").click()
    page.get_by_text(name, exact=True).first.click()

    editor = page.locator("blueprint-automation-editor")
    duration = editor.locator("ha-duration-input input")
    fields = (
        (editor.locator("ha-selector-number input"), "3000", "3000"),
        (duration.nth(1), "0", "00"),
        (duration.nth(2), "1", "01"),
    )
    for field, typed, shown in fields:
        field.fill(typed)
        field.press("Tab")
        expect(field).to_have_value(shown)
    power = editor.locator("ha-entity-picker")
    power.locator("ha-picker-field").click()
    power.get_by_role("textbox").first.fill("Net power")
    power.get_by_text("Net power", exact=True).click()
    expect(power).to_contain_text("Aidon 6534")
    turn_heater_on(page)
    english.shot("blueprint")
    page.get_by_role("button", name="Save").click()
    made = "automation.notify_when_power_is_high"
    server.until("the automation", lambda: server.states().get(made))
    check(server, meter)


def settings(page: Page, *texts: str) -> None:
    """Go to the settings, and on by what is called so."""
    page.locator("ha-sidebar").get_by_text("Settings", exact=True).click()
    for text in texts:
        page.get_by_text(text, exact=True).first.click()


def create_automation(page: Page) -> None:
    """Begin a new automation, from anywhere."""
    settings(page, "Automations & scenes")
    page.get_by_role("button", name="Create automation").click()
    page.get_by_text("Create new automation").first.click()


def add_by_type(page: Page, button: str, kind: str, name: str) -> Locator:
    """Add a trigger or an action; give the form of it."""
    page.get_by_role("button", name=button).click()
    add = page.locator("add-automation-element-dialog")
    for text in ("By type", kind, name):
        add.get_by_text(text, exact=True).click()
    form = page.locator("ha-automation-sidebar")
    expect(form).to_contain_text(name)
    return form


def add_state(page: Page, name: str, minutes: int = 0, **states: str) -> None:
    """Add a trigger on the states of an entity, by what is shown of them."""
    form = add_by_type(page, "Add trigger", "Entity", "State changed")
    row = page.locator("ha-automation-trigger-row").last
    entity = form.locator("ha-entity-picker").first
    entity.locator("ha-picker-field").click()
    entity.get_by_role("textbox").first.fill(name)
    entity.get_by_text(name, exact=True).first.click()
    for label, state in states.items():
        field = form.locator("ha-selector-state").filter(has_text=f"{label} (optional)")
        field.locator("ha-picker-field").click()
        field.get_by_text(state, exact=True).click()
        # What is changed before this is taken would be lost.
        expect(row).to_contain_text(f"{label.lower()} {state}")
    if minutes:
        field = form.locator("ha-duration-input input").nth(1)
        field.fill(str(minutes))
        field.press("Tab")
        expect(row).to_contain_text(f"for {minutes}:00")


def add_switch(page: Page, action: str, name: str) -> None:
    """Add what is to be done to a switch."""
    form = add_by_type(page, "Add action", "Switch", action)
    form.get_by_text("Add target").click()
    form.get_by_text(name, exact=True).first.click()


def save_automation(server: Server, page: Page, name: str) -> dict[str, Any]:
    """Save it, and give what Home Assistant keeps of it."""
    page.get_by_role("button", name="Save").click()
    save = page.locator("ha-dialog-automation-save")
    save.get_by_role("textbox").first.fill(name)
    save.get_by_role("button", name="Save").last.click()
    entity_id = f"automation.{name.lower().replace(' ', '_')}"
    server.until("the automation", lambda: server.states().get(entity_id))
    answer = server.command("automation/config", entity_id=entity_id)
    config: dict[str, Any] = answer["config"]
    return config


def switching(action: str) -> list[dict[str, Any]]:
    """Give what Home Assistant keeps of an action on the water heater."""
    target = {"entity_id": SWITCH}
    return [{"action": action, "metadata": {}, "target": target, "data": {}}]


def state_change(entity_id: str, minutes: int = 0, **states: str) -> dict[str, Any]:
    """Give what Home Assistant keeps of a trigger on a state."""
    trigger: dict[str, Any] = {"trigger": "state", "entity_id": [entity_id]}
    trigger |= {each: [state] for each, state in states.items()}
    if minutes:
        trigger["for"] = {"hours": 0, "minutes": minutes, "seconds": 0}
    return trigger


def test_hour_limit(server: Server, english: Ui, meter: SimulatedMeter) -> None:
    """The README's way to pause a water heater, click by click: it is turned off."""
    page, limit = english.page, server.entities()["hour_limit"]
    english.device_page(
        server.command("config/device_registry/list"), server.entries()[0]
    )
    row = page.locator("hui-number-entity-row").filter(has_text="Hour limit")
    row.locator("input").fill("2")
    row.locator("input").press("Enter")
    server.until("the limit", lambda: server.states()[limit] == "2.0")

    create_automation(page)
    add_state(page, "Hour limit at risk", To="Problem")
    english.shot("state")
    add_switch(page, "Turn off switch", "Water heater")
    english.shot("switch")
    off = save_automation(server, page, "Pause the water heater")
    create_automation(page)
    add_state(page, "Hour limit at risk", From="Problem", To="OK", minutes=10)
    add_switch(page, "Turn on switch", "Water heater")
    on = save_automation(server, page, "Go on with the water heater")

    risk = server.entities()["hour_limit_at_risk"]
    assert off["triggers"] == [state_change(risk, to="on")]
    assert off["actions"] == switching("switch.turn_off")
    assert on["triggers"] == [
        state_change(risk, **{"from": "on", "to": "off"}, minutes=10)
    ]
    assert on["actions"] == switching("switch.turn_on")
    assert off["conditions"] == on["conditions"] == []

    # What a person may do meanwhile, and what the house does then
    server.rest("POST", "/api/services/switch/turn_on", json={"entity_id": SWITCH})
    server.until("the water heater", lambda: server.states()[SWITCH] == "on")
    meter.faults[:] = [parse_fault("power:90000")]
    # In the first minutes of an hour there is no alarm.
    server.until("the risk", lambda: server.states()[risk] == "on", 200)
    server.until("its end", lambda: server.states()[SWITCH] == "off")


def test_main_fuse(server: Server, english: Ui, meter: SimulatedMeter) -> None:
    """The README's way to pause a car charger, click by click, is kept as it means."""
    page, steps = english.page, english.texts["options"]["step"]
    english.open("/config/dashboard", "ha-sidebar")
    settings(page, "Devices & services", "HAN Port")
    page.get_by_role("button", name="Configure").click()
    flow = page.locator("dialog-data-entry-flow")
    flow.get_by_text("Main fuse", exact=True).click()
    flow.locator("ha-picker-field").click()
    flow.get_by_text(re.compile("^25( A)?$")).first.click()
    english.shot("fuse")
    flow.get_by_role("button", name=steps["fuse"]["submit"]).click()
    english.finish(flow)
    server.until("the overload", lambda: "overload" in server.entities())
    overload = server.entities()["overload"]

    create_automation(page)
    add_state(page, "Main fuse overloaded", To="Problem")
    add_state(page, "Main fuse overloaded", To="Unavailable", minutes=2)
    add_switch(page, "Turn off switch", "Water heater")
    made = save_automation(server, page, "Pause the charger")
    assert made["triggers"] == [
        state_change(overload, to="on"),
        state_change(overload, to="unavailable", minutes=2),
    ]
    assert made["actions"] == switching("switch.turn_off")
    assert made["conditions"] == []
