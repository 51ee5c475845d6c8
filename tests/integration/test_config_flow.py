"""Does a person get from a port to a meter, and learn what is wrong when not?"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from typing import Any, Self
from unittest.mock import AsyncMock, patch

import probatio as vol
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_capture_events,
    async_fire_time_changed,
)

from custom_components.han_port import config_flow, topic
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.flow import listen as flow_listen
from custom_components.han_port.protocol import (
    Decoder,
    Line,
    Meter,
    MeterReading,
    Outcome,
    Quantity,
)
from custom_components.han_port.source import OpenFailure, SourceError
from homeassistant.components.usb.models import SerialPortConsumer
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.data_entry_flow import (
    EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE,
    EVENT_DATA_ENTRY_FLOW_PROGRESSED,
    FlowManager,
    FlowResultType,
)
from homeassistant.util import dt as dt_util
import simulator
from simulator.frames import LLC, hdlc
from simulator.serve import TELNET

# Norwegian_payload_breakdown.docx, page 1, "Aidon": three phases, list 3
AIDON_THREE_PHASE = bytes.fromhex(
    "7EA18A41088313EBFDE6E7000F40000000000112020209060101000281FF0A0B4149444F4E5F56303030"
    "31020209060000600100FF0A1037333539393932383930343937393937020209060000600107FF0A0436"
    "353334020309060100010700FF060000096D02020F00161B020309060100020700FF060000000002020F"
    "00161B020309060100030700FF060000000002020F00161D020309060100040700FF060000025B02020F"
    "00161D0203090601001F0700FF10001102020FFF1621020309060100330700FF10000302020FFF162102"
    "0309060100470700FF10005A02020FFF1621020309060100200700FF12090402020FFF16230203090601"
    "00340700FF12090202020FFF1623020309060100480700FF1208EC02020FFF1623020209060000010000"
    "FF090C07E50A1F00140000FF000000020309060100010800FF0600569F5202020F01161E020309060100"
    "020800FF060000000002020F01161E020309060100030800FF06000022D002020F011620020309060100"
    "040800FF06000AF5EC02020F01162051D77E"
)
# Aidon HAN Interface Description v1.1A, 3.3.1, page 10: one phase, list 2
AIDON_ONE_PHASE = bytes.fromhex(
    "7EA0D24108831382D6E6E7000F40000000000109020209060101000281FF0A0B4149444F4E5F56303030"
    "31020209060000600100FF0A1037333539393932383930393431373432020209060000600107FF0A0436"
    "353135020309060100010700FF060000055202020F00161B020309060100020700FF060000000002020F"
    "00161B020309060100030700FF06000003E402020F00161D020309060100040700FF060000000002020F"
    "00161D0203090601001F0700FF10005D02020FFF1621020309060100200700FF1209C402020FFF1623E0"
    "C47E"
)
# Norwegian_payload_breakdown.docx, "Kaifa": three phases, list 3
KAIFA = bytes.fromhex(
    "7EA09A01020110AAA5E6E7000F40000000090C07E80A010213000AFF800000021209074B464D5F303031"
    "09103639373036333134303732363239383609074D41333034483406000013C006000000000600000000"
    "06000001D50600004CDD060000050E0600000390060000093406000009690600000959090C07E80A0102"
    "13000AFF80000006028E4B5E060000000006009735DE060008972FFAE57E"
)
# Made here: an intact frame around a list that no meter is known to send
UNKNOWN_LIST = bytes.fromhex(
    "7EA01C410883134DFCE6E7000F400000000002010A0548454C4C4FC15E7E"
)
# Made here: what an enciphered Kamstrup sends, with the key of the Green Book's example
ENCIPHERED = bytes.fromhex(
    "7EA1004103132F7AE6E700DB084B414D45000000018200E7300000000112FE592044623E42E881382F87"
    "5DD61BA9614512DB87B6C68B2BEC585FB592397E26C25FA3C5ABA5B5F32BB6DA59E2E18C34B83C597682"
    "76DE5BD800701745CC696936203F5354395B5199E9AD9D665E74BFBD344B29C96BE89453FA7F9B20ED01"
    "AF7D905C09968E9DC39C0390BCC8E638B7B03EA1B7D9BC5EC9A19EE5903FAE48A42667F7B25A556C4039"
    "4A0D82860CC4D5AB86F1CB1EB2812AE1399AD1BFB1760AB99A1C0C4975FECF565AE366871F6F5DFA4315"
    "564E0C938631648866822FC727CB70099AFD7630FCBFB6EF4E5F0E7530EFD3F9C3A8E042424E1E6A3E7B"
    "24CDE3B1947E"
)
ENCRYPTION_KEY = bytes(range(16)).hex()
AUTHENTICATION_KEY = bytes(range(0xD0, 0xE0)).hex()

TEXTS = json.loads(
    (Path(config_flow.__file__).parent / "translations/en.json").read_text()
)["config"]

PHASES = ["l1", "l2", "l3"]
POWER = [
    "active_power_import",
    "active_power_export",
    "reactive_power_import",
    "reactive_power_export",
]
ENERGY = [
    "energy_import",
    "energy_export",
    "reactive_energy_import",
    "reactive_energy_export",
]
THREE_PHASES = [
    *POWER,
    *(f"voltage_{phase}" for phase in PHASES),
    *(f"current_{phase}" for phase in PHASES),
]

NIGHT = datetime(2026, 6, 15, 0, tzinfo=UTC)
NOON = datetime(2026, 6, 15, 11, tzinfo=UTC)
METER = simulator.create("aidon-3p", seed=1)
OTHER_METER = simulator.create("aidon-3p", seed=2)
POWER_LIST = METER.message(NIGHT, 1)
FULL_LIST = METER.message(NIGHT, 2)

DEVICE = "socket://192.0.2.1:6638"
OTHER_DEVICE = "socket://192.0.2.2:6638"


class Port:
    """A port that gives what a test puts into it, and fails as a test wants it."""

    def __init__(self) -> None:
        """Start silent."""
        self.failure: SourceError | None = None
        self.opened: list[str] = []
        self.is_open = False
        self._chunks: asyncio.Queue[bytes | SourceError] = asyncio.Queue()

    def send(self, *chunks: bytes | SourceError) -> None:
        """Give these to the reader: b"" ends the link, an error breaks it."""
        for chunk in chunks:
            self._chunks.put_nowait(chunk)

    def forget(self) -> None:
        """Drop what was not read."""
        self._chunks = asyncio.Queue()

    @asynccontextmanager
    async def open(
        self, device: str, country: str | None, known: Line | None
    ) -> AsyncIterator[Self]:
        """Stand in for open_source, of a raw TCP bridge: its line cannot be set."""
        self.opened.append(device)
        if self.failure is not None:
            raise self.failure
        self.is_open = True
        try:
            yield self
        finally:
            self.is_open = False

    line: Line | None = None
    look = None

    def found(self) -> None:
        """Take note that a frame was intact."""

    def missed(self, chunk: bytes) -> None:
        """Take note that there was none."""

    def __aiter__(self) -> Self:
        """Give what was sent."""
        return self

    async def __anext__(self) -> bytes:
        """Wait for more."""
        if not (chunk := await self._chunks.get()):
            raise StopAsyncIteration
        if isinstance(chunk, SourceError):
            raise chunk
        return chunk


@pytest.fixture(name="port")
def _port() -> Iterator[Port]:
    port = Port()
    with patch.object(topic, "open_source", port.open):
        yield port


@pytest.fixture(name="setup_entry", autouse=True)
def _setup_entry(request: pytest.FixtureRequest) -> Iterator[AsyncMock | None]:
    """Keep the entries from opening their port; the mock counts set-ups."""
    if "bridge" in request.fixturenames:
        yield None
        return
    with (
        patch("custom_components.han_port.async_setup_entry", return_value=True) as up,
        patch("custom_components.han_port.async_unload_entry", return_value=True),
    ):
        yield up


@pytest.fixture(name="bridge")
async def _bridge(socket_enabled: None) -> AsyncIterator[str]:
    """Serve the meter over TCP, as ser2net does: to one reader at a time."""
    readers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if readers:
            writer.write(b"Port already in use\r\n")
        else:
            readers.add(writer)
            with suppress(ConnectionError):
                while not reader.at_eof():
                    writer.write(FULL_LIST)
                    with suppress(TimeoutError):
                        await asyncio.wait_for(reader.read(), 0.01)
            readers.remove(writer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1") as server:
        yield f"socket://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close_clients()


@pytest.fixture(autouse=True)
def _texts() -> Iterator[None]:
    """Hold each answer of a flow against the texts it will be shown with."""
    show = FlowManager._async_handle_step

    async def check(*arguments: Any) -> ConfigFlowResult:
        result: ConfigFlowResult = await show(*arguments)
        shown: list[Any] = []
        match result["type"]:
            case FlowResultType.FORM:
                step = TEXTS["step"][result["step_id"]]
                shown = [step["title"], step["description"], step["submit"]]
                shown += [
                    TEXTS["error"][each] for each in (result["errors"] or {}).values()
                ]
                for field in (result["data_schema"] or vol.Schema({})).schema:
                    shown += [step[key][field] for key in ("data", "data_description")]
            case FlowResultType.MENU:
                step = TEXTS["step"][result["step_id"]]
                shown = [step["title"], step["description"]]
                options: Any = result["menu_options"]
                shown += [step["menu_options"][each] for each in options]
            case FlowResultType.SHOW_PROGRESS:
                shown = [TEXTS["progress"][result["progress_action"]]]
            case FlowResultType.ABORT:
                shown = [TEXTS["abort"][result["reason"]]]
        for text in shown:
            text.format(**result.get("description_placeholders") or {})
        return result

    with patch.object(FlowManager, "_async_handle_step", check):
        yield


@pytest.fixture(autouse=True)
def _no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a port that is still taken be opened again soon."""
    monkeypatch.setattr(flow_listen, "FREE_SECONDS", (0.01, 0.01))


