"""Does a person who comes from another integration keep everything, or lose nothing?"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
import errno
from itertools import pairwise
import json
import logging
from math import floor
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    MockEntity,
    MockModule,
    MockPlatform,
    async_fire_mqtt_message,
    mock_config_flow,
    mock_integration,
    mock_platform,
)
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port import takeover
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.diagnostics import async_get_config_entry_diagnostics
from custom_components.han_port.protocol import Decoder, Meter, Quantity
from custom_components.han_port.takeover import Plan, Port, Reason, parse_port, plan
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.components.recorder.tasks import StatisticsTask
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import (
    SOURCE_USER,
    ConfigEntry,
    ConfigEntryDisabler,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    issue_registry as ir,
)
from homeassistant.helpers.entity_platform import AddEntitiesCallback
from homeassistant.helpers.recorder import get_instance
from homeassistant.setup import async_setup_component
import simulator

from .conftest import (
    DEVICE,
    METER,
    NOON,
    Port as Wire,
    Sender,
    entity_id,
    make_entry,
    say,
    set_up,
)

AMSHAN_SERIAL = {
    "connection_type": "serial",
    "connection": {
        "port": DEVICE,
        "baudrate": 2400,
        "parity": "N",
        "bytesize": 8,
        "stopbits": "1",
        "xonxoff": False,
        "rtscts": False,
        "dsrdtr": False,
    },
}
AMS_SERIAL = {
    "protocol": "serial",
    "serial_port": DEVICE,
    "meter_manufacturer": "auto",
    "parity": "N",
    "baudrate": 2400,
}
# Key and unit of what AMSHAN makes for a three-phase meter
AMSHAN_ROWS = {
    "meter_id": None,
    "meter_manufacturer": None,
    "meter_type": None,
    "list_ver_id": None,
    "active_power_import": "W",
    "active_power_export": "W",
    "reactive_power_import": "var",
    "reactive_power_export": "var",
    "current_l1": "A",
    "current_l2": "A",
    "current_l3": "A",
    "voltage_l1": "V",
    "voltage_l2": "V",
    "voltage_l3": "V",
    "active_power_import_total": "kWh",
    "active_power_export_total": "kWh",
    "reactive_power_import_total": "kVArh",
    "reactive_power_export_total": "kVArh",
}
FOLDER = Path(takeover.__file__).parent
TEXTS = json.loads((FOLDER / "translations/en.json").read_text())["config"]
FIVE = timedelta(minutes=5)
HOUR = timedelta(hours=1)
OTHER = Sender("aidon-3p", seed=2)
FULL = METER.list(2)


class TheirFlow(ConfigFlow):
    """Stand in for AMSHAN's own."""

    VERSION = 3


@pytest.fixture(name="expected_lingering_timers")
def _expected_lingering_timers(request: pytest.FixtureRequest) -> bool:
    """Let the timers of the MQTT integration be: it has no end of its own in a test."""
    return "mqtt_mock" in request.fixturenames


@pytest.fixture(autouse=True)
def _their_flow() -> Iterator[None]:
    with mock_config_flow("amshan", TheirFlow):
        yield


def their_entry(
    hass: HomeAssistant, domain: str, data: dict[str, Any], **more: Any
) -> MockConfigEntry:
    """Add an entry of another integration, which cannot be loaded any more."""
    title = "Aidon 6534 (serial)" if domain == "amshan" else "AMS Reader"
    entry = MockConfigEntry(
        domain=domain,
        title=title,
        data=data,
        version=3,
        entry_id=more.pop("id", None) or f"{domain}-entry",
        **more,
    )
    entry.add_to_hass(hass)
    return entry


def their_row(
    hass: HomeAssistant,
    entry: ConfigEntry | None,
    unique_id: str,
    unit: str | None = None,
    name: str | None = None,
    domain: str = "amshan",
    **more: Any,
) -> er.RegistryEntry:
    """Add an entity of another integration to the registry."""
    device = entry and dr.async_get(hass).async_get_or_create(
        config_entry_id=entry.entry_id, identifiers={(domain, entry.entry_id)}
    )
    return er.async_get(hass).async_get_or_create(
        "sensor",
        domain,
        unique_id,
        config_entry=entry,
        device_id=device.id if device else None,
        suggested_object_id=name,
        unit_of_measurement=unit,
        **more,
    )


def amshan(hass: HomeAssistant, meter: Sender = METER, **more: Any) -> MockConfigEntry:
    """Add an entry of AMSHAN and all that it made."""
    entry = their_entry(hass, "amshan", AMSHAN_SERIAL, **more)
    for key, unit in AMSHAN_ROWS.items():
        their_row(hass, entry, f"Aidon-{meter.id}-{key}", unit, f"aidon_{key}")
    return entry


def state(entry: ConfigEntry) -> ConfigEntryState:
    """Give the state of an entry, which changes while a test looks away."""
    return entry.state


def unchanged(hass: HomeAssistant) -> dict[str, Any]:
    """Give all that the registry has of the others' entities, to be compared.

    But when it was changed, and the number of decimals that we proposed.
    """
    found: dict[str, Any] = {}
    for row in er.async_get(hass).entities.values():
        if row.platform == DOMAIN:
            continue
        options = {name: dict(each) for name, each in row.options.items()}
        options.get("sensor", {}).pop("suggested_display_precision", None)
        found[row.entity_id] = {
            **row.extended_dict,
            "modified_at": None,
            "options": {name: each for name, each in options.items() if each},
            "unit_of_measurement": row.unit_of_measurement,
        }
    return found


