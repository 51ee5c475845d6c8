"""Is what the meter said last shown, and only while the meter is heard?"""

import asyncio
from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
import errno
import logging
from pathlib import Path
from random import Random
from unittest.mock import Mock, patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
import serialx

from custom_components.han_port import coordinator
from custom_components.han_port.protocol import (
    Decoder,
    Meter,
    MeterReading,
    Outcome,
    Quantity,
)
from homeassistant.components.usb import USBDevice
from homeassistant.const import ATTR_ENTITY_ID
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
import simulator
from tests.integration.conftest import (
    DEVICE,
    METER,
    NOON,
    Port,
    Sender,
    connection,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)

OTHER = Sender("aidon-3p", seed=2)
# The first list is not that of the hour, of which only the counters count
PAST_NOON = NOON + timedelta(minutes=1)
UNPLUGGED = OSError(errno.EIO, "device disconnected")


@pytest.fixture(name="entry")
async def _entry(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> MockConfigEntry:
    """Set up the meter on the port in memory; timers go by frozen time from the start."""
    return await set_up(hass, make_entry())


@pytest.fixture(name="longest_delays", autouse=True)
def _longest_delays() -> Iterator[None]:
    """Take the randomness out of the time between attempts."""
    with patch.object(coordinator, "uniform", lambda low, high: high):
        yield


async def talk(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    seconds: float,
    times: int,
) -> None:
    """Send a list now and every so many seconds."""
    for count in range(times):
        if count:
            await wait(hass, freezer, seconds)
        await say(hass, port, METER.list(2))
    assert connection(hass) == "on"


@pytest.mark.usefixtures("entry")
async def test_lists_add_up(hass: HomeAssistant, port: Port) -> None:
    """A list changes what it holds and leaves the rest as it was."""
    await say(hass, port, METER.list(2, active_power_import=100, voltage_l1=231.5))
    assert connection(hass) == "on"
    assert state(hass, "active_power_import") == "100.0"
    assert state(hass, "voltage_l1") == "231.5"

    await say(hass, port, METER.list(1, active_power_import=200))
    assert state(hass, "active_power_import") == "200.0"
    assert state(hass, "voltage_l1") == "231.5"

    await say(hass, port, METER.list(3, active_power_import=300, energy_import=1234.56))
    assert state(hass, "active_power_import") == "300.0"
    assert state(hass, "energy_import") == "1234.56"


@pytest.mark.usefixtures("entry")
async def test_chunks(hass: HomeAssistant, port: Port) -> None:
    """Lists arrive byte by byte, and several at once."""
    lists = [METER.list(kind, active_power_import=100 * kind) for kind in (2, 1, 3)]
    for chunk in b"".join(lists):
        port.put(bytes([chunk]))
    await say(hass, port)
    assert state(hass, "active_power_import") == "300.0"

    lists = [METER.list(kind, active_power_import=kind) for kind in (3, 2, 1)]
    await say(hass, port, b"".join(lists))
    assert state(hass, "active_power_import") == "1.0"


async def test_counters(
    hass: HomeAssistant, port: Port, entry: MockConfigEntry
) -> None:
    """What arrived is counted by what became of it, and the last 20 are kept."""
    good = METER.list(2)
    bad = bytearray(good)
    bad[60] ^= 1
    await say(hass, port, good, bytes(bad), good, METER.list(1))
    counters = entry.runtime_data.counters
    assert counters == {
        "bytes": 3 * len(good) + len(METER.list(1)),
        "frames": 3,
        "connects": 1,
        "losses": 0,
        "other_meter": 0,
        "refused": 0,
        "crc": 1,
        "truncated": 0,
        "encrypted-no-key": 0,
        "wrong-key": 0,
        "unsupported": 0,
    }
    assert entry.runtime_data.recent[0].frame == good
    await say(hass, port, *[METER.list(1)] * 50)
    assert len(entry.runtime_data.recent) == 40
    assert entry.runtime_data.device == DEVICE


async def test_other_meter(
    hass: HomeAssistant, port: Port, entry: MockConfigEntry
) -> None:
    """Values of another meter are never shown, nor what it sends without its id."""
    await say(hass, port, OTHER.list(1, active_power_import=1))
    assert state(hass, "active_power_import") == "unavailable"
    await say(hass, port, OTHER.list(2, active_power_import=2))
    assert state(hass, "active_power_import") == "unavailable"
    assert connection(hass) == "off"

    await say(hass, port, METER.list(2, active_power_import=3))
    await say(hass, port, METER.list(1, active_power_import=44))
    assert state(hass, "active_power_import") == "44.0"

    await say(hass, port, OTHER.list(2, active_power_import=5))
    await say(hass, port, OTHER.list(1, active_power_import=6))
    assert state(hass, "active_power_import") == "44.0"
    assert entry.runtime_data.counters["other_meter"] == 4


@pytest.mark.usefixtures("entry")
async def test_other_meter_after_loss(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """On a new link the meter has to name itself again before its short lists count."""
    await say(hass, port, METER.list(2), b"")
    await wait(hass, freezer, 1)
    assert port.times_opened == 2
    await say(hass, port, METER.list(1))
    assert state(hass, "active_power_import") == "unavailable"
    await say(hass, port, METER.list(2, active_power_import=3))
    assert state(hass, "active_power_import") == "3.0"


@pytest.mark.usefixtures("entry")
async def test_kept_list(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Of an hour list that a bridge has kept for new readers only the counters are believed."""
    old = METER.list(3, active_power_import=9000, energy_import=1000)
    for count in range(2):
        await say(hass, port, old)
        assert state(hass, "energy_import") == "1000.0"
        assert state(hass, "active_power_import") == "unavailable"
        assert state(hass, "voltage_l1") in (None, "unavailable")
        await say(hass, port, METER.list(2, active_power_import=100))
        assert state(hass, "active_power_import") == "100.0"
        assert state(hass, "power_max_today") == ("100.0" if count == 0 else "300.0")
        await say(hass, port, METER.list(3, active_power_import=300))
        assert state(hass, "active_power_import") == "300.0"
        await say(hass, port, b"")
        await wait(hass, freezer, 1)


async def test_silence_of_other_meter(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Another meter on the line is no sign of life of ours."""
    await talk(hass, port, freezer, 10, 4)
    for _ in range(5):
        await wait(hass, freezer, 10)
        await say(hass, port, OTHER.list(2))
    assert connection(hass) == "on"
    await wait(hass, freezer, 10)
    assert connection(hass) == "off"
    assert entry.runtime_data.counters["losses"] == 1


@pytest.mark.parametrize(
    ("cadence", "silent_after"),
    [(1, 30), (2.5, 30), (5, 30), (10, 60), (15, 90), (60, 360)],
)
async def test_silence(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    cadence: float,
    silent_after: float,
) -> None:
    """A meter that misses many lists is silent: nothing is shown, the port is reopened."""
    await talk(hass, port, freezer, cadence, 6)
    assert entry.runtime_data.cadence == pytest.approx(cadence, abs=0.01)

    await wait(hass, freezer, silent_after - 0.5)
    assert connection(hass) == "on"
    assert state(hass, "voltage_l1") is not None
    assert state(hass, "voltage_l1") != "unavailable"

    await wait(hass, freezer, 1)
    assert connection(hass) == "off"
    assert state(hass, "active_power_import") == "unavailable"
    assert state(hass, "voltage_l1") == "unavailable"
    assert not entry.runtime_data.connected
    assert not port.is_open

    await wait(hass, freezer, 1)
    assert port.is_open
    assert port.times_opened == 2
    await say(hass, port, METER.list(2, active_power_import=321))
    assert connection(hass) == "on"
    assert state(hass, "active_power_import") == "321.0"


async def test_silence_of_collecting_bridge(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """A bridge that hands on a minute's lists at once is not silent in between."""
    for _ in range(5):
        for _ in range(6):
            await say(hass, port, METER.list(2))
        await wait(hass, freezer, 60)
        assert connection(hass) == "on"
    assert entry.runtime_data.cadence == pytest.approx(60, abs=0.01)
    assert port.times_opened == 1


async def test_cadence_of_noisy_line(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
) -> None:
    """Lists that are lost now and then do not change what is usual."""
    await talk(hass, port, freezer, 2.5, 8)
    for lost in (1, 2, 3):
        await wait(hass, freezer, 2.5 * lost)
        await talk(hass, port, freezer, 2.5, 4)
    assert entry.runtime_data.cadence == pytest.approx(2.5, abs=0.01)


async def test_silence_before_cadence(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
) -> None:
    """Two lists that happen to follow each other closely are no cadence yet."""
    await talk(hass, port, freezer, 2.5, 3)
    assert entry.runtime_data.cadence is None
    await wait(hass, freezer, 119)
    assert connection(hass) == "on"
    await wait(hass, freezer, 2)
    assert connection(hass) == "off"


async def test_meter_that_slows_down(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
) -> None:
    """A meter that comes to send less often is lost once, and then known anew."""
    await talk(hass, port, freezer, 2.5, 20)
    await wait(hass, freezer, 31)
    assert connection(hass) == "off"
    assert entry.runtime_data.cadence is None
    await wait(hass, freezer, 29)
    await talk(hass, port, freezer, 60, 10)
    assert entry.runtime_data.cadence == pytest.approx(60, abs=0.01)
    assert entry.runtime_data.counters["losses"] == 1


async def test_frame_cut_by_loss(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    entry: MockConfigEntry,
) -> None:
    """Half a frame from before a loss does not touch the first frame after it."""
    frame = METER.list(2, active_power_import=1234)
    await say(hass, port, frame[:100], b"")
    await wait(hass, freezer, 1)
    await say(hass, port, frame)
    assert state(hass, "active_power_import") == "1234.0"
    counters = entry.runtime_data.counters
    assert counters["frames"] == 1
    assert counters["crc"] == counters["truncated"] == 0


@pytest.mark.usefixtures("entry")
async def test_bridge_that_never_sends(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A bridge that accepts and says nothing is left and tried again."""
    await wait(hass, freezer, 119)
    assert port.times_opened == 1
    await wait(hass, freezer, 2)
    assert not port.is_open
    await wait(hass, freezer, 1)
    assert port.times_opened == 2
    assert connection(hass) == "off"


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize(
    "noise",
    [b"\x00" * 500, b"~" * 500, b"not a meter\r\n" * 40],
    ids=["zeros", "flags", "text"],
)
async def test_garbage_for_an_hour(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, noise: bytes
) -> None:
    """Bytes without a list are no sign of life, and do not keep the next list out."""
    await talk(hass, port, freezer, 10, 4)
    for _ in range(5):
        await wait(hass, freezer, 10)
        await say(hass, port, noise)
    assert connection(hass) == "on"
    await wait(hass, freezer, 10)
    assert connection(hass) == "off"

    for _ in range(60):
        await wait(hass, freezer, 60)
        if port.is_open:
            await say(hass, port, noise)
    while not port.is_open:
        await wait(hass, freezer, 10)
    await say(hass, port, noise, METER.list(2, active_power_import=5))
    assert state(hass, "active_power_import") == "5.0"


async def test_ten_megabytes_of_noise(
    hass: HomeAssistant, port: Port, entry: MockConfigEntry
) -> None:
    """Noise in any amount is read in pieces, and the list after it is found."""
    random = Random(1)
    noise = random.randbytes(1 << 16)
    ticks = 0

    async def others() -> None:
        nonlocal ticks
        while True:
            ticks += 1
            await asyncio.sleep(0)

    task = hass.async_create_background_task(others(), "others")
    for _ in range(160):
        port.put(noise)
    await port.read_all()
    task.cancel()
    assert ticks > 160 * (1 << 16) / 4096
    await say(hass, port, METER.list(2, active_power_import=6))
    assert state(hass, "active_power_import") == "6.0"
    assert entry.runtime_data.counters["bytes"] > 10_000_000
    assert len(entry.runtime_data.recent) == 40


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize("end", [b"", UNPLUGGED, ConnectionResetError("reset")])
async def test_lost_link(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    end: bytes | Exception,
) -> None:
    """A link that ends takes the values with it at once; it is said once, and once back."""
    caplog.set_level(logging.INFO)
    await say(hass, port, METER.list(2), METER.list(3))
    caplog.clear()
    await say(hass, port, end)
    assert connection(hass) == "off"
    for key in ("active_power_import", "net_power", "voltage_l1", "energy_import"):
        assert state(hass, key) == "unavailable"

    port.failure = FileNotFoundError(errno.ENOENT, "No such file")
    for _ in range(5):
        await wait(hass, freezer, 60)
    said = [each for each in caplog.records if each.name.startswith("custom_comp")]
    assert [each.levelno for each in said] == [logging.INFO]
    assert DEVICE in said[0].getMessage()
    assert METER.id not in caplog.text

    port.failure = None
    await wait(hass, freezer, 60)
    await say(hass, port, METER.list(2))
    await say(hass, port, METER.list(2))
    said = [each for each in caplog.records if each.name.startswith("custom_comp")]
    assert [each.levelno for each in said] == [logging.INFO] * 2
    assert connection(hass) == "on"


async def test_values_from_before_the_loss(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """After a loss only counters are what they were; all else has to be sent again."""
    freezer.tick()
    owner = (await set_up(hass, make_entry(None))).entry_id
    await say(hass, port, METER.list(2), METER.list(3, energy_import=1234.56))
    await say(hass, port, b"")
    assert state(hass, "energy_import", owner) == "unavailable"
    await wait(hass, freezer, 1)
    await say(hass, port, METER.list(1, active_power_import=9))
    assert state(hass, "active_power_import", owner) == "9.0"
    assert state(hass, "energy_import", owner) == "1234.56"
    assert state(hass, "voltage_l1", owner) == "unavailable"


@pytest.mark.usefixtures("entry")
async def test_delays(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Attempts come after 1 s, then ever less often, after 1 again once it worked.

    The wait is a twentieth of how long the port has been away, and at most 40 s: after
    20 s it is back within 2.
    """
    attempts = 0

    async def fail() -> None:
        nonlocal attempts
        attempts += 1
        raise UNPLUGGED

    works, port.open = port.open, fail  # type: ignore[method-assign]
    await say(hass, port, METER.list(2), b"")
    away = 0.0
    for count in range(90):
        delay = min(1 + away / 20, 40)
        away += delay
        assert delay <= 2 or away > 20
        await wait(hass, freezer, delay - 0.1)
        assert attempts == count
        await wait(hass, freezer, 0.1001)
        assert attempts == count + 1

    port.open = works  # type: ignore[method-assign]
    await wait(hass, freezer, 40)
    # Opening alone proves nothing: the next delay is as long as the last.
    await say(hass, port, b"")
    await wait(hass, freezer, 39)
    assert not port.is_open
    await wait(hass, freezer, 1)
    assert port.is_open
    await say(hass, port, METER.list(2), b"")
    await wait(hass, freezer, 1)
    assert port.is_open


@pytest.mark.parametrize("share", [0.7, 1.0])
async def test_delay_limits(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, share: float
) -> None:
    """Chance shortens a delay by less than a third, and never below a second."""
    with (
        patch.object(coordinator, "DELAY_GROWTH", 2),
        patch.object(
            coordinator,
            "uniform",
            lambda low, high: low + (share - 0.7) / 0.3 * (high - low),
        ),
    ):
        await set_up(hass, make_entry())
        await say(hass, port, b"")
        await wait(hass, freezer, 0.9)
        assert port.times_opened == 1
        await wait(hass, freezer, 0.2)
        assert port.times_opened == 2
        await say(hass, port, b"")
        await wait(hass, freezer, 2 * share - 0.1)
        assert port.times_opened == 2
        await wait(hass, freezer, 0.2)
        assert port.times_opened == 3


async def test_adapter_comes_back(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """An adapter that is plugged in is opened at once, however long the delay was."""
    with patch(
        "homeassistant.components.usb.async_register_port_event_callback"
    ) as register:
        entry = await set_up(hass, make_entry())
    on_event = register.call_args.args[1]
    adapter = Mock(spec=USBDevice)

    await say(hass, port, METER.list(2))
    port.failure = FileNotFoundError(errno.ENOENT, "No such file")
    await say(hass, port, UNPLUGGED)
    for _ in range(10):
        await wait(hass, freezer, 60)

    port.failure = None
    on_event(set(), {adapter})
    await wait(hass, freezer, 0)
    assert not port.is_open

    # The port may not be there yet when its adapter is.
    port.failure = FileNotFoundError(errno.ENOENT, "No such file")
    on_event({adapter}, set())
    await wait(hass, freezer, 0)
    port.failure = None
    await wait(hass, freezer, 1)
    assert port.is_open

    assert await hass.config_entries.async_unload(entry.entry_id)
    register.return_value.assert_called_once_with()


async def test_unexpected_error(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A bug is logged as one, and does not end the data."""
    await say(hass, port, METER.list(2))
    with patch.object(Decoder, "feed", side_effect=KeyError("bug")):
        await say(hass, port, b"~")
    assert connection(hass) == "off"
    assert "KeyError: 'bug'" in caplog.text
    await wait(hass, freezer, 1)
    await say(hass, port, METER.list(2))
    assert connection(hass) == "on"
    assert entry.runtime_data.counters["losses"] == 1


@pytest.mark.usefixtures("entry")
async def test_update_entity(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Asking for an update changes nothing, and brings no old value back."""
    assert await async_setup_component(hass, "homeassistant", {})

    async def update() -> None:
        await hass.services.async_call(
            "homeassistant",
            "update_entity",
            {ATTR_ENTITY_ID: entity_id(hass, "active_power_import")},
            blocking=True,
        )
        await wait(hass, freezer, 11)

    await update()
    assert state(hass, "active_power_import") == "unavailable"
    await say(hass, port, METER.list(2, active_power_import=7))
    await update()
    assert state(hass, "active_power_import") == "7.0"
    port.failure = FileNotFoundError(errno.ENOENT, "No such file")
    await say(hass, port, UNPLUGGED)
    await update()
    assert state(hass, "active_power_import") == "unavailable"
    assert connection(hass) == "off"
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


@pytest.mark.usefixtures("entry")
async def test_value_that_is_sent_no_more(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """When only the short lists get through, the rest does not stay as it was for ever."""
    await talk(hass, port, freezer, 2.5, 5)
    await say(hass, port, METER.list(3, energy_import=1234.56))
    for _ in range(23):
        await wait(hass, freezer, 2.5)
        await say(hass, port, METER.list(1, active_power_import=8))
    assert state(hass, "voltage_l1") != "unavailable"
    await wait(hass, freezer, 2.5)
    await say(hass, port, METER.list(1, active_power_import=8))
    await wait(hass, freezer, 2.5)
    await say(hass, port, METER.list(1, active_power_import=8))
    assert state(hass, "voltage_l1") == "unavailable"
    assert state(hass, "active_power_import") == "8.0"
    assert state(hass, "energy_import") == "1234.56"


@pytest.mark.usefixtures("all_enabled", "entry")
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        # Zero and less are refused, and the next good value is taken.
        ([100, 0, 100.5], "100.5"),
        ([100, 0], "100.0"),
        ([100, 0, 0, 0, 0], "100.0"),
        ([100, 99.5], "100.0"),
        ([100, 99.5, 99.6], "100.0"),
        ([100, 99.5, 100, 99.5, 99.6], "100.0"),
        # What is said three times in a row is so: the value before was wrong.
        ([100, 99.5, 99.6, 99.7], "99.7"),
        ([100, 99.5, 99.6, 99.7, 99.6], "99.7"),
        ([0, 0.01], "0.01"),
        ([0, 0], "0.0"),
    ],
)
async def test_counter_that_goes_back(
    hass: HomeAssistant, port: Port, sent: list[float], shown: str
) -> None:
    """A counter goes up; one false value does not get into the statistics."""
    for value in sent:
        await say(hass, port, METER.list(3, energy_import=value, energy_export=5))
    assert state(hass, "energy_import_counter") == shown
    assert state(hass, "energy_export_counter") == "5.0"


@pytest.mark.usefixtures("entry")
@pytest.mark.parametrize(
    ("sent", "shown"),
    [
        # Full lists say both.
        ([(2, 500, 0)], ("500.0", "0.0", "500.0")),
        ([(2, 0, 700)], ("0.0", "700.0", "-700.0")),
        ([(2, 0, 0)], ("0.0", "0.0", "0.0")),
        # Both at once, by phase: the meter says so itself.
        ([(2, 500, 200)], ("500.0", "200.0", "300.0")),
        # A short list with import: there is no export now.
        ([(2, 0, 700), (1, 300, None)], ("300.0", "0.0", "300.0")),
        ([(2, 500, 0), (1, 300, None)], ("300.0", "0.0", "300.0")),
        # A short list without import: export is what it was.
        ([(2, 0, 700), (1, 0, None)], ("0.0", "700.0", "-700.0")),
        ([(2, 500, 0), (1, 0, None)], ("0.0", "0.0", "0.0")),
    ],
)
async def test_net_power(
    hass: HomeAssistant,
    port: Port,
    sent: list[tuple[int, float, float | None]],
    shown: tuple[str, str, str],
) -> None:
    """Net power never mixes import of now with export of another time."""
    for kind, imported, exported in sent:
        powers = {"active_power_import": imported}
        if exported is not None:
            powers["active_power_export"] = exported
        await say(hass, port, METER.list(kind, **powers))
    keys = ("active_power_import", "active_power_export", "net_power")
    assert tuple(state(hass, key) for key in keys) == shown


@pytest.mark.parametrize(
    ("quantities", "import_power", "shown"),
    [
        # An export is known of: at import 0 it is unknown until a full list.
        (["active_power_export", "active_power_import"], 300, ("0.0", "300.0")),
        (["active_power_export", "active_power_import"], 0, ("unavailable", None)),
        # Nothing but short lists so far: there may be an export.
        (["active_power_import"], 300, (None, "300.0")),
        (["active_power_import"], 0, (None, None)),
    ],
)
async def test_net_power_of_short_list(
    hass: HomeAssistant,
    port: Port,
    quantities: list[str],
    import_power: float,
    shown: tuple[str | None, str | None],
) -> None:
    """A first list with import only tells what it can."""
    entry = await set_up(hass, make_entry(None, quantities=quantities))
    await say(hass, port, METER.list(1, active_power_import=import_power))
    owner = entry.entry_id
    assert state(hass, "active_power_import", owner) == f"{import_power}.0"
    assert state(hass, "active_power_export", owner) == shown[0]
    assert state(hass, "net_power", owner) == shown[1]


async def read(hass: HomeAssistant, port: Port, *readings: MeterReading) -> None:
    """Let the decoder have found these readings of meters that nobody simulates."""
    outcomes = [Outcome(0, b"", reading) for reading in readings]
    with patch.object(Decoder, "feed", return_value=outcomes):
        await say(hass, port, b"~")


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        # The meter knows best.
        ({Quantity.ACTIVE_POWER_NET: -50.0}, "-50.0"),
        (
            {Quantity.ACTIVE_POWER_NET: -50.0, Quantity.ACTIVE_POWER_IMPORT: 7.0},
            "-50.0",
        ),
        # A meter without export
        ({Quantity.ACTIVE_POWER_IMPORT: 0.0}, "0.0"),
        ({Quantity.VOLTAGE_L1: 230.0}, None),
    ],
)
async def test_net_power_of_other_meters(
    hass: HomeAssistant, port: Port, values: dict[Quantity, float], shown: str | None
) -> None:
    """Net power is what the meter says, else what follows from what it can say."""
    entry = await set_up(hass, make_entry(None, quantities=[]))
    await read(hass, port, MeterReading(Meter(), values))
    assert state(hass, "net_power", entry.entry_id) == shown


@pytest.mark.usefixtures("entry")
async def test_reading_without_values(hass: HomeAssistant, port: Port) -> None:
    """A list that holds no value is no sign of life."""
    await read(hass, port, MeterReading(Meter(id=METER.id), {}))
    assert connection(hass) == "off"


@pytest.mark.usefixtures("entry")
async def test_second_id(hass: HomeAssistant, port: Port) -> None:
    """A meter is known by either of the two names it may send."""
    meter = Meter(id="1", id_alt=METER.id)
    await read(hass, port, MeterReading(meter, {Quantity.FREQUENCY: 50.0}))
    assert state(hass, "frequency") == "50.0"
    assert connection(hass) == "on"


async def test_serial_number(hass: HomeAssistant, port: Port) -> None:
    """A meter that names itself by device in one list and by number in another is one."""
    meter = Sender("iskra-si-1p")
    await set_up(hass, make_entry(meter))
    await say(hass, port, meter.list(2, active_power_import=300))
    await say(hass, port, meter.list(4, energy_import=1234.567))
    await say(hass, port, meter.list(2, active_power_import=400))
    assert state(hass, "active_power_import", meter.id) == "400.0"
    assert state(hass, "energy_import", meter.id) == "1234.567"


@pytest.mark.usefixtures("entry")
async def test_value_that_is_sent_seldom(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A tariff holds until the meter sends another; the loss of the link ends it."""
    meter = Meter(id=METER.id)
    await read(hass, port, MeterReading(meter, {Quantity.TARIFF: 2}))
    for _ in range(90):
        await wait(hass, freezer, 10)
        await read(hass, port, MeterReading(meter, {Quantity.FREQUENCY: 50.0}))
    assert state(hass, "tariff") == "2"
    await say(hass, port, b"")
    await wait(hass, freezer, 1)
    await read(hass, port, MeterReading(meter, {Quantity.FREQUENCY: 50.0}))
    assert state(hass, "tariff") == "unavailable"


@pytest.mark.usefixtures("socket_enabled")
async def test_bridge_that_closes_at_once(
    hass: HomeAssistant,
    unused_tcp_port: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A thousand connections that are closed at once leave nothing behind."""
    monkeypatch.setattr(coordinator, "SHORTEST_DELAY", 0)
    connections = 0
    enough = asyncio.Event()

    def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        if connections == 1000:
            enough.set()
        writer.close()

    def used() -> tuple[int, int]:
        return len(asyncio.all_tasks()), len(list(Path("/proc/self/fd").iterdir()))

    device = f"socket://127.0.0.1:{unused_tcp_port}"
    async with await asyncio.start_server(accept, "127.0.0.1", unused_tcp_port):
        entry = await set_up(hass, make_entry(device=device))
        while connections < 10:
            await asyncio.sleep(0.001)
        before = used()
        await enough.wait()
        after = used()
        assert await hass.config_entries.async_unload(entry.entry_id)
    assert after[0] <= before[0] + 2
    assert after[1] <= before[1] + 2
    assert caplog.text.count("is silent") == 1
    assert "Traceback" not in caplog.text


async def until(hass: HomeAssistant, meter_id: str, expected: str) -> None:
    """Wait for the connection to be on or off, in real time."""
    async with asyncio.timeout(10):
        while connection(hass, meter_id) != expected:
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("socket_enabled")
async def test_network(
    hass: HomeAssistant, unused_tcp_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bridge that goes away and comes back on the same port is found again."""
    monkeypatch.setattr(coordinator, "SHORTEST_DELAY", 0.02)
    meter = simulator.create("aidon-3p", seed=1)
    entry = make_entry(device=f"socket://127.0.0.1:{unused_tcp_port}")
    for count in range(2):
        async with simulator.serve_tcp(
            meter, port=unused_tcp_port, speed=50, start=PAST_NOON
        ):
            if not count:
                await set_up(hass, entry)
            await until(hass, meter.id, "on")
            assert float(state(hass, "voltage_l1") or 0) > 200
        await until(hass, meter.id, "off")
        assert state(hass, "voltage_l1") == "unavailable"
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_serial_port(
    hass: HomeAssistant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A serial adapter that is unplugged and plugged in again is found again."""
    monkeypatch.setattr(coordinator, "SHORTEST_DELAY", 0.02)
    meter = simulator.create("aidon-3p", seed=1)
    link = tmp_path / "adapter"
    entry = make_entry(device=str(link))
    for count in range(2):
        async with simulator.serve_pty(meter, link, speed=50, start=PAST_NOON):
            if not count:
                await set_up(hass, entry)
            await until(hass, meter.id, "on")
            assert float(state(hass, "voltage_l1") or 0) > 200
        await until(hass, meter.id, "off")
        assert state(hass, "voltage_l1") == "unavailable"
    assert await hass.config_entries.async_unload(entry.entry_id)


async def test_line_is_remembered(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """The setting that a frame has proved is stored, and tried first next time."""
    entry = await set_up(hass, make_entry(line="2400 8E1"))
    assert port.settings["parity"] == serialx.Parity.EVEN
    await say(hass, port, METER.list(2))
    assert entry.data["line"] == "2400 8E1"


async def test_line_turns_bad(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Where an adapter or meter is set otherwise, the line is found again by itself."""
    entry = await set_up(hass, make_entry(line="2400 8N1"))
    await say(hass, port, METER.list(2))
    assert connection(hass) == "on"
    # No frame of this connection is lost on the search: it has been proved.
    await say(hass, port, b"\x12\x34" * 30)
    await wait(hass, freezer, 1)
    assert port.settings["parity"] == serialx.Parity.NONE
    await wait(hass, freezer, 120)
    assert connection(hass) == "off"
    # Opened again: flags show that frames come, and that they are shifted.
    await wait(hass, freezer, 2)
    await wait(hass, freezer, 1)
    await say(hass, port, b"\x7e\xff\x12\x34" * 30)
    await wait(hass, freezer, 1)
    assert port.settings["parity"] == serialx.Parity.EVEN
    await say(hass, port, METER.list(2))
    assert entry.data["line"] == "2400 8E1"
    assert connection(hass) == "on"


async def test_listeners(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Who listens for a quantity is told of its changes only; of the link's all are told."""
    entry = await set_up(hass, make_entry(options={"publish": "every_reading"}))
    meter, told = entry.runtime_data, Counter[str]()
    for about in ("active_power_import", "voltage_l1", coordinator.SENT):
        meter.async_add_listener(lambda about=about: told.update([about]), about)
    meter.async_add_listener(lambda: told.update(["any"]))

    async def news(**values: float) -> set[str]:
        told.clear()
        await say(hass, port, METER.list(2, active_power_export=0, **values))
        assert set(told.values()) <= {1}
        return set(told)

    everyone = {"active_power_import", "voltage_l1", coordinator.SENT, "any"}
    assert await news(active_power_import=1000, voltage_l1=230) == everyone
    assert await news(active_power_import=1000, voltage_l1=230) == {"any"}
    assert await news(active_power_import=1000, voltage_l1=231) == {"voltage_l1", "any"}
    # Of a sort that was not sent before
    assert await news(active_power_import=1000, voltage_l1=231) == {"any"}
    told.clear()
    await say(hass, port, METER.list(3, active_power_import=1000, voltage_l1=231))
    assert told[coordinator.SENT] == 1
    told.clear()
    await say(hass, port, UNPLUGGED)
    assert set(told) == everyone
    await wait(hass, freezer, 2)
    assert await news(active_power_import=1000, voltage_l1=231) == everyone


async def test_listener_fails(
    hass: HomeAssistant,
    port: Port,
    entry: MockConfigEntry,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A listener that fails keeps no other from being told, and loses no link."""
    await say(hass, port, METER.list(2, active_power_import=1000))
    listeners = [Mock(side_effect=RuntimeError) for _ in range(2)]
    for listener in listeners:
        entry.runtime_data.async_add_listener(listener)
    await say(hass, port, METER.list(2, active_power_import=2000))
    assert [listener.call_count for listener in listeners] == [1, 1]
    assert state(hass, "active_power_import") == "2000.0"
    assert connection(hass) == "on"
    assert caplog.text.count("Unexpected error while showing Aidon 6534") == 2
