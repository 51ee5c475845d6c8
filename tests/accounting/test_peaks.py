"""Which windows of a month are its peaks?"""

from datetime import UTC, datetime, timedelta
import json
from zoneinfo import ZoneInfo

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.accounting.peaks import Peak, PeakRules, Peaks
from custom_components.han_port.accounting.window import HOUR, QUARTER, Window

OSLO = ZoneInfo("Europe/Oslo")
NIGHT = frozenset({22, 23, 0, 1, 2, 3, 4, 5})
WORKDAY = frozenset(range(5))


def local(text: str) -> datetime:
    """Give a local time of January 2026 from `day hour:minute`, or from a whole date."""
    if len(text) < 10:
        text = f"2026-01-{text}"
    return datetime.fromisoformat(text).replace(tzinfo=OSLO)


def make(rules: PeakRules | None = None, now: str = "31 23:00") -> Peaks:
    """Give peaks of January 2026."""
    peaks = Peaks(rules or PeakRules(), OSLO)
    peaks.advance(local(now))
    return peaks


def record(peaks: Peaks, **windows: float) -> None:
    """Record energy in kWh by `d15h08`, or `d15h08q30` for a quarter."""
    for name, energy in windows.items():
        start = local(f"{name[1:3]} {name[4:6]}:{name[7:] or '00'}").astimezone(UTC)
        peaks.record(Window(start, start + peaks.rules.length, energy))


def shown(peaks: Peaks, month: str | None = None) -> list[tuple[str, float]]:
    """Give day and hour of each peak, and what it counts."""
    return [(f"{each.start:%d %H:%M}", each.counted) for each in peaks.top(month)]


def test_nothing() -> None:
    """Before anything is known there are no peaks and no average."""
    peaks = Peaks(PeakRules(), OSLO)
    assert peaks.month is None
    assert peaks.last_month is None
    assert peaks.top() == []
    assert peaks.average() is None


def test_norway() -> None:
    """The three highest hours of three different days are averaged."""
    peaks = make()
    record(peaks, d01h08=2, d02h09=5, d02h18=6, d03h10=4, d04h11=3)
    assert shown(peaks) == [("02 18:00", 6), ("03 10:00", 4), ("04 11:00", 3)]
    assert peaks.average() == pytest.approx(13 / 3)
    assert peaks.top()[0] == Peak(local("02 18:00"), 6, 6, corrected=False)
    assert peaks.top()[0].start.utcoffset() == timedelta(hours=1)


def test_beginning_of_month() -> None:
    """While there are fewer peaks than count, those there are count."""
    peaks = make(now="01 12:00")
    record(peaks, d01h08=2, d01h09=4)
    assert shown(peaks) == [("01 09:00", 4)]
    assert peaks.average() == 4


def test_any_day() -> None:
    """Several hours of one day count where the rules have it so."""
    peaks = make(PeakRules(one_per_day=False))
    record(peaks, d01h08=2, d02h09=5, d02h18=6, d03h10=4)
    assert shown(peaks) == [("02 18:00", 6), ("02 09:00", 5), ("03 10:00", 4)]


def test_equal_peaks() -> None:
    """Of equal peaks the earliest counts."""
    peaks = make(PeakRules(count=1))
    record(peaks, d03h10=4, d02h18=4, d02h09=4)
    assert shown(peaks) == [("02 09:00", 4)]


def test_quarters() -> None:
    """A quarter's energy is a quarter of its mean power."""
    peaks = make(PeakRules(count=2, length=QUARTER))
    record(peaks, d01h08q15=1, d02h09q30=1.5)
    assert shown(peaks) == [("02 09:30", 6), ("01 08:15", 4)]


