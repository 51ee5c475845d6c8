"""What travels between the layers: quantities, registers, meter readings, errors.

Everything here is plain, frozen and free of input and output. A reading is partial by
nature: a list carries some quantities and leaves the others out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple


class Quantity(StrEnum):
    """What a register means to people.

    The value is the one name used everywhere: key of the entity description, of the
    translation and of the unique id. Import is energy from the grid, export energy to
    it. Units: W, var, VA, kWh, kvarh, V, A, Hz, degrees, m³, GJ; a power factor is a
    fraction, a tariff and a count are whole numbers.
    """

    ACTIVE_POWER_IMPORT = "active_power_import"
    ACTIVE_POWER_EXPORT = "active_power_export"
    REACTIVE_POWER_IMPORT = "reactive_power_import"
    REACTIVE_POWER_EXPORT = "reactive_power_export"
    ACTIVE_POWER_NET = "active_power_net"
    REACTIVE_POWER_Q1 = "reactive_power_q1"
    REACTIVE_POWER_Q2 = "reactive_power_q2"
    REACTIVE_POWER_Q3 = "reactive_power_q3"
    REACTIVE_POWER_Q4 = "reactive_power_q4"
    APPARENT_POWER_IMPORT = "apparent_power_import"
    APPARENT_POWER_EXPORT = "apparent_power_export"
    ACTIVE_POWER_IMPORT_L1 = "active_power_import_l1"
    ACTIVE_POWER_IMPORT_L2 = "active_power_import_l2"
    ACTIVE_POWER_IMPORT_L3 = "active_power_import_l3"
    ACTIVE_POWER_EXPORT_L1 = "active_power_export_l1"
    ACTIVE_POWER_EXPORT_L2 = "active_power_export_l2"
    ACTIVE_POWER_EXPORT_L3 = "active_power_export_l3"
    REACTIVE_POWER_IMPORT_L1 = "reactive_power_import_l1"
    REACTIVE_POWER_IMPORT_L2 = "reactive_power_import_l2"
    REACTIVE_POWER_IMPORT_L3 = "reactive_power_import_l3"
    REACTIVE_POWER_EXPORT_L1 = "reactive_power_export_l1"
    REACTIVE_POWER_EXPORT_L2 = "reactive_power_export_l2"
    REACTIVE_POWER_EXPORT_L3 = "reactive_power_export_l3"
    VOLTAGE_L1 = "voltage_l1"
    VOLTAGE_L2 = "voltage_l2"
    VOLTAGE_L3 = "voltage_l3"
    CURRENT_L1 = "current_l1"
    CURRENT_L2 = "current_l2"
    CURRENT_L3 = "current_l3"
    CURRENT_N = "current_n"
    PHASE_ANGLE_L1 = "phase_angle_l1"
    PHASE_ANGLE_L2 = "phase_angle_l2"
    PHASE_ANGLE_L3 = "phase_angle_l3"
    POWER_FACTOR = "power_factor"
    POWER_FACTOR_L1 = "power_factor_l1"
    POWER_FACTOR_L2 = "power_factor_l2"
    POWER_FACTOR_L3 = "power_factor_l3"
    FREQUENCY = "frequency"
    ENERGY_IMPORT = "energy_import"
    ENERGY_EXPORT = "energy_export"
    ENERGY_IMPORT_T1 = "energy_import_t1"
    ENERGY_IMPORT_T2 = "energy_import_t2"
    ENERGY_IMPORT_T3 = "energy_import_t3"
    ENERGY_IMPORT_T4 = "energy_import_t4"
    ENERGY_EXPORT_T1 = "energy_export_t1"
    ENERGY_EXPORT_T2 = "energy_export_t2"
    ENERGY_EXPORT_T3 = "energy_export_t3"
    ENERGY_EXPORT_T4 = "energy_export_t4"
    ENERGY_IMPORT_L1 = "energy_import_l1"
    ENERGY_IMPORT_L2 = "energy_import_l2"
    ENERGY_IMPORT_L3 = "energy_import_l3"
    ENERGY_EXPORT_L1 = "energy_export_l1"
    ENERGY_EXPORT_L2 = "energy_export_l2"
    ENERGY_EXPORT_L3 = "energy_export_l3"
    REACTIVE_ENERGY_IMPORT = "reactive_energy_import"
    REACTIVE_ENERGY_EXPORT = "reactive_energy_export"
    REACTIVE_ENERGY_IMPORT_T1 = "reactive_energy_import_t1"
    REACTIVE_ENERGY_IMPORT_T2 = "reactive_energy_import_t2"
    REACTIVE_ENERGY_IMPORT_T3 = "reactive_energy_import_t3"
    REACTIVE_ENERGY_IMPORT_T4 = "reactive_energy_import_t4"
    REACTIVE_ENERGY_EXPORT_T1 = "reactive_energy_export_t1"
    REACTIVE_ENERGY_EXPORT_T2 = "reactive_energy_export_t2"
    REACTIVE_ENERGY_EXPORT_T3 = "reactive_energy_export_t3"
    REACTIVE_ENERGY_EXPORT_T4 = "reactive_energy_export_t4"
    REACTIVE_ENERGY_Q1 = "reactive_energy_q1"
    REACTIVE_ENERGY_Q2 = "reactive_energy_q2"
    REACTIVE_ENERGY_Q3 = "reactive_energy_q3"
    REACTIVE_ENERGY_Q4 = "reactive_energy_q4"
    # Average power of the running quarter of an hour, and the highest of the month.
    DEMAND_IMPORT = "demand_import"
    DEMAND_IMPORT_PEAK = "demand_import_peak"
    TARIFF = "tariff"
    POWER_FAILURES = "power_failures"
    LONG_POWER_FAILURES = "long_power_failures"
    VOLTAGE_SAGS_L1 = "voltage_sags_l1"
    VOLTAGE_SAGS_L2 = "voltage_sags_l2"
    VOLTAGE_SAGS_L3 = "voltage_sags_l3"
    VOLTAGE_SWELLS_L1 = "voltage_swells_l1"
    VOLTAGE_SWELLS_L2 = "voltage_swells_l2"
    VOLTAGE_SWELLS_L3 = "voltage_swells_l3"
    # Of submeters only.
    VOLUME = "volume"
    THERMAL_ENERGY = "thermal_energy"


class MeterKind(StrEnum):
    """What a meter measures: electricity, or what a submeter behind it does."""

    ELECTRICITY = "electricity"
    GAS = "gas"
    HEAT = "heat"
    COOLING = "cooling"
    WATER = "water"
    HOT_WATER = "hot_water"
    OTHER = "other"


class ErrorCode(StrEnum):
    """The five ways bytes can fail to be a reading."""

    CRC = "crc"
    TRUNCATED = "truncated"
    NO_KEY = "encrypted-no-key"
    WRONG_KEY = "wrong-key"
    UNSUPPORTED = "unsupported"


class ProtocolError(Exception):
    """Why some bytes gave no reading.

    Parsers raise it; the decoder catches it and hands it out as a value, because one
    chunk may hold a bad frame and a good one. Anything else that is raised is a bug.
    """

    def __init__(
        self,
        code: ErrorCode,
        detail: str,
        *,
        system_title: bytes = b"",
        length: int = 1,
        claim: int = 0,
    ) -> None:
        """Take the code and one sentence in English.

        `system_title` is the sender of a ciphered APDU. `length` is how many bytes were
        looked at, `claim` how many the frame says it has where that is more: what else
        fails inside it is the same damage.
        """
        super().__init__(detail)
        self.code = code
        self.detail = detail
        self.system_title = system_title
        self.length = length
        self.claim = max(claim, length)


class Register(NamedTuple):
    """One value as the meter sent it: raw * 10**scaler in the DLMS unit."""

    obis: bytes
    raw: int
    scaler: int
    unit: int


@dataclass(frozen=True, slots=True)
class Meter:
    """Which meter speaks; empty where a list does not say.

    `id` is what makes the meter unique and never changes; `id_alt` a second identifier
    of the same message; `flag_id` the maker's three letters from a system title or the
    head of a telegram; `id_raw` is the id as P1 meters send it, where that is hexadecimal
    text. `kind` tells a submeter from the electricity meter, `channel`
    the place it is connected to there, from 1.
    """

    manufacturer: str | None = None
    type: str | None = None
    id: str | None = None
    id_alt: str | None = None
    list_version: str | None = None
    logical_device_name: str | None = None
    flag_id: str | None = None
    kind: MeterKind = MeterKind.ELECTRICITY
    channel: int | None = None
    id_raw: str | None = None

    def is_named(self, name: str) -> bool:
        """Say whether a name, `id` of one list, is that of the meter of this list."""
        return any(
            own is not None and (own == name or _is_serial(own, name))
            for own in (self.id, self.id_alt)
        )


def _is_serial(one: str, other: str) -> bool:
    """Say whether one is a device name, and ends in the other.

    A logical device name begins with the three letters of the maker. One-phase AM550 have
    it in one list, and their serial number alone in the other.
    """
    serial, device = sorted((one, other), key=len)
    return len(serial) > 7 and device[:3].isalpha() and device.endswith(serial)


class MeterReading(NamedTuple):
    """All that one message says about one meter.

    `values` is in the units of `Quantity`. `list_kind` is 1 (power only), 2 (with
    voltage, current, identity), 3 (with energy counters), None where meters have no
    such lists. `meter_time` is the wall clock as sent, aware only if the message
    states a usable offset; `meter_time_alt` a second, different one in the same
    message. `unmeasured` are quantities in `values` that this type of meter sends as
    a constant 0 because it does not measure them. `submeters` are the gas, water and
    heat meters behind this one, each with the time of its own last reading. `text` is
    a message of the grid company to the customer.
    """

    meter: Meter
    values: Mapping[Quantity, float]
    list_kind: int | None = None
    meter_time: datetime | None = None
    meter_time_alt: datetime | None = None
    unmeasured: frozenset[Quantity] = frozenset()
    submeters: tuple[MeterReading, ...] = ()
    text: str | None = None

    @property
    def measured(self) -> Mapping[Quantity, float]:
        """The values without those that are not measured."""
        if not self.unmeasured:
            return self.values
        return {
            quantity: value
            for quantity, value in self.values.items()
            if quantity not in self.unmeasured
        }


class Outcome(NamedTuple):
    """One message found: where its first byte stood, its bytes, what they say.

    `plain` is what was in it, where it was enciphered and a key opened it.
    """

    offset: int
    frame: bytes
    result: MeterReading | ProtocolError
    plain: bytes | None = None
