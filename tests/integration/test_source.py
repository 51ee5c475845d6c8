"""Does every port open, close, and say why not?"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
import errno
import os
from pathlib import Path
import socket
import tty
from typing import Any
from unittest.mock import patch

import pytest
import serialx
from serialx.common import UnknownUriScheme

from custom_components.han_port import source
from custom_components.han_port.protocol import Line, LineDetector
from custom_components.han_port.source import (
    OpenFailure,
    SourceError,
    normalise,
    open_source,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.setup import async_setup_component
from tests.integration.conftest import DEVICE, Port


async def collect(device: str, into: list[bytes] | None = None) -> bytes:
    """Read all that comes until the link ends; `into` keeps it when that is an error."""
    read = [] if into is None else into
    async with open_source(device) as chunks:
        async for chunk in chunks:
            read.append(chunk)
    return b"".join(read)


async def failure(device: str) -> OpenFailure:
    """Give the reason why a port does not open."""
    with pytest.raises(SourceError) as raised:
        await collect(device)
    assert raised.value.device == device
    assert raised.value.detail
    assert str(raised.value) == f"{device}: {raised.value.detail}"
    return raised.value.reason


@pytest.mark.parametrize(
    ("typed", "device"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("  /dev/serial/by-id/usb-FTDI \n", "/dev/serial/by-id/usb-FTDI"),
        ("192.168.1.20:6638", "socket://192.168.1.20:6638"),
        (" bridge.local:23 ", "socket://bridge.local:23"),
        ("[2001:db8::7]:6638", "socket://[2001:db8::7]:6638"),
        ("socket://bridge:6638", "socket://bridge:6638"),
        ("SOCKET://bridge:6638/", "socket://bridge:6638"),
        ("tcp://192.168.1.20:6638", "tcp://192.168.1.20:6638"),
        ("RFC2217://bridge:2001", "rfc2217://bridge:2001"),
        (
            "esphome-hass://esphome/01ABC?port_name=HAN Port",
            "esphome-hass://esphome/01ABC?port_name=HAN Port",
        ),
        # What it means is for serialx to say, when it is opened.
        ("other://x", "other://x"),
    ],
)
def test_normalise(typed: str, device: str) -> None:
    """One port has one spelling, and that spelling is its own."""
    assert normalise(typed) == device
    assert normalise(device) == device


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "  ",
        "bridge",
        "192.168.1.20",
        "ttyUSB0",
        "COM3",
        "bridge:",
        "bridge:http",
        "bridge:0",
        "bridge:65536",
        "bridge:-1",
        ":6638",
        "2001:db8::7",
        "[2001:db8::7]",
        "[2001:db8::7:6638",
        "my bridge:6638",
        "socket://",
        "socket://bridge",
        "tcp://:6638",
        "rfc2217://bridge",
    ],
)
def test_normalise_invalid(typed: str) -> None:
    """What lacks a host or a port is refused before anything is opened."""
    with pytest.raises(SourceError) as raised:
        normalise(typed)
    assert raised.value.reason is OpenFailure.INVALID_URL
    assert raised.value.device == typed.strip()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EBUSY, "already locked"), OpenFailure.BUSY),
        (PermissionError(errno.EACCES, "denied"), OpenFailure.PERMISSION),
        (PermissionError(errno.EPERM, "denied"), OpenFailure.PERMISSION),
        (ConnectionRefusedError(errno.ECONNREFUSED, "refused"), OpenFailure.REFUSED),
        (FileNotFoundError(errno.ENOENT, "no such file"), OpenFailure.NOT_FOUND),
        (OSError(errno.ENODEV, "no such device"), OpenFailure.NOT_FOUND),
        (OSError(errno.ENXIO, "no such device"), OpenFailure.NOT_FOUND),
        (socket.gaierror(socket.EAI_NONAME, "not known"), OpenFailure.UNKNOWN_HOST),
        (socket.gaierror(socket.EAI_AGAIN, "try later"), OpenFailure.UNKNOWN_HOST),
        (OSError(errno.EHOSTUNREACH, "no route"), OpenFailure.UNREACHABLE),
        (OSError(errno.ENETUNREACH, "no network"), OpenFailure.UNREACHABLE),
        (TimeoutError(), OpenFailure.TIMEOUT),
        (OSError(errno.ETIMEDOUT, "timed out"), OpenFailure.TIMEOUT),
        (ValueError("both host and port"), OpenFailure.INVALID_URL),
        (UnknownUriScheme("no handler"), OpenFailure.INVALID_URL),
        (ConfigEntryNotReady("not loaded"), OpenFailure.NOT_READY),
        (serialx.SerialException("refused BINARY"), OpenFailure.FAILED),
        (OSError(errno.EIO, "input/output error"), OpenFailure.FAILED),
        (
            OSError(
                "Multiple exceptions: [Errno 111] Connect call failed ('::1', 1, 0, 0),"
                " [Errno 111] Connect call failed ('127.0.0.1', 1)"
            ),
            OpenFailure.REFUSED,
        ),
        (OSError("what no one has a number for"), OpenFailure.FAILED),
    ],
)
async def test_open_failure(port: Port, error: Exception, reason: OpenFailure) -> None:
    """Every way of not opening has its own reason."""
    port.failure = error
    assert await failure(DEVICE) is reason


async def test_open_bug(port: Port) -> None:
    """A bug is not taken for a port that does not open."""
    port.failure = KeyError("bug")
    with pytest.raises(KeyError):
        await collect(DEVICE)


async def test_open_timeout(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A port that neither opens nor fails is given up."""
    monkeypatch.setattr(source, "OPEN_TIMEOUT", 0.01)
    monkeypatch.setattr(port, "open", asyncio.Event().wait)
    assert await failure(DEVICE) is OpenFailure.TIMEOUT


