"""How much energy has this hour used, how much will it have used, what is left of a limit?

    forecast  = energy so far + mean power * time left
    available = (limit - energy so far) / time left - power now

The mean power is an exponential mean with a time constant of a sixth of the window, ten
minutes of an hour: a kettle moves the forecast by little, and two thirds of a car that
starts to charge are in it after ten minutes. The available power takes the power as it
is: automations act on it, and with a mean they would act twice.
"""

from datetime import datetime, timedelta, tzinfo
from math import exp
from typing import Any

from .register import MAX_GAP, LiveCounter
from .stored import DAMAGE, instant, number
from .window import HOUR, Window, Windows

_MEMORY = 1 / 6
# No forecast is worth an alarm before this, and time left counts as no less
_MARGIN = timedelta(minutes=2)
_LEAST_LEFT = timedelta(minutes=1)
# An alarm ends when the forecast is below this part of the limit
_RELEASE = 0.95


class RunningHour:
    """The clock hour, or quarter, that the last power sample lies in.

    Energy is in kWh, power in W, a limit in kW: the highest mean power of a window.
    """

    def __init__(self, counter: LiveCounter, length: timedelta, zone: tzinfo) -> None:
        """Take the counter to look at, and the length of the windows of a clock."""
        self.length = length
        self._counter = counter
        self._windows = Windows(length, zone)
        self._memory = length * _MEMORY
        self._when: datetime | None = None
        # When the window of that instant began
        self._begun: datetime | None = None
        self._power = 0.0
        self._mean = 0.0

    def advance(self, when: datetime, watts: float) -> bool:
        """Take a power sample that the counter has got too; say if a window began."""
        before, self._when = self._when, when
        begun, self._begun = self._begun, self._windows.start(when)
        self._power = watts
        if before is None or not timedelta(0) <= when - before <= MAX_GAP:
            self._mean = watts
        else:
            weight = exp(-((when - before) / self._memory))
            self._mean = watts + (self._mean - watts) * weight
        return begun != self._begun

    @property
    def start(self) -> datetime | None:
        """When the window began (UTC), None before any power."""
        return self._begun

    @property
    def energy(self) -> float | None:
        """The energy so far, None before any power."""
        start = self.start
        return None if start is None else self._counter.since(start)[0]

    @property
    def complete(self) -> bool:
        """Whether the energy so far is all of it: no gap in this window."""
        start = self.start
        return start is not None and self._counter.since(start)[1]

    @property
    def forecast(self) -> float | None:
        """What the energy of the window will be, None before any power."""
        if (energy := self.energy) is None:
            return None
        return energy + self._mean / 1000 * (self._left / HOUR)

    def available(self, limit: float) -> float | None:
        """Give the power that may be added for the rest of the window, in W.

        It is negative where power must be taken away to stay below the limit of so many
        kW. Time left counts as at least a minute, else it would be without bounds.
        """
        if (energy := self.energy) is None:
            return None
        left = max(self._left, _LEAST_LEFT) / HOUR
        return (limit * (self.length / HOUR) - energy) / left * 1000 - self._power

    def at_risk(self, limit: float, *, before: bool) -> bool:
        """Say whether the forecast is above the limit of so many kW.

        `before` is what was said last. An alarm is never raised in the first two minutes,
        and ends in a new window or when the forecast is 5 % below the limit.
        """
        forecast = self.forecast
        if forecast is None or self.length - self._left < _MARGIN:
            return False
        return forecast > limit * (self.length / HOUR) * (_RELEASE if before else 1)

    @property
    def last(self) -> Window | None:
        """The window before this one, None if its energy is not known."""
        start = self.start
        if start is None:
            return None
        energy = self._counter.between(start - self.length, start)
        return None if energy is None else Window(start - self.length, start, energy)

    def closed(self) -> list[Window]:
        """Give the windows of the last two hours whose energy is known."""
        known, end = self._counter.boundaries(), self.start
        windows: list[Window] = []
        while known and end is not None and (start := end - self.length) >= known[0]:
            if (energy := self._counter.between(start, end)) is not None:
                windows.append(Window(start, end, energy))
            end = start
        return windows[::-1]

    @property
    def _left(self) -> timedelta:
        assert self._when is not None
        assert self._begun is not None
        return self._begun + self.length - self._when

    def as_dict(self) -> dict[str, object]:
        """Give all that must be stored, as JSON has it."""
        return {
            "when": self._when.isoformat() if self._when else None,
            "power": self._power,
            "mean": self._mean,
        }

    def restore(self, stored: Any) -> None:
        """Take up what was stored, or nothing if that is damaged."""
        try:
            if stored["when"] is not None:
                read = (
                    instant(stored["when"]),
                    number(stored["power"]),
                    number(stored["mean"]),
                )
                self._when, self._power, self._mean = read
                self._begun = self._windows.start(self._when)
        except DAMAGE:
            return