def test_workdays_in_winter() -> None:
    """Only windows that start in the hours, on the weekdays and in the months count."""
    rules = PeakRules(
        count=5,
        weekdays=WORKDAY,
        hours=frozenset(range(7, 19)),
        months=frozenset({11, 12, 1, 2, 3}),
    )
    peaks = make(rules)
    # The 3rd is a Saturday, the 4th a Sunday
    record(peaks, d01h06=9, d01h07=1, d02h18=2, d02h19=9, d03h12=9, d04h12=9, d05h12=3)
    assert shown(peaks) == [("05 12:00", 3), ("02 18:00", 2), ("01 07:00", 1)]
    summer = Peaks(rules, OSLO)
    when = datetime(2026, 7, 1, 8, tzinfo=UTC)
    summer.advance(when)
    summer.record(Window(when, when + HOUR, 5))
    assert summer.average() is None


def test_night_at_half_weight() -> None:
    """A night's power counts half, and is told as it was."""
    peaks = make(PeakRules(weighted_hours=NIGHT, weight=0.5))
    record(peaks, d01h21=4, d02h22=9, d03h05=7, d04h06=3)
    assert peaks.top() == [
        Peak(local("02 22:00"), 9, 4.5, corrected=False),
        Peak(local("01 21:00"), 4, 4, corrected=False),
        Peak(local("03 05:00"), 7, 3.5, corrected=False),
    ]
    assert peaks.average() == 4


def test_local_day() -> None:
    """Days are those of the local clock."""
    peaks = make()
    record(peaks, d01h23=5, d02h00=4)
    assert shown(peaks) == [("01 23:00", 5), ("02 00:00", 4)]


def test_both_hours_of_autumn() -> None:
    """The hour from 02 to 03 that comes twice is two windows."""
    peaks = make(PeakRules(one_per_day=False), now="2026-10-25 12:00")
    for hour, energy in ((0, 3), (1, 4)):
        start = datetime(2026, 10, 25, hour, tzinfo=UTC)
        peaks.record(Window(start, start + HOUR, energy))
    assert [(each.start.isoformat(), each.power) for each in peaks.top()] == [
        ("2026-10-25T02:00:00+01:00", 4),
        ("2026-10-25T02:00:00+02:00", 3),
    ]


def test_settled_window() -> None:
    """A window that is recorded again replaces what was known of it."""
    peaks = make(PeakRules(count=1))
    record(peaks, d01h08=4)
    assert peaks.average() == 4
    record(peaks, d01h08=3.98)
    assert peaks.average() == 3.98
    before = peaks.top()
    record(peaks, d01h08=3.98)
    assert peaks.top() is before


def test_month() -> None:
    """A new month begins without peaks; the last one is kept, and its last hour settled."""
    peaks = make()
    record(peaks, d15h08=4, d31h23=5)
    peaks.advance(local("2026-02-01 00:00"))
    assert (peaks.month, peaks.last_month) == ("2026-02", "2026-01")
    assert peaks.top() == []
    record(peaks, d31h23=6)
    assert shown(peaks, "2026-01") == [("31 23:00", 6), ("15 08:00", 4)]
    assert peaks.average("2026-01") == 5
    peaks.advance(local("2026-03-01 00:00"))
    assert peaks.last_month == "2026-02"
    assert peaks.average("2026-01") is None
    record(peaks, d31h23=7)
    assert peaks.average("2026-01") is None


def test_clock_put_back() -> None:
    """A month that has begun does not end because a clock is put back."""
    peaks = make()
    record(peaks, d15h08=4)
    peaks.advance(local("2025-12-31 23:59"))
    assert peaks.month == "2026-01"
    assert peaks.average() == 4


def test_correct() -> None:
    """A power that a person enters stays, whatever is recorded after it."""
    peaks = make(PeakRules(count=1))
    record(peaks, d01h08=9, d02h09=5)
    peaks.correct(local("01 08:30"), 5.5)
    record(peaks, d01h08=9.1)
    assert peaks.top() == [Peak(local("01 08:00"), 5.5, 5.5, corrected=True)]
    peaks.correct(local("04 12:00"), 6)
    assert shown(peaks) == [("04 12:00", 6)]


def test_remove() -> None:
    """A peak that is removed makes room for the next one of its day, or another day."""
    peaks = make(PeakRules(count=2))
    record(peaks, d01h08=9, d01h09=4, d02h09=5, d03h10=3)
    peaks.remove(local("01 08:00"))
    record(peaks, d01h08=9.1)
    assert shown(peaks) == [("02 09:00", 5), ("01 09:00", 4)]
    peaks.remove(local("01 09:00"))
    assert shown(peaks) == [("02 09:00", 5), ("03 10:00", 3)]


