"""In which window of a clock does an instant lie?"""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting.window import (
    HOUR,
    QUARTER,
    Windows,
    full_hour,
    window_start,
)

OSLO = ZoneInfo("Europe/Oslo")
SECOND = timedelta(seconds=1)


def at(text: str) -> datetime:
    """Give a time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("when", "length", "start"),
    [
        ("2026-01-15 12:00:00", HOUR, "2026-01-15 12:00:00"),
        ("2026-01-15 12:59:59.999999", HOUR, "2026-01-15 12:00:00"),
        ("2026-01-15 12:59:59.999999", QUARTER, "2026-01-15 12:45:00"),
        ("2026-07-15 12:14:59", QUARTER, "2026-07-15 12:00:00"),
    ],
)
def test_window_start(when: str, length: timedelta, start: str) -> None:
    """A window begins at the full hour, or quarter, and holds its first instant."""
    assert window_start(at(when), length, OSLO) == at(start)
    assert window_start(at(when).astimezone(OSLO), length, OSLO).tzinfo is UTC


def test_window_of_zone() -> None:
    """The full hours are those of the installation, not of UTC."""
    india = ZoneInfo("Asia/Kolkata")
    assert window_start(at("2026-01-15 12:10"), HOUR, india) == at("2026-01-15 11:30")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-10-26", 24)]
)
def test_days_of_change(day: str, hours: int) -> None:
    """A day has as many windows as it has hours that pass."""
    start = datetime.fromisoformat(day).replace(tzinfo=OSLO)
    end = start + timedelta(days=1)
    now, starts = start.astimezone(UTC), []
    while now < end.astimezone(UTC):
        starts.append(window_start(now + timedelta(minutes=59), HOUR, OSLO))
        now += HOUR
    assert len(starts) == hours
    assert {after - before for before, after in pairwise(starts)} == {HOUR}


@pytest.mark.parametrize("zone", ["Europe/Oslo", "Asia/Kolkata", "Australia/Lord_Howe"])
@pytest.mark.parametrize("length", [HOUR, QUARTER])
def test_windows(zone: str, length: timedelta) -> None:
    """What is remembered of the window before never changes the answer, nor does the order."""
    windows, noise = Windows(length, ZoneInfo(zone)), Random(1)
    for _ in range(3000):
        now = at("2026-10-25 00:00") + noise.randrange(-18000, 18000) * SECOND
        for when in (now, now + SECOND, now - SECOND):
            assert windows.start(when) == window_start(when, length, ZoneInfo(zone))


@pytest.mark.parametrize(
    ("when", "hour"),
    [
        ("2026-01-15 12:00:10", "2026-01-15 12:00"),
        ("2026-01-15 12:05:00", "2026-01-15 12:00"),
        ("2026-01-15 12:05:01", None),
        ("2026-01-15 12:57:59", None),
        ("2026-01-15 12:58:00", "2026-01-15 13:00"),
    ],
)
def test_full_hour(when: str, hour: str | None) -> None:
    """A list speaks of a full hour if it comes two minutes before to five after."""
    assert full_hour(at(when), OSLO) == (at(hour) if hour else None)
