"""Does a person get from the port field to a device that shows values?"""

import re

from playwright.sync_api import expect

from simulator.faults import parse_fault

from .conftest import Server
from .ui import Ui, plain


def test_add(server: Server, ui: Ui) -> None:
    """From the port field over live listening to the device page, in their language."""
    config = ui.texts["config"]
    flow = ui.add_integration()
    user = config["step"]["user"]
    expect(flow.get_by_text(user["title"])).to_be_visible()
    expect(flow.get_by_text(user["description"])).to_be_visible()
    expect(flow.get_by_text(user["data_description"]["device"])).to_be_visible()
    assert ui.complaints(flow) == []
    ui.shot("port")

    with server.meter("aidon-3p", "stall", seed=2) as (meter, port):
        ui.enter_port(flow, f"127.0.0.1:{port}")
        device = f"socket://127.0.0.1:{port}"
        listening = plain(config["progress"]["listen"], device=device)
        expect(flow.get_by_text(listening)).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("listening")
        # Then it also says at once what its counters were
        meter.faults[:] = [parse_fault("hour-list-first")]

        confirm = config["step"]["confirm"]
        expect(flow.get_by_text(confirm["title"])).to_be_visible(timeout=30_000)
        expect(flow.get_by_text(meter.id)).to_be_visible()
        expect(flow.get_by_text("Aidon", exact=False).first).to_be_visible()
        expect(flow.get_by_text(re.compile(r": -?\d+ W"))).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("found")
        flow.get_by_role("button", name=confirm["submit"]).click()
        ui.finish(flow)

        (entry,) = server.entries()
        server.value("net_power")
        server.value("energy_import")  # the longest value there is beside a name
        page = ui.device_page(server.command("config/device_registry/list"), entry)
        names = ui.texts["entity"]["sensor"]
        for key in ("net_power", "voltage_l1", "current_l3", "energy_import"):
            expect(
                page.get_by_text(names[key]["name"], exact=True).first
            ).to_be_visible()
        expect(page.get_by_text(re.compile(r"2[234]\d[.,]\d V")).first).to_be_visible()
        assert ui.complaints(page) == []
        ui.shot("device")
