"""Do two days of a simulated meter, faults and all, give its own hours?

The simulator knows the truth. A recorder like Home Assistant's takes what is published:
the state at the end of an hour is the hour's, and a settlement replaces it.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import json
from math import floor
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting import (
    HOUR,
    QUARTER,
    Account,
    PeakRules,
    Peaks,
    Refusal,
    Settlement,
)
from custom_components.han_port.protocol import Decoder, Meter, MeterReading, Quantity
import simulator

OSLO = ZoneInfo("Europe/Oslo")
SPRING = datetime(2026, 3, 28, tzinfo=OSLO).astimezone(UTC)
AUTUMN = datetime(2026, 10, 24, tzinfo=OSLO).astimezone(UTC)
LENGTH = timedelta(hours=48)
DIRECTIONS = (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)

# What happens, in hours after the start: a restart, ten minutes without the meter, an
# hour list that is the one before, and one that is lost
RESTART = 9.4
OUTAGE = 14.5, 14.5 + 1 / 6
REPEATED = 20
LOST = 31

NORWAY = PeakRules()
NIGHTS_HALF = PeakRules(
    weighted_hours=frozenset({22, 23, *range(6)}),
    weight=0.5,
)
WORKDAYS = PeakRules(
    count=5,
    weekdays=frozenset(range(5)),
    hours=frozenset(range(7, 19)),
    months=frozenset({1, 2, 3, 11, 12}),
)
HIGHEST = PeakRules(count=1, one_per_day=False, hours=frozenset(range(7, 20)))


def received(
    meter: simulator.SimulatedMeter, start: datetime, end: datetime
) -> Iterator[tuple[datetime, MeterReading]]:
    """Give the readings of a meter, and when their last byte has come at 2400 baud."""
    decoder = Decoder()
    for when, frame in meter.messages(start, end):
        arrival = when + timedelta(seconds=len(frame) * 11 / 2400)
        for outcome in decoder.feed(frame):
            assert isinstance(outcome.result, MeterReading)
            yield arrival, outcome.result


class Change(NamedTuple):
    """When the published state of a quantity changed, and to what."""

    when: datetime
    state: float


class Recorder:
    """Makes hours of what an account publishes."""

    def __init__(self) -> None:
        """Begin without any state."""
        self.changes: dict[Quantity, list[Change]] = {name: [] for name in DIRECTIONS}
        self.settled: dict[Quantity, dict[datetime, Settlement]] = {
            name: {} for name in DIRECTIONS
        }

    def record(
        self, when: datetime, account: Account, settled: dict[Quantity, Settlement]
    ) -> None:
        """Take the state after a reading."""
        for name, changes in self.changes.items():
            state = account.counters[name].published
            if state is not None and (not changes or changes[-1].state != state):
                changes.append(Change(when, state))
        for name, settlement in settled.items():
            self.settled[name][settlement.instant] = settlement
            for instant, counter in settlement.revised:
                first = self.settled[name][instant]
                self.settled[name][instant] = first._replace(counter=counter)

    def states(self, name: Quantity, instants: Iterable[datetime]) -> list[float]:
        """Give the last state before each instant."""
        changes, at, states = self.changes[name], 0, []
        for instant in instants:
            while at + 1 < len(changes) and changes[at + 1].when < instant:
                at += 1
            states.append(changes[at].state)
        return states


class Run(NamedTuple):
    """Two days: the meter, what was made of it, and the full hours that began in them."""

    meter: simulator.SimulatedMeter
    account: Account
    recorder: Recorder
    raw: Recorder
    hours: list[datetime]

    def counters(self, name: Quantity) -> list[float]:
        """Give what the meter's counter shows at each hour, with the digits it has."""
        per_kwh = 1000 if self.meter.id.startswith("697063") else 100
        energy = getattr(self.meter, name)
        return [floor(energy(hour) * per_kwh + 1e-6) / per_kwh for hour in self.hours]

    def settled(self, name: Quantity) -> list[float]:
        """Give the state of each hour after its settlement."""
        return [self.recorder.settled[name][hour].counter for hour in self.hours]


