"""Which meters are there, what does each send, and when?

Rows are the wire as captured; where a document disagrees the comment says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from .encode import (
    ARRAY,
    I16,
    OCTETS,
    OSLO,
    STANDARD_TIME,
    STRAY_TAG,
    STRUCTURE,
    TEXT,
    U16,
    U32,
    VAR,
    VARH,
    WH,
    WITH_TIME,
    A,
    Clock,
    DlmsLayout,
    Row,
    V,
    W,
    paired_or_null,
    positional,
    tagged,
)
from .grid import Wiring

# Which list is sent when: period, offset in the period, list kind. Where two fall on one
# instant the later row is sent and the other left out.
type Cadence = Sequence[tuple[float, float, int]]


def _energy(channel: str, tag: int, scaler: int) -> tuple[Row, ...]:
    return (
        Row("energy_import", f"{channel}:1.8.0", tag, scaler, WH),
        Row("energy_export", f"{channel}:2.8.0", tag, scaler, WH),
        Row("reactive_energy_import", f"{channel}:3.8.0", tag, scaler, VARH),
        Row("reactive_energy_export", f"{channel}:4.8.0", tag, scaler, VARH),
    )


def _power(channel: str) -> tuple[Row, ...]:
    return (
        Row("active_power_import", f"{channel}:1.7.0", U32, 0, W),
        Row("active_power_export", f"{channel}:2.7.0", U32, 0, W),
        Row("reactive_power_import", f"{channel}:3.7.0", U32, 0, VAR),
        Row("reactive_power_export", f"{channel}:4.7.0", U32, 0, VAR),
    )


def _phases(key: str, channel: str, codes: Sequence[str], *how: int) -> tuple[Row, ...]:
    return tuple(
        Row(f"{key}_l{phase}", f"{channel}:{code}", *how)
        for phase, code in enumerate(codes, 1)
    )


CURRENTS = ("31.7.0", "51.7.0", "71.7.0")
VOLTAGES = ("32.7.0", "52.7.0", "72.7.0")


def _lists(
    first: Sequence[Row], second: Sequence[Row], hourly: Sequence[Row]
) -> dict[int, Sequence[Row]]:
    return {1: first, 2: second, 3: [*second, *hourly]}


# Aidon HAN Interface Description 1.1A section 3.2. The document says octet-string for the
# texts and 0 A for I2 of three wires; meters send visible-string and leave I2 out. Sunday
# is 0 and the clock is standard time all year, whatever deviation and status say.
def _aidon(current_scaler: int) -> dict[int, Sequence[Row]]:
    return _lists(
        _power("1-0")[:1],
        [
            Row("list_version", "1-1:0.2.129", TEXT),
            Row("meter_id", "0-0:96.1.0", TEXT),
            Row("meter_type", "0-0:96.1.7", TEXT),
            *_power("1-0"),
            *_phases("current", "1-0", CURRENTS, I16, current_scaler, A),
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
        ],
        [Row("meter_time", "0-0:1.0.0", OCTETS), *_energy("1-0", U32, 1)],
    )


AIDON = DlmsLayout(
    lists=_aidon(-1),
    shape=tagged,
    container=ARRAY,
    clock=Clock(STANDARD_TIME, deviation=0, status=0, sunday=0),
    address=bytes.fromhex("41 0883"),
)
# Newer firmware states neither deviation nor status.
AIDON_2023 = DlmsLayout(
    lists=_aidon(-1),
    shape=tagged,
    container=ARRAY,
    clock=Clock(STANDARD_TIME, status=0xFF, sunday=0),
    address=bytes.fromhex("41 0883"),
)
# Landis+Gyr E350 for Norway: Aidon's layout with currents in 0.01 A. Its list 3 was never
# captured; it is taken to be Aidon's too.
E350 = DlmsLayout(
    lists=_aidon(-2),
    shape=tagged,
    container=ARRAY,
    clock=Clock(STANDARD_TIME, deviation=0, status=0),
    address=bytes.fromhex("41 0883"),
)

# Kaifa KFM_001. The document says long and long-unsigned for currents and voltages; every
# number is double-long-unsigned. The time is local, with summer time.
KAIFA = DlmsLayout(
    lists=_lists(
        _power("1-0")[:1],
        [
            Row("list_version", "1-1:0.2.129", OCTETS),
            Row("meter_id", "0-0:96.1.0", OCTETS),
            Row("meter_type", "0-0:96.1.7", OCTETS),
            *_power("1-0"),
            *_phases("current", "1-0", CURRENTS, U32, -3, A),
            *_phases("voltage", "1-0", VOLTAGES, U32, -1, V),
        ],
        [Row("meter_time", "0-0:1.0.0", OCTETS), *_energy("1-0", U32, 0)],
    ),
    shape=positional,
    container=STRUCTURE,
    clock=Clock(OSLO),
    address=bytes.fromhex("01 0201"),
    control=0x10,
    time=STRAY_TAG,
)

# Kamstrup HAN-NVE 3.1 chapter 3. Nothing on the wire says that energy is in 10 Wh and
# current in 0.01 A. The clock keeps standard time; its status tells the season.
KAMSTRUP = DlmsLayout(
    lists=_lists(
        [],
        [
            Row("list_version", "", TEXT),
            Row("meter_id", "1-1:0.0.5", TEXT),
            Row("meter_type", "1-1:96.1.1", TEXT),
            *_power("1-1"),
            *_phases("current", "1-1", CURRENTS, U32, -2, A),
            *_phases("voltage", "1-1", VOLTAGES, U16, 0, V),
        ],
        [Row("meter_time", "0-1:1.0.0", OCTETS), *_energy("1-1", U32, 1)],
    ),
    shape=paired_or_null,
    container=STRUCTURE,
    clock=Clock(STANDARD_TIME, status=None),
    address=bytes.fromhex("2b 21"),
    time=WITH_TIME,
    invoke_id=0,
)

# List 3 stands in for list 2. Kamstrup's hourly list has an instant of its own.
EVERY_2_5_S: Cadence = ((2.5, 0, 1), (10, 0, 2), (3600, 10, 3))
EVERY_2_S: Cadence = ((2, 0, 1), (10, 0, 2), (3600, 10, 3))
EVERY_10_S: Cadence = ((10, 0, 2), (3600, 5, 3))


@dataclass(frozen=True)
class Model:
    """One meter one can buy.

    `id_prefix` is filled up with digits to `id_length`, then with NULs to 16 bytes where
    the meter does that. `zero` is sent as 0, `missing` not at all; both by key. `signed`
    says whether currents have a sign. The clock of an hour list shows the hour itself or
    when it is sent. `line_speed` is in bytes a second.
    """

    layout: DlmsLayout
    wiring: Wiring
    cadence: Cadence
    list_version: str
    type: str
    id_prefix: str
    id_length: int = 16
    id_padding: str = ""
    signed: bool = False
    zero: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    clock_of_hour: bool = False
    line_speed: int = 2400 // 11


_AIDON_3P = Model(
    AIDON,
    Wiring.FOUR_WIRE,
    EVERY_2_5_S,
    list_version="AIDON_V0001",
    type="6534",
    id_prefix="735999289",
    signed=True,
    clock_of_hour=True,
)
_KAIFA_3P = Model(
    KAIFA,
    Wiring.FOUR_WIRE,
    EVERY_2_S,
    list_version="KFM_001",
    type="MA304H4",
    id_prefix="697063140",
)
_KAMSTRUP_3P = Model(
    KAMSTRUP,
    Wiring.FOUR_WIRE,
    EVERY_10_S,
    list_version="Kamstrup_V0001",
    type="6841131BN243101040",
    id_prefix="570656720",
)

MODELS: dict[str, Model] = {
    "aidon-1p": replace(_AIDON_3P, wiring=Wiring.ONE_PHASE, type="6515"),
    "aidon-3w": replace(
        _AIDON_3P,
        layout=AIDON_2023,
        wiring=Wiring.THREE_WIRE,
        type="6525",
        missing=frozenset({"current_l2"}),
    ),
    "aidon-3p": _AIDON_3P,
    "kaifa-1p": replace(_KAIFA_3P, wiring=Wiring.ONE_PHASE, type="MA105H2E"),
    "kaifa-3w": replace(
        _KAIFA_3P,
        wiring=Wiring.THREE_WIRE,
        type="MA304H3E",
        zero=frozenset({"voltage_l2"}),
    ),
    "kaifa-3w-ct": replace(
        _KAIFA_3P,
        wiring=Wiring.THREE_WIRE,
        type="MA304T3",
        zero=frozenset({"current_l2", "voltage_l2"}),
    ),
    "kaifa-3p": _KAIFA_3P,
    "kaifa-3p-ct": replace(_KAIFA_3P, type="MA304T4"),
    "kamstrup-1p": replace(
        _KAMSTRUP_3P, wiring=Wiring.ONE_PHASE, type="6861111BN242101040"
    ),
    "kamstrup-3w": replace(
        _KAMSTRUP_3P, wiring=Wiring.THREE_WIRE, type="6841121BN243101040"
    ),
    "kamstrup-3p": _KAMSTRUP_3P,
    "lg-e350": Model(
        E350,
        Wiring.THREE_WIRE,
        EVERY_2_5_S,
        list_version="EMBRIQ_V1_1",
        type="ZFF1",
        id_prefix="139",
        id_length=8,
        id_padding="\0" * 8,
        zero=frozenset({"current_l2", "voltage_l2"}),
        clock_of_hour=True,
    ),
}
ALIASES = {
    "aidon": "aidon-3p",
    "kaifa": "kaifa-3p",
    "kamstrup": "kamstrup-3p",
    "lg": "lg-e350",
}
