"""Do the hours of the energy dashboard equal the meter's own? Two days, faults and all."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
import logging
from typing import Any, NamedTuple
from unittest.mock import patch
from zoneinfo import ZoneInfo

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.accounting import HOUR
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.protocol import Quantity
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.exceptions import ServiceValidationError
from homeassistant.helpers.entity import Entity
import simulator
from tests.integration.conftest import (
    METER,
    NOON,
    Boot,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
    wait,
)
from tests.integration.home import BYSTANDER, DIRECTIONS, FIVE, PEER, Home, complaints

OSLO = ZoneInfo("Europe/Oslo")
# The last evening before clocks are put forward in Europe, and back
SPRING = datetime(2026, 3, 28, 12, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 24, 12, tzinfo=UTC)
# When things go wrong, in hours since the start
OUTAGE = 6.3
RESTART = 15.4
REPEATED = 20
HOURS = 48
RECORDED = {
    "include": {"entity_globs": ["*energy*", BYSTANDER]},
    # Not after each change, which takes half of the time; always before statistics
    "commit_interval": 3600,
}
# What it gives stands for a float in any list
approx: Any = pytest.approx

# One Home Assistant after the other, with the recorder's own work at its start
restarts = pytest.mark.parametrize(
    ("recorder_config", "persistent_database", "enable_missing_statistics"),
    [(RECORDED, True, True)],
    ids=["restarts"],
)


class Rule(NamedTuple):
    """What a grid company counts: the options, and the same said in another way."""

    options: dict[str, Any]
    counts: Callable[[datetime], float]

    def peaks(
        self, meter: simulator.SimulatedMeter, start: datetime
    ) -> list[tuple[float, datetime]]:
        """Give the highest hours of the meter's own, highest first, in local time."""
        hours = [start + HOUR * each for each in range(-1, HOURS)]
        powers = [
            (
                meter.energy_import(hour + HOUR) - meter.energy_import(hour),
                hour.astimezone(OSLO),
            )
            for hour in hours
        ]
        counted = sorted(
            (power * self.counts(hour), hour)
            for power, hour in powers
            if self.counts(hour)
        )[::-1]
        if self.options.get("one_per_day", True):
            days = {hour.date(): (power, hour) for power, hour in counted[::-1]}
            counted = sorted(days.values())[::-1]
        return counted[: self.options.get("peaks", 3)]


NORWAY = Rule({}, lambda hour: 1)
NIGHTS_HALF = Rule({"weight": 50}, lambda hour: 1 if 6 <= hour.hour < 22 else 0.5)
HIGHEST = Rule(
    {"peaks": 1, "one_per_day": False, "from_hour": 7, "to_hour": 20},
    lambda hour: 7 <= hour.hour < 20,
)
WORKDAYS = Rule(
    {"peaks": 5, "days": "workdays", "from_hour": 7, "to_hour": 19}
    | {"from_month": 11, "to_month": 3},
    lambda hour: (
        hour.weekday() < 5 and 7 <= hour.hour < 19 and hour.month in (11, 12, 1, 2, 3)
    ),
)


