"""Do the hours of the energy dashboard equal the meter's own? Two days, faults and all."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import logging
from math import floor
from typing import Any, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
    async_wait_recording_done,
)

from custom_components.han_port.accounting import HOUR, Refusal
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.protocol import Decoder
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.components.recorder.tasks import StatisticsTask
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.recorder import get_instance
import simulator
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

OSLO = ZoneInfo("Europe/Oslo")
# The last evening before clocks are put forward in Europe, and back
SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)
# When things go wrong, in hours since the start
OUTAGE = (6.3, 6.3 + 1 / 6)
RESTART = 15.4
REPEATED = 20
BYSTANDER = "sensor.bystander"
DIRECTIONS = ("energy_import", "energy_export")


class Run(NamedTuple):
    """What happened: the meter, when it began, the states seen."""

    meter: simulator.SimulatedMeter
    start: datetime
    hours: int
    states: dict[str, list[float]]
    refused: dict[Refusal, int]

    def counters(self, name: str) -> list[float]:
        """Give what the meter's counter shows at each full hour, with its digits."""
        per_kwh = 1000 if self.meter.id.startswith("697063") else 100
        energy = getattr(self.meter, name)
        return [
            floor(energy(self.start + HOUR * each) * per_kwh + 1e-6) / per_kwh
            for each in range(self.hours + 1)
        ]


class Rule(NamedTuple):
    """What a grid company counts: the options, and the same said in another way."""

    options: dict[str, Any]
    counts: Callable[[datetime], float]

    def peaks(self, run: Run) -> list[tuple[float, datetime]]:
        """Give the highest hours of the meter's own, highest first, in local time."""
        hours = [run.start + HOUR * each for each in range(-1, run.hours)]
        powers = [
            (
                run.meter.energy_import(hour + HOUR) - run.meter.energy_import(hour),
                hour.astimezone(OSLO),
            )
            for hour in hours
        ]
        counted = sorted(
            (power * self.counts(hour), hour)
            for power, hour in powers
            if self.counts(hour)
        )[::-1]
        if self.options.get("one_per_day", True):
            days = {hour.date(): (power, hour) for power, hour in counted[::-1]}
            counted = sorted(days.values())[::-1]
        return counted[: self.options.get("peaks", 3)]


NORWAY = Rule({}, lambda hour: 1)
NIGHTS_HALF = Rule({"weight": 50}, lambda hour: 1 if 6 <= hour.hour < 22 else 0.5)
HIGHEST = Rule(
    {"peaks": 1, "one_per_day": False, "from_hour": 7, "to_hour": 20},
    lambda hour: 7 <= hour.hour < 20,
)
WORKDAYS = Rule(
    {"peaks": 5, "days": "workdays", "from_hour": 7, "to_hour": 19}
    | {"from_month": 11, "to_month": 3},
    lambda hour: hour.weekday() < 5 and 7 <= hour.hour < 19,
)


async def compile_statistics(hass: HomeAssistant, start: datetime) -> None:
    """Let the recorder do what it does ten seconds after each five minutes."""
    get_instance(hass).queue_task(StatisticsTask(start, True))
    await async_recorder_block_till_done(hass)
    await hass.async_block_till_done()
    await async_recorder_block_till_done(hass)


def received(
    meter: simulator.SimulatedMeter, start: datetime, end: datetime
) -> Iterator[tuple[datetime, bytes]]:
    """Give the lists and when they have arrived.

    List 1 is left out, and two of three others but around the full hour, to save time:
    what is recorded before settlement is less exact for it. tests/accounting takes all.
    """
    for when, frame in meter.messages(start, end):
        around = when.minute in (0, 59)
        if len(frame) > 60 and (around or when.second % 30 < 10):
            yield when + timedelta(seconds=len(frame) * 11 / 2400), frame


