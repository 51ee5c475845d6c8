"""Is a cable offered only if a meter was heard on it, and nothing else touched?"""

from collections import defaultdict
from unittest.mock import patch

import pytest

from custom_components.han_port.const import DOMAIN
from custom_components.han_port.flow import listen
from homeassistant.components.usb.models import SerialPortConsumer
from homeassistant.config_entries import (
    SOURCE_USB,
    SOURCE_USER,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.usb import UsbServiceInfo
from homeassistant.loader import async_get_usb

from .conftest import METER, Port, connection, make_entry, say, set_up

CABLE = "/dev/serial/by-id/usb-FTDI_P1_Converter_Cable_P1AB"
INFO = UsbServiceInfo(
    device=CABLE,
    vid="0403",
    pid="6001",
    serial_number="P1AB",
    manufacturer="FTDI",
    description="P1 Converter Cable",
)
USERS = "homeassistant.components.usb.async_get_serial_port_consumers"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let listening end at once when there is nothing more to hear."""
    for name in ("LISTEN_SECONDS", "IDENTIFY_SECONDS", "TUNE_SECONDS"):
        monkeypatch.setattr(listen, name, 0.05)


def consumer(name: str, *, active: bool) -> SerialPortConsumer:
    """Make what Home Assistant knows to use a port."""
    return SerialPortConsumer(kind="app", title=name, active=active, slug=name)


async def discover(hass: HomeAssistant) -> ConfigFlowResult:
    """Plug the cable in."""
    return await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USB}, data=INFO
    )


async def test_matcher(hass: HomeAssistant) -> None:
    """Only a cable with a name of its own is claimed, never a chip."""
    matchers = [each for each in await async_get_usb(hass) if each["domain"] == DOMAIN]
    assert matchers == [
        {"domain": DOMAIN, "vid": "0403", "description": "*p1 converter cable*"}
    ]


async def test_offered(hass: HomeAssistant, ports: defaultdict[str, Port]) -> None:
    """A cable with a meter is offered by its name, and asked anew when accepted."""
    port = ports[CABLE]
    port.put(METER.list(2))
    result = await discover(hass)
    assert result["type"] is FlowResultType.FORM
    assert result["step_id"] == "discovered"
    assert result["description_placeholders"] == {
        "device": CABLE,
        "meter": "Aidon 6534",
    }
    (flow,) = hass.config_entries.flow.async_progress()
    assert flow["context"]["title_placeholders"] == {"name": "Aidon 6534"}
    assert flow["context"]["unique_id"] == METER.id
    assert not port.is_open
    port.put(METER.list(2, active_power_import=1234, active_power_export=0))
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hass.config_entries.flow.async_configure(result["flow_id"])
    assert result["step_id"] == "confirm"
    assert (result["description_placeholders"] or {})["power"] == "1234 W"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"]["device"] == CABLE
    assert result["result"].unique_id == METER.id


@pytest.mark.parametrize("heard", [b"", b"~\x00 no meter says this \xff~" * 3])
async def test_not_offered(
    hass: HomeAssistant, ports: defaultdict[str, Port], heard: bytes
) -> None:
    """A cable that is silent, or says what no meter says, is not offered."""
    if heard:
        ports[CABLE].put(heard)
    result = await discover(hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "no_meter"
    assert ports[CABLE].times_opened >= 1
    assert not ports[CABLE].is_open
    assert hass.config_entries.flow.async_progress() == []


async def test_own_port(hass: HomeAssistant, ports: defaultdict[str, Port]) -> None:
    """A cable that an entry reads already is left alone."""
    entry = await set_up(hass, make_entry(device=CABLE))
    result = await discover(hass)
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "port_taken"
    assert entry.state is ConfigEntryState.LOADED
    assert ports[CABLE].times_opened == 1


async def test_used_by_others(
    hass: HomeAssistant, ports: defaultdict[str, Port]
) -> None:
    """A cable that something else uses is not even opened."""
    user = consumer("DSMR", active=True)
    with patch(USERS, return_value={CABLE: [user]}):
        result = await discover(hass)
    assert result["reason"] == "port_taken"
    assert ports[CABLE].times_opened == 0


@pytest.mark.parametrize(("connected", "moves"), [(False, True), (True, False)])
async def test_known_meter(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    port: Port,
    connected: bool,
    moves: bool,
) -> None:
    """The entry of a silent meter moves to the cable, that of a sending one stays."""
    entry = await set_up(hass, make_entry())
    before = entry.data["device"]
    if connected:
        await say(hass, port, METER.list(2))
        assert connection(hass) == "on"
    ports[CABLE].put(METER.list(2))
    result = await discover(hass)
    await hass.async_block_till_done()
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "already_configured"
    assert entry.data["device"] == (CABLE if moves else before)
    assert ports[CABLE].is_open is moves


async def test_person_is_first(
    hass: HomeAssistant, ports: defaultdict[str, Port]
) -> None:
    """A person who adds the meter without the offer can do so, and the offer ends."""
    ports[CABLE].put(METER.list(2))
    assert (await discover(hass))["step_id"] == "discovered"
    ports[CABLE].put(METER.list(2))
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}, data={"device": CABLE}
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hass.config_entries.flow.async_configure(result["flow_id"])
    assert result["step_id"] == "confirm"
    result = await hass.config_entries.flow.async_configure(result["flow_id"], {})
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert hass.config_entries.flow.async_progress() == []


@pytest.mark.parametrize(
    ("active", "error"), [(True, {"base": "busy_by"}), (False, None)]
)
async def test_named(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    active: bool,
    error: dict[str, str] | None,
) -> None:
    """What else reads a serial port is named before it is opened, if it is running."""
    ports[CABLE].put(METER.list(2))
    users = [
        consumer("Home DSMR", active=active),
        consumer("Zigbee2MQTT", active=active),
    ]
    with patch(USERS, return_value={CABLE: users}):
        result = await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}, data={"device": CABLE}
        )
    assert result.get("errors") == error
    if active:
        placeholders = result["description_placeholders"] or {}
        assert placeholders["users"] == "Home DSMR, Zigbee2MQTT"
        assert ports[CABLE].times_opened == 0


async def test_named_on_opening(
    hass: HomeAssistant, ports: defaultdict[str, Port]
) -> None:
    """What takes the port just before it is opened is named too."""
    ports[CABLE].failure = OSError(16, "Device or resource busy")
    users = [{}, {CABLE: [consumer("Home DSMR", active=True)]}]
    with patch(USERS, side_effect=users):
        result = await hass.config_entries.flow.async_init(
            DOMAIN, context={"source": SOURCE_USER}, data={"device": CABLE}
        )
        await hass.async_block_till_done(wait_background_tasks=True)
        result = await hass.config_entries.flow.async_configure(result["flow_id"])
    assert result["errors"] == {"base": "busy_by"}
    assert (result["description_placeholders"] or {})["users"] == "Home DSMR"


async def test_stale_lock(hass: HomeAssistant, ports: defaultdict[str, Port]) -> None:
    """An unknown program that holds the port is not named, but told of."""
    ports[CABLE].failure = OSError(16, "Device or resource busy")
    result = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}, data={"device": CABLE}
    )
    await hass.async_block_till_done(wait_background_tasks=True)
    result = await hass.config_entries.flow.async_configure(result["flow_id"])
    assert result["errors"] == {"base": "busy"}