@pytest.fixture(name="quiet", autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let nobody write down each statement of SQL, which takes most of the time."""
    for name in ("sqlalchemy.engine", "homeassistant", "asyncio"):
        caplog.set_level(logging.WARNING, name)


@pytest.fixture(name="energy_only")
def _energy_only() -> Iterator[None]:
    """Enable energy, with the meter's counters, and peaks, and no other: they are many."""
    wanted = ("energy_import", "energy_export", "peak")
    enabled = property(lambda self: (self.translation_key or "").startswith(wanted))
    with patch.object(Entity, "entity_registry_enabled_default", enabled):
        yield


@pytest.mark.usefixtures("true_time", "energy_only", "port")
@restarts
@pytest.mark.parametrize(
    ("name", "start"), [("aidon", SPRING), ("kaifa", AUTUMN), ("kamstrup", SPRING)]
)
async def test_two_days(
    boot: Boot,
    freezer: FrozenDateTimeFactory,
    caplog: pytest.LogCaptureFixture,
    name: str,
    start: datetime,
) -> None:
    """Every settled hour is the meter's own, and so are the peaks; nothing else changes."""
    begin = start - timedelta(minutes=65)
    fault = f"repeat-hour-list,at={(REPEATED + 1) * 3600},for=600"
    meter = simulator.create(name, seed=7, faults=[fault])
    home = Home(freezer, meter, begin)
    await home.start(boot)
    await home.hear(start + HOUR * OUTAGE)
    home.coordinator._lose("a test")
    await home.miss(start + HOUR * OUTAGE + timedelta(minutes=10))
    await home.hear(start + HOUR * RESTART)
    await home.stop()
    await home.miss(start + HOUR * RESTART + timedelta(seconds=30))
    await home.start(boot)
    await home.hear(start + HOUR * HOURS + timedelta(minutes=10))

    for key in DIRECTIONS:
        counters = home.counters(key, start, HOURS)
        truth = [after - before for before, after in pairwise(counters)]
        booked = await home.booked(key, start, HOURS)
        # Also those whose counter the meter never told: their sum is known, and the
        # split is right to one step of a counter that counts in 10 Wh.
        assert booked == approx(truth, abs=0.01 + 1e-6)
        assert sum(booked) == approx(counters[-1] - counters[0])
        states = home.states[key]
        assert states == sorted(states)
        ended = [home.ended[key][start + HOUR * (each + 1)] for each in range(HOURS)]
        for hour, energy in enumerate(truth):
            before = ended[hour - 1] if hour == REPEATED else counters[hour]
            error = ended[hour] - before - energy
            if hour != int(OUTAGE):
                assert abs(error) <= max(0.01 * energy, 0.02) + 1e-6, (hour, error)
            else:  # never guessed
                assert error <= 0.02
        # The counter as it comes is an hour late
        raw = await home.booked(f"{PEER}{key}", start, HOURS)
        assert raw[8:15] == approx(truth[7:14])
        assert (
            sum(abs(each - energy) for each, energy in zip(raw, truth, strict=True)) > 5
        )
    assert await home.booked(BYSTANDER, start, HOURS) == approx([6] * HOURS)
    for rule in (NORWAY, NIGHTS_HALF, HIGHEST, WORKDAYS):
        await home.set_options(rule.options)
        check_peaks(home, rule.peaks(meter, start))
    assert complaints(caplog) == []


def check_peaks(home: Home, peaks: list[tuple[float, datetime]]) -> None:
    """See that a person sees these peaks."""
    hass, owner = home.hass, home.meter.id
    for number, (power, when) in enumerate(peaks, 1):
        peak = hass.states.get(entity_id(hass, f"peak_{number}", owner) or "")
        assert peak is not None
        assert float(peak.state) == approx(power, abs=0.01)
        found = (peak.attributes["date"], peak.attributes["hour"])
        assert found == (f"{when:%Y-%m-%d}", f"{when:%H:%M}")
    shown = state(hass, "peak_average", owner) or ""
    if peaks:
        average = sum(power for power, _ in peaks) / len(peaks)
        assert float(shown) == approx(average, abs=0.01)
    else:
        assert shown == "unknown"


async def spread_gap(hass: HomeAssistant, **data: Any) -> Any:
    """Call the action and give its answer."""
    answer = await hass.services.async_call(
        DOMAIN, "spread_gap", data, blocking=True, return_response=True
    )
    await async_recorder_block_till_done(hass)
    return answer


@pytest.mark.usefixtures("true_time", "energy_only", "port")
@restarts
async def test_away(
    boot: Boot, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """What was used while Home Assistant was down is spread over its hours on demand."""
    start = NOON + 4 * HOUR
    meter = simulator.create("kaifa", seed=7)
    home = Home(freezer, meter, start - HOUR)
    await home.start(boot)
    await home.hear(start + HOUR * 1.5)
    await home.stop()
    await home.miss(start + HOUR * 4.25)
    await home.start(boot)
    await home.hear(start + HOUR * 7 + 2 * FIVE)

    counters = home.counters("energy_import", start, 7)
    truth = [after - before for before, after in pairwise(counters)]
    booked = await home.booked("energy_import", start, 7)
    bystander = await home.booked(BYSTANDER, start, 7)
    # The first hour is whole, the last two again; all else came with the counter of 21.
    assert booked[0] == approx(truth[0], abs=0.001)
    assert booked[2:4] == [0, 0]
    assert booked[5:] == approx(truth[5:], abs=0.001)
    assert sum(booked) == approx(counters[-1] - counters[0])

    preview = await spread_gap(home.hass)
    assert await home.booked("energy_import", start, 7) == booked
    answer = await spread_gap(home.hass, apply=True)
    assert (preview["applied"], answer["applied"]) == (False, True)
    assert preview["gaps"] == answer["gaps"]
    (imported,) = (each for each in answer["gaps"] if "import" in each["entity_id"])
    shares = [each["energy"] for each in imported["hours"]]
    # Half of one hour, two whole ones, and a quarter, evenly
    assert [each / shares[1] for each in shares] == approx([0.5, 1, 1, 0.25], abs=0.02)
    spread = await home.booked("energy_import", start, 7)
    moved = [after - before for before, after in zip(booked, spread, strict=True)]
    assert moved == approx(
        [0, shares[0], shares[1], shares[2], -sum(shares[:3]), 0, 0], abs=0.001
    )
    assert sum(spread) == approx(sum(booked))
    assert await home.booked(BYSTANDER, start, 7) == bystander
    # It is up for an hour, for half of one, and from 20:15 on
    assert [bystander[each] for each in (0, 2, 3, 5, 6)] == approx([6, 0, 0, 6, 6])
    with pytest.raises(ServiceValidationError) as caught:
        await spread_gap(home.hass)
    assert caught.value.translation_key == "no_gap"
    assert complaints(caplog) == []


@pytest.mark.usefixtures("true_time", "energy_only", "port")
@restarts
async def test_stopped_between(
    boot: Boot, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """An hour is settled also if Home Assistant stops between its list and its row."""
    start = NOON + 4 * HOUR
    # Kamstrup sends its hour list before the recorder makes its row.
    home = Home(freezer, simulator.create("kamstrup", seed=7), start - HOUR)
    await home.start(boot)
    await home.hear(start + HOUR + timedelta(seconds=8))
    unbooked = home.coordinator.account.unbooked
    assert set(unbooked) == set(DIRECTIONS)
    counters = home.counters("energy_import", start, 2)
    assert unbooked[Quantity.ENERGY_IMPORT].counter == counters[1]
    await home.stop()
    await home.miss(start + HOUR + timedelta(seconds=50))
    await home.start(boot)
    await home.hear(start + HOUR * 2 + FIVE + timedelta(seconds=20))
    booked = await home.booked("energy_import", start, 2)
    truth = [after - before for before, after in pairwise(counters)]
    assert booked == approx(truth, abs=1e-6)
    assert home.coordinator.account.unbooked == {}
    assert complaints(caplog) == []


@pytest.mark.usefixtures("true_time", "energy_only", "port")
@restarts
async def test_replaced(
    boot: Boot, freezer: FrozenDateTimeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    """A meter that starts from other counters books no energy that nobody used."""
    start = NOON + 4 * HOUR
    # At half past the first hour its counters fall by 70,000 kWh, that of export to 0.
    fault = f"counter-jump:-70000,at={1.5 * 3600}"
    meter = simulator.create("kaifa", seed=7, faults=[fault])
    home = Home(freezer, meter, start - HOUR)
    await home.start(boot)
    await home.hear(start + HOUR * 4 + FIVE)
    account = home.coordinator.account
    assert set(account.disputed) == {Quantity.ENERGY_IMPORT, Quantity.ENERGY_EXPORT}
    for quantity in account.disputed:
        account.start_over(quantity)
    await home.hear(start + HOUR * 6 + FIVE * 2)
    assert account.disputed == {}
    booked = await home.booked("energy_import", start, 6)
    counters = home.counters("energy_import", start, 6)
    truth = [after - before for before, after in pairwise(counters)]
    # What the power came to, then what the meter counted
    assert booked[:5] == approx(truth[:5], abs=0.03)
    assert booked[5:] == approx(truth[5:], abs=0.001)
    states = home.states["energy_import"]
    assert states == sorted(states)
    assert complaints(caplog) == []


@pytest.mark.usefixtures("recorder_mock", "true_time", "energy_only")
async def test_settled_after_start(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Nothing is asked of the recorder during the start: they would wait for each other."""
    freezer.move_to(NOON + timedelta(seconds=10))
    hass.set_state(CoreState.starting)
    with patch("custom_components.han_port.statistics.async_settle") as settle:
        await set_up(hass, make_entry())
        await say(hass, port, METER.list(3, energy_import=100))
        settle.assert_not_called()
        hass.set_state(CoreState.running)
        await say(hass, port, METER.list(2))
        assert settle.call_count > 0


@pytest.mark.usefixtures("recorder_mock", "true_time", "energy_only")
@pytest.mark.parametrize(
    ("recorded", "shown"), [("100030", 100.03), ("99990", 100), ("5000000", 100)]
)
async def test_killed(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    recorded: str,
    shown: float,
) -> None:
    """What was shown before Home Assistant was killed is not taken back, if it was this meter's."""
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry(quantities=["energy_import"]))
    await say(hass, port, METER.list(2), METER.list(3, energy_import=100))
    assert float(state(hass, "energy_import") or 0) == 100
    assert await hass.config_entries.async_unload(entry.entry_id)
    freezer.tick()
    # As one that did not get to store it would have left it, in a unit that a person chose
    more = {"unit_of_measurement": "Wh", "restored": True}
    hass.states.async_set(entity_id(hass, "energy_import") or "", recorded, more)
    await async_recorder_block_till_done(hass)
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert float(state(hass, "energy_import") or 0) == shown


@pytest.mark.usefixtures("true_time")
async def test_hour_stored(
    hass: HomeAssistant,
    port: Port,
    freezer: FrozenDateTimeFactory,
    hass_storage: dict[str, Any],
) -> None:
    """What ends an hour is stored at once: it is told only once, and a kill may come."""
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry())
    await say(hass, port, METER.list(2))
    await say(hass, port, METER.list(3, energy_import=100))
    await wait(hass, freezer, 0)
    stored = hass_storage[f"{DOMAIN}.{entry.entry_id}"]["data"]
    assert stored["unbooked"]["energy_import"][:2] == [NOON.isoformat(), 100]
    assert stored["counters"]["energy_import"]["published"] == 100


@pytest.mark.usefixtures("true_time")
async def test_hour_not_known(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """Counters of no known hour are shown as they come; those of a known one settle."""
    freezer.move_to(NOON - timedelta(minutes=20))
    await set_up(hass, make_entry())
    for counter, shown in ((0, None), (1000, 1000), (1001, 1001), (999, 1001)):
        await say(hass, port, METER.list(3, energy_import=counter))
        found = state(hass, "energy_import")
        assert (None if found == "unknown" else float(found or "")) == shown
    freezer.move_to(NOON + timedelta(seconds=10))
    await say(hass, port, METER.list(3, energy_import=1002.5))
    assert float(state(hass, "energy_import") or 0) == 1002.5
