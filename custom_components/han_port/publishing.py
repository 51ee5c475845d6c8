"""Which values have changed enough to be shown now, and which can wait?

Each state is a row in the database. What matters is shown with the reading that says it;
what only jitters is shown again after some seconds. Nothing is left out of the accounts.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from enum import StrEnum
from math import inf
from typing import NamedTuple

from .const import NET_POWER
from .protocol.reading import Quantity


class Publish(StrEnum):
    """How often a person wants values to be shown."""

    BALANCED = "balanced"
    EVERY_READING = "every_reading"
    SLOW = "slow"


# Seconds for which a value that goes back to what was shown before does not matter
JITTERS = 60


class Rule(NamedTuple):
    """When a value is shown at once, in its own unit, and how long it waits otherwise.

    At once is a change of `step`; one of `share` of what was shown, but at least `least`;
    and one past a multiple of `mark`: people set limits at round numbers, also where they
    cannot be found. A value that jitters between two levels is shown at once at each of
    them, then after `wait` seconds.
    """

    step: float
    wait: float
    least: float = inf
    share: float = 0
    mark: float | None = None

    def matters(self, value: float, other: float) -> bool:
        """Say whether a value is another level than one that was shown."""
        change = min(self.step, max(self.least, self.share * abs(other)))
        return abs(value - other) >= change or (
            self.mark is not None and value // self.mark != other // self.mark
        )


_POWER = Rule(step=50, wait=10, least=20, share=0.02, mark=100)
# By what the names of quantities begin with. All others are shown whenever they change.
_BALANCED = {
    "active_power": _POWER,
    "reactive_power": _POWER,
    "apparent_power": _POWER,
    NET_POWER: _POWER,
    "voltage_l": Rule(step=2, wait=60),
    "current": Rule(step=1, wait=60),
    "phase_angle": Rule(step=10, wait=60),
    "power_factor": Rule(step=0.1, wait=60),
    "frequency": Rule(step=0.1, wait=60),
}
# Changes five times as large, past whole kW, or after a minute, voltage and the like
# after five
_SLOW = {
    name: Rule(
        5 * rule.step,
        max(60, 5 * rule.wait),
        5 * rule.least,
        min(1, 5 * rule.share),
        None if rule.mark is None else 10 * rule.mark,
    )
    for name, rule in _BALANCED.items()
}
# By quantity, the same for all meters
_RULES = {
    publish: {
        key: rule
        for key in (*Quantity, NET_POWER)
        for name, rule in rules.items()
        if key.startswith(name)
    }
    for publish, rules in (
        (Publish.BALANCED, _BALANCED),
        (Publish.EVERY_READING, {}),
        (Publish.SLOW, _SLOW),
    )
}


class _Shown(NamedTuple):
    """What is shown of a quantity and since when, and the level before, until then."""

    value: float
    since: float
    before: float = inf
    until: float = -inf

    def next(self, rule: Rule, now: float, value: float) -> _Shown | None:
        """Give what is to be shown instead, None if this is to stay."""
        changed = rule.matters(value, self.value)
        if (
            now - self.since < rule.wait
            and abs(value - self.value) < rule.step
            and not (changed and self._is_new(rule, now, value))
        ):
            return None
        if changed:
            return _Shown(value, now, self.value, now)
        return _Shown(value, now, self.before, self.until)

    def _is_new(self, rule: Rule, now: float, value: float) -> bool:
        return now - self.until >= JITTERS or rule.matters(value, self.before)


def _place(limits: tuple[float, ...], value: float) -> int:
    """Give another number for each side of a limit, and for the limit itself."""
    return bisect_left(limits, value) + bisect_right(limits, value)


class Publisher:
    """What was shown of each quantity, and when: decided once for each reading.

    `waiting` has the quantities that are not to be shown with the last reading. `limits`
    are what people act on, in the unit of the quantity and in rising order: a value that
    passes or meets one of them never waits.
    """

    def __init__(self, publish: Publish) -> None:
        """Take how often a person wants values to be shown."""
        self._rules = _RULES[publish]
        self._shown: dict[str, _Shown] = {}
        self.limits: Mapping[str, tuple[float, ...]] = {}
        self.waiting: frozenset[str] = frozenset()

    @property
    def keys(self) -> Iterable[str]:
        """The quantities that may have to wait."""
        return self._rules.keys()

    def advance(
        self, now: float, values: Mapping[str, float], news: Iterable[str]
    ) -> None:
        """Take the values after a reading, and when it came, in seconds of any clock.

        `news` are the quantities that have changed since the reading before, or are gone.
        """
        # Where it is not known what is shown, what did not change is shown too.
        keys = set(news if self._shown else values)
        waiting = self.waiting - keys
        due = {
            key
            for key in waiting
            if now - self._shown[key].since >= self._rules[key].wait
        }
        self.waiting = waiting - due | {
            key
            for key in (keys | due) & self._rules.keys()
            if self._waits(now, key, values.get(key))
        }

    def show_all(self) -> None:
        """Let nothing wait: the link was lost or is back, or a person changed something."""
        self._shown.clear()
        self.waiting = frozenset()

    def _waits(self, now: float, key: str, value: float | None) -> bool:
        if value is None:
            # Not sent any more: that is shown at once, and so is the next value.
            self._shown.pop(key, None)
            return False
        shown = self._shown.get(key)
        after = (
            shown.next(self._rules[key], now, value) if shown else _Shown(value, now)
        )
        if after is None and shown and self._passes(key, shown.value, value):
            after = shown._replace(value=value, since=now)
        if after is None:
            return True
        self._shown[key] = after
        return False

    def _passes(self, key: str, shown: float, value: float) -> bool:
        limits = self.limits.get(key)
        return limits is not None and _place(limits, shown) != _place(limits, value)
