"""What stands where in the lists of each maker, and on which scale?

Lists that are printed in documents are taken from there; the others are built the way
captured ones are, with values of our own.
"""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Meter,
    MeterReading,
    Quantity,
    decode,
    rows,
    scales,
)

from . import vectors
from .build import (
    LLC,
    array,
    at,
    clock,
    code,
    hdlc,
    i16,
    i64,
    notification,
    octets,
    register,
    scaler_unit,
    structure,
    text,
    u8,
    u16,
    u32,
    u64,
)
from .check import the_error, the_reading, three_ways, values

Q = Quantity
WHEN = at("2024-01-15 12:00:10")
NULL = b"\0"
POWERS = (
    Q.ACTIVE_POWER_IMPORT,
    Q.ACTIVE_POWER_EXPORT,
    Q.REACTIVE_POWER_IMPORT,
    Q.REACTIVE_POWER_EXPORT,
)
CURRENTS = (Q.CURRENT_L1, Q.CURRENT_L2, Q.CURRENT_L3)
VOLTAGES = (Q.VOLTAGE_L1, Q.VOLTAGE_L2, Q.VOLTAGE_L3)
ENERGIES = (
    Q.ENERGY_IMPORT,
    Q.ENERGY_EXPORT,
    Q.REACTIVE_ENERGY_IMPORT,
    Q.REACTIVE_ENERGY_EXPORT,
)
IMPORTS = (Q.ACTIVE_POWER_IMPORT_L1, Q.ACTIVE_POWER_IMPORT_L2, Q.ACTIVE_POWER_IMPORT_L3)
EXPORTS = (Q.ACTIVE_POWER_EXPORT_L1, Q.ACTIVE_POWER_EXPORT_L2, Q.ACTIVE_POWER_EXPORT_L3)


def read(body: bytes, time: bytes = NULL) -> MeterReading:
    """Read a list in a data-notification in a frame."""
    return three_ways(hdlc(LLC + notification(body, time)))


def refuse(body: bytes, time: bytes = NULL) -> None:
    """See that a list gives no reading, in the words that it holds no value."""
    error = the_error(decode(hdlc(LLC + notification(body, time))))
    assert (error.code, error.detail) == (
        ErrorCode.UNSUPPORTED,
        "the list holds no electricity value",
    )


# --- Aidon and the Landis+Gyr E350 ---


def test_aidon_one_phase() -> None:
    """The list printed by Aidon says what Aidon prints beside it."""
    reading = three_ways(vectors.AIDON_ONE_PHASE)
    assert reading.meter == Meter(
        "Aidon", "6515", "7359992890941742", list_version="AIDON_V0001"
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 1362,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.REACTIVE_POWER_IMPORT: 996,
        Q.REACTIVE_POWER_EXPORT: 0,
        Q.CURRENT_L1: 9.3,
        Q.VOLTAGE_L1: 250,
    }
    assert (reading.list_kind, reading.meter_time) == (2, None)


def test_aidon_sweden() -> None:
    """The Swedish list printed by Aidon: phases apart, counters in Wh, no identity."""
    reading = three_ways(vectors.AIDON_SWEDEN)
    assert reading.meter == Meter("Aidon")
    zeros = {
        name: 0
        for name in Q
        if name.startswith(("active_power", "reactive_power"))
        and name.endswith(("_l1", "_l2", "_l3"))
    }
    assert values(reading) == zeros | {
        Q.ACTIVE_POWER_IMPORT: 1122,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.REACTIVE_POWER_IMPORT: 1507,
        Q.REACTIVE_POWER_EXPORT: 0,
        Q.CURRENT_L1: 0,
        Q.CURRENT_L2: 7.5,
        Q.CURRENT_L3: 0,
        Q.VOLTAGE_L1: 230.7,
        Q.VOLTAGE_L2: 249.9,
        Q.VOLTAGE_L3: 230.8,
        Q.ACTIVE_POWER_IMPORT_L2: 1122,
        Q.REACTIVE_POWER_IMPORT_L2: 1506,
        Q.ENERGY_IMPORT: 10049.926,
        Q.ENERGY_EXPORT: 0.008,
        Q.REACTIVE_ENERGY_IMPORT: 6614.347,
        Q.REACTIVE_ENERGY_EXPORT: 0.005,
    }
    assert (reading.list_kind, reading.meter_time) == (
        3,
        at("2019-12-16 07:59:40"),
    )


def aidon(version: str, id_: str, type_: str, *registers: bytes) -> bytes:
    """Build a list as Aidon does."""
    return array(
        structure(code("1-1:0.2.129"), text(version)),
        structure(code("0-0:96.1.0"), text(id_)),
        structure(code("0-0:96.1.7"), text(type_)),
        *registers,
    )


def test_aidon_power_only() -> None:
    """The list with power only comes from Aidon and from the E350: no maker is named."""
    reading = read(array(register("1-0:1.7.0", u32(1319), 0, 0x1B)))
    assert reading == MeterReading(Meter(), {Q.ACTIVE_POWER_IMPORT: 1319}, 1)


def test_aidon_three_wire() -> None:
    """A current is negative while its element exports, counters are in 10 Wh.

    The clock says that it deviates by nothing from UTC and is local time all the same.
    """
    reading = read(
        aidon(
            "AIDON_V0001",
            "7359992896379051",
            "6525",
            register("1-0:1.7.0", u32(1321), 0, 0x1B),
            register("1-0:31.7.0", i16(-74), -1, 0x21),
            register("1-0:71.7.0", i16(64), -1, 0x21),
            register("1-0:32.7.0", u16(2367), -1, 0x23),
            structure(code("0-0:1.0.0"), octets(clock(WHEN, deviation=0))),
            register("1-0:1.8.0", u32(5676882), 1, 0x1E),
            register("1-0:3.8.0", u32(8912), 1, 0x20),
        )
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 1321,
        Q.CURRENT_L1: -7.4,
        Q.CURRENT_L3: 6.4,
        Q.VOLTAGE_L1: 236.7,
        Q.ENERGY_IMPORT: 56768.82,
        Q.REACTIVE_ENERGY_IMPORT: 89.12,
    }
    assert (reading.list_kind, reading.meter_time) == (3, WHEN)


