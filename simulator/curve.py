"""How much power does the house draw, and how much energy has it used, at any instant?

The house lives the same week for ever. Power changes in steps at whole seconds, so energy
is a sum of rectangles: exact in integers, at every microsecond.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import accumulate, pairwise
from math import pi, sin
from random import Random
from typing import NamedTuple

# Monday 00:00 in Norwegian standard time: the week of the house starts here.
EPOCH = datetime(2019, 12, 29, 23, tzinfo=UTC)
DAY = 86_400
WEEK = 7 * DAY
MICROSECOND = timedelta(microseconds=1)
WATT_HOUR = 3_600_000_000  # in W * us, the unit of every counter here

type Phases = tuple[int, int, int]


class Load(NamedTuple):
    """What the house draws for a while: W and var in each of three branches."""

    active: Phases
    reactive: Phases


class Event(NamedTuple):
    """One appliance that is on from `start` to `end`, in seconds of the week."""

    start: int
    end: int
    load: Load


# What each counter adds up, in W or var, given the load and the second of the week.
# Quadrants as in IEC 62053-23: 1 and 4 import active,
# 1 and 2 import reactive energy.
COUNTERS = (
    "energy_import",
    "energy_export",
    "energy_import_t1",
    "energy_export_t1",
    "reactive_energy_q1",
    "reactive_energy_q2",
    "reactive_energy_q3",
    "reactive_energy_q4",
    "energy_import_l1",
    "energy_import_l2",
    "energy_import_l3",
    "energy_export_l1",
    "energy_export_l2",
    "energy_export_l3",
)


def _tariff(second: int) -> int:
    """Return 1 by day on working days, else 2."""
    return 1 if second < 5 * DAY and 6 * 3600 <= second % DAY < 22 * 3600 else 2


def _rates(load: Load, second: int) -> tuple[int, ...]:
    """How fast each of `COUNTERS` runs, in W or var."""
    active, reactive = sum(load.active), sum(load.reactive)
    imported, exported = max(active, 0), max(-active, 0)
    tariff_1 = _tariff(second) == 1
    return (
        imported,
        exported,
        imported if tariff_1 else 0,
        exported if tariff_1 else 0,
        reactive if active >= 0 and reactive > 0 else 0,
        reactive if active < 0 and reactive > 0 else 0,
        -reactive if active < 0 and reactive < 0 else 0,
        -reactive if active >= 0 and reactive < 0 else 0,
        *(max(power, 0) for power in load.active),
        *(max(-power, 0) for power in load.active),
    )


def _on(branch: int | None, active: int, reactive: int = 0) -> Load:
    """Give the load of an appliance on one branch, or the same on all three."""

    def spread(value: int) -> Phases:
        first, second, third = (
            value if branch in (None, each) else 0 for each in range(3)
        )
        return first, second, third

    return Load(spread(active), spread(reactive))


def _appliances(random: Random, day: int) -> Iterator[Event]:
    """Give what happens on one day, in seconds from its start."""
    now = 0
    while now < DAY:  # base load: something small changes every few seconds
        end = now + random.randint(4, 24)
        yield Event(now, end, _on(random.randrange(3), random.randint(60, 260), -40))
        now = end
    yield Event(0, DAY, _on(None, 45, -25))
    now = random.randrange(600)
    while now < DAY:  # fridge
        end = now + random.randint(600, 900)
        yield Event(now, end, _on(0, random.randint(85, 105), 60))
        now = end + random.randint(900, 1500)
    now = random.randrange(900)
    while now < DAY:  # heat pump
        end = now + random.randint(900, 2400)
        yield Event(now, end, _on(1, random.randint(900, 1700), 320))
        now = end + random.randint(600, 1800)
    for hour in (6.5, 7, 10, 14, 17.5, 20.5):  # kettle
        now = int(hour * 3600) + random.randrange(1800)
        yield Event(now, now + random.randint(90, 200), _on(0, 1950))
    now = 16 * 3600 + random.randrange(3600)
    for _ in range(random.randint(12, 25)):  # oven, by its thermostat
        end = now + random.randint(60, 200)
        yield Event(now, end, _on(2, 2350))
        now = end + random.randint(60, 140)
    if day in (0, 2, 3, 5):  # car: by night, and when it comes home in mid-week
        now = 1800 + random.randrange(900)
        yield Event(now, now + random.randint(2, 4) * 3600, _on(None, 2300, -80))
    if day == 2:
        now = 17 * 3600 + random.randrange(900)
        yield Event(now, now + 5400, _on(None, 2300, -80))
    now, clouds, sunrise, sunset = 5 * 3600, 0.8, 5 * 3600, 21 * 3600
    while now < sunset:  # solar, on all phases, behind clouds that come and go
        end = now + random.randint(20, 60)
        clouds = min(1.0, max(0.15, clouds + random.uniform(-0.12, 0.13)))
        height = sin(pi * (now - sunrise) / (sunset - sunrise))
        yield Event(now, end, _on(None, -int(1500 * height**1.5 * clouds)))
        now = end


class Curve:
    """The power and the counters of one house, the same for the same seed.

    Counters are integers in W * us or var * us since the meter was made.
    """

    def __init__(self, seed: int) -> None:
        """Build one week: the times at which the load changes, and the sums between."""
        changes: dict[int, list[int]] = defaultdict(lambda: [0] * 6)
        for day in range(7):
            for event in _appliances(Random(f"{seed} day {day}"), day):
                change = [*event.load.active, *event.load.reactive]
                start, end = (
                    day * DAY + min(each, DAY) for each in (event.start, event.end)
                )
                changes[start] = [
                    a + b for a, b in zip(changes[start], change, strict=True)
                ]
                changes[end] = [
                    a - b for a, b in zip(changes[end], change, strict=True)
                ]
        for hour in range(7 * 24):  # so that a tariff never changes within a step
            changes[hour * 3600]
        del changes[WEEK]
        self._times = sorted(changes)
        levels = accumulate(
            (changes[time] for time in self._times),
            lambda before, change: [a + b for a, b in zip(before, change, strict=True)],
        )
        self._loads = [Load((a, b, c), (d, e, f)) for a, b, c, d, e, f in levels]
        self._rates = [
            _rates(load, time)
            for load, time in zip(self._loads, self._times, strict=True)
        ]
        random = Random(f"{seed} counters")
        ages = [random.randint(1_000_000, 9_000_000) * WATT_HOUR for _ in COUNTERS]
        # Tariff 1 is a part of the total, so the total is older.
        ages[0] = ages[2] + random.randint(1_000_000, 9_000_000) * WATT_HOUR
        ages[1] = ages[3] + random.randint(100_000, 900_000) * WATT_HOUR
        sums = [ages]
        for (start, end), rates in zip(
            pairwise([*self._times, WEEK]), self._rates, strict=True
        ):
            width = (end - start) * 1_000_000
            sums.append(
                [a + rate * width for a, rate in zip(sums[-1], rates, strict=True)]
            )
        self._sums = sums
        self._week = [end - start for start, end in zip(sums[0], sums[-1], strict=True)]

    def _find(self, when: datetime) -> tuple[int, int, int]:
        """Give the week, the step within it, and how far into the step, in us."""
        week, offset = divmod((when - EPOCH) // MICROSECOND, WEEK * 1_000_000)
        step = bisect_right(self._times, offset // 1_000_000) - 1
        return week, step, offset - self._times[step] * 1_000_000

    def load(self, when: datetime) -> Load:
        """Return what the house draws at `when` (aware)."""
        return self._loads[self._find(when)[1]]

    def tariff(self, when: datetime) -> int:
        """Return which of the two tariffs holds at `when` (aware)."""
        return _tariff(self._times[self._find(when)[1]])

    def counters(self, when: datetime) -> dict[str, int]:
        """Return every counter of `COUNTERS` at `when` (aware), in W * us or var * us."""
        week, step, elapsed = self._find(when)
        return {
            name: week * whole + before + rate * elapsed
            for name, whole, before, rate in zip(
                COUNTERS, self._week, self._sums[step], self._rates[step], strict=True
            )
        }


@cache
def curve(seed: int) -> Curve:
    """Return the curve of this seed; building one takes a third of a second."""
    return Curve(seed)
