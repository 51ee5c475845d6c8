"""What was the mean of the last minutes, and what was the highest of the day?"""

from collections import deque
from datetime import date, datetime, timedelta, tzinfo
from math import isfinite
from typing import Any

from .register import MAX_GAP
from .stored import DAMAGE, number

# Samples kept at most: more than one a second for a quarter of an hour is not needed
_MOST = 2000


class SlidingMeans:
    """The means of a quantity over the last minutes, weighted by time.

    Between two samples the quantity is taken to go in a straight line, as for energy.
    """

    def __init__(self, longest: timedelta) -> None:
        """Take the longest window that will be asked for."""
        self._longest = longest
        self._samples: deque[tuple[datetime, float]] = deque(maxlen=_MOST)

    def advance(self, when: datetime, value: float) -> None:
        """Take a sample; after a gap or a clock that went back all begins anew."""
        samples = self._samples
        if samples and not timedelta(0) <= when - samples[-1][0] <= MAX_GAP:
            samples.clear()
        samples.append((when, value))
        # One before the window stays, to know where the line into it began.
        while len(samples) > 2 and samples[1][0] <= when - self._longest:
            samples.popleft()

    def mean(self, window: timedelta) -> float | None:
        """Give the mean of the window that ends with the last sample.

        None unless the whole window is known.
        """
        samples = self._samples
        if not samples:
            return None
        start = samples[-1][0] - window
        if samples[0][0] > start:
            return None
        total, low, high = 0.0, samples[-1][1], samples[-1][1]
        after, last = samples[-1]
        for when, value in list(samples)[-2::-1]:
            if after <= start:
                break
            if when < start:
                value += (last - value) * ((start - when) / (after - when))
                when = start
            total += (value + last) / 2 * (after - when).total_seconds()
            low, high = min(low, value), max(high, value)
            after, last = when, value
        # Rounding must not lift a mean out of what it is the mean of.
        return min(high, max(low, total / window.total_seconds()))


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
