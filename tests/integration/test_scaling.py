"""Are the values of a meter behind transformers multiplied, once and without a jump?"""

from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random

from freezegun.api import FrozenDateTimeFactory
import pytest

from custom_components.han_port.options import preview
from custom_components.han_port.protocol import Decoder, Meter, MeterReading, Quantity
from custom_components.han_port.scaling import (
    PowerCheck,
    apparent_power,
    multipliers,
    scaled,
)
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
import simulator
from tests.integration.conftest import METER, NOON, Port, make_entry, say, set_up, state
from tests.protocol.test_corpus import STREAMS

BY = {
    "multiply_voltage": 1,
    "multiply_current": 40,
    "multiply_power": 30,
    "multiply_energy": 20,
}


def hour_list(when: datetime, **values: float) -> bytes:
    """Give the list of a full hour without power."""
    meter = METER._meter
    known = meter.values(meter.moment(when, 3))
    return meter.model.layout.frames(
        3, {**known, "active_power_import": 0, "active_power_export": 0, **values}, when
    )


def test_scaled() -> None:
    """Each kind of value has its own multiplier; counts, ratios and submeters have none."""
    submeter = MeterReading(Meter(channel=1), {Quantity.ENERGY_IMPORT: 7})
    reading = MeterReading(
        Meter(),
        {
            Quantity.VOLTAGE_L1: 230.1,
            Quantity.CURRENT_L1: 1.1,
            Quantity.CURRENT_N: 0.1,
            Quantity.ACTIVE_POWER_IMPORT: 100,
            Quantity.REACTIVE_POWER_EXPORT_L3: 10,
            Quantity.DEMAND_IMPORT: 3,
            Quantity.ENERGY_IMPORT: 10.01,
            Quantity.REACTIVE_ENERGY_Q4: 1,
            Quantity.POWER_FACTOR: 0.9,
            Quantity.FREQUENCY: 50,
            Quantity.VOLTAGE_SAGS_L1: 2,
            Quantity.TARIFF: 1,
        },
        submeters=(submeter,),
    )
    result = scaled(reading, multipliers({**BY, "multiply_voltage": 2}))
    assert list(result.values.values()) == [
        *(460.2, 44, 4, 3000, 300, 90, 200.2, 20, 0.9, 50, 2, 1)
    ]
    assert result.submeters == (submeter,)
    assert scaled(reading, multipliers({})) == reading


def test_preview() -> None:
    """Values of now are with the old multipliers, those of then with the new."""
    texts = preview(
        {"current_l1": 80, "energy_import": 1234.56}, {"multiply_current": 40}, BY
    )
    assert texts == {
        "multiply_voltage": "–",
        "multiply_voltage_then": "–",
        "multiply_current": "80 A",
        "multiply_current_then": "80 A",
        "multiply_power": "–",
        "multiply_power_then": "–",
        "multiply_energy": "1234.56 kWh",
        "multiply_energy_then": "24691.2 kWh",
        "apparent": "–",
        "apparent_then": "–",
    }


def test_preview_of_apparent_power() -> None:
    """Voltage times current is shown beside the power, with the multipliers of both."""
    values = {"voltage_l1": 230, "current_l1": 80, "active_power_import": 18000}
    texts = preview(
        values,
        {"multiply_current": 40},
        {"multiply_current": 20, "multiply_voltage": 2},
    )
    assert (texts["apparent"], texts["apparent_then"]) == ("18400 VA", "18400 VA")
    texts = preview(values, {}, {"multiply_current": 20})
    assert (texts["apparent"], texts["apparent_then"]) == ("18400 VA", "368000 VA")


