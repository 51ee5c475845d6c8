"""Is everything in what users send us, except whose meter it is?"""

from datetime import timedelta
from importlib.metadata import version
import json
from pathlib import Path
import subprocess
import sys
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
)
from pytest_homeassistant_custom_component.components.diagnostics import (
    get_diagnostics_for_config_entry,
)
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator

from custom_components.han_port.diagnostics import async_get_config_entry_diagnostics
from custom_components.han_port.masking import mask
from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Meter,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
)
from homeassistant.const import __version__
from homeassistant.core import HomeAssistant
import simulator
from simulator.frames import LLC, hdlc
from tests.integration.conftest import METER, NOON, Port, make_entry, say, set_up, wait
from tests.integration.test_masking import forms
from tests.protocol.test_corpus import CAPTURES, load, message

pytestmark = pytest.mark.usefixtures("port")

MASKED = "7359992000000000"
ROOT = Path(__file__).parents[2]
MANIFEST = ROOT / "custom_components/han_port/manifest.json"

# What the flow asks no key for yet sends what can be read without
PLAIN = [
    "aidon-3p",
    "kaifa-3p",
    "kamstrup-3p",
    "lg-e350",
    "aidon-se",
    "kaifa-se-obis",
    "lg-ch",
    "iskra-ch",
    "iskra-si",
    "p1-se",
    "dsmr5",
]


async def diagnose(hass: HomeAssistant, *outcomes: Outcome) -> list[dict[str, Any]]:
    """Give what diagnostics say of these outcomes."""
    entry = await set_up(hass, make_entry())
    entry.runtime_data.recent.extend(outcomes)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert json.loads(json.dumps(diagnostics)) == diagnostics
    recent: list[dict[str, Any]] = diagnostics["recent"]
    return recent


def outcomes_of(frames: bytes) -> list[Outcome]:
    """Read what a meter sends, to the last byte."""
    decoder = Decoder()
    return decoder.feed(frames) + decoder.flush()


def message_of(name: str) -> tuple[str, bytes]:
    """Give the id of a simulated meter, and its longest list."""
    meter = simulator.create(name, seed=123456789)
    messages = meter.messages(NOON, NOON + timedelta(seconds=15))
    return meter.id, max((message for _, message in messages), key=len)


async def test_diagnostics(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, port: Port
) -> None:
    """All that the entry knows is there; keys and identity are not."""
    entry = await set_up(hass, make_entry(encryption_key="00" * 16))
    full, short = METER.list(2, active_power_import=1234), METER.list(1)
    await say(hass, port, full, short[:20] + b"\xff" + short[21:])
    diagnostics: Any = await get_diagnostics_for_config_entry(hass, hass_client, entry)

    data = dict(diagnostics["entry"]["data"])
    assert set(data.pop("quantities")) >= {"active_power_import", "voltage_l1"}
    assert data == {
        "device": "/dev/serial/by-id/usb-HAN",
        "manufacturer": "Aidon",
        "meter_type": "6534",
        "meter_id": MASKED,
        "encryption_key": "**REDACTED**",
        "line": "2400 8N1",
    }
    assert diagnostics["entry"]["options"] == {}
    assert diagnostics["versions"] == {
        "home_assistant": __version__,
        "han_port": json.loads(MANIFEST.read_text())["version"],
        "serialx": version("serialx"),
    }
    assert diagnostics["diagnosis"] is None
    assert diagnostics["connected"] is True
    assert diagnostics["cadence"] is None
    counters = diagnostics["counters"]
    assert counters["bytes"] == len(full) + len(short)
    assert (counters["frames"], counters["crc"], counters["losses"]) == (1, 1, 0)
    assert diagnostics["values"]["active_power_import"] == 1234
    assert [each["offset"] for each in diagnostics["recent"]] == [0, len(full)]

    read, failed = diagnostics["recent"]
    reading = dict(read["reading"])
    assert reading.pop("values")["active_power_import"] == 1234
    assert reading == {
        "manufacturer": "Aidon",
        "type": "6534",
        "id": MASKED,
        "list_version": "AIDON_V0001",
        "kind": "electricity",
        "list_kind": 2,
    }
    assert failed["error"] == "crc"
    assert failed["detail"] == "HDLC checksum is wrong"
    assert METER.id not in json.dumps(diagnostics)
    assert METER.id.encode().hex() not in json.dumps(diagnostics)


