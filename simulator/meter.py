"""What does one meter send, and what is true in its house?"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from random import Random

from . import frames
from .curve import EPOCH, MICROSECOND, WATT_HOUR, Curve, curve
from .encode import Value, Values
from .families import ALIASES, MODELS, Model
from .faults import Fault, Moment, Stage, parse_fault
from .grid import Wiring, measure

HOUR = timedelta(hours=1)
# From when the house stands, to before counters grow beyond their digits.
FIRST, LAST = datetime(2020, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
GAS, GAS_PER_HOUR, GAS_READ = 1500, 0.21, timedelta(minutes=5)  # m3


def create(
    name: str,
    *,
    seed: int = 0,
    hour_offset: float | None = None,
    faults: Iterable[str] = (),
) -> SimulatedMeter:
    """Return the meter `name` of `MODELS` or `ALIASES`; the same seed gives the same meter.

    `hour_offset` is when the hour list is sent, in seconds after the hour, where it is
    not the maker's usual time. `faults` are written as `faults.parse_fault` takes them.
    ValueError, in words, for an unknown meter or fault.
    """
    if hour_offset is not None and not 0 <= hour_offset < 3600:
        raise ValueError(f"the hour list is not sent {hour_offset:g} s after the hour")
    if name not in MODELS and name not in ALIASES:
        raise ValueError(f"no meter is called {name!r}; there are {', '.join(MODELS)}")
    model = MODELS[ALIASES.get(name, name)]
    return SimulatedMeter(
        model, seed, hour_offset, [parse_fault(each) for each in faults]
    )


class SimulatedMeter:
    """A meter in a house. Instants are aware, power is in W, energy in kWh."""

    def __init__(
        self,
        model: Model,
        seed: int,
        hour_offset: float | None,
        faults: list[Fault],
    ) -> None:
        """Take the model, the seed of house and identity, and what goes wrong."""
        digits = model.id_length - len(model.id)
        self.model = model
        self.seed = seed
        self.id = f"{model.id}{seed % 10**digits:0{digits}}"
        # The keys a customer gets; meaningless when the model has no cipher.
        self.encryption_key = Random(f"{seed} encryption").randbytes(16)
        self.authentication_key = Random(f"{seed} authentication").randbytes(16)
        self.faults = faults
        self._cadence = [
            (
                round(period * 1_000_000),
                round(
                    (offset if kind != 3 or hour_offset is None else hour_offset)
                    * 1_000_000
                ),
                kind,
            )
            for period, offset, kind in model.cadence
        ]

    @cached_property
    def _curve(self) -> Curve:
        return curve(self.seed)

    def power(self, when: datetime) -> int:
        """Return what the house takes from the grid at `when`; negative for export."""
        return sum(self._curve.load(when).active)

    def energy_import(self, when: datetime) -> float:
        """Return all the energy taken from the grid until `when`."""
        return self._curve.counters(when)["energy_import"] / WATT_HOUR / 1000

    def energy_export(self, when: datetime) -> float:
        """Return all the energy given to the grid until `when`."""
        return self._curve.counters(when)["energy_export"] / WATT_HOUR / 1000

    def moment(self, when: datetime, kind: int) -> Moment:
        """Return which instants list `kind` sent at `when` speaks of.

        The counters of an hour list are those of the full hour.
        """
        hour = when - (when - EPOCH) % HOUR
        counted = hour if kind == 3 else when
        return Moment(kind, when, hour if self.model.clock_of_hour else when, counted)

    def values(self, moment: Moment) -> dict[str, Value]:
        """Return all that the meter knows, by the names and in the units of quantities.

        Numbers have all their digits; a list holds some of them, as far as they go.
        """
        model = self.model
        load = self._curve.load(moment.when)
        active, reactive = sum(load.active), sum(load.reactive)
        counters = {
            key: value // WATT_HOUR
            for key, value in self._curve.counters(moment.counted).items()
        }
        quadrants = [counters[f"reactive_energy_q{each}"] for each in (1, 2, 3, 4)]
        counters |= {
            "energy_import_t2": counters["energy_import"]
            - counters["energy_import_t1"],
            "energy_export_t2": counters["energy_export"]
            - counters["energy_export_t1"],
            "reactive_energy_import": quadrants[0] + quadrants[1],
            "reactive_energy_export": quadrants[2] + quadrants[3],
        }
        for way in ("energy_import", "energy_export"):
            if model.wiring is Wiring.ONE_PHASE:
                counters[f"{way}_l1"] = counters[way]
            if model.wiring is not Wiring.FOUR_WIRE:
                del counters[f"{way}_l2"], counters[f"{way}_l3"]
            if model.wiring is Wiring.THREE_WIRE:
                del counters[f"{way}_l1"]
        gas_read = moment.when - (moment.when - EPOCH) % GAS_READ
        gas_time = moment.clock - (moment.clock - EPOCH) % GAS_READ
        values: dict[str, Value] = {
            **{
                key: text.format(number=self.id[-6:]) if isinstance(text, str) else text
                for key, text in model.constants.items()
            },
            "meter_id": self.id + model.id_padding,
            "meter_time": moment.clock,
            "active_power_import": max(active, 0),
            "active_power_export": max(-active, 0),
            "reactive_power_import": max(reactive, 0),
            "reactive_power_export": max(-reactive, 0),
            "tariff": self._curve.tariff(moment.when),
            "gas_time": gas_time,
            "gas_volume": round(GAS + (gas_read - EPOCH) / HOUR * GAS_PER_HOUR, 3),
            "power_factor": abs(active) / abs(complex(active, reactive) or 1),
            **{key: value / 1000 for key, value in counters.items()},
        }
        for key, value in measure(model.wiring, load, moment.when).items():
            signed = model.signed or not key.startswith("current")
            values[key] = value if signed else abs(value)
        values |= dict.fromkeys(model.zero, 0)
        return {key: value for key, value in values.items() if key not in model.missing}

    def message(self, when: datetime, kind: int) -> bytes:
        """Return list `kind` as sent at `when`, without any fault."""
        return self._frames(when, kind, self.values(self.moment(when, kind)))

    def _frames(self, when: datetime, kind: int, values: Values) -> bytes:
        count = (when - EPOCH) // timedelta(seconds=1)
        seal = None
        if cipher := self.model.cipher:
            room = 8 - len(cipher.title)
            number = int(self.id[-8:]) % 256**room
            seal = partial(
                frames.seal,
                title=cipher.title + number.to_bytes(room),
                counter=count,
                control=cipher.control,
                encryption_key=self.encryption_key,
                authentication_key=self.authentication_key,
                long_length=cipher.long_length,
            )
        return self.model.layout.frames(kind, values, when, count, seal)

    def hour_list(self, when: datetime) -> bytes:
        """Return the newest hour list at `when`, without any fault."""
        period, offset, kind = max(self._cadence)
        since = ((when - EPOCH) // MICROSECOND - offset) % period
        return self.message(when.astimezone(UTC) - since * MICROSECOND, kind)

    def messages(
        self, start: datetime, end: datetime | None = None
    ) -> Iterator[tuple[datetime, bytes]]:
        """Give what the meter sends from `start` until before `end`, and when.

        Instants are in UTC. Faults of the meter and of the line are at work; those of the
        connection are not. ValueError for a start before 2020 or after 2099.
        """
        if not FIRST <= start < LAST:
            raise ValueError(f"the meter counts from 2020 to 2099, not in {start.year}")
        return self._sent(start, end)

    def _sent(
        self, start: datetime, end: datetime | None
    ) -> Iterator[tuple[datetime, bytes]]:
        random = Random(f"{self.seed} faults")
        for when, kind in self._schedule(start.astimezone(UTC)):
            if end is not None and when >= end:
                return
            if sent := self.sent(when, kind, (when - start).total_seconds(), random):
                yield when, sent

    def sent(self, when: datetime, kind: int, elapsed: float, random: Random) -> bytes:
        """Return list `kind` as it leaves at `when`, `elapsed` seconds after the start.

        It is what `message` gives but for the faults that are at work then.
        """
        moment = self.moment(when, kind)
        active = [each for each in self.faults if each.strikes(elapsed, random)]
        for fault in active:
            moment = fault.apply(Stage.MOMENT, moment)
        values = self.values(moment)
        for fault in active:
            values = fault.apply(Stage.VALUES, values)
        sent = self._frames(when, kind, values)
        for fault in active:
            sent = fault.apply(Stage.LINE, sent, random)
        return sent

    def _schedule(self, start: datetime) -> Iterator[tuple[datetime, int]]:
        """Give when each list is due, from `start` on."""
        now = (start - EPOCH) // MICROSECOND
        while True:
            due: dict[int, int] = {}
            for period, offset, kind in self._cadence:
                due[-(-(now - offset) // period) * period + offset] = kind
            when = min(due)
            yield EPOCH + when * MICROSECOND, due[when]
            now = when + 1