def test_correction_of_unknown_month() -> None:
    """A month that is not kept cannot be corrected."""
    peaks = make()
    with pytest.raises(ValueError, match="nothing is kept of 2025-12"):
        peaks.correct(local("2025-12-31 23:00"), 3)
    with pytest.raises(ValueError, match="nothing is kept of 2025-12"):
        peaks.remove(local("2025-12-31 23:00"))


def test_restart() -> None:
    """All of the state survives, through JSON, and goes with the month."""
    peaks = make()
    record(peaks, d01h08=9, d02h09=5.25, d03h10=3)
    peaks.correct(local("02 09:00"), 4)
    peaks.remove(local("03 10:00"))
    again = Peaks(PeakRules(), OSLO)
    again.restore(json.loads(json.dumps(peaks.as_dict())))
    assert again.as_dict() == peaks.as_dict()
    assert again.top() == peaks.top()
    again.advance(local("2026-02-01 00:00"))
    assert again.top() == []


def test_rules_changed() -> None:
    """New rules hold for the whole month; those of another length begin anew."""
    peaks = make()
    record(peaks, d01h08=9, d01h09=8, d02h09=5)
    other = Peaks(PeakRules(count=2, one_per_day=False), OSLO)
    other.restore(peaks.as_dict())
    assert shown(other) == [("01 08:00", 9), ("01 09:00", 8)]
    quarters = Peaks(PeakRules(length=QUARTER), OSLO)
    quarters.restore(peaks.as_dict())
    assert quarters.top() == []


@pytest.mark.parametrize(
    "damage",
    [
        None,
        [],
        {},
        {"month": None},
        {"month": "soon"},
        {"months": 7},
        {"months": {"soon": {}}},
        {"length": "1"},
    ],
)
def test_damaged_state(damage: dict[str, object] | None) -> None:
    """A state that cannot be read at all is a fresh start."""
    peaks = make()
    record(peaks, d01h08=9)
    again = Peaks(PeakRules(), OSLO)
    again.restore(
        peaks.as_dict() | damage if isinstance(damage, dict) and damage else damage
    )
    assert again.as_dict() == Peaks(PeakRules(), OSLO).as_dict()


def test_damaged_entries() -> None:
    """A state of which a part is damaged keeps the rest."""
    peaks = make()
    record(peaks, d01h08=9, d02h09=5)
    stored = peaks.as_dict()
    months = json.loads(json.dumps(stored["months"]))
    months["2026-01"]["windows"] |= {"x": 1, "1767600000": "high", "1": None}
    del months["2026-01"]["corrections"]
    again = Peaks(PeakRules(), OSLO)
    again.restore(stored | {"months": months})
    again.advance(local("31 23:30"))
    assert again.as_dict() == stored


@given(
    st.dictionaries(st.integers(0, 31 * 24 - 1), st.floats(0, 50), max_size=60),
    st.integers(1, 5),
    st.booleans(),
)
def test_properties(energy: dict[int, float], count: int, one_per_day: bool) -> None:
    """No window that is left out is higher than one that counts, but for its day."""
    peaks = make(PeakRules(count=count, one_per_day=one_per_day))
    first = local("01 00:00")
    for hour, kwh in energy.items():
        peaks.record(Window(first + hour * HOUR, first + (hour + 1) * HOUR, kwh))
    top = peaks.top()
    values = [each.power for each in top]
    assert values == sorted(values, reverse=True)
    days = [each.start.day for each in top]
    limit = 0.0
    if len(top) == count:
        limit = values[-1]
    for hour, kwh in energy.items():
        day = (first + hour * HOUR).day
        if one_per_day and day in days:
            assert kwh <= values[days.index(day)] + 1e-6
        else:
            assert kwh <= limit + 1e-6 or (first + hour * HOUR) in {
                each.start for each in top
            }
    assert len(set(days)) == len(days) or not one_per_day
