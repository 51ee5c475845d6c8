"""Does a person learn what is wrong when it lasts, and how to set it right?"""

import json
from pathlib import Path
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    MockConfigEntry,
    async_fire_mqtt_message,
)

from custom_components.han_port.accounting.register import Dispute
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.diagnosis import Diagnosis
from custom_components.han_port.protocol import Line, Quantity
from custom_components.han_port.scaling import MULTIPLIERS
from homeassistant.components.repairs import repairs_flow_manager
from homeassistant.config_entries import SOURCE_REAUTH, SOURCE_RECONFIGURE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import issue_registry as ir
from homeassistant.setup import async_setup_component
import simulator
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    Sender,
    make_entry,
    say,
    set_up,
    wait,
)
from tests.integration.test_config_flow import UNKNOWN_LIST
from tests.protocol.uart import receive, wave

OTHER = Sender("aidon-3p", seed=2)
SEALED = simulator.create("kaifa-at", seed=1).message(NOON, 2)
DAMAGED = METER.list(2)[:50] + b"\xff" + METER.list(2)[51:]
P1 = Line(115200, 8, "N")
INVERTED = receive(
    wave(simulator.create("p1-se", seed=1).message(NOON, 2), P1, inverted=True), P1, P1
)
TEXTS = json.loads(Path("custom_components/han_port/translations/en.json").read_text())[
    "issues"
]


def issues(hass: HomeAssistant) -> dict[str, ir.IssueEntry]:
    """Give the open issues by the key of their text."""
    return {
        str(issue.translation_key): issue
        for (domain, _), issue in ir.async_get(hass).issues.items()
        if domain == DOMAIN
    }


async def live(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    seconds: int,
    *chunks: bytes | Exception,
) -> None:
    """Let time pass, and the port give this every ten seconds while it is open."""
    for _ in range(0, seconds, 10):
        if port.is_open and chunks:
            port.put(*chunks)
            await port.read_all()
        await wait(hass, freezer, 10)


@pytest.mark.parametrize(
    ("chunks", "expected"),
    [
        ([], {"nothing_received"}),
        ([b"\x00\x81\xc3" * 20], {"no_valid_frame"}),
        ([INVERTED], {"inverted"}),
        ([DAMAGED], {"bad_checksums"}),
        ([METER.list(1), METER.list(2)[:40]], {"short_lists_only"}),
        ([UNKNOWN_LIST], {"unknown_list"}),
        ([OTHER.list(2)], {"other_meter"}),
        ([b"\xff\xfd\x18\xff\xfd\x20"], {"telnet"}),
        ([b"Port already in use\r\n", b""], {"port_in_use"}),
        ([b"HTTP/1.1 400 Bad Request\r\n", b""], {"http"}),
        ([b'{"power": 1234, "energy": 5}\n'], {"decoded_values"}),
        ([b"I (1234) wifi: connected to home\n"], {"text"}),
        ([b""], {"closed"}),
        ([SEALED], set()),
        ([OSError("gone")], set()),
    ],
)
async def test_lasting(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    chunks: list[bytes | Exception],
    expected: set[str],
) -> None:
    """What is wrong for ten minutes is said once; the meter heals it, at once."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2), b"")
    await wait(hass, freezer, 2)
    assert port.is_open
    if isinstance(chunks and chunks[0], OSError):
        port.put(*chunks)
        port.failure = OSError("gone")
    await live(hass, port, freezer, 600, *chunks)
    assert set(issues(hass)) == set()
    await live(hass, port, freezer, 240, *chunks)
    assert set(issues(hass)) == expected
    for key, issue in issues(hass).items():
        assert issue.is_fixable
        shown = issue.translation_placeholders
        assert shown is not None
        assert shown["entry"] == "Aidon 6534"
        assert issue.severity is ir.IssueSeverity.WARNING
        assert issue.issue_id == f"{key}_{entry.entry_id}"
        steps = TEXTS[key]["fix_flow"]["step"]
        step = steps["init" if key == "other_meter" else "confirm"]
        assert "{" not in TEXTS[key]["title"].format(**shown)
        assert shown["device"] in step["description"].format(**shown)
    if expected:
        while not port.is_open:
            await wait(hass, freezer, 10)
        await say(hass, port, METER.list(2))
        assert issues(hass) == {}
    reauth = list(hass.config_entries.flow.async_progress_by_handler(DOMAIN))
    assert [each["context"]["source"] for each in reauth] == (
        [SOURCE_REAUTH] if chunks == [SEALED] else []
    )


def test_texts() -> None:
    """There is a text for whatever can be wrong, and none for what cannot."""
    asked_elsewhere = {Diagnosis.ENCRYPTED}
    assert TEXTS.keys() == {
        *Diagnosis,
        "other_meter",
        "counter_disputed",
        "moved_in",
        "power_and_current",
    } - (asked_elsewhere)


async def test_never_heard(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A meter that was silent from the start of Home Assistant on is missed too."""
    entry = await set_up(hass, make_entry())
    await live(hass, port, freezer, 720)
    assert set(issues(hass)) == {"nothing_received"}
    assert await hass.config_entries.async_unload(entry.entry_id)
    assert issues(hass) == {}