def test_unknown_registers() -> None:
    """A code, unit or type that is not known costs that value and no other."""
    reading = read(
        aidon(
            "AIDON_V0002",
            "1",
            "6534",
            register("1-0:99.7.0", u32(1), 0, 0x1B),
            register("1-0:1.7.0", u32(5), 0, 0x23),
            register("1-0:2.7.0", text("x"), 0, 0x1B),
            structure(code("1-0:3.7.0"), b"\x17" + bytes(4), scaler_unit(0, 0x1D)),
            structure(code("1-0:4.7.0"), structure(u32(1))),
            structure(u32(1), u32(2)),
            structure(),
            u32(3),
            register("1-0:32.7.0", u16(2300), -1, 0x23),
            register("1-0:32.7.0", u16(1), -1, 0x23),
            structure(code("1-0:31.7.0"), u16(2300)),
            code("1-0:1.8.0"),
        )
    )
    assert values(reading) == {Q.VOLTAGE_L1: 230}
    assert (reading.meter.manufacturer, reading.list_kind) == ("Aidon", 1)


def test_e350() -> None:
    """The E350 pads its id with NUL, and sends 0 for what a grid without neutral lacks."""

    def body(type_: str, current: int) -> bytes:
        return aidon(
            "EMBRIQ_V1_1",
            "13943597" + 8 * "\0",
            type_,
            register("1-0:1.7.0", u32(9460), 0, 0x1B),
            register("1-0:31.7.0", i16(3180), -2, 0x21),
            register("1-0:51.7.0", i16(current), -2, 0x21),
            register("1-0:52.7.0", u16(0), -1, 0x23),
        )

    reading = read(body("ZFF1", 0))
    assert reading.meter == Meter(
        "Landis+Gyr", "ZFF1", "13943597", list_version="EMBRIQ_V1_1"
    )
    assert reading.values[Q.CURRENT_L1] == 31.8
    assert reading.unmeasured == {Q.CURRENT_L2, Q.VOLTAGE_L2}
    assert reading.values.keys() - reading.measured.keys() == reading.unmeasured
    # its type is missing at times; where there is a neutral all is measured
    nameless = read(body("\0\0\0\0", 0))
    assert (nameless.meter.type, nameless.unmeasured) == (None, reading.unmeasured)
    assert not read(body("ZMF1", 0)).unmeasured
    assert not read(body("ZFF1", 5)).unmeasured


def test_e350_counters() -> None:
    """The E350 of Norway has its counters under A = 0, in Wh as their scalers say."""
    reading = read(
        aidon(
            "EMBRIQ_V1_1",
            "13943597" + 8 * "\0",
            "ZMF1",
            register("1-0:1.7.0", u32(560), 0, 0x1B),
            structure(code("0-0:1.0.0"), octets(clock(WHEN, deviation=0))),
            register("0-0:1.8.0", u32(34479), 0, 0x1E),
            register("0-0:2.8.0", u32(95334), 0, 0x1E),
            register("0-0:3.8.0", u32(10724), 0, 0x20),
            register("0-0:4.8.0", u32(1499), 0, 0x20),
        )
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 560,
        Q.ENERGY_IMPORT: 34.479,
        Q.ENERGY_EXPORT: 95.334,
        Q.REACTIVE_ENERGY_IMPORT: 10.724,
        Q.REACTIVE_ENERGY_EXPORT: 1.499,
    }
    assert (reading.list_kind, reading.meter_time) == (3, WHEN)


# --- Kaifa ---


def kaifa(type_: str, *numbers: bytes, version: str = "KFM_001") -> bytes:
    """Build a list as Kaifa does."""
    return structure(
        octets(version), octets("6970631401234567"), octets(type_), *numbers
    )


def kaifa_time(when: datetime = WHEN) -> bytes:
    """Write the date-time with a stray tag, as Kaifa does."""
    return b"\x09\x0c" + clock(when)


NUMBERS_3 = [u32(n) for n in (5056, 0, 0, 469, 19677, 1294, 912, 2356, 2409, 2393)]
VALUES_3 = dict(
    zip(
        (*POWERS, *CURRENTS, *VOLTAGES),
        (5056, 0, 0, 469, 19.677, 1.294, 0.912, 235.6, 240.9, 239.3),
        strict=True,
    )
)
NUMBERS_1 = [u32(n) for n in (932, 0, 0, 79, 4224, 2336)]
VALUES_1 = dict(
    zip(
        (*POWERS, Q.CURRENT_L1, Q.VOLTAGE_L1),
        (932, 0, 0, 79, 4.224, 233.6),
        strict=True,
    )
)
COUNTERS = [octets(clock(WHEN)), *(u32(n) for n in (42879838, 0, 9909726, 562991))]
COUNTED = dict(zip(ENERGIES, (42879.838, 0, 9909.726, 562.991), strict=True))


@pytest.mark.parametrize(
    ("type_", "numbers", "expected", "kind"),
    [
        ("MA304H4", NUMBERS_3, VALUES_3, 2),
        ("MA304H4", NUMBERS_3 + COUNTERS, VALUES_3 | COUNTED, 3),
        ("MA105H2E", NUMBERS_1, VALUES_1, 2),
        ("MA105H2E", NUMBERS_1 + COUNTERS, VALUES_1 | COUNTED, 3),
        # a type that is not known
        ("X", NUMBERS_3, VALUES_3, 2),
        ("X", NUMBERS_1 + COUNTERS, VALUES_1 | COUNTED, 3),
    ],
)
def test_kaifa(
    type_: str, numbers: list[bytes], expected: dict[Q, float], kind: int
) -> None:
    """Kaifa sends numbers without codes, of one phase or three."""
    reading = read(kaifa(type_, *numbers), kaifa_time())
    assert reading.meter == Meter(
        "Kaifa", type_, "6970631401234567", list_version="KFM_001"
    )
    assert values(reading) == expected
    assert (reading.list_kind, reading.meter_time) == (kind, WHEN)
    assert reading.meter_time_alt is None


