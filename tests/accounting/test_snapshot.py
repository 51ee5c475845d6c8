"""Which instant do the counters of a list belong to, and is the list believed?"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
import json
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting.register import LiveCounter, Refusal
from custom_components.han_port.accounting.snapshot import SnapshotDater
from custom_components.han_port.protocol.reading import Meter, MeterReading, Quantity

OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
# Clocks go back at 01:00 UTC
AUTUMN = datetime(2026, 10, 25, 0, tzinfo=UTC)


class House:
    """A meter, and what is known of it; 3.6 kW flow, or what a test says."""

    def __init__(self, start: datetime) -> None:
        """Begin at a full hour, a quarter of an hour before it."""
        self.dater = SnapshotDater(OSLO)
        self.registers = {
            name: LiveCounter(OSLO)
            for name in (Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT)
        }
        self.now = start - timedelta(minutes=15)

    def run(self, until: datetime, watts: float = 3600) -> None:
        """Let power be seen every 10 s."""
        while self.now < until:
            self.now = min(self.now + timedelta(seconds=10), until)
            self.registers[Quantity.ENERGY_IMPORT].advance(self.now, watts)
            self.registers[Quantity.ENERGY_EXPORT].advance(self.now, 0)
            self.dater.saw_power()

    def send(
        self,
        when: datetime,
        imported: float,
        clock: datetime | str | None,
        *,
        exported: float | None = 7,
        kind: int | None = 3,
    ) -> datetime | Refusal:
        """Let a list arrive that nobody sees the power of; settle with it if believed."""
        counters: Mapping[Quantity, float] = {
            name: value
            for name, value in zip(self.registers, (imported, exported), strict=True)
            if value is not None
        }
        if isinstance(clock, str):
            clock = datetime.fromisoformat(clock)
        reading = MeterReading(Meter(), counters, kind, clock)
        instant = self.dater.date(when, reading, counters, self.registers)
        if isinstance(instant, datetime):
            for name, value in counters.items():
                self.registers[name].settle(instant, value)
        return instant


def hours(count: float, seconds: float = 0) -> datetime:
    """Give a time after noon."""
    return NOON + timedelta(hours=count, seconds=seconds)


@pytest.fixture
def house() -> House:
    """Give a house whose meter sent its list at noon, by an Aidon's clock."""
    house = House(NOON)
    house.run(hours(0, 10))
    assert house.send(hours(0, 10), 100, "2026-01-15T13:00:00") == NOON
    return house


@pytest.mark.parametrize(
    ("late", "clock"),
    [
        (11.9, "2026-01-15T13:00:00"),  # Aidon: the full hour
        (12, "2026-01-15T13:00:10"),  # Kaifa: when it sends
        (5, "2026-01-15T13:00:05"),  # Kamstrup, anything from 5
        (56, "2026-01-15T13:00:55"),  # to 55 s
        (10, "2026-01-15T13:00:10+01:00"),  # an offset
        (10, "2026-01-15T12:00:10+00:00"),  # a false offset
        (10, "2000-01-01T03:17:00"),  # a clock without power for too long
        (10, None),  # no clock
        (290, "2026-01-15T13:00:00"),  # a bridge that held it back
        (-60, "2026-01-15T13:00:10"),  # a meter's clock that is fast
    ],
)
def test_first_list(late: float, clock: str | None) -> None:
    """A list is of the full hour around its arrival, whatever its clock shows of it."""
    house = House(NOON)
    house.run(hours(0, late))
    assert house.send(hours(0, late), 100, clock) == NOON
    assert not house.dater.live


@pytest.mark.parametrize(
    ("late", "clock"),
    [
        (301, "2026-01-15T13:00:00"),
        (-121, "2026-01-15T13:00:00"),
        (1800, None),
        (10, "2026-01-15T13:37:00"),
    ],
)
def test_off_hour(late: float, clock: str | None) -> None:
    """A list that came, or whose clock stood, at no full hour is not believed."""
    house = House(NOON)
    assert house.send(hours(0, late), 100, clock) is Refusal.OFF_HOUR


def test_zero(house: House) -> None:
    """A list with an import of nothing at all is not believed, nor is its export."""
    assert house.send(hours(1, 10), 0, "2026-01-15T14:00:00") is Refusal.ZERO
    assert House(NOON).send(hours(0, 10), 0, None) is Refusal.ZERO


def test_next_hours(house: House) -> None:
    """A list an hour later is of an hour later, and so is the one after a lost one."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, "2026-01-15T14:00:00") == hours(1)
    house.run(hours(3, 10))
    assert house.send(hours(3, 10), 110.8, "2026-01-15T16:00:00") == hours(3)


def test_repeated(house: House) -> None:
    """A list that came again an hour later is not believed, and the next one is."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 100, "2026-01-15T13:00:00") is Refusal.REPEATED
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 107.2, "2026-01-15T15:00:00") == hours(2)


