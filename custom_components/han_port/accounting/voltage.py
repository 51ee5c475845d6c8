"""Are the phases as they should be: their voltage, and their share of the load?

EN 50160: of the means over ten minutes of the supply voltage, 95 % of a week's are within
10 % of the nominal voltage, and all within 10 % above and 15 % below. A mean that is
more than 10 % off is told here: that is right for 8 hours of a week at most.

The nominal voltage is 230 V everywhere in Europe: between a phase and neutral on
four-wire grids, between two phases on three-wire ones. Three that are nearer to 400 V
are those between the phases of four wires, as a meter without neutral measures them.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ..protocol.reading import Quantity
from .mean import SlidingMeans
from .register import MAX_GAP

TEN_MINUTES = timedelta(minutes=10)
_LOW, _HIGH = 0.9, 1.1
_NOMINAL, _BETWEEN_PHASES = 230.0, 400.0
# V that a mean must be back inside before it counts as in range again
_MARGIN = 1.0
# Below this a terminal is not connected, or its phase not measured.
_NO_VOLTAGE = 20.0

_VOLTAGES = {
    "l1": Quantity.VOLTAGE_L1,
    "l2": Quantity.VOLTAGE_L2,
    "l3": Quantity.VOLTAGE_L3,
}
_CURRENTS = (Quantity.CURRENT_L1, Quantity.CURRENT_L2, Quantity.CURRENT_L3)


class VoltageWatch:
    """The means over ten minutes of each voltage, against the limits of EN 50160."""

    def __init__(self) -> None:
        """Start without any voltage."""
        self._heard: dict[str, datetime] = {}
        self._means = {name: SlidingMeans(TEN_MINUTES) for name in _VOLTAGES}
        # The means in V, by l1, l2 and l3, of those heard for the last ten minutes, and
        # which of them are out of range; None while no mean is known
        self.means: dict[str, float] = {}
        self.outside: list[str] | None = None

    def advance(self, when: datetime, values: Mapping[Quantity, float]) -> None:
        """Take what a reading measured, received at `when`; it may hold no voltage."""
        news = False
        for name, quantity in _VOLTAGES.items():
            if (volts := values.get(quantity, 0.0)) < _NO_VOLTAGE:
                continue
            self._means[name].advance(when, volts)
            self._heard[name] = when
            news = True
        if not news and all(
            timedelta(0) <= when - heard <= MAX_GAP for heard in self._heard.values()
        ):
            return
        self.means = {
            name: mean
            for name, heard in sorted(self._heard.items())
            if timedelta(0) <= when - heard <= MAX_GAP
            if (mean := self._means[name].mean(TEN_MINUTES)) is not None
        }
        nominal = self._nominal()
        outside = [
            name
            for name, mean in self.means.items()
            if not self._is_within(name, mean, nominal)
        ]
        self.outside = outside if self.means else None

    def _nominal(self) -> float:
        # Not where the neutral is broken: then one of the three is below 230 V.
        between = (_NOMINAL + _BETWEEN_PHASES) / 2
        if {"l1", "l3"} <= self.means.keys() and min(self.means.values()) > between:
            return _BETWEEN_PHASES
        return _NOMINAL

    def _is_within(self, name: str, mean: float, nominal: float) -> bool:
        margin = _MARGIN if name in (self.outside or ()) else 0.0
        return _LOW * nominal + margin <= mean <= _HIGH * nominal - margin


def imbalance(values: Mapping[str, float]) -> float | None:
    """Give how unequal the currents of three phases are, in percent.

    The largest deviation from their mean, by the mean: the definition of NEMA MG 1, which
    has it for voltages. None unless all three are known, and some current flows.
    """
    if not all(each in values for each in _CURRENTS):
        return None
    currents = [abs(values[each]) for each in _CURRENTS]
    mean = sum(currents) / 3
    if mean == 0:
        return None
    return max(abs(each - mean) for each in currents) / mean * 100