async def test_diagnostics_not_loaded(hass: HomeAssistant) -> None:
    """An entry whose port does not open, and without id, has its data to show."""
    entry = make_entry(None, "socket://192.0.2.1:6638")
    entry.add_to_hass(hass)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics.pop("versions").keys() == {
        "home_assistant",
        "han_port",
        "serialx",
    }
    assert diagnostics == {
        "entry": {
            "data": {
                "device": "socket://**REDACTED**:6638",
                "manufacturer": "Aidon",
                "meter_type": "6534",
                "meter_id": None,
                "quantities": ["active_power_export", "active_power_import"],
            },
            "options": {},
        }
    }


async def test_recent_is_bounded(hass: HomeAssistant, port: Port) -> None:
    """The last forty frames are enough, and all there are."""
    entry: MockConfigEntry = await set_up(hass, make_entry())
    frames = [METER.list(1, active_power_import=power) for power in range(45)]
    await say(hass, port, METER.list(2), *frames)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    powers = [
        each["reading"]["values"]["active_power_import"]
        for each in diagnostics["recent"]
    ]
    assert powers == list(range(5, 45))


@pytest.mark.parametrize("name", PLAIN)
async def test_frames_are_fixtures(hass: HomeAssistant, name: str) -> None:
    """A masked frame gives the same values, of a meter that is not that one."""
    meter_id, message = message_of(name)
    (outcome,) = outcomes_of(message)
    assert isinstance(outcome.result, MeterReading)
    (described,) = await diagnose(hass, outcome)
    frame = bytes.fromhex(described["frame"])
    assert len(frame) == len(outcome.frame)

    (again,) = decode(frame)
    assert isinstance(again.result, MeterReading)
    assert again.result.values == outcome.result.values
    assert described["reading"]["values"] == dict(outcome.result.values)
    assert again.result.meter.type == outcome.result.meter.type
    if outcome.result.meter.id is not None:
        assert again.result.meter.id == mask(outcome.result.meter.id)
    for form in (meter_id.encode(), meter_id.encode().hex().upper().encode()):
        assert form not in frame


async def test_submeters(hass: HomeAssistant) -> None:
    """The gas meter behind the electricity meter has an identity too."""
    _, message = message_of("dsmr5")
    (outcome,) = outcomes_of(message)
    assert isinstance(outcome.result, MeterReading)
    (submeter,) = outcome.result.submeters
    assert submeter.meter.id is not None
    (described,) = await diagnose(hass, outcome)
    (again,) = decode(bytes.fromhex(described["frame"]))
    assert isinstance(again.result, MeterReading)
    assert again.result.submeters[0].meter.id == mask(submeter.meter.id)
    assert described["reading"]["submeters"][0]["id"] == mask(submeter.meter.id)
    assert again.result.submeters[0].values == submeter.values


@pytest.mark.parametrize("at", range(1, 16))
async def test_id_in_two_frames(hass: HomeAssistant, at: int) -> None:
    """An id of which one frame has the beginning and the next the rest is masked."""
    apdu = METER.list(2)[9:-3].removeprefix(LLC)
    cut = apdu.index(METER.id.encode()) + at
    blocks = (
        LLC + b"\xe0\x40\x00\x01\x00\x00" + bytes((cut,)) + apdu[:cut],
        b"\xe0\xc0\x00\x02\x00\x00\x81" + bytes((len(apdu) - cut,)) + apdu[cut:],
    )
    frames = b"".join(hdlc(block, bytes.fromhex("ceff03")) for block in blocks)
    (outcome,) = outcomes_of(frames)
    assert isinstance(outcome.result, MeterReading)
    (described,) = await diagnose(hass, outcome)
    (again,) = decode(bytes.fromhex(described["frame"]))
    assert isinstance(again.result, MeterReading)
    assert again.result.values == outcome.result.values
    assert again.result.meter.id == MASKED


