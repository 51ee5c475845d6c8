"""Does a winter house stay below its limit through a week, and at what cost in comfort?

The house draws every 30 s; the accounts make forecast and available power of it. `WEEK=1`
in the environment runs all seven days of all five seeds, for the table (`-s` shows it).
"""

from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
import logging
from math import pi, sin
import os
from pathlib import Path
from random import Random
import shutil

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.han_port.accounting import HOUR, Account
from custom_components.han_port.protocol.reading import Meter, MeterReading, Quantity
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component

BEGIN = datetime(2026, 1, 12, tzinfo=UTC)
STEP = timedelta(seconds=30)
LIMIT = 5.0
LOADS = {"input_boolean.car": 3600, "input_boolean.boiler": 1950}
WHOLE = "WEEK" in os.environ
SEEDS = range(1, 6) if WHOLE else (1,)
DAYS = 7 if WHOLE else 1


class WinterHouse:
    """W that a house would draw: what nobody sheds, and what each load would take."""

    def __init__(self, seed: int) -> None:
        """Take the seed of all that people do."""
        self._random = Random(seed)
        self._heat = self._kettle = 0
        self._car: tuple[int, int] = (0, 0)

    def at(self, minute: float) -> tuple[float, dict[str, float]]:
        """Give both at a minute of the week, called in order of time."""
        random, day = self._random, minute % 1440
        if day == 0:
            start = 16 * 60 + random.randrange(180)
            self._car = (start, start + random.randint(120, 300))
        if minute % 10 == 0:
            self._heat = random.choice((600, 1100, 1600, 1900))
            cooking = 6 * 60 < day < 8 * 60 or 16 * 60 < day < 19 * 60
            self._kettle = random.choice((0, 0, 1500, 2000)) if cooking else 0
        sun = max(0.0, sin(pi * (day - 540) / 360)) if 540 < day < 900 else 0.0
        base = 300 + random.randint(0, 250) + self._heat + self._kettle - 1200 * sun
        car = LOADS["input_boolean.car"] if self._car[0] <= day < self._car[1] else 0
        boiler = 1950 if day % 180 < 40 else 0
        return base, {"input_boolean.car": car, "input_boolean.boiler": boiler}


class Outcome:
    """Hours above the limit, minutes in which a load was kept from running, switchings."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.hours: defaultdict[datetime, float] = defaultdict(float)
        self.shed = 0.0
        self.switched: Counter[tuple[str, int]] = Counter()
        self._last: dict[str, datetime] = {}
        # The shortest time between two switchings of one load
        self.closest = timedelta.max

    def switch(self, load: str, when: datetime) -> None:
        """Take note of a switching."""
        self.switched[load, (when - BEGIN).days] += 1
        if (last := self._last.get(load)) is not None:
            self.closest = min(self.closest, when - last)
        self._last[load] = when

    @property
    def above(self) -> int:
        """How many hours passed the limit."""
        return sum(energy > LIMIT for energy in self.hours.values())

    @property
    def most(self) -> int:
        """The most switchings of one load on one day."""
        return max(self.switched.values(), default=0)


BLUEPRINT = {
    "use_blueprint": {
        "path": "han_port/shed_loads.yaml",
        "input": {
            "available": "sensor.available",
            "forecast": "sensor.forecast",
            "limit": "number.limit",
            "loads": list(LOADS),
            "powers": ", ".join(map(str, LOADS.values())),
            "memory": "input_text.memory",
        },
    }
}
# What people write without it: off above the limit, on below it
PLAIN = {
    "triggers": [
        {
            "trigger": "numeric_state",
            "entity_id": "sensor.power",
            where: LIMIT * 1000,
            "id": action,
        }
        for where, action in (("above", "turn_off"), ("below", "turn_on"))
    ],
    "actions": [
        {
            "action": "homeassistant.{{ trigger.id }}",
            "target": {"entity_id": list(LOADS)},
        }
    ],
}


@pytest.fixture
async def home(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> AsyncIterator[HomeAssistant]:
    """Give a Home Assistant with the blueprints, two loads and a memory."""
    # What is logged of each step, and watched in it, takes longer than the step.
    caplog.set_level(logging.ERROR, "homeassistant")
    hass.loop.set_debug(False)
    shutil.copytree(Path(__file__).parents[2] / "blueprints", tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    freezer.move_to(BEGIN - HOUR)
    booleans = {name.split(".")[1]: {"initial": True} for name in LOADS}
    for domain, config in (
        ("input_boolean", booleans),
        ("input_text", {"memory": {"initial": "", "max": 255}}),
        ("homeassistant", {}),
    ):
        assert await async_setup_component(hass, domain, {domain: config})
    yield hass
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def live(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, seed: int, automation: object
) -> Outcome:
    """Live through the days."""
    house, account, outcome = WinterHouse(seed), Account(UTC), Outcome()
    freezer.move_to(BEGIN)
    hass.states.async_set("number.limit", str(LIMIT))
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    before = dict.fromkeys(LOADS, True)
    meter = Meter(id="6970631400000001")
    for step in range(DAYS * 2880):
        now = BEGIN + STEP * step
        freezer.move_to(now)
        base, wanted = house.at(step / 2)
        watts = base
        for name, draw in wanted.items():
            on = hass.states.is_state(name, "on")
            if on is not before[name]:
                outcome.switch(name, now)
            before[name] = on
            watts += draw if on else 0
            outcome.shed += 0.5 if draw and not on else 0
        watts = max(watts, 0)
        outcome.hours[now.replace(minute=0, second=0)] += watts * (STEP / HOUR) / 1000
        account.advance(now, MeterReading(meter, {Quantity.ACTIVE_POWER_IMPORT: watts}))
        hass.states.async_set("sensor.power", str(watts))
        hass.states.async_set("sensor.forecast", str(account.hour.forecast))
        hass.states.async_set("sensor.available", str(account.hour.available(LIMIT)))
        await hass.async_block_till_done()
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    return outcome


@pytest.mark.parametrize("seed", SEEDS)
async def test_blueprint(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, seed: int
) -> None:
    """No hour above the limit, no load switched over 20 times a day or twice in 10 minutes."""
    outcome = await live(home, freezer, seed, BLUEPRINT)
    print(f"\nblueprint {seed}: {outcome.above} {outcome.shed:.0f} {outcome.most}")  # noqa: T201 (the table)
    assert outcome.above == 0
    assert outcome.most <= 20
    assert outcome.closest >= timedelta(minutes=10)


@pytest.mark.parametrize("seed", SEEDS)
async def test_plain(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, seed: int
) -> None:
    """The comparison: a numeric state automation switches loads far more often."""
    outcome = await live(home, freezer, seed, PLAIN)
    print(f"\nplain {seed}: {outcome.above} {outcome.shed:.0f} {outcome.most}")  # noqa: T201 (the table)
    assert outcome.most > 20
