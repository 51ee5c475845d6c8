"""Do the blueprints do right through a day of a house with solar panels and a car?

The house is the simulator's, without its own car on that day, and all that the blueprints
see comes through the meter: once a minute, and each ten seconds from 16:00 on, when
the car is there. `WEEK=1` in the environment lives through the day of three houses.
"""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
import os
from pathlib import Path
import shutil

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.han_port.accounting import FuseGuard
from custom_components.han_port.protocol import Quantity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from simulator.curve import EPOCH, curve
from tests.integration.conftest import METER, Port, entity_id, make_entry, say, set_up

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
# A Tuesday, by the clock of the house
BEGIN = EPOCH + timedelta(days=316 * 7 + 1)
EVENING = BEGIN + timedelta(hours=16)
END = BEGIN + timedelta(days=1)
MINUTE = timedelta(minutes=1)
DELAY = 5 * MINUTE
FUSE, CAR = 20.0, 16.0
HIGH, SURPLUS, IMPORTED = 3000, 1500, 200
LOAD, CHARGER = "input_boolean.load", "input_number.car"
CURRENTS = (Quantity.CURRENT_L1, Quantity.CURRENT_L2, Quantity.CURRENT_L3)
SEEDS = (1, 2, 3) if "WEEK" in os.environ else (1,)


class Day:
    """What was drawn and done at each instant, told or switched."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self.watts: dict[datetime, float] = {}
        self.told: dict[str, list[datetime]] = {"high": [], "over": [], "ended": []}
        # When the load was turned on and off
        self.switched: list[datetime] = []
        self.overloads: list[datetime] = []
        self.charged: set[float] = set()

    def lasted(self, when: datetime, low: float, high: float = float("inf")) -> bool:
        """Say whether power was within for the delay before an instant."""
        before = [
            watts
            for at, watts in self.watts.items()
            if when - DELAY - MINUTE <= at < when
        ]
        return all(low < each < high for each in before[1:])


@pytest.fixture
async def home(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, tmp_path: Path
) -> AsyncIterator[HomeAssistant]:
    """Give a Home Assistant with the blueprints, a load and the current of a car."""
    shutil.copytree(BLUEPRINTS, tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    hass.loop.set_debug(False)
    freezer.move_to(BEGIN - MINUTE)
    number = {"min": 0, "max": 32, "initial": CAR}
    for domain, config in (
        ("input_boolean", {"load": {"initial": False}}),
        ("input_number", {"car": number}),
        ("homeassistant", {}),
    ):
        assert await async_setup_component(hass, domain, {domain: config})
    yield hass
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


def _tell(message: str) -> list[dict[str, object]]:
    return [{"action": "notify.phone", "data": {"message": message}}]


async def _use(hass: HomeAssistant, *, charger: bool) -> None:
    inputs: dict[str, dict[str, object]] = {
        "power_above": {
            "power": entity_id(hass, "active_power_import"),
            "threshold": HIGH,
            "duration": {"minutes": 5},
            "actions": _tell("high"),
        },
        "overload": {
            "overload": entity_id(hass, "overload", platform=Platform.BINARY_SENSOR),
            "actions": _tell("over"),
            "over_actions": _tell("ended"),
        },
        "surplus": {
            "export": entity_id(hass, "active_power_export"),
            "import": entity_id(hass, "active_power_import"),
            "load": LOAD,
            "start_power": SURPLUS,
        },
    }
    if charger:
        inputs["charger_current"] = {
            "headroom": entity_id(hass, "headroom"),
            "current": CHARGER,
            "settle": 0,
        }
    config = [
        {"alias": name, "use_blueprint": {"path": f"han_port/{name}.yaml", "input": it}}
        for name, it in inputs.items()
    ]
    assert await async_setup_component(hass, "automation", {"automation": config})
    await hass.async_block_till_done()
    assert len(hass.states.async_entity_ids("automation")) == len(config)


async def live(
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    port: Port,
    seed: int,
    *,
    charger: bool,
) -> Day:
    """Live through the day; without the blueprint the car takes all it can."""
    house, day, guard = curve(seed), Day(), FuseGuard(FUSE)
    calls = async_mock_service(hass, "notify", "phone")
    await set_up(hass, make_entry(options={"main_fuse": FUSE, "publish": "slow"}))
    await say(hass, port, METER.list(2))
    await _use(hass, charger=charger)
    now, heard, on, overload = BEGIN, 0, False, False
    while now < END:
        freezer.move_to(now)
        found = hass.states.get(CHARGER)
        assert found is not None
        car = float(found.state) if now >= EVENING else 0.0
        day.charged.add(car)
        # The load is on one phase, the car on all.
        active = [*house.load(now).active]
        active[0] += SURPLUS if on else 0
        watts = sum(active) + 690 * car
        day.watts[now] = watts
        amperes = [round(each / 230 + car, 1) for each in active]
        values = dict(zip(CURRENTS, amperes, strict=True))
        guard.advance(now, values)
        if guard.overload and not overload:
            day.overloads.append(now)
        overload = bool(guard.overload)
        power = {
            "active_power_import": max(watts, 0),
            "active_power_export": max(-watts, 0),
        }
        await say(hass, port, METER.list(2, **power, **values))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
        for call in calls[heard:]:
            day.told[call.data["message"]].append(now)
        heard = len(calls)
        if hass.states.is_state(LOAD, "on") is not on:
            day.switched.append(now)
            on = not on
        now += MINUTE if now < EVENING else MINUTE / 6
    return day


@pytest.mark.usefixtures("true_time")
@pytest.mark.parametrize("seed", SEEDS)
async def test_day(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port, seed: int
) -> None:
    """The fuse is never overloaded, the load runs on surplus, and high power is told."""
    day = await live(home, freezer, port, seed, charger=True)
    assert day.overloads == day.told["over"] == day.told["ended"] == []
    assert min(day.charged - {0}) < 10 < max(day.charged)
    assert day.told["high"]
    for when in day.told["high"]:
        assert day.lasted(when, HIGH)
    starts, stops = day.switched[::2], day.switched[1::2]
    assert len(starts) == len(stops)
    assert 1 <= len(starts) <= 12
    for when in starts:
        assert day.lasted(when, -float("inf"), -SURPLUS)
    for when in stops:
        assert day.lasted(when, IMPORTED)


@pytest.mark.usefixtures("true_time")
@pytest.mark.parametrize("seed", SEEDS)
async def test_without(
    home: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port, seed: int
) -> None:
    """A car that takes all it can overloads the fuse, and each time that is told."""
    day = await live(home, freezer, port, seed, charger=False)
    assert len(day.overloads) >= 2
    # The meter says tenths of an A, which may be one list sooner or later.
    for told, came in zip(day.told["over"], day.overloads, strict=True):
        assert abs(told - came) <= MINUTE / 6
    assert len(day.told["ended"]) in (len(day.overloads) - 1, len(day.overloads))
