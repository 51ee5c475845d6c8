"""Do the meters behind a P1 meter live beside it, each as a device of its own?"""

from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry
from pytest_homeassistant_custom_component.typing import WebSocketGenerator

from custom_components.han_port.const import DOMAIN
from custom_components.han_port.diagnostics import async_get_config_entry_diagnostics
from custom_components.han_port.protocol import MeterKind
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr, entity_registry as er
from homeassistant.setup import async_setup_component
from simulator.frames import telegram
from tests.integration.conftest import (
    Port,
    Sender,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)

DSMR = Sender("dsmr5")
OWN = "E0047000000000001"
GAS = "G0000000000000001"
WATER = "W0000000000000001"


def hexadecimal(text: str) -> str:
    """Write a text as DSMR does."""
    return text.encode("ascii").hex().upper()


def submeter(
    channel: int, kind: str, value: str, identity: str = "", *, electric: bool = False
) -> list[str]:
    """Give the lines of a submeter (DSMR 5.0.2, table 6-3)."""
    return [
        f"0-{channel}:24.1.0({kind})",
        f"0-{channel}:96.1.0({hexadecimal(identity)})",
        f"0-{channel}:24.2.1(101209112500W)({value})",
    ]


def message(*submeters: list[str], own: str = OWN) -> bytes:
    """Give a telegram of the meter and these submeters."""
    lines = [f"0-0:96.1.1({hexadecimal(own)})"] if own else []
    return telegram(
        [
            "ISK5\\2M550T-1012",
            "1-3:0.2.8(50)",
            "0-0:1.0.0(101209113020W)",
            *lines,
            "1-0:1.8.1(123456.789*kWh)",
            "1-0:1.7.0(01.193*kW)",
            *(line for each in submeters for line in each),
        ]
    )


def gas(value: str = "12785.123*m3", identity: str = GAS) -> list[str]:
    """Give the lines of a gas meter on channel 1."""
    return submeter(1, "003", value, identity)


def entry_of(own: str | None = OWN, **data: Any) -> MockConfigEntry:
    """Make the entry of the meter, which may have no id."""
    return make_entry(
        None, manufacturer=None, meter_type=None, **{"meter_id": own, **data}
    )


def remembered(
    identity: str | None, quantity: str = "volume", kind: str = "gas"
) -> dict[str, Any]:
    """Give what the entry remembers of a submeter on channel 1."""
    return {"id": identity, "kind": kind, "channel": 1, "quantities": [quantity]}


def device(hass: HomeAssistant, entry: MockConfigEntry, key: str) -> dr.DeviceEntry:
    """Give the device of a meter."""
    found = dr.async_get(hass).async_get_device_by_identifier(
        (DOMAIN, key), entry.entry_id
    )
    assert found is not None
    return found


@pytest.fixture(name="writes")
def _writes(hass: HomeAssistant) -> Iterator[list[str]]:
    """Collect what of an entry is written."""
    writes: list[str] = []
    update = hass.config_entries.async_update_entry

    def spy(entry: Any, **changes: Any) -> bool:
        writes.extend(key for key in changes["data"] if key == "submeters")
        return update(entry, **changes)

    with patch.object(hass.config_entries, "async_update_entry", spy):
        yield writes


async def test_simulated(hass: HomeAssistant, port: Port) -> None:
    """The gas meter behind the simulated meter is there, to the last digit."""
    await set_up(hass, make_entry(DSMR))
    await say(hass, port, DSMR.list(2, gas_volume=1234.567))
    assert state(hass, "volume", f"G00760000000{DSMR.id[-6:]}") == "1234.567"


