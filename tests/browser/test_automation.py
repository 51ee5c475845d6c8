"""Can a person let something happen at a limit of power, by clicking?"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

from playwright.sync_api import Page, expect
import pytest

from simulator import SimulatedMeter
from simulator.faults import parse_fault

from .conftest import Server
from .ui import ROOT, Ui

HEATER = "input_boolean.heater"


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
def _meter(server: Server) -> Iterator[SimulatedMeter]:
    """Give a meter that shows 500 W, in a house whose heater is off; forget the automations."""
    with server.meter("aidon-3p", "power:500") as (meter, port):
        server.add(port)
        server.rest(
            "POST", "/api/services/input_boolean/turn_off", json={"entity_id": HEATER}
        )
        yield meter
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
