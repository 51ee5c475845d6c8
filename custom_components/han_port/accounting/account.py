"""How much energy went each way, hour by hour, by all that one meter has said?"""

from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta, tzinfo
from math import inf, nan
from typing import Any, NamedTuple

from ..protocol.reading import MeterReading, Quantity
from .hour import RunningHour
from .peaks import PeakRules, Peaks
from .register import MAX_WATTS, Dispute, Gap, LiveCounter, Refusal, Settlement
from .snapshot import SnapshotDater
from .stored import DAMAGE, instant, number, optional
from .window import HOUR, LATE, Window, Windows

# A meter that was not replaced says something else of its counters within this time.
_LONG_DISPUTE = timedelta(hours=3)


class _Direction(NamedTuple):
    """Where the power and the counter of one direction stand in a reading."""

    power: Quantity
    tariffs: tuple[Quantity, ...]


# By the counter of the direction. Dutch and Belgian meters send one for each tariff only.
_DIRECTIONS = {
    Quantity.ENERGY_IMPORT: _Direction(
        Quantity.ACTIVE_POWER_IMPORT,
        (
            Quantity.ENERGY_IMPORT_T1,
            Quantity.ENERGY_IMPORT_T2,
            Quantity.ENERGY_IMPORT_T3,
            Quantity.ENERGY_IMPORT_T4,
        ),
    ),
    Quantity.ENERGY_EXPORT: _Direction(
        Quantity.ACTIVE_POWER_EXPORT,
        (
            Quantity.ENERGY_EXPORT_T1,
            Quantity.ENERGY_EXPORT_T2,
            Quantity.ENERGY_EXPORT_T3,
            Quantity.ENERGY_EXPORT_T4,
        ),
    ),
}


