"""Does a person who comes from AMSHAN keep everything, as they see it?"""

from collections.abc import Iterator
import json
from typing import Any

from playwright.sync_api import Browser, expect
import pytest

from scripts import demo
from simulator import create

from .conftest import Server, running
from .ui import Ui, free_port, plain

METER = create("aidon-3p")
# What AMSHAN made for a three-phase meter: key and unit, and whether it can be ours
ROWS: dict[str, tuple[str | None, bool]] = {
    "meter_id": (None, False),
    "meter_manufacturer": (None, False),
    "meter_type": (None, False),
    "list_ver_id": (None, False),
    "active_power_import": ("W", True),
    "active_power_export": ("W", True),
    "reactive_power_import": ("var", True),
    "reactive_power_export": ("var", True),
    "current_l1": ("A", True),
    "current_l2": ("A", True),
    "current_l3": ("A", True),
    "voltage_l1": ("V", True),
    "voltage_l2": ("V", True),
    "voltage_l3": ("V", True),
    "active_power_import_total": ("kWh", True),
    "active_power_export_total": ("kWh", True),
    "reactive_power_import_total": ("kVArh", True),
    "reactive_power_export_total": ("kVArh", True),
}


def stored(port: int) -> dict[str, dict[str, Any]]:
    """Give what an old Home Assistant with AMSHAN has on its disk, by key."""
    entry = {
        "entry_id": "amshan-entry",
        "version": 3,
        "domain": "amshan",
        "title": "Aidon 6534",
        "data": {
            "connection_type": "network_tcpip",
            "connection": {"host": "127.0.0.1", "port": port},
        },
        "options": {},
        "source": "user",
        "unique_id": None,
        "disabled_by": None,
    }
    device = {
        "id": "amshan-device",
        "config_entries": ["amshan-entry"],
        "connections": [],
        "identifiers": [["amshan", METER.id]],
        "manufacturer": "Aidon",
        "model": "6534",
        "name": "Aidon",
        "sw_version": None,
    }
    entities = [
        {
            "entity_id": f"sensor.aidon_{key}",
            "unique_id": f"Aidon-{METER.id}-{key}",
            "platform": "amshan",
            "config_entry_id": "amshan-entry",
            "device_id": "amshan-device",
            "unit_of_measurement": unit,
        }
        for key, (unit, _) in ROWS.items()
    ]
    return {
        "core.config_entries": {"entries": [entry]},
        "core.device_registry": {"devices": [device], "deleted_devices": []},
        "core.entity_registry": {"entities": entities},
    }


@pytest.fixture(name="old")
def _old(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, int]]:
    """Give a Home Assistant that had AMSHAN, and the port of its meter."""
    folder, port = tmp_path_factory.mktemp("old"), free_port()
    storage = folder / "home/.storage"
    storage.mkdir(parents=True)
    for key, data in stored(port).items():
        whole = {"version": 1, "minor_version": 1, "key": key, "data": data}
        (storage / key).write_text(json.dumps(whole))
    with running(folder) as server:
        server.command("config/core/update", language="nb")
        yield server, port


def test_moving_in(old: tuple[Server, int], browser: Browser) -> None:
    """Offered, listed, agreed to, live under the old ids, and kept in the repairs."""
    server, port = old
    with Ui(browser, server.api.url) as ui:
        ui.log_in(**demo.LOGIN)
        login = ui.context.storage_state()
    with (
        Ui(browser, server.api.url, "nb", login) as ui,
        server.meter("aidon-3p", "hour-list-first", port=port),
    ):
        step = ui.texts["config"]["step"]
        flow = ui.add_integration()
        expect(flow.get_by_text(step["moving_in"]["title"])).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("moving-in")
        theirs = step["moving_in"]["menu_options"]["their_port"]
        flow.get_by_text(plain(theirs, integration="AMSHAN"), exact=True).click()

        expect(flow.get_by_text(METER.id)).to_be_visible(timeout=30_000)
        flow.get_by_role("button", name=step["confirm"]["submit"]).click()
        expect(flow.get_by_text(step["move"]["title"])).to_be_visible()
        moves = [f"sensor.aidon_{key}" for key, (_, is_ours) in ROWS.items() if is_ours]
        listed = flow.locator("textarea")
        expect(listed).to_have_count(2)
        assert sorted(listed.first.input_value().split(", ")) == sorted(moves)
        assert ui.complaints(flow) == []
        ui.shot("move")
        flow.get_by_role("button", name=step["move"]["submit"]).click()
        ui.finish(flow)

        def live() -> bool:
            states = server.states()
            return all(
                states.get(each, "unavailable") not in ("unavailable", "unknown")
                for each in moves
            )

        server.until("values under the old ids", live)
        assert set(moves) <= set(server.entities().values())
        (theirs,) = server.command("config_entries/get", domain="amshan")
        assert theirs["disabled_by"] == "user"

        issue = ui.texts["issues"]["moved_in"]
        (entry,) = server.entries()
        repairs = ui.open("/config/repairs", "ha-config-repairs-dashboard")
        repairs.get_by_text(plain(issue["title"], entry=entry["title"])).click()
        init = issue["fix_flow"]["step"]["init"]
        said = plain(init["description"], entry=entry["title"], count=str(len(moves)))
        expect(flow.get_by_text(said)).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("moved-in")
        flow.get_by_text(init["menu_options"]["keep"], exact=True).click()
        server.until("its end", lambda: not server.repairs())
        assert ui.errors == []
