"""Are the phases as they should be: their voltage, and their share of the load?

EN 50160: under normal conditions each mean over ten minutes of the supply voltage is
within 10 % of the nominal one. That is 230 V everywhere in Europe: between a phase and
neutral on four-wire grids, between two phases on three-wire ones.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from ..protocol.reading import Quantity
from .mean import SlidingMeans
from .register import MAX_GAP

TEN_MINUTES = timedelta(minutes=10)
_LOW, _HIGH = 207.0, 253.0
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
        self._outside: set[str] = set()
        # The means in V, by l1, l2 and l3, of those heard for the last ten minutes
        self.means: dict[str, float] = {}

    def advance(self, when: datetime, values: Mapping[Quantity, float]) -> None:
        """Take what a reading measured, received at `when`; it may hold no voltage."""
        for name, quantity in _VOLTAGES.items():
            if (volts := values.get(quantity, 0.0)) >= _NO_VOLTAGE:
                self._means[name].advance(when, volts)
                self._heard[name] = when
                self._look(name)
            elif name in self.means:
                if not timedelta(0) <= when - self._heard[name] <= MAX_GAP:
                    del self.means[name]

    def _look(self, name: str) -> None:
        """See where the mean of a voltage is, now that there is a new one."""
        mean = self._means[name].mean(TEN_MINUTES)
        margin = _MARGIN if name in self._outside else 0.0
        if mean is not None and not _LOW + margin <= mean <= _HIGH - margin:
            self._outside.add(name)
        else:
            self._outside.discard(name)
        if mean is not None:
            self.means[name] = mean
        else:
            self.means.pop(name, None)

    @property
    def outside(self) -> list[str] | None:
        """Which of the voltages are out of range; None while no mean is known."""
        if not self.means:
            return None
        return sorted(self._outside & self.means.keys())


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
