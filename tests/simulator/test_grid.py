"""What the meter measures: one phase, three wires, four wires."""

from datetime import UTC, datetime, timedelta
from itertools import product
from math import sqrt, tan

import pytest

from simulator.curve import Load, curve
from simulator.grid import RESISTANCE, Wiring, measure

NOON = datetime(2026, 3, 28, 11, tzinfo=UTC)


def near(value: float) -> object:
    """Return what equals all within a tenth of `value`, as voltages are uneven."""
    return pytest.approx(value, rel=0.1, abs=0.02)


def test_one_phase() -> None:
    """All loads are on the one phase, and P, Q, U and I belong together."""
    measured = measure(Wiring.ONE_PHASE, Load((1000, 700, 300), (100, 0, -400)), NOON)
    assert {key for key in measured if key[-1] in "23"} == set()
    assert measured["active_power_import_l1"] == 2000
    assert measured["active_power_export_l1"] == 0
    assert measured["reactive_power_import_l1"] == 0
    assert measured["reactive_power_export_l1"] == 300
    apparent = measured["voltage_l1"] * measured["current_l1"]
    assert apparent == pytest.approx(sqrt(2000**2 + 300**2))
    assert measured["power_factor_l1"] == pytest.approx(2000 / apparent)
    assert measured["phase_angle_l1"] == pytest.approx(351.47, abs=0.01)


def test_four_wire() -> None:
    """Each phase has its own load; where it exports, the current is negative."""
    measured = measure(Wiring.FOUR_WIRE, Load((2300, 0, -1150), (0, 0, 200)), NOON)
    powers = [
        measured[f"active_power_import_l{phase}"]
        - measured[f"active_power_export_l{phase}"]
        for phase in (1, 2, 3)
    ]
    assert powers == [2300, 0, -1150]
    assert measured["current_l1"] == near(10)
    assert measured["current_l2"] == 0
    assert measured["power_factor_l2"] == 1
    assert measured["current_l3"] == near(-5)
    assert measured["reactive_power_import_l3"] == 200
    assert measured["voltage_l3"] * -measured["current_l3"] == pytest.approx(
        sqrt(1150**2 + 200**2)
    )


def test_voltage_sags_under_load() -> None:
    """Each ampere costs the resistance of the cable, and export lifts the voltage."""
    idle, loaded, solar = (
        measure(Wiring.ONE_PHASE, Load((power, 0, 0), (0, 0, 0)), NOON)["voltage_l1"]
        for power in (0, 4600, -2300)
    )
    assert idle - loaded == pytest.approx(20 * RESISTANCE)
    assert solar - idle == pytest.approx(10 * RESISTANCE)


def test_voltage_stays_within_limits() -> None:
    """In a week no voltage leaves 230 V by a tenth, with any wiring."""
    house = curve(0)
    for wiring, minutes in product(Wiring, range(0, 7 * 1440, 37)):
        at = NOON + timedelta(minutes=minutes)
        measured = measure(wiring, house.load(at), at)
        voltages = [value for key, value in measured.items() if "voltage" in key]
        assert all(207 < voltage < 253 for voltage in voltages)


def test_three_wire_has_no_phases() -> None:
    """Without a neutral there are three voltages and currents, and no phase powers."""
    measured = measure(Wiring.THREE_WIRE, Load((1000, 700, 300), (100, 0, 0)), NOON)
    assert set(measured) == {
        f"{what}_l{line}" for what in ("voltage", "current") for line in (1, 2, 3)
    }


@pytest.mark.parametrize(
    ("branch", "currents"),
    [
        (0, (10, 10, 0)),  # between L1 and L2
        (1, (0, 10, 10)),  # between L2 and L3
        (2, (10, 0, 10)),  # between L3 and L1
    ],
)
def test_three_wire_single_branch(
    branch: int, currents: tuple[float, float, float]
) -> None:
    """A load between two lines flows through both, and through the third not at all."""
    active = tuple(2300 if each == branch else 0 for each in range(3))
    measured = measure(
        Wiring.THREE_WIRE, Load((active[0], active[1], active[2]), (0, 0, 0)), NOON
    )
    assert [measured[f"current_l{line}"] for line in (1, 2, 3)] == [
        near(current) for current in currents
    ]


def test_three_wire_balanced() -> None:
    """A load in delta draws the root of three times the branch current on each line."""
    measured = measure(Wiring.THREE_WIRE, Load((2300,) * 3, (0,) * 3), NOON)
    for line in (1, 2, 3):
        assert measured[f"current_l{line}"] == near(10 * sqrt(3))


def test_three_wire_export() -> None:
    """On export both measuring elements turn; I2 has no element and no sign."""
    measured = measure(Wiring.THREE_WIRE, Load((-2300,) * 3, (0,) * 3), NOON)
    assert measured["current_l1"] == near(-10 * sqrt(3))
    assert measured["current_l2"] == near(10 * sqrt(3))
    assert measured["current_l3"] == near(-10 * sqrt(3))


@pytest.mark.parametrize(
    ("degrees", "signs"), [(55, (1, 1)), (65, (-1, 1)), (-55, (1, 1)), (-65, (1, -1))]
)
def test_three_wire_lagging(degrees: int, signs: tuple[int, int]) -> None:
    """Beyond 60 degrees of lag one element of Aron's circuit turns back, of lead the other.

    Their powers are U I cos(30 + lag) and U I cos(30 - lag).
    """
    reactive = round(1000 * tan(degrees * 3.141592653589793 / 180))
    measured = measure(Wiring.THREE_WIRE, Load((1000,) * 3, (reactive,) * 3), NOON)
    for line, sign in zip((1, 3), signs, strict=True):
        assert measured[f"current_l{line}"] * sign > 0


def test_three_wire_currents_cancel() -> None:
    """What flows in on two lines comes back on the third: none exceeds the others' sum."""
    house = curve(0)
    for minutes in range(0, 7 * 1440, 37):
        at = NOON + timedelta(minutes=minutes)
        measured = measure(Wiring.THREE_WIRE, house.load(at), at)
        small, middle, large = sorted(
            abs(measured[f"current_l{line}"]) for line in (1, 2, 3)
        )
        assert large <= small + middle + 1e-9