@pytest.mark.usefixtures("true_time")
async def test_no_jump(
    hass: HomeAssistant, port: Port, freezer: FrozenDateTimeFactory
) -> None:
    """A person sees the values first; then energy goes on from where it was."""
    freezer.move_to(NOON + timedelta(seconds=10))
    entry = await set_up(hass, make_entry(options={"peaks": 5}))
    await say(hass, port, METER.list(3, energy_import=1000, active_power_import=0))
    assert float(state(hass, "energy_import") or 0) == 1000
    result = await hass.config_entries.options.async_init(entry.entry_id)
    for answers in ({"next_step_id": "accuracy"}, BY):
        result = await hass.config_entries.options.async_configure(
            result["flow_id"], answers
        )
    assert (result["type"], result["step_id"]) == (FlowResultType.FORM, "preview")
    texts = result["description_placeholders"] or {}
    assert texts["multiply_energy"] == "1000 kWh"
    assert texts["multiply_energy_then"] == "20000 kWh"
    assert entry.options == {"peaks": 5}
    await hass.config_entries.options.async_configure(result["flow_id"], {})
    await hass.async_block_till_done()
    assert entry.options == {"peaks": 5, **BY}
    shown = []
    for hours, counter in ((1, 1001), (2, 1002), (3, 1003.5)):
        when = NOON + timedelta(hours=hours)
        freezer.move_to(when + timedelta(seconds=10))
        await say(hass, port, hour_list(when, energy_import=counter))
        shown.append(float(state(hass, "energy_import") or 0))
    assert shown == [1000, 1020, 1050]
    await say(hass, port, METER.list(2, active_power_import=100))
    assert float(state(hass, "active_power_import") or 0) == 3000


LOADS = (0.4, 1.2, 3.7, 0.9, 2.2, 8.0)


