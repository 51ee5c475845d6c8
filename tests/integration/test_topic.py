"""Does a meter that comes over MQTT show the same, and does its reader's absence show?"""

from datetime import UTC, datetime, timedelta
from itertools import batched, takewhile
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
)

from custom_components.han_port.accounting import Account
from custom_components.han_port.protocol import Decoder, MeterReading, Quantity
from custom_components.han_port.protocol.envelope import Contents
from custom_components.han_port.source import OpenFailure, SourceError
from custom_components.han_port.topic import QUEUE, device_of, open_device
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.helpers.dispatcher import async_dispatcher_send
from homeassistant.util.dt import get_default_time_zone
import simulator
from simulator.readers import batch

from .conftest import METER, connection, make_entry, set_up, state, wait

TOPIC = "$aws/tibber-pulse/1"
LISTS = METER.list(2, active_power_import=1500)


@pytest.fixture(name="expected_lingering_timers")
def _expected_lingering_timers() -> bool:
    """Let the timers of the MQTT integration be: it has no end of its own in a test."""
    return True


@pytest.fixture(name="entry")
async def _entry(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, mqtt_mock: Any
) -> MockConfigEntry:
    return await set_up(hass, make_entry(device=f"mqtt://{TOPIC}"))


async def publish(
    hass: HomeAssistant,
    payload: bytes | str,
    topic: str = TOPIC,
    *,
    retain: bool = False,
) -> None:
    """Publish a payload and wait for what becomes of it."""
    async_fire_mqtt_message(hass, topic, payload, retain=retain)
    await hass.async_block_till_done(wait_background_tasks=False)
    for _ in range(5):
        await hass.async_block_till_done()


@pytest.mark.parametrize(
    "payload",
    [LISTS, LISTS[1:-1], LISTS.hex().encode(), b'{"data":"%s"}' % LISTS.hex().encode()],
    ids=["bytes", "no flags", "hex", "json"],
)
async def test_values(
    hass: HomeAssistant, entry: MockConfigEntry, payload: bytes
) -> None:
    """Each form of a list gives the values that it gives on a port."""
    assert connection(hass) == "off"
    await publish(hass, payload)
    assert state(hass, "active_power_import") == "1500.0"
    assert connection(hass) == "on"


