"""Do the blueprints act on power as they say, and hold still while the meter is silent?"""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
import shutil
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.common import (
    async_fire_time_changed,
    async_mock_service,
)

from custom_components.han_port.accounting import FuseGuard
from custom_components.han_port.protocol import Quantity
from homeassistant.const import Platform
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.setup import async_setup_component
from tests.integration.conftest import (
    METER,
    NOON,
    Port,
    entity_id,
    make_entry,
    say,
    set_up,
)

BLUEPRINTS = Path(__file__).parents[2] / "blueprints"
BEGIN = datetime(2026, 1, 15, 12, tzinfo=UTC)
LOADS = ["input_boolean.car", "input_boolean.heat"]


class House:
    """Home Assistant with an automation of one blueprint, and a clock to move."""

    def __init__(
        self, hass: HomeAssistant, freezer: FrozenDateTimeFactory, folder: Path
    ) -> None:
        """Take a folder of the test for the configuration."""
        shutil.copytree(BLUEPRINTS, folder / "blueprints")
        hass.config.config_dir = str(folder)
        self.hass, self._freezer = hass, freezer
        freezer.move_to(BEGIN)

    async def use(self, name: str, **inputs: Any) -> None:
        """Make the automation."""
        use = {"path": f"han_port/{name}.yaml", "input": inputs}
        config = {"automation": {"id": name, "alias": name, "use_blueprint": use}}
        assert await async_setup_component(self.hass, "automation", config)
        await self.hass.async_block_till_done()
        found = self.hass.states.get(f"automation.{name}")
        assert found is not None
        assert found.state == "on"

    async def set(self, **states: Any) -> None:
        """Set sensors."""
        for name, value in states.items():
            self.hass.states.async_set(name.replace("__", "."), str(value))
        await self.hass.async_block_till_done()

    async def wait(self, **time: float) -> None:
        """Let time pass, 30 s at a time as the blueprints look."""
        end = datetime.now(UTC) + timedelta(**time)
        while (now := datetime.now(UTC)) < end:
            self._freezer.move_to(min(end, now + timedelta(seconds=30)))
            async_fire_time_changed(self.hass)
            await self.hass.async_block_till_done()

    def on(self, *names: str) -> list[bool]:
        """Say which are on."""
        return [self.hass.states.is_state(name, "on") for name in names]

    async def shed_loads(
        self, memory: str = "", loads: list[str] = LOADS, longest: int = 255
    ) -> None:
        """Have two loads and stay below 5 kWh."""
        for domain, config in (
            ("input_boolean", {"car": None, "heat": None}),
            ("input_text", {"memory": {"initial": memory, "max": longest}}),
            ("homeassistant", {}),
        ):
            assert await async_setup_component(self.hass, domain, {domain: config})
        await self.set(number__limit=5, sensor__available=3000, sensor__forecast=3)
        await self.use(
            "shed_loads",
            available="sensor.available",
            forecast="sensor.forecast",
            limit="number.limit",
            loads=loads,
            powers="7000, 1500",
            memory="input_text.memory",
        )

    async def turn_on(self, *names: str) -> None:
        """Turn loads on as a person does."""
        await self.hass.services.async_call(
            "homeassistant", "turn_on", {"entity_id": list(names)}, blocking=True
        )

    def memory(self) -> str:
        """Give what the automation remembers."""
        found = self.hass.states.get("input_text.memory")
        assert found is not None
        return found.state


@pytest.fixture
async def house(
    hass: HomeAssistant, freezer: FrozenDateTimeFactory, tmp_path: Path
) -> AsyncIterator[House]:
    """Give a house, whose automation ends with the test."""
    yield House(hass, freezer, tmp_path)
    await hass.services.async_call(
        "automation", "turn_off", {"entity_id": "all"}, blocking=True
    )


async def test_power_above(house: House) -> None:
    """It tells once, after the time, and not of a time in which the meter fell silent."""
    calls = async_mock_service(house.hass, "notify", "phone")
    await house.set(sensor__power=100)
    await house.use(
        "power_above",
        power="sensor.power",
        actions=[{"action": "notify.phone", "data": {"message": "high"}}],
    )
    await house.set(sensor__power=6000)
    await house.wait(seconds=90)
    await house.set(sensor__power="unavailable")
    await house.wait(minutes=5)
    await house.set(sensor__power=6000)
    await house.wait(seconds=90)
    assert not calls
    await house.wait(seconds=60)
    assert len(calls) == 1