async def test_settings(port: Port) -> None:
    """The line is 2400 baud, 8 data bits, no parity, 1 stop bit."""
    port.put(b"")
    await collect(DEVICE)
    assert port.settings == {
        "baudrate": 2400,
        "byte_size": 8,
        "parity": serialx.Parity.NONE,
        "stopbits": serialx.StopBits.ONE,
    }


async def test_read(port: Port) -> None:
    """All bytes arrive in order, in pieces of bounded size, until the link ends."""
    sent = bytes(range(256)) * 40
    port.put(sent, b"~", b"")
    async with open_source(DEVICE) as chunks:
        read = [chunk async for chunk in chunks]
        assert port.is_open
    assert b"".join(read) == sent + b"~"
    assert max(map(len, read)) == 4096
    assert not port.is_open


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EIO, "unplugged"), OpenFailure.FAILED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), OpenFailure.REFUSED),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), OpenFailure.TIMEOUT),
        (serialx.SerialException("closed"), OpenFailure.FAILED),
    ],
)
async def test_read_failure(port: Port, error: Exception, reason: OpenFailure) -> None:
    """A link that breaks says so after the last byte, and the port is closed."""
    port.put(b"~", error)
    read: list[bytes] = []
    with pytest.raises(SourceError) as raised:
        await collect(DEVICE, read)
    assert read == [b"~"]
    assert raised.value.reason is reason
    assert not port.is_open


async def test_leave_early(port: Port) -> None:
    """A reader that has enough, or fails itself, leaves a closed port."""
    port.put(b"~", b"~")
    async with open_source(DEVICE) as chunks:
        async for _ in chunks:
            break
    assert not port.is_open

    async def fail() -> None:
        async with open_source(DEVICE) as chunks:
            async for _ in chunks:
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert not port.is_open


async def test_cancel_read(port: Port) -> None:
    """A reader that is cancelled leaves a closed port."""
    task = asyncio.create_task(collect(DEVICE))
    await port.read_all()
    assert port.is_open
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not port.is_open


async def test_endless_input(port: Port) -> None:
    """A line that never pauses leaves time for everything else."""

    async def forever(count: int) -> bytes:
        return bytes(count)

    port.read = forever  # type: ignore[method-assign]
    task = asyncio.create_task(collect(DEVICE))
    for _ in range(10):
        await asyncio.sleep(0)
    assert port.is_open
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


@pytest.fixture(name="line")
def _line() -> Iterator[tuple[int, str]]:
    """Give a serial port of the system: our end of it, and its path."""
    master, slave = os.openpty()
    tty.setraw(slave)
    path = os.ttyname(slave)
    os.close(slave)
    yield master, path
    with suppress(OSError):
        os.close(master)


async def test_serial_port(line: tuple[int, str]) -> None:
    """Bytes of a serial port arrive as they are; unplugging it breaks the link."""
    master, path = line
    sent = bytes(range(256))
    read: list[bytes] = []

    async def send() -> None:
        async with open_source(path) as chunks:
            os.write(master, sent)
            async for chunk in chunks:
                read.append(chunk)
                if b"".join(read) == sent:
                    os.close(master)

    with pytest.raises(SourceError):
        await send()
    assert b"".join(read) == sent


async def test_serial_port_taken(line: tuple[int, str]) -> None:
    """A port that another program has locked is busy, and free after that."""
    _, path = line
    async with open_source(path):
        assert await failure(path) is OpenFailure.BUSY
    async with open_source(path):
        pass


async def test_no_serial_port(tmp_path: Path) -> None:
    """What is not there, or is no serial port, is not found."""
    plain = tmp_path / "file"
    plain.touch()
    for path in (tmp_path / "none", plain, plain / "below", tmp_path):
        assert await failure(str(path)) is OpenFailure.NOT_FOUND


async def test_unknown_scheme() -> None:
    """A URL that no transport knows is invalid."""
    assert await failure("gopher://bridge:70") is OpenFailure.INVALID_URL


