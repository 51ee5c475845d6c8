"""Which hour does the counter belong to? Imported only where there is a recorder.

A Norwegian meter says at 13:00:10 what its counter was at 13:00:00. By then the recorder
has its row of the hour, or is about to write it, with what the live counter was. Once the
row is there it is settled to the meter's counter. No row is ever made before the recorder
made it: its own would then clash, and the hour of every entity in the house be lost.
"""

from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
import logging
from typing import NamedTuple

from homeassistant.components.recorder.history import get_last_state_changes
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
from homeassistant.const import ATTR_UNIT_OF_MEASUREMENT
from homeassistant.core import HomeAssistant
from homeassistant.helpers.recorder import get_instance
from homeassistant.util.unit_conversion import EnergyConverter

from .accounting import HOUR, Settlement, Window

_LOGGER = logging.getLogger(__package__)

# How far back to look for the row before a gap
_LONGEST_GAP = timedelta(days=31)
# Two sums that differ by less, in kWh, are the same
_NOISE = 0.02


class _Row(NamedTuple):
    """What the recorder says of one hour, in the unit of its metadata."""

    start: datetime
    state: float
    sum: float


class NotRecordedError(Exception):
    """The recorder has not the rows that are expected."""


def _metadata(hass: HomeAssistant, statistic_id: str) -> StatisticMetaData | None:
    """Give the metadata as stored, None unless it is that of energy with a sum."""
    found = get_metadata(hass, statistic_ids={statistic_id}).get(statistic_id)
    if found is None:
        return None
    meta = found[1]
    if (
        meta["source"] != "recorder"
        or not meta["has_sum"]
        or meta["mean_type"] is not StatisticMeanType.NONE
        or meta["unit_class"] != EnergyConverter.UNIT_CLASS
        or meta["unit_of_measurement"] not in EnergyConverter.VALID_UNITS
    ):
        return None
    return meta


async def async_last_recorded(hass: HomeAssistant, entity_id: str) -> float | None:
    """Give the last state of energy that the recorder has, in kWh, None if it is none."""
    found = await get_instance(hass).async_add_executor_job(
        get_last_state_changes, hass, 1, entity_id
    )
    for state in found.get(entity_id, ()):
        unit = state.attributes.get(ATTR_UNIT_OF_MEASUREMENT)
        with suppress(ValueError):
            if unit in EnergyConverter.VALID_UNITS:
                return EnergyConverter.convert(float(state.state), unit, "kWh")
    return None


async def async_settle(
    hass: HomeAssistant, statistic_id: str, settlement: Settlement
) -> bool:
    """Settle the hour that ends at a settlement, and those that it revises.

    Says whether that is dealt with. It is not while the recorder has not made the row of
    the hour yet. What is there already, of this and any other entity, is left as it is if
    it is not as expected.
    """
    end = settlement.instant
    if (end.minute, end.second, end.microsecond) != (0, 0, 0):
        return True
    counters = {
        at - HOUR: value
        for at, value in (*settlement.revised, (end, settlement.counter))
    }
    recorder = get_instance(hass)
    # What the recorder did so far is not to be read before it is written.
    await recorder.async_block_till_done()
    try:
        meta, rows = await recorder.async_add_executor_job(
            _rows, hass, statistic_id, min(counters)
        )
    except NotRecordedError:
        return False
    if not rows or rows[-1].start < end - HOUR:
        return False
    if rows[-1].start > end - HOUR:
        _LOGGER.debug("The hour of %s is no longer the last of %s", end, statistic_id)
        return True
    settled = []
    for row in rows:
        if row.start in counters:
            counter = _convert(counters[row.start], meta)
            if counter != row.state:
                total = row.sum + counter - row.state
                settled.append(row._replace(state=counter, sum=total))
    if settled:
        _import(hass, meta, settled)
    return True


async def async_spread(
    hass: HomeAssistant, statistic_id: str, settlement: Settlement, shares: list[Window]
) -> None:
    """Book the energy of a gap in its own hours instead of the one it arrived in.

    `shares` are the hours of the gap. The row that the energy is in now, and all after
    it, stay as they are. NotRecordedError if the rows are not what they should be.
    """
    end = settlement.instant
    # The hour that a settlement ends, or that it lies in
    arrived = (end - timedelta(microseconds=1)).replace(
        minute=0, second=0, microsecond=0
    )
    if shares[0].start.minute:
        # A time zone whose hours are not those of the recorder
        raise NotRecordedError
    recorder = get_instance(hass)
    await recorder.async_block_till_done()
    meta, rows = await recorder.async_add_executor_job(
        _rows, hass, statistic_id, shares[0].start - _LONGEST_GAP, arrived + HOUR
    )
    by_start = {row.start: row for row in rows}
    before = [row for row in rows if row.start < shares[0].start]
    energy = _convert(sum(each.energy for each in shares), meta)
    if not before or arrived not in by_start:
        raise NotRecordedError
    last = before[-1]
    if by_start[arrived].sum - last.sum < energy - _convert(_NOISE, meta):
        raise NotRecordedError
    booked, spread = 0.0, []
    for share in shares:
        if share.start >= arrived:
            break
        last = by_start.get(share.start, last)
        booked += _convert(share.energy, meta)
        spread.append(_Row(share.start, last.state + booked, last.sum + booked))
    _import(hass, meta, spread)


def _rows(
    hass: HomeAssistant,
    statistic_id: str,
    start: datetime,
    end: datetime | None = None,
) -> tuple[StatisticMetaData, list[_Row]]:
    """Give the metadata and the hourly rows from `start` on, until before `end`.

    NotRecordedError if they are not those of energy with a sum.
    """
    if (meta := _metadata(hass, statistic_id)) is None:
        raise NotRecordedError
    found = statistics_during_period(
        hass,
        start,
        end,
        {statistic_id},
        "hour",
        {EnergyConverter.UNIT_CLASS: meta["unit_of_measurement"] or ""},
        {"state", "sum"},
    )
    rows = []
    for row in found.get(statistic_id, ()):
        state, total = row.get("state"), row.get("sum")
        if state is not None and total is not None:
            start = datetime.fromtimestamp(row["start"], UTC)
            rows.append(_Row(start, state, total))
    return meta, rows


def _convert(energy: float, meta: StatisticMetaData) -> float:
    """Give kWh in the unit of the metadata."""
    return EnergyConverter.convert(energy, "kWh", meta["unit_of_measurement"])


def _import(hass: HomeAssistant, meta: StatisticMetaData, rows: Iterable[_Row]) -> None:
    """Write rows over those of the same hours."""
    async_import_statistics(
        hass,
        meta,
        [StatisticData(start=row.start, state=row.state, sum=row.sum) for row in rows],
    )
