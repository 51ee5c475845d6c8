"""Which hours of the month decide the capacity part of the bill?

Norway: the mean of the three highest hours, each of another day. Swedish grid companies
each have rules of their own: the highest hour or five, hours of working days in winter
only, nights at half weight. Every window of the month is kept, not the highest alone: a
peak that is removed makes room for the next one, and rules can change in mid-month.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from .stored import DAMAGE, number, optional
from .window import HOUR, Window, window_start


@dataclass(frozen=True, slots=True)
class PeakRules:
    """What a grid company counts; the defaults are Norway's rule.

    The `count` highest windows of `length` (an hour or a quarter) are averaged, of
    different days if `one_per_day`. Only windows count that start on one of `weekdays`
    (Monday is 0), in one of `hours` (0 to 23) of the local clock and `months` (1 to 12).
    In `weighted_hours` the power counts times `weight`.
    """

    count: int = 3
    one_per_day: bool = True
    length: timedelta = HOUR
    weekdays: frozenset[int] = frozenset(range(7))
    hours: frozenset[int] = frozenset(range(24))
    months: frozenset[int] = frozenset(range(1, 13))
    weighted_hours: frozenset[int] = frozenset()
    weight: float = 1.0


class Peak(NamedTuple):
    """One of the highest windows: its start (local time) and mean power in kW.

    `counted` is the power after weighting; `corrected` whether a person entered it.
    """

    start: datetime
    power: float
    counted: float
    corrected: bool


@dataclass
class _Month:
    """The mean power in kW by start in seconds; a correction of None removes a window."""

    windows: dict[int, float] = field(default_factory=dict)
    corrections: dict[int, float | None] = field(default_factory=dict)


class Peaks:
    """The highest windows of this month and the last one."""

    def __init__(self, rules: PeakRules, zone: tzinfo) -> None:
        """Take the rules and the time zone whose days and months count."""
        self.rules = rules
        self.month: str | None = None
        self._zone = zone
        self._months: dict[str, _Month] = {}
        self._found: dict[str | None, list[Peak]] = {}

    @property
    def last_month(self) -> str | None:
        """The month before that something is known of, as `2026-09`."""
        older = [name for name in self._months if self.month and name < self.month]
        return max(older, default=None)

    def advance(self, when: datetime) -> None:
        """Begin a new month when it is time."""
        name = self._name(when)
        if self.month is None or name > self.month:
            self.month = name
            self._months.setdefault(name, _Month())
            self._found.clear()
            for old in sorted(self._months)[:-2]:
                del self._months[old]

    def record(self, window: Window) -> None:
        """Take the energy of a window; what was known of it before is replaced.

        A window of a month no longer kept is ignored.
        """
        if (month := self._months.get(self._name(window.start))) is not None:
            at = int(window.start.timestamp())
            power = round(window.energy / (self.rules.length / HOUR), 6)
            if month.windows.get(at) != power:
                month.windows[at] = power
                self._found.clear()

    def correct(self, start: datetime, power: float) -> None:
        """Set the mean power in kW of the window that holds `start`, for good.

        ValueError if it is of a month no longer kept.
        """
        self._correct(start, power)

    def remove(self, start: datetime) -> None:
        """Let the window that holds `start` never be a peak; ValueError as `correct`."""
        self._correct(start, None)

    def top(self, month: str | None = None) -> list[Peak]:
        """Give the peaks of a month, this one by default, the highest first."""
        if month not in self._found:
            self._found[month] = self._find(month or self.month or "")
        return self._found[month]

    def average(self, month: str | None = None) -> float | None:
        """Give the mean of the peaks of a month in kW, after weighting; None if none.

        While the month has fewer peaks than count, it is the mean of those.
        """
        peaks = self.top(month)
        return sum(each.counted for each in peaks) / len(peaks) if peaks else None

    def _counted(self, month: _Month) -> list[Peak]:
        """Give all windows that may be peaks, in order of time."""
        rules, counted = self.rules, []
        for at, power in sorted((month.windows | month.corrections).items()):
            start = datetime.fromtimestamp(at, UTC).astimezone(self._zone)
            if (
                power is not None
                and start.weekday() in rules.weekdays
                and start.hour in rules.hours
                and start.month in rules.months
            ):
                weight = rules.weight if start.hour in rules.weighted_hours else 1
                corrected = at in month.corrections
                counted.append(Peak(start, power, power * weight, corrected))
        return counted

    def _find(self, name: str) -> list[Peak]:
        """Find the peaks of a month, the highest first, the earlier of equal ones."""
        rules, days, peaks = self.rules, set[date](), list[Peak]()
        counted = self._counted(self._months.get(name, _Month()))
        for peak in sorted(counted, key=lambda each: -each.counted):
            day = peak.start.date()
            if rules.one_per_day and day in days:
                continue
            days.add(day)
            peaks.append(peak)
        return peaks[: rules.count]

    def _correct(self, start: datetime, power: float | None) -> None:
        begin = window_start(start, self.rules.length, self._zone)
        if (month := self._months.get(self._name(begin))) is None:
            raise ValueError(f"nothing is kept of {self._name(begin)}")
        month.corrections[int(begin.timestamp())] = power
        self._found.clear()

    def _name(self, when: datetime) -> str:
        local = when.astimezone(self._zone)
        return f"{local.year}-{local.month:02}"

    def as_dict(self) -> dict[str, object]:
        """Give all that must be stored, as JSON has it."""
        return {
            "length": self.rules.length.total_seconds(),
            "month": self.month,
            "months": {
                name: {
                    "windows": {str(at): each for at, each in month.windows.items()},
                    "corrections": {
                        str(at): each for at, each in month.corrections.items()
                    },
                }
                for name, month in self._months.items()
            },
        }

    def restore(self, stored: Any) -> None:
        """Take up what was stored, and leave out what of it is damaged.

        Windows of another length, from before the rules were changed, are left out too.
        """
        try:
            if number(stored["length"]) != self.rules.length.total_seconds():
                return
            months = dict(stored["months"])
            for name in (stored["month"], *months):
                date.fromisoformat(f"{name}-01")
        except DAMAGE:
            return
        self.month = stored["month"]
        for name, month in months.items():
            self._months[name] = _Month(
                _entries(month, "windows", number),
                _entries(month, "corrections", lambda each: optional(number, each)),
            )


def _entries[T](month: Any, name: str, read: Callable[[object], T]) -> dict[int, T]:
    """Give the entries of a stored month that can be read."""
    entries = {}
    try:
        stored = list(month[name].items())
    except DAMAGE:
        return {}
    for at, value in stored:
        try:
            entries[int(at)] = read(value)
        except DAMAGE:
            continue
    return entries
