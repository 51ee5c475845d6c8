"""Is the hour of our own sensor settled, and nothing else ever touched?"""

from datetime import UTC, datetime, timedelta
import logging
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.accounting import HOUR, Gap, Settlement, Window
from custom_components.han_port.statistics import (
    NotRecordedError,
    async_settle,
    async_spread,
)
from homeassistant.components.recorder.models import (
    StatisticData,
    StatisticMeanType,
    StatisticMetaData,
)
from homeassistant.components.recorder.statistics import (
    async_import_statistics,
    get_metadata,
    statistics_during_period,
)
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
OURS, OTHER = "sensor.ours", "sensor.bystander"
Rows = list[tuple[float, float]]
# What it gives stands for a float in any tuple
approx: Any = pytest.approx


@pytest.fixture(autouse=True)
async def _recorded(
    recorder_mock: None, hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """Let two sensors have rows of 9, 10 and 11 o'clock, of 1 kWh each."""
    freezer.move_to(NOON + timedelta(minutes=1))
    for name in (OURS, OTHER):
        record(hass, name, {9: (101, 1), 10: (102, 2), 11: (103, 3)})
    await async_recorder_block_till_done(hass)


def record(
    hass: HomeAssistant,
    name: str,
    rows: dict[int, tuple[float, float]],
    unit: str = "kWh",
) -> None:
    """Write state and sum by the hour of the day."""
    meta = StatisticMetaData(
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        name=None,
        source="recorder",
        statistic_id=name,
        unit_class="energy",
        unit_of_measurement=unit,
    )
    async_import_statistics(
        hass,
        meta,
        [
            StatisticData(start=NOON.replace(hour=hour), state=state, sum=total)
            for hour, (state, total) in rows.items()
        ],
    )


async def rows(hass: HomeAssistant, name: str = OURS) -> Rows:
    """Give state and sum of each hour, in the unit they are stored in."""
    await async_recorder_block_till_done(hass)
    found = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        NOON - 24 * HOUR,
        NOON + 24 * HOUR,
        {name},
        "hour",
        None,
        {"state", "sum"},
    )
    return [(row["state"] or 0, row["sum"] or 0) for row in found.get(name, [])]


BEFORE = [(101, 1), (102, 2), (103, 3)]


@pytest.mark.parametrize("counter", [103.25, 102.75, 103])
async def test_settled(hass: HomeAssistant, counter: float) -> None:
    """The row of the hour gets the counter, up or down; its neighbours stay, and others."""
    before = await get_instance(hass).async_add_executor_job(get_metadata, hass)
    assert await async_settle(hass, OURS, Settlement(NOON, counter))
    assert await rows(hass) == [*BEFORE[:2], (counter, counter - 100)]
    assert await rows(hass, OTHER) == BEFORE
    assert await get_instance(hass).async_add_executor_job(get_metadata, hass) == before


async def test_revised(hass: HomeAssistant) -> None:
    """An hour that had to be estimated is settled again with the next; the sums fit."""
    settlement = Settlement(NOON, 103.4, revised=((NOON - HOUR, 101.9),))
    assert await async_settle(hass, OURS, settlement)
    assert await rows(hass) == [(101, 1), (101.9, approx(1.9)), (103.4, approx(3.4))]
    assert await rows(hass, OTHER) == BEFORE
    # One whose row is missing is left out
    settlement = Settlement(NOON, 103.5, revised=((NOON - 5 * HOUR, 99.0),))
    assert await async_settle(hass, OURS, settlement)
    assert await rows(hass) == [(101, 1), (101.9, approx(1.9)), (103.5, approx(3.5))]


async def test_too_early(hass: HomeAssistant) -> None:
    """While the row is not there nothing is written, and it is to be tried again."""
    assert not await async_settle(hass, OURS, Settlement(NOON + HOUR, 104))
    assert not await async_settle(hass, "sensor.unknown", Settlement(NOON, 104))
    assert await rows(hass) == BEFORE
    record(hass, OURS, {12: (103.9, 3.9)})
    await async_recorder_block_till_done(hass)
    assert await async_settle(hass, OURS, Settlement(NOON + HOUR, 104))
    assert await rows(hass) == [*BEFORE, (104, 4)]