@pytest.fixture(name="impatient")
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let listening end at once when there is nothing more to hear."""
    monkeypatch.setattr(flow_listen, "LISTEN_SECONDS", 0.02)
    monkeypatch.setattr(flow_listen, "IDENTIFY_SECONDS", 0.02)
    monkeypatch.setattr(flow_listen, "FOREIGN_SECONDS", 0.02)


def entry_for(meter_id: str | None, device: str) -> MockConfigEntry:
    """Make the entry that the flow makes for an Aidon."""
    return MockConfigEntry(
        domain=DOMAIN,
        title="Aidon 6534",
        unique_id=meter_id,
        data={
            "device": device,
            "manufacturer": "Aidon",
            "meter_type": "6534",
            "meter_id": meter_id,
            "quantities": ["active_power_import"],
        },
    )


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> MockConfigEntry:
    """Add an entry and load it."""
    entry.add_to_hass(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


def is_loaded(entry: ConfigEntry) -> bool:
    """Say whether the entry may hold its port; it is in no state in between."""
    assert entry.state in (ConfigEntryState.LOADED, ConfigEntryState.NOT_LOADED)
    return entry.state is ConfigEntryState.LOADED


async def begin(hass: HomeAssistant) -> ConfigFlowResult:
    """Open the dialog for a new meter."""
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "user"
    assert not result["errors"]
    return result


async def submit(
    hass: HomeAssistant, flow: ConfigFlowResult, device: str = DEVICE
) -> ConfigFlowResult:
    """Fill in the port."""
    return await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"device": device}
    )


async def listen(
    hass: HomeAssistant, flow: ConfigFlowResult, device: str = DEVICE
) -> ConfigFlowResult:
    """Fill in the port, and wait until listening is over."""
    result = await submit(hass, flow, device)
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["step_id"] == "listen"
    await hass.async_block_till_done(wait_background_tasks=True)
    return await hass.config_entries.flow.async_configure(flow["flow_id"])


async def listened(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Wait until listening to a real port is over, and Home Assistant has gone on.

    It goes on by itself: whoever asks at the same time gets another form than it.
    """
    flows = hass.config_entries.flow
    while flows.async_get(flow["flow_id"])["step_id"] == "listen":
        await asyncio.sleep(0.01)
    return await flows.async_configure(flow["flow_id"])


