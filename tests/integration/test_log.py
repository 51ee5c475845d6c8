"""Is the log quiet: a line when the meter falls silent, a line when it is back?"""

import errno
import logging

from freezegun.api import FrozenDateTimeFactory
import pytest

from homeassistant.core import HomeAssistant
import simulator
from simulator.faults import FAULTS, Stage
from simulator.serve import TELNET
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    connection,
    make_entry,
    say,
    set_up,
    wait,
)

LIST = METER.list(2)
# What a fault of the link is to its reader; the others change what is sent.
LINK: dict[str, list[bytes | Exception]] = {
    "dribble": [LIST[at : at + 1] for at in range(len(LIST))],
    "stall": [],
    "close": [b""],
    "reset": [ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")],
    "half-open": [],
    "refuse": [b""],
    "down": [OSError(errno.EIO, "Input/output error")],
    "banner": [b"ser2net port tcp,2000\r\n"],
    "busy": [b"Port already in use\r\n", b""],
    "one-reader": [b""],
    "telnet": [TELNET],
    "hour-list-first": [METER.list(3)],
}


def sent(fault: str) -> list[bytes | Exception]:
    """Give what a reader gets of a minute around the full hour with a fault."""
    if FAULTS[fault].stage is Stage.LINK:
        return LINK[fault]
    meter = simulator.create("aidon-3p", seed=1, faults=[fault])
    assert meter.id == METER.id
    return [frame for _, frame in meter.messages(NOON, NOON.replace(minute=1))]


@pytest.mark.parametrize("fault", FAULTS)
async def test_twice_an_outage(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    fault: str,
) -> None:
    """Whatever goes wrong, however often, is said once, and once that it is over."""
    caplog.set_level(logging.INFO)
    await set_up(hass, make_entry())
    await say(hass, port, LIST)
    chunks = sent(fault)
    # Each attempt meets the same.
    for _ in range(3):
        for chunk in chunks:
            await say(hass, port, chunk)
        if fault in ("refuse", "down"):
            port.failure = ConnectionRefusedError(errno.ECONNREFUSED, "Refused")
        await wait(hass, freezer, 125)
        await wait(hass, freezer, 60)
        port.failure = None
        while not port.is_open:
            await wait(hass, freezer, 60)
    await say(hass, port, LIST)
    assert connection(hass) == "on"
    said = [each for each in caplog.records if each.name.startswith("custom_comp")]
    assert {each.levelno for each in said} <= {logging.INFO}
    outages = sum("silent" in each.getMessage() for each in said)
    assert len(said) <= 2 * outages
    assert METER.id not in "".join(each.getMessage() for each in said)


async def test_comes_and_goes(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A link that comes and goes is said once an hour, and each silence that lasts."""
    caplog.set_level(logging.INFO)
    await set_up(hass, make_entry())

    def said() -> list[str]:
        texts = [each.getMessage() for each in caplog.records if "custom" in each.name]
        caplog.clear()
        return [text.partition("usb-HAN ")[2] for text in texts]

    for _ in range(10):
        await say(hass, port, LIST, b"")
        await wait(hass, freezer, 2)
    await say(hass, port, LIST)
    assert said() == ["is silent: the connection was closed", "is sending again"]
    await say(hass, port, b"")
    port.failure = ConnectionRefusedError(errno.ECONNREFUSED, "Refused")
    for _ in range(9):
        await wait(hass, freezer, 60)
    assert said() == []
    for _ in range(3):
        await wait(hass, freezer, 60)
    assert said() == ["is silent: [Errno 111] Refused"]
    port.failure = None
    await wait(hass, freezer, 60)
    await say(hass, port, LIST)
    assert said() == ["is sending again"]