@pytest.mark.parametrize("write", [u64, i64])
def test_kaifa_long_counters(write: Callable[[int], bytes]) -> None:
    """The MA304T4 of Sweden counts with 64 bits: width and sign change no meaning."""
    counters = map(write, (42879838, 0, 9909726, 562991))
    body = kaifa("MA304T4", *NUMBERS_3, octets(clock(WHEN)), *counters)
    assert values(read(body, kaifa_time())) == VALUES_3 | COUNTED


@pytest.mark.parametrize(
    "body",
    [
        kaifa("MA304H4", *NUMBERS_3[:3]),
        kaifa("MA304H4", *NUMBERS_1, u32(1)),
        kaifa("MA105H2E", *NUMBERS_1[:5]),
        kaifa("X", *NUMBERS_3, u32(1)),
        kaifa("MA304H4", *NUMBERS_3[:4], u32(1), *NUMBERS_3[4:], *COUNTERS),
        # as many values as a meter with another number of phases sends
        kaifa("MA304H4", *NUMBERS_1),
        kaifa("MA105H2E", *NUMBERS_1, *[u32(1)] * 4),
        kaifa("MA304H4", *NUMBERS_3, version="KFM_002"),
        structure(octets("KFM_001"), u32(1)),
        structure(),
        array(),
        u32(1),
    ],
)
def test_kaifa_not(body: bytes) -> None:
    """A list that is shorter, longer or of another version is not guessed at."""
    refuse(body, kaifa_time())


def test_kaifa_power_only() -> None:
    """One number alone is Kaifa's list with power if the date-time is Kaifa's."""
    reading = read(structure(u32(549)), kaifa_time())
    assert reading == MeterReading(Meter(), {Q.ACTIVE_POWER_IMPORT: 549}, 1, WHEN)
    refuse(structure(u32(549)), b"\x0c" + clock(WHEN))
    refuse(structure(u32(549)))


@pytest.mark.parametrize(
    ("type_", "zero", "unmeasured"),
    [
        ("MA304H3E", {8: 0}, {Q.VOLTAGE_L2}),
        ("MA304H3E", {8: 1}, set()),
        ("MA304T3", {5: 0, 8: 0}, {Q.CURRENT_L2, Q.VOLTAGE_L2}),
        ("MA304T3", {5: 0, 8: 2300}, set()),
        ("MA304H4", {5: 0, 8: 0}, set()),
    ],
)
def test_kaifa_unmeasured(type_: str, zero: dict[int, int], unmeasured: set[Q]) -> None:
    """Types for grids without neutral send 0 for what they do not measure."""
    numbers = NUMBERS_3.copy()
    for place, number in zero.items():
        numbers[place] = u32(number)
    assert read(kaifa(type_, *numbers), kaifa_time()).unmeasured == unmeasured


def test_kaifa_tagged() -> None:
    """Swedish Kaifa meters send codes as well, and a clock that knows its offset."""
    body = structure(
        *(code("1-0:0.2.129"), octets("KFM_001")),
        *(code("0-0:96.1.0"), octets("7340157030542476")),
        *(code("0-0:96.1.7"), octets("MA304H4")),
        *(code("1-0:1.7.0"), u32(3)),
        *(code("1-0:31.7.0"), u32(32)),
        *(code("1-0:32.7.0"), u32(2322)),
        *(code("0-0:1.0.0"), octets(clock(WHEN, deviation=-60))),
        *(code("1-0:1.8.0"), u32(1142)),
        *(code("1-0:13.7.0"), u32(1)),
        *(code("1-0:14.7.0"), u32(50)),
    )
    reading = read(body)
    assert reading.meter == Meter(
        "Kaifa", "MA304H4", "7340157030542476", list_version="KFM_001"
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 3,
        Q.CURRENT_L1: 0.032,
        Q.VOLTAGE_L1: 232.2,
        Q.ENERGY_IMPORT: 1.142,
        Q.POWER_FACTOR: 1,
    }
    assert reading.meter_time is not None
    assert reading.meter_time.isoformat() == "2024-01-15T12:00:10+01:00"


# --- Kamstrup ---

ZEROS = dict.fromkeys((*POWERS, *CURRENTS, *VOLTAGES), 0.0)


@pytest.mark.parametrize(
    ("frame", "expected", "kind", "when"),
    [
        (vectors.KAMSTRUP_1, ZEROS, 2, at("2000-01-01 22:33:00")),
        (
            vectors.KAMSTRUP_2,
            ZEROS | dict.fromkeys(ENERGIES, 0.0),
            3,
            at("2017-08-16 16:00:05"),
        ),
        (
            vectors.KAMSTRUP_3,
            dict.fromkeys((POWERS[0], CURRENTS[0], VOLTAGES[0], ENERGIES[0]), 0.0),
            3,
            at("2017-08-16 16:00:05"),
        ),
    ],
    ids=["10 s", "hour", "one-phase"],
)
def test_kamstrup_printed(
    frame: bytes, expected: dict[Q, float], kind: int, when: datetime
) -> None:
    """The lists printed by Kamstrup, of a meter without load."""
    reading = three_ways(frame)
    assert reading.meter == Meter(
        "Kamstrup", 18 * "0", "5706567000000000", list_version="Kamstrup_V0001"
    )
    assert values(reading) == expected
    assert (reading.list_kind, reading.meter_time) == (kind, when)


