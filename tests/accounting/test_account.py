"""Do readings of one meter become the right energy?"""

from collections import Counter
from datetime import UTC, datetime, timedelta
import json
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from custom_components.han_port.accounting import (
    QUARTER,
    Account,
    Dispute,
    Gap,
    PeakRules,
    Refusal,
    Settlement,
    Window,
)
from custom_components.han_port.protocol.reading import Meter, MeterReading, Quantity

# What it gives stands for a float in any tuple
approx: Any = pytest.approx
OSLO = ZoneInfo("Europe/Oslo")
NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
IMPORT, EXPORT = Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT
LIST_2 = {Quantity.ACTIVE_POWER_IMPORT: 3600.0, Quantity.ACTIVE_POWER_EXPORT: 0.0}


def at(minutes: float, seconds: float = 0) -> datetime:
    """Give a time in minutes and seconds after noon."""
    return NOON + timedelta(minutes=minutes, seconds=seconds)


def send(
    account: Account,
    when: datetime,
    values: dict[Quantity, float],
    *,
    meter: str | None = "7359992895600410",
    kind: int | None = 2,
    unmeasured: frozenset[Quantity] = frozenset(),
) -> dict[Quantity, Settlement]:
    """Let a reading arrive, by a meter without a clock."""
    reading = MeterReading(Meter(id=meter), values, kind, unmeasured=unmeasured)
    return account.advance(when, reading)


def run(account: Account, start: datetime, end: datetime, watts: float = 3600) -> None:
    """Let the power be seen every 10 s, the last time at the end."""
    while start <= end:
        send(account, start, LIST_2 | {Quantity.ACTIVE_POWER_IMPORT: watts})
        start += timedelta(seconds=10)


def restored(account: Account) -> Account:
    """Give an account that knows what another one stored."""
    again = Account(OSLO)
    again.restore(json.loads(json.dumps(account.as_dict())))
    return again


def last_hour(account: Account) -> float | None:
    """Give the import of the last full hour."""
    window = account.last_hour(IMPORT)
    return window.energy if window else None


def send_hour(
    account: Account, minutes: float, imported: float, exported: float = 7
) -> dict[Quantity, Settlement]:
    """Let an hour list arrive, 10 s after the hour."""
    values = LIST_2 | {IMPORT: imported, EXPORT: exported}
    return send(account, at(minutes, 10), values, kind=3)


@pytest.fixture
def account() -> Account:
    """Give the account of a house that draws 3.6 kW; its meter sent its list at noon."""
    account = Account(OSLO)
    run(account, at(-5), at(0))
    assert send_hour(account, 0, 100) == {
        IMPORT: Settlement(NOON, 100),
        EXPORT: Settlement(NOON, 7),
    }
    return account


def test_live_counters(account: Account) -> None:
    """Import and export are live, each by its own power."""
    run(account, at(0, 20), at(30))
    assert account.counters[IMPORT].total == approx(101.8)
    assert account.counters[EXPORT].total == 7
    assert not account.live


def test_list_1_is_import_only(account: Account) -> None:
    """A list with import alone says nothing of export."""
    exporting = {
        Quantity.ACTIVE_POWER_IMPORT: 0.0,
        Quantity.ACTIVE_POWER_EXPORT: 3600.0,
    }
    send(account, at(0, 20), exporting)
    for tenth in range(2, 6):
        for second in (2.5, 5, 7.5):
            power = {Quantity.ACTIVE_POWER_IMPORT: 0.0}
            send(account, at(0, 10 * tenth + second), power, meter=None, kind=1)
        send(account, at(0, 10 * tenth + 10), exporting)
    # Half of the first interval, in which the power turned, and all of the four others
    assert account.counters[EXPORT].total == approx(7.045)
    assert account.counters[IMPORT].total == approx(100.015)


def test_settlement(account: Account) -> None:
    """The hour list settles import and export, and says by how much."""
    run(account, at(0, 20), at(60))
    settled = send_hour(account, 60, 103.7)
    assert settled[IMPORT] == Settlement(at(60), 103.7, approx(0.1))
    assert settled[EXPORT] == Settlement(at(60), 7, 0)
    assert account.last_hour(IMPORT) == Window(NOON, at(60), approx(3.7))
    assert account.last_hour(EXPORT) == Window(NOON, at(60), 0)


