"""Does a person get from a reader on MQTT to a meter, and learn what is wrong when not?"""

import asyncio
from collections.abc import Iterator
import json
from pathlib import Path
from typing import Any
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_mqtt_message

from custom_components.han_port import config_flow
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.search import SEARCH_SECONDS
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    SOURCE_USER,
    ConfigFlowContext,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType

from .conftest import METER, Sender, make_entry, wait

TOPIC = "$aws/tibber-pulse/1"
KAMSTRUP = Sender("kamstrup-3p", seed=2)
NAMED = METER.list(2, active_power_import=1500, active_power_export=0)
TEXTS = json.loads(
    (Path(config_flow.__file__).parent / "translations/en.json").read_text()
)["config"]


@pytest.fixture(name="expected_lingering_timers")
def _expected_lingering_timers() -> bool:
    """Let the timers of the MQTT integration be: it has no end of its own in a test."""
    return True


@pytest.fixture(autouse=True)
def _no_setup() -> Iterator[None]:
    with patch("custom_components.han_port.async_setup_entry", return_value=True):
        yield


@pytest.fixture(name="mqtt")
def _mqtt(freezer: FrozenDateTimeFactory, mqtt_mock: Any) -> Any:
    return mqtt_mock


async def begin(hass: HomeAssistant, entry_id: str | None = None) -> str:
    """Start the flow, choose MQTT; give the flow."""
    context = ConfigFlowContext(source=SOURCE_USER)
    if entry_id is not None:
        context = ConfigFlowContext(source=SOURCE_RECONFIGURE, entry_id=entry_id)
    result = await hass.config_entries.flow.async_init(DOMAIN, context=context)
    assert result["type"] is FlowResultType.MENU
    assert result["menu_options"] == ["other_port", "topic"]
    await answer(hass, result["flow_id"], next_step_id="topic")
    return result["flow_id"]


async def answer(hass: HomeAssistant, flow_id: str, **user_input: Any) -> Any:
    """Answer the form that is shown."""
    return await hass.config_entries.flow.async_configure(flow_id, user_input)


async def turn(hass: HomeAssistant) -> None:
    """Let the background tasks come to a rest."""
    for _ in range(20):
        await asyncio.sleep(0)
    await hass.async_block_till_done()


async def shown(hass: HomeAssistant, flow_id: str) -> Any:
    """Give what the flow shows after its progress."""
    await turn(hass)
    return await hass.config_entries.flow.async_configure(flow_id)


async def search(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    *messages: tuple[str, bytes],
    retain: bool = False,
) -> Any:
    """Leave the topic empty, publish, wait; give what the flow shows."""
    flow_id = await begin(hass)
    result = await answer(hass, flow_id)
    assert result["type"] is FlowResultType.SHOW_PROGRESS
    assert result["progress_action"] == "search"
    await turn(hass)
    for topic, payload in messages:
        async_fire_mqtt_message(hass, topic, payload, retain=retain)
    for _ in range(SEARCH_SECONDS):
        await wait(hass, freezer, 1)
    return await shown(hass, flow_id)


def filters(hass: HomeAssistant) -> set[str]:
    """Give which of our filters Home Assistant is subscribed to."""
    client = hass.data["mqtt"].client._mock_wraps
    return {each.topic for each in client.subscriptions} & {"#", "$aws/#"}


def said(result: Any) -> str:
    """Give the error of a form as people read it."""
    text: str = TEXTS["error"][result["errors"]["base"]]
    return text.format(**result["description_placeholders"])