def kamstrup(
    type_: str, *pairs: tuple[str, bytes], tagged: bool = False
) -> MeterReading:
    """Read a list as Kamstrup sends it."""
    flat = [part for name, value in pairs for part in (code(f"1-1:{name}"), value)]
    body = structure(
        text("Kamstrup_V0001"),
        code("1-1:0.0.5"),
        text("5706567000000001"),
        code("1-1:96.1.1"),
        text(type_),
        *flat,
    )
    return read(body, (b"\x09" if tagged else b"") + b"\x0c" + clock(WHEN, status=0x80))


NORWEGIAN = "6841131BN243101040"
SWEDISH = "6841138BN245101090"


def test_kamstrup() -> None:
    """Power in W, current in 0.01 A, voltage in V, energy in 10 Wh, as in Norway."""
    reading = kamstrup(
        NORWEGIAN,
        ("1.7.0", u32(2690)),
        ("2.7.0", u32(0)),
        ("4.7.0", u32(218)),
        ("31.7.0", u32(284)),
        ("51.7.0", u32(896)),
        ("71.7.0", u32(1021)),
        ("32.7.0", u16(238)),
        ("52.7.0", u16(239)),
        ("72.7.0", u16(240)),
        ("1.8.0", u32(15523251)),
        ("4.8.0", u32(724362)),
        tagged=True,
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 2690,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.REACTIVE_POWER_EXPORT: 218,
        Q.CURRENT_L1: 2.84,
        Q.CURRENT_L2: 8.96,
        Q.CURRENT_L3: 10.21,
        Q.VOLTAGE_L1: 238,
        Q.VOLTAGE_L2: 239,
        Q.VOLTAGE_L3: 240,
        Q.ENERGY_IMPORT: 155232.51,
        Q.REACTIVE_ENERGY_EXPORT: 7243.62,
    }
    assert (reading.list_kind, reading.meter_time) == (3, WHEN)


def test_kamstrup_nulls() -> None:
    """One-phase meters send nulls in place of codes and values of the other phases."""
    body = structure(
        text("Kamstrup_V0001"),
        *(code("1-1:1.7.0"), u32(616)),
        *(code("1-1:31.7.0"), u32(290)),
        *(NULL, NULL, NULL, NULL),
        *(code("1-1:32.7.0"), u16(226)),
        *(NULL, NULL, NULL, NULL),
        *(code("1-1:52.7.0"), NULL),
    )
    assert values(read(body)) == {
        Q.ACTIVE_POWER_IMPORT: 616,
        Q.CURRENT_L1: 2.9,
        Q.VOLTAGE_L1: 226,
    }


@pytest.mark.parametrize(
    ("type_", "sent", "expected"),
    [
        # as in Norway, with a load that came between current and power
        (NORWEGIAN, (9000, 10, 230, 100), (9000, 0.1, 230, 1)),
        # two decimals of a volt, and one
        (NORWEGIAN, (500, 252, 22199, 100), (500, 2.52, 221.99, 1)),
        (NORWEGIAN, (500, 252, 2219, 100), (500, 2.52, 221.9, 1)),
        # current transformers
        ("6851131BN243101040", (20000, 90999, 233, 100), (20000, 90.999, 233, 1)),
        # Sweden and Switzerland count in Wh
        (SWEDISH, (500, 252, 230, 1000), (500, 2.52, 230, 1)),
        ("6841131BN245101092", (500, 252, 230, 1000), (500, 2.52, 230, 1)),
        ("6841131BN240101063", (500, 252, 230, 1000), (500, 2.52, 230, 1)),
        # one and two decimals of a watt, told by what U * I allows
        (SWEDISH, (5003, 252, 230, 1000), (500.3, 2.52, 230, 1)),
        (SWEDISH, (50034, 252, 22999, 1000), (500.34, 2.52, 229.99, 1)),
        (SWEDISH, (500340000, 252, 230, 1000), (5003400, 2.52, 230, 1)),
        (SWEDISH, (14, 0, 230, 1000), (14, 0, 230, 1)),
        (SWEDISH, (0, 0, 0, 0), (0, 0, 0, 0)),
    ],
)
def test_kamstrup_configured(
    type_: str, sent: tuple[int, ...], expected: tuple[float, ...]
) -> None:
    """Decimals are configured and not sent; type number and plausibility tell them."""
    power, current, voltage, energy = sent
    reading = kamstrup(
        type_,
        ("1.7.0", u32(power)),
        ("31.7.0", u32(current)),
        ("32.7.0", u16(voltage)),
        ("1.8.0", u32(energy)),
    )
    assert tuple(reading.values.values()) == expected


@pytest.mark.parametrize(
    ("current", "factor", "power", "expected"),
    [(142, 32, 86, 1.42), (90999, 2, 448, 90.999), (90999, 95, 20143, 90.999)],
)
def test_kamstrup_push_list(
    current: int, factor: int, power: int, expected: float
) -> None:
    """The list of all values names no type; power factors tell mA from 10 mA."""
    pairs = {
        "1.8.0": u32(12767600),
        "0.0.1": u32(26733640),
        "1.7.0": u32(0),
        "2.7.0": u32(power),
        "32.7.0": u16(233),
        "31.7.0": u32(current),
        "33.7.0": u16(factor),
        "13.7.0": u16(factor),
        "22.7.0": u32(power),
        "22.8.0": u32(7311006),
    }
    flat = [
        part for name, value in pairs.items() for part in (code(f"1-1:{name}"), value)
    ]
    body = structure(
        text("Kamstrup_V0001"), *flat, code("0-1:1.0.0"), octets(clock(WHEN))
    )
    reading = read(body, b"\x0c" + clock(WHEN))
    assert reading.meter == Meter(
        "Kamstrup", None, "26733640", list_version="Kamstrup_V0001"
    )
    assert values(reading) == {
        Q.ENERGY_IMPORT: 127676,
        Q.ACTIVE_POWER_IMPORT: 0,
        Q.ACTIVE_POWER_EXPORT: power,
        Q.VOLTAGE_L1: 233,
        Q.CURRENT_L1: expected,
        Q.POWER_FACTOR_L1: factor / 100,
        Q.POWER_FACTOR: factor / 100,
        Q.ACTIVE_POWER_EXPORT_L1: power,
        Q.ENERGY_EXPORT_L1: 73110.06,
    }


