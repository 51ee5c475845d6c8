"""Can a person put right what the meter did not tell?"""

from datetime import UTC, datetime, timedelta
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import MockConfigEntry

from custom_components.han_port.accounting import Gap, Settlement, Window
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.protocol import Quantity
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)


@pytest.fixture(name="entry")
async def _entry(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory, true_time: None
) -> MockConfigEntry:
    """Set up a meter that had two hours of 3 and 5 kW."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry())
    peaks = entry.runtime_data.account.peaks
    await say(hass, port, METER.list(3, energy_import=100))
    for day, energy in ((13, 3.0), (14, 5.0)):
        start = datetime(2026, 1, day, 16, tzinfo=UTC)
        peaks.record(Window(start, start + timedelta(hours=1), energy))
    entry.runtime_data.async_update_listeners()
    return entry


async def act(hass: HomeAssistant, name: str, **data: Any) -> Any:
    """Call an action and give its answer."""
    answer = await hass.services.async_call(
        DOMAIN, name, data, blocking=True, return_response=True
    )
    await hass.async_block_till_done()
    return answer


@pytest.mark.usefixtures("entry")
async def test_peaks_shown(hass: HomeAssistant) -> None:
    """The highest hours are shown with their day and hour, and their mean."""
    assert state(hass, "peak_average") == "4.0"
    name = entity_id(hass, "peak_1")
    found = hass.states.get(name or "")
    assert found is not None
    assert found.state == "5.0"
    assert found.attributes["date"] == "2026-01-14"
    assert found.attributes["hour"] == "17:00"
    assert found.attributes["corrected"] is False
    assert state(hass, "peak_3") == "unknown"


async def test_correct_and_remove(
    hass: HomeAssistant, entry: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    """An hour is corrected or removed by the local time it holds, and that is stored."""
    answer = await act(hass, "correct_peak", start="2026-01-14 17:30:00", power=6)
    assert answer["average"] == 4.5
    assert state(hass, "peak_1") == "6.0"
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}.peaks"]["data"]
    assert list(stored["months"]["2026-01"]["corrections"].values()) == [6.0]

    # A template may give a time with its zone.
    answer = await act(hass, "remove_peak", start="2026-01-14T16:00:00+00:00")
    assert [each["power"] for each in answer["peaks"]] == [3.0]
    assert state(hass, "peak_1") == "3.0"


@pytest.mark.usefixtures("entry")
async def test_month_not_kept(hass: HomeAssistant) -> None:
    """Of a month that is not kept it is said that nothing can be changed."""
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "remove_peak", start="2025-06-14 17:00:00")
    assert caught.value.translation_key == "month_not_kept"


async def test_spread_gap_without_rows(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """A gap is shown by hour; without statistics nothing can be booked, and that is said."""
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "spread_gap")
    assert caught.value.translation_key == "no_gap"

    gap = Gap(NOON - timedelta(hours=2), NOON - timedelta(minutes=30), 3.0)
    gaps = entry.runtime_data.account.gaps
    gaps[Quantity.ENERGY_IMPORT] = Settlement(NOON, 100, 3.0, gap)
    answer = await act(hass, "spread_gap")
    assert answer == {
        "applied": False,
        "gaps": [
            {
                "entity_id": entity_id(hass, "energy_import"),
                "hours": [
                    {"start": "2026-01-15T11:00:00+01:00", "energy": 2.0},
                    {"start": "2026-01-15T12:00:00+01:00", "energy": 1.0},
                ],
            }
        ],
    }
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "spread_gap", apply=True)
    assert caught.value.translation_key == "not_recorded"
    assert Quantity.ENERGY_IMPORT in gaps


@pytest.mark.usefixtures("recorder_mock")
async def test_spread_gap_recorded_otherwise(
    hass: HomeAssistant, entry: MockConfigEntry
) -> None:
    """Where the recorder has no such rows a gap stays, and what was booked is said."""
    gap = Gap(NOON - timedelta(hours=2), NOON - timedelta(minutes=30), 3.0)
    gaps = entry.runtime_data.account.gaps
    gaps[Quantity.ENERGY_IMPORT] = Settlement(NOON, 100, 3.0, gap)
    with pytest.raises(ServiceValidationError) as caught:
        await act(hass, "spread_gap", apply=True)
    assert caught.value.translation_key == "not_recorded"
    assert caught.value.translation_placeholders == {
        "entity": entity_id(hass, "energy_import")
    }
    assert Quantity.ENERGY_IMPORT in gaps


async def test_without_meter(hass: HomeAssistant, port: Port) -> None:
    """Actions are there while no meter is, and say so; an automation stays valid."""
    port.failure = OSError("no such port")
    entry = make_entry()
    entry.add_to_hass(hass)
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert hass.services.async_services_for_domain(DOMAIN).keys() == {
        *("correct_peak", "record", "remove_peak", "spread_gap")
    }
    with pytest.raises(ServiceValidationError):
        await act(hass, "spread_gap")


@pytest.mark.usefixtures("entry")
async def test_no_such_meter(hass: HomeAssistant) -> None:
    """A meter that is not there cannot be asked."""
    with pytest.raises(ServiceValidationError):
        await act(hass, "spread_gap", config_entry_id="another")
