"""Which bytes of an APDU are which quantity.

Reading a list gives a layout. The next message of the same list differs in values and
times only, so its layout reads it without parsing it again, after every other byte was
found to be the same.
"""

from collections.abc import Callable, Iterable, Mapping
from operator import mul, truediv
import struct
from types import MappingProxyType
from typing import Final, NamedTuple

from . import obis
from .dlms import WHOLE_NUMBERS, Leaf, date_time
from .obis import (
    AMPERE,
    DEGREE,
    HERTZ,
    LIMITS,
    NO_UNIT,
    VAR,
    VAR_HOUR,
    VOLT,
    VOLT_AMPERE,
    WATT,
    WATT_HOUR,
)
from .reading import ErrorCode, Meter, MeterReading, ProtocolError, Quantity


class Scalers(NamedTuple):
    """Powers of ten of values that come without a scaler, None where not known."""

    power: int = 0
    energy: int = 0
    current: int = 0
    voltage: int = 0
    factor: int = 0
    frequency: int | None = None
    angle: int | None = None


# Which of them holds for a unit.
_SCALER: Final = {
    WATT: 0,
    VAR: 0,
    VOLT_AMPERE: 0,
    WATT_HOUR: 1,
    VAR_HOUR: 1,
    AMPERE: 2,
    VOLT: 3,
    NO_UNIT: 4,
    HERTZ: 5,
    DEGREE: 6,
}


class Family(NamedTuple):
    """What a maker's lists do not say themselves.

    `scalers` is None where only powers and energies are sure to be in W and Wh, and
    all else needs a scaler. `adapt` works scalers out from the raw values where they
    depend on how a meter was configured. `kinds`: the lists come in the three kinds of
    the Norwegian port. `clock_offset`: the deviation in the clock can be believed.
    """

    manufacturer: str | None = None
    scalers: Scalers | None = None
    adapt: Callable[[Meter, Mapping[Quantity, int], Scalers], Scalers] | None = None
    kinds: bool = False
    clock_offset: bool = True


class ListRegister(NamedTuple):
    """A value of a list: its quantity, where it stands, scaler and unit where sent.

    The quantity is None for a code that is not one of ours.
    """

    quantity: Quantity | None
    leaf: Leaf
    scaler: int | None = None
    unit: int | None = None


class _Field(NamedTuple):
    quantity: Quantity
    start: int
    format: str
    scaler: int | None


