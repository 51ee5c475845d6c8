"""Do simulated readers come through a real broker, and through its restarts?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import islice, pairwise
from unittest.mock import patch

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.han_port.protocol import Decoder, MeterReading
from custom_components.han_port.protocol.envelope import Envelope
from custom_components.han_port.search import search
from homeassistant.components.mqtt import is_connected
from homeassistant.core import HomeAssistant
from simulator import create
from simulator.readers import BATCHES_AFTER, READERS, Reader, other_topics, serve_mqtt

from .broker import Broker, broker_fixture  # noqa: F401
from .conftest import METER, make_entry, set_up, state

START = datetime(2026, 1, 15, 18, tzinfo=UTC)
PATIENCE = 30  # seconds until a test that hangs fails; none waits for it


@pytest.fixture(name="expected_lingering_timers")
def _expected_lingering_timers() -> bool:
    """Let the timers of the MQTT integration be: it has no end of its own in a test."""
    return True


async def until(hass: HomeAssistant, holds: Callable[[], bool]) -> None:
    """Wait until something holds."""
    async with asyncio.timeout(PATIENCE):
        while not holds():
            await asyncio.sleep(0.01)
            await hass.async_block_till_done()


@pytest.fixture(name="mqtt")
async def _mqtt(hass: HomeAssistant, broker: Broker) -> AsyncIterator[None]:
    """Set up Home Assistant's own MQTT integration with the broker."""
    entry = MockConfigEntry(
        domain="mqtt",
        version=2,
        data={"broker": "127.0.0.1", "port": broker.port, "protocol": "5"},
        options={"birth_message": {}},
    )
    entry.add_to_hass(hass)
    with patch("homeassistant.config.load_yaml_config_file", return_value={}):
        assert await hass.config_entries.async_setup(entry.entry_id)
        await until(hass, lambda: is_connected(hass))
        yield
        await hass.config_entries.async_unload(entry.entry_id)


def shows(hass: HomeAssistant, power: str) -> bool:
    """Say whether this power is shown."""
    return state(hass, "active_power_import") == power


@asynccontextmanager
async def client(broker: Broker) -> AsyncIterator[Client]:
    """Be a client of the broker."""
    one = Client(CallbackAPIVersion.VERSION2)
    one.reconnect_delay_set(1, 1)
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, one.connect, "127.0.0.1", broker.port)
    one.loop_start()
    try:
        yield one
    finally:
        one.disconnect()
        await loop.run_in_executor(None, one.loop_stop)


@pytest.mark.parametrize("model", ["aidon-3p", "kamstrup-3p", "p1-se"])
@pytest.mark.parametrize("reader", READERS)
def test_same_as_over_tcp(model: str, reader: str) -> None:
    """Through each reader come just the readings that come over TCP, also in containers."""
    meter = create(model, seed=1)
    messages = list(islice(meter.messages(START), 600))
    stream = Decoder()
    expected = [
        outcome.result for _, frames in messages for outcome in stream.feed(frames)
    ]
    kind, envelope, decoder = Reader(reader), Envelope(), Decoder()
    found = [
        outcome.result
        for when, frames in messages
        for topic, payload, _ in kind.take((when - START).total_seconds(), frames)
        if topic == kind.listen_to
        for each in envelope.unwrap(payload, (when - START).total_seconds()).messages
        for outcome in decoder.decode(each.data)
    ]
    assert all(isinstance(each, MeterReading) for each in expected)
    assert len(found) > 550
    assert found == expected[: len(found)]
    assert messages[-1][0] - START > timedelta(seconds=BATCHES_AFTER)