@pytest.mark.parametrize(
    ("kind", "value", "quantity", "shown", "attributes", "name"),
    [
        ("003", "12785.123*m3", "volume", "12785.123", ("gas", "m³"), "Gas meter"),
        ("007", "00872.234*m3", "volume", "872.234", ("water", "m³"), "Water meter"),
        ("006", "00001.5*m3", "volume", "1.5", ("water", "m³"), "Hot water meter"),
        ("004", "00007.5*m3", "volume", "7.5", ("volume", "m³"), "Heat meter"),
        (
            "004",
            "00012.345*GJ",
            "thermal_energy",
            "12.345",
            ("energy", "GJ"),
            "Heat meter",
        ),
        (
            "010",
            "00012.345*GJ",
            "thermal_energy",
            "12.345",
            ("energy", "GJ"),
            "Cooling meter",
        ),
        ("099", "00001.5*m3", "volume", "1.5", ("volume", "m³"), "Other meter"),
        (
            "002",
            "00012.345*kWh",
            "energy_import",
            "12.345",
            ("energy", "kWh"),
            "Electricity meter",
        ),
    ],
)
async def test_value(
    hass: HomeAssistant,
    port: Port,
    kind: str,
    value: str,
    quantity: str,
    shown: str,
    attributes: tuple[str, str],
    name: str,
) -> None:
    """A submeter shows what it sends, as what it is, on a device linked to the meter."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(submeter(1, kind, value, GAS)))
    assert state(hass, quantity, GAS) == shown
    found = hass.states.get(entity_id(hass, quantity, GAS) or "")
    assert found is not None
    assert found.attributes["device_class"] == attributes[0]
    assert found.attributes["unit_of_measurement"] == attributes[1]
    assert found.attributes["state_class"] == "total"
    assert found.attributes["friendly_name"].startswith(f"{name} ")

    own = device(hass, entry, OWN)
    assert own.via_device_id is None
    linked = device(hass, entry, GAS)
    assert linked.name == name
    assert linked.serial_number == GAS
    assert linked.via_device_id == own.id
    registered = er.async_get(hass).async_get(found.entity_id)
    assert registered is not None
    assert registered.device_id == linked.id


async def test_own_values(hass: HomeAssistant, port: Port) -> None:
    """What a submeter counts is no value of the meter, also where both count energy."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(submeter(1, "002", "00012.345*kWh", GAS)))
    assert state(hass, "energy_import_t1", OWN) == "123456.789"
    assert state(hass, "energy_import", OWN) == "123456.789"
    assert state(hass, "energy_import", GAS) == "12.345"
    assert "volume" not in entry.data["quantities"]


async def test_remembered(hass: HomeAssistant, port: Port, writes: list[str]) -> None:
    """What is new is there at once and written once, without a reload."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message())
    assert "submeters" not in entry.data
    await say(hass, port, message(gas()))
    assert entry.data["submeters"] == [remembered(GAS)]
    assert len(writes) == 1
    await say(hass, port, message(gas("12786.000*m3")), message(gas("12787.000*m3")))
    assert len(writes) == 1
    assert state(hass, "volume", GAS) == "12787.0"
    assert port.times_opened == 1

    await say(hass, port, message(gas(), submeter(2, "007", "00872.234*m3", WATER)))
    assert state(hass, "volume", WATER) == "872.234"
    assert [each["id"] for each in entry.data["submeters"]] == [GAS, WATER]
    assert len(writes) == 2
    assert port.times_opened == 1


@pytest.mark.parametrize(
    ("identity", "key", "name"),
    [
        ("G0000000000004711", "G0000000000004711", "Gas meter 4711"),
        ("", f"{OWN}_2", "Gas meter 2"),
    ],
)
async def test_two_of_a_kind(
    hass: HomeAssistant, port: Port, identity: str, key: str, name: str
) -> None:
    """The second of a kind has a name of its own, the same after a restart."""
    entry = await set_up(hass, entry_of())
    second = submeter(2, "003", "00001.5*m3", identity)
    water = submeter(3, "007", "00872.234*m3", WATER)
    for _ in range(2):
        await say(hass, port, message(gas(), second, water))
        names = [device(hass, entry, each).name for each in (GAS, key, WATER)]
        assert names == ["Gas meter", name, "Water meter"]
        assert await hass.config_entries.async_reload(entry.entry_id)
        await hass.async_block_till_done()


async def test_restart(hass: HomeAssistant, port: Port) -> None:
    """Right after a restart a submeter is there with its last value, which guards."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(gas("12785.123*m3")))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert device(hass, entry, GAS).via_device_id == device(hass, entry, OWN).id
    assert state(hass, "volume", GAS) == "12785.123"
    await say(hass, port, message(gas("00000.000*m3")))
    assert state(hass, "volume", GAS) == "12785.123"
    await say(hass, port, message(gas("12785.200*m3")))
    assert state(hass, "volume", GAS) == "12785.2"