@pytest.mark.parametrize(
    ("domain", "data", "port"),
    [
        ("amshan", AMSHAN_SERIAL, Port(DEVICE, "2400 8N1")),
        ("amshan", AMSHAN_SERIAL["connection"], Port(DEVICE, "2400 8N1")),
        (
            "amshan",
            {"port": "/dev/ttyUSB0", "baudrate": 9600, "parity": "E", "bytesize": 7},
            Port("/dev/ttyUSB0", "9600 7E1"),
        ),
        (
            "amshan",
            {
                "connection_type": "network_tcpip",
                "connection": {"host": "192.0.2.1", "port": 3001},
            },
            Port("socket://192.0.2.1:3001"),
        ),
        (
            "amshan",
            {"host": "2001:db8::1", "port": 3001},
            Port("socket://[2001:db8::1]:3001"),
        ),
        (
            "amshan",
            {
                "connection_type": "hass_mqtt",
                "connection": {"mqtt_topics": "han/raw, han/other"},
            },
            Port("mqtt://han/raw"),
        ),
        ("ams", AMS_SERIAL, Port(DEVICE, "2400 8N1")),
        (
            "ams",
            {"serial_port": "/dev/ttyUSB0: FT232R USB UART", "parity": "E"},
            Port("/dev/ttyUSB0", "2400 8E1"),
        ),
        (
            "ams",
            {"protocol": "tcp_ip", "tcp_host": "bridge.local", "tcp_port": 12345},
            Port("socket://bridge.local:12345"),
        ),
        ("ams", {}, None),
        ("ams", {"tcp_host": "bridge.local"}, None),
        ("amshan", {"connection": 5}, None),
        ("amshan", {"connection": {"mqtt_topics": " "}}, None),
        ("amshan", {"connection": {"mqtt_topics": "han/#, +/raw"}}, None),
    ],
)
def test_port(domain: str, data: dict[str, Any], port: Port | None) -> None:
    """The port is read from every form of entry that was ever written."""
    assert parse_port(domain, MappingProxyType(data)) == port


@pytest.mark.parametrize(
    ("domain", "unique_id", "unit", "outcome"),
    [
        ("amshan", "Aidon-{id}-active_power_import", "W", "active_power_import"),
        ("amshan", "Aidon-{id}-active_power_import", "kW", "active_power_import"),
        ("amshan", "Aidon-{id}-active_power_import_total", "kWh", "energy_import"),
        ("amshan", "Aidon-{id}-active_power_export_hour", "kWh", "energy_export"),
        (
            "amshan",
            "Aidon-{id}-reactive_power_import_total",
            "kVArh",
            "reactive_energy_import",
        ),
        ("amshan", "Aidon-{id}-reactive_power_export", "kVAr", "reactive_power_export"),
        ("amshan", "CEID-amshan-entry-{'AUX'}None-voltage_l2", "V", "voltage_l2"),
        ("amshan", "CEID-amshan-entry-{'A-B'}6-1-voltage_l3", "V", "voltage_l3"),
        ("amshan", "CEID-amshan-entry-KFM6-current_l1", "A", "current_l1"),
        ("amshan", "CEID-elsewhere-KFM6-current_l1", "A", "current_l1"),
        (
            "amshan",
            "CEID-amshan-entry-{'AUX'}None-meter_type",
            None,
            Reason.NO_QUANTITY,
        ),
        ("amshan", "Aidon-{id}-meter_id", None, Reason.NO_QUANTITY),
        ("amshan", "amshan-entry_rssi", "dBm", Reason.NO_QUANTITY),
        ("amshan", "Aidon-7359992890941742-voltage_l1", "V", Reason.OTHER_METER),
        ("amshan", "Aidon-1{id}-voltage_l1", "V", Reason.OTHER_METER),
        ("amshan", "Aidon-{id}-voltage_l1", "A", Reason.UNIT),
        ("ams", "ams_active_power_import_{id}", "W", "active_power_import"),
        ("ams", "ams_active_power_import_l2_{id}", "W", "active_power_import_l2"),
        ("ams", "ams_active_energy_import_{id}", "kWh", "energy_import"),
        ("ams", "ams_reactive_energy_export_{id}", "kVArh", "reactive_energy_export"),
        ("ams", "ams_reactive_energy_export_{id}", "kVAr", Reason.UNIT),
        ("ams", "ams_reactive_power_import_{id}", "VAr", "reactive_power_import"),
        ("ams", "ams_active_power_import_1", "W", Reason.OTHER_METER),
        ("ams", "ams_active_power_import", "W", Reason.OTHER_METER),
    ],
)
async def test_unique_ids(
    hass: HomeAssistant, domain: str, unique_id: str, unit: str, outcome: str
) -> None:
    """What an entity means is read from its unique id, and only this meter's move."""
    entry = their_entry(hass, domain, AMSHAN_SERIAL)
    row = their_row(
        hass, entry, unique_id.replace("{id}", METER.id), unit, domain=domain
    )
    found = plan(hass, Meter(id=METER.id), entry.entry_id)
    if isinstance(outcome, Reason):
        assert found == Plan({}, {row.entity_id: outcome})
    else:
        assert found == Plan({row.entity_id: Quantity(outcome)}, {})


async def test_no_id(hass: HomeAssistant) -> None:
    """Entities of a meter without an id are of this one only where its port is theirs."""
    entry = their_entry(hass, "amshan", AMSHAN_SERIAL)
    row = their_row(hass, entry, "CEID-amshan-entry-{'AUX'}None-voltage_l1", "V")
    for meter in (Meter(), Meter(id=METER.id)):
        assert plan(hass, meter).moves == {}
        assert plan(hass, meter, "another").moves == {}
        assert plan(hass, meter, entry.entry_id).moves == {row.entity_id: "voltage_l1"}


async def test_customised_class(hass: HomeAssistant) -> None:
    """An entity that a person made something else of stays."""
    row = their_row(hass, None, f"Aidon-{METER.id}-voltage_l1", "V")
    er.async_get(hass).async_update_entity(row.entity_id, device_class="power")
    assert plan(hass, Meter(id=METER.id)).stays == {row.entity_id: Reason.UNIT}