async def live(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    name: str,
    start: datetime,
    hours: int,
    options: dict[str, Any],
) -> Run:
    """Live with a meter for some hours, each second of them in no time."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    begin = start - timedelta(minutes=65)
    fault = f"repeat-hour-list,at={(REPEATED + 1) * 3600},for=600"
    meter = simulator.create(name, seed=7, faults=[fault])
    freezer.move_to(begin)
    entry = make_entry(None, options=options, meter_id=meter.id)
    await set_up(hass, entry)
    run = Run(meter, start, hours, {each: [] for each in DIRECTIONS}, {})
    due, decoder, used, restarted = begin + FIVE, Decoder(), 0.0, False
    for when, frame in received(meter, begin, start + HOUR * hours + 2 * FIVE):
        while when >= due + timedelta(seconds=10):
            freezer.move_to(due + timedelta(seconds=10))
            # The recorder does all twelve of an hour; those in between only take time.
            if (due - FIVE).minute in (0, 30, 55):
                await compile_statistics(hass, due - FIVE)
            due += FIVE
            # What another entity says: 0.5 kWh each five minutes
            used += 0.5
            hass.states.async_set(BYSTANDER, str(used), ENERGY)
        if start + HOUR * OUTAGE[0] < when < start + HOUR * OUTAGE[1]:
            if entry.state is ConfigEntryState.LOADED:
                assert await hass.config_entries.async_unload(entry.entry_id)
            continue
        freezer.move_to(when)
        if not restarted and when > start + HOUR * RESTART:
            restarted = True
            assert await hass.config_entries.async_reload(entry.entry_id)
            await hass.async_block_till_done()
        if entry.state is not ConfigEntryState.LOADED:
            assert await hass.config_entries.async_setup(entry.entry_id)
            await hass.async_block_till_done()
        coordinator = entry.runtime_data
        coordinator._take(decoder.feed(frame))
        for key, states in run.states.items():
            owner = entity_id(hass, key, meter.id)
            found = hass.states.get(owner) if owner else None
            if found is not None and found.state not in ("unknown", "unavailable"):
                states.append(float(found.state))
    await async_wait_recording_done(hass)
    run.refused.update(entry.runtime_data.account.refused)
    return run


ENERGY = {
    "device_class": "energy",
    "state_class": "total",
    "unit_of_measurement": "kWh",
}


async def hours_of(hass: HomeAssistant, run: Run, name: str) -> list[float]:
    """Give the energy of each hour as the energy dashboard has it."""
    rows = await get_instance(hass).async_add_executor_job(
        statistics_during_period,
        hass,
        run.start,
        run.start + HOUR * run.hours,
        {name},
        "hour",
        None,
        {"change", "state"},
    )
    change = {row["start"]: row["change"] or 0 for row in rows[name]}
    hours = [(run.start + HOUR * each).timestamp() for each in range(run.hours)]
    return [change.get(hour, 0) for hour in hours]


@pytest.fixture(name="quiet", autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let nobody write down each statement of SQL, which takes most of the time."""
    for name in ("sqlalchemy.engine", "homeassistant", "asyncio"):
        caplog.set_level(logging.WARNING, name)


@pytest.fixture(name="energy_only")
def _energy_only() -> Iterator[None]:
    """Enable energy, with the meter's counters, and peaks, and no other: they are many."""
    wanted = ("energy_", "peak")
    enabled = property(lambda self: (self.translation_key or "").startswith(wanted))
    with patch.object(Entity, "entity_registry_enabled_default", enabled):
        yield


