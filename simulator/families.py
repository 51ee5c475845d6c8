"""Which meters are there, what does each send, and when?

Rows are the wire as captured; where a document disagrees the comment says so.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from .encode import (
    ARRAY,
    ENUM,
    I16,
    NO_TIME,
    OCTETS,
    OSLO,
    STANDARD_TIME,
    STRAY_TAG,
    STRUCTURE,
    TEXT,
    U8,
    U16,
    U32,
    U64,
    VAR,
    VARH,
    WH,
    WITH_TIME,
    A,
    Clock,
    DlmsLayout,
    Line,
    P1Layout,
    Row,
    V,
    W,
    clock_and_tagged,
    described,
    flat,
    paired,
    paired_or_null,
    positional,
    tagged,
)
from .frames import blocks, mbus, one_frame, segments
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


def _each(key: str, channel: str, code: int, rest: str, *how: int) -> tuple[Row, ...]:
    """Give the rows of the phases, whose codes are 20 apart."""
    codes = [f"{20 * phase + code}.{rest}" for phase in (1, 2, 3)]
    return _phases(key, channel, codes, *how)


_DIRECTIONS = (
    ("active_power_import", W),
    ("active_power_export", W),
    ("reactive_power_import", VAR),
    ("reactive_power_export", VAR),
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
    wrap=partial(one_frame, address=bytes.fromhex("41 0883")),
)
# Newer firmware states neither deviation nor status.
AIDON_2023 = replace(AIDON, clock=Clock(STANDARD_TIME, status=0xFF, sunday=0))
# Landis+Gyr E350 for Norway: Aidon's layout with currents in 0.01 A. Of its list 3 a single
# one was published, not intact, with counters under A = 0 and in Wh.
E350 = replace(
    AIDON,
    lists=_lists(
        _aidon(-2)[1],
        _aidon(-2)[2],
        [Row("meter_time", "0-0:1.0.0", OCTETS), *_energy("0-0", U32, 0)],
    ),
    clock=Clock(STANDARD_TIME, deviation=0, status=0),
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
    wrap=partial(one_frame, address=bytes.fromhex("01 0201"), control=0x10),
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
    wrap=partial(one_frame, address=bytes.fromhex("2b 21")),
    time=WITH_TIME,
    invoke_id=0,
)

# A Swedish one counts in Wh, and says so only by its type, BN245.
KAMSTRUP_WH = replace(
    KAMSTRUP,
    lists={**KAMSTRUP.lists, 3: [*KAMSTRUP.lists[3][:-4], *_energy("1-1", U32, 0)]},
)

# Aidon RJ12 1.6P section 3.3.2.1: the order of its example, which is the wire's.
AIDON_SE = replace(
    AIDON_2023,
    lists={
        2: [
            Row("meter_time", "0-0:1.0.0", OCTETS),
            *_power("1-0"),
            *_phases("current", "1-0", CURRENTS, I16, -1, A),
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
            *(
                Row(f"{kind}_l{phase}", f"1-0:{20 * phase + code}.7.0", U32, 0, unit)
                for phase in (1, 2, 3)
                for code, (kind, unit) in enumerate(_DIRECTIONS, 1)
            ),
            *_energy("1-0", U32, 0),
        ]
    },
)

# Kaifa in Sweden: the Norwegian hour list all the time, with or without OBIS codes.
KAIFA_SE = replace(
    KAIFA,
    lists={2: KAIFA.lists[3]},
    clock=Clock(STANDARD_TIME),
    wrap=partial(one_frame, address=bytes.fromhex("01 0001"), control=0x10),
)
KAIFA_SE_U64 = replace(
    KAIFA_SE,
    lists={2: [*KAIFA.lists[2], *KAIFA.lists[3][-5:-4], *_energy("1-0", U64, 0)]},
)
KAIFA_SE_OBIS = replace(
    KAIFA_SE,
    lists={
        2: [
            row._replace(obis="1-0:0.2.129") if row.key == "list_version" else row
            for row in KAIFA.lists[3]
        ]
    },
    shape=paired,
    clock=Clock(STANDARD_TIME, deviation=None),
    time=NO_TIME,
)

# Kamstrup OMNIPOWER HAN 5512-2584 A2 section 5.2, "push 1": everything every 10 s, and
# what a one-phase meter does not have is left out. The number is that of the meter.
KAMSTRUP_PUSH_1 = replace(
    KAMSTRUP,
    lists={
        2: [
            Row("list_version", "", TEXT),
            *_energy("1-1", U32, 1),
            Row("meter_id", "1-1:0.0.1", U32),
            *_power("1-1"),
            Row("meter_time", "0-1:1.0.0", OCTETS),
            *_phases("voltage", "1-1", VOLTAGES, U16, 0, V),
            *_phases("current", "1-1", CURRENTS, U32, -2, A),
            *_each("active_power_import", "1-1", 1, "7.0", U32, 0, W),
            *_each("power_factor", "1-1", 13, "7.0", U16, -2),
            Row("power_factor", "1-1:13.7.0", U16, -2),
            *_each("active_power_export", "1-1", 2, "7.0", U32, 0, W),
            *_each("energy_export", "1-1", 2, "8.0", U32, 1, WH),
            *_each("energy_import", "1-1", 1, "8.0", U32, 1, WH),
        ]
    },
    shape=paired,
    wrap=partial(one_frame, address=bytes.fromhex("41 03")),
)

# Netz Niederoesterreich, customer interface 2nd edition p. 8: Kaifa and Sagemcom.
NETZ_NOE = DlmsLayout(
    lists={
        2: [
            Row("meter_time", "0-0:1.0.0", OCTETS),
            *_energy("1-0", U32, 0)[:2],
            *_power("1-0")[:2],
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            Row("power_factor", "1-0:13.7.0", U16, -3),
            Row("meter_id", "0-0:96.1.0", OCTETS),
        ]
    },
    shape=flat,
    container=STRUCTURE,
    clock=Clock(OSLO, deviation=None, status=None, hundredths=0),
    wrap=mbus,
    time=WITH_TIME,
    invoke_id=0x80000000,
    counts=True,
)
# An older Sagemcom: frames longer than their length can say, a signed power factor.
NETZ_NOE_OLD = replace(
    NETZ_NOE,
    lists={
        2: [
            row._replace(tag=I16) if row.key == "power_factor" else row
            for row in NETZ_NOE.lists[2]
        ]
    },
    wrap=partial(mbus, size=252),
)
# TINETZ, description of the customer interface, p. 8: Kaifa, also in Poland.
TINETZ = replace(
    NETZ_NOE,
    lists={
        2: [
            Row("meter_time", "0-0:1.0.0", OCTETS),
            Row("meter_id", "0-0:96.1.0", OCTETS),
            Row("logical_device_name", "0-0:42.0.0", OCTETS),
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            *_power("1-0")[:2],
            *_energy("1-0", U32, 0),
        ]
    },
    shape=clock_and_tagged,
    invoke_id=0,
)

# Landis+Gyr E450 (Regionalwerke Baden, E450 manual p. 7).
E450 = DlmsLayout(
    lists={
        2: [
            Row("meter_id", "0-0:96.1.0", OCTETS),
            *_power("1-0")[:2],
            *_energy("1-1", U32, 0)[:2],
            *(
                Row(f"reactive_energy_q{quadrant}", f"1-1:{code}.8.0", U32, 0, VARH)
                for quadrant, code in enumerate((5, 6, 7, 8), 1)
            ),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
        ]
    },
    shape=described,
    container=STRUCTURE,
    clock=Clock(OSLO),
    wrap=partial(blocks, address=bytes.fromhex("ceff 03")),
    time=WITH_TIME,
    invoke_id=0,
    counts=True,
)

# Landis+Gyr E450 of Netz Burgenland: values alone, in one frame.
E450_AT = replace(
    E450,
    lists={
        2: [
            *_phases("voltage", "1-0", VOLTAGES, U16, 0, V),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            *_power("1-0")[:2],
            *_energy("1-0", U32, 0)[:2],
            *(Row(f"phase_angle_l{phase}", "", U16) for phase in (1, 2, 3)),
            Row("meter_id", "", OCTETS),
        ]
    },
    shape=positional,
    wrap=partial(one_frame, address=bytes.fromhex("ceff 03")),
)

# Landis+Gyr E450 of Slovenia, as captured: values alone, in two lists by turns. The one of
# phases begins with the number that the grid company gave the meter.
E450_SI = replace(
    E450_AT,
    lists={
        2: [Row("meter_id", "", OCTETS), *_power("1-0"), *_energy("1-0", U32, 0)],
        4: [
            Row("company_number", "", OCTETS),
            Row("frequency", "", U16),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            *_phases("voltage", "1-0", VOLTAGES, U16, 0, V),
            *_each("active_power_import", "1-0", 1, "7.0", U32, 0, W),
            *_each("active_power_export", "1-0", 2, "7.0", U32, 0, W),
        ],
    },
)

# Iskraemeco AM550: segments in Switzerland; two positional lists in Slovenia, one of
# power and one of energy.
ISKRA_CH = DlmsLayout(
    lists={
        2: [
            Row("meter_id", "0-0:96.1.0", OCTETS),
            Row("meter_id_alt", "0-0:96.1.1", OCTETS),
            *_power("1-1")[:2],
            *_energy("1-1", U32, 0)[:2],
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            *(
                Row(f"energy_{way}_t{tariff}", f"1-1:{code}.8.{tariff}", U32, 0, WH)
                for code, way in enumerate(("import", "export"), 1)
                for tariff in (1, 2)
            ),
        ]
    },
    shape=tagged,
    container=STRUCTURE,
    clock=Clock(OSLO, deviation=None, status=None, hundredths=0),
    wrap=partial(segments, address=bytes.fromhex("cf 0223")),
    time=WITH_TIME,
    invoke_id=0,
    counts=True,
)
ISKRA_SI = replace(
    ISKRA_CH,
    lists={
        2: [
            Row("meter_id", "", OCTETS),
            Row("power_list", "", OCTETS),
            *_power("1-0"),
            *_phases("voltage", "1-0", VOLTAGES, U16, -1, V),
            *_phases("current", "1-0", CURRENTS, U16, -2, A),
            *_each("active_power_import", "1-0", 1, "7.0", U32, 0, W),
            *_each("active_power_export", "1-0", 2, "7.0", U32, 0, W),
        ],
        4: [
            Row("meter_id", "", OCTETS),
            Row("energy_list", "", OCTETS),
            Row("connected", "", ENUM),
            Row("tariff", "", OCTETS),
            Row("energy_import", "", U32, 0, WH),
            Row("energy_import_t1", "", U32, 0, WH),
            Row("energy_import_t2", "", U32, 0, WH),
            Row("energy_export", "", U32, 0, WH),
            Row("energy_export_t1", "", U32, 0, WH),
            Row("energy_export_t2", "", U32, 0, WH),
            *_energy("1-0", U32, 0)[2:],
        ],
    },
    shape=positional,
)

# One phase: no current, and a name of its own in the list of energy.
ISKRA_SI_1P = replace(
    ISKRA_SI,
    lists={
        2: [
            Row("meter_id", "", OCTETS),
            Row("meter_id_alt", "", OCTETS),
            *_power("1-0"),
            *_phases("voltage", "1-0", VOLTAGES[:1], U16, -1, V),
            Row("unknown", "", U32),
            Row("unknown", "", U32),
        ],
        4: [
            Row("serial", "", OCTETS),
            Row("unknown", "", U8),
            *_energy("1-0", U32, 0)[:2],
        ],
    },
)


def _p1_phases(
    key: str, code: int, digits: int, decimals: int, unit: str
) -> list[Line]:
    """Give the lines of the phases, whose codes are 20 apart."""
    return [
        Line(f"{key}_l{phase}", f"1-0:{20 * phase + code}.7.0", digits, decimals, unit)
        for phase in (1, 2, 3)
    ]


# The Swedish industry's recommendation, in the order in which Sagemcom sends it. The
# clock keeps standard time; there is no id.
P1_SE = P1Layout(
    "ELL5\\253833635_A",
    [
        Line("meter_time", "0-0:1.0.0"),
        Line("energy_import", "1-0:1.8.0", 8, 3, "kWh"),
        Line("energy_export", "1-0:2.8.0", 8, 3, "kWh"),
        Line("reactive_energy_import", "1-0:3.8.0", 8, 3, "kvarh"),
        Line("reactive_energy_export", "1-0:4.8.0", 8, 3, "kvarh"),
        Line("active_power_import", "1-0:1.7.0", 4, 3, "kW"),
        Line("active_power_export", "1-0:2.7.0", 4, 3, "kW"),
        Line("reactive_power_import", "1-0:3.7.0", 4, 3, "kvar"),
        Line("reactive_power_export", "1-0:4.7.0", 4, 3, "kvar"),
        *_p1_phases("active_power_import", 1, 4, 3, "kW"),
        *_p1_phases("active_power_export", 2, 4, 3, "kW"),
        *_p1_phases("reactive_power_import", 3, 4, 3, "kvar"),
        *_p1_phases("reactive_power_export", 4, 4, 3, "kvar"),
        *_p1_phases("voltage", 12, 3, 1, "V"),
        *_p1_phases("current", 11, 3, 1, "A"),
    ],
    STANDARD_TIME,
)
# DSMR 5.0.2 table 6-3, with a gas meter on channel 1.
DSMR_5 = P1Layout(
    "KFM5KAIFA-METER",
    [
        "1-3:0.2.8(50)",
        Line("meter_time", "0-0:1.0.0"),
        Line("meter_id", "0-0:96.1.1", unit="hex"),
        Line("energy_import_t1", "1-0:1.8.1", 6, 3, "kWh"),
        Line("energy_import_t2", "1-0:1.8.2", 6, 3, "kWh"),
        Line("energy_export_t1", "1-0:2.8.1", 6, 3, "kWh"),
        Line("energy_export_t2", "1-0:2.8.2", 6, 3, "kWh"),
        Line("tariff", "0-0:96.14.0", 4),
        Line("active_power_import", "1-0:1.7.0", 2, 3, "kW"),
        Line("active_power_export", "1-0:2.7.0", 2, 3, "kW"),
        "0-0:96.7.21(00004)",
        "0-0:96.7.9(00002)",
        "1-0:99.97.0(1)(0-0:96.7.19)(190326095015W)(0000002014*s)",
        "1-0:32.32.0(00002)",
        "1-0:52.32.0(00001)",
        "1-0:72.32.0(00000)",
        "1-0:32.36.0(00000)",
        "1-0:52.36.0(00003)",
        "1-0:72.36.0(00000)",
        "0-0:96.13.0()",
        *_p1_phases("voltage", 12, 3, 1, "V"),
        *_p1_phases("current", 11, 3, 0, "A"),
        *_p1_phases("active_power_import", 1, 2, 3, "kW"),
        *_p1_phases("active_power_export", 2, 2, 3, "kW"),
        "0-1:24.1.0(003)",
        Line("gas_id", "0-1:96.1.0", unit="hex"),
        Line("gas_volume", "0-1:24.2.1", 5, 3, "m3"),
    ],
    OSLO,
)

# List 3 stands in for list 2. Kamstrup's hourly list has an instant of its own.
EVERY_2_5_S: Cadence = ((2.5, 0, 1), (10, 0, 2), (3600, 10, 3))
EVERY_2_S: Cadence = ((2, 0, 1), (10, 0, 2), (3600, 10, 3))
EVERY_5_S: Cadence = ((5, 0, 2),)
EVERY_15_S: Cadence = ((15, 0, 2),)
EVERY_10_S: Cadence = ((10, 0, 2), (3600, 5, 3))


@dataclass(frozen=True)
class Cipher:
    """How a model encrypts.

    `control` is the security control byte, `title` the beginning of the system title.
    """

    control: int
    title: bytes
    long_length: bool = False


@dataclass(frozen=True)
class Model:
    """One meter one can buy.

    `id` is filled up with digits to `id_length`, then with NULs where the meter does that.
    `constants` are further values, in which {number} stands for the last six digits. `zero`
    is sent as 0, `missing` not at all; both by key. `signed` says whether currents have a
    sign. The clock of an hour list shows the hour itself or when it is sent. `line_speed`
    is in bytes a second.
    """

    layout: DlmsLayout | P1Layout
    wiring: Wiring
    cadence: Cadence
    id: str
    id_length: int = 16
    id_padding: str = ""
    constants: Mapping[str, str | int] = field(default_factory=dict)
    signed: bool = False
    zero: frozenset[str] = frozenset()
    missing: frozenset[str] = frozenset()
    clock_of_hour: bool = False
    line_speed: int = 2400 // 11
    cipher: Cipher | None = None


def _norwegian(list_version: str, meter_type: str) -> dict[str, str | int]:
    return {"list_version": list_version, "meter_type": meter_type}


_AIDON_3P = Model(
    AIDON,
    Wiring.FOUR_WIRE,
    EVERY_2_5_S,
    id="735999289",
    constants=_norwegian("AIDON_V0001", "6534"),
    signed=True,
    clock_of_hour=True,
)
_KAIFA_3P = Model(
    KAIFA,
    Wiring.FOUR_WIRE,
    EVERY_2_S,
    id="697063140",
    constants=_norwegian("KFM_001", "MA304H4"),
)
_KAMSTRUP_3P = Model(
    KAMSTRUP,
    Wiring.FOUR_WIRE,
    EVERY_10_S,
    id="570656720",
    constants=_norwegian("Kamstrup_V0001", "6841131BN243101040"),
)
_KAIFA_AT = Model(
    NETZ_NOE,
    Wiring.FOUR_WIRE,
    EVERY_5_S,
    id="1812",
    id_length=12,
    cipher=Cipher(0x20, b"KFMgP"),
)

MODELS: dict[str, Model] = {
    "aidon-1p": replace(
        _AIDON_3P, wiring=Wiring.ONE_PHASE, constants=_norwegian("AIDON_V0001", "6515")
    ),
    "aidon-3w": replace(
        _AIDON_3P,
        layout=AIDON_2023,
        wiring=Wiring.THREE_WIRE,
        constants=_norwegian("AIDON_V0001", "6525"),
        missing=frozenset({"current_l2"}),
    ),
    "aidon-3p": _AIDON_3P,
    "kaifa-1p": replace(
        _KAIFA_3P, wiring=Wiring.ONE_PHASE, constants=_norwegian("KFM_001", "MA105H2E")
    ),
    "kaifa-3w": replace(
        _KAIFA_3P,
        wiring=Wiring.THREE_WIRE,
        constants=_norwegian("KFM_001", "MA304H3E"),
        zero=frozenset({"voltage_l2"}),
    ),
    "kaifa-3w-ct": replace(
        _KAIFA_3P,
        wiring=Wiring.THREE_WIRE,
        constants=_norwegian("KFM_001", "MA304T3"),
        zero=frozenset({"current_l2", "voltage_l2"}),
    ),
    "kaifa-3p": _KAIFA_3P,
    "kaifa-3p-ct": replace(_KAIFA_3P, constants=_norwegian("KFM_001", "MA304T4")),
    "kamstrup-1p": replace(
        _KAMSTRUP_3P,
        wiring=Wiring.ONE_PHASE,
        constants=_norwegian("Kamstrup_V0001", "6861111BN242101040"),
    ),
    "kamstrup-3w": replace(
        _KAMSTRUP_3P,
        wiring=Wiring.THREE_WIRE,
        constants=_norwegian("Kamstrup_V0001", "6841121BN243101040"),
    ),
    "kamstrup-3p": _KAMSTRUP_3P,
    "lg-e350": Model(
        E350,
        Wiring.THREE_WIRE,
        EVERY_2_5_S,
        id="139",
        constants=_norwegian("EMBRIQ_V1_1", "ZFF1"),
        id_length=8,
        id_padding="\0" * 8,
        zero=frozenset({"current_l2", "voltage_l2"}),
        clock_of_hour=True,
    ),
    "aidon-se": replace(
        _AIDON_3P, layout=AIDON_SE, cadence=((10, 0, 2),), line_speed=11520
    ),
    "kaifa-se": replace(
        _KAIFA_3P,
        layout=KAIFA_SE,
        cadence=EVERY_15_S,
        id="734015701",
        constants=_norwegian("KFM_001", "MA304H4D"),
    ),
    "kaifa-se-ct": replace(
        _KAIFA_3P,
        layout=KAIFA_SE_U64,
        cadence=EVERY_15_S,
        id="734015709",
        constants=_norwegian("KFM_001", "MA304T4"),
    ),
    "kaifa-se-obis": replace(
        _KAIFA_3P, layout=KAIFA_SE_OBIS, cadence=EVERY_15_S, id="734015703"
    ),
    "kamstrup-se": replace(
        _KAMSTRUP_3P,
        layout=KAMSTRUP_WH,
        constants=_norwegian("Kamstrup_V0001", "6841131BN245101092"),
    ),
    "kamstrup-dk": replace(
        _KAMSTRUP_3P,
        layout=KAMSTRUP_PUSH_1,
        cadence=((10, 0, 2),),
        id="28",
        id_length=8,
        cipher=Cipher(0x30, b"KAME", long_length=True),
    ),
    "kamstrup-dk-1p": replace(
        _KAMSTRUP_3P,
        layout=KAMSTRUP_PUSH_1,
        wiring=Wiring.ONE_PHASE,
        cadence=((10, 0, 2),),
        id="21",
        id_length=8,
        cipher=Cipher(0x30, b"KAME", long_length=True),
    ),
    "kamstrup-dk-nve": replace(
        _KAMSTRUP_3P,
        layout=replace(
            KAMSTRUP, wrap=partial(one_frame, address=bytes.fromhex("41 03"))
        ),
        constants=_norwegian("Kamstrup_V0001", "6841138BN243101010"),
        cipher=Cipher(0x30, b"KAME", long_length=True),
    ),
    "kaifa-at": _KAIFA_AT,
    "kaifa-at-tinetz": replace(
        _KAIFA_AT,
        layout=TINETZ,
        id="1KFM0200",
        id_length=14,
        constants={"logical_device_name": "KFM1200200{number}"},
        cipher=Cipher(0x21, b"KFM\x10\x20"),
    ),
    "sagemcom-at": replace(_KAIFA_AT, id="1782", cipher=Cipher(0x20, b"SAGY")),
    "sagemcom-at-old": replace(
        _KAIFA_AT, layout=NETZ_NOE_OLD, id="1782", cipher=Cipher(0x20, b"SAG5")
    ),
    "lg-ch": Model(E450, Wiring.FOUR_WIRE, EVERY_5_S, id="63", id_length=8),
    "lg-ch-key": Model(
        E450,
        Wiring.FOUR_WIRE,
        EVERY_5_S,
        id="63",
        id_length=8,
        cipher=Cipher(0x30, b"LGZ\x00"),
    ),
    "lg-at": Model(
        E450_AT,
        Wiring.FOUR_WIRE,
        EVERY_5_S,
        id="64",
        id_length=8,
        cipher=Cipher(0x30, b"LGZ\x00"),
    ),
    "lg-si": Model(
        E450_SI,
        Wiring.FOUR_WIRE,
        ((4, 0, 2), (4, 2, 4)),
        id="102",
        id_length=12,
        constants={"company_number": "4711{number}", "frequency": 50},
    ),
    "iskra-ch": Model(
        ISKRA_CH,
        Wiring.FOUR_WIRE,
        EVERY_5_S,
        id="78",
        id_length=8,
        constants={"meter_id_alt": "131304"},
        line_speed=11520,
    ),
    "iskra-si": Model(
        ISKRA_SI,
        Wiring.FOUR_WIRE,
        ((5, 0, 2), (900, 0, 4)),
        id="ISK10307",
        constants={"power_list": "16820005", "energy_list": "16820006", "connected": 1},
        line_speed=3840,
    ),
    "iskra-si-1p": Model(
        ISKRA_SI_1P,
        Wiring.ONE_PHASE,
        ((5, 0, 2), (900, 0, 4)),
        id="ISK1020784",
        constants={
            "meter_id_alt": "ISK84{number}",
            "serial": "84{number}",
            "unknown": 0,
        },
        line_speed=3840,
    ),
    "p1-se": Model(
        P1_SE, Wiring.FOUR_WIRE, ((10, 0, 2),), id="735999", line_speed=11520
    ),
    "dsmr5": Model(
        DSMR_5,
        Wiring.FOUR_WIRE,
        ((1, 0, 2),),
        id="E004700",
        id_length=17,
        constants={"gas_id": "G00760000000{number}"},
        line_speed=11520,
    ),
}
ALIASES = {
    "aidon": "aidon-3p",
    "kaifa": "kaifa-3p",
    "kamstrup": "kamstrup-3p",
    "lg": "lg-e350",
}