async def test_multiplied(hass: HomeAssistant) -> None:
    """Where AMSHAN multiplied by a factor only voltages move: counters would jump."""
    amshan(hass, options={"scale_factor": 30.0})
    found = plan(hass, Meter(id=METER.id))
    assert set(found.moves.values()) == {"voltage_l1", "voltage_l2", "voltage_l3"}
    assert found.stays["sensor.aidon_active_power_import_total"] is Reason.SCALED
    assert found.stays["sensor.aidon_current_l1"] is Reason.SCALED


async def test_twice(hass: HomeAssistant) -> None:
    """Of two that mean the same the one in use moves, and none if ours is there."""
    for key, disabler in (
        ("active_power_import_hour", er.RegistryEntryDisabler.USER),
        ("active_power_import_total", None),
    ):
        their_row(
            hass, None, f"Aidon-{METER.id}-{key}", "kWh", key, disabled_by=disabler
        )
    meter = Meter(id=METER.id)
    first, second = (f"sensor.active_power_import_{each}" for each in ("total", "hour"))
    expected = Plan({first: Quantity.ENERGY_IMPORT}, {second: Reason.TAKEN})
    assert plan(hass, meter) == expected
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, f"{METER.id}_energy_import"
    )
    assert plan(hass, meter) == Plan({}, {first: Reason.TAKEN, second: Reason.TAKEN})


def show(flow: ConfigFlowResult) -> ConfigFlowResult:
    """Hold a menu or form against the texts it is shown with."""
    step = TEXTS["step"][flow["step_id"]]
    given = flow.get("description_placeholders") or {}
    for text in (step["title"], step.get("description", "")):
        text.format(**given)
    options = step.get("menu_options", {})
    for name, text in options.items():
        text.format(**given)
        # No topic without MQTT
        assert name in (flow["menu_options"] or ()) or name == "topic"
    if flow["type"] is FlowResultType.FORM:
        schema = flow["data_schema"]
        assert schema is not None
        assert set(map(str, schema.schema)) <= step["data"].keys()
    return flow


def listed(flow: ConfigFlowResult) -> dict[str, list[str]]:
    """Give the entities that are listed by what becomes of them."""
    assert flow["step_id"] == "move"
    schema = flow["data_schema"]
    assert schema is not None
    fields = {str(key): key.default() for key in schema.schema}
    assert fields.pop("take_over", None) is (True if "moves" in fields else None)
    return {key: text.split(", ") for key, text in fields.items()}


async def decide(
    hass: HomeAssistant, flow: ConfigFlowResult, **answer: bool
) -> ConfigFlowResult:
    """Answer the question about the entities; with nothing as it proposes."""
    result = await hass.config_entries.flow.async_configure(flow["flow_id"], answer)
    await hass.async_block_till_done()
    return result


async def start(hass: HomeAssistant) -> ConfigFlowResult:
    """Begin to add a meter where another integration is."""
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert flow["type"] is FlowResultType.MENU
    assert flow["step_id"] == "moving_in"
    return show(flow)


async def choose(
    hass: HomeAssistant, flow: ConfigFlowResult, option: str
) -> ConfigFlowResult:
    """Choose from a menu."""
    result = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": option}
    )
    await hass.async_block_till_done()
    return result


async def hear(
    hass: HomeAssistant, wire: Wire, flow: ConfigFlowResult, chunk: bytes = FULL
) -> ConfigFlowResult:
    """Let the meter speak while the flow listens, up to the question about it."""
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    wire.put(chunk)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert flow["step_id"] == "confirm"
    return flow


async def agree(hass: HomeAssistant, flow: ConfigFlowResult) -> ConfigFlowResult:
    """Say that it is the right meter."""
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"], {})
    return show(flow) if flow["type"] is FlowResultType.FORM else flow


def customise(hass: HomeAssistant) -> None:
    """Let a person have set all that can be set of an entity, and disabled another."""
    registry = er.async_get(hass)
    registry.async_update_entity(
        "sensor.aidon_active_power_import",
        new_entity_id="sensor.house",
        name="The house",
        icon="mdi:home",
        hidden_by=er.RegistryEntryHider.USER,
        aliases=["consumption"],
        labels={"main"},
        area_id=ar.async_get(hass).async_create("Basement").id,
        categories={"helpers": "energy"},
    )
    registry.async_update_entity_options(
        "sensor.house", "sensor", {"display_precision": 1}
    )
    registry.async_update_entity(
        "sensor.aidon_voltage_l3", disabled_by=er.RegistryEntryDisabler.USER
    )


