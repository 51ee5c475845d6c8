"""What was the mean of the last minutes, and what was the highest of the day?"""

from array import array
from bisect import bisect_right
from datetime import date, datetime, timedelta, tzinfo
from math import isfinite
from typing import Any

from .register import MAX_GAP
from .stored import DAMAGE, number

# Samples kept at most: more than one a second for a quarter of an hour is not needed
_MOST = 2000
_MAX_GAP = MAX_GAP.total_seconds()


class SlidingMeans:
    """The means of a quantity over the last minutes, weighted by time.

    Between two samples the quantity is taken to go in a straight line, as for energy.
    """

    def __init__(self, longest: timedelta) -> None:
        """Take the longest window that will be asked for."""
        self._longest = longest.total_seconds()
        # That of the first sample since a gap: what is constant has no rounding errors.
        self._first = 0.0
        # Of each sample its time in seconds, its value, and the area above the first
        # until then: in arrays, as every meter has some hundreds.
        self._times, self._values, self._areas = (array("d") for _ in range(3))

    def advance(self, when: datetime, value: float) -> None:
        """Take a sample; after a gap or a clock that went back all begins anew."""
        columns, at = (self._times, self._values, self._areas), when.timestamp()
        if self._times and 0 <= at - self._times[-1] <= _MAX_GAP:
            area = self._area(-1, at, value)
        else:
            for column in columns:
                del column[:]
            self._first, area = value, 0.0
        # One before the window stays, to know where the line into it began.
        old = bisect_right(self._times, at - self._longest) - 1
        old = max(old, len(self._times) + 1 - _MOST, 0)
        for column, each in zip(columns, (at, value, area), strict=True):
            column.append(each)
            del column[:old]

    def mean(self, window: timedelta) -> float | None:
        """Give the mean of the window that ends with the last sample.

        None unless the whole window is known.
        """
        times, values, seconds = self._times, self._values, window.total_seconds()
        if not times or times[0] > times[-1] - seconds:
            return None
        start = times[-1] - seconds
        after = bisect_right(times, start)
        before = after - 1
        share = (start - times[before]) / (times[after] - times[before])
        value = values[before] + (values[after] - values[before]) * share
        area = self._areas[-1] - self._area(before, start, value)
        # Meters send three decimals at most.
        return round(self._first + area / seconds, 3)

    def _area(self, before: int, at: float, value: float) -> float:
        """Give the area until a time after a sample, by the value there."""
        more = (self._values[before] + value) / 2 - self._first
        return self._areas[before] + more * (at - self._times[before])


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
