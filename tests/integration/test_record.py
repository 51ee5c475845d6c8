"""Does a recording hold every byte that the port receives, and its time?"""

import asyncio
from datetime import timedelta
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message
from pytest_homeassistant_custom_component.typing import MqttMockHAClient

from custom_components.han_port import actions
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.protocol import Decoder, MeterReading, decode
from homeassistant.core import HomeAssistant
import simulator
from simulator.frames import LLC
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    Sender,
    make_entry,
    say,
    set_up,
    wait,
)


async def start(hass: HomeAssistant, **data: Any) -> asyncio.Task[Any]:
    """Begin to record."""
    task = hass.async_create_background_task(
        hass.services.async_call(
            DOMAIN, "record", data, blocking=True, return_response=True
        ),
        "record",
    )
    for _ in range(5):
        await asyncio.sleep(0)
    return task


async def test_record(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Chunks come as they were received, from the start to the end and no longer."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, b"before")
    task = await start(hass, seconds=10, masked=False)
    await say(hass, port, METER.list(2))
    freezer.tick(2.5)
    await say(hass, port, b"\x00\xff", b"noise")
    await wait(hass, freezer, 7.5)
    await say(hass, port, b"after")
    assert await task == {
        "device": "/dev/serial/by-id/usb-HAN",
        "line": entry.data.get("line"),
        "masked": False,
        "complete": True,
        "chunks": [
            {"time": 0.0, "data": METER.list(2).hex()},
            {"time": 2.5, "data": "00ff"},
            {"time": 2.5, "data": b"noise".hex()},
        ],
    }
    assert not entry.runtime_data.chunk_listeners


async def test_silent(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A minute of silence is an answer too, also across a link that was lost."""
    await set_up(hass, make_entry())
    task = await start(hass)
    await say(hass, port, b"")
    await wait(hass, freezer, 59)
    assert not task.done()
    await say(hass, port, b"\x7e")
    await wait(hass, freezer, 1)
    assert (await task)["chunks"] == [{"time": 59.001, "data": "7e"}]


@pytest.mark.parametrize(
    ("limit", "most", "kept", "complete"),
    [
        ("LARGEST_RECORD", 5, [b"abc", b"de"], False),
        ("LARGEST_RECORD", 8, [b"abc", b"defg", b"h"], True),
        ("MOST_CHUNKS", 2, [b"abc", b"defg"], False),
        ("MOST_CHUNKS", 3, [b"abc", b"defg", b"h"], True),
    ],
)
async def test_bounded(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    *,
    limit: str,
    most: int,
    kept: list[bytes],
    complete: bool,
) -> None:
    """What is more than a meter sends is cut off, and that is said."""
    await set_up(hass, make_entry())
    with patch.object(actions, limit, most):
        task = await start(hass, seconds=1)
        await say(hass, port, b"abc", b"defg", b"h")
        await wait(hass, freezer, 1)
    answer = await task
    assert answer["complete"] is complete
    assert [bytes.fromhex(each["data"]) for each in answer["chunks"]] == kept


async def test_unloaded(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Of a meter that is unloaded meanwhile there is what came until then."""
    entry = await set_up(hass, make_entry())
    task = await start(hass, seconds=10, masked=False)
    await say(hass, port, b"a")
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert not port.is_open
    await wait(hass, freezer, 10)
    assert [each["data"] for each in (await task)["chunks"]] == [b"a".hex()]


async def test_stopped(hass: HomeAssistant, port: Port) -> None:
    """A Home Assistant that stops does not wait for the end of a recording."""
    entry = await set_up(hass, make_entry())
    task = await start(hass, seconds=600)
    async with asyncio.timeout(10):
        await hass.async_stop()
    assert task.cancelled()
    assert not port.is_open
    assert not entry.runtime_data.chunk_listeners


@pytest.mark.parametrize("name", ["aidon-3p", "kamstrup-3p", "kaifa-at", "dsmr5"])
async def test_masked(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, name: str
) -> None:
    """Identities are masked at equal length wherever a chunk ends, and frames stay whole."""
    meter = simulator.create(name, seed=123456789)
    keys = (
        {
            "encryption_key": meter.encryption_key.hex(),
            "authentication_key": meter.authentication_key.hex(),
        }
        if meter.model.cipher
        else {}
    )
    await set_up(hass, make_entry(None, meter_id=meter.id, **keys))
    sent = meter.message(NOON, 2)
    # The end of a list that had begun, whole ones, and one that is cut off in its id
    at = sent.find(meter.id.encode()) + 9
    stream = (
        sent[-(len(sent) // 2) :]
        + sent
        + meter.message(NOON + timedelta(seconds=10), 2)
        + sent[:at]
    )
    chunks = [stream[start : start + 37] for start in range(0, len(stream), 37)]
    task = await start(hass, seconds=1)
    await say(hass, port, *chunks)
    await wait(hass, freezer, 1)
    answer = await task
    assert answer["masked"] is True
    recorded = [bytes.fromhex(each["data"]) for each in answer["chunks"]]
    assert [len(each) for each in recorded] == [len(each) for each in chunks]
    whole = b"".join(recorded)
    for half in (meter.id[len(meter.id) // 2 :], meter.id[len(meter.id) // 2 - 1 :]):
        assert half.encode() not in whole
        assert half.encode().hex().upper().encode() not in whole
    assert whole != stream
    read, original = (
        [each.result for each in Decoder(**binary(keys)).feed(data)]
        for data in (whole, stream)
    )
    if not meter.model.cipher:
        assert [each.values for each in read if isinstance(each, MeterReading)] == [
            each.values for each in original if isinstance(each, MeterReading)
        ]
    assert any(isinstance(each, MeterReading) for each in original)


def binary(keys: dict[str, str]) -> dict[str, bytes]:
    """Give keys as the decoder takes them."""
    return {name: bytes.fromhex(key) for name, key in keys.items()}


@pytest.mark.parametrize("at", range(4, 16))
async def test_cut_in_the_id(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, at: int
) -> None:
    """A recording that begins or ends inside the id does not give the rest away."""
    meter = Sender("aidon-3p", seed=987654321)
    await set_up(hass, make_entry(meter))
    frame = meter.list(2)
    place = frame.index(meter.id.encode())
    for part in (frame[place + 16 - at :], frame[: place + at]):
        task = await start(hass, seconds=1)
        await say(hass, port, part)
        await wait(hass, freezer, 1)
        (chunk,) = (await task)["chunks"]
        masked = bytes.fromhex(chunk["data"])
        assert len(masked) == len(part)
        # The maker is in the first half.
        assert meter.id[-4:].encode() not in masked
        assert meter.id[7:9].encode() not in masked[place : place + 16]


async def test_device_is_masked(
    hass: HomeAssistant, ports: dict[str, Port], freezer: FrozenDateTimeFactory
) -> None:
    """The host of a bridge is left out, unless a person wants everything."""
    await set_up(hass, make_entry(None, "socket://192.0.2.1:6638"))
    for masked, shown in (
        (True, "socket://**REDACTED**:6638"),
        (False, "socket://192.0.2.1:6638"),
    ):
        task = await start(hass, seconds=1, masked=masked)
        await wait(hass, freezer, 1)
        answer = await task
        assert (answer["device"], answer["chunks"]) == (shown, [])


async def test_two_at_once(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Each has all of its own time, also while the entry is loaded anew."""
    entry = await set_up(hass, make_entry())
    long = await start(hass, seconds=10, masked=False)
    await say(hass, port, b"a")
    short = await start(hass, seconds=2, masked=False)
    await say(hass, port, b"b")
    await wait(hass, freezer, 2)
    await say(hass, port, b"c")
    assert [each["data"] for each in (await short)["chunks"]] == [b"b".hex()]
    assert await hass.config_entries.async_reload(entry.entry_id)
    await wait(hass, freezer, 8)
    answer = await long
    assert [each["data"] for each in answer["chunks"]] == [
        each.hex() for each in (b"a", b"b", b"c")
    ]
    assert not entry.runtime_data.chunk_listeners


@pytest.mark.parametrize("masked", [True, False])
async def test_mqtt(
    hass: HomeAssistant,
    mqtt_mock: MqttMockHAClient,
    freezer: FrozenDateTimeFactory,
    masked: bool,
) -> None:
    """Of a reader on MQTT each payload is a chunk: what was in it, without its wrapping."""
    await set_up(hass, make_entry(device="mqtt://han/kitchen"))
    task = await start(hass, seconds=5, masked=masked)
    frame = METER.list(2)
    body = frame[9:-3].removeprefix(LLC)
    for payload in (frame, b'{"data": "%b"}' % METER.list(1).hex().encode(), b"{}"):
        async_fire_mqtt_message(hass, "han/kitchen", payload)
    await hass.async_block_till_done()
    await wait(hass, freezer, 2)
    async_fire_mqtt_message(hass, "han/kitchen", body)
    await hass.async_block_till_done()
    await wait(hass, freezer, 3)
    answer = await task
    assert answer["device"] == (
        "mqtt://**REDACTED**" if masked else "mqtt://han/kitchen"
    )
    assert answer["line"] is None
    chunks = [bytes.fromhex(each["data"]) for each in answer["chunks"]]
    assert [each["time"] for each in answer["chunks"]] == [0.0, 0.0, 2.001]
    assert (METER.id.encode() in chunks[0]) is not masked
    assert (METER.id.encode() in chunks[2]) is not masked
    if not masked:
        assert chunks == [frame, METER.list(1), body]
    for chunk, sent in zip(chunks, (frame, METER.list(1), body), strict=True):
        (read,), (original,) = decode(chunk), decode(sent)
        assert isinstance(read.result, MeterReading)
        assert isinstance(original.result, MeterReading)
        assert read.result.values == original.result.values


@pytest.mark.parametrize("seconds", [0, 601, -1, "soon"])
async def test_seconds(hass: HomeAssistant, port: Port, seconds: Any) -> None:
    """It lasts from one second to ten minutes."""
    await set_up(hass, make_entry())
    with pytest.raises(Exception, match="seconds"):
        await hass.services.async_call(
            DOMAIN, "record", {"seconds": seconds}, blocking=True, return_response=True
        )