async def test_restart_without_it(hass: HomeAssistant, port: Port) -> None:
    """A submeter that is not in the first reading after a reload is not shown."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(gas()))
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, "volume", GAS) == "12785.123"
    await say(hass, port, message())
    assert state(hass, "volume", GAS) == "unavailable"


async def test_unknown(hass: HomeAssistant, port: Port) -> None:
    """What a newer version has remembered is no error for this one."""
    submeters = [remembered(GAS, "joy"), remembered(WATER, kind="mood")]
    await set_up(hass, entry_of(submeters=submeters))
    await say(hass, port, message(gas()))
    assert state(hass, "volume", GAS) == "12785.123"
    assert entity_id(hass, "joy", GAS) is None
    assert entity_id(hass, "volume", WATER) is None


async def test_silence(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """With the meter its submeters fall silent, and come back with it."""
    await set_up(hass, entry_of())
    await say(hass, port, message(gas()))
    await wait(hass, freezer, 119)
    assert state(hass, "volume", GAS) == "12785.123"
    await wait(hass, freezer, 2)
    assert state(hass, "volume", GAS) == "unavailable"
    await wait(hass, freezer, 1)
    await say(hass, port, message(gas("12785.200*m3")))
    assert state(hass, "volume", GAS) == "12785.2"


async def test_lower(hass: HomeAssistant, port: Port) -> None:
    """A submeter's counter goes back never to zero, and else when it insists."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(gas()))
    await say(hass, port, *[message(gas("00000.000*m3"))] * 4)
    assert state(hass, "volume", GAS) == "12785.123"
    await say(hass, port, message(gas()))
    await say(hass, port, *[message(gas("00001.000*m3"))] * 2)
    assert state(hass, "volume", GAS) == "12785.123"
    assert entry.runtime_data.counters["refused"] == 6
    await say(hass, port, message(gas("00001.000*m3")))
    assert state(hass, "volume", GAS) == "1.0"


async def test_two_of_one_kind(hass: HomeAssistant, port: Port) -> None:
    """Two water meters are two devices, each with its own counter."""
    other = "W0000000000000002"
    entry = await set_up(hass, entry_of())
    await say(
        hass,
        port,
        message(
            submeter(1, "007", "00100.000*m3", WATER),
            submeter(2, "007", "00050.000*m3", other),
        ),
    )
    assert state(hass, "volume", WATER) == "100.0"
    assert state(hass, "volume", other) == "50.0"
    assert device(hass, entry, WATER).id != device(hass, entry, other).id


async def test_without_id(hass: HomeAssistant, port: Port) -> None:
    """A submeter without id is known by the meter and where it is connected."""
    entry = await set_up(hass, entry_of())
    water = submeter(2, "007", "00050.000*m3")
    await say(hass, port, message(gas(identity=""), water))
    assert state(hass, "volume", f"{OWN}_1") == "12785.123"
    assert state(hass, "volume", f"{OWN}_2") == "50.0"
    assert entry.data["submeters"][0] == remembered(None)
    assert device(hass, entry, f"{OWN}_1").serial_number is None

    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, "volume", f"{OWN}_2") == "50.0"


async def test_without_any_id(hass: HomeAssistant, port: Port) -> None:
    """Where the meter sends no id either, the entry stands for it."""
    entry = await set_up(hass, entry_of(None))
    await say(hass, port, message(gas(identity=""), own=""))
    assert state(hass, "volume", f"{entry.entry_id}_1") == "12785.123"


async def test_without_id_of_other_kind(hass: HomeAssistant, port: Port) -> None:
    """Water is not booked as gas when meters without id change places."""
    await set_up(hass, entry_of())
    await say(hass, port, message(gas(identity="")))
    await say(hass, port, message(submeter(1, "007", "99999.000*m3")))
    assert state(hass, "volume", f"{OWN}_1") == "12785.123"