async def test_overload(house: House) -> None:
    """It tells of the overload and of its end, and not of silence."""
    calls = async_mock_service(house.hass, "notify", "phone")
    await house.set(binary_sensor__overload="off")
    await house.use(
        "overload",
        overload="binary_sensor.overload",
        actions=[{"action": "notify.phone", "data": {"message": "over"}}],
        over_actions=[{"action": "notify.phone", "data": {"message": "ended"}}],
    )
    for state in ("unavailable", "off", "on", "unavailable", "on", "off"):
        await house.set(binary_sensor__overload=state)
    assert [each.data["message"] for each in calls] == ["over", "over", "ended"]


@pytest.mark.parametrize(("state", "told"), [("on", ["over"]), ("off", [])])
async def test_overload_at_start(house: House, state: str, told: list[str]) -> None:
    """An overload that is there when Home Assistant starts is told."""
    calls = async_mock_service(house.hass, "notify", "phone")
    house.hass.set_state(CoreState.not_running)
    await house.set(binary_sensor__overload=state)
    await house.use(
        "overload",
        overload="binary_sensor.overload",
        actions=[{"action": "notify.phone", "data": {"message": "over"}}],
    )
    await house.hass.async_start()
    await house.hass.async_block_till_done()
    assert [each.data["message"] for each in calls] == told


async def test_power_above_already(house: House) -> None:
    """Power that is above the threshold from the start is told the next time."""
    calls = async_mock_service(house.hass, "notify", "phone")
    await house.set(sensor__power=6000)
    await house.use(
        "power_above", power="sensor.power", actions=[{"action": "notify.phone"}]
    )
    await house.wait(minutes=5)
    assert not calls
    await house.set(sensor__power=4000)
    await house.set(sensor__power=6000)
    await house.wait(minutes=5)
    assert len(calls) == 1


@pytest.mark.parametrize(
    ("imported", "on"), [(1500, False), ("unavailable", False), (100, True)]
)
async def test_surplus_at_start(house: House, imported: object, on: bool) -> None:
    """A load that runs when Home Assistant starts is turned off without surplus."""
    for domain, config in (
        ("input_boolean", {"car": {"initial": True}}),
        ("homeassistant", {}),
    ):
        assert await async_setup_component(house.hass, domain, {domain: config})
    house.hass.set_state(CoreState.not_running)
    await house.set(sensor__export=0, sensor__import=imported)
    await house.use(
        "surplus",
        **{
            "export": "sensor.export",
            "import": "sensor.import",
            "load": LOADS[0],
            "stop_delay": {"seconds": 0},
        },
    )
    await house.hass.async_start()
    await house.hass.async_block_till_done()
    assert house.on(LOADS[0]) == [on]


async def test_surplus(house: House) -> None:
    """It starts after five minutes of export, stops after five of import or of silence."""
    assert await async_setup_component(
        house.hass, "input_boolean", {"input_boolean": {"car": None}}
    )
    assert await async_setup_component(house.hass, "homeassistant", {})
    await house.set(sensor__export=0, sensor__import=500)
    await house.use(
        "surplus",
        **{"export": "sensor.export", "import": "sensor.import", "load": LOADS[0]},
    )
    for stop in (300, "unavailable"):
        await house.set(sensor__export=2500, sensor__import=0)
        await house.wait(minutes=4)
        assert house.on(LOADS[0]) == [False]
        await house.wait(minutes=1.5)
        assert house.on(LOADS[0]) == [True]
        await house.set(sensor__export=0, sensor__import=stop)
        await house.wait(minutes=4)
        assert house.on(LOADS[0]) == [True]
        await house.wait(minutes=1.5)
        assert house.on(LOADS[0]) == [False]