def changes(states: list[float]) -> list[float]:
    """Give the energy of each hour."""
    return [after - before for before, after in pairwise(states)]


def restarted(account: Account) -> Account:
    """Give an account that knows what another one stored."""
    again = Account(OSLO)
    again.restore(json.loads(json.dumps(account.as_dict())))
    again.peaks.restore(json.loads(json.dumps(account.peaks.as_dict())))
    return again


def two_days(name: str, start: datetime, seed: int) -> Run:
    """Run a meter for two days, with all that goes wrong in them."""
    first = start + timedelta(minutes=30)
    fault = f"repeat-hour-list,at={(REPEATED - 0.6) * 3600},for=600"
    meter = simulator.create(name, seed=seed, faults=[fault])
    account, recorder, raw = Account(OSLO), Recorder(), Recorder()
    for when, reading in received(meter, first, start + LENGTH + timedelta(minutes=6)):
        elapsed = (when - start) / HOUR
        if OUTAGE[0] <= elapsed < OUTAGE[1]:
            continue
        if RESTART <= elapsed < RESTART + 40 / 3600:
            account = restarted(account)
            continue
        if reading.list_kind == 3:
            for quantity in DIRECTIONS:
                change = Change(when, float(reading.values[quantity]))
                raw.changes[quantity].append(change)
            if LOST <= elapsed < LOST + 0.1:
                continue
        recorder.record(when, account, account.advance(when, reading))
    hours = [start + HOUR * each for each in range(1, 49)]
    return Run(meter, account, recorder, raw, hours)


@pytest.fixture(
    scope="module",
    params=[("aidon", SPRING), ("kaifa", AUTUMN), ("kamstrup", SPRING)],
    ids=lambda param: str(param[0]),
)
def run(request: pytest.FixtureRequest) -> Run:
    """Give the two days of each meter."""
    name, start = request.param
    return two_days(name, start, seed=7)


@pytest.mark.parametrize("name", DIRECTIONS)
def test_settled_hours(run: Run, name: Quantity) -> None:
    """After settlement each hour is the meter's own.

    Of two the meter never told the counter. The one after proves the sum of two hours,
    and the power how it is split: right to a step of a counter that counts in 10 Wh.
    """
    counters, settled = run.counters(name), run.settled(name)
    estimated = {REPEATED - 1, LOST - 1}
    for hour, (counter, state) in enumerate(zip(counters, settled, strict=True)):
        if hour in estimated:
            assert run.recorder.settled[name][run.hours[hour]].estimated
            assert state == pytest.approx(counter, abs=0.01 + 1e-6)
        else:
            assert state == counter
    assert sum(changes(settled)) == pytest.approx(counters[-1] - counters[0])
    assert run.account.refused == {Refusal.REPEATED: 1}


@pytest.mark.parametrize("name", DIRECTIONS)
def test_hours_before_settlement(run: Run, name: Quantity) -> None:
    """What is recorded of an hour while it runs is right to 1 % or 0.02 kWh."""
    counters = run.counters(name)
    states, settled = run.recorder.states(name, run.hours), run.settled(name)
    for hour in range(1, 48):
        energy = counters[hour] - counters[hour - 1]
        error = states[hour] - settled[hour - 1] - energy
        if hour != int(OUTAGE[0]):
            assert abs(error) <= max(0.01 * energy, 0.02) + 1e-6
        else:  # never guessed
            assert error <= 0 <= settled[hour] - states[hour]


@pytest.mark.parametrize("name", DIRECTIONS)
def test_state_never_decreases(run: Run, name: Quantity) -> None:
    """What is published only rises, and not by single watt-hours."""
    states = [each.state for each in run.recorder.changes[name]]
    assert states == sorted(set(states))
    assert len(states) < (states[-1] - states[0]) / 0.01 + 5 * 48


@pytest.mark.parametrize("name", DIRECTIONS)
def test_contrast(run: Run, name: Quantity) -> None:
    """The counter as it comes books each hour in the next one."""
    counters = run.counters(name)
    states = run.raw.states(name, run.hours)
    good = [hour for hour in range(2, 48) if REPEATED not in (hour, hour - 1, hour - 2)]
    for hour in good:
        late = states[hour] - states[hour - 1]
        assert late == pytest.approx(counters[hour - 1] - counters[hour - 2])
    wrong = [
        abs(states[hour] - states[hour - 1] - counters[hour] + counters[hour - 1])
        for hour in good
    ]
    assert max(wrong) > 1