def test_kamstrup_no_phase_powers() -> None:
    """Where the power of a phase is left out nothing is told from its product."""
    body = structure(
        text("Kamstrup_V0001"),
        *(code("1-1:1.7.0"), u32(485)),
        *(code("1-1:32.7.0"), u16(229)),
        *(code("1-1:31.7.0"), u32(244)),
        *(code("1-1:33.7.0"), u16(94)),
        *(code("1-1:22.7.0"), u32(0)),
    )
    reading = read(body, b"\x0c" + clock(WHEN))
    assert reading.values[Q.CURRENT_L1] == 2.44
    assert reading.values[Q.ACTIVE_POWER_IMPORT] == 485


# --- Austria ---


def test_lower_austria() -> None:
    """The list printed by Netz NÖ: a clock, values with scalers, the meter's number."""
    reading = the_reading(decode(vectors.EVN_PLAIN))
    assert reading.meter == Meter(id="181220000009")
    assert values(reading) == {
        Q.ENERGY_IMPORT: 12.937,
        Q.ENERGY_EXPORT: 0,
        Q.ACTIVE_POWER_IMPORT: 0,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.VOLTAGE_L1: 233.7,
        Q.VOLTAGE_L2: 0,
        Q.VOLTAGE_L3: 0,
        Q.CURRENT_L1: 0,
        Q.CURRENT_L2: 0,
        Q.CURRENT_L3: 0,
        Q.POWER_FACTOR: 1,
    }
    assert reading.meter_time is not None
    assert reading.meter_time.isoformat() == "2021-09-27T09:47:15+02:00"
    assert reading.list_kind is None


def test_tyrol() -> None:
    """Kaifa of Tyrol: clock and ids with codes, then values with scalers."""
    body = structure(
        code("0-0:1.0.0"),
        octets(clock(WHEN, deviation=-60)),
        structure(code("0-0:96.1.0"), octets("1KFM0200000001")),
        structure(code("0-0:42.0.0"), octets("KFM1200200000001")),
        register("1-0:32.7.0", u16(2330), -1, 0x23),
        register("1-0:31.7.0", u16(45), -2, 0x21),
        register("1-0:1.8.0", u32(1403036), 0, 0x1E),
    )
    reading = read(body)
    assert reading.meter == Meter(
        "Kaifa",
        None,
        "1KFM0200000001",
        "KFM1200200000001",
        logical_device_name="KFM1200200000001",
        flag_id="KFM",
    )
    assert values(reading) == {
        Q.VOLTAGE_L1: 233,
        Q.CURRENT_L1: 0.45,
        Q.ENERGY_IMPORT: 1403.036,
    }


def numbers(*raw: int) -> list[bytes]:
    """Write double-long-unsigned numbers."""
    return [u32(number) for number in raw]


def test_carinthia() -> None:
    """Variant 1 of Österreichs Energie; time and date are the notification's."""
    body = structure(
        code("0-6:25.9.0"),
        octets("1121378900007"),
        octets(clock(WHEN)[5:9]),
        octets(clock(WHEN)[:5]),
        *numbers(14370048, 420837, 1455864, 2293936, 9, 0),
        octets(""),
        octets(""),
    )
    reading = read(body, b"\x0c" + clock(WHEN, deviation=-60))
    assert reading.meter == Meter(id="1121378900007")
    assert values(reading) == {
        Q.ENERGY_IMPORT: 14370.048,
        Q.ENERGY_EXPORT: 420.837,
        Q.REACTIVE_ENERGY_IMPORT: 1455.864,
        Q.REACTIVE_ENERGY_EXPORT: 2293.936,
        Q.ACTIVE_POWER_IMPORT: 9,
        Q.ACTIVE_POWER_EXPORT: 0,
    }


def test_vienna() -> None:
    """Variant 3 of Österreichs Energie: a clock and eight numbers."""
    reading = read(
        structure(octets(clock(WHEN)), *numbers(1000, 2000, 3000, 4000, 5, 6, 7, 8))
    )
    assert values(reading) == dict(
        zip((*ENERGIES, *POWERS), (1, 2, 3, 4, 5, 6, 7, 8), strict=True)
    )
    assert reading.meter_time == WHEN


ANGLES = (Q.PHASE_ANGLE_L1, Q.PHASE_ANGLE_L2, Q.PHASE_ANGLE_L3)


@pytest.mark.parametrize(
    ("angles", "expected"),
    [
        ((), {}),
        ((0, 53, 295), dict(zip(ANGLES, (0, 53, 295), strict=True))),
        # 400 is none: there is no angle where no current flows
        ((400, 360, 295), {ANGLES[1]: 360, ANGLES[2]: 295}),
    ],
)
def test_burgenland(angles: tuple[int, ...], expected: dict[Q, float]) -> None:
    """Variant 6 of Österreichs Energie, with phase angles and without."""
    phases = [u16(n) for n in (236, 237, 236, 0, 4, 26)]
    body = structure(
        *phases,
        *numbers(29, 0, 31358606, 7619),
        *map(u16, angles),
        octets("30137181"),
    )
    reading = read(body, b"\x0c" + clock(WHEN))
    assert reading.meter == Meter("Landis+Gyr", None, "30137181")
    assert values(reading) == expected | dict(
        zip(
            (*VOLTAGES, *CURRENTS, *POWERS[:2], *ENERGIES[:2]),
            (236, 237, 236, 0, 0.04, 0.26, 29, 0, 31358.606, 7.619),
            strict=True,
        )
    )