async def test_found(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """Of all topics exactly those with a meter are offered, and one needs no second listening."""
    result = await search(
        hass,
        freezer,
        ("a/json", b'{"power":1}'),
        ("a/number", b"123456"),
        ("a/text", b"/dev/ttyUSB0"),
        ("a/flag", b"\x7e" * 50),
        ("homeassistant/meter", NAMED),
        ("reader/hex", METER.list(1, active_power_import=1400).hex().encode()),
        ("reader/hex", NAMED.hex().encode()),
        ("damaged", NAMED[:-5] + b"\0" + NAMED[-4:]),
        (TOPIC, KAMSTRUP.list(2, active_power_import=200, active_power_export=0)),
    )
    assert result["step_id"] == "found"
    field = result["data_schema"].schema["topic"]
    labels = [option["label"] for option in field.config["options"]]
    assert labels == [
        f"Aidon 6534 · {METER.id} · 1500 W · reader/hex",
        f"{labels[1].split(' · ')[0]} · {KAMSTRUP.id} · 200 W · {TOPIC}",
    ]
    result = await answer(hass, result["flow_id"], topic="mqtt://reader/hex")
    result = await shown(hass, result["flow_id"])
    assert result["step_id"] == "confirm"
    assert result["description_placeholders"]["meter_id"] == METER.id
    result = await answer(hass, result["flow_id"])
    assert result["data"]["device"] == "mqtt://reader/hex"
    assert result["result"].unique_id == METER.id
    assert filters(hass) == set()


async def test_retained(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """What the broker kept is no reader that is there, and it is said what to check."""
    result = await search(hass, freezer, (TOPIC, NAMED), retain=True)
    assert result["step_id"] == "topic"
    assert said(result).startswith("No meter was found on any topic in 25 seconds")


async def test_cancelled(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """A person who closes the dialog ends the search, and nothing stays subscribed."""
    flow_id = await begin(hass)
    await answer(hass, flow_id)
    await turn(hass)
    assert filters(hass) == {"#", "$aws/#"}
    hass.config_entries.flow.async_abort(flow_id)
    await turn(hass)
    assert filters(hass) == set()


@pytest.mark.parametrize(
    ("payload", "begins"),
    [
        (None, "No message came on the topic meter in 60 seconds"),
        (b"Debug: No HAN data", "The reader is connected to the broker, but it gets"),
        (b'{"data":{"P":345}}', "The reader sends values that it has decoded itself"),
        (b"123.4", "The reader sends values that it has decoded itself"),
        (b"\x01nonsense", "Messages came on the topic meter, but none"),
    ],
)
async def test_typed_and_wrong(
    hass: HomeAssistant,
    mqtt: Any,
    freezer: FrozenDateTimeFactory,
    payload: bytes | None,
    begins: str,
) -> None:
    """What is wrong with a topic is said, and the topic stays in the field."""
    flow_id = await begin(hass)
    await answer(hass, flow_id, topic=" meter ")
    await turn(hass)
    if payload is not None:
        async_fire_mqtt_message(hass, "meter", payload)
    await wait(hass, freezer, 61)
    result = await shown(hass, flow_id)
    assert result["step_id"] == "topic"
    assert said(result).startswith(begins)
    key = next(iter(result["data_schema"].schema))
    assert key.description == {"suggested_value": "meter"}


async def test_typed(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """A typed topic is listened to until the meter has named itself."""
    flow_id = await begin(hass)
    result = await answer(hass, flow_id, topic="a/#")
    assert said(result).startswith("This is not a topic.")
    await answer(hass, flow_id, topic=TOPIC)
    await turn(hass)
    async_fire_mqtt_message(hass, TOPIC, NAMED)
    result = await shown(hass, flow_id)
    assert result["step_id"] == "confirm"


async def test_taken(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """A topic that an entry has already is not listened to."""
    make_entry(device=f"mqtt://{TOPIC}").add_to_hass(hass)
    flow_id = await begin(hass)
    result = await answer(hass, flow_id, topic=TOPIC)
    assert "is already used by Aidon 6534" in said(result)


async def test_from_cable_to_mqtt(
    hass: HomeAssistant, mqtt: Any, freezer: FrozenDateTimeFactory
) -> None:
    """The entry of a meter on a cable can be moved to a topic, and stays the same entry."""
    entry = make_entry()
    entry.add_to_hass(hass)
    flow_id = await begin(hass, entry.entry_id)
    await answer(hass, flow_id, topic=TOPIC)
    await turn(hass)
    async_fire_mqtt_message(hass, TOPIC, NAMED)
    result = await shown(hass, flow_id)
    assert result["reason"] == "reconfigure_successful"
    assert entry.data["device"] == f"mqtt://{TOPIC}"
    assert entry.unique_id == METER.id
