"""In which clock hour, or quarter of one, does an instant lie?"""

from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

HOUR = timedelta(hours=1)
QUARTER = timedelta(minutes=15)

# An hour list is sent 5 to 55 s after the hour. A bridge may hold it back for a while, and
# a meter's clock may run ahead of ours.
_EARLY = timedelta(minutes=2)
LATE = timedelta(minutes=5)


class Window(NamedTuple):
    """The energy of one clock hour or quarter in kWh; `start` and `end` are in UTC."""

    start: datetime
    end: datetime
    energy: float


def window_start(when: datetime, length: timedelta, zone: tzinfo) -> datetime:
    """Give the start, in UTC, of the window of a clock in `zone` that holds `when`.

    `length` divides an hour. Windows are stretches of real time: where clocks are put
    back there are two from 02:00 to 03:00, and both count.
    """
    local = when.astimezone(zone)
    past = timedelta(
        minutes=local.minute, seconds=local.second, microseconds=local.microsecond
    )
    return when.astimezone(UTC) - past % length


class Windows:
    """The windows of one length; most readings lie in the same one as that before."""

    def __init__(self, length: timedelta, zone: tzinfo) -> None:
        """Take what `window_start` takes."""
        self._length = length
        self._zone = zone
        self._start = self._end = datetime.min.replace(tzinfo=UTC)

    def start(self, when: datetime) -> datetime:
        """Give the start, in UTC, of the window that holds `when`."""
        if not self._start <= when < self._end:
            self._start = window_start(when, self._length, self._zone)
            self._end = self._start + self._length
        return self._start


def full_hour(when: datetime, zone: tzinfo) -> datetime | None:
    """Give the full hour, in UTC, that a list received at `when` can speak of.

    None if the time is not that of an hour list: earlier than two minutes before a full
    hour or later than five minutes after it.
    """
    hour = window_start(when + _EARLY, HOUR, zone)
    return hour if when - hour <= LATE else None
