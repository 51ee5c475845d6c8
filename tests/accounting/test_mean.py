"""What was the mean of the last minutes, and what was the highest of the day?"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.accounting import DayMaximum, SlidingMeans

BEGIN = datetime(2026, 1, 15, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
OSLO = ZoneInfo("Europe/Oslo")


def test_weighted_by_time() -> None:
    """The mean weighs by time, and the window begins between two samples."""
    means = SlidingMeans(MINUTE)
    for passed, watts in ((0, 0), (40, 400), (80, 400)):
        means.advance(BEGIN + passed * SECOND, watts)
    # From 200 W at 20 s to 400 W at 40 s, then 400 W for 40 s
    assert means.mean(MINUTE) == pytest.approx((300 * 20 + 400 * 40) / 60)


def test_most() -> None:
    """Of a meter that sends more than is needed only the last samples are kept."""
    means = SlidingMeans(15 * MINUTE)
    for tenth in range(5000):
        means.advance(BEGIN + tenth * SECOND / 10, tenth)
    assert means.mean(3 * MINUTE) == pytest.approx(4999 - 900)
    assert means.mean(4 * MINUTE) is None


def test_unknown() -> None:
    """Nothing is said before the window is full, after a gap, or when the clock goes back."""
    means = SlidingMeans(MINUTE)
    assert means.mean(MINUTE) is None
    for passed in range(0, 60, 10):
        means.advance(BEGIN + passed * SECOND, 100)
    assert means.mean(MINUTE) is None
    means.advance(BEGIN + 60 * SECOND, 100)
    assert means.mean(MINUTE) == 100
    means.advance(BEGIN + 151 * SECOND, 100)
    assert means.mean(MINUTE) is None
    means.advance(BEGIN, 100)
    assert means.mean(MINUTE) is None


@given(
    st.lists(
        st.tuples(st.integers(0, 30_000), st.integers(0, 1_000_000_000)),
        min_size=1,
        max_size=80,
    )
)
def test_any(samples: list[tuple[int, int]]) -> None:
    """A mean is the area under the line through the samples, and never outside of them."""
    means, now = SlidingMeans(5 * MINUTE), BEGIN
    known: list[tuple[datetime, float]] = []
    for milliseconds, milliwatts in samples:
        now += milliseconds * SECOND / 1000
        watts = milliwatts / 1000
        means.advance(now, watts)
        known.append((now, watts))
        for window in (MINUTE, 5 * MINUTE):
            mean = means.mean(window)
            assert (mean is None) == (now - window < known[0][0])
            if mean is not None:
                # Times are exact to a quarter of a microsecond, in which 1 MW is 0.24 Ws.
                assert mean == pytest.approx(_mean(known, now - window), abs=0.01)
                lowest, highest = min(w for _, w in known), max(w for _, w in known)
                assert lowest - 0.01 <= mean <= highest + 0.01


def _mean(samples: list[tuple[datetime, float]], start: datetime) -> float:
    """Work a mean out piece by piece."""
    area = 0.0
    for (first, before), (last, after) in pairwise(samples):
        if last <= max(first, start):
            continue
        begin = max(first, start)
        value = before + (after - before) * ((begin - first) / (last - first))
        area += (value + after) / 2 * ((last - begin) / SECOND)
    return area / ((samples[-1][0] - start) / SECOND)


def test_any_rhythm() -> None:
    """A meter that sends every 2.5 s and one every 10 s have the same mean of a ramp."""
    for seconds in (2.5, 10):
        means = SlidingMeans(5 * MINUTE)
        for passed in range(int(900 / seconds) + 1):
            watts = 1000 + passed * seconds
            means.advance(BEGIN + passed * seconds * SECOND, watts)
        assert means.mean(MINUTE) == 1870
        assert means.mean(5 * MINUTE) == 1750


def test_long_run() -> None:
    """A mean is as exact after a month as in the first minute."""
    means = SlidingMeans(MINUTE)
    for passed in range(31 * 1440):
        means.advance(BEGIN + passed * MINUTE, 1e6 / 7 if passed % 2 else 1e6 / 3)
    end = BEGIN + 31 * 1440 * MINUTE
    for each in (0, 1):
        means.advance(end + each * MINUTE, 1 / 7)
    assert means.mean(MINUTE) == 0.143


@pytest.mark.parametrize(("day", "hours"), [((3, 28), 23), ((10, 24), 25)])
def test_maximum_when_clocks_change(day: tuple[int, int], hours: int) -> None:
    """The day's maximum is that of a day of 23 or 25 hours, no longer or shorter."""
    begin = datetime(2026, *day, 23 if hours == 23 else 22, tzinfo=UTC)
    maximum = DayMaximum(OSLO)
    maximum.advance(begin, 900)
    maximum.advance(begin + hours * 60 * MINUTE - SECOND, 100)
    assert maximum.value == 900
    maximum.advance(begin + hours * 60 * MINUTE, 100)
    assert maximum.value == 100


def test_maximum() -> None:
    """The maximum is that of the local day, and goes on from what was stored."""
    maximum = DayMaximum(OSLO)
    evening = datetime(2026, 1, 15, 22, 59, tzinfo=UTC)
    for when, watts in ((evening, 500), (evening, 900), (evening, 100)):
        maximum.advance(when, watts)
    assert maximum.value == 900
    again = DayMaximum(OSLO)
    again.restore(maximum.as_dict(), 1e6)
    again.advance(evening, 200)
    assert again.value == 900
    again.advance(evening + MINUTE, 200)
    assert again.value == 200


@pytest.mark.parametrize(
    "stored",
    [
        None,
        5,
        [],
        {},
        {"day": None, "value": None},
        {"day": "2026-01-15", "value": "9"},
        {"day": "2026-01-15", "value": -1},
        {"day": "2026-01-15", "value": 2e6},
        {"day": "2026-01-15", "value": float("nan")},
        {"day": 5, "value": 1},
    ],
)
def test_damaged(stored: object) -> None:
    """What is damaged or not credible is not taken up."""
    maximum = DayMaximum(OSLO)
    maximum.restore(stored, 1e6)
    assert maximum.value is None