@pytest.mark.parametrize(
    "instant", [NOON - HOUR, NOON + timedelta(minutes=30), NOON - timedelta(seconds=1)]
)
async def test_left_alone(hass: HomeAssistant, instant: datetime) -> None:
    """An hour that is no longer the last, and what is no full hour, is left as it is."""
    assert await async_settle(hass, OURS, Settlement(instant, 200))
    assert await rows(hass) == BEFORE


async def test_other_unit(hass: HomeAssistant) -> None:
    """A person may have chosen another unit; the row keeps it."""
    record(hass, "sensor.wh", {11: (103000, 3000)}, "Wh")
    await async_recorder_block_till_done(hass)
    assert await async_settle(hass, "sensor.wh", Settlement(NOON, 103.25))
    found = await rows(hass, "sensor.wh")
    assert found == [(103250, 3250)]


async def test_not_energy(hass: HomeAssistant) -> None:
    """What is recorded as something else than energy is never touched."""
    meta = StatisticMetaData(
        mean_type=StatisticMeanType.NONE,
        has_sum=True,
        name=None,
        source="recorder",
        statistic_id="sensor.odd",
        unit_class=None,
        unit_of_measurement="loaves",
    )
    row = StatisticData(start=NOON - HOUR, state=3, sum=3)
    async_import_statistics(hass, meta, [row])
    await async_recorder_block_till_done(hass)
    assert not await async_settle(hass, "sensor.odd", Settlement(NOON, 5))
    assert await rows(hass, "sensor.odd") == [(3, 3)]


async def test_spread(hass: HomeAssistant, caplog: pytest.LogCaptureFixture) -> None:
    """The energy of a gap goes to its hours, whether they have rows; the sum stays."""
    # Away from 12:30 to 15:15; the row of 14 is missing, that of 15 has it all.
    record(hass, OURS, {12: (103.5, 3.5), 13: (103.5, 3.5), 15: (109.4, 9.4)})
    gap = Gap(NOON + HOUR / 2, NOON + HOUR * 3.25, 5.5)
    shares = gap.spread(UTC)
    settlement = Settlement(NOON + 4 * HOUR, 109.4, 5.5, gap)
    await async_recorder_block_till_done(hass)
    await async_spread(hass, OURS, settlement, shares)
    assert await rows(hass) == [
        *BEFORE,
        (104.5, 4.5),
        (106.5, 6.5),
        (108.5, 8.5),
        (109.4, 9.4),
    ]
    assert await rows(hass, OTHER) == BEFORE
    assert [each for each in caplog.records if each.levelno > logging.WARNING] == []


async def test_spread_before_hour(hass: HomeAssistant) -> None:
    """A gap that ended at a full hour leaves the hour alone in which its energy came."""
    record(hass, OURS, {12: (103.5, 3.5), 13: (103.5, 3.5), 14: (107.5, 7.5)})
    gap = Gap(NOON + HOUR / 2, NOON + HOUR * 2, 3.0)
    await async_recorder_block_till_done(hass)
    settlement = Settlement(NOON + 3 * HOUR, 107.5, 3.0, gap)
    await async_spread(hass, OURS, settlement, gap.spread(UTC))
    assert await rows(hass) == [*BEFORE, (104.5, 4.5), (106.5, 6.5), (107.5, 7.5)]


async def test_spread_refused(hass: HomeAssistant) -> None:
    """Where the energy is not in the row it should be in, nothing is written."""
    gap = Gap(NOON + HOUR / 2, NOON + HOUR * 2.5, 4.0)
    settlement = Settlement(NOON + 3 * HOUR, 107, 4.0, gap)
    for more in ({}, {14: (103.1, 3.1)}):
        record(hass, OURS, more)
        before = await rows(hass)
        with pytest.raises(NotRecordedError):
            await async_spread(hass, OURS, settlement, gap.spread(UTC))
        assert await rows(hass) == before
    with pytest.raises(NotRecordedError):
        await async_spread(hass, "sensor.unknown", settlement, gap.spread(UTC))
    half = [Window(NOON + HOUR / 2, NOON + HOUR * 1.5, 4.0)]
    with pytest.raises(NotRecordedError):
        await async_spread(hass, OURS, settlement, half)
