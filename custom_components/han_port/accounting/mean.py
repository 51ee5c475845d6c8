"""What was the mean of the last minutes, and what was the highest of the day?"""

from bisect import bisect_right
from collections import deque
from datetime import date, datetime, timedelta, tzinfo
from math import isfinite
from operator import attrgetter
from typing import Any, NamedTuple

from .register import MAX_GAP
from .stored import DAMAGE, number

# Samples kept at most: more than one a second for a quarter of an hour is not needed
_MOST = 2000
_AT = attrgetter("at")
_MAX_GAP = MAX_GAP.total_seconds()


class _Sample(NamedTuple):
    """A value at a time in seconds, and the area above the first value until then."""

    at: float
    value: float
    area: float


class SlidingMeans:
    """The means of a quantity over the last minutes, weighted by time.

    Between two samples the quantity is taken to go in a straight line, as for energy.
    """

    def __init__(self, longest: timedelta) -> None:
        """Take the longest window that will be asked for."""
        self._longest = longest.total_seconds()
        # That of the first sample since a gap: what is constant has no rounding errors.
        self._first = 0.0
        self._samples: deque[_Sample] = deque(maxlen=_MOST)

    def advance(self, when: datetime, value: float) -> None:
        """Take a sample; after a gap or a clock that went back all begins anew."""
        samples, at = self._samples, when.timestamp()
        if samples and 0 <= at - samples[-1].at <= _MAX_GAP:
            area = self._area(samples[-1], at, value)
        else:
            samples.clear()
            self._first, area = value, 0.0
        samples.append(_Sample(at, value, area))
        # One before the window stays, to know where the line into it began.
        while len(samples) > 2 and samples[1].at <= at - self._longest:
            samples.popleft()

    def mean(self, window: timedelta) -> float | None:
        """Give the mean of the window that ends with the last sample.

        None unless the whole window is known.
        """
        samples, seconds = self._samples, window.total_seconds()
        if not samples or samples[0].at > samples[-1].at - seconds:
            return None
        last = samples[-1]
        start = last.at - seconds
        index = bisect_right(samples, start, key=_AT)
        before, after = samples[index - 1], samples[index]
        share = (start - before.at) / (after.at - before.at)
        value = before.value + (after.value - before.value) * share
        area = last.area - self._area(before, start, value)
        # Meters send three decimals at most.
        return round(self._first + area / seconds, 3)

    def _area(self, before: _Sample, at: float, value: float) -> float:
        more = (before.value + value) / 2 - self._first
        return before.area + more * (at - before.at)


class DayMaximum:
    """The highest power in W of the local day, as far as it was heard."""

    def __init__(self, zone: tzinfo) -> None:
        """Take the time zone of the installation."""
        self._zone = zone
        self._day: date | None = None
        self.value: float | None = None

    def advance(self, when: datetime, watts: float) -> None:
        """Take a power sample."""
        day = when.astimezone(self._zone).date()
        if day != self._day or self.value is None:
            self._day, self.value = day, watts
        else:
            self.value = max(self.value, watts)

    def as_dict(self) -> dict[str, object]:
        """Give what must be stored, as JSON has it."""
        return {"day": self._day and self._day.isoformat(), "value": self.value}

    def restore(self, stored: Any, limit: float) -> None:
        """Take up what was stored, or nothing if it is damaged or above the limit in W."""
        try:
            day, value = date.fromisoformat(stored["day"]), number(stored["value"])
        except DAMAGE:
            return
        if isfinite(value) and 0 <= value <= limit:
            self._day, self.value = day, value