async def test_id_not_found(hass: HomeAssistant) -> None:
    """A frame that says the id in an unknown way is not shown at all."""
    reading = MeterReading(Meter(id="1234567"), {Quantity.ENERGY_IMPORT: 1.0})
    (described,) = await diagnose(hass, Outcome(0, b"\x0f\x12\x34\x56\x70", reading))
    assert described["frame"] == "**REDACTED**"
    assert described["reading"]["id"] == "1200000"


async def test_submeter_id_not_found(hass: HomeAssistant) -> None:
    """Nor is one that says the id of a submeter in an unknown way."""
    submeter = MeterReading(Meter(id="G0061234"), {Quantity.VOLUME: 1.0})
    reading = MeterReading(
        Meter(), {Quantity.ENERGY_IMPORT: 1.0}, submeters=(submeter,)
    )
    (described,) = await diagnose(hass, Outcome(0, b"\x0f\x00\x61\x23\x40", reading))
    assert described["frame"] == "**REDACTED**"
    assert described["reading"]["submeters"][0]["id"] == "G0000000"


async def test_one_id_for_two(hass: HomeAssistant) -> None:
    """An id that is the name of the logical device too is masked once."""
    name = "LGZ1030655933512"
    reading = MeterReading(
        Meter(id=name, logical_device_name=name), {Quantity.ENERGY_IMPORT: 1.0}
    )
    frame = b"\x0fLGZ10306" + bytes(12) + b"55933512"
    (described,) = await diagnose(hass, Outcome(0, frame, reading))
    masked = b"\x0fLGZ10300" + bytes(12) + b"00000000"
    assert described["frame"] == masked.hex()


async def test_id_as_number(hass: HomeAssistant) -> None:
    """Kamstrup's second list sends the number of the meter as one (KM-DK, 5.2)."""
    reading = MeterReading(Meter(id="12345678"), {Quantity.ENERGY_IMPORT: 1.0})
    frame = b"\x0f\x06" + (12345678).to_bytes(4) + b"\x12\x00\xe6"
    (described,) = await diagnose(hass, Outcome(0, frame, reading))
    masked = b"\x0f\x06" + (12300000).to_bytes(4) + b"\x12\x00\xe6"
    assert described["frame"] == masked.hex()


async def test_id_too_short(hass: HomeAssistant) -> None:
    """A few digits are no identity, and would be found among the values."""
    reading = MeterReading(Meter(id="12"), {Quantity.ENERGY_IMPORT: 12.0})
    (described,) = await diagnose(hass, Outcome(0, b"\x0f\x00\x1212", reading))
    assert described["frame"] == "0f00123132"


async def test_apdu_by_itself(hass: HomeAssistant) -> None:
    """An APDU that came without a frame has no checksum to compute."""
    apdu = METER.list(2)[9:-3].removeprefix(LLC)
    (outcome,) = decode(apdu)
    (described,) = await diagnose(hass, outcome)
    masked = apdu.replace(METER.id.encode(), MASKED.encode())
    assert described["frame"] == masked.hex()


async def test_line_feeds_translated(hass: HomeAssistant) -> None:
    """A frame stays as its adapter changed it, and is proved by the same checksum."""
    frame = METER.list(2).replace(b"\n", b"\r\n")
    (outcome,) = outcomes_of(frame)
    assert isinstance(outcome.result, MeterReading)
    (described,) = await diagnose(hass, outcome)
    masked = bytes.fromhex(described["frame"])
    assert masked.count(b"\r\n") == masked.count(b"\n") > 2
    (again,) = outcomes_of(masked)
    assert isinstance(again.result, MeterReading)
    assert again.result.values == outcome.result.values
    assert again.result.meter.id == MASKED


@pytest.mark.parametrize("at", range(16))
async def test_damaged_id(hass: HomeAssistant, at: int) -> None:
    """Where damage hit a known id, what it spared does not give it away."""
    frame = bytearray(METER.list(2))
    place = frame.index(METER.id.encode())
    frame[place + at] ^= 0x40
    (outcome,) = outcomes_of(bytes(frame))
    assert isinstance(outcome.result, ProtocolError)
    assert outcome.result.code is ErrorCode.CRC
    (described,) = await diagnose(hass, outcome)
    frame[place : place + 16] = MASKED.encode()
    assert described["frame"] == frame.hex()
    assert described["error"] == "crc"


