"""What would the meter's counter show now, if it showed it all the time?

A Norwegian meter freezes its counters at the full hour, sends them some seconds later and
then says nothing of energy for an hour, though it tells its power every few seconds. The
live counter is the last snapshot plus the integral of the power since the instant of the
snapshot, not since its arrival: what flowed in between belongs to the new hour.

Between two samples the power is taken to change in a straight line (the trapezoid rule).
An appliance that is switched at any time between two samples is then counted as on for
half of the interval, which is right on average, whichever way it is switched and however
long the interval. Holding the last sample would count each switch late, and so miss half
an interval of whatever the power rose by over the hour. Nothing is assumed over more than
`MAX_GAP`: that is a gap, it adds no energy, and the next snapshot settles it.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from enum import StrEnum
from math import floor
from typing import Any, NamedTuple, Self

from .stored import instant, number, optional, restored, whole
from .window import HOUR, QUARTER, Window, Windows, window_start

# The slowest list with power comes every 15 s, and bridges thin out to one a minute.
MAX_GAP = timedelta(seconds=90)
_MAX_AHEAD = timedelta(seconds=15)
# A message that a bridge held back makes the interval to the next one shorter.
_JITTER = 1.25
# Three phases of 100 A, the largest meter without transformers, are 69 kW.
_MAX_KW = 100.0
# No meter of a customer port sees more; 0xFFFFFFFF and the like do.
MAX_WATTS = 1e6
# How far two honest times of one snapshot may differ, when a jump is judged
_SLACK = timedelta(minutes=5)
_STEP = 0.01
# Full hours and quarters to remember: those of the last two hours
_MARKS = 9


class Refusal(StrEnum):
    """Why the counters of a list were not believed."""

    ZERO = "zero"
    BACKWARDS = "backwards"
    JUMP = "jump"
    REPEATED = "repeated"
    OFF_HOUR = "off_hour"


class Dispute(NamedTuple):
    """Since when (UTC) no counter can follow the last one believed, and the latest."""

    since: datetime
    counter: float


class Gap(NamedTuple):
    """A time (UTC) without power samples across a full hour, and the kWh in it."""

    start: datetime
    end: datetime
    energy: float

    def spread(self, zone: tzinfo) -> list[Window]:
        """Share the energy out evenly in time over the clock hours of the gap."""
        hours, begin = [], window_start(self.start, HOUR, zone)
        while begin < self.end:
            time = min(begin + HOUR, self.end) - max(begin, self.start)
            energy = self.energy * (time / (self.end - self.start))
            hours.append(Window(begin, begin + HOUR, energy))
            begin += HOUR
        return hours


class Settlement(NamedTuple):
    """The counter of the meter is known for an instant (UTC).

    `correction` is the counter less the estimate for that instant, in kWh, and `gap` what
    was missed since the settlement before; both are None where there is none. `estimated`
    is for an hour whose list was lost or not believed: the counter is then the estimate.
    `revised` has the full hours before that had to be estimated, each with a better
    estimate: one that fits the counters before and after.
    """

    instant: datetime
    counter: float
    correction: float | None = None
    gap: Gap | None = None
    estimated: bool = False
    revised: tuple[tuple[datetime, float], ...] = ()


class _Base(NamedTuple):
    """The last snapshot believed, and where the integral stood at its instant."""

    instant: datetime
    counter: float
    integral: float
    region: int | None


class _Mark(NamedTuple):
    """Where the integral stood at a full hour or quarter, and the counter if known.

    There is no gap between marks of one region. The region is None for a boundary inside
    a gap: the integral is then that of the first sample after it.
    """

    integral: float
    region: int | None
    value: float | None = None


class LiveCounter:
    """The live counter of one direction, import or export. Energy is in kWh.

    Of each message the power goes to `advance`, a counter to `settle`, in this order, and
    then `publish` makes up the total. All times are aware.

    `total` is None until the meter has sent its counter, or `hold` was called. It never
    decreases: where the estimate was too high it waits for the meter to catch up, where
    it was too low it gets the rest at once. `published` is the total for people and
    databases. It moves in steps of 0.01 kWh and at each snapshot of a full hour; with the
    last sample before a full hour or quarter it gets what will have flowed by then if the
    power stays, as no later sample is of that hour. `integral` is all energy seen to
    flow. `disputed` is not None while the meter sends counters that fit each other but
    cannot follow the last one believed: it may have been replaced.

    `offset` is what was published more than what the meter shows: 0 unless it was
    replaced, None from `start_over` to the next counter.
    """

    def __init__(self, zone: tzinfo) -> None:
        """Take the time zone whose full hours the meter keeps."""
        self.total: float | None = None
        self.published: float | None = None
        self.offset: float | None = 0.0
        self.integral = 0.0
        self.disputed: Dispute | None = None
        self._zone = zone
        self._quarters = Windows(QUARTER, zone)
        self._base: _Base | None = None
        self._settled = False
        self._ahead: float | None = None
        self._sample: tuple[datetime, float] | None = None
        self._region = 0
        self._gap: tuple[datetime, datetime] | None = None
        self._highest = 0.0
        self._marks: dict[datetime, _Mark] = {}

    @property
    def counter(self) -> float | None:
        """The last counter of the meter that was believed, plus `offset`."""
        return self._base.counter if self._base else None

    @property
    def flowed(self) -> float:
        """The energy seen to flow since the instant of the last snapshot."""
        return self.integral - self._base.integral if self._base else 0.0

    def advance(self, when: datetime, watts: float) -> None:
        """Add the energy since the last sample of the power, or note a gap."""
        when = when.astimezone(UTC)
        last, self._sample = self._sample, (when, watts)
        boundary = self._quarters.start(when)
        if last is not None and timedelta(0) <= when - last[0] <= MAX_GAP:
            before, power = last
            if before < boundary and boundary not in self._marks:
                middle = power + (watts - power) * (
                    (boundary - before) / (when - before)
                )
                integral = self.integral + _energy(boundary - before, power, middle)
                base, value = self._base, None
                if base is not None and base.region == self._region:
                    value = base.counter + integral - base.integral
                self._mark(boundary, _Mark(integral, self._region, value))
            self.integral += _energy(when - before, power, watts)
            left = boundary + QUARTER - when
            if left <= min(_JITTER * (when - before), _MAX_AHEAD):
                self._ahead = _energy(left, watts, watts)
            # One false sample must not raise what counts as plausible
            self._highest = max(self._highest, min(power, watts) / 1000)
            return
        self._region += 1
        if last is not None:
            self._gap = (min(self._gap[0] if self._gap else last[0], when), when)
        # A clock that was put back leaves marks in the future
        self._marks = {at: mark for at, mark in self._marks.items() if at <= when}
        if boundary not in self._marks:
            self._mark(boundary, _Mark(self.integral, None))

    def settle(self, when: datetime, counter: float) -> Settlement | Refusal:
        """Take what the counter of the meter was at an instant, if it is plausible.

        The instant is a full hour, or the time of arrival for a meter that sends its
        counters all the time.
        """
        when = when.astimezone(UTC)
        mark = self._marks.get(when) or _Mark(self.integral, self._region)
        if self.offset is None:
            self.offset = self._offset(mark, counter)
        if self.offset:
            counter = round(counter + self.offset, 3)
        if (refusal := self._refusal(when, counter)) is not None:
            since = when
            if self.disputed is not None and self.disputed.counter <= counter:
                since = self.disputed.since
            self.disputed = Dispute(since, counter)
            return refusal
        self.disputed = None
        self._ahead = None
        base, correction, gap = self._base, None, None
        revised: list[tuple[datetime, float]] = []
        if base is not None:
            correction = counter - (base.counter + mark.integral - base.integral)
            if mark.region is not None and mark.region == base.region:
                revised = self._fit(base, when, counter, mark)
            else:
                gap = self._missed(when, correction)
        if self._gap is not None and self._gap[0] < when:
            self._gap = None
        self._base = _Base(when, counter, mark.integral, mark.region)
        for boundary, later in self._marks.items():
            if boundary > when and later.region == mark.region is not None:
                value = counter + later.integral - mark.integral
                self._marks[boundary] = later._replace(value=value)
        if when == self._quarters.start(when):
            self._mark(when, mark._replace(value=counter))
            self._settled = True
        return Settlement(when, counter, correction, gap, revised=tuple(revised))

    def publish(self) -> None:
        """Bring `total` and `published` up to date."""
        settled, self._settled = self._settled, False
        ahead, self._ahead = self._ahead, None
        if self._base is None:
            return
        estimate = self._estimate(self._base)
        self.total = max(self.total or 0.0, estimate)
        if self.published is None or settled or ahead is not None:
            published = round(max(self.total, estimate + (ahead or 0.0)), 3)
        else:
            # The addend is for 0.29 / 0.01, which is 28.999999999999996
            published = round(floor(self.total / _STEP + 1e-6) * _STEP, 2)
        self.published = max(self.published or 0.0, published)

    def hold(self, published: float) -> None:
        """Never show less than was published in a run whose end was not stored."""
        self.total = max(self.total or 0.0, published)
        self.published = max(self.published or 0.0, published)

    def start_over(self) -> None:
        """Let the next counter, whatever it is, be where the estimate is by then."""
        self.disputed = None
        self.offset = None

    def at(self, boundary: datetime) -> float | None:
        """Give the counter at a full hour or quarter (UTC), None if it is not known.

        It is known from a snapshot, or by estimate if there was no gap since one.
        """
        mark = self._marks.get(boundary)
        return mark.value if mark else None

    def between(self, start: datetime, end: datetime) -> float | None:
        """Give the energy between two full hours or quarters (UTC), None if not known.

        It is the difference of the counters where both are known, whatever gap is
        between them, else the integral where there was no gap.
        """
        first, last = self._marks.get(start), self._marks.get(end)
        if first is None or last is None:
            return None
        if first.value is not None and last.value is not None:
            return max(0.0, last.value - first.value)
        if first.region is None or first.region != last.region:
            return None
        return last.integral - first.integral

    def since(self, start: datetime) -> tuple[float, bool]:
        """Give the energy since a full hour or quarter (UTC), and if that is all of it.

        It is not if there was a gap whose energy is not known yet.
        """
        mark = self._marks.get(start)
        if mark is not None and mark.value is not None and self._base is not None:
            energy = max(0.0, self._estimate(self._base) - mark.value)
            return energy, self._base.region == self._region
        later = (each for boundary, each in self._marks.items() if boundary >= start)
        if (first := mark or next(later, None)) is None:
            return 0.0, False
        complete = first is mark and mark.region == self._region
        return self.integral - first.integral, complete

    def boundaries(self) -> list[datetime]:
        """Give the full hours and quarters (UTC) that are remembered, in order."""
        return list(self._marks)

    def _estimate(self, base: _Base) -> float:
        return base.counter + self.integral - base.integral

    def _mark(self, boundary: datetime, mark: _Mark) -> None:
        """Remember where the integral stood at a boundary, and forget the oldest one."""
        self._marks[boundary] = mark
        self._marks = dict(sorted(self._marks.items())[-_MARKS:])

    def _fit(
        self, base: _Base, when: datetime, counter: float, end: _Mark
    ) -> list[tuple[datetime, float]]:
        """Scale the estimates between two snapshots so that they fit both.

        Gives those of full hours. Of a meter that counts in 10 Wh they are what it may
        have shown: a multiple of that.
        """
        flowed = end.integral - base.integral
        digits = 2 if all(round(it, 2) == it for it in (base.counter, counter)) else 3
        revised = []
        for boundary, mark in self._marks.items():
            if base.instant < boundary < when:
                share = (boundary - base.instant) / (when - base.instant)
                if flowed > 0:
                    share = (mark.integral - base.integral) / flowed
                value = base.counter + (counter - base.counter) * share
                hour = boundary == window_start(boundary, HOUR, self._zone)
                if hour and when - base.instant > HOUR:
                    value = round(value, digits)
                    revised.append((boundary, value))
                self._marks[boundary] = mark._replace(value=value)
        return revised

    def _missed(self, when: datetime, energy: float) -> Gap | None:
        """Give the gap before an instant, if it is not within one hour."""
        if self._gap is None or energy <= 0:
            return None
        start, end = self._gap[0], min(self._gap[1], when)
        if end - window_start(start, HOUR, self._zone) <= HOUR:
            return None
        return Gap(start, end, energy)

    def _offset(self, mark: _Mark, counter: float) -> float:
        """Give what makes a counter fit the estimate for its instant."""
        if (base := self._base) is not None:
            estimate = base.counter + mark.integral - base.integral
        elif self.total is not None:
            estimate = self.total
        else:
            return 0.0
        return round(estimate - counter, 3)

    def _refusal(self, when: datetime, counter: float) -> Refusal | None:
        """Say why a counter cannot follow the last one."""
        base = self._base
        if base is None:
            return None
        if counter < base.counter:
            return Refusal.BACKWARDS if counter > (self.offset or 0) else Refusal.ZERO
        limit = max(_MAX_KW, 2 * self._highest)
        hours = (abs(when - base.instant) + _SLACK) / HOUR
        return Refusal.JUMP if counter - base.counter > limit * hours else None

    def as_dict(self) -> dict[str, object]:
        """Give all that must be stored, as JSON has it."""
        base, sample, gap, disputed = self._base, self._sample, self._gap, self.disputed
        return {
            "total": self.total,
            "published": self.published,
            "offset": self.offset,
            "integral": self.integral,
            "region": self._region,
            "highest": self._highest,
            "base": [base.instant.isoformat(), *base[1:]] if base else None,
            "sample": [sample[0].isoformat(), sample[1]] if sample else None,
            "gap": [each.isoformat() for each in gap] if gap else None,
            "disputed": [disputed[0].isoformat(), disputed[1]] if disputed else None,
            "marks": [[at.isoformat(), *mark] for at, mark in self._marks.items()],
        }

    @classmethod
    def restore(cls, zone: tzinfo, stored: object) -> Self:
        """Give the counter that was stored, or a new one if what was stored is damaged."""
        return restored(lambda: cls(zone), cls._read, stored)

    def _read(self, stored: Any) -> None:
        self.total = optional(number, stored["total"])
        self.published = optional(number, stored["published"])
        self.offset = optional(number, stored["offset"])
        self.integral = number(stored["integral"])
        self._region = whole(stored["region"])
        self._highest = number(stored["highest"])
        if (base := stored["base"]) is not None:
            at, counter, integral, region = base
            self._base = _Base(
                instant(at), number(counter), number(integral), optional(whole, region)
            )
        if (sample := stored["sample"]) is not None:
            self._sample = (instant(sample[0]), number(sample[1]))
        if (gap := stored["gap"]) is not None:
            self._gap = (instant(gap[0]), instant(gap[1]))
        if (disputed := stored["disputed"]) is not None:
            self.disputed = Dispute(instant(disputed[0]), number(disputed[1]))
        for at, integral, region, value in stored["marks"]:
            self._marks[instant(at)] = _Mark(
                number(integral), optional(whole, region), optional(number, value)
            )


def _energy(time: timedelta, first: float, last: float) -> float:
    """Give the kWh of a power that changes in a straight line between two W."""
    return time / HOUR * (first + last) / 2000