async def test_other_meter(hass: HomeAssistant, port: Port) -> None:
    """What stands behind another meter is not ours."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(gas(), own="E0047000000000002"))
    assert entity_id(hass, "volume", GAS) is None
    assert "submeters" not in entry.data


async def test_replaced(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    hass_ws_client: WebSocketGenerator,
) -> None:
    """A new meter is a new device; the old one falls silent and may be deleted then."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    new = "G0000000000000002"
    entry = await set_up(hass, entry_of())
    own = device(hass, entry, OWN).id
    await say(hass, port, message(gas()))
    old = device(hass, entry, GAS).id
    for _ in range(5):
        await wait(hass, freezer, 5)
        await say(hass, port, message(gas("00000.100*m3", new)))
    assert state(hass, "volume", new) == "0.1"
    assert state(hass, "volume", GAS) == "12785.123"
    assert not (await client.remove_device(old))["success"]
    for _ in range(8):
        await wait(hass, freezer, 5)
        await say(hass, port, message(gas("00000.200*m3", new)))
    assert state(hass, "volume", new) == "0.2"
    assert state(hass, "volume", GAS) == "unavailable"

    assert not (await client.remove_device(own))["success"]
    new_id = device(hass, entry, new).id
    assert not (await client.remove_device(new_id))["success"]
    assert (await client.remove_device(old))["success"]
    await hass.async_block_till_done()
    assert entity_id(hass, "volume", GAS) is None
    assert entry.data["submeters"] == [remembered(new)]
    assert await hass.config_entries.async_reload(entry.entry_id)
    await hass.async_block_till_done()
    assert entity_id(hass, "volume", GAS) is None
    assert state(hass, "volume", new) == "0.2"


async def test_deleted_and_sent_again(
    hass: HomeAssistant, port: Port, hass_ws_client: WebSocketGenerator
) -> None:
    """A submeter that was deleted too early comes back when it is sent again."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    entry = await set_up(hass, entry_of(submeters=[remembered(GAS)]))
    linked = device(hass, entry, GAS).id
    # Nothing was heard yet, so nobody knows.
    assert not (await client.remove_device(linked))["success"]
    await say(hass, port, message())
    assert (await client.remove_device(linked))["success"]
    await hass.async_block_till_done()
    assert entry.data["submeters"] == []
    await say(hass, port, message(gas()))
    assert state(hass, "volume", GAS) == "12785.123"
    assert entry.data["submeters"] == [remembered(GAS)]


async def test_not_deleted_while_unloaded(
    hass: HomeAssistant, port: Port, hass_ws_client: WebSocketGenerator
) -> None:
    """Of an entry that is not loaded nothing can be deleted."""
    assert await async_setup_component(hass, "config", {})
    client = await hass_ws_client(hass)
    entry = await set_up(hass, entry_of(submeters=[remembered(GAS)]))
    await say(hass, port, message())
    assert await hass.config_entries.async_unload(entry.entry_id)
    answer = await client.remove_device(device(hass, entry, GAS).id)
    assert answer["error"]["code"] == "home_assistant_error"


async def test_diagnostics(hass: HomeAssistant, port: Port) -> None:
    """What a user sends us does not say whose submeter it is."""
    entry = await set_up(hass, entry_of())
    await say(hass, port, message(gas(), submeter(2, "007", "00872.234*m3")))
    diagnostics = await async_get_config_entry_diagnostics(hass, entry)
    ids = [each["id"] for each in diagnostics["entry"]["data"]["submeters"]]
    assert ids == ["G000000" + 10 * "0", None]
    assert GAS not in str(diagnostics)
    assert hexadecimal(GAS).encode().hex() not in str(diagnostics)


@pytest.mark.parametrize("kind", MeterKind)
@pytest.mark.parametrize("language", ["en", "nb"])
async def test_name(hass: HomeAssistant, port: Port, kind: str, language: str) -> None:
    """Every kind of meter has a name in every language."""
    hass.config.language = language
    entry = await set_up(hass, entry_of(submeters=[remembered(GAS, kind=kind)]))
    name = device(hass, entry, GAS).name
    assert name is not None
    assert name.endswith("meter" if language == "en" else "måler")