@pytest.mark.usefixtures("recorder_mock", "true_time", "energy_only", "port")
@pytest.mark.parametrize(
    "recorder_config", [{"include": {"entity_globs": ["*energy*", BYSTANDER]}}]
)
@pytest.mark.parametrize(
    ("name", "start", "rule"),
    [
        ("aidon", SPRING, NORWAY),
        ("kaifa", AUTUMN, HIGHEST),
        ("kamstrup", SPRING, NIGHTS_HALF),
        ("kaifa", SPRING, WORKDAYS),
    ],
)
async def test_two_days(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    name: str,
    start: datetime,
    rule: Rule,
) -> None:
    """Every settled hour is the meter's own, and so are the peaks; nothing else changes."""
    run = await live(hass, freezer, name, start, 48, rule.options)
    peaks = rule.peaks(run)
    for number, (power, when) in enumerate(peaks, 1):
        name = entity_id(hass, f"peak_{number}", run.meter.id) or ""
        peak = hass.states.get(name)
        assert peak is not None
        assert float(peak.state) == pytest.approx(power, abs=0.03)
        found = (peak.attributes["date"], peak.attributes["hour"])
        assert found == (f"{when:%Y-%m-%d}", f"{when:%H:%M}")
    average = sum(power for power, _ in peaks) / len(peaks)
    shown = float(state(hass, "peak_average", run.meter.id) or 0)
    assert shown == pytest.approx(average, abs=0.03)
    for key in DIRECTIONS:
        live_id = entity_id(hass, key, run.meter.id)
        raw_id = entity_id(hass, f"{key}_counter", run.meter.id)
        assert live_id is not None
        assert raw_id is not None
        counters = run.counters(key)
        truth = [after - before for before, after in pairwise(counters)]
        booked = await hours_of(hass, run, live_id)
        assert len(booked) == run.hours
        for hour, (is_, should) in enumerate(zip(booked, truth, strict=True)):
            estimated = hour in (REPEATED - 1, REPEATED)
            assert is_ == pytest.approx(should, abs=0.03 if estimated else 0.01), hour
        assert sum(booked) == pytest.approx(counters[-1] - counters[0])
        states = run.states[key]
        assert states == sorted(states)
        # The counter as it comes is an hour late
        raw = await hours_of(hass, run, raw_id)
        assert raw[2:6] == pytest.approx(truth[1:5])
    assert await hours_of(hass, run, BYSTANDER) == pytest.approx([6] * run.hours)
    assert run.refused == {Refusal.REPEATED: 1}
    assert complaints(caplog) == []


class Home:
    """A Home Assistant that records a meter, in no time."""

    def __init__(
        self, hass: HomeAssistant, freezer: FrozenDateTimeFactory, start: datetime
    ) -> None:
        """Take when the recorder begins to make statistics: at five full minutes."""
        self.hass, self.freezer = hass, freezer
        self.meter = simulator.create("kaifa", seed=7)
        self.entry = make_entry(None, meter_id=self.meter.id)
        self._due = start + FIVE
        self._used = 0.0

    async def pass_time(self, end: datetime) -> None:
        """Let the recorder make the statistics that are due, and another entity use energy."""
        while end >= self._due + timedelta(seconds=10):
            self.freezer.move_to(self._due + timedelta(seconds=10))
            await compile_statistics(self.hass, self._due - FIVE)
            self._due += FIVE
            self._used += 0.5
            self.hass.states.async_set(BYSTANDER, str(self._used), ENERGY)
        self.freezer.move_to(end)

    async def hear(self, start: datetime, end: datetime) -> None:
        """Let the meter be heard."""
        decoder = Decoder()
        for when, frame in received(self.meter, start, end):
            await self.pass_time(when)
            self.entry.runtime_data._take(decoder.feed(frame))

    async def change(self, key: str, start: datetime, hours: int) -> list[float]:
        """Give the energy of each hour as the energy dashboard has it."""
        name = entity_id(self.hass, key, self.meter.id) or key
        run = Run(self.meter, start, hours, {}, {})
        return await hours_of(self.hass, run, name)


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what the recorder warned of."""
    return [
        each.getMessage()
        for each in caplog.records
        if each.levelno >= logging.WARNING and "recorder" in each.name
    ]


async def spread_gap(hass: HomeAssistant, **data: Any) -> Any:
    """Call the action and give its answer."""
    answer = await hass.services.async_call(
        DOMAIN, "spread_gap", data, blocking=True, return_response=True
    )
    await async_recorder_block_till_done(hass)
    return answer


@pytest.mark.usefixtures("recorder_mock", "true_time", "energy_only", "port")
@pytest.mark.parametrize(
    "recorder_config", [{"include": {"entity_globs": ["*energy*", BYSTANDER]}}]
)
async def test_away(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What was used while Home Assistant was away is spread over its hours on demand."""
    await hass.config.async_set_time_zone("Europe/Oslo")
    start = NOON + 4 * HOUR
    begin, left, back = start - HOUR, start + HOUR * 1.5, start + HOUR * 4.25
    home = Home(hass, freezer, begin)
    freezer.move_to(begin)
    await set_up(hass, home.entry)
    await home.hear(begin, left)
    assert await hass.config_entries.async_unload(home.entry.entry_id)
    await home.pass_time(back)
    assert await hass.config_entries.async_setup(home.entry.entry_id)
    await hass.async_block_till_done()
    await home.hear(back, start + HOUR * 7 + FIVE)
    await home.pass_time(start + HOUR * 7 + 2 * FIVE)

    counters = [
        floor(home.meter.energy_import(start + HOUR * each) * 1000 + 1e-6) / 1000
        for each in range(8)
    ]
    truth = [after - before for before, after in pairwise(counters)]
    booked = await home.change("energy_import", start, 7)
    # The first hour is whole, the last two again; all else came with the counter of 21.
    assert booked[0] == pytest.approx(truth[0], abs=0.001)
    assert booked[2:4] == [0, 0]
    assert booked[5:] == pytest.approx(truth[5:], abs=0.001)
    assert sum(booked) == pytest.approx(counters[-1] - counters[0])

    preview = await spread_gap(hass)
    assert await home.change("energy_import", start, 7) == booked
    answer = await spread_gap(hass, apply=True)
    assert (preview["applied"], answer["applied"]) == (False, True)
    assert preview["gaps"] == answer["gaps"]
    (imported,) = (each for each in answer["gaps"] if "import" in each["entity_id"])
    shares = [each["energy"] for each in imported["hours"]]
    # Half of one hour, two whole ones, and a quarter, evenly
    assert [each / shares[1] for each in shares] == pytest.approx(
        [0.5, 1, 1, 0.25], abs=0.02
    )
    spread = await home.change("energy_import", start, 7)
    moved = [after - before for before, after in zip(booked, spread, strict=True)]
    assert moved == pytest.approx(
        [0, shares[0], shares[1], shares[2], -sum(shares[:3]), 0, 0], abs=0.001
    )
    assert sum(spread) == pytest.approx(sum(booked))
    assert await home.change(BYSTANDER, start, 7) == pytest.approx([6] * 7)
    assert complaints(caplog) == []