@pytest.mark.parametrize("reader", READERS)
async def test_reader(
    hass: HomeAssistant, broker: Broker, mqtt: None, reader: str
) -> None:
    """Each simulated reader gives values; what the broker kept from last year does not."""
    meter = create("aidon-3p", seed=1)
    topic = Reader(reader).listen_to
    entry = await set_up(hass, make_entry(device=f"mqtt://{topic}"))
    coordinator = entry.runtime_data
    async with serve_mqtt(
        meter, port=broker.port, reader=reader, speed=60, start=START
    ):
        await until(hass, lambda: coordinator.counters["frames"] >= 20)
        assert float(state(hass, "active_power_import") or "nan") > 0
        if reader.startswith("amsreader"):
            # Two copies of each list came, and one counts
            assert coordinator.counters["frames"] < 40
    if Reader(reader).will:
        await until(hass, lambda: not coordinator.last_update_success)
        assert state(hass, "active_power_import") == "unavailable"
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_containers(
    hass: HomeAssistant, broker: Broker, mqtt: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pulse that turns to containers is shown on, once for each of them."""
    monkeypatch.setattr("simulator.readers.BATCHES_AFTER", 30)
    entry = await set_up(hass, make_entry(device="mqtt://$aws/tibber-pulse/1"))
    coordinator = entry.runtime_data
    shown: list[int] = []
    coordinator.async_add_listener(lambda: shown.append(coordinator.counters["frames"]))
    async with serve_mqtt(
        create("aidon-3p", seed=1),
        port=broker.port,
        reader="tibber-pulse",
        speed=60,
        start=START,
    ):
        await until(hass, lambda: coordinator.counters["frames"] >= 30)
        # When the reader ends it says that it is offline
        assert coordinator.counters["losses"] == 0
    collected = [after - before for before, after in pairwise(shown)]
    assert len([each for each in collected if each >= 8]) >= 2
    assert float(state(hass, "active_power_import") or "nan") > 0
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_found_among_a_thousand_topics(
    hass: HomeAssistant,
    broker: Broker,
    mqtt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Amid 1,000 topics with 200 messages a second exactly the meters are found."""
    monkeypatch.setattr("custom_components.han_port.search.SEARCH_SECONDS", 4)
    publish = other_topics(1000)
    async with client(broker) as busy:

        async def disturb() -> None:
            number = 0
            while True:
                for _ in range(20):
                    topic, payload, retain = publish(number)
                    busy.publish(topic, payload, retain=retain)
                    number += 1
                await asyncio.sleep(0.1)

        disturbing = asyncio.create_task(disturb())
        try:
            async with (
                serve_mqtt(
                    create("aidon-3p", seed=1),
                    port=broker.port,
                    reader="tibber-pulse",
                    speed=8,
                ),
                serve_mqtt(
                    create("kamstrup-3p", seed=2),
                    port=broker.port,
                    reader="amsreader-json",
                    speed=20,
                ),
                serve_mqtt(
                    create("p1-se", seed=3),
                    port=broker.port,
                    reader="energyintelligence",
                    speed=20,
                ),
            ):
                found = await search(hass, lambda part: None)
        finally:
            disturbing.cancel()
    ids = {device: heard.meter and heard.meter.id for device, heard in found.items()}
    assert ids.keys() == {
        "mqtt://$aws/tibber-pulse/1",
        "mqtt://amsreader/data",
        "mqtt://esp32_a1b2c3/raw",
    }
    assert ids["mqtt://$aws/tibber-pulse/1"] == create("aidon-3p", seed=1).id
    assert ids["mqtt://amsreader/data"] == create("kamstrup-3p", seed=2).id


async def test_restarts(
    hass: HomeAssistant,
    broker: Broker,
    mqtt: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After 20 restarts of the broker each list comes that is sent after the subscription."""
    monkeypatch.setattr(
        "homeassistant.components.mqtt.client.RECONNECT_INTERVAL_SECONDS", 0.1
    )
    options = {"publish": "every_reading"}  # small changes are waited for below
    entry = await set_up(hass, make_entry(device="mqtt://meter", options=options))
    coordinator = entry.runtime_data
    subscribed = hass.data["mqtt"].client
    tasks = len(asyncio.all_tasks())
    for number in range(20):
        await broker.stop()
        await until(hass, lambda: not subscribed.connected)
        await until(hass, lambda: not coordinator.connected)
        await broker.start()
        await until(
            hass,
            lambda: (
                subscribed.connected
                and subscribed.is_active_subscription("meter")
                and not subscribed._pending_subscriptions
                and not subscribed._pending_operations
            ),
        )
        last = str(float(100 * number + 4))
        async with client(broker) as sender:
            for power in range(5):
                data = METER.list(2, active_power_import=100 * number + power)
                sender.publish("meter", data, qos=1).wait_for_publish(PATIENCE)
            await until(hass, partial(shows, hass, last))
        assert coordinator.counters["frames"] == 5 * number + 5
    assert coordinator.counters["connects"] == 1
    await until(hass, lambda: len(asyncio.all_tasks()) <= tasks)
    assert await hass.config_entries.async_unload(entry.entry_id)