def test_burgenland_again() -> None:
    """An angle that is none in one message is one in the next, and the other way."""

    def frame(angle: int) -> bytes:
        body = structure(
            *map(u16, (236, 237, 236, 0, 4, 26)),
            *numbers(29, 0, 31358606, 7619),
            *map(u16, (angle, 53, 295)),
            octets("30137181"),
        )
        return hdlc(LLC + notification(body, b"\x0c" + clock(WHEN)))

    decoder = Decoder()
    found = [
        the_reading(decoder.feed(frame(angle))).values.get(Q.PHASE_ANGLE_L1)
        for angle in (400, 12, 400)
    ]
    assert found == [None, 12, None]


def test_styria() -> None:
    """Pairs of code and value without scalers: counters and powers are in Wh and W."""
    body = structure(
        octets(clock(WHEN)),
        *(code("1-0:1.8.1"), u32(3593919)),
        *(code("1-0:1.7.0"), u32(2893)),
        *(code("1-0:3.8.2"), u32(233034)),
        *(code("1-0:32.7.0"), u16(2300)),
    )
    reading = read(body)
    assert reading.meter == Meter()
    assert values(reading) == {
        Q.ENERGY_IMPORT_T1: 3593.919,
        Q.ACTIVE_POWER_IMPORT: 2893,
        Q.REACTIVE_ENERGY_IMPORT_T2: 233.034,
    }


# --- Switzerland ---


def described(*entries: tuple[int, str, int, bytes]) -> bytes:
    """Build a list that begins with the description of itself."""
    objects = [(40, "0-8:25.9.0", 2), *(entry[:3] for entry in entries)]
    return structure(
        array(
            *(
                structure(
                    u16(class_),
                    code(name),
                    b"\x0f" + attribute.to_bytes(1),
                    u16(0),
                )
                for class_, name, attribute in objects
            )
        ),
        *(entry[3] for entry in entries),
    )


def test_landis_gyr() -> None:
    """A description says what the values are; the clock object is the meter's time."""
    reading = read(
        described(
            (40, "0-8:25.9.0", 1, code("0-8:25.9.0")),
            (1, "0-0:42.0.0", 2, octets("LGZ1030655933512")),
            (1, "0-0:96.1.1", 2, octets("1935912")),
            (8, "0-0:1.0.0", 2, octets(clock(WHEN))),
            (3, "1-0:1.7.0", 2, u32(28)),
            (3, "1-1:1.8.0", 2, u32(886977)),
            (3, "1-1:5.8.0", 2, u32(18)),
            (3, "1-0:13.7.0", 2, u16(941)),
            (3, "1-0:32.7.0", 2, u16(236)),
            (3, "1-0:31.7.0", 2, u16(13)),
            (3, "1-0:31.7.0", 3, scaler_unit(-2, 0x21)),
            (4, "0-1:24.2.1", 2, u32(30545)),
        ),
        b"\x0c" + clock(WHEN.replace(second=8)),
    )
    assert reading.meter == Meter(
        "Landis+Gyr",
        None,
        "1935912",
        "LGZ1030655933512",
        logical_device_name="LGZ1030655933512",
        flag_id="LGZ",
    )
    assert values(reading) == {
        Q.ACTIVE_POWER_IMPORT: 28,
        Q.ENERGY_IMPORT: 886.977,
        Q.REACTIVE_ENERGY_Q1: 0.018,
        Q.POWER_FACTOR: 0.941,
        Q.VOLTAGE_L1: 236,
        Q.CURRENT_L1: 0.13,
    }
    assert reading.meter_time == WHEN
    assert reading.meter_time_alt == WHEN.replace(second=8)


@pytest.mark.parametrize(
    ("number", "power", "current", "voltage", "expected"),
    [
        # E450: 0.01 A and whole volts; E360: tenths of a volt
        (u16, 28, 13, 236, (28, 0.13, 236)),
        (u16, 11, 6, 2357, (11, 0.06, 235.7)),
        # behind transformers: the current must carry the power
        (u16, 258874, 1201, 229, (258874, 1201, 229)),
        (u16, 25887, 1201, 229, (25887, 120.1, 229)),
        (u16, 25887, 0, 229, (25887, 0, 229)),
        (u16, 25887, 5, 0, (25887, 0.05, 0)),
        # E570: 64 bits throughout and whole amperes
        (i64, 258874, 1201, 229, (258874, 1201, 229)),
        (i64, 0, 0, 229, (0, 0, 229)),
        # 64 bits where the E450 has 32 say nothing of its currents
        (u16, i64(28), 13, 236, (28, 0.13, 236)),
    ],
)
def test_landis_gyr_scales(
    number: Callable[[int], bytes],
    power: int | bytes,
    current: int,
    voltage: int,
    expected: tuple[float, ...],
) -> None:
    """Scales are not sent; they follow from the meter and from what is plausible."""
    if isinstance(power, int):
        power = u32(power) if number is u16 else i64(power)
    reading = read(
        described(
            (3, "1-0:1.7.0", 2, power),
            (3, "1-0:31.7.0", 2, number(current)),
            (3, "1-0:32.7.0", 2, number(voltage)),
        )
    )
    assert tuple(reading.values.values()) == expected


@pytest.mark.parametrize("sent", [50, 499, 5001, 49985])
def test_landis_gyr_frequency(sent: int) -> None:
    """A grid has some 50 Hz, so that it is seen with how many digits it is sent."""
    body = described((3, "1-0:14.7.0", 2, u16(sent)), (3, "1-0:1.7.0", 2, u32(187)))
    expected = {50: 50, 499: 49.9, 5001: 50.01, 49985: 49.985}[sent]
    assert values(read(body)) == {Q.FREQUENCY: expected, Q.ACTIVE_POWER_IMPORT: 187}


def test_impossible_factor() -> None:
    """A power factor above 1 is none, whoever says so."""
    body = described(
        (3, "1-0:13.7.0", 2, u16(4500)),
        (3, "1-0:33.7.0", 2, u16(1000)),
        (3, "1-0:1.7.0", 2, u32(187)),
    )
    assert values(read(body)) == {Q.POWER_FACTOR_L1: 1, Q.ACTIVE_POWER_IMPORT: 187}


