"""Which values have changed enough to be shown now, and which can wait?

Each state is a row in the database. What matters is shown with the reading that says it;
what only jitters is shown again after some seconds. Nothing is left out of the accounts.
"""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import NamedTuple

from .const import NET_POWER
from .protocol.reading import Quantity


class Publish(StrEnum):
    """How often a person wants values to be shown."""

    BALANCED = "balanced"
    EVERY_READING = "every_reading"
    SLOW = "slow"


class Rule(NamedTuple):
    """When a value is shown at once, in its own unit, and how long it waits otherwise.

    At once is a change of `step` or of `share` of what was shown, and one past a multiple
    of `mark`: people set limits at round numbers. `wait` is in seconds.
    """

    step: float
    share: float
    mark: float | None
    wait: float


_POWER = Rule(step=50, share=0.02, mark=100, wait=10)
# By what the names of quantities begin with. All others are shown whenever they change.
_BALANCED = {
    "active_power": _POWER,
    "reactive_power": _POWER,
    "apparent_power": _POWER,
    NET_POWER: _POWER,
    "voltage_l": Rule(step=2, share=1, mark=None, wait=60),
    "current": Rule(step=1, share=1, mark=None, wait=30),
    "phase_angle": Rule(step=10, share=1, mark=None, wait=60),
    "power_factor": Rule(step=0.1, share=1, mark=None, wait=60),
    "frequency": Rule(step=0.1, share=1, mark=None, wait=60),
}
# Changes five times as large, or after a minute, voltage and the like after five
_SLOW = {
    name: Rule(5 * rule.step, min(1, 5 * rule.share), None, max(60, 5 * rule.wait))
    for name, rule in _BALANCED.items()
}
_RULES: dict[Publish, dict[str, Rule]] = {
    Publish.BALANCED: _BALANCED,
    Publish.EVERY_READING: {},
    Publish.SLOW: _SLOW,
}


class Publisher:
    """What was shown of each quantity, and when: decided once for each reading.

    `waiting` has the quantities that are not to be shown with the last reading.
    """

    def __init__(self, publish: Publish) -> None:
        """Take how often a person wants values to be shown."""
        rules = _RULES[publish]
        self._rules = {
            key: rule
            for key in (*Quantity, NET_POWER)
            for name, rule in rules.items()
            if key.startswith(name)
        }
        self._shown: dict[str, tuple[float, float]] = {}
        self.waiting: frozenset[str] = frozenset()

    def advance(self, now: float, values: Mapping[str, float]) -> None:
        """Take the values after a reading, and when it came, in seconds of any clock."""
        self.waiting = frozenset(self._decide(now, values))

    def show_all(self) -> None:
        """Let nothing wait: the link was lost or is back, or a person changed something."""
        self._shown.clear()
        self.waiting = frozenset()

    def _decide(self, now: float, values: Mapping[str, float]) -> Iterator[str]:
        for key, rule in self._rules.items():
            value = values.get(key)
            if value is None:
                # Not sent any more: that is shown at once, and so is the next value.
                self._shown.pop(key, None)
                continue
            shown = self._shown.get(key)
            if shown is None or _matters(rule, now, value, *shown):
                self._shown[key] = value, now
            else:
                yield key


def _matters(
    rule: Rule, now: float, value: float, shown: float, shown_at: float
) -> bool:
    change = abs(value - shown)
    return (
        now - shown_at >= rule.wait
        or change >= min(rule.step, max(rule.share * abs(shown), 1e-9))
        or (rule.mark is not None and value // rule.mark != shown // rule.mark)
    )
