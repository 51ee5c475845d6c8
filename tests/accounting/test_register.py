"""Does the live counter show what the meter would?"""

from datetime import UTC, datetime, timedelta
from itertools import accumulate
import json
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.accounting.register import (
    Dispute,
    Gap,
    LiveCounter,
    Refusal,
    Settlement,
)

# What it gives stands for a float in any tuple
approx: Any = pytest.approx
OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


def at(minutes: float, seconds: float = 0) -> datetime:
    """Give a time in minutes and seconds after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def run(
    counter: LiveCounter,
    start: datetime,
    end: datetime,
    watts: float = 3600,
    every: float = 10,
) -> None:
    """Let a constant power flow, with a sample at the start, the end and in between."""
    while start < end:
        counter.advance(start, watts)
        counter.publish()
        start += timedelta(seconds=every)
    counter.advance(end, watts)
    counter.publish()


def settle(counter: LiveCounter, when: datetime, value: float) -> Settlement | Refusal:
    """Let the meter send its counter."""
    outcome = counter.settle(when, value)
    counter.publish()
    return outcome


@pytest.fixture
def counter() -> LiveCounter:
    """Give a counter that knows that the meter showed 100 kWh at noon, 10 s ago."""
    counter = LiveCounter(OSLO)
    run(counter, at(0, -10), at(0, 10))
    assert settle(counter, NOON, 100) == Settlement(NOON, 100)
    return counter


def test_unknown() -> None:
    """Nothing is shown before the meter has sent its counter."""
    counter = LiveCounter(OSLO)
    run(counter, at(0), at(10))
    assert counter.total is None
    assert counter.published is None
    assert counter.counter is None
    assert counter.flowed == 0
    assert counter.integral == approx(0.6)


def test_instant_of_snapshot(counter: LiveCounter) -> None:
    """What flowed between the full hour and the arrival of its counter is added."""
    assert counter.total == approx(100.01)
    assert counter.counter == 100
    assert counter.flowed == approx(0.01)


def test_hour_between_samples() -> None:
    """The integral is cut at the full hour, where the power is between the samples."""
    counter = LiveCounter(OSLO)
    counter.advance(at(0, -4), 0)
    counter.advance(at(0, 6), 3600)
    settle(counter, NOON, 100)
    # 0.5 * 10 s * 3600 W, less the first 4 s, in which power rose to 1440 W
    assert counter.total == approx(100 + (18_000 - 2_880) / 3.6e6)


def test_sample_at_full_hour() -> None:
    """A sample at the full hour itself ends the hour."""
    counter = LiveCounter(OSLO)
    counter.advance(at(0, -10), 3600)
    counter.advance(at(0), 3600)
    settle(counter, NOON, 100)
    assert counter.total == 100


def test_trapezoid() -> None:
    """Power changes in a straight line between two samples, however far apart."""
    counter = LiveCounter(OSLO)
    for seconds, watts in ((0, 1000), (2.5, 3000), (32.5, 0), (32.5, 500)):
        counter.advance(at(5, seconds), watts)
    assert counter.integral == approx((2000 * 2.5 + 1500 * 30) / 3.6e6)


def test_switching_is_unbiased() -> None:
    """Over all instants at which an appliance can be switched on, the error is nil."""
    errors = []
    for instant in (each + 0.5 for each in range(100)):
        counter = LiveCounter(OSLO)
        for sample in range(0, 201, 10):
            counter.advance(at(5, sample), 2000 if sample >= instant else 0)
        errors.append(counter.integral - 2000 * (200 - instant) / 3.6e6)
    assert sum(errors) / len(errors) == approx(0, abs=1e-12)
    assert max(map(abs, errors)) <= 2000 * 5 / 3.6e6


def test_too_low(counter: LiveCounter) -> None:
    """Where the estimate was too low, the rest is added at once."""
    run(counter, at(0, 20), at(60, 10))
    assert counter.total == approx(103.61)
    outcome = settle(counter, at(60), 103.7)
    assert isinstance(outcome, Settlement)
    assert outcome.correction == approx(0.1)
    assert outcome.gap is None
    assert counter.total == counter.published == approx(103.71)


def test_too_high(counter: LiveCounter) -> None:
    """Where the estimate was too high, the counter waits, and then goes on."""
    run(counter, at(0, 20), at(60, 10))
    outcome = settle(counter, at(60), 103.5)
    assert isinstance(outcome, Settlement)
    assert outcome.correction == approx(-0.1)
    assert counter.total == approx(103.61)
    run(counter, at(60, 20), at(61, 40))
    assert counter.total == approx(103.61)
    run(counter, at(61, 50), at(61, 50))
    assert counter.total == approx(103.61)
    run(counter, at(62), at(62))
    assert counter.total == approx(103.62)


def test_published_in_steps(counter: LiveCounter) -> None:
    """Between snapshots what is published moves in steps of 0.01 kWh, downwards rounded."""
    seen = [100.01]
    for second in range(12, 72, 2):
        run(counter, at(0, second), at(0, second))
        assert counter.total is not None
        assert counter.published is not None
        assert -1e-6 < counter.total - counter.published < 0.01
        seen.append(counter.published)
    assert sorted(set(seen)) == [100.01, 100.02, 100.03, 100.04, 100.05, 100.06, 100.07]
    assert seen == sorted(seen)


def test_published_at_snapshot(counter: LiveCounter) -> None:
    """At a snapshot all of the total is published, and no step is lost after it."""
    run(counter, at(0, 20), at(60, 10))
    settle(counter, at(60), 103.627)
    assert counter.published == 103.637
    run(counter, at(60, 12), at(60, 12))
    assert counter.published == 103.637
    run(counter, at(60, 20), at(60, 20))
    assert counter.published == 103.64


def test_published_before_hour(counter: LiveCounter) -> None:
    """With the last sample of an hour its energy is published to the end of it."""
    run(counter, at(0, 20), at(59, 45))
    assert counter.published == 103.58
    run(counter, at(59, 55), at(59, 55))
    assert counter.total == approx(103.595)
    assert counter.published == 103.6
    run(counter, at(60, 5), at(60, 5))
    assert counter.total == approx(103.605)
    assert counter.published == 103.6


def test_published_before_hour_without_power(counter: LiveCounter) -> None:
    """Where no power flows at the end of an hour, all of its energy is published."""
    run(counter, at(0, 20), at(59, 25), watts=3000)
    run(counter, at(59, 35), at(59, 55), watts=0)
    assert counter.total == approx(102.9775)
    assert counter.published == approx(counter.total, abs=0.0005)


def test_published_before_hour_and_delay(counter: LiveCounter) -> None:
    """A message that a bridge held back does not hide that the next is the last."""
    run(counter, at(0, 20), at(59, 30))
    counter.advance(at(59, 42), 3600)
    counter.publish()
    assert counter.published == 103.58
    counter.advance(at(59, 50), 3600)
    counter.publish()
    assert counter.published == 103.6


def test_published_before_hour_and_outage(counter: LiveCounter) -> None:
    """An interval that was long once says little of the next, so not all is published."""
    run(counter, at(0, 20), at(58, 40))
    counter.advance(at(59, 44), 3600)
    counter.publish()
    assert counter.published == 103.58
    counter.advance(at(59, 59), 3600)
    settle(counter, at(59, 59), 103.59)
    assert counter.published == 103.59


def test_steps_of_floats() -> None:
    """A total on a step is on it, whatever the binary fraction makes of it."""
    counter = LiveCounter(OSLO)
    settle(counter, at(1), 0.28)
    for hundredth in range(29, 60):
        settle(counter, at(hundredth), hundredth / 100)
        assert counter.published == hundredth / 100


def test_live_counter_passes_through() -> None:
    """A counter that comes with each power sample is shown as it is."""
    counter = LiveCounter(OSLO)
    for number, value in enumerate((50, 50.004, 50.004, 50.013, 50.013)):
        counter.advance(at(7, number * 10), 5000)
        outcome = settle(counter, at(7, number * 10), value)
        assert isinstance(outcome, Settlement)
        assert counter.total == value
    assert counter.published == 50.01


def test_boundary_of_live_counter() -> None:
    """Between two counters the energy is shared out as the power had it."""
    counter = LiveCounter(OSLO)
    counter.advance(at(59, 56), 1000)
    settle(counter, at(59, 56), 10)
    counter.advance(at(60, 6), 1000)
    settle(counter, at(60, 6), 10.005)
    assert counter.at(at(60)) == approx(10.002)


def test_boundary_without_power() -> None:
    """Where no power was seen to flow, the energy is shared out by time."""
    counter = LiveCounter(OSLO)
    counter.advance(at(59, 56), 0)
    settle(counter, at(59, 56), 10)
    counter.advance(at(60, 6), 0)
    settle(counter, at(60, 6), 10.01)
    assert counter.at(at(60)) == approx(10.004)


def test_gap_is_not_guessed(counter: LiveCounter) -> None:
    """No energy is made up for a time without power; the next snapshot brings it."""
    run(counter, at(0, 20), at(20))
    run(counter, at(30), at(60, 10))
    assert counter.total == approx(103.01)
    outcome = settle(counter, at(60), 103.6)
    assert isinstance(outcome, Settlement)
    assert outcome.correction == approx(0.6)
    assert outcome.gap is None
    assert counter.total == approx(103.61)
    assert counter.between(NOON, at(60)) == approx(3.6)


def test_longest_interval(counter: LiveCounter) -> None:
    """An interval of 90 s is bridged, a longer one is a gap."""
    run(counter, at(1, 40), at(1, 40))
    assert counter.total == approx(100.1)
    run(counter, at(3, 10.1), at(3, 10.1))
    assert counter.total == approx(100.1)


def test_gap_across_hour(counter: LiveCounter) -> None:
    """A gap in which the full hour fell is reported with the energy that was missed."""
    run(counter, at(0, 20), at(50))
    run(counter, at(80), at(120, 10))
    outcome = settle(counter, at(120), 107.2)
    assert isinstance(outcome, Settlement)
    assert outcome.gap == Gap(at(50), at(80), approx(1.8))
    assert counter.between(NOON, at(60)) is None
    assert counter.between(at(60), at(120)) is None
    assert counter.between(at(105), at(120)) == approx(0.9)


def test_spread() -> None:
    """A gap is shared out over its clock hours, by the time of it that lies in each."""
    gap = Gap(at(30), at(150), 8)
    assert [(each.start, each.end, each.energy) for each in gap.spread(OSLO)] == [
        (at(0), at(60), 2),
        (at(60), at(120), 4),
        (at(120), at(180), 2),
    ]
    exact = Gap(at(60), at(120), 8)
    assert [each.energy for each in exact.spread(OSLO)] == [8]


def test_gaps_are_one(counter: LiveCounter) -> None:
    """Several gaps between two snapshots are reported from first to last."""
    run(counter, at(0, 20), at(50))
    run(counter, at(70), at(80))
    run(counter, at(90), at(120, 10))
    outcome = settle(counter, at(120), 107.2)
    assert isinstance(outcome, Settlement)
    assert outcome.gap == Gap(at(50), at(90), approx(1.8))


def test_gap_up_to_hour(counter: LiveCounter) -> None:
    """A gap that ends between a full hour and its counter lies in the hour before."""
    run(counter, at(0, 20), at(50))
    run(counter, at(60, 5), at(60, 15))
    outcome = settle(counter, at(60), 103.6)
    assert isinstance(outcome, Settlement)
    assert outcome.gap is None
    assert counter.between(NOON, at(60)) == approx(3.6)
    assert counter.total == approx(103.61)


def test_gap_after_snapshot(counter: LiveCounter) -> None:
    """A gap between the full hour and a list that comes late is not settled by it."""
    run(counter, at(0, 20), at(60, 5))
    run(counter, at(62), at(63))
    outcome = settle(counter, at(60), 103.6)
    assert isinstance(outcome, Settlement)
    assert outcome.gap is None
    assert counter.since(at(60)) == (approx(0.065), False)
    run(counter, at(63, 10), at(100))
    run(counter, at(130), at(180, 10))
    outcome = settle(counter, at(180), 110.8)
    assert isinstance(outcome, Settlement)
    assert outcome.gap == Gap(at(60, 5), at(130), approx(1.915))


def test_gap_without_energy(counter: LiveCounter) -> None:
    """A gap in which nothing flowed is nothing to report."""
    run(counter, at(0, 20), at(50), watts=0)
    run(counter, at(80), at(120, 10), watts=0)
    outcome = settle(counter, at(120), 100)
    assert isinstance(outcome, Settlement)
    assert outcome.gap is None


def test_lost_snapshot(counter: LiveCounter) -> None:
    """Where a snapshot was lost, the next one is shared out over both hours."""
    run(counter, at(0, 20), at(60), watts=1000)
    run(counter, at(60, 10), at(120, 10), watts=3000)
    # 4 kWh were seen; the meter, with all its digits, counted 1 % more
    settle(counter, at(120), 104.04)
    first, second = counter.between(NOON, at(60)), counter.between(at(60), at(120))
    assert first == approx(1.01, abs=0.01)
    assert second == approx(3.03, abs=0.01)
    assert first is not None
    assert second is not None
    assert first + second == approx(4.04)


def test_quarters_fit_the_hour(counter: LiveCounter) -> None:
    """The quarters of an hour add up to it, in the proportion of what was seen."""
    run(counter, at(0, 20), at(60, 10))
    settle(counter, at(60), 103.96)
    quarters = [counter.between(at(start), at(start + 15)) for start in (0, 15, 30, 45)]
    assert quarters == [approx(0.99)] * 4


def test_between_before_snapshot() -> None:
    """Without any counter the energy of an hour is what was seen, if all was seen."""
    counter = LiveCounter(OSLO)
    run(counter, at(-5), at(60, 10))
    assert counter.between(NOON, at(60)) == approx(3.6)
    assert counter.between(at(-15), NOON) is None
    assert counter.between(at(-60), NOON) is None
    assert counter.between(at(60), at(75)) is None
    assert counter.at(at(60)) is None
    assert counter.at(at(75)) is None


def test_between_is_never_negative(counter: LiveCounter) -> None:
    """An estimate a little above the next counter makes no negative energy."""
    run(counter, at(0, 20), at(60, 10))
    counter.advance(at(75), 0)
    settle(counter, at(75), 103.5)
    assert counter.at(at(60)) == approx(103.6)
    assert counter.between(at(60), at(75)) == 0


def test_since(counter: LiveCounter) -> None:
    """The energy since a boundary is known from it on, and settled with it."""
    assert counter.since(NOON) == (approx(0.01), True)
    run(counter, at(0, 20), at(60, 5))
    assert counter.since(at(60)) == (approx(0.005), True)
    settle(counter, at(60), 103.7)
    assert counter.since(at(60)) == (approx(0.005), True)
    assert counter.since(NOON) == (approx(3.705), True)


def test_since_with_gap(counter: LiveCounter) -> None:
    """After a gap the energy is known not to be all of it."""
    run(counter, at(0, 20), at(10))
    run(counter, at(20), at(30))
    assert counter.since(NOON) == (approx(1.2), False)
    assert counter.since(at(15)) == (approx(0.6), False)


def test_since_before_snapshot() -> None:
    """Without a counter it is what was seen, all of it if the boundary was passed."""
    counter = LiveCounter(OSLO)
    assert counter.since(NOON) == (0, False)
    run(counter, at(-5), at(10))
    assert counter.since(NOON) == (approx(0.6), True)
    assert counter.since(at(-60)) == (approx(0.9), False)
    run(counter, at(20), at(21))
    assert counter.since(NOON) == (approx(0.66), False)


def test_since_gap_before_hour(counter: LiveCounter) -> None:
    """An hour that began in a gap counts from the first power in it."""
    run(counter, at(0, 20), at(50))
    run(counter, at(70), at(80))
    assert counter.since(at(60)) == (approx(0.6), False)


@pytest.mark.parametrize(
    ("value", "refusal"),
    [
        (0, Refusal.ZERO),
        (99.99, Refusal.BACKWARDS),
        (208.5, Refusal.JUMP),
        (1e6, Refusal.JUMP),
    ],
)
def test_refusals(counter: LiveCounter, value: float, refusal: Refusal) -> None:
    """A counter that cannot follow the last one changes nothing."""
    run(counter, at(0, 20), at(60, 10))
    assert settle(counter, at(60), value) is refusal
    assert counter.total == approx(103.61)
    assert counter.counter == 100
    assert counter.disputed == Dispute(at(60), value)
    run(counter, at(60, 20), at(120, 10))
    assert isinstance(settle(counter, at(120), 107.2), Settlement)
    assert counter.total == approx(107.21)
    assert counter.disputed is None


@pytest.mark.parametrize(
    ("minutes", "value"), [(60, 208.3), (120, 308.3), (0, 108.3), (-60, 208.3)]
)
def test_largest_jump(counter: LiveCounter, minutes: float, value: float) -> None:
    """100 kW are possible for as long as nothing was known, and five minutes more."""
    assert settle(counter, at(minutes), value + 0.1) is Refusal.JUMP
    assert isinstance(settle(counter, at(minutes), value), Settlement)


def test_largest_jump_of_large_meter(counter: LiveCounter) -> None:
    """Twice the highest power is possible, if two samples in a row had it."""
    counter.advance(at(0, 20), 400_000)
    counter.advance(at(0, 30), 3600)
    counter.publish()
    assert settle(counter, at(60), 300) is Refusal.JUMP
    run(counter, at(0, 40), at(60), watts=300_000)
    assert isinstance(settle(counter, at(60), 400), Settlement)


def test_dispute(counter: LiveCounter) -> None:
    """Counters that fit each other, not the last one believed, are a dispute."""
    settle(counter, at(60), 5)
    settle(counter, at(120), 7)
    assert counter.disputed == Dispute(at(60), 7)
    settle(counter, at(180), 6)
    assert counter.disputed == Dispute(at(180), 6)


@pytest.mark.parametrize(
    ("end", "hours"), [(103.6, ()), (107.4, (103.7,)), (110.95, (103.65, 107.3))]
)
def test_revised(counter: LiveCounter, end: float, hours: tuple[float, ...]) -> None:
    """Up to two hours without a counter are estimated anew, to fit those around them."""
    last = at(60 * len(hours) + 60)
    run(counter, at(0, 20), last + timedelta(seconds=10))
    settlement = settle(counter, last, end)
    assert isinstance(settlement, Settlement)
    assert settlement.revised == tuple(
        (at(60 * number), value) for number, value in enumerate(hours, 1)
    )


def test_revised_to_the_watt_hour(counter: LiveCounter) -> None:
    """A counter with three digits has estimates with three digits."""
    run(counter, at(0, 20), at(120, 10))
    settlement = settle(counter, at(120), 107.333)
    assert isinstance(settlement, Settlement)
    assert settlement.revised == ((at(60), approx(103.666, abs=0.0011)),)


def test_clock_put_back(counter: LiveCounter) -> None:
    """Time that goes backwards is a gap, and what was known of the future is dropped."""
    run(counter, at(0, 20), at(70))
    total = counter.total
    run(counter, at(10), at(20))
    assert total is not None
    assert counter.total == approx(total + 0.6)
    assert counter.boundaries() == [at(-15), at(0), at(15)]
    assert counter.since(NOON)[1] is False


def test_snapshot_before_hour(counter: LiveCounter) -> None:
    """A counter that comes before our full hour is that of the hour all the same."""
    run(counter, at(0, 20), at(59, 55))
    settle(counter, at(60), 103.595)
    assert counter.total == approx(103.595)
    run(counter, at(60, 5), at(60, 5))
    assert counter.total == approx(103.605)
    assert counter.at(at(60)) == 103.595
    assert counter.between(NOON, at(60)) == approx(3.595)


def test_snapshot_of_a_past_quarter(counter: LiveCounter) -> None:
    """A list that comes after the next quarter began settles that one too."""
    run(counter, at(0, 20), at(76))
    settle(counter, at(60), 103.7)
    assert counter.at(at(75)) == approx(104.6)
    assert counter.at(at(45)) == approx(100 + 2.7 * 3.7 / 3.6)


def test_gap_after_a_past_quarter(counter: LiveCounter) -> None:
    """What came after a gap is not settled by a counter from before it."""
    run(counter, at(0, 20), at(50))
    run(counter, at(60, 5), at(60, 10))
    run(counter, at(75, 5), at(76))
    settle(counter, at(60), 103.6)
    assert counter.at(at(60)) == 103.6
    assert counter.at(at(75)) is None


def test_gaps_at_both_hours(counter: LiveCounter) -> None:
    """Between two snapshots that each fell into a gap there is one."""
    run(counter, at(0, 20), at(50))
    run(counter, at(60, 5), at(110))
    settle(counter, at(60), 103.6)
    run(counter, at(120, 5), at(120, 10))
    settle(counter, at(120), 107.2)
    assert counter.at(at(75)) is None
    assert counter.between(at(60), at(120)) == approx(3.6)


def test_snapshot_without_power() -> None:
    """A meter that never tells its power still has its counter."""
    counter = LiveCounter(OSLO)
    for hour in range(12):
        assert isinstance(settle(counter, at(hour * 60), 100 + hour), Settlement)
    assert counter.total == 111
    assert counter.between(at(600), at(660)) == 1
    assert len(counter.boundaries()) == 9


def test_remembers_two_hours() -> None:
    """No more is kept than two hours, with gaps or without."""
    counter = LiveCounter(OSLO)
    run(counter, at(0), at(170), every=60)
    assert counter.boundaries() == [at(each) for each in range(45, 171, 15)]
    for minute in range(172, 400, 2):
        counter.advance(at(minute), 100)
    assert len(counter.boundaries()) == 9


def test_hold(counter: LiveCounter) -> None:
    """What was published is never undercut, though its end was not stored."""
    counter.hold(100.5)
    run(counter, at(0, 20), at(1))
    assert counter.total == counter.published == 100.5
    counter.hold(100.2)
    assert counter.total == counter.published == 100.5
    run(counter, at(1, 10), at(10))
    assert counter.total == approx(100.6)
    fresh = LiveCounter(OSLO)
    fresh.hold(7)
    fresh.publish()
    assert (fresh.total, fresh.published) == (7, 7)


def test_restart(counter: LiveCounter) -> None:
    """All of the state survives, through JSON."""
    run(counter, at(0, 20), at(50))
    run(counter, at(70), at(80))
    settle(counter, at(80), 3)
    stored = json.loads(json.dumps(counter.as_dict()))
    assert LiveCounter.restore(OSLO, stored).as_dict() == counter.as_dict()
    empty = LiveCounter(OSLO)
    assert LiveCounter.restore(OSLO, empty.as_dict()).as_dict() == empty.as_dict()


@pytest.mark.parametrize(
    "damage",
    [
        {"total": "100"},
        {"integral": float("nan")},
        {"region": 1.5},
        {"base": ["2026-01-15T12:00:00", 1, 1, 1]},
        {"base": ["2026-01-15T12:00:00+00:00", 1]},
        {"sample": [None, 1]},
        {"gap": 7},
        {"disputed": {}},
        {"marks": [[1]]},
        {"marks": None},
    ],
)
def test_damaged_state(counter: LiveCounter, damage: dict[str, object]) -> None:
    """A state with any part damaged is a fresh start."""
    fresh = LiveCounter(OSLO).as_dict()
    assert LiveCounter.restore(OSLO, counter.as_dict() | damage).as_dict() == fresh
    missing = {k: v for k, v in counter.as_dict().items() if k not in damage}
    assert LiveCounter.restore(OSLO, missing).as_dict() == fresh


@pytest.mark.parametrize("stored", [None, [], "", 7, {}])
def test_no_state(stored: object) -> None:
    """Something that is no state at all is a fresh start."""
    fresh = LiveCounter(OSLO).as_dict()
    assert LiveCounter.restore(OSLO, stored).as_dict() == fresh


HOURS = st.lists(
    st.lists(
        # seconds since the sample before, W
        st.tuples(
            st.floats(0.1, 400) | st.just(10.0),
            st.floats(0, 40_000) | st.sampled_from([0.0, 1000.0]),
        ),
        max_size=25,
    ),
    min_size=1,
    max_size=6,
)
# The meter's counter of each hour less what was seen, and whether it is sent
TRUTHS = st.lists(
    st.tuples(st.floats(0, 5) | st.just(0.0), st.booleans()), min_size=6, max_size=6
)


@given(HOURS, TRUTHS, st.integers(0, 200))
def test_properties(
    hours: list[list[tuple[float, float]]],
    truths: list[tuple[float, bool]],
    restart: int,
) -> None:
    """Whatever flows, is lost or is restarted: three things always hold.

    The total never decreases. At a snapshot it is the meter's, or waits for it. The
    energy of the hours that are known adds up to the difference of the counters.
    """
    counter = LiveCounter(OSLO)
    counter.advance(at(0, -1), 0)
    counter.advance(NOON, 0)
    counter.settle(NOON, 1000)
    counter.publish()
    shown, step, known = 1000.0, 0, {NOON: 1000.0}
    meter = 1000.0
    for hour, samples in enumerate(hours):
        offsets = accumulate(pause for pause, _ in samples)
        for offset, (_, watts) in zip(offsets, samples, strict=True):
            if offset >= 3600:
                break
            counter.advance(at(hour * 60, offset), watts)
            counter.publish()
            step += 1
            if step == restart:
                stored = json.loads(json.dumps(counter.as_dict()))
                counter = LiveCounter.restore(OSLO, stored)
            assert counter.total is not None
            assert counter.total >= shown
            shown = counter.total
        extra, sent = truths[hour]
        meter = round(meter + extra + 1, 2)
        if sent:
            end = at(hour * 60 + 60)
            counter.advance(at(hour * 60 + 60, 10), 500)
            assert isinstance(counter.settle(end, meter), Settlement)
            counter.publish()
            known[end] = meter
            tail = counter.since(end)[0]
            assert counter.total == max(shown, meter + tail)
            shown = counter.total
            assert counter.at(end) == meter
            first = max(end - timedelta(hours=2), min(known))
            energies = [
                counter.between(start, start + timedelta(hours=1))
                for start in (first, end - timedelta(hours=1))
                if start < end
            ]
            if first in known and end - first == timedelta(hours=2):
                if None not in energies:
                    total = sum(each for each in energies if each is not None)
                    assert total == approx(meter - known[first])
