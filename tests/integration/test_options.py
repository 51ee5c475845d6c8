"""Do the answers of a person become the rules of the grid company?"""

from datetime import timedelta
from typing import Any

import pytest

from custom_components.han_port.accounting import HOUR, QUARTER, Grid, PeakRules
from custom_components.han_port.options import DEFAULTS, peak_rules
from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from tests.integration.conftest import (
    METER,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)


def test_norway() -> None:
    """Without answers, and with those that are shown first, the rule is Norway's."""
    assert peak_rules({}) == peak_rules(DEFAULTS) == PeakRules()


@pytest.mark.parametrize(
    ("answers", "rules"),
    [
        # Nights at half weight
        (
            {"weight": 50},
            PeakRules(weighted_hours=frozenset({22, 23, 0, 1, 2, 3, 4, 5}), weight=0.5),
        ),
        # Working days of winter, from 7 to 20
        (
            {
                "days": "workdays",
                "from_hour": 7,
                "to_hour": 20,
                "from_month": 11,
                "to_month": 3,
            },
            PeakRules(
                weekdays=frozenset(range(5)),
                hours=frozenset(range(7, 20)),
                months=frozenset({11, 12, 1, 2, 3}),
            ),
        ),
        # The highest quarter
        (
            {"peaks": 1, "one_per_day": False, "length": "quarter"},
            PeakRules(count=1, one_per_day=False, length=QUARTER),
        ),
    ],
)
def test_rules(answers: dict[str, Any], rules: PeakRules) -> None:
    """Each answer becomes its part of the rules; times may go past midnight or new year."""
    assert peak_rules(answers) == rules
    assert rules.length in (HOUR, timedelta(minutes=15))


async def _choose(hass: HomeAssistant, entry: ConfigEntry, step: str) -> Any:
    """Open the options and choose what to set."""
    result = await hass.config_entries.options.async_init(entry.entry_id)
    assert result["type"] is FlowResultType.MENU
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {"next_step_id": step}
    )
    assert result["type"] is FlowResultType.FORM
    return result


async def test_flow(hass: HomeAssistant, port: Port) -> None:
    """New answers are kept and used at once; hours that leave none are asked for again."""
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    assert entity_id(hass, "peak_4") is None
    result = await _choose(hass, entry, "tariff")
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], {**DEFAULTS, "from_hour": 7, "to_hour": 7}
    )
    assert result["type"] is FlowResultType.FORM
    assert result["errors"] == {"to_hour": "no_hours"}
    answers = {**DEFAULTS, "peaks": 5, "one_per_day": False}
    result = await hass.config_entries.options.async_configure(
        result["flow_id"], answers
    )
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    assert entry.options == answers
    rules = entry.runtime_data.account.peaks.rules
    assert rules == PeakRules(count=5, one_per_day=False)
    assert entity_id(hass, "peak_5") is not None
    assert port.is_open


async def test_publishing(hass: HomeAssistant, port: Port) -> None:
    """Small changes wait unless a person wants every reading; other answers stay."""
    entry = await set_up(hass, make_entry(options={"peaks": 5}))
    for watts, shown in ((5010, "5010"), (5040, "5010"), (5060, "5060")):
        await say(hass, port, METER.list(2, active_power_import=watts))
        assert float(state(hass, "active_power_import") or 0) == float(shown)
    result = await _choose(hass, entry, "publishing")
    await hass.config_entries.options.async_configure(
        result["flow_id"], {"publish": "every_reading"}
    )
    await hass.async_block_till_done()
    assert entry.options == {"peaks": 5, "publish": "every_reading"}
    for watts in (5010, 5011):
        await say(hass, port, METER.list(2, active_power_import=watts))
        assert float(state(hass, "active_power_import") or 0) == watts


async def test_fuse(hass: HomeAssistant, port: Port) -> None:
    """A main fuse brings its entities, a wrong one is asked for again, none takes them."""
    entry = await set_up(hass, make_entry(options={"peaks": 5}))
    await say(hass, port, METER.list(2))
    assert entity_id(hass, "headroom_l1") is None
    for text, error in (("many", "no_fuse"), ("3", "no_fuse"), ("nan", "no_fuse")):
        result = await _choose(hass, entry, "fuse")
        result = await hass.config_entries.options.async_configure(
            result["flow_id"], {"main_fuse": text, "grid": "auto"}
        )
        assert result["errors"] == {"main_fuse": error}
        hass.config_entries.options.async_abort(result["flow_id"])
    result = await _choose(hass, entry, "fuse")
    await hass.config_entries.options.async_configure(
        result["flow_id"], {"main_fuse": "62,5 A", "grid": "three_wire"}
    )
    await hass.async_block_till_done()
    assert entry.options == {"peaks": 5, "main_fuse": 62.5, "grid": "three_wire"}
    guard = entry.runtime_data.fuse
    assert (guard.fuse, guard.grid) == (62.5, Grid.THREE_WIRE)

    result = await _choose(hass, entry, "fuse")
    assert result["data_schema"] is not None
    await hass.config_entries.options.async_configure(
        result["flow_id"], {"grid": "auto"}
    )
    await hass.async_block_till_done()
    assert entry.options == {"peaks": 5, "grid": "auto"}
    assert entry.runtime_data.fuse is None
