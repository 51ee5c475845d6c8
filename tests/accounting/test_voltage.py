"""Are the phases as they should be: their voltage, and their share of the load?"""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.han_port.accounting import VoltageWatch, imbalance
from custom_components.han_port.protocol import Quantity

BEGIN = datetime(2026, 1, 15, 12, tzinfo=UTC)
Q = Quantity


def after(minutes: int, volts: float, watch: VoltageWatch, start: int = 0) -> None:
    """Let L1 have so many volts and L2 none, once in ten seconds."""
    for passed in range(start * 60, (start + minutes) * 60 + 1, 10):
        watch.advance(
            BEGIN + timedelta(seconds=passed),
            {Q.VOLTAGE_L1: volts, Q.VOLTAGE_L2: 0, Q.VOLTAGE_L3: 230},
        )


@pytest.mark.parametrize(
    ("volts", "outside"), [(206.9, ["l1"]), (207, []), (253, []), (253.1, ["l1"])]
)
def test_limits(volts: float, outside: list[str]) -> None:
    """A mean over ten minutes may be 10 % off 230 V; no mean is known before."""
    watch = VoltageWatch()
    after(9, volts, watch)
    assert watch.outside is None
    after(1, volts, watch, 9)
    assert watch.outside == outside
    assert watch.means.keys() == {"l1", "l3"}


@pytest.mark.parametrize(
    ("volts", "outside"),
    [
        pytest.param((400, 402, 398), [], id="between phases"),
        pytest.param((441, 402, 0), ["l1"], id="between phases, L2 not measured"),
        pytest.param((300, 395, 120), ["l1", "l2", "l3"], id="broken neutral"),
        pytest.param((400,), ["l1"], id="one phase"),
    ],
)
def test_400_volts(volts: tuple[float, ...], outside: list[str]) -> None:
    """Where a meter measures between phases of 400 V that is nominal; a fault is not."""
    watch = VoltageWatch()
    keys = (Q.VOLTAGE_L1, Q.VOLTAGE_L3, Q.VOLTAGE_L2)
    for passed in range(0, 601, 10):
        when = BEGIN + timedelta(seconds=passed)
        watch.advance(when, dict(zip(keys, volts, strict=False)))
    assert watch.outside == outside


def test_release() -> None:
    """It is in range again when a mean is a volt inside."""
    watch = VoltageWatch()
    after(10, 254, watch)
    after(15, 252.5, watch, 11)
    assert watch.outside == ["l1"]
    after(15, 251.9, watch, 27)
    assert watch.outside == []


def test_stale() -> None:
    """Nothing is known of a voltage that is not heard any more."""
    watch = VoltageWatch()
    after(10, 260, watch)
    watch.advance(BEGIN + timedelta(seconds=691), {})
    assert watch.outside is None


@pytest.mark.parametrize(
    ("currents", "percent"),
    [
        ((10, 10, 10), 0),
        ((20, 10, 0), 100),
        ((30, 0, 0), 200),
        ((0, 0, 0), None),
        ((5, 5), None),
    ],
)
def test_imbalance(currents: tuple[float, ...], percent: float | None) -> None:
    """The largest deviation from the mean by the mean, of three currents or none."""
    values = {f"current_l{n}": each for n, each in enumerate(currents, 1)}
    assert imbalance(values) == percent
