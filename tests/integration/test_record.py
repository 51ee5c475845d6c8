"""Does a recording hold every byte that the port receives, and its time?"""

import asyncio
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port import actions
from custom_components.han_port.const import DOMAIN
from homeassistant.core import HomeAssistant
from tests.integration.conftest import METER, Port, make_entry, say, set_up, wait


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
    task = await start(hass, seconds=10)
    await say(hass, port, METER.list(2))
    freezer.tick(2.5)
    await say(hass, port, b"\x00\xff", b"noise")
    await wait(hass, freezer, 7.5)
    await say(hass, port, b"after")
    assert await task == {
        "device": "/dev/serial/by-id/usb-HAN",
        "line": entry.data.get("line"),
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


async def test_bounded(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """What is more than a meter sends is cut off, and that is said."""
    await set_up(hass, make_entry())
    with patch.object(actions, "LARGEST_RECORD", 5):
        task = await start(hass, seconds=1)
        await say(hass, port, b"abc", b"defg", b"h")
        await wait(hass, freezer, 1)
    answer = await task
    assert answer["complete"] is False
    assert [bytes.fromhex(each["data"]) for each in answer["chunks"]] == [b"abc", b"de"]


@pytest.mark.parametrize("seconds", [0, 601, -1, "soon"])
async def test_seconds(hass: HomeAssistant, port: Port, seconds: Any) -> None:
    """It lasts from one second to ten minutes."""
    await set_up(hass, make_entry())
    with pytest.raises(Exception, match="seconds"):
        await hass.services.async_call(
            DOMAIN, "record", {"seconds": seconds}, blocking=True, return_response=True
        )
