"""Is a value that passes a limit of a person's automation shown at once, always?"""

from collections.abc import Callable
from pathlib import Path
import shutil
from typing import Any
from unittest.mock import patch

import pytest
from pytest_homeassistant_custom_component.common import async_mock_service

from custom_components.han_port.limits import MOST
from custom_components.han_port.publishing import Publish
from homeassistant.config_entries import SOURCE_USER
from homeassistant.const import Platform
from homeassistant.core import CoreState, HomeAssistant, ServiceCall
from homeassistant.helpers import (
    area_registry as ar,
    device_registry as dr,
    entity_registry as er,
    floor_registry as fr,
    label_registry as lr,
)
from homeassistant.setup import async_setup_component
from tests.integration.conftest import (
    METER,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)

type Config = dict[str, Any]

POWER = "active_power_import"
BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
# What nobody would find by round numbers, and small steps about it
LIMIT, BELOW, ABOVE = 5033, 5025, 5034


def _list(watts: float) -> bytes:
    return METER.list(2, active_power_import=watts, active_power_export=0)


def _entity(hass: HomeAssistant) -> er.RegistryEntry:
    """Give what Home Assistant knows of the power."""
    entities = er.async_get(hass)
    found = entities.async_get(entity_id(hass, POWER) or "")
    assert found is not None
    return found


async def _edit(hass: HomeAssistant, port: Port, *automations: Config) -> None:
    """Save automations, as the editor does, and show a value to begin from."""
    assert await async_setup_component(hass, "automation", {})
    with patch(
        "homeassistant.config.load_yaml_config_file",
        return_value={"automation": list(automations)},
    ):
        await hass.services.async_call("automation", "reload", blocking=True)
    await hass.async_block_till_done()
    await say(hass, port, _list(BELOW))


def _automation(trigger: Config, **more: Any) -> Config:
    return {"triggers": [trigger], "actions": [{"action": "notify.phone"}], **more}


def _numeric(hass: HomeAssistant, limit: float | str = LIMIT) -> Config:
    name = _entity(hass).entity_id
    return _automation({"trigger": "numeric_state", "entity_id": name, "above": limit})


def _difference(hass: HomeAssistant) -> Config:
    """Compare to the limit by what is left of it."""
    name = _entity(hass).entity_id
    template = f"{{{{ states('{name}')|float(0)-{LIMIT} }}}}"
    trigger = {"trigger": "numeric_state", "entity_id": name, "above": 0}
    return _automation({**trigger, "value_template": template})


def _by_id(hass: HomeAssistant) -> Config:
    name = _entity(hass).id
    return _automation({"trigger": "numeric_state", "entity_id": name, "above": LIMIT})


def _device(hass: HomeAssistant) -> Config:
    entity = _entity(hass)
    trigger = {
        "trigger": "device",
        "domain": "sensor",
        "type": "power",
        "device_id": entity.device_id,
        "entity_id": entity.id,
        "above": LIMIT,
    }
    return _automation(trigger)


def _crossed(target: Config, value: Config) -> Config:
    """Give the trigger that the editor calls "Power crossed threshold"."""
    return {
        "trigger": "power.crossed_threshold",
        "target": target,
        "options": {"threshold": {"type": "above", "value": value}},
    }


IN_W = {"number": LIMIT, "unit_of_measurement": "W"}
IN_KW = {"number": LIMIT / 1000, "unit_of_measurement": "kW"}


def _crossed_w(hass: HomeAssistant) -> Config:
    return _automation(_crossed({"entity_id": _entity(hass).entity_id}, IN_W))


def _crossed_kw(hass: HomeAssistant) -> Config:
    return _automation(_crossed({"entity_id": _entity(hass).entity_id}, IN_KW))


def _of_device(hass: HomeAssistant) -> Config:
    return _automation(_crossed({"device_id": _entity(hass).device_id}, IN_W))


def _of_area(hass: HomeAssistant) -> Config:
    area = ar.async_get(hass).async_create("Hall")
    _move(hass, area.id)
    return _automation(_crossed({"area_id": area.id}, IN_W))