async def test_charger_current(house: House) -> None:
    """It goes down at once, up slowly, and to the minimum on silence of either sensor."""
    number = {"car": {"min": 0, "max": 32, "initial": 16}}
    assert await async_setup_component(
        house.hass, "input_number", {"input_number": number}
    )
    await house.set(sensor__headroom=10, sensor__available="unknown")

    def amperes() -> float:
        found = house.hass.states.get("input_number.car")
        assert found is not None
        return float(found.state)

    await house.use(
        "charger_current",
        headroom="sensor.headroom",
        current="input_number.car",
        available="sensor.available",
        settle=0,
    )
    await house.set(sensor__headroom=-4)
    assert amperes() == 11
    await house.set(sensor__headroom=20)
    assert amperes() == 11
    await house.wait(minutes=2.5)
    assert amperes() == 13
    # 2.8 kW too much are more than 4 A on three phases
    await house.set(sensor__available=-2800)
    assert amperes() == 8
    await house.set(sensor__available="unavailable")
    assert amperes() == 6
    await house.set(sensor__available=9000)
    await house.wait(minutes=2.5)
    assert amperes() == 8
    await house.set(sensor__headroom="unavailable")
    assert amperes() == 6
    await house.wait(minutes=10)
    assert amperes() == 6


@pytest.mark.parametrize(
    ("initial", "headroom", "after"),
    [(10, "unavailable", 8), (12, 20, 13), (0, "unavailable", 0)],
    ids=["lowest that it takes", "highest that it takes", "paused by a person"],
)
async def test_charger_limits(
    house: House, initial: float, headroom: object, after: float
) -> None:
    """A number is never set to what it does not take, nor raised on silence."""
    lowest = min(8, initial)
    number = {"car": {"min": lowest, "max": 13, "initial": initial}}
    assert await async_setup_component(
        house.hass, "input_number", {"input_number": number}
    )
    await house.set(sensor__headroom=headroom)
    await house.use(
        "charger_current",
        headroom="sensor.headroom",
        current="input_number.car",
        settle=0,
    )
    await house.wait(minutes=5)
    assert float(house.hass.states.get("input_number.car").state) == after  # type: ignore[union-attr]


async def test_shed_and_restore(house: House) -> None:
    """One load a time in their order; on again in the reverse, with rest and room."""
    await house.shed_loads()
    await house.turn_on(*LOADS)
    await house.wait(minutes=11)
    assert house.on(*LOADS) == [True, True]
    await house.set(sensor__available=-500, sensor__forecast=5.2)
    await house.wait(seconds=30)
    assert house.on(*LOADS) == [False, True]
    await house.wait(seconds=30)
    assert house.on(*LOADS) == [False, False]
    assert house.memory() == ",".join(LOADS)
    await house.set(sensor__available=2500, sensor__forecast=3)
    await house.wait(minutes=14)
    assert house.on(*LOADS) == [False, False]
    await house.wait(minutes=2)
    assert house.on(*LOADS) == [False, True]
    assert house.memory() == LOADS[0]


async def test_shed_silence(house: House) -> None:
    """While the meter is silent nothing is switched."""
    await house.shed_loads(memory=LOADS[1])
    await house.turn_on(LOADS[0])
    await house.wait(minutes=11)
    await house.set(sensor__available="unavailable", sensor__forecast="unavailable")
    await house.wait(minutes=30)
    assert house.on(*LOADS) == [True, False]


async def test_shed_restart(house: House) -> None:
    """After a restart it turns on what it had turned off, and nothing else."""
    await house.shed_loads(memory=LOADS[1])
    await house.set(sensor__available=20_000, sensor__forecast=1)
    await house.wait(minutes=17)
    assert house.on(*LOADS) == [False, True]
    assert house.memory() == ""


async def test_shed_turned_on_by_hand(house: House) -> None:
    """What a person turned on is no longer the automation's to turn on."""
    await house.shed_loads(memory=LOADS[0])
    await house.turn_on(LOADS[0])
    await house.wait(seconds=30)
    assert house.memory() == ""


async def test_shed_turned_off_by_hand(house: House) -> None:
    """What a person turned off meanwhile is not turned on."""
    await house.shed_loads(memory=",".join(LOADS))
    await house.turn_on(LOADS[0])
    await house.wait(minutes=1)
    await house.hass.services.async_call(
        "homeassistant", "turn_off", {"entity_id": LOADS[0]}, blocking=True
    )
    await house.set(sensor__available=20_000, sensor__forecast=1)
    await house.wait(minutes=59)
    assert house.on(*LOADS) == [False, True]