class Layout:
    """Places and scalers of the values of one list of one meter."""

    def __init__(
        self,
        apdu: bytes,
        family: Family,
        meter: Meter,
        registers: Iterable[ListRegister],
        clocks: Iterable[Leaf],
        *,
        unmeasured: frozenset[Quantity] = frozenset(),
    ) -> None:
        """Take an APDU and what was found in it.

        `unmeasured` are quantities that the meter sends as 0 if it does not measure
        them. The first of the clocks is the meter's, the first of the registers of a
        quantity counts. Raises ProtocolError UNSUPPORTED if none is of electricity.
        """
        clocks = list(clocks)
        # The invoke id may count.
        mask = bytearray(b"\xff" * len(apdu))
        mask[1:5] = bytes(4)
        for clock in clocks:
            mask[clock.start : clock.start + 12] = bytes(12)
        found: dict[Quantity, _Field] = {}
        for quantity, leaf, scaler, unit in registers:
            if (format_ := WHOLE_NUMBERS.get(leaf.tag)) is None:
                continue
            size = struct.calcsize(format_)
            mask[leaf.start : leaf.start + size] = bytes(size)
            if quantity is not None and _is_sure(family, quantity, unit):
                field = _Field(quantity, leaf.start, format_, scaler)
                found.setdefault(quantity, field)
        if not found:
            raise ProtocolError(
                ErrorCode.UNSUPPORTED, "the list holds no electricity value"
            )
        self.mask = bytes(mask)
        self._mask = int.from_bytes(mask)
        self._constant = int.from_bytes(apdu) & self._mask

        fields = sorted(found.values(), key=lambda field: field.start)
        places, end = ">", 0
        for field in fields:
            places += f"{field.start - end}x{field.format}"
            end = field.start + struct.calcsize(field.format)
        self._unpack = struct.Struct(places).unpack_from
        self._quantities = tuple(field.quantity for field in fields)
        self._sent = tuple(field.scaler for field in fields)
        self._meter = meter
        self._adapt = family.adapt
        self._scalers = family.scalers or Scalers()
        self._powers = {self._scalers: self._scale(self._scalers)}
        self._usual = self._powers[self._scalers]
        self._kind = _kind(self._quantities) if family.kinds else None
        self._clocks = tuple(clock.start for clock in clocks)
        self._clock_offset = family.clock_offset
        self._unmeasured = unmeasured.intersection(found)
        self._limited = [(name, LIMITS[name]) for name in found if name in LIMITS]

    def fits(self, apdu: bytes) -> bool:
        """Say whether an APDU of the same length differs in values and times only."""
        return int.from_bytes(apdu) & self._mask == self._constant

    def read(self, data: bytes, at: int = 0) -> MeterReading:
        """Give what an APDU that fits says; it stands in `data` at an index."""
        quantities, raws = self._quantities, self._unpack(data, at)
        powers = self._usual
        if self._adapt is not None:
            raw = dict(zip(quantities, raws))  # noqa: B905
            scalers = self._adapt(self._meter, raw, self._scalers)
            if scalers not in self._powers:
                self._powers[scalers] = self._scale(scalers)
            powers = self._powers[scalers]
        # As `obis.scale` does it, at the speed of C.
        factors, divisors = powers
        numbers = map(mul, raws, factors) if factors else raws  # noqa: B912
        # All are of one length; to have that checked costs more than the values do.
        values = dict(zip(quantities, map(truediv, numbers, divisors)))  # noqa: B905, B912
        for quantity, limit in self._limited:
            if values[quantity] > limit:
                del values[quantity]
        time = other = None
        sent = b""
        for start in self._clocks:
            start += at
            if (octets := data[start : start + 12]) == sent:
                continue
            sent = octets
            when = date_time(octets, offset=self._clock_offset)
            if time is None:
                time = when
            elif when != time:
                other = when or other
        unmeasured = self._unmeasured
        if unmeasured and any(values[quantity] for quantity in unmeasured):
            unmeasured = frozenset()
        return MeterReading(
            self._meter, MappingProxyType(values), self._kind, time, other, unmeasured
        )

    def _scale(self, scalers: Scalers) -> tuple[list[int], list[int]]:
        """Give factors, none if all are 1, and divisors; a scaler sent is believed."""
        exponents = [
            obis.exponent(
                quantity,
                # None is of no quantity that is sure
                scalers[_SCALER[obis.UNITS[quantity]]] or 0 if sent is None else sent,
            )
            for quantity, sent in zip(self._quantities, self._sent, strict=True)
        ]
        factors = [10 ** max(0, exponent) for exponent in exponents]
        divisors = [10 ** max(0, -exponent) for exponent in exponents]
        return factors if max(factors) > 1 else [], divisors


def _is_sure(family: Family, quantity: Quantity, unit: int | None) -> bool:
    """Say whether it is known on which scale a value is."""
    own = obis.UNITS.get(quantity, NO_UNIT)
    if unit is not None:
        return unit == own
    if family.scalers is None:
        return own in (WATT, VAR, WATT_HOUR, VAR_HOUR)
    return family.scalers[_SCALER[own]] is not None


def _kind(quantities: Iterable[Quantity]) -> int:
    """Tell the kinds of the Norwegian port: power only, all values, with counters."""
    units = [obis.UNITS[quantity] for quantity in quantities]
    if WATT_HOUR in units:
        return 3
    return 2 if len(units) > 1 else 1