async def test_moves(hass: HomeAssistant, port: Wire) -> None:
    """What was set by a person stays as it was, under the same entity ids."""
    old = amshan(hass)
    customise(hass)
    registry = er.async_get(hass)
    disabled = "sensor.aidon_voltage_l3"
    before = dict(registry.entities)

    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    told = listed(flow)
    assert told.keys() == {"moves", "no_quantity"}
    assert len(told["moves"]) == 14
    assert "sensor.house" in told["moves"]
    assert told["no_quantity"] == [
        f"sensor.aidon_{key}"
        for key in ("list_ver_id", "meter_id", "meter_manufacturer", "meter_type")
    ]
    assert dict(registry.entities) == before

    result = await decide(hass, flow)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    entry = result["result"]
    assert state(entry) is ConfigEntryState.LOADED
    assert "move" not in entry.data
    assert old.disabled_by is ConfigEntryDisabler.USER
    row = registry.async_get("sensor.house")
    assert row is not None
    assert row.platform == DOMAIN
    assert row.config_entry_id == entry.entry_id
    assert row.unique_id == f"{METER.id}_active_power_import"
    was = before["sensor.house"]
    kept = "id name icon hidden_by aliases labels area_id categories created_at"
    assert {key: getattr(row, key) for key in kept.split()} == {
        key: getattr(was, key) for key in kept.split()
    }
    assert row.options["sensor"]["display_precision"] == 1
    moved = registry.async_get(disabled)
    assert moved is not None
    assert moved.platform == DOMAIN
    assert moved.disabled_by is er.RegistryEntryDisabler.USER
    counters = {
        "sensor.aidon_active_power_import_total": "energy_import",
        "sensor.aidon_reactive_power_export_total": "reactive_energy_export",
    }
    for name, quantity in counters.items():
        moved = registry.async_get(name)
        assert moved is not None
        assert moved.unique_id == f"{METER.id}_{quantity}"
    moved = registry.async_get("sensor.aidon_meter_id")
    assert moved is not None
    assert moved.platform == "amshan"

    await say(hass, port, METER.list(2, active_power_import=4321))
    shown = hass.states.get("sensor.house")
    assert shown is not None
    assert shown.state == "4321.0"
    assert shown.attributes["friendly_name"] == "The house"


async def test_room(hass: HomeAssistant, port: Wire) -> None:
    """The new device is in the room of the old one."""
    old = amshan(hass)
    registry = dr.async_get(hass)
    area = ar.async_get(hass).async_create("Basement")
    device = registry.async_get_device_by_identifier(
        ("amshan", old.entry_id), old.entry_id
    )
    assert device is not None
    registry.async_update_device(device.id, area_id=area.id, labels={"grid"})
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    result = await decide(hass, flow)
    ours = registry.async_get_device_by_identifier(
        (DOMAIN, METER.id), result["result"].entry_id
    )
    assert ours is not None
    assert (ours.area_id, ours.labels) == (area.id, {"grid"})


async def test_ams_reader(hass: HomeAssistant, port: Wire) -> None:
    """AMS Reader is moved from as AMSHAN is."""
    old = their_entry(hass, "ams", AMS_SERIAL)
    for key, unit in (
        ("ams_active_power_import", "W"),
        ("ams_active_energy_import", "kWh"),
        ("ams_reactive_energy_import", "kVAr"),
    ):
        name = f"{key}_{METER.id}"
        their_row(hass, old, name, unit, name, domain="ams")
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    assert listed(flow)["unit"] == [f"sensor.ams_reactive_energy_import_{METER.id}"]
    await decide(hass, flow)
    row = er.async_get(hass).async_get(f"sensor.ams_active_energy_import_{METER.id}")
    assert row is not None
    assert (row.platform, row.unique_id) == (DOMAIN, f"{METER.id}_energy_import")


async def test_several(hass: HomeAssistant, ports: defaultdict[str, Wire]) -> None:
    """With several meters a person picks the port, and only that meter's move."""
    amshan(hass)
    cottage = their_entry(
        hass,
        "amshan",
        {"connection": {"host": "192.0.2.1", "port": 3001}},
        id="cottage",
    )
    for key in ("voltage_l1", "voltage_l2"):
        their_row(hass, cottage, f"Aidon-{OTHER.id}-{key}", "V", f"aidon_{key}_2")
    flow = await choose(hass, await start(hass), "their_port")
    assert flow["type"] is FlowResultType.FORM
    assert show(flow)["step_id"] == "their_port"
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"entry": "cottage"}
    )
    wire = ports["socket://192.0.2.1:3001"]
    flow = await agree(hass, await hear(hass, wire, flow, OTHER.list(2)))
    told = listed(flow)
    assert told["moves"] == [f"sensor.aidon_voltage_{each}_2" for each in ("l1", "l2")]
    assert len(told["other_meter"]) == 18
    await decide(hass, flow)
    platforms = {
        row.platform: row.unique_id.split("-")[1]
        for row in er.async_get(hass).entities.values()
        if row.platform == "amshan"
    }
    assert platforms == {"amshan": METER.id}
    assert [
        entry.disabled_by for entry in hass.config_entries.async_entries("amshan")
    ] == [
        None,
        ConfigEntryDisabler.USER,
    ]


async def test_leaves(hass: HomeAssistant, port: Wire) -> None:
    """A person may begin anew: nothing of the other integration is touched."""
    old = amshan(hass)
    before = unchanged(hass)
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    result = await decide(hass, flow, take_over=False)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "move" not in result["result"].data
    assert unchanged(hass) == before
    assert old.disabled_by is None


async def test_nothing_to_move(hass: HomeAssistant, port: Wire) -> None:
    """Where everything of this meter has to stay a person is told why."""
    old = their_entry(hass, "amshan", AMSHAN_SERIAL, options={"scale_factor": 30})
    row = their_row(hass, old, f"Aidon-{METER.id}-active_power_import", "W")
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    assert listed(flow) == {"scaled": [row.entity_id]}
    result = await decide(hass, flow)
    assert result["type"] is FlowResultType.CREATE_ENTRY


async def test_meter_without_id(hass: HomeAssistant, port: Wire) -> None:
    """What a meter without an id left goes to our entity of a meter without an id."""
    old = their_entry(hass, "amshan", AMSHAN_SERIAL)
    name = "sensor.aux_voltage_l1"
    their_row(
        hass, old, "CEID-amshan-entry-{'AUX'}None-voltage_l1", "V", "aux_voltage_l1"
    )
    entry = await set_up(hass, make_entry(None, move={name: "voltage_l1"}))
    row = er.async_get(hass).async_get(name)
    assert row is not None
    assert row.unique_id == f"{entry.entry_id}_voltage_l1"
    await say(hass, port, FULL)
    shown = hass.states.get(name)
    assert shown is not None
    assert shown.state not in ("unknown", "unavailable")