async def test_retained_messages_are_old(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """What the broker kept is not what the meter says now."""
    await publish(hass, LISTS, retain=True)
    assert state(hass, "active_power_import") in (None, "unavailable")


async def test_what_is_no_list_changes_nothing(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """What a reader says about itself is kept, and is neither a value nor an error."""
    await publish(hass, LISTS)
    errors = entry.runtime_data.counters.copy()
    await publish(hass, b"Debug: No HAN data")
    await publish(hass, b"\xff" * 100_000)
    assert state(hass, "active_power_import") == "1500.0"
    assert entry.runtime_data.counters == errors
    assert entry.runtime_data.said.said == "too_long"


async def test_last_will(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """A reader that is gone makes the values unavailable at once, and its next list brings them back."""
    await publish(hass, LISTS)
    await publish(hass, b"offline", f"{TOPIC}/status", retain=True)
    assert state(hass, "active_power_import") == "unavailable"
    assert connection(hass) == "off"
    await wait(hass, freezer, 300)
    await publish(hass, b"online", f"{TOPIC}/status")
    assert state(hass, "active_power_import") == "unavailable"
    await publish(hass, LISTS)
    assert state(hass, "active_power_import") == "1500.0"
    assert entry.runtime_data.counters["connects"] == 1


async def test_broker_down(
    hass: HomeAssistant,
    entry: MockConfigEntry,
    mqtt_mock: Any,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A broker that is gone does the same, and no subscription is given up meanwhile."""
    for _ in range(20):
        await publish(hass, LISTS)
        assert state(hass, "active_power_import") == "1500.0"
        async_dispatcher_send(hass, "mqtt_connection_state", False)
        await hass.async_block_till_done()
        assert state(hass, "active_power_import") == "unavailable"
        await wait(hass, freezer, 300)
        async_dispatcher_send(hass, "mqtt_connection_state", True)
        await hass.async_block_till_done()
    await publish(hass, LISTS)
    assert state(hass, "active_power_import") == "1500.0"
    assert entry.runtime_data.counters["connects"] == 1


async def test_silence(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """A reader that says nothing makes the values unavailable, and is still listened to."""
    await publish(hass, LISTS)
    await wait(hass, freezer, 121)
    assert state(hass, "active_power_import") == "unavailable"
    await wait(hass, freezer, 2)
    await publish(hass, LISTS)
    assert state(hass, "active_power_import") == "1500.0"


@pytest.mark.usefixtures("true_time")
async def test_containers_across_the_full_hour(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, mqtt_mock: Any
) -> None:
    """What a Pulse kept is accounted when the meter sent it, and shown once a container."""
    start = datetime(2026, 1, 15, 17, 55, 3, tzinfo=UTC)
    full_hour, end = start.replace(hour=18, minute=0, second=0), timedelta(minutes=10)
    freezer.move_to(start)
    meter = simulator.create("aidon-3p", seed=1)
    entry = await set_up(hass, make_entry(METER, f"mqtt://{TOPIC}"))
    account, expected = entry.runtime_data.account, Account(get_default_time_zone())
    shown: list[float | None] = []
    entry.runtime_data.async_add_listener(lambda: shown.append(account.hour.energy))

    sent = takewhile(lambda each: each[0] < start + end, meter.messages(start))
    containers = list(batched(sent, 8, strict=False))
    for number, container in enumerate(containers):
        freezer.move_to(container[-1][0])
        uptimes = [((when - start).total_seconds(), each) for when, each in container]
        await publish(hass, batch(uptimes))
        for when, frames in container:
            for outcome in Decoder().decode(frames):
                assert isinstance(outcome.result, MeterReading)
                expected.advance(when, outcome.result)
        assert len(shown) == number + 1
        assert account.hour.start == expected.hour.start
        assert account.hour.energy == pytest.approx(expected.hour.energy, abs=1e-6)

    assert any(each[0][0] < full_hour < each[-1][0] for each in containers)
    live = account.counters[Quantity.ENERGY_IMPORT]
    same = expected.counters[Quantity.ENERGY_IMPORT]
    assert live.integral > 0.02
    assert live.integral == pytest.approx(same.integral, abs=1e-6)
    assert live.counter is not None
    assert live.total == pytest.approx(same.total, abs=1e-6)
    assert live.at(full_hour) == pytest.approx(same.at(full_hour), abs=1e-6)


async def test_turn_to_containers(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """A Pulse that begins to collect is not silent, also if it does so for a minute each time."""
    for _ in range(20):
        await publish(hass, LISTS)
        await wait(hass, freezer, 2)
    for _ in range(20):
        await wait(hass, freezer, 58)
        assert state(hass, "active_power_import") == "1500.0"
        await publish(hass, batch([(2.0 * each, LISTS) for each in range(30)]))
        await wait(hass, freezer, 2)
    assert entry.runtime_data.counters["losses"] == 0
    await wait(hass, freezer, 6 * 60)
    assert state(hass, "active_power_import") == "unavailable"


async def test_silence_of_fast_meter(
    hass: HomeAssistant, entry: MockConfigEntry, freezer: FrozenDateTimeFactory
) -> None:
    """Without containers two minutes are silence, however fast the meter is."""
    for _ in range(20):
        await publish(hass, LISTS)
        await wait(hass, freezer, 2)
    await wait(hass, freezer, 115)
    assert state(hass, "active_power_import") == "1500.0"
    await wait(hass, freezer, 5)
    assert state(hass, "active_power_import") == "unavailable"


async def test_without_mqtt(hass: HomeAssistant) -> None:
    """Without the MQTT integration the entry waits for it, and says so."""
    entry = make_entry(device=f"mqtt://{TOPIC}")
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == "no_mqtt"


async def test_unload(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """With the entry its subscriptions end."""
    coordinator = entry.runtime_data
    assert await hass.config_entries.async_unload(entry.entry_id)
    await publish(hass, LISTS)
    assert coordinator.counters["frames"] == 0


async def test_flood(hass: HomeAssistant, mqtt_mock: Any) -> None:
    """Of more than can wait the newest are kept."""
    async with open_device(hass, f"mqtt://{TOPIC}", None) as chunks:
        for number in range(QUEUE + 5):
            async_fire_mqtt_message(hass, TOPIC, b"%d" % number)
        await hass.async_block_till_done()
        first = await anext(chunks)
        assert isinstance(first, Contents)
        assert first.text == "5"


@pytest.mark.parametrize("text", ["", "  ", "meter/#", "a/+/b", "a\0b", "x" * 70_000])
def test_no_topic(text: str) -> None:
    """What nothing can be published to is no topic."""
    with pytest.raises(SourceError) as caught:
        device_of(text)
    assert caught.value.reason is OpenFailure.INVALID_URL


@pytest.mark.parametrize("text", ["$aws/things/x", "/meter", " p1/raw "])
def test_topic(text: str) -> None:
    """A topic may begin with a dollar or a slash."""
    assert device_of(text) == f"mqtt://{text.strip()}"