def test_described_iskraemeco() -> None:
    """Iskraemeco describes its list as well, on scales of its own."""
    reading = read(
        described(
            (1, "0-0:42.0.0", 2, octets("ISK1030775213859")),
            (3, "1-0:32.7.0", 2, u16(2301)),
        )
    )
    assert reading.meter.manufacturer == "Iskraemeco"
    assert values(reading) == {Q.VOLTAGE_L1: 230.1}


def test_described_submeters() -> None:
    """A list of the counters of submeters only holds nothing of electricity."""
    refuse(
        described((1, "0-1:96.1.0", 2, octets("1")), (4, "0-1:24.2.1", 2, u32(30545)))
    )


def test_iskraemeco_codes() -> None:
    """Iskraemeco of Switzerland, with codes and scalers: the first id is the meter's."""
    reading = read(
        structure(
            structure(code("0-0:96.1.0"), octets("78344537")),
            structure(code("0-0:96.1.1"), octets("131304")),
            register("1-1:1.8.1", u32(33921), 0, 0x1E),
            register("1-0:32.7.0", u16(2336), -1, 0x23),
        )
    )
    assert reading.meter == Meter(id="78344537", id_alt="131304")
    assert values(reading) == {Q.ENERGY_IMPORT_T1: 33.921, Q.VOLTAGE_L1: 233.6}


# --- Slovenia and Croatia ---

DEVICE = octets("ISK1030789375606")
TARIFFS = (
    Q.ENERGY_IMPORT,
    Q.ENERGY_IMPORT_T1,
    Q.ENERGY_IMPORT_T2,
    Q.ENERGY_EXPORT,
    Q.ENERGY_EXPORT_T1,
    Q.ENERGY_EXPORT_T2,
)
PHASES = [u16(n) for n in (2379, 2378, 2296, 103, 125, 597)]


@pytest.mark.parametrize(
    ("items", "names", "expected"),
    [
        (
            [
                octets("16820005"),
                *numbers(1393, 0, 0, 738),
                *PHASES,
                *numbers(16, 51, 1325, 1, 2, 3),
            ],
            (*POWERS, *VOLTAGES, *CURRENTS, *IMPORTS, *EXPORTS),
            (
                1393,
                0,
                0,
                738,
                237.9,
                237.8,
                229.6,
                1.03,
                1.25,
                5.97,
                16,
                51,
                1325,
                1,
                2,
                3,
            ),
        ),
        (
            [octets("UP_3f"), *PHASES, *numbers(2399, 0, 4, 264)],
            (*VOLTAGES, *CURRENTS, *POWERS),
            (237.9, 237.8, 229.6, 1.03, 1.25, 5.97, 2399, 0, 4, 264),
        ),
        (
            [
                octets("ISK8"),
                *numbers(373, 0, 1, 0),
                u16(2301),
                u16(162),
                *numbers(373, 0),
            ],
            (*POWERS, Q.VOLTAGE_L1, Q.CURRENT_L1, IMPORTS[0], EXPORTS[0]),
            (373, 0, 1, 0, 230.1, 1.62, 373, 0),
        ),
        (
            [
                octets("16820006"),
                b"\x16\x01",
                octets("T1-"),
                *numbers(52837, 13593, 39244, 177927, 78615, 99312, 107882, 43253),
            ],
            (*TARIFFS, *ENERGIES[2:]),
            (52.837, 13.593, 39.244, 177.927, 78.615, 99.312, 107.882, 43.253),
        ),
        (
            [octets("ISK8"), u16(2301), u16(162), *numbers(373, 0, 1, 0)],
            (Q.VOLTAGE_L1, Q.CURRENT_L1, *POWERS),
            (230.1, 1.62, 373, 0, 1, 0),
        ),
        (
            [octets("ISK8"), *numbers(373, 0, 1, 0), u16(2301), *numbers(0, 0)],
            (*POWERS, Q.VOLTAGE_L1),
            (373, 0, 1, 0, 230.1),
        ),
        (
            [
                octets("16820006"),
                b"\x16\x01",
                octets(b"\0\1"),
                *numbers(52837, 13593, 39244, 177927, 78615, 99312, 107882, 43253),
            ],
            (Q.TARIFF, *TARIFFS, *ENERGIES[2:]),
            (1, 52.837, 13.593, 39.244, 177.927, 78.615, 99.312, 107.882, 43.253),
        ),
        (
            [
                octets("16820006"),
                b"\x03\x01",
                octets(b"\0\2"),
                *numbers(52837, 13593, 39244, 177927, 78615, 99312, 107882, 43253),
            ],
            (Q.TARIFF, *TARIFFS, *ENERGIES[2:]),
            (2, 52.837, 13.593, 39.244, 177.927, 78.615, 99.312, 107.882, 43.253),
        ),
        (
            [*numbers(625, 1, 12789950, 5732902, 7057048, 250, 112, 138)],
            (*POWERS[:2], *TARIFFS),
            (625, 1, 12789.95, 5732.902, 7057.048, 0.25, 0.112, 0.138),
        ),
    ],
)
def test_slovenia(
    items: list[bytes], names: tuple[Q, ...], expected: tuple[float, ...]
) -> None:
    """The lists of the AM550 are told apart by the types of their values."""
    reading = read(structure(DEVICE, *items), b"\x0c" + clock(WHEN, deviation=-60))
    assert values(reading) == dict(zip(names, expected, strict=True))
    assert reading.meter.id == reading.meter.logical_device_name == "ISK1030789375606"
    assert reading.meter.manufacturer == "Iskraemeco"


def test_slovenia_others() -> None:
    """The same types from another maker's meter are not taken for the AM550's."""
    body = structure(octets("LGZ1030789375606"), *numbers(1, 2, 3, 4, 5, 6, 7, 8))
    refuse(body)