async def test_other_meter(hass: HomeAssistant, port: Wire) -> None:
    """Where the port has another meter now there is nothing to ask."""
    amshan(hass, OTHER)
    before = unchanged(hass)
    flow = await choose(hass, await start(hass), "their_port")
    result = await agree(hass, await hear(hass, port, flow))
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert unchanged(hass) == before


async def test_other_port(hass: HomeAssistant, port: Wire) -> None:
    """A meter on a port typed in is the same meter: its entities can be had."""
    amshan(hass)
    flow = await choose(hass, await start(hass), "other_port")
    assert flow["step_id"] == "user"
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"device": DEVICE}
    )
    flow = await agree(hass, await hear(hass, port, flow))
    assert flow["step_id"] == "move"


async def test_topic(hass: HomeAssistant, mqtt_mock: Any) -> None:
    """AMSHAN's topic is a port like others."""
    old = their_entry(
        hass,
        "amshan",
        {
            "connection_type": "hass_mqtt",
            "connection": {"mqtt_topics": "han/#, han/raw"},
        },
    )
    their_row(hass, old, f"Aidon-{METER.id}-voltage_l1", "V", "aidon_voltage_l1")
    flow = await choose(hass, await start(hass), "their_port")
    assert flow["type"] is FlowResultType.SHOW_PROGRESS
    async_fire_mqtt_message(hass, "han/raw", FULL)
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    flow = await agree(hass, flow)
    entry = (await decide(hass, flow))["result"]
    assert entry.data["device"] == "mqtt://han/raw"
    row = er.async_get(hass).async_get("sensor.aidon_voltage_l1")
    assert row is not None
    assert row.platform == DOMAIN


async def test_already_ours(hass: HomeAssistant, port: Wire) -> None:
    """A port of theirs that is ours is not offered again."""
    amshan(hass)
    await set_up(hass, make_entry())
    flow = await hass.config_entries.flow.async_init(
        DOMAIN, context={"source": SOURCE_USER}
    )
    assert flow["step_id"] == "user"