def test_cost(run: Run) -> None:
    """With a price of each quarter the cost is what the quarters used, unlike the raw."""
    name = Quantity.ENERGY_IMPORT

    def price(when: datetime) -> float:
        return 1 + (when - run.hours[0]) // QUARTER * 7 % 11 / 4

    def cost(recorder: Recorder) -> float:
        """Cost a change as Home Assistant does: at the price of the moment it comes."""
        pairs = pairwise(recorder.changes[name])
        return sum(
            (after.state - before.state) * price(after.when)
            for before, after in pairs
            if run.hours[0] <= after.when < run.hours[-1]
        )

    quarters = [run.hours[0] + QUARTER * each for each in range(47 * 4)]
    true = sum(
        (run.meter.energy_import(each + QUARTER) - run.meter.energy_import(each))
        * price(each)
        for each in quarters
    )
    assert cost(run.recorder) == pytest.approx(true, rel=0.005)
    assert abs(cost(run.raw) - true) > 10 * abs(cost(run.recorder) - true)


def test_days_of_change(run: Run) -> None:
    """The days are as long as they are: one has 23 hours, or 25."""
    days = [hour.astimezone(OSLO).day for hour in run.hours]
    assert days.count(29) == 23 or days.count(25) == 25


def test_outage_of_home_assistant() -> None:
    """What flowed unseen comes at the next list, with the gap, and makes no peak."""
    meter = simulator.create("kamstrup", seed=7)
    account = Account(OSLO)
    down, up = SPRING + HOUR * 1.5, SPRING + HOUR * 4.5
    gaps, windows = {}, {}
    for when, reading in received(meter, SPRING, SPRING + HOUR * 7.1):
        if down <= when < up:
            continue
        settled = account.advance(when, reading)
        if (first := settled.get(Quantity.ENERGY_IMPORT)) and first.gap:
            gaps[first.instant] = first.gap
        if window := account.last_hour(Quantity.ENERGY_IMPORT):
            windows[window.start] = window.energy
    (instant, gap), *others = gaps.items()
    assert not others
    assert instant == SPRING + HOUR * 5
    assert down - gap.start < timedelta(seconds=11)
    assert gap.end - up < timedelta(seconds=11)
    true = meter.energy_import(gap.end) - meter.energy_import(gap.start)
    assert true > 20
    assert gap.energy == pytest.approx(true, abs=0.025)
    assert sorted(windows) == [SPRING + HOUR * each for each in (0, 5, 6)]
    for start, energy in windows.items():
        true = meter.energy_import(start + HOUR) - meter.energy_import(start)
        assert energy == pytest.approx(true, abs=0.011)
    assert account.peaks.average() == pytest.approx(max(windows.values()))


@pytest.mark.parametrize("name", ["aidon", "kaifa", "kamstrup"])
@pytest.mark.parametrize("seed", [1, 2])
def test_lost_hour_list(name: str, seed: int) -> None:
    """An hour whose list is lost is settled to a step of the counter with the next list."""
    meter, account = simulator.create(name, seed=seed), Account(OSLO)
    start = SPRING + HOUR * (6 + 3 * seed)
    per_kwh = 1000 if name == "kaifa" else 100
    for when, reading in received(meter, start - HOUR / 60, start + HOUR * 2.1):
        lost = reading.list_kind == 3 and start + HOUR <= when < start + HOUR * 1.5
        settled = {} if lost else account.advance(when, reading)
        for quantity, settlement in settled.items():
            if when < start + HOUR * 2:
                assert settlement.revised == ()
                continue
            ((hour, counter),) = settlement.revised
            assert hour == start + HOUR
            counted = getattr(meter, quantity)(hour)
            shown = floor(counted * per_kwh + 1e-6) / per_kwh
            assert counter == pytest.approx(shown, abs=0.01 + 1e-6)
            # It is what such a counter can show.
            assert counter == round(counter, 3 if name == "kaifa" else 2)
            assert account.counters[quantity].at(hour) == counter


