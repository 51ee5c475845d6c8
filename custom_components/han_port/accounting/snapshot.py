"""Which instant do the counters of a list belong to, and may the list be believed?

An hour list speaks of the full hour before its arrival; other meters send their counters
all the time, and those are of the moment. Nothing in a list says which it is, so it is
learned from when lists come.

Receive time is the truth and the meter's clock is evidence. Makers differ in what it
shows: Aidon the full hour, Kaifa and Kamstrup when they send, 5 to 55 s later; standard
time all year (Aidon, Kamstrup) or with daylight saving (Kaifa); after a power cut any
time at all. What is used of it is how far it moved between two lists: a meter is known to
repeat the list of the hour before, counters, clock and all, and then the clock falls back
behind real time by an hour. It does that in autumn too, so where the power was seen all
the time it is the energy that decides.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf
from typing import Any, NamedTuple, Self

from ..protocol.reading import MeterReading, Quantity
from .register import LiveCounter, Refusal
from .stored import flag, instant, number, optional, restored, whole
from .window import HOUR, full_hour

# An hour of clock in 2000, or further off than any time zone, is no clock.
_MAX_CLOCK_ERROR = timedelta(hours=26)
# Lists this close to each other are no hour lists.
_CLOSE = timedelta(minutes=20)
# Power samples after which it is clear that counters do not come with each of them
_MANY = 30
# Energy that every counter shows beyond doubt, also one that counts in 10 Wh
_VISIBLE = 0.03


class _List(NamedTuple):
    """A list with counters: when it came, the meter's clock, the counters in kWh."""

    when: datetime
    clock: datetime | None
    counters: Mapping[Quantity, float]


class _Dated(NamedTuple):
    """The hour of the last list that was believed and had a clock, and what it showed."""

    hour: datetime
    shown: datetime


def _set_back(before: _List | None, now: _List) -> bool:
    """Say whether a clock was set back: it went no further while a counter did.

    A list that is sent again has the counters that it had.
    """
    if before is None or before.clock is None or now.clock is None:
        return False
    return now.clock <= before.clock and any(
        value > before.counters.get(name, inf) for name, value in now.counters.items()
    )


class SnapshotDater:
    """Finds the instant of the counters of each list of one meter.

    `live` is whether the meter sends counters all the time. Clocks are wall clocks,
    kept as if they were in UTC.
    """

    def __init__(self, zone: tzinfo) -> None:
        """Take the time zone of the installation."""
        self.live = False
        self._zone = zone
        self._samples = 0
        self._seen: _List | None = None
        self._dated: _Dated | None = None

    def saw_power(self) -> None:
        """Note that a message with power came, so that one with counters could have."""
        self._samples += 1

    def date(
        self,
        when: datetime,
        reading: MeterReading,
        counters: Mapping[Quantity, float],
        registers: Mapping[Quantity, LiveCounter],
    ) -> datetime | Refusal:
        """Give the instant of the counters of a list received at `when`, both in UTC.

        `registers` have already advanced to `when`.
        """
        if counters.get(Quantity.ENERGY_IMPORT) == 0:
            return Refusal.ZERO
        clock = None
        if reading.meter_time is not None:
            clock = reading.meter_time.replace(tzinfo=UTC)
            if abs(clock - when) > _MAX_CLOCK_ERROR:
                clock = None
        seen, self._seen = self._seen, _List(when, clock, counters)
        self._learn(seen, self._seen, reading.list_kind)
        if self.live:
            return when
        if _set_back(seen, self._seen):
            self._dated = None
        hour = full_hour(when, self._zone)
        shown = full_hour(clock, UTC) if clock else None
        if hour is None or (clock and shown is None):
            return Refusal.OFF_HOUR
        pairs = [
            (register, round(value + register.offset, 3))
            for name, value in counters.items()
            if (register := registers[name]).offset is not None
        ]
        if all(value == register.counter for register, value in pairs) and any(
            register.flowed > _VISIBLE for register, _ in pairs
        ):
            return Refusal.REPEATED
        if shown is not None:
            if self._is_stale(hour, shown, pairs, seen):
                return Refusal.REPEATED
            self._dated = _Dated(hour, shown)
        return hour

    def _learn(self, before: _List | None, now: _List, kind: int | None) -> None:
        """Find out from two lists in a row whether counters come all the time."""
        samples, self._samples = self._samples, 0
        if kind != 3:  # no list of the Norwegian kinds
            self.live = True
        elif before is not None:
            apart = now.when - before.when
            news = now.counters != before.counters
            if now.clock is not None and before.clock is not None:
                news = now.clock != before.clock
                # Two hour lists may come out of a bridge at once
                apart = max(apart, abs(now.clock - before.clock))
            if news and apart < _CLOSE:
                self.live = True
            elif samples >= _MANY:
                self.live = False

    def _is_stale(
        self,
        hour: datetime,
        shown: datetime,
        pairs: list[tuple[LiveCounter, float]],
        before: _List | None,
    ) -> bool:
        """Say whether a list is of an earlier hour than the one it came in."""
        if self._dated is None:
            return False
        behind = (hour - self._dated.hour) - (shown - self._dated.shown)
        if behind <= timedelta(0):
            return False
        known = [
            (new - old, abs(value - old) < abs(value - new))
            for register, value in pairs
            if (new := register.at(hour)) is not None
            and (old := register.at(hour - behind)) is not None
        ]
        if known:
            flowed, stale = max(known)
            return stale and flowed > _VISIBLE
        # The power was not seen. Clocks go back in autumn, or somebody set this one and
        # the list before said the same.
        offsets = [
            each.astimezone(self._zone).utcoffset() for each in (self._dated.hour, hour)
        ]
        if offsets[0] != offsets[1] and behind == HOUR:
            return False
        if before is None or before.clock is None:
            return True
        then, said = full_hour(before.when, self._zone), full_hour(before.clock, UTC)
        return then is None or said is None or hour - then != shown - said

    def as_dict(self) -> dict[str, object]:
        """Give all that must be stored, as JSON has it."""
        seen, dated = self._seen, self._dated
        return {
            "live": self.live,
            "samples": self._samples,
            "seen": seen
            and [
                seen.when.isoformat(),
                seen.clock and seen.clock.isoformat(),
                {name.value: each for name, each in seen.counters.items()},
            ],
            "dated": dated and [each.isoformat() for each in dated],
        }

    @classmethod
    def restore(cls, zone: tzinfo, stored: object) -> Self:
        """Give what was stored, or a fresh start if that is damaged."""
        return restored(lambda: cls(zone), cls._read, stored)

    def _read(self, stored: Any) -> None:
        self.live = flag(stored["live"])
        self._samples = whole(stored["samples"])
        if (seen := stored["seen"]) is not None:
            counters = {
                Quantity(name): number(value) for name, value in seen[2].items()
            }
            self._seen = _List(instant(seen[0]), optional(instant, seen[1]), counters)
        if (dated := stored["dated"]) is not None:
            self._dated = _Dated(instant(dated[0]), instant(dated[1]))