def house(
    *,
    amperes: float = 1,
    watts: float = 1,
    factor: float = 0.95,
    reactive: bool = False,
    missing: tuple[int, ...] = (),
    export: bool = False,
    loads: tuple[float, ...] = LOADS,
    hours: float = 1.1,
) -> Iterator[tuple[datetime, MeterReading]]:
    """Give readings each ten seconds of loads in kW, on three phases with 230 V.

    Power is active by `factor`, and what is shown multiplied by `amperes` and `watts`.
    """
    for number in range(int(hours * 360)):
        power = loads[number // 30 % len(loads)] * 1000
        sign = -1 if export and number % 2 else 1
        current = round(power / factor / 230 / (3 - len(missing)) * amperes, 1)
        values: dict[Quantity, float] = {
            Quantity.ACTIVE_POWER_IMPORT: max(0, sign * power * watts),
            Quantity.ACTIVE_POWER_EXPORT: max(0, -sign * power * watts),
        }
        if reactive:
            var = power * (1 / factor**2 - 1) ** 0.5
            values[Quantity.REACTIVE_POWER_IMPORT] = var * watts
        for phase in (1, 2, 3):
            values[Quantity(f"voltage_l{phase}")] = 230.4
            if phase not in missing:
                values[Quantity(f"current_l{phase}")] = current
        yield NOON + timedelta(seconds=10 * number), MeterReading(Meter(), values)


def check(
    readings: Iterable[tuple[datetime, MeterReading]], **options: float
) -> int | None:
    """Give what the check says at the end."""
    checked = PowerCheck(options)
    for when, reading in readings:
        checked.advance(when, reading)
    return checked.times


@pytest.mark.parametrize(
    ("readings", "options", "times"),
    [
        (house(), {}, None),
        # A scale that is a power of ten off, or two
        (house(amperes=10), {}, 10),
        (house(amperes=0.1, loads=(4, 12, 9)), {}, 10),
        (house(watts=0.1), {}, 10),
        (house(watts=100), {}, 100),
        (house(watts=10, missing=(2,)), {}, 10),
        (house(watts=10, export=True), {}, 10),
        (house(watts=0.1, factor=0.3, reactive=True), {}, 10),
        # Not for long enough
        (house(watts=10, hours=0.9), {}, None),
        # Behind transformers: both multiplied, or one of them forgotten
        (house(amperes=0.1, loads=(40, 80, 60), watts=0.1), {}, None),
        (house(amperes=0.025, loads=(40, 80, 60)), {"multiply_current": 40}, None),
        (house(), {"multiply_current": 40}, 40),
        (house(), {"multiply_current": 40, "multiply_power": 40}, None),
        # A three-wire net, its lines at 230 V, without and with L2
        (house(factor=1.15, missing=(2,)), {}, None),
        (house(factor=0.577), {}, None),
        (house(factor=0.5, missing=(2,)), {}, None),
        # Reactive load, sent or not, and one that is only idle
        (house(factor=0.2, reactive=True), {}, None),
        (house(factor=0.2), {}, None),
        (house(factor=0.1, loads=(0.1,)), {}, None),
        (house(factor=0.1, loads=(0.1, 0.11)), {}, None),
        # Export, and solar power of one phase used on the others
        (house(export=True), {}, None),
        (house(factor=0.05, export=True), {}, None),
        (house(factor=0.01, loads=(0.03,)), {}, None),
    ],
)
def test_power_check(
    readings: Iterator[tuple[datetime, MeterReading]],
    options: dict[str, float],
    times: int | None,
) -> None:
    """Only a power of ten for an hour is said, whatever the net, the load and the sun."""
    assert check(readings, **options) == times


def test_power_check_balanced() -> None:
    """A battery that holds the sum at a few watts, against loads on other phases."""
    chance = Random(1)
    balanced = (
        (
            when,
            reading._replace(
                values={
                    **reading.values,
                    Quantity.ACTIVE_POWER_IMPORT: chance.randint(5, 80),
                }
            ),
        )
        for when, reading in house(hours=6)
    )
    assert check(balanced) is None


def test_power_check_heals() -> None:
    """One reading that fits says that nothing is wrong any more."""
    wrong, right = list(house(watts=10)), list(house())
    assert check([*wrong, right[0]]) is None
    assert check([*wrong, right[0], *wrong[:200]]) is None


@pytest.mark.parametrize(
    ("values", "volt_amperes"),
    [
        ({"voltage_l1": 230, "current_l1": -2}, 460),
        ({"voltage_l1": 230, "current_l1": 2, "voltage_l2": 0, "current_l2": 9}, 460),
        ({"voltage_l1": 230, "current_l1": 2, "voltage_l2": 230}, 460),
        ({"voltage_l1": 230, "current_l1": 2, "voltage_l3": 230}, None),
        ({"current_l1": 2}, None),
        ({}, None),
    ],
)
def test_apparent_power(
    values: dict[Quantity, float], volt_amperes: float | None
) -> None:
    """It is the sum over phases; only L2 may be missing."""
    assert apparent_power(values) == volt_amperes


@pytest.mark.parametrize("name", simulator.MODELS)
def test_power_check_of_models(name: str) -> None:
    """No model is thought to be wrong on a day of sun, cars and heat."""
    meter = simulator.create(name, seed=1)
    keys = (
        {
            "encryption_key": meter.encryption_key,
            "authentication_key": meter.authentication_key,
        }
        if meter.model.cipher
        else {}
    )
    decoder, checked, sent = Decoder(**keys), PowerCheck({}), 0
    for minute in range(0, 26 * 60, 2):
        when = NOON + timedelta(minutes=minute)
        for outcome in decoder.feed(meter.message(when, 2)):
            if isinstance(outcome.result, MeterReading):
                checked.advance(when, outcome.result)
                sent += apparent_power(outcome.result.values) is not None
                assert checked.times is None
    assert (checked.apparent > 0) is (sent > 0)


@pytest.mark.skipif(not STREAMS, reason="no corpus")
@pytest.mark.parametrize("by", [1, 0.1, 10])
def test_power_check_of_captures(by: float) -> None:
    """Real meters are right, and would be found to be wrong by a power of ten."""
    found = {}
    for path in STREAMS:
        checked, decoder = PowerCheck({"multiply_power": by}), Decoder()
        outcomes = decoder.feed(path.with_suffix(".bin").read_bytes())
        # A recording is an hour at most, and mostly without a change of load.
        for repeat in range(4):
            for number, outcome in enumerate(outcomes):
                if isinstance(outcome.result, MeterReading):
                    when = NOON + timedelta(hours=repeat, seconds=2 * number)
                    checked.advance(when, outcome.result)
        found[path.stem] = checked.times
    print(by, found)  # noqa: T201
    if by == 1:
        assert set(found.values()) == {None}
    else:
        assert set(found.values()) <= {None, 10}
        assert 10 in found.values()