async def working(hass: HomeAssistant) -> MockConfigEntry:
    """Let AMSHAN still work, and hold the port."""

    async def set_up_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        await hass.config_entries.async_forward_entry_setups(entry, ["sensor"])
        return True

    async def unload_entry(hass: HomeAssistant, entry: ConfigEntry) -> bool:
        return await hass.config_entries.async_unload_platforms(entry, ["sensor"])

    async def add(
        hass: HomeAssistant,
        entry: ConfigEntry,
        async_add_entities: AddEntitiesCallback,
    ) -> None:
        async_add_entities(
            [
                MockEntity(unique_id=f"Aidon-{METER.id}-{key}", name=f"aidon_{key}")
                for key in AMSHAN_ROWS
            ]
        )

    mock_integration(
        hass,
        MockModule(
            "amshan", async_setup_entry=set_up_entry, async_unload_entry=unload_entry
        ),
    )
    mock_platform(hass, "amshan.sensor", MockPlatform(async_setup_entry=add))
    mock_platform(hass, "amshan.config_flow", None)
    entry = amshan(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    return entry


async def test_working(hass: HomeAssistant, port: Wire) -> None:
    """An integration that still works makes room while we listen, and for good then."""
    old = await working(hass)
    flow = await choose(hass, await start(hass), "their_port")
    assert state(old) is ConfigEntryState.NOT_LOADED
    flow = await hear(hass, port, flow)
    assert state(old) is ConfigEntryState.LOADED
    flow = await agree(hass, flow)
    told = listed(flow)
    assert len(told["moves"]) == 14
    assert "loaded" not in told
    await decide(hass, flow)
    assert state(old) is ConfigEntryState.NOT_LOADED
    assert old.disabled_by is ConfigEntryDisabler.USER
    row = er.async_get(hass).async_get("sensor.aidon_voltage_l1")
    assert row is not None
    assert (row.platform, row.disabled_by) == (DOMAIN, None)


@pytest.mark.parametrize("step", ["moving_in", "listen", "confirm", "move"])
@pytest.mark.parametrize("works", [True, False])
async def test_aborted(hass: HomeAssistant, port: Wire, step: str, works: bool) -> None:
    """A dialog that is closed at any step leaves everything as it was."""
    old = await working(hass) if works else amshan(hass)
    was = old.state
    before = dict(er.async_get(hass).entities)
    flow = await start(hass)
    if step != "moving_in":
        flow = await choose(hass, flow, "their_port")
    if step in ("confirm", "move"):
        flow = await hear(hass, port, flow)
    if step == "move":
        flow = await agree(hass, flow)
    hass.config_entries.flow.async_abort(flow["flow_id"])
    await hass.async_block_till_done(wait_background_tasks=True)
    after = dict(er.async_get(hass).entities)
    if works:
        # Its entities were loaded anew: the time of that is all that differs.
        assert after.keys() == before.keys()
        assert {each: row.unique_id for each, row in after.items()} == {
            each: row.unique_id for each, row in before.items()
        }
    else:
        assert after == before
    assert (old.state, old.disabled_by) == (was, None)
    assert hass.config_entries.async_entries(DOMAIN) == []


def questions(hass: HomeAssistant) -> list[str]:
    """Give what we ask in the repairs; Home Assistant misses the other integration."""
    return [each for domain, each in ir.async_get(hass).issues if domain == DOMAIN]


async def take_over(hass: HomeAssistant, port: Wire) -> ConfigEntry:
    """Move in, up to the question whether it is right."""
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    entry: ConfigEntry = (await decide(hass, flow))["result"]
    assert "moved" in entry.data
    assert METER.id not in json.dumps(
        await async_get_config_entry_diagnostics(hass, entry)
    )
    return entry


async def answer(
    hass: HomeAssistant, entry: ConfigEntry, option: str, count: int = 14
) -> Any:
    """Answer the question whether it is right."""
    issue = ir.async_get(hass).async_get_issue(DOMAIN, f"moved_in_{entry.entry_id}")
    assert issue is not None
    assert await async_setup_component(hass, "repairs", {})
    await hass.async_block_till_done()
    manager = repairs_flow_manager(hass)
    assert manager is not None
    flow = await manager.async_init(DOMAIN, data={"issue_id": issue.issue_id})
    text = json.loads((FOLDER / "translations/en.json").read_text())["issues"][
        "moved_in"
    ]
    shown = flow["description_placeholders"]
    assert shown == {"entry": "Aidon 6534", "count": str(count)}
    text["title"].format(**shown)
    text["fix_flow"]["step"]["init"]["description"].format(**shown)
    result = await manager.async_configure(flow["flow_id"], {"next_step_id": option})
    await hass.async_block_till_done()
    return result


async def test_confirmed(hass: HomeAssistant, port: Wire) -> None:
    """Once a person says that it is right nothing is kept, and nothing asked again."""
    old = amshan(hass)
    entry = await take_over(hass, port)
    result = await answer(hass, entry, "keep")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert "moved" not in entry.data
    assert old.disabled_by is ConfigEntryDisabler.USER
    await hass.config_entries.async_reload(entry.entry_id)
    assert not questions(hass)


@pytest.mark.parametrize("works", [True, False])
async def test_undone(hass: HomeAssistant, port: Wire, works: bool) -> None:
    """Until it is confirmed everything is given back as it was, also after a restart."""
    old = await working(hass) if works else amshan(hass)
    customise(hass)
    before = unchanged(hass)
    entry = await take_over(hass, port)
    assert unchanged(hass) != before
    await say(hass, port, FULL)
    await hass.config_entries.async_reload(entry.entry_id)
    result = await answer(hass, entry, "undo")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert unchanged(hass) == before
    assert "moved" not in entry.data
    assert old.disabled_by is None
    assert (state(old) is ConfigEntryState.LOADED) is works
    assert state(entry) is ConfigEntryState.LOADED
    await say(hass, port, FULL)
    ours = entity_id(hass, "active_power_import")
    assert ours is not None
    assert ours not in before
    assert not questions(hass)


async def test_disabled(hass: HomeAssistant, port: Wire) -> None:
    """Where a person had disabled the broken integration its entities come to life.

    All but those that were disabled one by one; given back all are as they were.
    """
    old = amshan(hass)
    await hass.config_entries.async_set_disabled_by(
        old.entry_id, ConfigEntryDisabler.USER
    )
    registry = er.async_get(hass)
    one = "sensor.aidon_voltage_l2"
    registry.async_update_entity(one, disabled_by=er.RegistryEntryDisabler.USER)
    before = unchanged(hass)
    assert before["sensor.aidon_voltage_l1"]["disabled_by"] == "config_entry"
    entry = await take_over(hass, port)
    await say(hass, port, FULL)
    shown = hass.states.get("sensor.aidon_voltage_l1")
    assert shown is not None
    assert float(shown.state) > 200
    assert hass.states.get(one) is None
    await answer(hass, entry, "undo")
    assert unchanged(hass) == before
    assert old.disabled_by is ConfigEntryDisabler.USER


async def test_dead_port(hass: HomeAssistant, ports: defaultdict[str, Wire]) -> None:
    """Where their port is gone another is asked for, and what they left can be had.

    Also that of a meter without an id, which is known by whose port it was.
    """
    old = their_entry(hass, "amshan", AMSHAN_SERIAL)
    their_row(
        hass, old, "CEID-amshan-entry-{'AUX'}None-voltage_l1", "V", "aux_voltage_l1"
    )
    ports[DEVICE].failure = FileNotFoundError(errno.ENOENT, "No such file", DEVICE)
    flow = await choose(hass, await start(hass), "their_port")
    await hass.async_block_till_done(wait_background_tasks=True)
    flow = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert (flow["step_id"], flow["errors"]) == ("user", {"base": "not_found"})
    other = "/dev/serial/by-id/usb-other"
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"device": other}
    )
    flow = await agree(hass, await hear(hass, ports[other], flow))
    assert listed(flow)["moves"] == ["sensor.aux_voltage_l1"]
    result = await decide(hass, flow)
    assert result["result"].data["device"] == other
    row = er.async_get(hass).async_get("sensor.aux_voltage_l1")
    assert row is not None
    assert row.unique_id == f"{METER.id}_voltage_l1"


async def test_both(hass: HomeAssistant, port: Wire) -> None:
    """Of both integrations at once each quantity moves once, and both are disabled."""
    first = amshan(hass)
    second = their_entry(hass, "ams", AMS_SERIAL)
    for key, unit in (
        ("ams_voltage_l1", "V"),
        ("ams_active_power_import_l1", "W"),
    ):
        their_row(hass, second, f"{key}_{METER.id}", unit, key, domain="ams")
    before = unchanged(hass)
    flow = await start(hass)
    told = flow["description_placeholders"]
    assert told == {"integration": "AMS Reader + AMSHAN"}
    flow = await choose(hass, flow, "their_port")
    assert flow["type"] is FlowResultType.FORM
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"entry": first.entry_id}
    )
    flow = await agree(hass, await hear(hass, port, flow))
    lists = listed(flow)
    assert len(lists["moves"]) == 15
    assert lists["taken"] == ["sensor.ams_voltage_l1"]
    entry = (await decide(hass, flow))["result"]
    assert first.disabled_by is second.disabled_by is ConfigEntryDisabler.USER
    row = er.async_get(hass).async_get("sensor.ams_active_power_import_l1")
    assert row is not None
    assert row.platform == DOMAIN
    await answer(hass, entry, "undo", count=15)
    assert unchanged(hass) == before
    assert first.disabled_by is second.disabled_by is None