def test_repeated_twice(house: House) -> None:
    """A meter that stays an hour behind is not believed while it does."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 100, "2026-01-15T13:00:00") is Refusal.REPEATED
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED
    house.run(hours(3, 10))
    assert house.send(hours(3, 10), 110.8, "2026-01-15T16:00:00") == hours(3)


def test_repeated_without_clock(house: House) -> None:
    """Counters that stood still while power flowed are a repeated list."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 100, None) is Refusal.REPEATED


def test_standing_still(house: House) -> None:
    """Counters that stood still while none flowed are right, by a clock that went on."""
    house.run(hours(1, 10), watts=0)
    assert house.send(hours(1, 10), 100, "2026-01-15T14:00:00") == hours(1)
    house.run(hours(2, 10), watts=15)  # 0.015 kWh, on a counter of 0.01
    assert house.send(hours(2, 10), 100, None) == hours(2)


def test_export_stands_still(house: House) -> None:
    """One counter that moved is enough."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, None, exported=7) == hours(1)
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 107.2, None, exported=None) == hours(2)


def test_stale_after_lost_list(house: House) -> None:
    """A list of the hour before is found by its energy when that hour's was lost."""
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED


def test_stale_after_gap(house: House) -> None:
    """Where no power was seen the clock alone tells a list of the hour before."""
    house.now = hours(1.5)
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED
    house.run(hours(3, 10))
    assert house.send(hours(3, 10), 110.8, "2026-01-15T16:00:00") == hours(3)


def test_clock_set_back(house: House) -> None:
    """A meter whose clock was set back is believed at once, by its energy."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, "2026-01-15T13:00:00") == hours(1)
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 107.2, "2026-01-15T14:00:00") == hours(2)


def test_clock_set_back_with_little_power(house: House) -> None:
    """Where next to nothing flowed it makes no difference, and the list is believed."""
    house.run(hours(1, 10), watts=15)
    assert house.send(hours(1, 10), 100.01, "2026-01-15T13:00:00") == hours(1)


def test_clock_set_back_in_gap(house: House) -> None:
    """A clock that was set back unseen costs one list."""
    house.now = hours(2.5)
    house.run(hours(3, 10))
    assert house.send(hours(3, 10), 110.8, "2026-01-15T15:00:00") is Refusal.REPEATED
    # As if nothing were known of this hour either
    house.registers = {name: LiveCounter(OSLO) for name in house.registers}
    assert house.send(hours(4, 10), 114.4, "2026-01-15T16:00:00") == hours(4)


def test_clock_set_back_beside_the_hour(house: House) -> None:
    """A list that is of no hour shows too that the clock was set back, by its counters."""
    assert house.send(hours(0.8), 103.6, "2026-01-15T13:00:00") is Refusal.OFF_HOUR
    assert house.send(hours(2, 10), 107.2, "2026-01-15T14:00:00") == hours(2)


def test_repeated_beside_the_hour(house: House) -> None:
    """With the counters of the list before it is that list, and the clock went on."""
    assert house.send(hours(0.8), 100, "2026-01-15T13:00:00") is Refusal.OFF_HOUR
    assert house.send(hours(2, 10), 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED


@pytest.mark.parametrize(
    ("when", "clock"),
    [(2.5, "2026-01-15T15:30:10"), (3, None), (3, "2026-01-15T15:30:10")],
)
def test_no_list_to_compare_in_gap(
    house: House, when: float, clock: str | None
) -> None:
    """Only an hour list with a clock before it shows that the clock was set back."""
    house.send(hours(when, 20), 109, clock)
    house.registers = {name: LiveCounter(OSLO) for name in house.registers}
    assert house.send(hours(4, 10), 114.4, "2026-01-15T16:00:00") is Refusal.REPEATED


def test_clock_set_forward(house: House) -> None:
    """A clock that was set forward is no reason for doubt."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, "2026-01-15T15:00:00") == hours(1)


def test_clock_lost_and_found(house: House) -> None:
    """A list without a usable clock is believed, and so is the next with one."""
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, "2000-01-01T00:00:10") == hours(1)
    house.run(hours(2, 10))
    assert house.send(hours(2, 10), 107.2, "2026-01-15T15:00:00") == hours(2)


@pytest.mark.parametrize("seen", [True, False])
def test_autumn(seen: bool) -> None:
    """The same local hour comes twice in autumn, and both lists are believed."""
    house = House(AUTUMN)
    house.run(AUTUMN + timedelta(seconds=10))
    house.send(house.now, 100, "2026-10-25T02:00:10")
    if not seen:
        house.now += timedelta(minutes=50)
    house.run(AUTUMN + timedelta(hours=1, seconds=10))
    again = house.send(house.now, 103.6, "2026-10-25T02:00:10")
    assert again == AUTUMN + timedelta(hours=1)


def test_stale_in_autumn() -> None:
    """The change explains a clock that is an hour behind, not two."""
    house = House(AUTUMN)
    house.run(AUTUMN + timedelta(seconds=10))
    house.send(house.now, 100, "2026-10-25T02:00:10")
    house.now += timedelta(hours=2.5)
    house.run(AUTUMN + timedelta(hours=3, seconds=10))
    again = house.send(house.now, 103.6, "2026-10-25T03:00:10")
    assert again is Refusal.REPEATED