@pytest.mark.usefixtures("recorder_mock", "true_time", "energy_only", "port")
async def test_stopped_between(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory
) -> None:
    """An hour is settled also if there was a restart between its list and its row."""
    start = NOON + 4 * HOUR
    begin, end = start - HOUR, start + HOUR
    home = Home(hass, freezer, begin)
    freezer.move_to(begin)
    await set_up(hass, home.entry)
    await home.hear(begin, end - timedelta(seconds=1))
    decoder = Decoder()
    for when, frame in received(home.meter, end, end + timedelta(seconds=15)):
        freezer.move_to(when)
        home.entry.runtime_data._take(decoder.feed(frame))
    # Nothing is asked of the recorder during the start: they would wait for each other.
    hass.set_state(CoreState.starting)
    with patch("custom_components.han_port.statistics.async_settle") as settle:
        assert await hass.config_entries.async_reload(home.entry.entry_id)
        await hass.async_block_till_done()
        home.entry.runtime_data.async_update_listeners()
        settle.assert_not_called()
    assert home.entry.runtime_data.account.unbooked
    hass.set_state(CoreState.running)
    await home.pass_time(end + FIVE * 1.1)
    counters = [
        floor(home.meter.energy_import(each) * 1000 + 1e-6) / 1000
        for each in (start, end)
    ]
    (booked,) = await home.change("energy_import", start, 1)
    assert booked == pytest.approx(counters[1] - counters[0], abs=1e-6)
    assert home.entry.runtime_data.account.unbooked == {}


@pytest.mark.usefixtures("true_time")
async def test_hour_not_known(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Counters of no known hour are shown as they come; those of a known one settle."""
    freezer.move_to(NOON - timedelta(minutes=20))
    await set_up(hass, make_entry())
    for counter, shown in ((0, None), (1000, 1000), (1001, 1001), (999, 1001)):
        await say(hass, port, METER.list(3, energy_import=counter))
        found = state(hass, "energy_import")
        assert (None if found == "unknown" else float(found)) == shown
    freezer.move_to(NOON + timedelta(seconds=10))
    await say(hass, port, METER.list(3, energy_import=1002.5))
    assert float(state(hass, "energy_import") or 0) == 1002.5
