"""What has the hour used, what will it have used, and what is left of a limit?"""

from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting.hour import RunningHour
from custom_components.han_port.accounting.register import LiveCounter
from custom_components.han_port.accounting.window import HOUR, QUARTER, Window

# What it gives stands for a float in any tuple
approx: Any = pytest.approx
OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)


class House:
    """A live counter, and the running window of it."""

    def __init__(self, length: timedelta = HOUR) -> None:
        """Begin five minutes before noon, at 3 kW."""
        self.counter = LiveCounter(OSLO)
        self.hour = RunningHour(self.counter, length, OSLO)
        self.now = at(-5)
        self.began: list[datetime] = []
        self.sample(3000)

    def sample(self, watts: float) -> None:
        """See a power."""
        self.counter.advance(self.now, watts)
        if self.hour.advance(self.now, watts):
            self.began.append(self.now)

    def run(self, minutes: float, watts: float = 3000) -> None:
        """See a power every 10 s, until so many minutes after noon."""
        while self.now < at(minutes):
            self.now = min(self.now + timedelta(seconds=10), at(minutes))
            self.sample(watts)


def at(minutes: float) -> datetime:
    """Give a time in minutes after noon."""
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
def house() -> House:
    """Give a house that has drawn 3 kW for twenty minutes of an hour."""
    house = House()
    house.run(20)
    return house


def test_before_power() -> None:
    """Nothing is known before any power."""
    hour = RunningHour(LiveCounter(OSLO), HOUR, OSLO)
    assert hour.start is None
    assert hour.energy is None
    assert hour.complete is False
    assert hour.forecast is None
    assert hour.available(5) is None
    assert hour.at_risk(5, before=True) is False
    assert hour.last is None
    assert hour.closed() == []


def test_energy(house: House) -> None:
    """The energy so far is what flowed since the full hour."""
    assert house.hour.start == NOON
    assert house.hour.energy == approx(1)
    assert house.hour.complete
    house.run(70)
    assert house.hour.start == at(60)
    assert house.hour.energy == approx(0.5)


def test_windows_begin(house: House) -> None:
    """The sample that begins a window says so, and no other."""
    house.run(130)
    assert house.began == [at(-5), at(0), at(60), at(120)]
    assert house.hour.energy == approx(0.5)


def test_quarters() -> None:
    """A window can be a quarter of an hour."""
    house = House(QUARTER)
    house.run(20)
    assert house.began == [at(-5), at(0), at(15)]
    assert house.hour.energy == approx(0.25)
    assert house.hour.forecast == approx(0.75)
    assert house.hour.available(4) == approx((1 - 0.25) * 6 * 1000 - 3000)
    assert house.hour.last == Window(at(0), at(15), approx(0.75))


def test_incomplete(house: House) -> None:
    """After a gap the energy so far lacks what flowed in it."""
    house.now = at(30)
    house.run(40)
    assert house.hour.energy == approx(1 + 0.5 - 3 / 360, abs=0.001)
    assert not house.hour.complete


def test_forecast_of_constant_power(house: House) -> None:
    """The forecast is the energy so far, plus the mean power times the time left."""
    assert house.hour.forecast == approx(3)
    house.run(59)
    assert house.hour.forecast == approx(3)


def test_forecast_and_kettle(house: House) -> None:
    """A kettle of 2 kW does not make the forecast jump, though it is on for 3 minutes."""
    before = house.hour.forecast
    assert before is not None
    highest, step = before, 0.0
    for second in range(10, 190, 10):
        house.run(20 + second / 60, watts=5000)
        forecast = house.hour.forecast
        assert forecast is not None
        step = max(step, forecast - highest)
        highest = max(highest, forecast)
    assert step < 0.03
    assert highest - before < 0.45
    house.run(40)
    assert house.hour.forecast == approx(before + 2 / 20, abs=0.04)


