"""How much energy the house has used: the sum of its power, at any instant."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random

import pytest

from simulator.curve import COUNTERS, EPOCH, MICROSECOND, WATT_HOUR, Curve, curve

HOUSE = curve(0)
SATURDAY = datetime(2026, 3, 28, 9, tzinfo=UTC)
WEEK = timedelta(days=7)


def test_energy_is_the_integral_of_power() -> None:
    """Over six hours the counters grow by the power of every second, exactly."""
    imported = exported = reactive = 0
    for second in range(6 * 3600):
        load = HOUSE.load(SATURDAY + timedelta(seconds=second))
        active = sum(load.active)
        imported += max(active, 0)
        exported += max(-active, 0)
        reactive += max(sum(load.reactive), 0)
    before = HOUSE.counters(SATURDAY)
    after = HOUSE.counters(SATURDAY + timedelta(hours=6))
    grown = {key: after[key] - before[key] for key in COUNTERS}
    assert imported > 0
    assert exported > 0
    assert grown["energy_import"] == imported * 1_000_000
    assert grown["energy_export"] == exported * 1_000_000
    assert (
        grown["reactive_energy_q1"] + grown["reactive_energy_q2"]
        == reactive * 1_000_000
    )


def test_power_changes_at_whole_seconds() -> None:
    """Within a second every microsecond adds the same energy."""
    random = Random(1)
    for _ in range(200):
        second = SATURDAY + timedelta(seconds=random.randrange(7 * 86_400))
        at = second + random.randrange(999_999) * MICROSECOND
        assert HOUSE.load(at) == HOUSE.load(second)
        power = sum(HOUSE.load(second).active)
        grown = {
            key: HOUSE.counters(at + MICROSECOND)[key] - HOUSE.counters(at)[key]
            for key in ("energy_import", "energy_export")
        }
        assert grown == {
            "energy_import": max(power, 0),
            "energy_export": max(-power, 0),
        }


@pytest.mark.parametrize("counter", COUNTERS)
def test_counters_never_decrease(counter: str) -> None:
    """At a thousand instants of two weeks, in order, no counter goes back."""
    random = Random(2)
    offsets = sorted(random.randrange(2 * 7 * 86_400 * 1_000_000) for _ in range(1000))
    seen = [HOUSE.counters(SATURDAY + each * MICROSECOND)[counter] for each in offsets]
    assert all(before <= after for before, after in pairwise(seen))
    assert seen[0] < seen[-1]


def test_energy_is_additive() -> None:
    """What two halves of a time add up to is what the whole adds, over weeks too."""
    random = Random(3)
    for _ in range(100):
        first, middle, last = (
            EPOCH + each * MICROSECOND
            for each in sorted(random.randrange(400 * 86_400_000_000) for _ in range(3))
        )
        used = [HOUSE.counters(each)["energy_import"] for each in (first, middle, last)]
        assert (used[1] - used[0]) + (used[2] - used[1]) == used[2] - used[0]
        # The same week for ever: two times a week apart use the same.
        later = [
            HOUSE.counters(each + WEEK)["energy_import"] for each in (first, middle)
        ]
        assert later[1] - later[0] == used[1] - used[0]


def test_week_has_no_seam() -> None:
    """Where one week ends and the next begins no energy is lost or made."""
    monday = EPOCH + 300 * WEEK
    before, after = (
        HOUSE.counters(monday - MICROSECOND),
        HOUSE.counters(monday),
    )
    power = sum(HOUSE.load(monday - MICROSECOND).active)
    assert after["energy_import"] - before["energy_import"] == max(power, 0)
    assert after["energy_export"] - before["energy_export"] == max(-power, 0)


@pytest.mark.parametrize(
    ("when", "tariff"),
    [
        ("2026-03-27T05:59:59+01:00", 2),
        ("2026-03-27T06:00:00+01:00", 1),
        ("2026-03-27T21:59:59+01:00", 1),
        ("2026-03-27T22:00:00+01:00", 2),
        ("2026-03-28T12:00:00+01:00", 2),  # Saturday
        ("2026-07-01T06:59:59+02:00", 2),  # standard time all year
        ("2026-07-01T07:00:00+02:00", 1),
    ],
)
def test_tariff(when: str, tariff: int) -> None:
    """Tariff 1 holds from 6 to 22 on working days, tariff 2 else; its counter runs then."""
    at = datetime.fromisoformat(when)
    assert HOUSE.tariff(at) == tariff
    grown = [
        HOUSE.counters(at + timedelta(seconds=1))[key] - HOUSE.counters(at)[key]
        for key in ("energy_import", "energy_import_t1")
    ]
    assert grown[1] == (grown[0] if tariff == 1 else 0)


def test_house_is_alive() -> None:
    """In a week the house draws from 0.1 to 15 kW, and solar exports at noon only."""
    powers = {
        minute: sum(HOUSE.load(EPOCH + timedelta(minutes=minute)).active)
        for minute in range(7 * 1440)
    }
    assert 8000 < max(powers.values()) < 15_000
    assert -5000 < min(powers.values()) < -1500
    exporting = {minute % 1440 // 60 for minute, power in powers.items() if power < 0}
    assert 12 in exporting
    assert exporting <= set(range(5, 21))


def test_same_seed_same_house() -> None:
    """A house built again is the same; another seed gives another one."""
    again, other = Curve(0), curve(1)
    for hour in range(0, 7 * 24, 5):
        at = SATURDAY + timedelta(hours=hour)
        assert again.load(at) == HOUSE.load(at)
        assert again.counters(at) == HOUSE.counters(at)
        assert other.counters(at) != HOUSE.counters(at)
    assert curve(0) is HOUSE


def test_parts_of_the_counters() -> None:
    """Tariff 1 is a part of the total, and both are older than a year of the house."""
    at_first = HOUSE.counters(EPOCH)
    assert 0 < at_first["energy_import_t1"] < at_first["energy_import"]
    assert 0 < at_first["energy_export_t1"] < at_first["energy_export"]
    assert at_first["energy_import"] > 2000 * 1000 * WATT_HOUR