def test_live_meter() -> None:
    """A meter with counters in each telegram passes through, and its hours are right."""
    meter = simulator.create("p1-se", seed=7)
    account, start = Account(OSLO), SPRING + HOUR * 6
    windows = {}
    for when, reading in received(meter, start, start + HOUR * 4.1):
        assert account.advance(when, reading) == {}
        for name in DIRECTIONS:
            assert account.counters[name].total == reading.values[name]
            if window := account.last_hour(name):
                windows[name, window.start] = window.energy
    assert len(windows) == 2 * 3  # the first hour began before
    for (name, begin), energy in windows.items():
        counted = getattr(meter, name)
        assert energy == pytest.approx(counted(begin + HOUR) - counted(begin), abs=0.01)
    assert not account.refused


def test_restart_at_any_moment() -> None:
    """A restart after each reading changes nothing at all."""
    meter = simulator.create("kamstrup", seed=7)
    account, other = Account(OSLO), Account(OSLO)
    for when, reading in received(meter, SPRING + HOUR * 6.9, SPRING + HOUR * 9.1):
        assert other.advance(when, reading) == account.advance(when, reading)
        other = restarted(other)
    assert other.as_dict() == account.as_dict()
    assert other.peaks.as_dict() == account.peaks.as_dict()
    assert other.peaks.average() is not None


@pytest.fixture(scope="module")
def month() -> tuple[simulator.SimulatedMeter, Account]:
    """Run a meter for a month, from what it knows, with a sample a minute to be quick."""
    meter, account = simulator.create("aidon", seed=7), Account(OSLO)
    start = datetime(2026, 3, 1, tzinfo=OSLO).astimezone(UTC)
    end = datetime(2026, 3, 31, 23, 59, tzinfo=OSLO).astimezone(UTC)
    now = start
    while now <= end:
        power = {Quantity.ACTIVE_POWER_IMPORT: max(meter.power(now), 0)}
        values: dict[Quantity, float] = dict(power)
        if now.minute == 0:
            counter = floor(meter.energy_import(now) * 100 + 1e-6) / 100
            values[Quantity.ENERGY_IMPORT] = counter
        kind = 3 if now.minute == 0 else 2
        reading = MeterReading(Meter(id="1"), values, kind)
        account.advance(now + timedelta(seconds=5), reading)
        now += timedelta(minutes=1)
    return meter, account


@pytest.mark.parametrize(
    "rules", [NORWAY, NIGHTS_HALF, WORKDAYS, HIGHEST], ids=lambda each: str(each.count)
)
def test_peaks_of_month(
    month: tuple[simulator.SimulatedMeter, Account], rules: PeakRules
) -> None:
    """A month's peaks are those of the meter's own hours, by each company's rule."""
    meter, account = month
    peaks = Peaks(rules, OSLO)
    peaks.restore(account.peaks.as_dict())

    start = datetime(2026, 3, 1, tzinfo=OSLO).astimezone(UTC)
    found: list[tuple[float, datetime]] = []
    for number in range(31 * 24 - 2):  # an hour short, and the last one is not over
        hour = start + HOUR * number
        local = hour.astimezone(OSLO)
        counters = [
            floor(meter.energy_import(each) * 100 + 1e-6)
            for each in (hour, hour + HOUR)
        ]
        power = (counters[1] - counters[0]) / 100
        if local.hour in rules.weighted_hours:
            power *= rules.weight
        if local.hour in rules.hours and local.weekday() in rules.weekdays:
            found.append((power, local))
    found.sort(key=lambda each: (-each[0], each[1]))
    if rules.one_per_day:
        days: dict[int, tuple[float, datetime]] = {}
        for each in found:
            days.setdefault(each[1].day, each)
        found = list(days.values())
    found = found[: rules.count]

    top = peaks.top()
    assert [each.start for each in top] == [local for _, local in found]
    assert [each.counted for each in top] == pytest.approx([each for each, _ in found])
    assert peaks.average() == pytest.approx(
        sum(power for power, _ in found) / rules.count
    )