async def confirm(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Accept the meter that was found."""
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] == "confirm"
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.CREATE_ENTRY
    return result


async def succeed(
    hass: HomeAssistant, port: Port, flow: ConfigFlowResult, device: str = DEVICE
) -> None:
    """Go on in a flow that failed: the meter speaks now, and is added."""
    port.failure = None
    port.send(FULL_LIST)
    result = await confirm(hass, await listen(hass, flow, device))
    assert result["title"] == "Aidon 6534"
    assert result["result"].unique_id == METER.id
    assert result["data"] == {
        "device": device,
        "manufacturer": "Aidon",
        "meter_type": "6534",
        "meter_id": METER.id,
        "quantities": THREE_PHASES,
    }


def assert_failed(
    flow: ConfigFlowResult, error: str, device: str = DEVICE, **placeholders: str
) -> None:
    """Expect the form again, with the error, its values, and the input as it was."""
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] in ("user", "reconfigure")
    assert flow["errors"] == {"base": error}
    given = flow["description_placeholders"]
    assert given is not None
    assert given.items() >= {"device": device, **placeholders}.items()
    schema = flow["data_schema"]
    assert schema is not None
    (field,) = schema.schema
    assert field.description == {"suggested_value": device}


async def assert_trouble(
    hass: HomeAssistant, flow: ConfigFlowResult, step: str, **placeholders: str
) -> ConfigFlowResult:
    """Expect the step that says what is wrong; give the form of the port from there."""
    assert flow["type"] is FlowResultType.MENU
    assert flow["step_id"] == step
    go_on = ["confirm"] if step == "unknown_list" else []
    assert flow["menu_options"] == [*go_on, "listen", "port"]
    given = flow["description_placeholders"]
    assert given is not None
    assert given.items() >= {"device": DEVICE, **placeholders}.items()
    form = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "port"}
    )
    assert form["step_id"] == "user"
    assert not form["errors"]
    return form


@pytest.mark.parametrize(
    ("frame", "title", "shown", "data"),
    [
        (
            AIDON_THREE_PHASE,
            "Aidon 6534",
            {
                "manufacturer": "Aidon",
                "meter_id": "7359992890497997",
                "power": "2413 W",
            },
            {
                "manufacturer": "Aidon",
                "meter_type": "6534",
                "meter_id": "7359992890497997",
                "quantities": [*THREE_PHASES, *ENERGY],
            },
        ),
        (
            AIDON_ONE_PHASE,
            "Aidon 6515",
            {
                "manufacturer": "Aidon",
                "meter_id": "7359992890941742",
                "power": "1362 W",
            },
            {
                "manufacturer": "Aidon",
                "meter_type": "6515",
                "meter_id": "7359992890941742",
                "quantities": [*POWER, "voltage_l1", "current_l1"],
            },
        ),
        (
            KAIFA,
            "Kaifa MA304H4",
            {
                "manufacturer": "Kaifa",
                "meter_id": "6970631407262986",
                "power": "5056 W",
            },
            {
                "manufacturer": "Kaifa",
                "meter_type": "MA304H4",
                "meter_id": "6970631407262986",
                "quantities": [*THREE_PHASES, *ENERGY],
            },
        ),
    ],
    ids=["aidon-three-phase", "aidon-one-phase", "kaifa"],
)
@pytest.mark.parametrize("size", [1, 7, 4096], ids=lambda size: f"by-{size}")
async def test_user(
    hass: HomeAssistant,
    port: Port,
    setup_entry: AsyncMock,
    *,
    frame: bytes,
    title: str,
    shown: dict[str, str],
    data: dict[str, Any],
    size: int,
) -> None:
    """One field leads to an entry of the meter, however its bytes are cut."""
    port.send(*(frame[at : at + size] for at in range(0, len(frame), size)))
    flow = await listen(hass, await begin(hass))
    given = flow["description_placeholders"]
    assert given is not None
    assert given.items() >= shown.items()
    assert not port.is_open

    result = await confirm(hass, flow)
    assert result["title"] == title
    assert result["result"].unique_id == data["meter_id"]
    assert result["data"] == {"device": DEVICE, **data}
    assert port.opened == [DEVICE]
    assert setup_entry.call_count == 1


@pytest.mark.parametrize(
    ("name", "title", "absent"),
    [
        ("aidon-3w", "Aidon 6525", ["current_l2"]),
        ("kaifa-3w", "Kaifa MA304H3E", ["voltage_l2"]),
        ("kamstrup-3w", "Kamstrup Omnipower", []),
    ],
)
async def test_user_three_wire(
    hass: HomeAssistant, port: Port, name: str, title: str, absent: list[str]
) -> None:
    """What a meter sends as a constant 0, or not at all, is no quantity of it."""
    meter = simulator.create(name)
    port.send(meter.message(NIGHT, 2))
    result = await confirm(hass, await listen(hass, await begin(hass)))
    assert result["title"] == title
    assert result["result"].unique_id == meter.id
    assert result["data"]["quantities"] == [
        quantity for quantity in THREE_PHASES if quantity not in absent
    ]


async def test_user_export(hass: HomeAssistant, port: Port) -> None:
    """The power that is shown is net: negative when the house gives to the grid."""
    assert METER.power(NOON) < 0
    port.send(METER.message(NOON, 2))
    flow = await listen(hass, await begin(hass))
    given = flow["description_placeholders"]
    assert given is not None
    assert given["power"] == f"{METER.power(NOON)} W"
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["quantities"] == THREE_PHASES


async def test_user_no_power(hass: HomeAssistant, port: Port) -> None:
    """A list of counters alone shows no power, and surely not 0."""
    reading = MeterReading(Meter(id=METER.id), {Quantity.ENERGY_IMPORT: 1.5})
    port.send(b"/")
    with patch.object(Decoder, "feed", return_value=[Outcome(0, b"/", reading)]):
        flow = await listen(hass, await begin(hass))
    given = flow["description_placeholders"]
    assert given is not None
    assert given["power"] == "–"
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["quantities"] == ["energy_import"]


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" 192.0.2.1:6638 ", "socket://192.0.2.1:6638"),
        ("TCP://bridge.local:23", "tcp://bridge.local:23"),
        ("/dev/ttyUSB0", "/dev/serial/by-id/usb-adapter"),
    ],
)
async def test_user_spelling(
    hass: HomeAssistant, port: Port, typed: str, stored: str
) -> None:
    """A port is stored in the one form that outlives a restart."""
    port.send(FULL_LIST)
    with patch(
        "homeassistant.components.usb.get_serial_by_id",
        return_value="/dev/serial/by-id/usb-adapter",
    ):
        flow = await listen(hass, await begin(hass), typed)
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["device"] == stored
    assert port.opened == [stored]


async def test_user_lists_of_power_first(hass: HomeAssistant, port: Port) -> None:
    """Lists of power alone change what is shown; listening goes on to the id."""
    changes = async_capture_events(hass, EVENT_DATA_ENTRY_FLOW_PROGRESSED)
    flow = await submit(hass, await begin(hass))
    assert flow["progress_action"] == "listen"
    assert flow["description_placeholders"] is not None
    assert flow["description_placeholders"]["device"] == DEVICE
    changes.clear()

    port.send(POWER_LIST, POWER_LIST)
    while not changes:
        await asyncio.sleep(0)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    assert flow["progress_action"] == "identify"
    assert port.is_open

    port.send(FULL_LIST + POWER_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["quantities"] == THREE_PHASES


async def test_user_time_for_the_id(
    hass: HomeAssistant, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time until a meter has to say its id begins with its first list."""
    monkeypatch.setattr(flow_listen, "LISTEN_SECONDS", 0.05)
    port.send(POWER_LIST)
    flow = await submit(hass, await begin(hass))
    await asyncio.sleep(0.1)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    port.send(FULL_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["meter_id"] == METER.id


async def test_user_opened_while_listening(hass: HomeAssistant, port: Port) -> None:
    """A port that the grid company opens meanwhile needs no new start."""
    flow = await submit(hass, await begin(hass))
    for _ in range(3):
        await hass.async_block_till_done()
        flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
        assert flow["type"] is FlowResultType.SHOW_PROGRESS
    port.send(b"\x00\xff" + FULL_LIST[40:] + FULL_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["meter_id"] == METER.id


async def test_user_progress(hass: HomeAssistant, port: Port) -> None:
    """The bar moves while nothing comes, and never past its end."""
    moves = async_capture_events(hass, EVENT_DATA_ENTRY_FLOW_PROGRESS_UPDATE)
    flow = await submit(hass, await begin(hass))
    await hass.async_block_till_done()
    now = dt_util.utcnow()
    for seconds in (1, 2):
        async_fire_time_changed(hass, now + timedelta(seconds=seconds))
        await hass.async_block_till_done()
    assert len(moves) == 2
    assert {move.data["flow_id"] for move in moves} == {flow["flow_id"]}
    assert all(0 <= move.data["progress"] <= 1 for move in moves)
    hass.config_entries.flow.async_abort(flow["flow_id"])


async def test_user_closed_dialog(hass: HomeAssistant, port: Port) -> None:
    """Closing the dialog lets go of the port."""
    flow = await submit(hass, await begin(hass))
    await hass.async_block_till_done()
    assert port.is_open
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    assert not port.is_open

    await succeed(hass, port, await begin(hass))


@pytest.mark.usefixtures("impatient")
async def test_user_no_id(hass: HomeAssistant, port: Port) -> None:
    """A meter that never says its id is added without, once per port."""
    port.send(POWER_LIST, POWER_LIST)
    flow = await listen(hass, await begin(hass))
    assert flow["description_placeholders"] == {
        "manufacturer": "–",
        "model": "–",
        "meter_id": "–",
        "power": f"{METER.power(NIGHT)} W",
    }
    result = await confirm(hass, flow)
    assert result["title"] == "HAN Port"
    assert result["result"].unique_id is None
    assert result["data"] == {
        "device": DEVICE,
        "manufacturer": None,
        "meter_type": None,
        "meter_id": None,
        "quantities": ["active_power_import"],
    }

    flow = await submit(hass, await begin(hass))
    assert_failed(flow, "port_taken", entry="HAN Port")
    await succeed(hass, port, flow, OTHER_DEVICE)


@pytest.mark.parametrize("reason", OpenFailure)
async def test_user_cannot_open(
    hass: HomeAssistant, port: Port, reason: OpenFailure
) -> None:
    """Each way a port fails to open is its own error, and the input stays."""
    port.failure = SourceError(reason, DEVICE, "what the system says")
    flow = await listen(hass, await begin(hass))
    assert_failed(flow, reason.value, detail="what the system says")
    await succeed(hass, port, flow)


async def test_user_no_port(hass: HomeAssistant, port: Port) -> None:
    """What can be no port is refused before anything is opened."""
    flow = await submit(hass, await begin(hass), "192.0.2.1")
    assert_failed(flow, "invalid_url", "192.0.2.1")
    assert port.opened == []
    await succeed(hass, port, flow)


async def test_user_link_breaks(hass: HomeAssistant, port: Port) -> None:
    """A link that breaks while listening is told with what the system says."""
    port.send(POWER_LIST, SourceError(OpenFailure.FAILED, DEVICE, "Input/output error"))
    flow = await listen(hass, await begin(hass))
    assert_failed(flow, "failed", detail="Input/output error")
    await succeed(hass, port, flow)


DAMAGED = FULL_LIST[:100] + bytes([FULL_LIST[100] ^ 1]) + FULL_LIST[101:]
TELEGRAM = simulator.create("p1-se", seed=1).message(NOON, 3)


@pytest.mark.parametrize(
    ("chunks", "step", "placeholders"),
    [
        ([], "nothing_received", {"seconds": "0.02"}),
        ([b"\x00" * 500, b"\xff" * 500], "no_valid_frame", {"bytes": "1000"}),
        ([DAMAGED] * 2, "bad_checksums", {"damaged": "2", "frames": "2"}),
        (
            [TELEGRAM.replace(b"0-0:1.0.0", b"0-0:1.0.1")],
            "bad_checksums",
            {"damaged": "1", "frames": "1"},
        ),
        (
            [POWER_LIST, DAMAGED, POWER_LIST, DAMAGED, POWER_LIST],
            "short_lists_only",
            {"damaged": "2", "frames": "5"},
        ),
        ([UNKNOWN_LIST], "unknown_list", {"sample": UNKNOWN_LIST.hex()}),
        ([b"\xff\xfb\x01\xff\xfb\x03"], "telnet", {}),
        ([b"HTTP/1.1 400 Bad Request\r\n", b""], "http", {}),
        ([b"<html><body>"], "http", {}),
        ([b'{"id":"1","data":{"P":1}}\n'], "decoded_values", {}),
        ([b"[I][app:100]: ESPHome version 2026.9.0\r\n"], "text", {"bytes": "40"}),
        ([b"Port already in use\r\n", b""], "port_in_use", {}),
        ([b"Port already in use\r\n"], "port_in_use", {}),
        ([b""], "closed", {}),
        ([POWER_LIST, b""], "closed", {}),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_user_trouble(
    hass: HomeAssistant,
    port: Port,
    chunks: list[bytes],
    step: str,
    placeholders: dict[str, str],
) -> None:
    """Each cause has a text of its own, and from each the flow goes on."""
    port.send(*chunks)
    flow = await listen(hass, await begin(hass))
    form = await assert_trouble(hass, flow, step, **placeholders)
    assert not port.is_open
    port.forget()
    await succeed(hass, port, form)


@pytest.mark.parametrize(
    ("chunks", "quantities", "unknown"),
    [
        ([UNKNOWN_LIST], [], "1"),
        ([POWER_LIST, UNKNOWN_LIST, UNKNOWN_LIST], ["active_power_import"], "2"),
    ],
)
@pytest.mark.usefixtures("impatient")
async def test_user_partly_known(
    hass: HomeAssistant,
    port: Port,
    chunks: list[bytes],
    quantities: list[str],
    unknown: str,
) -> None:
    """Lists that are not known are shown for a report, and what is known is added."""
    port.send(*chunks)
    flow = await listen(hass, await begin(hass))
    assert flow["step_id"] == "unknown_list"
    given = flow["description_placeholders"] or {}
    assert given["unknown"] == unknown
    assert given["sample"] == UNKNOWN_LIST.hex()
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "confirm"}
    )
    result = await confirm(hass, flow)
    assert result["title"] == "HAN Port"
    assert result["result"].unique_id is None
    assert result["data"]["quantities"] == quantities


@pytest.mark.usefixtures("impatient")
async def test_user_sample(hass: HomeAssistant, port: Port) -> None:
    """The message that is shown for a report does not say whose meter it is."""
    unknown = LLC + bytes.fromhex("0f4000000000 0202 0a08") + b"13943597" + b"\x11\x07"
    port.send(hdlc(unknown, bytes.fromhex("410883")))
    flow = await listen(hass, await begin(hass))
    assert flow["step_id"] == "unknown_list"
    sample = bytes.fromhex((flow["description_placeholders"] or {})["sample"])
    assert b"\x0a\x0813900000\x11\x07" in sample


async def test_user_once_unknown(hass: HomeAssistant, port: Port) -> None:
    """A single list that is not known may lack its beginning, and is not spoken of."""
    port.send(POWER_LIST + UNKNOWN_LIST + FULL_LIST)
    result = await confirm(hass, await listen(hass, await begin(hass)))
    assert result["result"].unique_id == METER.id
    assert result["data"]["quantities"] == THREE_PHASES


@pytest.mark.parametrize(
    ("said", "step"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n", "http"),
        (b"Port already in use\r\n", "port_in_use"),
        (TELNET, "telnet"),
        (b'{"id":"1","data":{"P":1}}\n', "decoded_values"),
        (b"[I][app:100]: ESPHome version 2026.9.0\r\n", "text"),
    ],
)
async def test_user_foreign(
    hass: HomeAssistant,
    port: Port,
    monkeypatch: pytest.MonkeyPatch,
    said: bytes,
    step: str,
) -> None:
    """What begins as no meter is told soon, not at the end of the time."""
    monkeypatch.setattr(flow_listen, "LISTEN_SECONDS", 1e6)
    monkeypatch.setattr(flow_listen, "FOREIGN_SECONDS", 0.02)
    port.send(said[:4], said[4:])
    async with asyncio.timeout(10):
        flow = await listen(hass, await begin(hass))
    await assert_trouble(hass, flow, step)


@pytest.mark.parametrize("next_", [DAMAGED, POWER_LIST])
async def test_user_banner(
    hass: HomeAssistant, port: Port, monkeypatch: pytest.MonkeyPatch, next_: bytes
) -> None:
    """A meter behind what a bridge says of itself has all the time that meters have."""
    monkeypatch.setattr(flow_listen, "FOREIGN_SECONDS", 0.02)
    port.send(TELNET + b"ser2net port 2000\r\n", next_)
    flow = await submit(hass, await begin(hass))
    await asyncio.sleep(0.1)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    port.send(FULL_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert result["data"]["quantities"] == THREE_PHASES


BRIDGE = {"host": "192.0.2.1", "port": 6638}
TAKEN = SourceError(OpenFailure.REFUSED, DEVICE, "refused")
CONSUMERS = "homeassistant.components.usb.async_get_serial_port_consumers"


@pytest.fixture(name="add_loaded")
def _add_loaded(hass: HomeAssistant) -> Iterator[Callable[[Any], None]]:
    """Give what adds a loaded entry of another integration."""
    entries: list[MockConfigEntry] = []

    def add(data: Any) -> None:
        entry = MockConfigEntry(domain="other", title="Home DSMR", data=data)
        entry.add_to_hass(hass)
        entry.mock_state(hass, ConfigEntryState.LOADED)
        entries.append(entry)

    yield add
    for entry in entries:
        entry.mock_state(hass, ConfigEntryState.NOT_LOADED)


@pytest.mark.parametrize(
    ("user", "data"),
    [
        ("usb", DEVICE),
        ("usb", "tcp://192.0.2.1:6638"),
        ("other", BRIDGE),
        ("other", BRIDGE | {"port": "6638"}),
    ],
)
@pytest.mark.parametrize("said", [None, b"", b"Port already in use\r\n"])
async def test_user_named(
    hass: HomeAssistant,
    port: Port,
    add_loaded: Callable[[Any], None],
    *,
    user: str,
    data: Any,
    said: bytes | None,
) -> None:
    """The integration that has a bridge is named when the bridge lets nobody else in."""
    consumers = {}
    if user == "usb":
        use = SerialPortConsumer(kind="config_entry", title="Home DSMR", active=True)
        consumers = {data: [use], OTHER_DEVICE: [use]}
    else:
        add_loaded(data)
    if said is None:
        port.failure = TAKEN
    else:
        port.send(said)
    with patch(CONSUMERS, return_value=consumers):
        flow = await listen(hass, await begin(hass))
    assert_failed(flow, "busy_by", users="Home DSMR")
    await succeed(hass, port, flow)


@pytest.mark.parametrize(
    "data", [BRIDGE | {"port": 6639}, BRIDGE | {"host": "192.0.2.9"}, {}]
)
async def test_user_not_named(
    hass: HomeAssistant, port: Port, add_loaded: Callable[[Any], None], data: Any
) -> None:
    """What reads another bridge is not blamed, and what works needs no one to blame."""
    add_loaded(data)
    port.failure = TAKEN
    flow = await listen(hass, await begin(hass))
    assert_failed(flow, "refused")
    add_loaded(BRIDGE)
    await succeed(hass, port, flow)


async def test_reconfigure_partly_known(hass: HomeAssistant, port: Port) -> None:
    """A meter that is set up cannot be checked by lists that are not known."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    port.send(UNKNOWN_LIST, b"")
    flow = await listen(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    assert flow["step_id"] == "unknown_list"
    assert flow["menu_options"] == ["listen", "port"]


@pytest.mark.parametrize("said", [b"Port already in use\r\n", b""])
async def test_reconfigure_freed(hass: HomeAssistant, port: Port, said: bytes) -> None:
    """A bridge for one reader is given time to notice that ours has left."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    port.send(said, said, FULL_LIST)
    result = await listen(hass, await begin_reconfigure(hass, entry))
    await hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert entry.unique_id == METER.id
    assert port.opened == [DEVICE] * 3


@pytest.mark.usefixtures("impatient")
async def test_user_listen_again(hass: HomeAssistant, port: Port) -> None:
    """From a port that was closed to a meter it takes one click, on the same port."""
    flow = await listen(hass, await begin(hass))
    assert flow["step_id"] == "nothing_received"
    port.send(FULL_LIST)
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "listen"}
    )
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == METER.id
    assert port.opened == [DEVICE] * 2


@pytest.mark.parametrize(
    ("chunks", "line", "stage"),
    [
        ([], None, "listen"),
        ([b"\x00" * 50], None, "bytes"),
        ([b"\x00" * 50], Line(2400, 8, "N"), "bytes_line"),
        ([DAMAGED], None, "damaged"),
        ([DAMAGED], Line(2400, 8, "N"), "damaged_line"),
        ([POWER_LIST], Line(2400, 8, "N"), "identify"),
    ],
)
async def test_user_stages(
    hass: HomeAssistant,
    port: Port,
    chunks: list[bytes],
    line: Line | None,
    stage: str,
) -> None:
    """What is heard is said while it is heard, with the setting of the line if it is known."""
    port.line = line
    flow = await submit(hass, await begin(hass))
    await hass.async_block_till_done()
    port.send(*chunks)
    await hass.async_block_till_done()
    async_fire_time_changed(hass, dt_util.utcnow() + timedelta(seconds=1))
    await hass.async_block_till_done()
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert flow["progress_action"] == stage
    hass.config_entries.flow.async_abort(flow["flow_id"])


async def submit_keys(
    hass: HomeAssistant, flow: ConfigFlowResult, **keys: str
) -> ConfigFlowResult:
    """Fill in the keys."""
    assert flow["type"] is FlowResultType.FORM
    assert flow["step_id"] == "key"
    assert flow["description_placeholders"] == {"manufacturer": "Kamstrup"}
    return await hass.config_entries.flow.async_configure(flow["flow_id"], keys)


async def test_user_enciphered(hass: HomeAssistant, port: Port) -> None:
    """Ciphertext needs no waiting: the key is asked for, tried, and used to go on."""
    port.send(ENCIPHERED, SourceError(OpenFailure.FAILED, DEVICE, "heard too long"))
    flow = await listen(hass, await begin(hass))
    assert not flow["errors"]
    assert not port.is_open
    port.forget()
    port.send(ENCIPHERED)
    key = "0x00:01:02:03:04:05:06:07:08:09:0a:0b:0c:0d:0e:0f"
    result = await submit_keys(hass, flow, encryption_key=key)
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["title"] == "Kamstrup Omnipower"
    assert result["result"].unique_id == "5706567000000001"
    assert result["data"] == {
        "device": DEVICE,
        "manufacturer": "Kamstrup",
        "meter_type": "6841131BN243101040",
        "meter_id": "5706567000000001",
        "quantities": THREE_PHASES,
        "encryption_key": ENCRYPTION_KEY,
    }


@pytest.mark.parametrize(
    ("keys", "errors"),
    [
        ({"encryption_key": "00"}, {"encryption_key": "invalid_key"}),
        ({"encryption_key": " "}, {"encryption_key": "invalid_key"}),
        ({"encryption_key": "zz" * 16}, {"encryption_key": "invalid_key"}),
        (
            {"encryption_key": ENCRYPTION_KEY, "authentication_key": "D0D1"},
            {"authentication_key": "invalid_key"},
        ),
        ({"encryption_key": "11" * 16}, {"encryption_key": "wrong_encryption_key"}),
        (
            {
                "encryption_key": AUTHENTICATION_KEY,
                "authentication_key": ENCRYPTION_KEY,
            },
            {"encryption_key": "wrong_encryption_key"},
        ),
        (
            {"encryption_key": ENCRYPTION_KEY, "authentication_key": "22" * 16},
            {"authentication_key": "wrong_authentication_key"},
        ),
    ],
)
async def test_user_wrong_key(
    hass: HomeAssistant, port: Port, keys: dict[str, str], errors: dict[str, str]
) -> None:
    """A key that is none, or opens nothing, is said at its field, and nothing is lost."""
    port.send(ENCIPHERED)
    flow = await submit_keys(hass, await listen(hass, await begin(hass)), **keys)
    assert flow["errors"] == errors
    schema = flow["data_schema"]
    assert schema is not None
    given = {
        field: (field.description or {}).get("suggested_value")
        for field in schema.schema
    }
    assert given == {"encryption_key": None, "authentication_key": None} | keys
    port.send(ENCIPHERED)
    await submit_keys(
        hass,
        flow,
        encryption_key=f" {ENCRYPTION_KEY.upper()} ",
        authentication_key=AUTHENTICATION_KEY,
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    result = await confirm(hass, flow)
    assert result["result"].unique_id == "5706567000000001"
    assert result["data"]["encryption_key"] == ENCRYPTION_KEY
    assert result["data"]["authentication_key"] == AUTHENTICATION_KEY


async def test_user_known_meter(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock
) -> None:
    """A meter that is set up already moves to the port where it was found."""
    entry = await set_up(hass, entry_for(METER.id, OTHER_DEVICE))
    port.send(FULL_LIST)
    result = await listen(hass, await begin(hass))
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert entry.unique_id == METER.id
    assert entry.data == {**entry_for(METER.id, DEVICE).data}
    assert setup_entry.call_count == 2


async def test_user_two_dialogs(hass: HomeAssistant, port: Port) -> None:
    """The first of two dialogs adds the meter, and the other ends."""
    port.send(FULL_LIST)
    first = await listen(hass, await begin(hass))
    port.send(FULL_LIST)
    result = await listen(hass, await begin(hass), OTHER_DEVICE)
    assert result["step_id"] == "confirm"
    result = await confirm(hass, first)
    assert hass.config_entries.flow.async_progress() == []
    assert result["result"].unique_id == METER.id
    assert result["data"]["device"] == DEVICE


async def test_user_port_taken(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock
) -> None:
    """A port of another entry is not taken away from it."""
    entry = await set_up(hass, entry_for(OTHER_METER.id, DEVICE))
    flow = await submit(hass, await begin(hass), "192.0.2.1:6638")
    assert_failed(flow, "port_taken", entry="Aidon 6534")
    assert port.opened == []
    assert is_loaded(entry)
    assert setup_entry.call_count == 1
    await succeed(hass, port, flow, OTHER_DEVICE)


async def begin_reconfigure(
    hass: HomeAssistant, entry: MockConfigEntry
) -> ConfigFlowResult:
    """Open the dialog for the port of a known meter."""
    result: ConfigFlowResult = await entry.start_reconfigure_flow(hass)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "reconfigure"
    assert not result["errors"]
    return result


async def succeed_reconfigure(
    hass: HomeAssistant, port: Port, flow: ConfigFlowResult, device: str
) -> None:
    """Go on in a flow that failed: the right meter speaks on the port now."""
    port.failure = None
    port.send(FULL_LIST)
    result = await listen(hass, flow, device)
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    (entry,) = (
        entry
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.unique_id == METER.id
    )
    assert is_loaded(entry)
    assert entry.data == {**entry_for(METER.id, device).data}


@pytest.mark.parametrize("device", [DEVICE, OTHER_DEVICE], ids=["same", "other"])
async def test_reconfigure(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock, device: str
) -> None:
    """The entry lets go of the port while the flow listens, and comes back once."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    flow = await begin_reconfigure(hass, entry)
    schema = flow["data_schema"]
    assert schema is not None
    assert [field.description for field in schema.schema] == [
        {"suggested_value": DEVICE}
    ]

    flow = await submit(hass, flow, device)
    await hass.async_block_till_done()
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    assert port.is_open
    assert not is_loaded(entry)

    port.send(FULL_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "reconfigure_successful"
    assert is_loaded(entry)
    assert entry.unique_id == METER.id
    assert entry.data == {**entry_for(METER.id, device).data}
    assert port.opened == [device]
    assert setup_entry.call_count == 2


async def test_reconfigure_wrong_meter(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock
) -> None:
    """The port of another meter is refused, and the entry goes on as it was."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    flow = await begin_reconfigure(hass, entry)
    port.send(OTHER_METER.message(NIGHT, 2))
    flow = await listen(hass, flow, OTHER_DEVICE)
    await hass.async_block_till_done()
    assert_failed(
        flow, "wrong_meter", OTHER_DEVICE, expected=METER.id, found=OTHER_METER.id
    )
    assert is_loaded(entry)
    assert entry.data["device"] == DEVICE
    assert setup_entry.call_count == 2
    await succeed_reconfigure(hass, port, flow, OTHER_DEVICE)


@pytest.mark.usefixtures("impatient")
async def test_reconfigure_no_id(hass: HomeAssistant, port: Port) -> None:
    """A meter that does not say its id is not known to be the same."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    port.send(POWER_LIST)
    flow = await listen(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    assert_failed(flow, "unidentified", OTHER_DEVICE, expected=METER.id)
    assert entry.data["device"] == DEVICE
    await succeed_reconfigure(hass, port, flow, OTHER_DEVICE)


async def test_reconfigure_serial_number(hass: HomeAssistant, port: Port) -> None:
    """A meter that says its serial number in a list is the one of its device name."""
    meter = simulator.create("iskra-si-1p", seed=1)
    entry = await set_up(hass, entry_for(meter.id, DEVICE))
    port.send(meter.message(NIGHT, 4))
    result = await listen(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    await hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert entry.unique_id == meter.id
    assert entry.data["device"] == OTHER_DEVICE


async def test_reconfigure_entry_without_id(hass: HomeAssistant, port: Port) -> None:
    """An entry without an id has nothing to compare, and keeps its identity."""
    entry = await set_up(hass, entry_for(None, DEVICE))
    port.send(FULL_LIST)
    result = await listen(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    await hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert entry.unique_id is None
    assert entry.data == {**entry_for(None, OTHER_DEVICE).data}


async def test_reconfigure_cannot_open(hass: HomeAssistant, port: Port) -> None:
    """A port that does not open leaves the entry on the one it had."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    port.failure = SourceError(OpenFailure.REFUSED, OTHER_DEVICE, "refused")
    flow = await listen(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    assert_failed(flow, "refused", OTHER_DEVICE)
    await hass.async_block_till_done()
    assert is_loaded(entry)
    assert entry.data["device"] == DEVICE
    await succeed_reconfigure(hass, port, flow, OTHER_DEVICE)


async def test_reconfigure_closed_dialog(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock
) -> None:
    """Closing the dialog brings the entry back on the port it had."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    flow = await submit(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    await hass.async_block_till_done()
    assert not is_loaded(entry)
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    assert not port.is_open
    assert is_loaded(entry)
    assert entry.data["device"] == DEVICE
    assert setup_entry.call_count == 2
    await succeed_reconfigure(
        hass, port, await begin_reconfigure(hass, entry), OTHER_DEVICE
    )


async def test_reconfigure_swapped(hass: HomeAssistant, port: Port) -> None:
    """Two meters whose cables were swapped can be told apart one after the other."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    other = await set_up(hass, entry_for(OTHER_METER.id, OTHER_DEVICE))
    flow = await submit(hass, await begin_reconfigure(hass, entry), OTHER_DEVICE)
    await hass.async_block_till_done()
    assert not is_loaded(entry)
    assert not is_loaded(other)

    port.send(FULL_LIST)
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["device"] == OTHER_DEVICE
    assert is_loaded(entry)
    assert other.data["device"] == OTHER_DEVICE
    assert is_loaded(other)

    port.send(OTHER_METER.message(NIGHT, 2))
    result = await listen(hass, await begin_reconfigure(hass, other), DEVICE)
    await hass.async_block_till_done()
    assert result["reason"] == "reconfigure_successful"
    assert other.unique_id == OTHER_METER.id
    assert other.data["device"] == DEVICE


async def test_reconfigure_while_stopping(
    hass: HomeAssistant, port: Port, setup_entry: AsyncMock
) -> None:
    """A Home Assistant that stops does not set the entry up again."""
    entry = await set_up(hass, entry_for(METER.id, DEVICE))
    flow = await submit(hass, await begin_reconfigure(hass, entry))
    await hass.async_block_till_done()
    hass.set_state(CoreState.stopping)
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    hass.set_state(CoreState.running)
    assert not port.is_open
    assert not is_loaded(entry)
    assert setup_entry.call_count == 1


async def test_bridge(
    hass: HomeAssistant, bridge: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With nothing replaced: a meter is added, and its port checked again."""
    # The bridge hears of the reader that leaves when it comes to that.
    monkeypatch.setattr(flow_listen, "FREE_SECONDS", (0.01,) * 1000)
    address = bridge.removeprefix("socket://")
    flow = await listened(hass, await submit(hass, await begin(hass), address))
    result = await confirm(hass, flow)
    entry = result["result"]
    assert is_loaded(entry)
    assert entry.unique_id == METER.id
    assert entry.data["device"] == bridge

    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_RECONFIGURE, "entry_id": entry.entry_id}
    )
    flow = await listened(hass, await submit(hass, flow, address))
    assert flow["reason"] == "reconfigure_successful"
    await hass.async_block_till_done()
    assert is_loaded(entry)
    while not entry.runtime_data.connected:
        await asyncio.sleep(0.01)

    flow = await submit(hass, await begin(hass), address)
    assert_failed(flow, "port_taken", bridge, entry="Aidon 6534")
    assert await hass.config_entries.async_unload(entry.entry_id)
