"""Does a person see what is wrong with a port, and what to do?"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import NamedTuple

from playwright.sync_api import Locator, expect
import pytest

from .conftest import Server
from .ui import Ui, free_port, plain


class Trouble(NamedTuple):
    """What is wrong with a bridge: the step that says so, and the faults of the simulator."""

    step: str
    faults: tuple[str, ...]


class Dialog(NamedTuple):
    """A dialog that listens to a bridge that has a trouble."""

    ui: Ui
    flow: Locator
    port: int
    bridge: ExitStack


# Those that take half a minute and more, and those that are told sooner
SLOW = [
    Trouble("nothing_received", ("stall",)),
    Trouble("no_valid_frame", ("wrong-parity",)),
    Trouble("bad_checksums", ("bit-errors:0.02",)),
    Trouble("short_lists_only", ("small-buffer",)),
]
QUICK = [
    Trouble("unknown_list", ("unknown",)),
    Trouble("telnet", ("telnet", "stall")),
    Trouble("text", ("banner:I (2023) wifi: connected", "stall")),
    Trouble("decoded_values", ('banner:{"power": 1234}', "stall")),
    Trouble("closed", ("refuse",)),
    Trouble("http", ("busy:HTTP/1.1 400 Bad Request",)),
]
# Each language waits once more
READ = [
    *((each.step, "en") for each in SLOW),
    ("nothing_received", "nb"),
    ("no_valid_frame", "nb"),
]


def listen(server: Server, ui: Ui, trouble: Trouble) -> Dialog:
    """Let a dialog listen to a bridge."""
    bridge = ExitStack()
    _, port = bridge.enter_context(server.meter("aidon-3p", *trouble.faults))
    flow = ui.add_integration()
    ui.enter_port(flow, f"127.0.0.1:{port}")
    return Dialog(ui, flow, port, bridge)


def check(server: Server, dialog: Dialog, step: str) -> None:
    """Read what is wrong, and go on once it is mended."""
    ui, flow, port, bridge = dialog
    ui.page.bring_to_front()
    text = ui.texts["config"]["step"][step]
    with bridge:
        expect(flow.get_by_text(text["title"])).to_be_visible(timeout=90_000)
        ui.shot(step)
        assert ui.complaints(flow) == []
        expect(flow.get_by_text(f"127.0.0.1:{port}").first).to_be_visible()
        port_text = text["menu_options"]["port"]
        expect(flow.get_by_text(port_text, exact=True)).to_be_visible()
    with server.meter("aidon-3p", "hour-list-first", port=port):
        flow.get_by_text(text["menu_options"]["listen"], exact=True).click()
        found = ui.texts["config"]["step"]["confirm"]["title"]
        expect(flow.get_by_text(found)).to_be_visible()
    ui.close(flow)
    assert ui.errors == []


@pytest.fixture(name="dialogs", scope="module")
def _dialogs(
    server: Server, open_ui: Callable[[str], Ui]
) -> Iterator[dict[tuple[str, str], Dialog]]:
    """Listen to the slow ones at the same time, each in a page of its own."""
    opened = {
        (trouble.step, language): listen(server, open_ui(language).tab(), trouble)
        for trouble in SLOW
        for language in ("en", "nb")
        if (trouble.step, language) in READ
    }
    yield opened
    for dialog in opened.values():
        dialog.ui.page.close()
        dialog.bridge.close()


@pytest.mark.parametrize(("step", "language"), READ)
def test_slow(
    server: Server, dialogs: dict[tuple[str, str], Dialog], step: str, language: str
) -> None:
    """What a person waits for is named, and goes on by listening again once it is mended."""
    check(server, dialogs[step, language], step)


@pytest.mark.parametrize("trouble", QUICK, ids=lambda each: each.step)
def test_quick(server: Server, english: Ui, trouble: Trouble) -> None:
    """What is told sooner is so too."""
    check(server, listen(server, english, trouble), trouble.step)


def test_in_use(server: Server, ui: Ui) -> None:
    """A bridge that says it is in use is named, in their language."""
    trouble = Trouble("port_in_use", ("busy",))
    check(server, listen(server, ui, trouble), trouble.step)


def test_inverted(server: Server, english: Ui) -> None:
    """A P1 cable without an inverter is named, on a serial port."""
    text = english.texts["config"]["step"]["inverted"]
    flow = english.add_integration()
    with server.serial("dsmr5", "inverted") as path:
        english.enter_port(flow, path)
        expect(flow.get_by_text(text["title"])).to_be_visible(timeout=60_000)
        english.shot("inverted")
        assert english.complaints(flow) == []
    english.close(flow)


def test_form(ui: Ui) -> None:
    """What cannot be opened is said beside what was typed, which can be mended there."""
    flow = ui.add_integration()
    refused = f"127.0.0.1:{free_port()}"
    for name, device, error in (
        ("/dev/ttyUSB9", "/dev/ttyUSB9", "not_found"),
        ("bridge.invalid:6638", "socket://bridge.invalid:6638", "unknown_host"),
        ("ftp://bridge", "ftp://bridge", "invalid_url"),
        (refused, f"socket://{refused}", "refused"),
    ):
        ui.enter_port(flow, name)
        said = plain(ui.texts["config"]["error"][error], device=device)
        expect(flow.get_by_text(said)).to_be_visible()
        assert ui.complaints(flow) == []
        ui.shot(error)
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