async def test_damaged_unknown_id(hass: HomeAssistant) -> None:
    """Where no list ever came whole, what looks like an id is taken for one."""
    meter = simulator.create("kaifa-3p", seed=987654321)
    frame = meter.message(NOON, 2)[:90]
    telegram = b"/KFM5X\r\n\r\n0-0:96.13.1(4B3031323334353637383930)\r\n!0000\r\n"
    first, second = await diagnose(hass, *outcomes_of(frame), *outcomes_of(telegram))
    assert meter.id.encode() in frame
    assert b"6970631000000000" in bytes.fromhex(first["frame"])
    assert b"4B3031323330303030303030)" in bytes.fromhex(second["frame"])
    assert (first["error"], second["error"]) == ("truncated", "crc")


@pytest.mark.parametrize("name", ["kamstrup-dk", "kaifa-at", "sagemcom-at-old"])
async def test_enciphered(hass: HomeAssistant, name: str) -> None:
    """The system title names the maker; the serial number in it is not shown."""
    _, message = message_of(name)
    (outcome,) = outcomes_of(message)
    assert isinstance(outcome.result, ProtocolError)
    title = outcome.result.system_title
    assert len(title) == 8
    assert title in message
    (described,) = await diagnose(hass, outcome)
    frame = bytes.fromhex(described["frame"])
    assert title not in frame
    (again,) = decode(frame)
    assert isinstance(again.result, ProtocolError)
    assert again.result.code is ErrorCode.NO_KEY
    assert again.result.system_title == title[:3] + bytes(5)
    assert described["error"] == "encrypted-no-key"


@pytest.mark.parametrize("name", ["kamstrup-dk", "kaifa-at"])
async def test_deciphered(hass: HomeAssistant, name: str) -> None:
    """A message that a key opened is shown as it came, and what was in it beside it."""
    meter = simulator.create(name, seed=123456789)
    _, message = message_of(name)
    (outcome,) = Decoder(encryption_key=meter.encryption_key).feed(message)
    assert isinstance(outcome.result, MeterReading)
    assert outcome.result.meter.id == meter.id
    (described,) = await diagnose(hass, outcome)
    place = message.index(b"\xdb\x08") + 5
    frame = bytes.fromhex(described["frame"])
    assert frame[:place] == message[:place]
    assert frame[place : place + 5] == bytes(5) != message[place : place + 5]
    assert described["reading"]["id"] == mask(meter.id)
    (again,) = decode(frame)
    assert isinstance(again.result, ProtocolError)
    assert again.result.code is ErrorCode.NO_KEY
    (opened,) = decode(bytes.fromhex(described["plain"]))
    assert isinstance(opened.result, MeterReading)
    assert opened.result.values == outcome.result.values
    assert opened.result.meter.id == mask(meter.id)


@pytest.mark.parametrize("name", simulator.MODELS)
async def test_no_identity_of_any_model(
    hass: HomeAssistant, port: Port, name: str
) -> None:
    """Whatever the model, its frames are fixtures, and its id is nowhere in the download."""
    meter = simulator.create(name, seed=123456789)
    keys = (
        {
            "encryption_key": meter.encryption_key.hex(),
            "authentication_key": meter.authentication_key.hex(),
        }
        if meter.model.cipher
        else {}
    )
    entry = await set_up(hass, make_entry(None, **keys))
    for _, frame in meter.messages(NOON, NOON + timedelta(seconds=31)):
        await say(hass, port, frame)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["recent"]
    for each, outcome in zip(
        diagnostics["recent"], entry.runtime_data.recent, strict=True
    ):
        assert isinstance(outcome.result, MeterReading)
        (again,) = decode(bytes.fromhex(each.get("plain") or each["frame"]))
        assert isinstance(again.result, MeterReading)
        assert again.result.values == outcome.result.values
    text = json.dumps(diagnostics).lower()
    for hidden in (
        meter.id,
        meter.encryption_key.hex(),
        meter.authentication_key.hex(),
    ):
        assert hidden.lower() not in text
        for form in forms(hidden):
            assert form.hex() not in text


