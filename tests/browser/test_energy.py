"""Does the energy dashboard show what the house has used?"""

from datetime import UTC, datetime, timedelta
import re
from zoneinfo import ZoneInfo

from playwright.sync_api import Locator, expect
import pytest

from scripts import demo
from simulator import SimulatedMeter
from simulator.faults import parse_fault

from .conftest import Server
from .ui import Ui

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("Europe/Oslo")
ROUNDED = 0.0051  # kWh: two decimals are shown
DRAWN = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"


def choose(dialog: Locator, which: int, name: str) -> None:
    """Choose a statistic by the name of its entity."""
    picker = dialog.locator("ha-statistic-picker").nth(which)
    picker.locator("ha-picker-field").click()
    picker.get_by_role("textbox").first.fill(name)
    picker.get_by_text(name, exact=True).click()


def bars(ui: Ui) -> dict[str, float]:
    """Give what the bars say when pointed at: kWh, by hour and name of the entity."""
    card = ui.page.locator("hui-energy-usage-graph-card")
    box = card.locator("canvas").first.bounding_box()
    assert box is not None
    tooltip = card.locator("div:has(> h4)")
    said: dict[str, float] = {}
    for step in range(60):
        ui.page.mouse.move(
            box["x"] + box["width"] * (step + 0.5) / 60, box["y"] + box["height"] / 2
        )
        ui.page.evaluate(DRAWN)
        if tooltip.is_visible():
            hour, *lines = tooltip.inner_text().splitlines()
            for name, value in (line.rsplit(":", 1) for line in lines if ":" in line):
                said[f"{hour}, {name.strip()}"] = float(value.split()[0])
    return said


def expected(meter: SimulatedMeter, begin: datetime, end: datetime) -> dict[str, float]:
    """Give what they have to say between two full hours, by the counters of the house."""
    energy: dict[str, float] = {}
    while begin < end:
        after = (begin.astimezone(UTC) + HOUR).astimezone(ZONE)
        first, last = (f"{each:%I:%M %p}".lstrip("0") for each in (begin, after))
        for name, counter, sign in (
            ("import", meter.energy_import, 1),
            ("export", meter.energy_export, -1),
        ):
            key = f"{first} – {last}, Aidon 6534 Energy {name}"
            energy[key] = sign * (counter(after) - counter(begin))
        begin = after
    return energy


def check(ui: Ui, energy: dict[str, float]) -> None:
    """Hold the bars up against what they have to say, as soon as they are there."""
    for _ in range(10):
        said = bars(ui)
        # A bar of nothing is none
        shown = {key: said.get(key, 0) for key in energy}
        if said and shown == pytest.approx(energy, abs=ROUNDED):
            return
    assert shown == pytest.approx(energy, abs=ROUNDED)


def test_energy(server: Server, english: Ui) -> None:
    """Set up by clicking, it shows the energy of each hour, and the power of now."""
    ui, page = english, english.page
    with server.meter("aidon-3p", "hour-list-first") as (meter, port):
        server.add(port)
        # The days before are made up, by the counters of the same house
        now = datetime.now(ZONE).replace(minute=0, second=0, microsecond=0)
        server.portal.call(demo.add_history, server.api, server.entities(), meter)
        today = now.replace(hour=0)
        yesterday = (today - timedelta(hours=12)).replace(hour=0)

        ui.open("/config/energy", "ha-config-energy")
        page.get_by_role("button", name="Add grid connection").click()
        dialog = page.locator("dialog-energy-grid-settings")
        choose(dialog, 0, "Energy import")
        choose(dialog, 1, "Energy export")
        dialog.get_by_text("Standard", exact=True).click()
        choose(dialog, 2, "Net power")
        ui.shot("grid")
        dialog.get_by_role("button", name="Save").click()
        dialog.locator("ha-dialog").wait_for(state="detached")
        (grid,) = server.command("energy/get_prefs")["energy_sources"]
        shown = server.entities()
        assert grid["stat_energy_from"] == shown["energy_import"]
        assert grid["stat_energy_to"] == shown["energy_export"]
        assert grid["stat_rate"] == shown["net_power"]

        ui.open("/energy/overview", "hui-energy-usage-graph-card canvas")
        ui.shot("today")
        check(ui, expected(meter, today, now))

        period = page.locator("hui-energy-period-selector")
        period.get_by_role("button", name="Select time period").click()
        page.get_by_text("Yesterday", exact=True).click()
        expect(period.get_by_text(f"{yesterday:%b} {yesterday.day}")).to_be_visible()
        ui.shot("yesterday")
        check(ui, expected(meter, yesterday, today))
        page.get_by_role("tab", name="Electricity").click()
        totals = page.locator("hui-energy-sources-table-card")
        for name, counter, sign in (
            ("Aidon 6534 Energy import", meter.energy_import, ""),
            ("Aidon 6534 Energy export", meter.energy_export, "-"),
        ):
            energy = counter(today) - counter(yesterday)
            row = totals.locator("tr", has_text=name)
            expect(row).to_contain_text(re.compile(rf"{sign}{energy:.2f}\s*kWh"))
        ui.shot("totals")

        page.get_by_role("tab", name="Now").click()
        power = page.locator("hui-power-total-badge")
        for watts, text in ((1234, "1.23 kW"), (5678, "5.68 kW"), (345, "345 W")):
            meter.faults[:] = [parse_fault(f"power:{watts}")]
            expect(power).to_contain_text(text)
        ui.shot("now")
    server.command("energy/save_prefs", energy_sources=[])
