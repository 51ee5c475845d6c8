"""Which meters are behind the meter, and what did each say last?"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from homeassistant.config_entries import ConfigEntry

from .const import CONF_METER_ID, CONF_SUBMETERS
from .continuity import COUNTERS, Backwards, counters_of, stored_counters
from .protocol import Meter, MeterKind, MeterReading


@dataclass
class Submeter:
    """A meter behind the meter: which one, what it is known to send, what it said last.

    `heard` is when that was, by the clock of the loop, None if not in this run.
    """

    meter: Meter
    quantities: set[str] = field(default_factory=set)
    values: dict[str, float] = field(default_factory=dict)
    heard: float | None = None
    backwards: Backwards = field(default_factory=Backwards)


class Submeters(dict[str, Submeter]):
    """All of an entry, by their id, or by the place where one without is connected."""

    def __init__(self, entry: ConfigEntry, counters: Counter[str]) -> None:
        """Take what the entry remembers, of kinds that this version knows.

        `counters` count what is refused.
        """
        self._own: str = entry.data[CONF_METER_ID] or entry.entry_id
        self._counters = counters
        super().__init__()
        for each in entry.data.get(CONF_SUBMETERS, []):
            if each["kind"] in MeterKind:
                kind = MeterKind(each["kind"])
                meter = Meter(id=each["id"], kind=kind, channel=each["channel"])
                self[self._key(meter)] = Submeter(meter, set(each["quantities"]))

    def take(self, now: float, readings: Iterable[MeterReading]) -> bool:
        """Put what they say over what was known; say whether the entry has to know.

        It has to if one of them, or a quantity of it, was never heard of.
        """
        new = False
        for reading in readings:
            key = self._key(reading.meter)
            submeter = self.setdefault(key, Submeter(reading.meter))
            if reading.meter.kind is not submeter.meter.kind:
                # Without an id another meter is known by what it measures only.
                continue
            submeter.heard = now
            for quantity, value in reading.values.items():
                known = submeter.values.get(quantity)
                if quantity in COUNTERS and submeter.backwards.refuses(
                    quantity, value, known
                ):
                    self._counters["refused"] += 1
                else:
                    submeter.values[quantity] = value
            if unseen := reading.values.keys() - submeter.quantities:
                submeter.quantities |= unseen
                new = True
        return new

    def as_list(self) -> list[dict[str, Any]]:
        """Give what the entry has to remember, as JSON has it."""
        return [
            {
                "id": each.meter.id,
                "kind": each.meter.kind.value,
                "channel": each.meter.channel,
                "quantities": sorted(each.quantities),
            }
            for each in self.values()
        ]

    def as_dict(self) -> dict[str, dict[str, float]]:
        """Give the counters that must be stored, as JSON has them."""
        return {key: counters_of(each.values) for key, each in self.items()}

    def restore(self, stored: object) -> None:
        """Take the counters that were stored; what is damaged is left out."""
        if isinstance(stored, Mapping):
            for key in self.keys() & stored.keys():
                self[key].values = stored_counters(stored[key])

    def _key(self, meter: Meter) -> str:
        return meter.id or f"{self._own}_{meter.channel}"