@pytest.mark.parametrize("wrapped", [True, False])
async def test_download_is_read(
    hass: HomeAssistant, hass_client: ClientSessionGenerator, wrapped: bool
) -> None:
    """The download as it is can be printed by scripts/decode, also what a key opened."""
    entry = await set_up(hass, make_entry())
    meter = simulator.create("kaifa-at", seed=123456789)
    _, message = message_of("kaifa-at")
    hidden = MeterReading(Meter(id="1234567"), {Quantity.ENERGY_IMPORT: 1.0})
    outcomes = [
        *outcomes_of(METER.list(2, active_power_import=1234)),
        *Decoder(encryption_key=meter.encryption_key).feed(message),
        Outcome(0, b"\x0f\x12\x34", hidden),
        *outcomes_of(METER.list(1)[:-4]),
    ]
    entry.runtime_data.recent.extend(outcomes)
    download = await get_diagnostics_for_config_entry(hass, hass_client, entry)
    done = await hass.async_add_executor_job(
        lambda: subprocess.run(
            [sys.executable, "-I", ROOT / "scripts/decode.py"],
            input=json.dumps({"data": download} if wrapped else download).encode(),
            capture_output=True,
            check=True,
        )
    )
    first, second, left_out, damaged = map(json.loads, done.stdout.splitlines())
    assert first["frame"] == 0
    assert first["reading"]["active_power_import"] == 1234
    assert first["reading"]["meter_id"] == MASKED
    assert second["frame"] == 1
    opened = outcomes[1].result
    assert isinstance(opened, MeterReading)
    assert second["reading"]["energy_import"] == opened.values[Quantity.ENERGY_IMPORT]
    assert left_out["detail"] == "the frame is left out"
    assert damaged["frame"] == 3
    assert "error" in damaged


async def test_heard(hass: HomeAssistant, port: Port) -> None:
    """What is no meter's is shown as far as it explains something, without addresses."""
    entry = await set_up(hass, make_entry())
    await say(
        hass, port, b"I (1234) wifi: connected to Villa Roser, ip 192.0.2.17\r\n" * 3
    )
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["diagnosis"] == "text"
    assert diagnostics["foreign"].startswith("I (1234) wifi: connected to ")
    assert "Villa" not in diagnostics["foreign"]
    assert "Roser" not in diagnostics["foreign"]
    assert "192" not in diagnostics["foreign"]
    assert diagnostics["said"] is None
    assert diagnostics["settings"] == {
        "line": None,
        "look": None,
        "bytes": 168,
        "lists": {},
    }
    await say(hass, port, METER.list(2), METER.list(1), METER.list(1))
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["settings"]["lists"] == {"1": 2, "2": 1}
    assert diagnostics["settings"]["line"] == "2400 8N1"


async def test_said(
    hass: HomeAssistant, mqtt_mock: Any, freezer: FrozenDateTimeFactory
) -> None:
    """Of a reader on MQTT it is shown what it said last about itself."""
    entry = await set_up(hass, make_entry(device="mqtt://villa/roser"))
    payload = b'{"status": {"rssi": -61, "ssid": "Villa", "mac": "00:11:22:33:44:55"}}'
    async_fire_mqtt_message(hass, "villa/roser", payload)
    await wait(hass, freezer, 5)
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["said"]["kind"] == "status"
    assert "-61" in diagnostics["said"]["text"]
    text = json.dumps(diagnostics)
    for hidden in ("illa", "oser", "00:11", "33:44"):
        assert hidden not in text
    assert diagnostics["entry"]["data"]["device"] == "mqtt://**REDACTED**"


async def test_unknown_codes(hass: HomeAssistant) -> None:
    """Codes that nothing is made of are named, those of damaged messages are not."""
    entry = await set_up(hass, make_entry())
    whole, cut = (
        b"/KFM5X\r\n\r\n1-0:1.8.1(000123.456*kWh)\r\n%b(1*kW)\r\n!\r\n" % code
        for code in (b"0-0:17.0.0", b"0-0:18.0.0")
    )
    entry.runtime_data.recent.extend([*outcomes_of(whole), *outcomes_of(cut[:-6])])
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    assert diagnostics["unknown_codes"] == ["0-0:17.0.0"]