class Account:
    """The accounts of one meter: live counters, the running hour, the month's peaks.

    `counters` has a live counter for energy import and one for energy export. `hour` and
    `peaks` are of import, in windows as long as the rules say. `gaps` has the last
    settlement of each direction that had a gap, `unbooked` the last settlement of each
    that nobody has said yet to have booked. `refused` counts the lists and counters not
    believed, by reason.
    """

    def __init__(self, zone: tzinfo, rules: PeakRules | None = None) -> None:
        """Take the time zone of the installation and the rules of the grid company."""
        rules = rules or PeakRules()
        self.meter_id: str | None = None
        self.peaks = Peaks(rules, zone)
        self.refused = Counter[Refusal]()
        self._zone = zone
        self._hours = Windows(HOUR, zone)
        self._when: datetime | None = None
        self._settled: datetime | None = None
        self._begin()

    def _begin(self) -> None:
        """Know nothing of the meter. Peaks stay: they are the house's, not the meter's."""
        self.counters = {name: LiveCounter(self._zone) for name in _DIRECTIONS}
        self.hour = self._hour()
        self.gaps: dict[Quantity, Settlement] = {}
        self.unbooked: dict[Quantity, Settlement] = {}
        self._dater = SnapshotDater(self._zone)

    def _hour(self) -> RunningHour:
        counter = self.counters[Quantity.ENERGY_IMPORT]
        return RunningHour(counter, self.peaks.rules.length, self._zone)

    @property
    def live(self) -> bool:
        """Whether the meter sends its counters all the time, not once an hour."""
        return self._dater.live

    def advance(
        self, when: datetime, reading: MeterReading
    ) -> dict[Quantity, Settlement]:
        """Take a reading received at `when` (aware).

        Gives what was settled, by energy import and export: the counters of the full
        hour if the reading holds them and they are believed; their estimates once it is
        too late for that. Meters that send counters all the time settle with each, and
        are not mentioned unless there was a gap.
        """
        when = self._when = when.astimezone(UTC)
        values = reading.measured
        counters = {
            name: counter
            for name, (_, tariffs) in _DIRECTIONS.items()
            if (counter := _total(values, name, tariffs)) is not None
        }
        powers = {
            name: values[power]
            for name, (power, _) in _DIRECTIONS.items()
            if 0 <= values.get(power, nan) <= MAX_WATTS
        }
        if reading.meter.id is not None and (counters or powers):
            if self.meter_id is None or not reading.meter.is_named(self.meter_id):
                if self.meter_id is not None:
                    self._begin()
                self.meter_id = reading.meter.id

        new_window = False
        for name, watts in powers.items():
            self.counters[name].advance(when, watts)
            if name is Quantity.ENERGY_IMPORT:
                new_window = self.hour.advance(when, watts)
        settled = self._settle(when, reading, counters) if counters else {}
        if powers:
            self._dater.saw_power()
        for live in self.counters.values():
            live.publish()

        if new_window or self.peaks.month is None or Quantity.ENERGY_IMPORT in settled:
            self.peaks.advance(when)
            for window in self.hour.closed():
                self.peaks.record(window)
        if self.live:
            return {n: each for n, each in settled.items() if each.gap is not None}
        settled = settled or self._estimates(when)
        self.unbooked |= settled
        return settled

    def _settle(
        self, when: datetime, reading: MeterReading, counters: Mapping[Quantity, float]
    ) -> dict[Quantity, Settlement]:
        """Find the instant of the counters, and settle each that is plausible."""
        settled: dict[Quantity, Settlement] = {}
        dated = self._dater.date(when, reading, counters, self.counters)
        if isinstance(dated, Refusal):
            self.refused[dated] += 1
            return settled
        for name, counter in counters.items():
            outcome = self.counters[name].settle(dated, counter)
            if isinstance(outcome, Settlement):
                settled[name] = outcome
                self._settled = outcome.instant
                if outcome.gap is not None:
                    self.gaps[name] = outcome
            else:
                self.refused[outcome] += 1
        return settled

    def _estimates(self, when: datetime) -> dict[Quantity, Settlement]:
        """Settle a full hour by estimate, once, when its list can come no more."""
        hour = self._hours.start(when)
        if when - hour <= LATE or self._settled == hour:
            return {}
        self._settled = hour
        return {
            name: Settlement(hour, value, estimated=True)
            for name, live in self.counters.items()
            if (value := live.at(hour)) is not None
        }

    def booked(self, name: Quantity, settlement: Settlement) -> None:
        """Note that a settlement is dealt with, unless there is a newer one by now."""
        if self.unbooked.get(name) == settlement:
            del self.unbooked[name]

    def last_hour(self, name: Quantity) -> Window | None:
        """Give the last full clock hour of energy import or export, None if not known.

        It is an estimate for the seconds until the meter has sent its counters.
        """
        if self._when is None:
            return None
        end = self._hours.start(self._when)
        energy = self.counters[name].between(end - HOUR, end)
        return None if energy is None else Window(end - HOUR, end, energy)

    @property
    def disputed(self) -> dict[Quantity, Dispute]:
        """The counters that have been refused for more than three hours.

        What the meter sends of them fits together, and cannot follow what it sent
        before: it was replaced by one without an id, or its counters were set back. A
        person has to look, and call `start_over` if it is so.
        """
        return {
            name: live.disputed
            for name, live in self.counters.items()
            if live.disputed is not None
            and self._when is not None
            and self._when - live.disputed.since > _LONG_DISPUTE
        }

    def start_over(self, name: Quantity) -> None:
        """Believe the next counter of energy import or export, whatever it is.

        For a person to decide, where `disputed` shows that a meter without an id was
        replaced. What is published goes on from where it is, without a step: nothing is
        booked that nobody used, and nothing is taken back. What was used until the new
        counter comes is what the power came to, as far as it was seen.
        """
        self.counters[name].start_over()

    def replace_meter(self) -> None:
        """Go on with the counters of another meter, for which `start_over` is called."""
        self.meter_id = None
        self._dater = SnapshotDater(self._zone)

    def as_dict(self) -> dict[str, object]:
        """Give all but the peaks that must be stored, as JSON has it.

        It changes with every reading; the peaks, which are much larger, once a window.
        """
        return {
            "meter_id": self.meter_id,
            "settled": self._settled.isoformat() if self._settled else None,
            "counters": {
                name.value: each.as_dict() for name, each in self.counters.items()
            },
            "gaps": {name.value: _gap_dict(each) for name, each in self.gaps.items()},
            "unbooked": {
                name.value: [
                    each.instant.isoformat(),
                    each.counter,
                    [[at.isoformat(), counter] for at, counter in each.revised],
                ]
                for name, each in self.unbooked.items()
            },
            "hour": self.hour.as_dict(),
            "lists": self._dater.as_dict(),
        }

    def restore(self, stored: object) -> None:
        """Take up what was stored; each part that is damaged starts afresh."""
        parts = stored if isinstance(stored, Mapping) else {}
        meter_id, counters = parts.get("meter_id"), parts.get("counters")
        self.meter_id = meter_id if isinstance(meter_id, str) else None
        with suppress(*DAMAGE):
            self._settled = optional(instant, parts.get("settled"))
            gaps = parts.get("gaps", {})
            self.gaps = {Quantity(name): _gap(each) for name, each in gaps.items()}
        with suppress(*DAMAGE):
            self.unbooked = {
                Quantity(name): _unbooked(each)
                for name, each in parts.get("unbooked", {}).items()
            }
        if not isinstance(counters, Mapping):
            counters = {}
        for name in _DIRECTIONS:
            self.counters[name] = LiveCounter.restore(self._zone, counters.get(name))
        self.hour = self._hour()
        self.hour.restore(parts.get("hour"))
        self._dater = SnapshotDater.restore(self._zone, parts.get("lists"))


def _total(
    values: Mapping[Quantity, float], name: Quantity, tariffs: tuple[Quantity, ...]
) -> float | None:
    """Give a counter, or what the counters of its tariffs add up to."""
    if 0 <= values.get(name, nan) < inf:
        return values[name]
    parts = [values[each] for each in tariffs if 0 <= values.get(each, nan) < inf]
    return round(sum(parts), 3) if len(parts) > 1 else None


def _unbooked(stored: Any) -> Settlement:
    when, counter, revised = stored
    return Settlement(
        instant(when),
        number(counter),
        revised=tuple((instant(at), number(value)) for at, value in revised),
    )


def _gap_dict(settlement: Settlement) -> list[object]:
    assert settlement.gap is not None
    start, end, energy = settlement.gap
    return [
        settlement.instant.isoformat(),
        settlement.counter,
        start.isoformat(),
        end.isoformat(),
        energy,
    ]


def _gap(stored: Any) -> Settlement:
    when, counter, start, end, energy = stored
    gap = Gap(instant(start), instant(end), number(energy))
    return Settlement(instant(when), number(counter), gap.energy, gap)