def test_refused(account: Account) -> None:
    """What is not believed is counted by its reason, and the rest of the list holds."""
    run(account, at(0, 20), at(60))
    settled = send_hour(account, 60, 103.6, exported=1e6)
    assert list(settled) == [IMPORT]
    assert send_hour(account, 61, 0) == {}
    assert send_hour(account, 90, 104) == {}
    run(account, at(90, 20), at(120))
    assert send_hour(account, 120, 103.5, exported=6) == {}
    assert account.refused == Counter(
        [
            *(Refusal.JUMP, Refusal.ZERO, Refusal.OFF_HOUR),
            *(Refusal.BACKWARDS, Refusal.BACKWARDS),
        ]
    )
    assert send_hour(account, 180, 103.6, exported=7) == {}
    assert account.refused[Refusal.REPEATED] == 1


def test_last_hour_before_settlement(account: Account) -> None:
    """For the seconds before the hour list, the last hour is an estimate."""
    assert Account(OSLO).last_hour(IMPORT) is None
    assert account.last_hour(IMPORT) is None
    run(account, at(0, 20), at(60, 5))
    assert account.last_hour(IMPORT) == Window(NOON, at(60), approx(3.6))


def test_lost_list(account: Account) -> None:
    """An hour whose list never comes is settled by estimate, once, after five minutes."""
    run(account, at(0, 20), at(65))
    values = LIST_2
    settled = send(account, at(65, 10), values)
    assert settled == {
        IMPORT: Settlement(at(60), approx(103.6), estimated=True),
        EXPORT: Settlement(at(60), 7, estimated=True),
    }
    assert send(account, at(65, 20), values) == {}
    again = Account(OSLO)
    again.restore(account.as_dict())
    assert send(again, at(65, 20), values) == {}


def test_no_estimate_of_gap(account: Account) -> None:
    """An hour that ended in a gap is not settled by estimate, nor by one list twice."""
    assert send(account, at(5, 10), LIST_2) == {}
    run(account, at(5, 20), at(50))
    assert send(account, at(70), LIST_2) == {}


def test_live_meter() -> None:
    """Counters that come with each message pass straight through, and settle nothing."""
    account = Account(OSLO)
    values = LIST_2 | {EXPORT: 7}
    for tenth in range(-3, 4):
        imported = 100 + 0.01 * tenth
        settled = send(
            account, at(0, 10 * tenth), values | {IMPORT: imported}, kind=None
        )
        assert settled == {}
        assert account.counters[IMPORT].total == imported
    assert account.live
    assert account.hour.energy == approx(0.03)


def test_gap_of_live_meter() -> None:
    """Only the gap of a live meter is mentioned."""
    account = Account(OSLO)
    values = LIST_2 | {EXPORT: 7}
    send(account, at(50), values | {IMPORT: 100}, kind=None)
    settled = send(account, at(70), values | {IMPORT: 101}, kind=None)
    gap = Gap(at(50), at(70), 1)
    assert settled == account.gaps == {IMPORT: Settlement(at(70), 101, 1, gap)}
    again = Account(OSLO)
    again.restore(json.loads(json.dumps(account.as_dict())))
    assert again.gaps == account.gaps
    send(account, at(70, 10), values | {IMPORT: 101}, kind=None)
    assert account.gaps == again.gaps


def test_tariffs() -> None:
    """Where there is no counter of the total, those of the tariffs are added."""
    account = Account(OSLO)
    tariffs = {
        Quantity.ENERGY_IMPORT_T1: 4.1,
        Quantity.ENERGY_IMPORT_T2: 8.2,
        Quantity.ENERGY_EXPORT_T1: 3.0,
    }
    send(account, NOON, LIST_2 | tariffs, kind=None)
    assert account.counters[IMPORT].total == 12.3
    assert account.counters[EXPORT].total is None
    send(account, NOON, LIST_2 | tariffs | {IMPORT: 12.5}, kind=None)
    assert account.counters[IMPORT].total == 12.5


@pytest.mark.parametrize("watts", [float("nan"), float("inf"), -5, 4_294_967_295])
def test_impossible_power(account: Account, watts: float) -> None:
    """A power that cannot be is as good as none."""
    before = account.as_dict()
    send(account, at(0, 20), {Quantity.ACTIVE_POWER_IMPORT: watts})
    assert account.as_dict() == before


def test_impossible_counter(account: Account) -> None:
    """A counter that is no number is as good as none."""
    run(account, at(0, 20), at(60))
    settled = send_hour(account, 60, float("nan"), exported=-1)
    assert settled == {}
    assert not account.refused


def test_unmeasured(account: Account) -> None:
    """What the meter sends but does not measure is left out."""
    values = LIST_2 | {IMPORT: 103.6, EXPORT: 0}
    settled = send(account, at(60, 10), values, kind=3, unmeasured=frozenset({EXPORT}))
    assert list(settled) == [IMPORT]
    assert not account.refused