@pytest.mark.skipif(not CAPTURES, reason="no corpus")
async def test_captures(
    hass: HomeAssistant, tmp_path: Path, hass_client: ClientSessionGenerator
) -> None:
    """The diagnostics of real meters are read by scripts/decode, and name none of them."""
    entry = await set_up(hass, make_entry())
    wanted: dict[str, list[Outcome]] = {}
    shown = hidden = 0
    for path in CAPTURES:
        group, keys = load(path)
        outcomes = [
            outcome
            for frame in group["frames"]
            for outcome in Decoder(**keys).decode(message(frame))
        ][:40]
        entry.runtime_data.recent.clear()
        entry.runtime_data.recent.extend(outcomes)
        text = json.dumps(await async_get_config_entry_diagnostics(hass, entry))
        (tmp_path / path.name).write_text(text)
        wanted[str(tmp_path / path.name)] = outcomes
        for identity in identities(outcomes):
            assert identity not in text
            hidden += 1
    done = await hass.async_add_executor_job(
        lambda: subprocess.run(
            [sys.executable, "-I", ROOT / "scripts/decode.py", *wanted],
            capture_output=True,
            check=True,
        )
    )
    for line in map(json.loads, done.stdout.splitlines()):
        outcome = wanted[line["file"]][line["frame"]]
        if not isinstance(outcome.result, MeterReading):
            assert "error" in line
            continue
        if line.get("detail") == "the frame is left out":
            continue
        meter, reading = outcome.result.meter, line["reading"]
        assert {
            key: value for key, value in reading.items() if key in set(Quantity)
        } == dict(outcome.result.values)
        if meter.id is not None and len(meter.id) >= 6:
            assert reading["meter_id"] == mask(meter.id)
        assert reading.get("meter_type") == meter.type
        shown += 1
    left_out = (
        sum(
            isinstance(each.result, MeterReading)
            for one in wanted.values()
            for each in one
        )
        - shown
    )
    print(f"{shown} readings, {left_out} left out, {hidden} identities")  # noqa: T201
    assert shown > 200
    assert left_out <= 0


def identities(outcomes: list[Outcome]) -> set[str]:
    """Give the ids of meters as text, and the hex of whatever form they may have."""
    found = set()
    for outcome in outcomes:
        if not isinstance(outcome.result, MeterReading):
            continue
        for reading in (outcome.result, *outcome.result.submeters):
            meter = reading.meter
            for each in (
                meter.id,
                meter.id_alt,
                meter.id_raw,
                meter.logical_device_name,
            ):
                if each is not None and len(each) >= 6 and each != mask(each):
                    found |= {each, *(form.hex() for form in forms(each))}
    return found


@pytest.mark.parametrize(
    ("checksum", "result"), [("B9F", "unsupported"), ("", "unsupported")]
)
async def test_telegram_checksums(
    hass: HomeAssistant, checksum: str, result: str
) -> None:
    """A checksum of three digits, or none, is left in its form."""
    # A heat meter: hanporten and others print what such cables send
    telegram = (
        "/NWA-WARMTELINK\r\n\r\n"
        + "1-3:0.2.8(50)\r\n" * bool(checksum)
        + "0-0:1.0.0(260215200523W)\r\n0-0:96.1.1(ADC3100000158491)\r\n"
        "0-0:96.13.1()\r\n0-0:96.13.0()\r\n0-1:24.1.0(004)\r\n"
        "0-1:96.1.0(621848012D2C0B0C)\r\n0-1:24.2.1(260215200523W)(240.860*GJ)\r\n"
        f"!{checksum}\r\n"
    ).encode()
    (outcome,) = outcomes_of(telegram)
    assert isinstance(outcome.result, ProtocolError)
    assert outcome.result.code == result
    (described,) = await diagnose(hass, outcome)
    frame = bytes.fromhex(described["frame"])
    assert b"0-0:96.1.1(ADC310000000000" in frame
    assert b"0-1:96.1.0(6218480" in frame
    assert b"01584" not in frame
    assert b"2D2C0B0C" not in frame
    (again,) = outcomes_of(frame + b"\r\n")
    assert isinstance(again.result, ProtocolError)
    assert again.result.code == result