async def test_esphome_not_loaded(hass: HomeAssistant) -> None:
    """A port of ESPHome is not ready before that integration is."""
    assert await async_setup_component(hass, "usb", {})
    device = "esphome-hass://esphome/abc?port_name=HAN"
    assert await failure(device) is OpenFailure.NOT_READY


@pytest.mark.usefixtures("socket_enabled")
async def test_network(unused_tcp_port: int) -> None:
    """Bytes of a bridge arrive until it closes; then it refuses connections."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"~\xa0")
        await writer.drain()
        writer.close()

    device = f"socket://127.0.0.1:{unused_tcp_port}"
    async with await asyncio.start_server(serve, "127.0.0.1", unused_tcp_port):
        assert await collect(device) == b"~\xa0"
    assert await failure(device) is OpenFailure.REFUSED


@pytest.mark.usefixtures("socket_enabled")
async def test_unknown_host() -> None:
    """A name that does not resolve is an unknown host."""
    with patch("socket.getaddrinfo", side_effect=socket.gaierror(-2, "not known")):
        assert await failure("socket://nowhere.invalid:1") is OpenFailure.UNKNOWN_HOST


EVEN = Line(2400, 8, "E")


async def test_line(port: Port) -> None:
    """A line is opened as it worked before, or as the country has it."""
    for country, known, baudrate, parity in (
        ("NO", None, 2400, "N"),
        ("SE", None, 115200, "N"),
        ("AT", None, 2400, "E"),
        ("SE", EVEN, 2400, "E"),
    ):
        async with open_source(DEVICE, country, known) as opened:
            assert port.settings["baudrate"] == baudrate
            assert port.settings["parity"] == serialx.Parity(parity)
            assert opened.line == Line(baudrate, 8, parity)


async def test_line_of_bridge(ports: defaultdict[str, Port]) -> None:
    """The line of a raw TCP bridge is its own; that of RFC 2217 is set from here."""
    async with open_source("socket://bridge:1", "NO") as raw:
        assert raw.line is None
    async with open_source("rfc2217://bridge:1", "NO") as tuned:
        assert tuned.line == Line(2400, 8, "N")


async def test_no_parity(port: Port) -> None:
    """A pty, which has no parity, is opened without."""
    open_port = port.open

    async def refuse() -> None:
        if port.settings["parity"] != serialx.Parity.NONE:
            raise OSError(errno.EINVAL, "Invalid argument")
        await open_port()

    with patch.object(port, "open", refuse):
        async with open_source(DEVICE, "NO", EVEN) as opened:
            assert opened.line == Line(2400, 8, "N")


SHIFTED = b"\x7e\xff\x12\x34" * 10


class Search:
    """Follows how an open port is set, with a clock of its own."""

    def __init__(self, opened: source.Source, port: Port) -> None:
        """Begin the search at once."""
        self.now = 0.0
        self._opened, self._port = opened, port
        opened._now = lambda: self.now
        opened._detector = LineDetector(0, "NO")

    async def miss(self, burst: bytes = SHIFTED) -> str:
        """Let a burst come that makes no frame; give how the line is set then."""
        self.now += 1
        self._port.put(burst)
        assert await anext(self._opened) == burst
        self._opened.missed(burst)
        self.now += 1
        assert await anext(self._opened) == b""
        return str(self._opened.line)


async def test_line_searched(port: Port) -> None:
    """After a burst without a frame the line is set otherwise, live, and that is said."""
    async with open_source(DEVICE, "NO") as opened:
        search = Search(opened, port)
        assert await search.miss() == "2400 8E1"
        assert port.settings["parity"] == serialx.Parity.EVEN
        assert await search.miss(bytes(range(0x20, 0x50))) == "115200 8N1"
        assert port.settings["baudrate"] == 115200
        assert port.times_opened == 1
        opened.found()
        for chunk in (b"noise" * 10, b"more"):
            search.now += 100
            port.put(chunk)
            assert await anext(opened) == chunk
            opened.missed(chunk)
        assert str(opened.line) == "115200 8N1"


async def test_line_refused(port: Port, monkeypatch: pytest.MonkeyPatch) -> None:
    """A setting that the port refuses leaves it as it is, and the next one is tried."""

    async def refuse(**settings: Any) -> None:
        if settings["parity"] != serialx.Parity.NONE:
            raise serialx.UnsupportedSetting
        port.settings = settings

    monkeypatch.setattr(port, "reconfigure_port", refuse)
    async with open_source(DEVICE, "NO") as opened:
        search = Search(opened, port)
        assert await search.miss() == "2400 8N1"
        assert await search.miss() == "115200 8N1"


async def test_line_set_by_reopening(
    port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a serialx that cannot set an open port it is closed and opened."""
    monkeypatch.delattr(Port, "reconfigure_port")
    async with open_source(DEVICE, "NO") as opened:
        assert await Search(opened, port).miss() == "2400 8E1"
        assert port.times_opened == 2
    assert not port.is_open