def test_slovenia_counters() -> None:
    """Every quarter of an hour the AM550 sends its serial number and counters."""
    reading = read(structure(octets("84605887"), u8(0), *numbers(7924641, 5)))
    assert reading.meter == Meter("Iskraemeco", None, "84605887")
    assert values(reading) == {Q.ENERGY_IMPORT: 7924.641, Q.ENERGY_EXPORT: 0.005}


def test_slovenia_landis_gyr() -> None:
    """The E450 of Slovenia sends a serial number and numbers, in two lists."""
    time = b"\x0c" + clock(WHEN)
    serial = octets("123456789012")
    first = read(
        structure(serial, *numbers(513, 1, 60, 103, 65138118, 7, 6700576, 2833350)),
        time,
    )
    assert first.meter == Meter("Landis+Gyr", None, "123456789012")
    assert values(first) == dict(
        zip(
            (*POWERS, *ENERGIES),
            (513, 1, 60, 103, 65138.118, 0.007, 6700.576, 2833.35),
            strict=True,
        )
    )
    # The number of the grid company says nothing of whose list it is.
    second = read(
        structure(
            octets("4711"),
            *map(u16, (50, 105, 37, 120, 237, 236, 235)),
            *numbers(221, 82, 205, 1, 2, 3),
        ),
        time,
    )
    assert second.meter == Meter("Landis+Gyr")
    assert values(second) == dict(
        zip(
            (Q.FREQUENCY, *CURRENTS, *VOLTAGES, *IMPORTS, *EXPORTS),
            (50, 1.05, 0.37, 1.2, 237, 236, 235, 221, 82, 205, 1, 2, 3),
            strict=True,
        )
    )


@pytest.mark.parametrize("quadrants", [True, False])
def test_croatia(quadrants: bool) -> None:
    """The IE.5 sends tariffs, powers and phases, then limits; some quadrants as well."""
    names = (
        Q.REACTIVE_ENERGY_Q1,
        Q.REACTIVE_ENERGY_Q2,
        Q.REACTIVE_ENERGY_Q3,
        Q.REACTIVE_ENERGY_Q4,
        Q.POWER_FACTOR,
    )
    reading = read(
        structure(
            octets("92029691"),
            octets(clock(WHEN)[5:9]),
            octets(clock(WHEN)[:5]),
            *numbers(6844432, 4770804, 2073628, 5759375, 5708359, 51016),
            *numbers(1510658, 1228222, 55401, 1345708) * quadrants,
            *numbers(499, 0),
            *[u16(746)] * quadrants,
            *numbers(27, 295, 176, 0, 0, 0),
            *PHASES,
            u32(17250),
            *[array(u16(9400))] * 3,
            b"\x03\x01",
        ),
        b"\x0c" + clock(WHEN, deviation=-60),
    )
    assert reading.meter == Meter("Iskraemeco", None, "92029691")
    more = dict(zip(names, (1510.658, 1228.222, 55.401, 1345.708, 0.746), strict=True))
    assert values(reading) == (more if quadrants else {}) | dict(
        zip(
            (*TARIFFS, *POWERS[:2], *IMPORTS, *EXPORTS, *VOLTAGES, *CURRENTS),
            (
                *(6844.432, 4770.804, 2073.628, 5759.375, 5708.359, 51.016),
                *(499, 0, 27, 295, 176, 0, 0, 0),
                *(237.9, 237.8, 229.6, 1.03, 1.25, 5.97),
            ),
            strict=True,
        )
    )


# --- Identity ---


@pytest.mark.parametrize(
    ("sent", "id_"),
    [
        (octets("  13943597\0\0"), "13943597"),
        (octets(b"\x01\x02"), "0102"),
        (octets(""), None),
        (octets(8 * b"\0"), None),
        (u32(26733640), "26733640"),
        (NULL, None),
    ],
)
def test_id(sent: bytes, id_: str | None) -> None:
    """An id is text without its padding, or else what can be written of it."""
    body = array(
        structure(code("0-0:96.1.0"), sent), register("1-0:1.7.0", u32(1), 0, 0x1B)
    )
    assert read(body).meter.id == id_


def test_id_of_twelve() -> None:
    """A number of twelve digits is no date-time, though it has as many bytes."""
    body = structure(
        octets(clock(WHEN)), code("1-0:1.7.0"), u32(1), octets("181220000009")
    )
    reading = read(body)
    assert (reading.meter.id, reading.meter_time) == ("181220000009", WHEN)


def test_no_clock() -> None:
    """A clock without a time leaves the time of the reading open."""
    body = structure(
        octets(bytes.fromhex("ffffffffffffffffff8000ff")), code("1-0:1.7.0"), u32(1)
    )
    reading = read(body)
    assert (reading.meter.id, reading.meter_time) == (None, None)


def test_contributing(monkeypatch: pytest.MonkeyPatch) -> None:
    """The row that CONTRIBUTING gives as an example reads the list that it describes."""
    page = (Path(__file__).parents[2] / "CONTRIBUTING.md").read_text()
    row = page.partition("    # Acme ")[2].partition("\n\n")[0].partition("\n")[2]
    names = vars(scales) | vars(rows)
    for types, each in eval(f"{{{row}}}", names).items():  # noqa: S307
        monkeypatch.setitem(rows._POSITIONAL, types, each)
    phases = [u16(n) for n in (2301, 2299, 2305, 123, 45, 678)]
    body = structure(
        octets("ACM123456"), *numbers(1362, 0), *phases, *numbers(31358606, 7619)
    )
    reading = read(body, b"\x0c" + clock(WHEN))
    assert reading.meter == Meter("Acme", None, "ACM123456")
    assert values(reading) == dict(
        zip(
            (*POWERS[:2], *VOLTAGES, *CURRENTS, *ENERGIES[:2]),
            (1362, 0, 230.1, 229.9, 230.5, 1.23, 0.45, 6.78, 31358.606, 7.619),
            strict=True,
        )
    )
