"""What the tests in Home Assistant share: a port in memory, a meter, an entry for it."""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import UTC, datetime, timedelta
import logging
import re
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_test_home_assistant,
)

from custom_components.han_port.const import DOMAIN
from homeassistant.bootstrap import async_load_base_functionality
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.entity import Entity
from homeassistant.loader import DATA_CUSTOM_COMPONENTS
from homeassistant.util import dt as dt_util
import simulator

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
DEVICE = "/dev/serial/by-id/usb-HAN"


class Sender:
    """A simulated meter that sends what a test wants."""

    def __init__(self, name: str, seed: int = 1) -> None:
        """Take the model, and the seed of the identity."""
        self._meter = simulator.create(name, seed=seed)
        self.id = self._meter.id

    def list(self, kind: int, **values: float) -> bytes:
        """Give list `kind` on the wire, with these values instead of its own."""
        known = self._meter.values(self._meter.moment(NOON, kind))
        return self._meter.model.layout.frames(kind, {**known, **values}, NOON)


METER = Sender("aidon-3p")


class Port:
    """Stands in for what serialx makes of a URL."""

    def __init__(self) -> None:
        """Start closed, with nothing to read."""
        self.failure: Exception | None = None
        self.settings: dict[str, Any] = {}
        self.times_opened = 0
        self.is_open = False
        self._chunks: deque[bytes | Exception] = deque()
        self._more = asyncio.Event()
        self._done = asyncio.Event()

    async def open(self) -> None:
        """Open the port; nobody can have it twice."""
        if self.failure is not None:
            raise self.failure
        assert not self.is_open
        self.is_open = True
        self.times_opened += 1

    async def close(self) -> None:
        """Close the port."""
        self.is_open = False
        self._done.set()

    async def reconfigure_port(self, **settings: Any) -> None:
        """Set the line otherwise."""
        assert self.is_open
        self.settings = settings

    async def read(self, count: int) -> bytes:
        """Give what was sent, b"" for the end of the link."""
        if not self._chunks:
            self._done.set()
            self._more.clear()
            await self._more.wait()
        chunk = self._chunks.popleft()
        if isinstance(chunk, Exception):
            raise chunk
        if len(chunk) > count:
            self._chunks.appendleft(chunk[count:])
        return chunk[:count]

    def put(self, *chunks: bytes | Exception) -> None:
        """Send these: b"" ends the link, an error breaks it."""
        self._chunks.extend(chunks)
        self._done.clear()
        self._more.set()

    async def read_all(self) -> None:
        """Wait until all that was sent is dealt with."""
        await self._done.wait()


@pytest.fixture(autouse=True)
def _find_the_integration(request: pytest.FixtureRequest) -> None:
    """Let Home Assistant find the integration; the recorder has to be there first."""
    if "boot" in request.fixturenames:
        return
    if "recorder_mock" in request.fixturenames:
        request.getfixturevalue("recorder_mock")
    request.getfixturevalue("enable_custom_integrations")


# How Home Assistant says that something will stop to work: `helpers.frame` and
# `helpers.deprecation` name the custom integration, its components name the entity
DEPRECATION = re.compile(
    r"deprecat|will be removed|will stop working|Detected that custom integration"
    r"|report (it|this) to the author of",
    re.IGNORECASE,
)


def deprecations(records: Iterable[logging.LogRecord]) -> list[str]:
    """Give what a log says of us that will stop to work in a later Home Assistant."""
    said = [record.getMessage() for record in records]
    return [each for each in said if "han_port" in each and DEPRECATION.search(each)]


