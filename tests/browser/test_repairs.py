"""Does a person find what only they can decide, and is it done?"""

from collections.abc import Callable

from playwright.sync_api import expect

from .conftest import Server
from .ui import Ui, plain


def test_replaced_meter(
    server: Server, english: Ui, open_ui: Callable[[str], Ui]
) -> None:
    """Another meter on the port is a repair, which lets the entry go on with that one.

    The integration here waits seconds for it, not ten minutes.
    """
    with server.meter("aidon-3p", "hour-list-first") as (old, port):
        server.add(port)
        shown = server.entities()
        (entry,) = server.entries()
    with server.meter("aidon-3p", "hour-list-first", port=port, seed=1) as (new, _):
        server.until("the repair", server.repairs)
        for ui in (open_ui("nb"), english):
            issue = ui.texts["issues"]["other_meter"]
            steps = issue["fix_flow"]["step"]
            repairs = ui.open("/config/repairs", "ha-config-repairs-dashboard")
            title = plain(issue["title"], entry=entry["title"])
            expect(repairs.get_by_text(title)).to_be_visible()
            assert ui.complaints(repairs) == []
            ui.shot("repairs")
            repairs.get_by_text(title).click()
            flow = ui.page.locator("dialog-data-entry-flow")
            expect(flow.get_by_text(steps["init"]["title"])).to_be_visible()
            for number in (old.id, new.id):
                expect(flow.get_by_text(number).first).to_be_visible()
            assert ui.complaints(flow) == []
            ui.shot("other-meter")
            replaced = steps["init"]["menu_options"]["replaced"]
            flow.get_by_text(replaced, exact=True).click()
            expect(flow.get_by_text(steps["replaced"]["title"])).to_be_visible()
            assert ui.complaints(flow) == []
            ui.shot("replaced")
            if ui is not english:
                ui.close(flow)
                assert ui.errors == []
        flow.get_by_role("button", name=steps["replaced"]["submit"]).click()
        ui.finish(flow)
        expect(repairs.get_by_text(title)).to_be_hidden()
        ui.shot("repaired")
        assert server.repairs() == []
        assert f"{new.id}_net_power" in server.unique_ids()
        assert server.entities() == shown
        server.value("net_power")
