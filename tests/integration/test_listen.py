"""Is a port told as what it is, from its first byte to the dialog that a person sees?

The meter is a simulated one: on TCP, on a serial port of the system, or on a line that is
received bit by bit. What real meters sent is read as tests/protocol/test_corpus.py tells.
"""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import timedelta
import errno
import json
from pathlib import Path
from typing import Any, override

import pytest

from custom_components.han_port.const import DOMAIN
from custom_components.han_port.flow import listen
from custom_components.han_port.protocol import Line, Meter, line
from custom_components.han_port.protocol.line import LINES
from homeassistant.config_entries import SOURCE_USER, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import simulator
from simulator.serve import TELNET, serve_pty, serve_tcp
from tests.protocol.test_corpus import CAPTURES, STREAMS, load, message
from tests.protocol.uart import receive, wave

from .conftest import Port, connection, state
from .test_config_flow import ENCIPHERED, NIGHT, TEXTS, UNKNOWN_LIST, listened
from .test_diagnosis import LIST, cut, sent

BRIDGE = "socket://192.0.2.1:6638"
CABLE = "/dev/serial/by-id/usb-cable"
P1 = Line(115200, 8, "N")


@pytest.fixture(name="impatient")
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let listening end at once when there is nothing more to hear."""
    for name in ("LISTEN", "TUNE", "IDENTIFY", "FOREIGN"):
        monkeypatch.setattr(listen, f"{name}_SECONDS", 0.05)


async def begin(hass: HomeAssistant, device: str) -> ConfigFlowResult:
    """Fill in the port."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}, data={"device": device}
    )


@asynccontextmanager
async def tcp(meter: simulator.SimulatedMeter) -> AsyncIterator[str]:
    """Serve a meter on TCP."""
    async with serve_tcp(meter, speed=20, start=NIGHT) as port:
        yield f"socket://127.0.0.1:{port}"


@asynccontextmanager
async def serial(meter: simulator.SimulatedMeter) -> AsyncIterator[str]:
    """Serve a meter on a serial port of the system."""
    async with serve_pty(meter, speed=20, start=NIGHT) as path:
        yield path


@pytest.mark.usefixtures("socket_enabled")
@pytest.mark.parametrize("serve", [tcp, serial])
async def test_opened_while_listening(
    hass: HomeAssistant, serve: Callable[..., AbstractAsyncContextManager[str]]
) -> None:
    """From a port that is closed to values it takes one dialog, and no new start."""
    meter = simulator.create("aidon-3p", seed=1, faults=["stall"])
    flows = hass.config_entries.flow
    async with serve(meter) as device:
        flow = await begin(hass, device)
        assert flow["type"] is FlowResultType.SHOW_PROGRESS
        for _ in range(3):
            await asyncio.sleep(0.1)
            flow = await flows.async_configure(flow["flow_id"])
            assert flow["type"] is FlowResultType.SHOW_PROGRESS
            assert flow["progress_action"] == "listen"
            assert (flow["description_placeholders"] or {})["bytes"] == "0"

        meter.faults.clear()  # The grid company opens the port.
        flow = await listened(hass, flow)
        assert flow["step_id"] == "confirm"
        assert (flow["description_placeholders"] or {})["meter_id"] == meter.id
        result = await flows.async_configure(flow["flow_id"], {})
        assert result["type"] is FlowResultType.CREATE_ENTRY
        await hass.async_block_till_done()
        entry = result["result"]
        assert entry.unique_id == meter.id
        while not entry.runtime_data.connected:
            await asyncio.sleep(0.01)
        assert connection(hass, meter.id) == "on"
        power = float(state(hass, "active_power_import", meter.id) or "nan")
        assert power in {meter.power(NIGHT + timedelta(seconds=s)) for s in range(900)}
        assert await hass.config_entries.async_unload(entry.entry_id)