def _of_floor(hass: HomeAssistant) -> Config:
    floor = fr.async_get(hass).async_create("Ground")
    area = ar.async_get(hass).async_create("Hall", floor_id=floor.floor_id)
    _move(hass, area.id)
    return _automation(_crossed({"floor_id": floor.floor_id}, IN_W))


def _of_label(hass: HomeAssistant) -> Config:
    label = lr.async_get(hass).async_create("Meters")
    er.async_get(hass).async_update_entity(
        _entity(hass).entity_id, labels={label.label_id}
    )
    return _automation(_crossed({"label_id": label.label_id}, IN_W))


def _move(hass: HomeAssistant, area_id: str) -> None:
    device_id = _entity(hass).device_id
    assert device_id is not None
    dr.async_get(hass).async_update_device(device_id, area_id=area_id)


def _template(hass: HomeAssistant) -> Config:
    power = f"states('{_entity(hass).entity_id}')|float(0)"
    template = f"{{{{ {power}>{LIMIT} }}}}"
    return _automation({"trigger": "template", "value_template": template})


def _template_kw(hass: HomeAssistant) -> Config:
    power = f"states.{_entity(hass).entity_id}.state|float(0)"
    template = f"{{{{ {power} / 1000 > {LIMIT / 1000} }}}}"
    return _automation({"trigger": "template", "value_template": template})


def _condition(hass: HomeAssistant) -> Config:
    """Look at the limit only in a condition, in a nested action."""
    name = _entity(hass).entity_id
    above = {"condition": "numeric_state", "entity_id": name, "above": LIMIT}
    return {
        "triggers": [{"trigger": "state", "entity_id": name}],
        "actions": [{"if": [above], "then": [{"action": "notify.phone"}]}],
    }


def _input_number(hass: HomeAssistant) -> Config:
    return _numeric(hass, "input_number.limit")


def _input_number_kw(hass: HomeAssistant) -> Config:
    value = {"entity": "input_number.kilowatts"}
    return _automation(_crossed({"entity_id": _entity(hass).entity_id}, value))


def _blueprint(hass: HomeAssistant) -> Config:
    inputs = {
        "power": _entity(hass).entity_id,
        "threshold": LIMIT,
        "duration": {"seconds": 0},
        "actions": [{"action": "notify.phone"}],
    }
    path = "han_port/power_above.yaml"
    return {"use_blueprint": {"path": path, "input": inputs}}


