"""What the tests in a browser share: a real Home Assistant, its frontend, simulated meters.

Run by `scripts/test --browser`, in a run of its own: the plugin that the other tests have
for Home Assistant forbids sockets.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager, contextmanager
from functools import partial
import json
import os
from pathlib import Path
import shutil
from typing import Any

import aiohttp
from anyio.from_thread import BlockingPortal, start_blocking_portal
from playwright.sync_api import Browser, sync_playwright
import pytest

from scripts import demo
from simulator import SimulatedMeter, create, serve_pty, serve_tcp

from .ui import FLAGS, ROOT, Ui, chromium, free_port

CONFIGURATION = (
    demo.CONFIGURATION
    + """\
automation: !include automations.yaml
blueprint:
input_boolean:
  heater:
    name: Heater
  boiler:
    name: Boiler
template:
  switch:
    - name: Water heater
      default_entity_id: switch.water_heater
      state: "{{ is_state('input_boolean.boiler', 'on') }}"
      turn_on:
        action: input_boolean.turn_on
        target: {entity_id: input_boolean.boiler}
      turn_off:
        action: input_boolean.turn_off
        target: {entity_id: input_boolean.boiler}
"""
)


class Server:
    """A Home Assistant with an owner, for tests that are not asynchronous."""

    def __init__(self, portal: BlockingPortal, api: demo.Api, home: Path) -> None:
        """Take the thread that serves it, its interface, and its folder."""
        self.portal = portal
        self.api = api
        self.home = home

    def rest(self, method: str, path: str, **body: Any) -> Any:
        """Make one call, give its JSON."""
        return self.portal.call(partial(self.api.rest, method, path, **body))

    def command(self, kind: str, **fields: Any) -> Any:
        """Send one websocket command, give its result."""
        return self.portal.call(partial(self.api.command, kind, **fields))

    def until[T](self, what: str, probe: Callable[[], T], seconds: float = 60) -> T:
        """Probe until the answer is true, and give it; DemoError after so many seconds."""

        async def ask() -> T:
            return await asyncio.to_thread(probe)

        return self.portal.call(partial(demo.until, what, ask, seconds))

    def states(self) -> dict[str, str]:
        """Give the state of each entity, by its id."""
        return {
            each["entity_id"]: each["state"] for each in self.rest("GET", "/api/states")
        }

    def entities(self) -> dict[str, str]:
        """Give the entity id of each enabled entity of the meter, by its quantity."""
        return self.portal.call(demo.entities, self.api)

    def value(self, quantity: str) -> str:
        """Give the value of a quantity when there is one."""

        def known() -> str | None:
            state = self.states().get(self.entities().get(quantity, ""))
            return None if state in ("unknown", "unavailable") else state

        return self.until(f"a value of {quantity}", known) or ""

    def entries(self) -> list[dict[str, Any]]:
        """Give our entries."""
        listed: list[dict[str, Any]] = self.command(
            "config_entries/get", domain="han_port"
        )
        return listed

    def unique_ids(self) -> set[str]:
        """Give the unique ids of our entities."""
        listed = self.command("config/entity_registry/list")
        return {each["unique_id"] for each in listed if each["platform"] == "han_port"}

    def repairs(self) -> list[dict[str, Any]]:
        """Give our issues."""
        issues = self.command("repairs/list_issues")["issues"]
        return [each for each in issues if each["domain"] == "han_port"]

    def stored(self, key: str) -> Any:
        """Give what is on the disk under a key; Home Assistant writes with a delay."""
        return json.loads((self.home / ".storage" / key).read_text())["data"]

    def clear(self) -> None:
        """Remove our entries, and the dialogs that are open."""
        for entry in self.entries():
            self.rest("DELETE", f"/api/config/config_entries/entry/{entry['entry_id']}")

    @contextmanager
    def meter(
        self, name: str, *faults: str, port: int = 0, speed: float = 1, seed: int = 0
    ) -> Iterator[tuple[SimulatedMeter, int]]:
        """Serve a simulated meter over TCP; give it and its port."""
        meter = create(name, seed=seed, faults=faults)
        serving = serve_tcp(meter, port=port, speed=speed)
        with self.portal.wrap_async_context_manager(serving) as bound:
            yield meter, bound

    @contextmanager
    def serial(self, name: str, *faults: str) -> Iterator[str]:
        """Serve a simulated meter on a serial port that is none; give its path."""
        serving = serve_pty(create(name, faults=faults))
        with self.portal.wrap_async_context_manager(serving) as path:
            yield path

    def add(self, port: int) -> None:
        """Add the meter on a port, as the demo does."""
        self.portal.call(demo.add_meter, self.api, port, None)
        self.value("net_power")


def _impatient(folder: Path) -> Path:
    """Give a copy of the integration that waits seconds, not minutes, until a repair."""
    copied = folder / "components"
    shutil.copytree(ROOT / "custom_components", copied)
    watch = copied / "han_port/watch.py"
    text = watch.read_text()
    for patient, impatient in (("LOOK = 60", "LOOK = 1"), ("LASTS = 600", "LASTS = 5")):
        assert text.count(patient) == 1
        text = text.replace(patient, impatient)
    watch.write_text(text)
    return copied


@asynccontextmanager
async def _running(folder: Path, home: Path) -> AsyncIterator[demo.Api]:
    (home / "automations.yaml").write_text("[]\n")
    port = free_port()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(
            demo.home_assistant(port, home, CONFIGURATION, _impatient(folder))
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = demo.Api(session, f"http://127.0.0.1:{port}")
        await demo.until("the start", lambda: demo.answers(api), 180)
        await demo.onboard(api)
        await demo.until("its parts", lambda: demo.is_running(api), 180)
        yield api


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a Home Assistant that was just installed, with what is in FOLDER/home."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(_running(folder, home)) as api,
    ):
        yield Server(portal, api, home)


@pytest.fixture(name="server", scope="session")
def _server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Give one for all tests that need no other."""
    with running(tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture(name="browser", scope="session")
def _browser() -> Iterator[Browser]:
    """Give a browser without windows."""
    try:
        path = chromium()
    except FileNotFoundError as error:
        if os.environ.get("HAN_PORT_BROWSER"):
            pytest.fail(str(error))
        pytest.skip(str(error))
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(name="login", scope="session")
def _login(server: Server, browser: Browser) -> Any:
    """Log in as a person does, and give what the browser keeps of it."""
    with Ui(browser, server.api.url) as ui:
        ui.log_in(**demo.LOGIN)
        return ui.context.storage_state()


@pytest.fixture(name="open_ui", scope="session")
def _open_ui(
    server: Server, browser: Browser, login: Any
) -> Iterator[Callable[[str], Ui]]:
    """Give what opens a browser of a language, on a Home Assistant of that language."""
    with ExitStack() as stack:
        opened: dict[str, Ui] = {}

        def open_ui(language: str) -> Ui:
            server.command("config/core/update", language=language)
            if language not in opened:
                opened[language] = stack.enter_context(
                    Ui(browser, server.api.url, language, login)
                )
            opened[language].begin()
            return opened[language]

        yield open_ui


@pytest.fixture(name="ui", params=["en", "nb"])
def _ui(
    server: Server, open_ui: Callable[[str], Ui], request: pytest.FixtureRequest
) -> Iterator[Ui]:
    """Give the browser of each language; nothing may go wrong in its page meanwhile."""
    ui = open_ui(request.param)
    yield ui
    ui.shot("last")
    server.clear()
    assert ui.errors == []


@pytest.fixture(name="english")
def _english(server: Server, open_ui: Callable[[str], Ui]) -> Iterator[Ui]:
    """Give the browser in English alone, for what is not of our making."""
    ui = open_ui("en")
    yield ui
    ui.shot("last")
    server.clear()
    assert ui.errors == []