def test_other_readings(account: Account) -> None:
    """A reading of neither power nor energy, also of another meter, changes nothing."""
    before = account.as_dict()
    send(account, at(0, 20), {Quantity.VOLTAGE_L1: 230.1})
    send(account, at(0, 20), {Quantity.VOLTAGE_L1: 230.1}, meter="gas")
    assert account.as_dict() == before


def test_two_names(account: Account) -> None:
    """A meter that names itself in two ways goes on with its counters."""
    device, serial = "ISK1020784605887", "84605887"
    for seconds in range(0, 1200, 5):
        send(account, at(0, seconds), LIST_2, meter=device, kind=None)
        if seconds % 900 == 0:
            values = {IMPORT: 100 + seconds / 1000}
            send(account, at(0, seconds + 1), values, meter=serial, kind=None)
    assert account.meter_id == device
    # 0.9 kWh by the counter at a quarter past, and five minutes of 3.6 kW since.
    assert account.counters[IMPORT].total == approx(101.2, abs=0.01)


def test_new_meter(account: Account) -> None:
    """A new meter id starts new counters; the peaks stay."""
    run(account, at(0, 20), at(60))
    send_hour(account, 60, 103.6)
    assert account.peaks.average() == approx(3.6)
    assert account.meter_id == "7359992895600410"
    send(account, at(80), LIST_2, meter="6970631401753985")
    assert account.meter_id == "6970631401753985"
    assert account.counters[IMPORT].total is None
    values = LIST_2 | {IMPORT: 1.5, EXPORT: 0}
    settled = send(account, at(120, 10), values, meter="6970631401753985", kind=3)
    assert settled[IMPORT] == Settlement(at(120), 1.5)
    assert account.counters[IMPORT].total == 1.5
    assert account.peaks.average() == approx(3.6)


def test_disputed(account: Account) -> None:
    """Counters that cannot be believed are a matter for a person after three hours."""
    run(account, at(0, 20), at(60))
    for hour in (1, 2, 3):
        send_hour(account, hour * 60, 3 + hour)
        run(account, at(hour * 60, 20), at(hour * 60 + 60))
        assert account.disputed == {}
    send_hour(account, 240, 7)
    assert account.disputed == {IMPORT: Dispute(at(60), 7)}
    assert account.refused == {Refusal.BACKWARDS: 4}
    account = restored(account)
    assert account.disputed == {}
    run(account, at(240, 20), at(300))
    assert account.disputed == {IMPORT: Dispute(at(60), 7)}
    # The meter was right after all
    send_hour(account, 300, 118)
    assert account.disputed == {}


def test_start_over(account: Account) -> None:
    """After a person says that the meter was replaced nothing steps, or gets lost."""
    run(account, at(0, 20), at(60))
    send_hour(account, 60, 3)
    run(account, at(60, 20), at(90))
    account.start_over(IMPORT)
    account = restored(account)
    published = account.counters[IMPORT].published
    assert published == approx(105.4)
    run(account, at(90, 10), at(120))
    settled = send_hour(account, 120, 6.6)
    # What the power came to in two hours
    assert settled[IMPORT] == Settlement(
        at(120), approx(107.2), approx(0), revised=((at(60), approx(103.6)),)
    )
    assert account.counters[IMPORT].total == approx(107.21)
    assert account.hour.energy == approx(0.01)
    account = restored(account)
    run(account, at(120, 20), at(180))
    assert send_hour(account, 180, 10.3)[IMPORT].counter == approx(110.9)
    assert account.refused == {}
    assert last_hour(account) == approx(3.7)
    run(account, at(180, 20), at(240))
    assert send_hour(account, 240, 10.3) == {}
    assert account.refused[Refusal.REPEATED] == 1


def test_start_over_at_zero(account: Account) -> None:
    """A new counter of 0 is refused after it was believed, like that of any meter."""
    account.start_over(EXPORT)
    run(account, at(0, 20), at(60))
    send_hour(account, 60, 103.6, exported=2)
    run(account, at(60, 20), at(120))
    send_hour(account, 120, 107.2, exported=0)
    assert account.refused == {Refusal.ZERO: 1}
    assert account.counters[EXPORT].published == 7


