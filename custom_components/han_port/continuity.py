"""How does a counter go on: counted otherwise, anew, or lower than before?"""

from collections import Counter
from collections.abc import Iterable, Mapping
from math import isfinite

from .protocol.reading import Quantity

# Counters never go back, and hold until the meter sends the next.
COUNTERS = frozenset(
    quantity for quantity in Quantity if "energy" in quantity or quantity == "volume"
)
ENERGY_COUNTERS = COUNTERS - {Quantity.VOLUME, Quantity.THERMAL_ENERGY}
# Times in a row that a counter has to be lower before that is believed
LOWER_TIMES = 3


def counters_of(values: Mapping[str, float]) -> dict[str, float]:
    """Give those of some values that hold until the meter sends the next."""
    return {name: value for name, value in values.items() if name in COUNTERS}


def stored_counters(stored: object) -> dict[str, float]:
    """Give what was stored of counters; what is damaged is left out."""
    if not isinstance(stored, Mapping):
        return {}
    return counters_of(
        {
            name: float(value)
            for name, value in stored.items()
            if type(value) in (int, float) and isfinite(value)
        }
    )


class Continuity:
    """What is added to counters, so that a step of theirs is not booked as energy.

    Statistics take each change of a counter for energy. So after `start_over` the next
    value is shown as the one before, whatever it is, and later ones as much higher as they
    are.
    """

    def __init__(self) -> None:
        """Begin with counters that are shown as they come."""
        self._added: dict[Quantity, float | None] = {}

    def start_over(self, quantities: Iterable[Quantity]) -> None:
        """Let the next value of these be no step."""
        self._added |= dict.fromkeys(quantities)

    def starts_over(self, quantity: Quantity) -> bool:
        """Say whether the next value of a counter may be anything."""
        return quantity in self._added and self._added[quantity] is None

    def shown(self, quantity: Quantity, value: float, known: float | None) -> float:
        """Give what is shown of a counter; `known` is what was, None if nothing was."""
        if quantity not in self._added:
            return value
        added = self._added[quantity]
        if added is None:
            added = self._added[quantity] = 0 if known is None else known - value
        return round(value + added, 6)

    def as_dict(self) -> dict[str, float | None]:
        """Give what must be stored, as JSON has it."""
        return {quantity.value: added for quantity, added in self._added.items()}

    def restore(self, stored: object) -> None:
        """Take what was stored; what is damaged is left out."""
        if not isinstance(stored, Mapping):
            return
        for name, added in stored.items():
            number = isinstance(added, int | float) and isfinite(added)
            if name in Quantity and (number or added is None):
                self._added[Quantity(name)] = added


class Backwards:
    """Refuses counters that went back: to zero always, else until they insist."""

    def __init__(self) -> None:
        """Begin with counters that never did."""
        self._times: Counter[Quantity] = Counter()

    def refuses(self, quantity: Quantity, value: float, known: float | None) -> bool:
        """Say whether a value is not to be believed; `known` is the last that was."""
        if known is None or value >= known:
            del self._times[quantity]
            return False
        self._times[quantity] += 1
        if value > 0 and self._times[quantity] >= LOWER_TIMES:
            del self._times[quantity]
            return False
        return True