async def test_shed_no_limit(house: House) -> None:
    """With the limit at 0 all come back, but not while the meter is silent."""
    await house.shed_loads(memory=",".join(LOADS))
    await house.set(number__limit=0, sensor__available="unknown")
    await house.set(sensor__forecast="unavailable")
    await house.wait(minutes=20)
    assert house.on(*LOADS) == [False, False]
    await house.set(sensor__forecast=9)
    await house.wait(minutes=1)
    assert house.on(*LOADS) == [True, True]
    await house.wait(minutes=20)
    assert house.on(*LOADS) == [True, True]
    assert house.memory() == ""


async def test_shed_disobedient(house: House) -> None:
    """A load that does not obey is told once in its time, and the next goes off."""
    stuck = "switch.stuck"
    calls = async_mock_service(house.hass, "switch", "turn_off")
    house.hass.states.async_set(stuck, "on")
    await house.shed_loads(loads=[stuck, *LOADS])
    await house.turn_on(*LOADS)
    await house.wait(minutes=11)
    await house.set(sensor__available=-500, sensor__forecast=5.2)
    await house.wait(minutes=1)
    assert house.on(*LOADS) == [False, True]
    await house.wait(minutes=8)
    assert house.on(*LOADS) == [False, False]
    assert len(calls) == 1
    await house.wait(minutes=5)
    assert len(calls) == 2


async def test_restore_disobedient(house: House) -> None:
    """A load that does not come on stays noted until it does."""
    stuck = "switch.stuck"
    calls = async_mock_service(house.hass, "switch", "turn_on")
    house.hass.states.async_set(stuck, "off")
    await house.shed_loads(memory=stuck, loads=[stuck])
    await house.set(sensor__available=20_000, sensor__forecast=1)
    await house.wait(minutes=18)
    assert len(calls) > 1
    assert house.memory() == stuck
    house.hass.states.async_set(stuck, "on")
    await house.wait(minutes=1)
    assert house.memory() == ""


async def test_shed_short_memory(house: House) -> None:
    """What does not fit into the text helper is not turned off: it would stay so."""
    await house.shed_loads(longest=len(LOADS[1]))
    await house.turn_on(*LOADS)
    await house.wait(minutes=11)
    await house.set(sensor__available=-500, sensor__forecast=5.2)
    await house.wait(minutes=1)
    assert house.on(*LOADS) == [False, True]
    assert house.memory() == LOADS[0]


async def test_shed_noise(house: House) -> None:
    """A hundred changes around the limit switch a load at most twice."""
    await house.shed_loads()
    await house.turn_on(*LOADS)
    await house.wait(minutes=11)
    switched: list[str] = []
    house.hass.bus.async_listen(
        "state_changed",
        lambda event: (
            switched.append(event.data["entity_id"])
            if event.data["entity_id"] in LOADS
            else None
        ),
    )
    for toggle in range(100):
        high = toggle % 2
        await house.set(
            sensor__available=-300 if high else 300,
            sensor__forecast=5.1 if high else 4.8,
        )
        await house.wait(seconds=20)
    assert 1 <= len(switched) <= 2


@pytest.mark.usefixtures("true_time")
async def test_through_the_meter(
    house: House, hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port
) -> None:
    """A load is turned off on what the meter sends, by the entities of the integration."""
    freezer.move_to(NOON)
    await set_up(hass, make_entry())
    for domain, config in (
        ("input_boolean", {"car": None, "heat": None}),
        ("input_text", {"memory": {"initial": "", "max": 255}}),
        ("homeassistant", {}),
    ):
        assert await async_setup_component(hass, domain, {domain: config})
    await say(hass, port, METER.list(2, active_power_import=7000))
    limit = entity_id(hass, "hour_limit", platform=Platform.NUMBER)
    await hass.services.async_call(
        "number", "set_value", {"entity_id": limit, "value": 5}, blocking=True
    )
    await house.use(
        "shed_loads",
        available=entity_id(hass, "available_power"),
        forecast=entity_id(hass, "forecast_this_hour"),
        limit=limit,
        loads=LOADS,
        memory="input_text.memory",
    )
    await house.turn_on(*LOADS)
    for _ in range(70):
        await house.wait(seconds=10)
        watts = 7000 if house.on(LOADS[0]) == [True] else 3000
        await say(hass, port, METER.list(2, active_power_import=watts))
    assert house.on(*LOADS) == [False, True]
    assert house.memory() == LOADS[0]