async def test_not_undone(hass: HomeAssistant, port: Wire) -> None:
    """Where the old entry is gone nothing is given back, and the entities stay ours."""
    old = amshan(hass)
    entry = await take_over(hass, port)
    await hass.config_entries.async_remove(old.entry_id)
    result = await answer(hass, entry, "undo")
    assert result["type"] is FlowResultType.ABORT
    assert result["reason"] == "not_undone"
    assert state(entry) is ConfigEntryState.LOADED
    row = er.async_get(hass).async_get("sensor.aidon_voltage_l1")
    assert row is not None
    assert (row.platform, row.config_entry_id) == (DOMAIN, entry.entry_id)


async def test_forgotten(hass: HomeAssistant, port: Wire) -> None:
    """With the entry the question goes."""
    amshan(hass)
    entry = await take_over(hass, port)
    assert len(questions(hass)) == 1
    await hass.config_entries.async_remove(entry.entry_id)
    assert not questions(hass)


@pytest.mark.parametrize("works", [True, False])
async def test_fails_in_the_middle(
    hass: HomeAssistant, port: Wire, works: bool
) -> None:
    """If one entity cannot move all are put back; it goes on when tried again."""
    old = await working(hass) if works else amshan(hass)
    before = unchanged(hass)
    flow = await choose(hass, await start(hass), "their_port")
    flow = await agree(hass, await hear(hass, port, flow))
    registry = er.async_get(hass)
    move = registry.async_update_entity_platform
    with patch.object(registry, "async_update_entity_platform") as moving:
        moving.side_effect = lambda entity_id, platform, **more: (
            move(entity_id, platform, **more)
            if entity_id != "sensor.aidon_voltage_l2" or platform != DOMAIN
            else (_ for _ in ()).throw(ValueError("no"))
        )
        result = await decide(hass, flow)
        await hass.async_block_till_done()
        assert moving.call_count > 20
    entry = result["result"]
    assert state(entry) is ConfigEntryState.SETUP_ERROR
    assert entry.error_reason_translation_key == "takeover_failed"
    assert unchanged(hass) == before
    assert old.disabled_by is None
    assert (state(old) is ConfigEntryState.LOADED) is works
    assert not er.async_entries_for_config_entry(registry, entry.entry_id)

    await hass.config_entries.async_reload(entry.entry_id)
    assert state(entry) is ConfigEntryState.LOADED
    row = registry.async_get("sensor.aidon_voltage_l2")
    assert row is not None
    assert row.platform == DOMAIN


async def test_clash(hass: HomeAssistant, port: Wire) -> None:
    """An entity of ours that came in between stops the move before the first."""
    old = amshan(hass)
    before = unchanged(hass)
    entry = make_entry(move={"sensor.aidon_voltage_l1": "voltage_l1"})
    er.async_get(hass).async_get_or_create(
        "sensor", DOMAIN, f"{METER.id}_voltage_l1", suggested_object_id="mine"
    )
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.error_reason_translation_placeholders == {
        "detail": "sensor.mine is there already"
    }
    assert unchanged(hass) == before
    assert old.disabled_by is None


async def test_orphans(hass: HomeAssistant, port: Wire) -> None:
    """Entities without an entry move too, and those that vanished are no failure."""
    row = their_row(hass, None, f"Aidon-{METER.id}-voltage_l1", "V", "aidon_voltage_l1")
    assert plan(hass, Meter(id=METER.id)).moves == {row.entity_id: "voltage_l1"}
    entry = make_entry(move={row.entity_id: "voltage_l1", "sensor.gone": "voltage_l2"})
    await set_up(hass, entry)
    moved = er.async_get(hass).async_get(row.entity_id)
    assert moved is not None
    assert (moved.platform, moved.config_entry_id) == (DOMAIN, entry.entry_id)


async def test_stuck(hass: HomeAssistant, port: Wire) -> None:
    """An entity that is loaded and cannot be unloaded stays, and is named."""
    old = await working(hass)
    old.mock_state(hass, ConfigEntryState.FAILED_UNLOAD)
    stays = plan(hass, Meter(id=METER.id)).stays
    assert stays["sensor.aidon_voltage_l1"] is Reason.LOADED
    assert stays["sensor.aidon_meter_id"] is Reason.NO_QUANTITY


