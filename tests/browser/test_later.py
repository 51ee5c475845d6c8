"""Can a person change what was set up, and send us what we need to help?"""

import json

from playwright.sync_api import expect

from .conftest import Server
from .ui import Ui, plain

MENU = {
    "en": {
        "reconfigure": "Reconfigure",
        "options": "Configure",
        "diagnostics": "Download diagnostics",
    },
    "nb": {
        "reconfigure": "Rekonfigurer",
        "options": "Konfigurer",
        "diagnostics": "Last ned diagnostikk",
    },
}


def test_later(server: Server, ui: Ui) -> None:
    """The port is moved, the main fuse set and the diagnostics downloaded, all from the entry."""
    menu, options = MENU[ui.language], ui.texts["options"]["step"]
    with (
        server.meter("aidon-3p", "hour-list-first") as (meter, port),
        server.meter("aidon-3p", "hour-list-first") as (_, other),
    ):
        server.add(port)
        ui.open(
            "/config/integrations/integration/han_port",
            "ha-config-entry-row",
        )
        row = ui.page.locator("ha-config-entry-row")

        row.locator("ha-icon-button[slot=trigger]").first.click()
        ui.shot("menu")
        with ui.page.expect_download() as download:
            row.get_by_text(menu["diagnostics"]).click()
        said = download.value.path().read_text()
        data = json.loads(said)["data"]
        assert data["entry"]
        assert meter.id not in said

        row.locator("ha-icon-button[slot=trigger]").first.click()
        row.get_by_text(menu["reconfigure"]).click()
        flow = ui.page.locator("dialog-data-entry-flow")
        title = ui.texts["config"]["step"]["reconfigure"]["title"]
        expect(flow.get_by_text(title)).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("reconfigure")
        ui.enter_port(flow, f"127.0.0.1:{other}")
        done = ui.texts["config"]["abort"]["reconfigure_successful"]
        expect(flow.get_by_text(done)).to_be_visible(timeout=30_000)
        ui.close(flow)
        server.until(
            "the port",
            lambda: f":{other}" in json.dumps(server.stored("core.config_entries")),
        )

        row.get_by_role("button", name=menu["options"]).click()
        expect(flow.get_by_text(options["init"]["title"])).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("options")
        flow.get_by_text(
            options["init"]["menu_options"]["publishing"], exact=True
        ).click()
        expect(
            flow.get_by_text(plain(options["publishing"]["description"]))
        ).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("publishing")
        slow = ui.texts["selector"]["publish"]["options"]["slow"]
        flow.get_by_text(slow).click()
        flow.get_by_role("button", name=options["publishing"]["submit"]).click()
        server.until(
            "the option",
            lambda: '"slow"' in json.dumps(server.stored("core.config_entries")),
        )