def test_autumn_on_standard_time() -> None:
    """A meter that keeps standard time goes on as if nothing happened."""
    house = House(AUTUMN)
    house.run(AUTUMN + timedelta(seconds=10))
    house.send(house.now, 100, "2026-10-25T01:00:00")
    house.run(AUTUMN + timedelta(hours=1, seconds=10))
    again = house.send(house.now, 103.6, "2026-10-25T02:00:00")
    assert again == AUTUMN + timedelta(hours=1)


def test_repeated_in_autumn() -> None:
    """A list that came again in the hour of the change is still found."""
    house = House(AUTUMN)
    house.run(AUTUMN + timedelta(seconds=10))
    house.send(house.now, 100, "2026-10-25T02:00:10")
    house.run(AUTUMN + timedelta(hours=1, seconds=10))
    assert house.send(house.now, 100, "2026-10-25T02:00:10") is Refusal.REPEATED


def test_spring() -> None:
    """The clock of a meter with daylight saving jumps ahead in spring."""
    start = datetime(2026, 3, 29, 0, tzinfo=UTC)
    house = House(start)
    house.run(start + timedelta(seconds=10))
    house.send(house.now, 100, "2026-03-29T01:00:10")
    house.run(start + timedelta(hours=1, seconds=10))
    assert house.send(house.now, 103.6, "2026-03-29T03:00:10") == start + timedelta(
        hours=1
    )


def test_early_list(house: House) -> None:
    """Before our full hour there is no energy to compare, and the clock decides."""
    house.run(hours(2, -5))
    assert house.send(hours(2, -5), 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED


def test_list_sent_twice(house: House) -> None:
    """The same list once more is of the same hour, and no sign of a live meter."""
    again = house.send(hours(0, 12), 100, "2026-01-15T13:00:00")
    assert again == NOON
    assert not house.dater.live


def test_held_back_for_hours(house: House) -> None:
    """Of two hour lists that arrive together the later one is believed."""
    house.now = hours(2, 20)
    assert house.send(house.now, 103.6, "2026-01-15T14:00:00") is Refusal.REPEATED
    assert house.send(house.now, 107.2, "2026-01-15T15:00:00") == hours(2)
    assert not house.dater.live


def test_other_kinds_are_live() -> None:
    """A list that is none of the Norwegian three speaks of the moment."""
    house = House(NOON)
    assert house.send(hours(0, 10), 100, None, kind=None) == hours(0, 10)
    assert house.dater.live


@pytest.mark.parametrize("clock", ["2026-01-15T13:20:{:02}", None])
def test_live_is_learned(clock: str | None) -> None:
    """A second list soon after the first shows that a meter sends them all the time."""
    house = House(NOON)
    when = hours(1 / 3)
    clocks = [clock and clock.format(second) for second in (0, 10, 20)]
    assert house.send(when, 100, clocks[0]) is Refusal.OFF_HOUR
    when += timedelta(seconds=10)
    assert house.send(when, 100.01, clocks[1]) == when
    when += timedelta(seconds=10)
    assert house.send(when, 100.01, clocks[2]) == when


def test_live_in_outage(house: House) -> None:
    """A meter is still known to be live after it was not heard for hours."""
    house.send(hours(0, 20), 100.01, "2026-01-15T13:00:20")
    assert house.dater.live
    assert house.send(hours(3, 20), 107, "2026-01-15T16:00:20") == hours(3, 20)


def test_live_is_unlearned(house: House) -> None:
    """A meter whose power comes without counters is live no more."""
    house.send(hours(0, 20), 100.01, "2026-01-15T13:00:20")
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 103.6, "2026-01-15T14:00:10") == hours(1)
    assert not house.dater.live


def test_restart(house: House) -> None:
    """All of the state survives, through JSON."""
    house.dater.saw_power()
    for dater in (house.dater, SnapshotDater(OSLO)):
        stored = json.loads(json.dumps(dater.as_dict()))
        assert SnapshotDater.restore(OSLO, stored).as_dict() == dater.as_dict()
    house.send(hours(0, 20), 100.01, None)
    stored = json.loads(json.dumps(house.dater.as_dict()))
    house.dater = SnapshotDater.restore(OSLO, stored)
    house.run(hours(1, 10))
    assert house.send(hours(1, 10), 100, "2026-01-15T13:00:00") is Refusal.REPEATED


@pytest.mark.parametrize(
    "damage",
    [
        {"live": 1},
        {"samples": None},
        {"seen": [None, None, {}]},
        {"seen": ["2026-01-15T12:00:00+00:00", None, {"gas": 1}]},
        {"dated": ["2026-01-15T12:00:00+00:00"]},
    ],
)
def test_damaged_state(house: House, damage: dict[str, object]) -> None:
    """A state with any part damaged, or none at all, is a fresh start."""
    fresh = SnapshotDater(OSLO).as_dict()
    stored = house.dater.as_dict()
    assert SnapshotDater.restore(OSLO, stored | damage).as_dict() == fresh
    assert SnapshotDater.restore(OSLO, None).as_dict() == fresh