async def test_changes(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Another cause takes the place of the first; there is one issue at a time."""
    await set_up(hass, make_entry())
    await live(hass, port, freezer, 720)
    assert set(issues(hass)) == {"nothing_received"}
    await live(hass, port, freezer, 720, OTHER.list(2))
    assert set(issues(hass)) == {"other_meter"}
    shown = issues(hass)["other_meter"].translation_placeholders
    assert shown is not None
    assert (shown["found"], shown["expected"]) == (OTHER.id, METER.id)


async def fix(hass: HomeAssistant, issue: ir.IssueEntry) -> Any:
    """Open the dialog of an issue and press its button."""
    assert await async_setup_component(hass, "repairs", {})
    await hass.async_block_till_done()
    manager = repairs_flow_manager(hass)
    assert manager is not None
    form = await manager.async_init(DOMAIN, data={"issue_id": issue.issue_id})
    assert form["step_id"] == "confirm"
    assert form["description_placeholders"] == issue.translation_placeholders
    return await manager.async_configure(form["flow_id"], {})


async def test_listen_again(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """The button of a port that gives no meter leads to the dialog that listens."""
    entry = await set_up(hass, make_entry())
    await live(hass, port, freezer, 720)
    result = await fix(hass, issues(hass)["nothing_received"])
    assert (result["type"], result["reason"]) == ("abort", "listen")
    (flow,) = hass.config_entries.flow.async_progress_by_handler(DOMAIN)
    assert result["next_flow"] == ("config_flow", flow["flow_id"])
    assert flow["context"]["source"] == SOURCE_RECONFIGURE
    assert flow["context"]["entry_id"] == entry.entry_id
    assert set(issues(hass)) == {"nothing_received"}


@pytest.fixture(name="disputed")
async def _disputed(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> MockConfigEntry:
    """Set up a meter whose counter has begun anew."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    counter = entry.runtime_data.account.counters[Quantity.ENERGY_IMPORT]
    counter.disputed = Dispute(NOON.replace(hour=8), 7.0)
    await live(hass, port, freezer, 60, METER.list(2))
    return entry


async def test_counter_disputed(hass: HomeAssistant, disputed: MockConfigEntry) -> None:
    """A person says that the meter was replaced; its counters are believed from then."""
    issue = issues(hass)["counter_disputed"]
    assert issue.issue_id == f"counter_disputed_{disputed.entry_id}"
    assert issue.severity is ir.IssueSeverity.WARNING
    result = await fix(hass, issue)
    assert result["type"] == "create_entry"
    assert issues(hass) == {}
    account = disputed.runtime_data.account
    assert account.disputed == {}
    assert account.counters[Quantity.ENERGY_IMPORT].offset is None


async def test_counter_fits_again(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    disputed: MockConfigEntry,
) -> None:
    """What the meter settles itself asks nobody any more."""
    assert set(issues(hass)) == {"counter_disputed"}
    account = disputed.runtime_data.account
    account.counters[Quantity.ENERGY_IMPORT].disputed = None
    await live(hass, port, freezer, 60, METER.list(2))
    assert issues(hass) == {}


async def test_not_loaded(hass: HomeAssistant, disputed: MockConfigEntry) -> None:
    """An entry that was unloaded meanwhile has no counters to believe."""
    issue = issues(hass)["counter_disputed"]
    assert await async_setup_component(hass, "repairs", {})
    await hass.async_block_till_done()
    manager = repairs_flow_manager(hass)
    assert manager is not None
    form = await manager.async_init(DOMAIN, data={"issue_id": issue.issue_id})
    assert await hass.config_entries.async_unload(disputed.entry_id)
    result = await manager.async_configure(form["flow_id"], {})
    assert (result["type"], result["reason"]) == ("abort", "not_loaded")


async def test_power_and_current(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A multiplier that does not fit is said after an hour, and set in its own dialog."""
    entry = await set_up(hass, make_entry(options={"multiply_power": 10}))
    for number in range(365):
        watts = (2000, 6000)[number // 100 % 2]
        await say(hass, port, wired(watts))
        freezer.tick(10)
    await live(hass, port, freezer, 60, wired(2000))
    (issue,) = issues(hass).values()
    assert issue.issue_id == f"power_and_current_{entry.entry_id}"
    assert issue.severity is ir.IssueSeverity.WARNING
    shown = issue.translation_placeholders
    assert shown is not None
    assert (shown["times"], shown["apparent"], shown["power"]) == (
        "10",
        "6003",
        "60000",
    )
    text = TEXTS["power_and_current"]["fix_flow"]["step"]["confirm"]["description"]
    assert "10 times too large" in text.format(**shown)

    result = await fix(hass, issue)
    assert (result["type"], result["reason"]) == ("abort", "multipliers")
    kind, flow_id = result["next_flow"]
    assert kind == "options_flow"
    options = hass.config_entries.options
    assert options.async_get(flow_id)["step_id"] == "accuracy"
    form = await options.async_configure(flow_id, dict.fromkeys(MULTIPLIERS, 1))
    assert form["step_id"] == "preview"
    await options.async_configure(flow_id, {})
    await hass.async_block_till_done()
    assert issues(hass) == {}


async def test_power_and_current_heals(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """What fits again is said no more."""
    entry = await set_up(hass, make_entry())
    entry.runtime_data.power_check.times = 10
    await live(hass, port, freezer, 60)
    assert set(issues(hass)) == {"power_and_current"}
    await say(hass, port, wired(2000))
    await live(hass, port, freezer, 60)
    assert issues(hass) == {}


def wired(watts: float) -> bytes:
    """Give a list in which voltage times current is the power."""
    return METER.list(
        2,
        active_power_import=watts,
        active_power_export=0,
        reactive_power_import=0,
        reactive_power_export=0,
        **{f"voltage_l{phase}": 230 for phase in (1, 2, 3)},
        **{f"current_l{phase}": round(watts / 690, 1) for phase in (1, 2, 3)},
    )


async def test_mqtt(
    hass: HomeAssistant, mqtt_mock: Any, freezer: FrozenDateTimeFactory
) -> None:
    """A reader on MQTT that is silent, or hears another meter, is said as on a cable."""
    entry = await set_up(hass, make_entry(device="mqtt://han/kitchen"))
    await live(hass, Port(), freezer, 1000)
    (issue,) = issues(hass).values()
    assert issue.issue_id == f"nothing_received_{entry.entry_id}"
    assert (issue.translation_placeholders or {})["device"] == "mqtt://han/kitchen"
    for payload, expected in ((OTHER.list(2), {"other_meter"}), (METER.list(2), set())):
        for _ in range(100):
            async_fire_mqtt_message(hass, "han/kitchen", payload)
            await wait(hass, freezer, 10)
            if set(issues(hass)) == expected:
                break
        assert set(issues(hass)) == expected
    # The MQTT integration unsubscribes a moment later.
    assert await hass.config_entries.async_unload(entry.entry_id)
    for _ in range(3):
        await wait(hass, freezer, 10)