def test_start_over_from_nothing() -> None:
    """Where nothing is known the counter is taken as it comes; else it goes on there."""
    account = Account(OSLO)
    account.start_over(IMPORT)
    account.start_over(EXPORT)
    account.counters[EXPORT].hold(20)
    send_hour(account, 0, 100, exported=7)
    assert account.counters[IMPORT].published == 100
    assert account.counters[EXPORT].published == 20


def test_peaks(account: Account) -> None:
    """The hour is a peak when it is over, and again when the meter has counted it."""
    assert account.peaks.average() is None
    run(account, at(0, 20), at(59, 50))
    assert account.peaks.average() is None
    run(account, at(60), at(60))
    assert account.peaks.average() == approx(3.6)
    send_hour(account, 60, 103.7)
    assert account.peaks.average() == approx(3.7)


def test_gap_is_no_peak(account: Account) -> None:
    """An hour of which energy went by unseen is a peak only if the meter counted it."""
    run(account, at(0, 20), at(30))
    run(account, at(40), at(60))
    assert account.peaks.average() is None
    send_hour(account, 60, 103.6)
    assert account.peaks.average() == approx(3.6)
    run(account, at(60, 20), at(110))
    run(account, at(190), at(240))
    send_hour(account, 240, 150)
    assert account.peaks.average() == approx(3.6)
    run(account, at(240, 20), at(300))
    send_hour(account, 300, 154)
    assert account.peaks.average() == approx(4)


def test_quarters() -> None:
    """By the rules a window can be a quarter, each a peak when it is over."""
    account = Account(OSLO, PeakRules(length=QUARTER, one_per_day=False))
    run(account, at(-5), at(0))
    send_hour(account, 0, 100)
    run(account, at(0, 20), at(15), watts=4000)
    assert account.hour.length == QUARTER
    assert account.hour.last == Window(NOON, at(15), approx(1, abs=0.005))
    assert account.peaks.average() == approx(4, abs=0.02)
    run(account, at(15, 10), at(60), watts=2000)
    send_hour(account, 60, 102.5)
    assert [each.start for each in account.peaks.top()] == [at(0), at(15), at(30)]


def test_restart(account: Account) -> None:
    """All of the state survives, through JSON."""
    run(account, at(0, 20), at(90))
    account.refused.clear()
    again = Account(OSLO)
    again.restore(json.loads(json.dumps(account.as_dict())))
    again.peaks.restore(json.loads(json.dumps(account.peaks.as_dict())))
    assert again.as_dict() == account.as_dict()
    for each in (account, again):
        run(each, at(90, 10), at(120))
        send_hour(each, 120, 107.3)
    assert again.as_dict() == account.as_dict()
    assert again.peaks.top() == account.peaks.top()
    assert again.hour.forecast == account.hour.forecast


def test_unbooked(account: Account) -> None:
    """A settlement waits to be booked, through a restart too, until a newer one comes."""
    run(account, at(0, 20), at(60))
    first = send_hour(account, 60, 103.6)
    assert account.unbooked == first
    again = Account(OSLO)
    again.restore(json.loads(json.dumps(account.as_dict())))
    assert {name: each[:2] for name, each in again.unbooked.items()} == {
        name: each[:2] for name, each in first.items()
    }
    account.booked(EXPORT, first[EXPORT])
    account.booked(EXPORT, first[EXPORT])
    assert account.unbooked == {IMPORT: first[IMPORT]}
    run(account, at(60, 20), at(120))
    second = send_hour(account, 120, 107.2)
    account.booked(IMPORT, first[IMPORT])
    assert account.unbooked == second
    account.booked(IMPORT, second[IMPORT])
    assert account.unbooked == {EXPORT: second[EXPORT]}


@pytest.mark.parametrize(
    "stored", [None, [], {}, {"meter_id": 7, "counters": []}, {"settled": 7}]
)
def test_no_state(stored: object) -> None:
    """A state that cannot be read is a fresh start."""
    account = Account(OSLO)
    account.restore(stored)
    assert account.as_dict() == Account(OSLO).as_dict()


@pytest.mark.parametrize("part", ["counters", "gaps", "hour", "lists", "unbooked"])
def test_damaged_state(account: Account, part: str) -> None:
    """A part that is damaged costs no other part."""
    run(account, at(0, 20), at(50))
    run(account, at(70), at(120))
    assert send_hour(account, 120, 107.2)[IMPORT].gap
    stored = account.as_dict()
    again = Account(OSLO)
    again.restore(stored | {part: "damaged"})
    fresh = Account(OSLO).as_dict()
    kept = {name for name, each in again.as_dict().items() if each == stored[name]}
    assert kept == set(stored) - {part}
    assert again.as_dict()[part] == fresh[part]