@pytest.fixture(name="calls")
async def _calls(hass: HomeAssistant, tmp_path: Path) -> list[ServiceCall]:
    """Give what was sent to the phone, in a house with blueprints and number helpers."""
    shutil.copytree(BLUEPRINTS, tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    numbers = {
        "limit": {"min": 0, "max": 9000, "initial": LIMIT},
        "kilowatts": {
            "min": 0,
            "max": 9,
            "initial": LIMIT / 1000,
            "unit_of_measurement": "kW",
        },
    }
    assert await async_setup_component(hass, "input_number", {"input_number": numbers})
    return async_mock_service(hass, "notify", "phone")


async def _shown(hass: HomeAssistant, port: Port, *watts: float) -> list[float]:
    """Send powers one upon the other, and give what is shown after each."""
    shown = []
    for each in watts:
        await say(hass, port, _list(each))
        shown.append(float(state(hass, POWER) or -1))
    return shown


@pytest.mark.parametrize("publish", [Publish.BALANCED, Publish.SLOW])
@pytest.mark.parametrize(
    ("automation", "fires"),
    [
        *((_numeric, 1), (_difference, 1), (_by_id, 1), (_device, 1), (_condition, 1)),
        *((_crossed_w, 1), (_crossed_kw, 1), (_template, 1), (_template_kw, 1)),
        *((_blueprint, 1), (_input_number, 1), (_input_number_kw, 1), (_of_label, 1)),
        # For net power as well
        *((_of_device, 2), (_of_area, 2), (_of_floor, 2)),
    ],
)
async def test_automations(
    hass: HomeAssistant,
    port: Port,
    calls: list[ServiceCall],
    automation: Callable[[HomeAssistant], Config],
    fires: int,
    publish: Publish,
) -> None:
    """A limit that is set in any way is found when the automation is saved.

    What passes it is shown and acted on with its reading, as often as it does.
    """
    await set_up(hass, make_entry(options={"publish": publish}))
    await say(hass, port, _list(BELOW))
    assert await _shown(hass, port, ABOVE, BELOW + 1) == [BELOW] * 2
    await _edit(hass, port, automation(hass))
    for times in (1, 2, 3):
        assert await _shown(hass, port, ABOVE) == [ABOVE]
        assert len(calls) == times * fires
        assert await _shown(hass, port, LIMIT) == [LIMIT]
        assert await _shown(hass, port, BELOW) == [BELOW]
    assert len(calls) == 3 * fires
    # On one side of it nothing has changed
    assert await _shown(hass, port, BELOW + 1) == [BELOW]
    await _edit(hass, port)
    assert await _shown(hass, port, ABOVE) == [BELOW]


async def test_start(hass: HomeAssistant, port: Port, calls: list[ServiceCall]) -> None:
    """The limits of automations that were there before are known after the start."""
    hass.set_state(CoreState.not_running)
    await set_up(hass, make_entry())
    config = {"automation": _numeric(hass)}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_start()
    await hass.async_block_till_done()
    await say(hass, port, _list(BELOW))
    assert await _shown(hass, port, ABOVE) == [ABOVE]
    assert len(calls) == 1


async def test_kilowatts(
    hass: HomeAssistant, port: Port, calls: list[ServiceCall]
) -> None:
    """Where a person has chosen kW, a limit is one in kW: also one chosen later."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    await _edit(hass, port, _numeric(hass, LIMIT / 1000))
    assert await _shown(hass, port, ABOVE, BELOW) == [BELOW] * 2
    er.async_get(hass).async_update_entity_options(
        _entity(hass).entity_id, Platform.SENSOR, {"unit_of_measurement": "kW"}
    )
    await hass.async_block_till_done()
    assert await _shown(hass, port, LIMIT, ABOVE, LIMIT) == [5.033, 5.034, 5.033]
    assert len(calls) == 1


async def test_helper_moves(
    hass: HomeAssistant, port: Port, calls: list[ServiceCall]
) -> None:
    """The limit in a number helper is where it is now."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    await _edit(hass, port, _input_number(hass))
    for watts in (5029, LIMIT):
        await hass.services.async_call(
            "input_number",
            "set_value",
            {"entity_id": "input_number.limit", "value": watts},
            blocking=True,
        )
        assert await _shown(hass, port, watts - 1, watts + 1, BELOW) == [
            BELOW,
            watts + 1,
            BELOW,
        ]
    assert len(calls) == 2


async def test_renamed(
    hass: HomeAssistant, port: Port, calls: list[ServiceCall]
) -> None:
    """An entity that gets the name in an automation gets its limits."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    name = "sensor.house"
    await _edit(
        hass,
        port,
        _automation({"trigger": "numeric_state", "entity_id": name, "above": LIMIT}),
    )
    assert await _shown(hass, port, ABOVE) == [BELOW]
    er.async_get(hass).async_update_entity(_entity(hass).entity_id, new_entity_id=name)
    await hass.async_block_till_done()
    # The entity shows by itself what it has under its new name.
    assert float(state(hass, POWER) or -1) == ABOVE
    assert await _shown(hass, port, BELOW + 1, ABOVE) == [BELOW + 1, ABOVE]
    assert calls


async def test_device_moves(
    hass: HomeAssistant, port: Port, calls: list[ServiceCall]
) -> None:
    """A device that comes to an area gets the limits of what acts on the area."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    area = ar.async_get(hass).async_create("Hall")
    await _edit(hass, port, _automation(_crossed({"area_id": area.id}, IN_W)))
    assert await _shown(hass, port, ABOVE, BELOW) == [BELOW] * 2
    _move(hass, area.id)
    await hass.async_block_till_done()
    assert await _shown(hass, port, BELOW, ABOVE) == [BELOW, ABOVE]
    # And for net power
    assert len(calls) == 2


@pytest.mark.usefixtures("calls")
async def test_others(hass: HomeAssistant, port: Port) -> None:
    """Other numbers are no limits: of other entities, of names, ids and times."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    name = _entity(hass).entity_id
    other = {"trigger": "numeric_state", "entity_id": "sensor.other", "above": LIMIT}
    await _edit(
        hass,
        port,
        _automation(other),
        _automation(
            {
                "trigger": "numeric_state",
                "entity_id": name,
                "above": 9000,
                "for": {"seconds": LIMIT},
                "id": str(LIMIT),
            },
            alias=f"Above {LIMIT}",
        ),
        _automation(
            {
                "trigger": "template",
                "value_template": f"{{{{ '{name}' == '05:34:5033' }}}}",
            }
        ),
    )
    assert await _shown(hass, port, ABOVE) == [BELOW]
    await _edit(hass, port)


@pytest.mark.usefixtures("calls")
async def test_bounded(hass: HomeAssistant, port: Port) -> None:
    """What is kept has an end, and no number is too large or too odd to be read."""
    entry = await set_up(hass, make_entry())
    await _edit(
        hass,
        port,
        _numeric(hass, LIMIT),
        _automation(
            {"trigger": "state", "entity_id": _entity(hass).entity_id},
            variables={
                "odd": f"1{'0' * 400} 1e999 5_ 1e 5__0 ²",
                "many": list(range(10_000, 20_000)),
            },
        ),
    )
    limits = entry.runtime_data.publisher.limits[POWER]
    assert limits == (LIMIT, *range(10_000, 10_000 + MOST - 1))


@pytest.mark.parametrize("publish", [Publish.BALANCED, Publish.SLOW])
async def test_threshold_helper(
    hass: HomeAssistant, port: Port, publish: Publish
) -> None:
    """A threshold helper is followed from when it was made, hysteresis and all."""
    await set_up(hass, make_entry(options={"publish": publish}))
    await say(hass, port, _list(BELOW))
    limits = {
        "entity_id": _entity(hass).entity_id,
        "upper": LIMIT - 3,
        "hysteresis": 3,
    }
    flow = await hass.config_entries.flow.async_init(
        "threshold", context={"source": SOURCE_USER}
    )
    done = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "High", **limits}
    )
    await hass.async_block_till_done()
    helper = done["result"]
    (binary,) = er.async_entries_for_config_entry(er.async_get(hass), helper.entry_id)
    for watts, expected in ((ABOVE, "on"), (5028, "on"), (5026, "off"), (ABOVE, "on")):
        await say(hass, port, _list(watts))
        found = hass.states.get(binary.entity_id)
        assert found is not None
        assert found.state == expected
    options = await hass.config_entries.options.async_init(helper.entry_id)
    await hass.config_entries.options.async_configure(
        options["flow_id"], {**limits, "upper": 5040}
    )
    await hass.async_block_till_done()
    assert await _shown(hass, port, ABOVE + 1, 5036, 5038) == [
        ABOVE + 1,
        ABOVE + 1,
        5038,
    ]
    await hass.config_entries.async_remove(helper.entry_id)
    assert await _shown(hass, port, ABOVE, 5038) == [ABOVE] * 2


async def test_template_helper(hass: HomeAssistant, port: Port) -> None:
    """A template helper is followed with the reading that passes what it compares to."""
    await set_up(hass, make_entry())
    await say(hass, port, _list(BELOW))
    flow = await hass.config_entries.flow.async_init(
        "template", context={"source": SOURCE_USER}
    )
    flow = await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"next_step_id": "binary_sensor"}
    )
    power = f"states('{_entity(hass).entity_id}')|float(0)"
    await hass.config_entries.flow.async_configure(
        flow["flow_id"], {"name": "High", "state": f"{{{{ {power} > {LIMIT} }}}}"}
    )
    await hass.async_block_till_done()
    for watts, expected in ((ABOVE, "on"), (BELOW, "off"), (ABOVE, "on")):
        await say(hass, port, _list(watts))
        assert hass.states.is_state("binary_sensor.high", expected)