class LinePort(Port):
    """A port on a line: what it reads depends on how both are set."""

    def __init__(self, frame: bytes, sent: Line, *, inverted: bool = False) -> None:
        """Take what the meter sends every 20 ms, and how."""
        super().__init__()
        self._levels = wave(frame, sent, inverted=inverted)
        self._sent = sent
        # Inverted text is told on chips of this kind.
        self._waits = inverted
        self._left = b""

    @override
    async def read(self, count: int) -> bytes:
        """Give what is received of the next message; the one begun is lost."""
        if not self._left:
            await asyncio.sleep(0.02)
            parity = self.settings["parity"].value
            own = Line(self.settings["baudrate"], self.settings["byte_size"], parity)
            self._left = receive(
                self._levels, self._sent, own, waits_for_edge=self._waits
            )
        chunk, self._left = self._left[:count], self._left[count:]
        return chunk

    @override
    async def reconfigure_port(self, **settings: Any) -> None:
        """Set the line otherwise, and drop what was not read."""
        await super().reconfigure_port(**settings)
        self._left = b""


@pytest.fixture(name="fast_line")
def _fast_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let messages follow each other at once."""
    monkeypatch.setattr(line, "_PAUSE", 0.005)
    monkeypatch.setattr(line, "_JOINED", 0)


@pytest.mark.usefixtures("fast_line")
@pytest.mark.parametrize("sent_as", LINES)
@pytest.mark.parametrize("country", ["NO", "SE"])
async def test_line(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    sent_as: Line,
    country: str,
) -> None:
    """However the line is set, the meter is found, and the setting stored."""
    hass.config.country = country
    p1 = sent_as.baudrate in (9600, 115200)
    meter = simulator.create("dsmr5" if p1 else "aidon-3p", seed=1)
    ports[CABLE] = LinePort(meter.message(NIGHT, 2), sent_as)
    flow = await listened(hass, await begin(hass, CABLE))
    assert flow["step_id"] == "confirm"
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["line"] == str(sent_as)
    assert result["result"].unique_id == meter.id
    assert await hass.config_entries.async_unload(result["result"].entry_id)


@pytest.mark.usefixtures("fast_line", "impatient")
@pytest.mark.parametrize(
    ("sent_as", "inverted", "step"),
    [
        (P1, True, "inverted"),
        (Line(4800, 8, "N"), False, "no_valid_frame"),
    ],
)
async def test_line_not_found(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    monkeypatch: pytest.MonkeyPatch,
    *,
    sent_as: Line,
    inverted: bool,
    step: str,
) -> None:
    """A line that no setting reads is told by what it looks like."""
    monkeypatch.setattr(listen, "TUNE_SECONDS", 0.3)
    hass.config.country = "SE"
    telegram = simulator.create("dsmr5", seed=1).message(NIGHT, 2)
    ports[CABLE] = LinePort(telegram, sent_as, inverted=inverted)
    flow = await listened(hass, await begin(hass, CABLE))
    assert flow["step_id"] == step
    assert flow["menu_options"] == ["listen", "port"]
    given = flow["description_placeholders"] or {}
    assert given["line"] in {str(each) for each in LINES}
    assert int(given["bytes"]) > 500


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(
    ("chunks", "shown"),
    [
        ([sent()], "confirm"),
        ([sent("bit-errors")], "confirm"),
        ([sent("garbage")], "confirm"),
        ([sent("oss-brikken")], "confirm"),
        ([TELNET, sent()], "confirm"),
        ([sent("seven-bits", name="p1-se")], "confirm"),
        ([], "nothing_received"),
        ([sent("noise")], "no_valid_frame"),
        ([sent("wrong-parity")], "no_valid_frame"),
        ([sent("bit-errors:0.02")], "bad_checksums"),
        ([sent("bit-errors:0.02", name="p1-se")], "bad_checksums"),
        ([sent("hex")], "text"),
        ([cut()], "short_lists_only"),
        ([ENCIPHERED], "key"),
        ([sent(name="lg-ch-key")], "key"),
        ([UNKNOWN_LIST], "unknown_list"),
        ([TELNET], "telnet"),
        ([b"Port already in use\r\n", b""], "port_in_use"),
        ([b"HTTP/1.1 400 Bad Request\r\n\r\n", b""], "http"),
        ([b'{"P": 1234, "tPI": 5678.9}\r\n'], "decoded_values"),
        ([b"[I][uart:12] ready and waiting\r\n"], "text"),
        ([b""], "closed"),
        ([OSError(errno.EBUSY, "busy")], "busy"),
        ([OSError(errno.EIO, "Input/output error")], "failed"),
        ([OSError(errno.ECONNRESET, "reset by peer")], "refused"),
    ],
)
async def test_diagnosis(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    chunks: list[bytes | Exception],
    shown: str,
) -> None:
    """Each fault that there may be has a dialog of its own."""
    ports[BRIDGE].put(*chunks)
    flow = await listened(hass, await begin(hass, BRIDGE))
    if shown in TEXTS["step"]:
        assert flow["step_id"] == shown
        assert not flow.get("errors")
    else:
        assert flow["step_id"] == "user"
        assert flow["errors"] == {"base": shown}
    assert not ports[BRIDGE].is_open


def first_seconds(path: Path) -> tuple[list[bytes], bool]:
    """Give what came in the time that there is, as it came, and if it takes a key."""
    reads = [json.loads(each) for each in path.with_suffix(".jsonl").open()]
    data = path.with_suffix(".bin").read_bytes()
    chunks = [
        data[each["offset"] : each["offset"] + each["len"]]
        for each in reads
        if each["t"] - reads[0]["t"] <= 35
    ]
    return chunks, json.loads(path.read_text())["encrypted"]


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("port", "shown"), [(80, "http"), (443, "http"), (23, None)])
async def test_web_server(
    hass: HomeAssistant, ports: defaultdict[str, Port], port: int, shown: str | None
) -> None:
    """A web server that waits to be asked is told by its port."""
    flow = await listened(hass, await begin(hass, f"socket://192.0.2.1:{port}"))
    assert flow["step_id"] == (shown or "nothing_received")
    device = f"socket://192.0.2.1:{port}"
    ports[device].put(LIST)
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "listen"}
    )
    flow = await listened(hass, flow)
    assert flow["step_id"] == "confirm"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
async def test_corpus(
    hass: HomeAssistant, ports: defaultdict[str, Port], path: Path
) -> None:
    """What real meters sent in the time that there is leads to a meter or to its key."""
    chunks, encrypted = first_seconds(path)
    ports[BRIDGE].put(*chunks)
    flow = await listened(hass, await begin(hass, BRIDGE))
    assert flow["step_id"] == ("key" if encrypted else "confirm")
    if not encrypted:
        assert (flow["description_placeholders"] or {})["manufacturer"] != "–"


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("name", simulator.MODELS)
async def test_models(
    hass: HomeAssistant, ports: defaultdict[str, Port], name: str
) -> None:
    """Half a minute of whatever meter leads to it, or to its key."""
    meter = simulator.create(name, seed=1)
    ports[BRIDGE].put(sent(name=name))
    flow = await listened(hass, await begin(hass, BRIDGE))
    if meter.model.cipher:
        assert flow["step_id"] == "key"
        ports[BRIDGE].put(sent(name=name))
        keys = {"encryption_key": meter.encryption_key.hex()}
        flow = await hass.config_entries.flow.async_configure(flow["flow_id"], keys)
        flow = await listened(hass, flow)
    assert flow["step_id"] == "confirm"
    given = flow["description_placeholders"] or {}
    if name in ("aidon-se", "p1-se"):
        assert given["meter_id"] == "–"
    else:
        # A one-phase AM550 has a list that says its serial number only.
        assert Meter(id=given["meter_id"]).is_named(meter.id)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
async def test_captures(
    hass: HomeAssistant, ports: defaultdict[str, Port], path: Path
) -> None:
    """Each message of real meters ends in its meter, its key, or what is wrong with it."""
    group, _ = load(path)
    ports[BRIDGE].put(*map(message, group["frames"]))
    flow = await listened(hass, await begin(hass, BRIDGE))
    errors = {each.get("expect_error") for each in group["expected"]}
    if group["encoding"] == "apdu":
        # As a reader has it on MQTT; no port gives it without a frame.
        right = {"no_valid_frame"}
    elif "encrypted-no-key" in errors or (group["encrypted"] and None in errors):
        right = {"key"}
    elif None in errors:
        right = {"confirm"}
    elif "unsupported" in errors:
        right = {"unknown_list"}
    else:
        right = {"bad_checksums", "no_valid_frame"}
    assert flow["step_id"] in right
