"""Does a person see what is wrong with a port, and what to do?"""

from typing import NamedTuple

from playwright.sync_api import expect
import pytest

from .conftest import Server
from .ui import Ui, free_port, plain


class Trouble(NamedTuple):
    """What is wrong with a bridge: the fault of the simulator, and the step that says so."""

    fault: str
    step: str


@pytest.mark.parametrize(
    "trouble",
    [
        Trouble("stall", "nothing_received"),
        Trouble("wrong-parity", "no_valid_frame"),
        Trouble("busy", "port_in_use"),
    ],
    ids=lambda each: each.fault,
)
def test_trouble(server: Server, ui: Ui, trouble: Trouble) -> None:
    """What the bridge does wrong is named, and goes on by listening again once it is mended."""
    text = ui.texts["config"]["step"][trouble.step]
    flow = ui.add_integration()
    with server.meter("aidon-3p", trouble.fault) as (_, port):
        ui.enter_port(flow, f"127.0.0.1:{port}")
        expect(flow.get_by_text(text["title"])).to_be_visible(timeout=60_000)
        ui.shot(trouble.step)
        assert ui.complaints(flow) == []
        expect(flow.get_by_text(f"socket://127.0.0.1:{port}").first).to_be_visible()
        expect(
            flow.get_by_text(text["menu_options"]["port"], exact=True)
        ).to_be_visible()
    with server.meter("aidon-3p", "hour-list-first", port=port):
        flow.get_by_text(text["menu_options"]["listen"], exact=True).click()
        found = ui.texts["config"]["step"]["confirm"]["title"]
        expect(flow.get_by_text(found)).to_be_visible(timeout=30_000)
    ui.close(flow)


def test_refused(ui: Ui) -> None:
    """Where nobody listens, the form says so and keeps what was typed."""
    port = free_port()
    flow = ui.add_integration()
    ui.enter_port(flow, f"127.0.0.1:{port}")
    device = f"socket://127.0.0.1:{port}"
    error = plain(ui.texts["config"]["error"]["refused"], device=device)
    expect(flow.get_by_text(error)).to_be_visible()
    assert ui.complaints(flow) == []
    ui.shot("refused")
    ui.close(flow)


def test_key(server: Server, ui: Ui) -> None:
    """A meter that encrypts has its key asked for, a wrong one refused, and the right one taken."""
    step = ui.texts["config"]["step"]["key"]
    flow = ui.add_integration()
    with server.meter("kamstrup-dk") as (meter, port):
        ui.enter_port(flow, f"127.0.0.1:{port}")
        expect(flow.get_by_text(step["title"])).to_be_visible(timeout=30_000)
        assert ui.complaints(flow) == []
        ui.shot("key")
        key = flow.get_by_role("textbox", name=step["data"]["encryption_key"])
        for wrong, error in (
            ("12", "invalid_key"),
            ("0" * 32, "wrong_encryption_key"),
        ):
            key.fill(wrong)
            flow.get_by_role("button", name=step["submit"]).click()
            expect(flow.get_by_text(ui.texts["config"]["error"][error])).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot("wrong-key")
        key.fill(meter.encryption_key.hex())
        flow.get_by_role("button", name=step["submit"]).click()
        found = ui.texts["config"]["step"]["confirm"]["title"]
        expect(flow.get_by_text(found)).to_be_visible(timeout=30_000)
        expect(flow.get_by_text(meter.id)).to_be_visible()
    ui.close(flow)