@pytest.fixture(autouse=True)
def _nothing_deprecated(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail a test when Home Assistant logs that we use what will stop to work."""
    yield
    assert (
        deprecations([*caplog.get_records("setup"), *caplog.get_records("call")]) == []
    )


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no dialog wait for a browser, of which there is none."""
    monkeypatch.setattr("custom_components.han_port.flow.listen.LEAST_SECONDS", 0)


@pytest.fixture(autouse=True)
def _stored(hass_storage: dict[str, Any]) -> dict[str, Any]:
    """Keep what is stored in memory."""
    return hass_storage


@pytest.fixture(autouse=True)
def _after_noon(request: pytest.FixtureRequest) -> Iterator[None]:
    """Let every test begin 10 s after noon for the accounts, when hour lists come.

    Those that ask for `true_time` say themselves what time it is.
    """
    if "true_time" in request.fixturenames:
        yield
        return
    ahead = NOON + timedelta(seconds=10) - dt_util.utcnow()
    with patch(
        "custom_components.han_port.coordinator.utcnow",
        lambda: dt_util.utcnow() + ahead,
    ):
        yield


@pytest.fixture
def true_time() -> None:
    """Let the clock of the test be that of the accounts."""


@pytest.fixture(name="ports")
def _ports() -> Iterator[defaultdict[str, Port]]:
    """Give the port of each URL."""
    ports: defaultdict[str, Port] = defaultdict(Port)

    def for_url(url: str, **settings: Any) -> Port:
        ports[url].settings = settings
        return ports[url]

    with patch("serialx.async_serial_for_url", for_url):
        yield ports


@pytest.fixture(name="port")
def _port(ports: defaultdict[str, Port]) -> Port:
    """Give the port of `make_entry`."""
    return ports[DEVICE]


def make_entry(
    meter: Sender | None = METER,
    device: str = DEVICE,
    options: Any = None,
    **data: Any,
) -> MockConfigEntry:
    """Make the entry that the flow makes for an Aidon, which may have no id."""
    meter_id = meter.id if meter else None
    return MockConfigEntry(
        domain=DOMAIN,
        title="Aidon 6534",
        unique_id=meter_id,
        options=options,
        data={
            "device": device,
            "manufacturer": "Aidon",
            "meter_type": "6534",
            "meter_id": meter_id,
            "quantities": ["active_power_export", "active_power_import"],
            **data,
        },
    )


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Add an entry and load it."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.LOADED
    await hass.async_block_till_done()
    return entry


async def say(hass: HomeAssistant, port: Port, *chunks: bytes | Exception) -> None:
    """Send chunks on a port and wait for what Home Assistant makes of them."""
    assert port.is_open
    port.put(*chunks)
    await port.read_all()
    await hass.async_block_till_done()


async def wait(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seconds: float
) -> None:
    """Let time pass for clocks and timers, and a bit more, so that they are due."""
    freezer.tick(seconds + 0.001)
    for _ in range(5):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


def entity_id(
    hass: HomeAssistant,
    key: str,
    owner: str = METER.id,
    platform: Platform = Platform.SENSOR,
) -> str | None:
    """Name the entity of a key, None if there is none; the owner is a meter or entry."""
    registry = er.async_get(hass)
    return registry.async_get_entity_id(platform, DOMAIN, f"{owner}_{key}")


def state(hass: HomeAssistant, key: str, owner: str = METER.id) -> str | None:
    """Give the state of a sensor, None if there is no such entity or state."""
    name = entity_id(hass, key, owner)
    found = hass.states.get(name) if name else None
    return found.state if found else None


def connection(hass: HomeAssistant, owner: str = METER.id) -> str:
    """Give the state of the connection."""
    name = entity_id(hass, "connection", owner, Platform.BINARY_SENSOR)
    assert name is not None
    found = hass.states.get(name)
    assert found is not None
    return found.state


@pytest.fixture
def all_enabled() -> Iterator[None]:
    """Let entities be enabled that are not by default."""
    with patch.object(Entity, "entity_registry_enabled_default", True):
        yield


type Boot = Callable[[], Awaitable[HomeAssistant]]


@pytest.fixture(name="boot")
async def _boot(
    async_test_recorder: Callable[..., AbstractAsyncContextManager[object]],
    recorder_config: dict[str, Any] | None,
    hass_storage: dict[str, Any],
) -> AsyncIterator[Boot]:
    """Give a Home Assistant, to be started, on what those before it stored and recorded.

    It stops the one before. For tests with the parameter `persistent_database`.
    """
    running = AsyncExitStack()

    async def boot() -> HomeAssistant:
        await running.aclose()
        hass = await running.enter_async_context(
            async_test_home_assistant(
                load_registries=False, initial_state=CoreState.not_running
            )
        )
        hass.data.pop(DATA_CUSTOM_COMPONENTS)
        await async_load_base_functionality(hass)
        await hass.config.async_set_time_zone("Europe/Oslo")
        await running.enter_async_context(async_test_recorder(hass, recorder_config))
        running.push_async_callback(hass.async_stop)
        return hass

    yield boot
    await running.aclose()