def test_forecast_and_car(house: House) -> None:
    """Two thirds of a lasting change are in the forecast after ten minutes."""
    house.run(30, watts=10_000)
    used = house.hour.energy
    assert used == approx(1 + 10 / 6, abs=0.01)
    mean = 3000 + 7000 * (1 - 2.718281828**-1)
    assert used is not None
    assert house.hour.forecast == approx(used + mean * 30 / 60_000)


def test_forecast_after_gap(house: House) -> None:
    """After a gap the power before it counts no more."""
    house.now = at(30)
    house.sample(6000)
    assert house.hour.forecast == approx(1 + 3)


def test_available(house: House) -> None:
    """What is left of the limit, over the time left, less the power now."""
    # 4 kWh in 40 minutes are 6 kW
    assert house.hour.available(5) == approx(6000 - 3000)
    house.run(20 + 1 / 6, watts=7000)
    available = house.hour.available(5)
    assert available is not None
    assert available == approx(6000 - 7000, abs=20)


def test_available_is_negative(house: House) -> None:
    """Where the hour has used it up already, more must be taken away than there is."""
    assert house.hour.available(0.5) == approx(-750 - 3000)


def test_available_in_last_minute(house: House) -> None:
    """The last seconds of an hour make no figure without bounds."""
    house.run(60 - 1 / 60)
    assert house.hour.available(5) == approx((5 - 3 * (1 - 1 / 3600)) * 60_000 - 3000)


def test_at_risk(house: House) -> None:
    """The limit is at risk if the forecast is above it, and until it is well below."""
    risk = house.hour.at_risk
    assert risk(3.01, before=False) is False
    assert risk(2.99, before=False) is True
    assert risk(3.01, before=True) is True
    assert risk(3.15, before=True) is True
    assert risk(3.16, before=True) is False


def test_no_risk_at_start() -> None:
    """In the first two minutes there is no alarm, and that of the last hour is over."""
    house = House()
    house.run(1.9)
    assert house.hour.at_risk(1, before=False) is False
    assert house.hour.at_risk(1, before=True) is False
    house.run(2)
    assert house.hour.at_risk(1, before=False) is True


def test_last(house: House) -> None:
    """The last hour is an estimate, and the difference of the counters when known."""
    assert house.hour.last is None
    house.counter.settle(NOON, 500)
    house.run(60)
    assert house.hour.last == Window(NOON, at(60), approx(3))
    house.counter.settle(at(60), 503.1)
    assert house.hour.last == Window(NOON, at(60), approx(3.1))


def test_closed(house: House) -> None:
    """All windows that are still remembered and known are given, in order."""
    assert house.hour.closed() == []
    house.run(125)
    assert house.hour.closed() == [
        Window(NOON, at(60), approx(3)),
        Window(at(60), at(120), approx(3)),
    ]
    quarters = RunningHour(house.counter, QUARTER, OSLO)
    quarters.advance(at(125), 3000)
    assert [each.start for each in quarters.closed()] == [
        at(minute) for minute in range(0, 120, 15)
    ]


def test_restart(house: House) -> None:
    """The mean power survives, through JSON, and so does the window."""
    house.run(22, watts=9000)
    again = RunningHour(house.counter, HOUR, OSLO)
    again.restore(json.loads(json.dumps(house.hour.as_dict())))
    assert again.as_dict() == house.hour.as_dict()
    assert again.forecast == house.hour.forecast
    empty = RunningHour(house.counter, HOUR, OSLO)
    again = RunningHour(house.counter, HOUR, OSLO)
    again.restore(empty.as_dict())
    assert again.as_dict() == empty.as_dict()


@pytest.mark.parametrize(
    "stored", [None, {}, {"when": 1}, {"when": "2026-01-15T12:00:00+00:00", "power": 1}]
)
def test_damaged_state(stored: object) -> None:
    """A damaged state is a fresh start."""
    hour = RunningHour(LiveCounter(OSLO), HOUR, OSLO)
    fresh = hour.as_dict()
    hour.restore(stored)
    assert hour.as_dict() == fresh