class Recorded:
    """A Home Assistant that records a meter, first theirs and then ours, in no time."""

    def __init__(self, hass: HomeAssistant, freezer: FrozenDateTimeFactory) -> None:
        """Take the clock: it begins at 16:00."""
        self.hass, self.freezer = hass, freezer
        self.start = NOON + 4 * HOUR
        self.meter = simulator.create("kaifa", seed=7)
        self.entry = make_entry(None, meter_id=self.meter.id)
        self._due = self.start + FIVE
        freezer.move_to(self.start)

    async def pass_time(self, end: datetime) -> None:
        """Let the recorder make the statistics that are due."""
        while end >= self._due + timedelta(seconds=10):
            self.freezer.move_to(self._due + timedelta(seconds=10))
            get_instance(self.hass).queue_task(StatisticsTask(self._due - FIVE, True))
            for _ in range(2):
                await async_recorder_block_till_done(self.hass)
                await self.hass.async_block_till_done()
            self._due += FIVE
        self.freezer.move_to(end)

    async def hear(self, start: datetime, end: datetime) -> None:
        """Let our entry hear the meter; one list in three, but all around the hour."""
        decoder = Decoder()
        for when, frame in self.meter.messages(start, end):
            if len(frame) > 60 and (when.minute in (0, 59) or when.second % 30 < 10):
                await self.pass_time(when)
                self.entry.runtime_data._take(decoder.feed(frame))

    async def rows(self, name: str, period: Literal["5minute", "hour"]) -> list[Any]:
        """Give the statistics of an entity."""
        found = await get_instance(self.hass).async_add_executor_job(
            statistics_during_period,
            self.hass,
            self.start,
            None,
            {name},
            period,
            None,
            {"change", "mean"},
        )
        return found[name]


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what the recorder warned of."""
    return [
        each.getMessage()
        for each in caplog.records
        if each.levelno >= logging.WARNING and "recorder" in each.name
    ]


@pytest.mark.usefixtures("recorder_mock", "true_time", "port")
@pytest.mark.parametrize("by", ["moving", "renaming"])
async def test_energy_goes_on(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    by: str,
) -> None:
    """The sum of the energy dashboard goes on from theirs without a jump or a reset.

    Also where a person deletes theirs, an MQTT reader's, and gives ours its entity id.
    Theirs shows an hour when it is over, and so in the next: the hour of the move has
    two, and those after it are right.
    """
    for logger in ("sqlalchemy.engine", "homeassistant", "asyncio"):
        caplog.set_level(logging.WARNING, logger)
    home = Recorded(hass, freezer)
    start = home.start
    counters = [
        floor(home.meter.energy_import(start + HOUR * each) * 1000 + 1e-6) / 1000
        for each in range(7)
    ]
    name = "sensor.kfm_energy"
    if by == "moving":
        their_row(
            hass,
            their_entry(hass, "amshan", AMSHAN_SERIAL),
            f"Kfm_001-{home.meter.id}-active_power_import_total",
            "kWh",
            "kfm_energy",
        )
    attributes = {
        "device_class": "energy",
        "state_class": "total_increasing",
        "unit_of_measurement": "kWh",
    }
    assert await async_setup_component(hass, "sensor", {})
    move = start + HOUR * 2.4
    for each in range(29):
        await home.pass_time(start + each * FIVE + timedelta(seconds=10))
        hass.states.async_set(
            name, f"{counters[each // 12]:.2f}", attributes, force_update=True
        )
    if by == "moving":
        hass.states.async_set(name, "unavailable", {**attributes, "restored": True})
        moves = {name: "energy_import"}
        home.entry = make_entry(None, meter_id=home.meter.id, move=moves)
        await set_up(hass, home.entry)
    else:
        quantities = ["energy_import"]
        home.entry = make_entry(None, meter_id=home.meter.id, quantities=quantities)
        await set_up(hass, home.entry)
        ours = entity_id(hass, "energy_import", home.meter.id)
        assert ours is not None
        hass.states.async_remove(name)
        er.async_get(hass).async_update_entity(ours, new_entity_id=name)
        await hass.async_block_till_done()
    await home.hear(move, start + HOUR * 6 + FIVE)
    await home.pass_time(start + HOUR * 6 + 2 * FIVE)
    assert entity_id(hass, "energy_import", home.meter.id) == name
    booked = [row["change"] for row in await home.rows(name, "hour")][:6]
    assert booked[1] == pytest.approx(counters[1] - counters[0], abs=0.02)
    assert booked[2] == pytest.approx(counters[3] - counters[1], abs=0.02)
    truth = [after - before for before, after in pairwise(counters)]
    assert booked[3:] == pytest.approx(truth[3:], abs=0.001)
    assert sum(booked) == pytest.approx(counters[6] - counters[0], abs=0.02)
    # The recorder tells that the old statistics stay where they are.
    told = [each for each in complaints(caplog) if not each.startswith("Cannot ")]
    assert told == []
    assert by == "renaming" or complaints(caplog) == []


@pytest.mark.usefixtures("recorder_mock", "true_time", "port", "all_enabled")
@pytest.mark.parametrize(
    ("key", "quantity", "their_unit", "our_unit"),
    [
        ("reactive_power_import_total", "reactive_energy_import", "kVArh", "kvarh"),
        ("reactive_power_import", "reactive_power_import", "kVAr", "kvar"),
        ("reactive_power_import", "reactive_power_import", "VAr", "var"),
        ("active_power_import", "active_power_import", "kW", "kW"),
    ],
)
async def test_unit_goes_on(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    key: str,
    quantity: str,
    their_unit: str,
    our_unit: str,
) -> None:
    """Statistics go on where theirs spell or scale the unit in another way."""
    for logger in ("sqlalchemy.engine", "homeassistant", "asyncio"):
        caplog.set_level(logging.WARNING, logger)
    home = Recorded(hass, freezer)
    start = home.start
    row = their_row(
        hass, None, f"Kfm_001-{home.meter.id}-{key}", their_unit, "kfm_reactive"
    )
    assert plan(hass, Meter(id=home.meter.id)).moves == {row.entity_id: quantity}
    counter = key.endswith("total")
    attributes = {
        "state_class": "total_increasing" if counter else "measurement",
        "unit_of_measurement": their_unit,
    }
    assert await async_setup_component(hass, "sensor", {})
    for minute in range(1, 55):
        await home.pass_time(start + timedelta(minutes=minute))
        hass.states.async_set(row.entity_id, "100", attributes, force_update=True)
    await home.pass_time(start + timedelta(minutes=56))
    hass.states.async_set(
        row.entity_id, "unavailable", {**attributes, "restored": True}
    )
    home.entry = make_entry(
        None, meter_id=home.meter.id, move={row.entity_id: quantity}
    )
    await set_up(hass, home.entry)
    await home.hear(start + timedelta(minutes=56), start + HOUR + FIVE)
    await home.pass_time(start + HOUR + 3 * FIVE)
    shown = hass.states.get(row.entity_id)
    assert shown is not None
    assert shown.attributes["unit_of_measurement"] == our_unit
    rows = await home.rows(row.entity_id, "5minute")
    assert rows[-1]["start"] >= (start + HOUR).timestamp()
    assert complaints(caplog) == []
