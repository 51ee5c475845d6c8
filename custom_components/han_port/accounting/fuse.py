"""How near is each phase to its fuse?

A fuse or circuit breaker bears a small excess for long and a large one for seconds. By
IEC 60898-1 a breaker of up to 63 A that is cold bears 1.13 times its rated current for an
hour, trips within a further hour at 1.45 times, and, cold again, after 1 to 60 s at 2.55
times (to 120 s above 32 A). A gG fuse of 16 to 63 A by IEC 60269-1 is slower: it bears
1.25 times for an hour and melts within one at 1.6 times.

The model is a body that is heated by the square of the current, with a time constant of
two minutes. At the rated current it comes to 1, which is where the overload begins:

    times rated    from cold    after 0.8 times rated
    1.13           184 s        100 s
    1.45            77 s         34 s
    2.55           at once      at once

It is meant to come first, but a breaker that is loaded and warm may be quicker than the
standard says of a cold one: this is a warning, no protection.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import exp, isfinite

from ..protocol.reading import Quantity
from .register import MAX_GAP

_TIME_CONSTANT = timedelta(minutes=2)
_AT_ONCE = 2.55
# An overload ends when the body is as warm as 0.9 times the rated current makes it.
_RELEASE = 0.81
# No house has more, and what is above is damage.
_MAX_AMPERES = 10_000
# A voltage below this is that of a terminal that is not connected.
_NO_VOLTAGE = 20


class Grid(StrEnum):
    """How the house is connected: between three lines, to three and neutral, or to one."""

    THREE_WIRE = "three_wire"
    FOUR_WIRE = "four_wire"
    ONE_PHASE = "one_phase"


@dataclass(frozen=True)
class _Line:
    """Where one phase stands in a reading."""

    current: Quantity
    voltage: Quantity
    power_import: Quantity
    power_export: Quantity


_LINES = {
    name: _Line(
        Quantity(f"current_{name}"),
        Quantity(f"voltage_{name}"),
        Quantity(f"active_power_import_{name}"),
        Quantity(f"active_power_export_{name}"),
    )
    for name in ("l1", "l2", "l3")
}


@dataclass
class _Phase:
    """What is known of one phase: A with a sign, when, how warm its fuse is."""

    when: datetime
    amperes: float
    heat: float
    overload: bool = False


class FuseGuard:
    """The currents of the phases against a main fuse of so many A."""

    def __init__(self, fuse: float, grid: Grid | None = None) -> None:
        """Take the rated current, and the grid if a person said what it is."""
        self.fuse = fuse
        self._said = grid
        self._detected: Grid | None = None
        self._when: datetime | None = None
        self._phases: dict[str, _Phase] = {}
        self._l2_measured = False

    @property
    def grid(self) -> Grid | None:
        """What the grid is, None until a list with currents has shown it."""
        return self._said or self._detected

    def advance(self, when: datetime, values: Mapping[Quantity, float]) -> None:
        """Take what a reading measured, received at `when`; it may hold no current."""
        self._when = when
        values = {name: each for name, each in values.items() if isfinite(each)}
        self._detect(values)
        for name in _LINES:
            if (amperes := self._amperes(name, values)) is not None:
                self._warm(name, when, amperes)

    def _detect(self, values: Mapping[Quantity, float]) -> None:
        """Learn the grid from a list that has the currents.

        On three-wire grids a meter has two measuring systems: Aidon leaves out the
        current of L2, Kaifa and Landis+Gyr have no voltage there. (An Aidon on four
        wires, or a meter of one phase, leaves out nothing, or all of L2 and L3.)
        """
        if Quantity.CURRENT_L1 not in values:
            return
        if self._detected is Grid.FOUR_WIRE:
            # Three voltages and currents were there: one that is gone is a fault.
            return
        l2, l3 = _LINES["l2"], _LINES["l3"]
        live = {
            name
            for name, line in _LINES.items()
            if values.get(line.voltage, 0) > _NO_VOLTAGE
        }
        if l3.current not in values or (live and "l3" not in live):
            self._detected = Grid.ONE_PHASE
        elif l2.current not in values or (live and "l2" not in live):
            self._detected = Grid.THREE_WIRE
        else:
            self._detected = Grid.FOUR_WIRE

    def _amperes(self, name: str, values: Mapping[Quantity, float]) -> float | None:
        """Give the current of a phase, below 0 where it is known to be exported.

        On three wires no phase has a direction: the sign there is that of the phase angle
        between a line's current and the voltage between two lines.
        """
        line = _LINES[name]
        amperes = values.get(line.current)
        if amperes is None or abs(amperes) > _MAX_AMPERES:
            return None
        if self.grid is Grid.ONE_PHASE and name != "l1":
            return None
        if self.grid is Grid.THREE_WIRE:
            if name == "l2":
                # Some meters send zero for the current that they do not measure.
                self._l2_measured |= amperes != 0
                if not self._l2_measured:
                    return None
            return abs(amperes)
        power = line.power_import, line.power_export
        if self.grid is Grid.ONE_PHASE and not values.keys() & power:
            power = Quantity.ACTIVE_POWER_IMPORT, Quantity.ACTIVE_POWER_EXPORT
        imported, exported = (values.get(each, 0) for each in power)
        return -amperes if amperes > 0 and exported > imported else amperes

    def _warm(self, name: str, when: datetime, amperes: float) -> None:
        load = (amperes / self.fuse) ** 2
        phase = self._phases.get(name)
        if phase is None or not timedelta(0) <= when - phase.when <= MAX_GAP:
            # What was before is not known: warm, but no overload yet.
            phase = _Phase(when, amperes, min(load, _RELEASE))
            self._phases[name] = phase
        else:
            # The higher of two readings counts for the time between them.
            load = max(load, (phase.amperes / self.fuse) ** 2)
            kept = exp(-((when - phase.when) / _TIME_CONSTANT))
            phase.heat = load + (phase.heat - load) * kept
        if abs(amperes) >= _AT_ONCE * self.fuse:
            phase.heat = max(phase.heat, 1)
        phase.when, phase.amperes = when, amperes
        phase.overload = phase.heat >= (_RELEASE if phase.overload else 1)

    def _fresh(self) -> dict[str, _Phase]:
        """Give the phases that were measured lately."""
        if self._when is None:
            return {}
        return {
            name: phase
            for name, phase in sorted(self._phases.items())
            if timedelta(0) <= self._when - phase.when <= MAX_GAP
        }

    @property
    def headroom(self) -> dict[str, float]:
        """The A that each phase may still take, by l1, l2 and l3, as far as is known.

        Below 0 is above the fuse. A phase that exports may take as much more.
        """
        return {name: self.fuse - each.amperes for name, each in self._fresh().items()}

    @property
    def overload(self) -> bool | None:
        """Whether a phase is, or was lately, more than the fuse bears; None if unknown."""
        phases = self._fresh().values()
        return any(each.overload for each in phases) if phases else None
