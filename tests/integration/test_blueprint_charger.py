"""Does the charger's blueprint keep each phase within what the fuse bears?

A house of three phases with 25 A and a car is simulated for two hours, and its currents
come through the meter: the blueprint sees the headroom that the integration makes of them.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from random import Random
import shutil

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import async_fire_time_changed

from custom_components.han_port.accounting.fuse import FuseGuard
from custom_components.han_port.protocol import Quantity
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
    state,
)

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
FUSE = 25.0
CAR = "input_number.car"
STEP = timedelta(seconds=10)


class Loads:
    """Appliances that come and go on three phases; without the car they bear 18.5 A."""

    def __init__(self, seed: int) -> None:
        """Take the seed of their coming and going."""
        self._random = Random(seed)
        self._on: list[list[tuple[int, float]]] = [[], [], []]

    def at(self, step: int) -> list[float]:
        """Give the A of each phase in the step; to be asked for one after the other."""
        random = self._random
        if random.random() < 0.02:
            ends = step + random.randint(6, 180)
            phase = random.randrange(3)
            self._on[phase].append((ends, random.choice((4.5, 8.5, 10, 3))))
        amperes = []
        for phase, loads in enumerate(self._on):
            self._on[phase] = [each for each in loads if each[0] > step][:2]
            used = sum(each[1] for each in self._on[phase])
            amperes.append(min(18.5, random.uniform(1, 3) + used))
        return amperes


def _car(hass: HomeAssistant) -> float:
    found = hass.states.get(CAR)
    assert found is not None
    return float(found.state)


@pytest.fixture
async def _house(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port, tmp_path: Path
) -> AsyncIterator[None]:
    """Give a meter with a fuse, and a number that stands for the charger."""
    shutil.copytree(BLUEPRINTS, tmp_path / "blueprints")
    hass.config.config_dir = str(tmp_path)
    freezer.move_to(NOON)
    await set_up(hass, make_entry(options={"main_fuse": FUSE}))
    number = {"car": {"min": 0, "max": 32, "initial": 6}}
    assert await async_setup_component(hass, "input_number", {"input_number": number})
    await say(hass, port, METER.list(2, current_l1=5, current_l2=5, current_l3=5))
    yield
    if "automation" in hass.config.components:
        await hass.services.async_call(
            "automation", "turn_off", {"entity_id": "all"}, blocking=True
        )


async def _charge(hass: HomeAssistant) -> None:
    use = {
        "path": "han_port/charger_current.yaml",
        "input": {
            "headroom": entity_id(hass, "headroom"),
            "current": CAR,
            "settle": 0,
        },
    }
    config = {"automation": {"alias": "charge", "use_blueprint": use}}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    assert hass.states.is_state("automation.charge", "on")


@pytest.mark.usefixtures("_house", "true_time")
async def test_within_the_fuse(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port
) -> None:
    """No phase is above the fuse for longer than the curve allows; the car gets the rest.

    The same loads with a car that always takes 16 A overload the fuse.
    """
    await _charge(hass)
    overload = entity_id(hass, "overload", platform=Platform.BINARY_SENSOR) or ""
    loads, car, charged, longest, run = Loads(1), 6.0, 0.0, 0, 0
    steps = 2 * 360
    always, tripped = FuseGuard(FUSE), False
    for step in range(1, steps):
        freezer.move_to(NOON + step * STEP)
        base = loads.at(step)
        amperes = [each + car for each in base]
        charged += car / steps
        run = run + 1 if max(amperes) > FUSE else 0
        longest = max(longest, run)
        currents = {f"current_l{n}": each for n, each in enumerate(amperes, 1)}
        always.advance(
            NOON + step * STEP,
            {Quantity(f"current_l{n}"): each + 16 for n, each in enumerate(base, 1)},
        )
        tripped |= bool(always.overload)
        await say(hass, port, METER.list(2, **currents))
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
        assert hass.states.is_state(overload, "off")
        # It follows by the next list.
        car = _car(hass)
    assert longest <= 2
    assert tripped
    assert charged > 10


@pytest.mark.usefixtures("_house", "true_time")
async def test_silence(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port
) -> None:
    """The link ends: the headroom is unavailable and the car at its minimum, at once."""
    await hass.services.async_call(
        "input_number", "set_value", {"entity_id": CAR, "value": 14}, blocking=True
    )
    await _charge(hass)
    assert _car(hass) == 14
    await say(hass, port, b"")
    assert state(hass, "headroom") == "unavailable"
    assert _car(hass) == 6


@pytest.mark.usefixtures("_house", "true_time")
async def test_currents_stop(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port
) -> None:
    """The meter is heard but its currents are not: unknown, and the car at its minimum."""
    await hass.services.async_call(
        "input_number", "set_value", {"entity_id": CAR, "value": 14}, blocking=True
    )
    await _charge(hass)
    for step in range(1, 11):
        freezer.move_to(NOON + step * STEP)
        await say(hass, port, METER.list(1))
    assert state(hass, "headroom") == state(hass, "headroom_l1") == "unknown"
    assert _car(hass) == 6
