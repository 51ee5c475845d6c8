"""Is a line found, and found again, through a bridge whose line is set from here?

With nothing of the way replaced: Home Assistant's serial library speaks RFC 2217, or with
ESPHome's own client its API, over TCP to a bridge, and behind it is a line that is received
bit by bit, as the bridge has it set. CONTRIBUTING tells how to have ESPHome's client.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from functools import cache
import re
from typing import Any

import pytest

from custom_components.han_port import coordinator
from custom_components.han_port.protocol import Line, line
from custom_components.han_port.protocol.line import LINES
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import simulator
from tests.protocol.uart import receive, wave

from .test_config_flow import NIGHT, listened
from .test_listen import begin

EVEN, P1, OLD_P1 = LINES[1:4]
METER = simulator.create("aidon-3p", seed=1)
FRAME = METER.message(NIGHT, 2)


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> None:
    """Let messages follow each other at once, and silence be short."""
    monkeypatch.setattr(line, "_PAUSE", 0.04)
    monkeypatch.setattr(line, "_JOINED", 0.03)
    for name in ("SHORTEST_SILENCE", "SILENCE_BEFORE_CADENCE"):
        monkeypatch.setattr(coordinator, name, 2)
    monkeypatch.setattr(coordinator, "SHORTEST_DELAY", 0.01)


@cache
def received(sent: Line, own: Line) -> bytes:
    """Give what is received of a message."""
    return receive(wave(FRAME, sent), sent, own, waits_for_edge=False)


class Bridge:
    """A bridge on the line of a meter that sends every 150 ms.

    `sent` is how the meter sends, `line` how the bridge is set.
    """

    def __init__(self, sent: Line) -> None:
        """Begin as no meter sends."""
        self.sent = sent
        self.line = Line(300, 8, "N")

    async def messages(self) -> AsyncIterator[bytes]:
        """Give what is received of each message."""
        while True:
            await asyncio.sleep(0.15)
            yield received(self.sent, self.line)


TELNET = re.compile(
    rb"\xff([\xfb-\xfe])(.)|\xff\xfa\x2c(.)((?:[^\xff]|\xff\xff)*)\xff\xf0", re.DOTALL
)
# To WILL and WONT it says DO and DONT, to DO and DONT WILL and WONT (RFC 854).
ANSWERS = {0xFB: 0xFD, 0xFC: 0xFE, 0xFD: 0xFB, 0xFE: 0xFC}
PARITIES = {1: "N", 3: "E"}


@asynccontextmanager
async def rfc2217(bridge: Bridge) -> AsyncIterator[str]:
    """Serve a bridge by RFC 2217."""

    def take(
        writer: asyncio.StreamWriter, match: re.Match[bytes], said: set[bytes]
    ) -> None:
        verb, option, command, value = match.groups()
        if verb:
            answer = bytes((0xFF, ANSWERS[verb[0]])) + option
            # What is agreed is not said again, or both would say it for ever.
            if answer not in said:
                said.add(answer)
                writer.write(answer)
            return
        value = value.replace(b"\xff\xff", b"\xff")
        match command[0]:
            case 1:
                bridge.line = bridge.line._replace(baudrate=int.from_bytes(value))
            case 2:
                bridge.line = bridge.line._replace(byte_size=value[0])
            case 3:
                bridge.line = bridge.line._replace(parity=PARITIES[value[0]])
        answer = bytes((command[0] + 100,)) + value.replace(b"\xff", b"\xff\xff")
        writer.write(b"\xff\xfa\x2c" + answer + b"\xff\xf0")

    async def send(writer: asyncio.StreamWriter) -> None:
        async for received in bridge.messages():
            writer.write(received.replace(b"\xff", b"\xff\xff"))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sending = asyncio.create_task(send(writer))
        unread, said = b"", set[bytes]()
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                unread += data
                for match in TELNET.finditer(unread):
                    take(writer, match, said)
                    unread = match.string[match.end() :]
        sending.cancel()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield f"rfc2217://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close_clients()


def packed(kind: int, message: Any) -> bytes:
    """Give a message as ESPHome's API sends it in the open."""

    def number(value: int) -> bytes:
        if value < 128:
            return bytes((value,))
        return bytes((value & 127 | 128, value >> 7))

    payload: bytes = message.SerializeToString()
    return b"\0" + number(len(payload)) + number(kind) + payload


@asynccontextmanager
async def esphome(bridge: Bridge) -> AsyncIterator[str]:
    """Serve a bridge as ESPHome's serial proxy does."""
    api = pytest.importorskip("aioesphomeapi.api_pb2")

    async def number(reader: asyncio.StreamReader) -> int:
        value = shift = 0
        while (byte := (await reader.readexactly(1))[0]) > 127:
            value |= (byte & 127) << shift
            shift += 7
        return value | byte << shift

    def take(writer: asyncio.StreamWriter, kind: int, payload: bytes) -> None:
        match kind:
            case 1:
                hello = api.HelloResponse(api_version_major=1, api_version_minor=10)
                writer.write(packed(2, hello))
            case 3:
                writer.write(packed(4, api.AuthenticationResponse()))
            case 5:
                writer.write(packed(6, api.DisconnectResponse()))
            case 7:
                writer.write(packed(8, api.PingResponse()))
            case 9:
                proxies = [api.SerialProxyInfo(name="HAN")]
                writer.write(packed(10, api.DeviceInfoResponse(serial_proxies=proxies)))
            case 138:
                asked = api.SerialProxyConfigureRequest.FromString(payload)
                parity = "NE"[asked.parity]
                bridge.line = Line(asked.baudrate, asked.data_size, parity)

    async def send(writer: asyncio.StreamWriter) -> None:
        async for data in bridge.messages():
            writer.write(packed(139, api.SerialProxyDataReceived(data=data)))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sending = asyncio.create_task(send(writer))
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while await reader.readexactly(1):
                size, kind = await number(reader), await number(reader)
                take(writer, kind, await reader.readexactly(size))
        sending.cancel()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        port = server.sockets[0].getsockname()[1]
        yield f"esphome://127.0.0.1:{port}/?port_name=HAN"
        server.close_clients()


@pytest.mark.parametrize("serve", [rfc2217, esphome])
@pytest.mark.parametrize("sent", [EVEN, P1, OLD_P1])
async def test_line(
    hass: HomeAssistant,
    sent: Line,
    serve: Callable[[Bridge], AbstractAsyncContextManager[str]],
) -> None:
    """However the line is set, it is found live; so it is when it turns bad later."""
    hass.config.country = "NO"
    bridge = Bridge(sent)
    async with serve(bridge) as device:
        flow = await listened(hass, await begin(hass, device))
        assert flow["step_id"] == "confirm"
        assert str(bridge.line) == str(sent)
        result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        entry = result["result"]
        assert entry.unique_id == METER.id
        assert entry.data["line"] == str(sent)

        for now in (P1, EVEN):
            while not entry.runtime_data.connected:
                await asyncio.sleep(0.01)
            bridge.sent = now
            while entry.data["line"] != str(now):
                await asyncio.sleep(0.01)
            assert str(bridge.line) == str(now)
        assert await hass.config_entries.async_unload(entry.entry_id)
