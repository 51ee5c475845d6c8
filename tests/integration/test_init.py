"""How is an entry set up and taken down?"""

import asyncio
from collections import defaultdict
import errno
from typing import Any

import pytest

from custom_components.han_port.const import DOMAIN
from custom_components.han_port.coordinator import HanPortCoordinator
from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import EVENT_HOMEASSISTANT_FINAL_WRITE
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryNotReady
from homeassistant.helpers import device_registry as dr, translation
from tests.integration.conftest import (
    DEVICE,
    METER,
    Port,
    Sender,
    connection,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)

NETWORK = "socket://192.0.2.7:6638"


async def test_setup(hass: HomeAssistant, port: Port) -> None:
    """Setup opens the port once, waits for no frame, and has the remembered entities."""
    await set_up(hass, make_entry())
    assert port.times_opened == 1
    assert port.is_open
    assert state(hass, "active_power_import") == "unavailable"
    assert state(hass, "active_power_export") == "unavailable"
    assert connection(hass) == "off"
    # Two of power, what the hour and the month come to, its limit, the connection
    assert len(hass.states.async_entity_ids()) == 14

    await say(hass, port, METER.list(1, active_power_import=1234))
    assert port.times_opened == 1


@pytest.mark.parametrize(
    ("failure", "key"),
    [
        (OSError(errno.EBUSY, "already locked by another process"), "busy"),
        (PermissionError(errno.EACCES, "Permission denied"), "permission"),
        (FileNotFoundError(errno.ENOENT, "No such file"), "not_found"),
        (ConfigEntryNotReady("ESPHome has not loaded yet"), "not_ready"),
        (RuntimeError("what nobody thought of"), None),
    ],
)
async def test_setup_failure(
    hass: HomeAssistant, port: Port, failure: Exception, key: str | None
) -> None:
    """A port that does not open is tried again later, and the entry says why."""
    port.failure = failure
    entry = make_entry()
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    if key is None:
        assert entry.state is ConfigEntryState.SETUP_ERROR
        return
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert entry.error_reason_translation_key == key
    texts = await translation.async_get_translations(hass, "en", "exceptions", [DOMAIN])
    text = texts[f"component.{DOMAIN}.exceptions.{key}.message"]
    assert entry.reason == text.format(device=DEVICE).removesuffix(".")

    port.failure = None
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert port.is_open


async def test_setup_failure_of_platform(
    hass: HomeAssistant, port: Port, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A setup that fails after the port was opened leaves it closed."""

    async def fail(*_: object) -> None:
        assert port.is_open
        raise ValueError

    monkeypatch.setattr(hass.config_entries, "async_forward_entry_setups", fail)
    entry = make_entry()
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_ERROR
    assert not port.is_open


async def test_unload(hass: HomeAssistant, port: Port) -> None:
    """Unloading closes the port and leaves no value behind."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert entry.state is ConfigEntryState.NOT_LOADED
    assert not port.is_open
    assert state(hass, "active_power_import") == "unavailable"


async def test_reload_within_a_frame(hass: HomeAssistant, port: Port) -> None:
    """Half a frame from before a reload does not spoil the first frame after it."""
    entry = await set_up(hass, make_entry())
    frame = METER.list(2, active_power_import=1234)
    await say(hass, port, frame[:100])
    assert await hass.config_entries.async_reload(entry.entry_id)
    assert port.times_opened == 2
    assert state(hass, "active_power_import") == "unavailable"
    await say(hass, port, frame)
    assert state(hass, "active_power_import") == "1234.0"
    assert entry.runtime_data.counters["crc"] == 0


async def test_remove(
    hass: HomeAssistant,
    port: Port,
    hass_storage: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A removed entry leaves nothing stored, also if a list comes while it is removed."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    ours = f"han_port.{entry.entry_id}"
    save = HanPortCoordinator.async_save

    async def save_slowly(coordinator: HanPortCoordinator) -> None:
        await save(coordinator)
        assert {ours, f"{ours}.peaks"} <= hass_storage.keys()
        port.put(METER.list(2))
        for _ in range(9):
            await asyncio.sleep(0)

    monkeypatch.setattr(HanPortCoordinator, "async_save", save_slowly)
    await hass.config_entries.async_remove(entry.entry_id)
    hass.bus.async_fire(EVENT_HOMEASSISTANT_FINAL_WRITE)
    await hass.async_block_till_done()
    assert [key for key in hass_storage if key.startswith("han_port")] == []


async def test_stop(hass: HomeAssistant, port: Port) -> None:
    """Home Assistant closes the port when it stops."""
    await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    assert port.is_open
    await hass.async_stop(force=True)
    assert not port.is_open


async def test_two_meters(
    hass: HomeAssistant, ports: defaultdict[str, Port], port: Port
) -> None:
    """Two meters live side by side, each with its own values and link."""
    other = Sender("kaifa-3p")
    await set_up(hass, make_entry())
    await set_up(hass, make_entry(other, NETWORK))
    await say(hass, port, METER.list(2, active_power_import=100))
    await say(hass, ports[NETWORK], other.list(2, active_power_import=200))
    assert state(hass, "active_power_import") == "100.0"
    assert state(hass, "active_power_import", other.id) == "200.0"

    await say(hass, ports[NETWORK], b"")
    assert state(hass, "active_power_import") == "100.0"
    assert state(hass, "active_power_import", other.id) == "unavailable"


@pytest.mark.parametrize(
    ("device", "url"),
    [
        (DEVICE, None),
        ("socket://192.0.2.7:6638", "http://192.0.2.7"),
        ("tcp://[2001:db8::7]:6638", "http://[2001:db8::7]"),
        ("rfc2217://bridge.example:2001", "http://bridge.example"),
        ("esphome-hass://esphome/abc?port_name=HAN", None),
    ],
)
async def test_device(
    hass: HomeAssistant,
    ports: defaultdict[str, Port],
    device_registry: dr.DeviceRegistry,
    device: str,
    url: str | None,
) -> None:
    """The device names maker, model and meter, and links to a bridge."""
    entry = await set_up(hass, make_entry(device=device))
    found = device_registry.async_get_device_by_identifier(
        (DOMAIN, METER.id), entry.entry_id
    )
    assert found is not None
    assert found.name == "Aidon 6534"
    assert found.manufacturer == "Aidon"
    assert found.model == "6534"
    assert found.model_id is None
    assert found.serial_number == METER.id
    assert found.configuration_url == url


async def test_model(
    hass: HomeAssistant, port: Port, device_registry: dr.DeviceRegistry
) -> None:
    """The type that a meter sends is given beside the name that is printed on it."""
    type_ = "6841131BN243101040"
    kamstrup = make_entry(manufacturer="Kamstrup", meter_type=type_)
    entry = await set_up(hass, kamstrup)
    found = device_registry.async_get_device_by_identifier(
        (DOMAIN, METER.id), entry.entry_id
    )
    assert found is not None
    assert (found.model, found.model_id) == ("Omnipower", type_)


async def test_meter_without_id(
    hass: HomeAssistant, port: Port, device_registry: dr.DeviceRegistry
) -> None:
    """A meter that sends no id is known by its entry."""
    swede = Sender("aidon-se")
    entry = await set_up(hass, make_entry(None))
    said = swede.list(2, active_power_import=1234)
    await say(hass, port, said, said)
    assert state(hass, "active_power_import", entry.entry_id) == "1234.0"
    assert entity_id(hass, "active_power_import", "None") is None
    found = device_registry.async_get_device_by_identifier(
        (DOMAIN, entry.entry_id), entry.entry_id
    )
    assert found is not None
    assert found.serial_number is None