CURRENTS = (Quantity.CURRENT_L1, Quantity.CURRENT_L2, Quantity.CURRENT_L3)


class Appliances:
    """A that a house takes on each phase beside a car, seeded, at most 18.5."""

    def __init__(self, seed: int) -> None:
        """Begin with all turned off."""
        self._random = Random(seed)
        self._on: list[list[tuple[int, float]]] = [[], [], []]

    def at(self, step: int) -> list[float]:
        """Give the current of each phase at a step, called in their order."""
        random = self._random
        if random.random() < 0.05:
            until = step + random.randint(6, 180)
            self._on[random.randrange(3)].append((until, random.choice((4.5, 8.5, 10))))
        amperes = []
        for running in self._on:
            running[:] = [each for each in running if each[0] > step][:2]
            base = random.uniform(1, 3)
            amperes.append(round(min(18.5, base + sum(each[1] for each in running)), 1))
        return amperes


@pytest.mark.usefixtures("true_time")
@pytest.mark.parametrize("seed", [1, 2])
async def test_charger_through_the_meter(
    house: House,
    hass: HomeAssistant,
    freezer: FrozenDateTimeFactory,
    port: Port,
    seed: int,
) -> None:
    """No phase is above the fuse for longer than it bears; left alone, the car would be.

    The car takes what the number says from the next list on. At the end the meter falls
    silent, and the car is at its minimum.
    """
    freezer.move_to(NOON)
    await set_up(hass, make_entry(options={"main_fuse": 25.0}))
    number = {"car": {"min": 0, "max": 32, "initial": 16}}
    assert await async_setup_component(hass, "input_number", {"input_number": number})
    appliances, alone = Appliances(seed), FuseGuard(25)
    await say(hass, port, METER.list(2, **dict.fromkeys(CURRENTS, 17)))
    await house.use(
        "charger_current",
        headroom=entity_id(hass, "headroom"),
        current="input_number.car",
        settle=0,
    )
    name = entity_id(hass, "overload", platform=Platform.BINARY_SENSOR) or ""
    car, overloaded, overloaded_alone, above, seen = 16.0, 0, 0, 0, set()
    for step in range(360):
        await house.wait(seconds=10)
        base = appliances.at(step)
        amperes = dict(zip(CURRENTS, (each + car for each in base), strict=True))
        await say(hass, port, METER.list(2, **amperes))
        above += max(amperes.values()) > 25
        overloaded += not hass.states.is_state(name, "off")
        without = dict(zip(CURRENTS, (each + 16 for each in base), strict=True))
        alone.advance(datetime.now(UTC), without)
        overloaded_alone += bool(alone.overload)
        found = hass.states.get("input_number.car")
        assert found is not None
        car = float(found.state)
        seen.add(car)
    assert overloaded == 0
    assert overloaded_alone > 10
    # It had to act, and let the car have what there was.
    assert above > 0
    assert min(seen) < 10 < max(seen)
    await say(hass, port, b"")
    assert hass.states.is_state("input_number.car", "6.0")


@pytest.mark.usefixtures("true_time")
async def test_overload_through_the_meter(
    house: House, hass: HomeAssistant, freezer: FrozenDateTimeFactory, port: Port
) -> None:
    """It warns when 1.45 times the fuse has lasted, not at once, and when it is over."""
    freezer.move_to(NOON)
    calls = async_mock_service(hass, "notify", "phone")
    await set_up(hass, make_entry(options={"main_fuse": 20.0}))
    await say(hass, port, METER.list(2, **dict.fromkeys(CURRENTS, 4)))
    await house.use(
        "overload",
        overload=entity_id(hass, "overload", platform=Platform.BINARY_SENSOR),
        actions=[{"action": "notify.phone", "data": {"message": "over"}}],
        over_actions=[{"action": "notify.phone", "data": {"message": "ended"}}],
    )
    told = []
    for seconds in range(10, 300, 10):
        await house.wait(seconds=10)
        amperes = 29 if seconds <= 120 else 4
        await say(hass, port, METER.list(2, current_l1=amperes))
        told.append((seconds, [each.data["message"] for each in calls]))
    assert next(seconds for seconds, said in told if said) == 80
    assert told[-1][1] == ["over", "ended"]
