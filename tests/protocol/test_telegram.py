"""What do the lines of a telegram say?"""

from datetime import UTC, datetime, timedelta, timezone
import re

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Meter,
    MeterReading,
    Quantity,
    decode,
)
from custom_components.han_port.protocol.reading import MeterKind
from custom_components.han_port.protocol.telegram import Layout

from . import vectors
from .build import hdlc
from .check import read, readings, stream, the_error, three_ways
from .wrap import telegram, text

Q = Quantity

POWER = "1-0:1.7.0(0001.234*kW)"
CET = timezone(timedelta(hours=1))
CEST = timezone(timedelta(hours=2))


def test_dutch() -> None:
    """The example of DSMR 5.0.2 gives its tariffs, their sum, counts, text and gas."""
    reading = three_ways(telegram(vectors.DSMR_5, "ISk5\\2MT382-1000"))
    assert reading.meter == Meter(
        manufacturer="Iskraemeco",
        type="MT382-1000",
        id="K8EG004046395507",
        list_version="50",
        flag_id="ISk",
        id_raw="4B384547303034303436333935353037",
    )
    assert reading.meter_time == datetime(2010, 12, 9, 11, 30, 20, tzinfo=CET)
    assert reading.text == "Hej, kunde"
    assert dict(reading.values) == {
        Q.ENERGY_IMPORT_T1: 123456.789,
        Q.ENERGY_IMPORT_T2: 123456.789,
        Q.ENERGY_EXPORT_T1: 123456.789,
        Q.ENERGY_EXPORT_T2: 123456.789,
        Q.ENERGY_IMPORT: 246913.578,
        Q.ENERGY_EXPORT: 246913.578,
        Q.TARIFF: 2,
        Q.ACTIVE_POWER_IMPORT: 1193,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.POWER_FAILURES: 4,
        Q.LONG_POWER_FAILURES: 2,
        Q.VOLTAGE_SAGS_L1: 2,
        Q.VOLTAGE_SAGS_L2: 1,
        Q.VOLTAGE_SAGS_L3: 0,
        Q.VOLTAGE_SWELLS_L1: 0,
        Q.VOLTAGE_SWELLS_L2: 3,
        Q.VOLTAGE_SWELLS_L3: 0,
        Q.VOLTAGE_L1: 220.1,
        Q.VOLTAGE_L2: 220.2,
        Q.VOLTAGE_L3: 220.3,
        Q.CURRENT_L1: 1,
        Q.CURRENT_L2: 2,
        Q.CURRENT_L3: 3,
        Q.ACTIVE_POWER_IMPORT_L1: 1111,
        Q.ACTIVE_POWER_IMPORT_L2: 2222,
        Q.ACTIVE_POWER_IMPORT_L3: 3333,
        Q.ACTIVE_POWER_EXPORT_L1: 4444,
        Q.ACTIVE_POWER_EXPORT_L2: 5555,
        Q.ACTIVE_POWER_EXPORT_L3: 6666,
    }
    assert reading.submeters == (
        MeterReading(
            Meter(id="2222ABCD123456789", kind=MeterKind.GAS, channel=1),
            {Q.VOLUME: 12785.123},
            meter_time=datetime(2010, 12, 9, 11, 25, tzinfo=CET),
        ),
    )


def test_belgian() -> None:
    """Belgium sends demand, its peak of the month, and gas under a code of its own."""
    reading = read(
        [
            "0-0:96.1.4(50217)",
            "0-0:96.1.1(3153414733313031303231363035)",
            "0-0:1.0.0(200512135409S)",
            POWER,
            "1-0:1.4.0(02.351*kW)",
            "1-0:1.6.0(200509134558S)(02.589*kW)",
            "0-0:98.1.0(1)(1-0:1.6.0)(1-0:1.6.0)(200501000000S)(200423192538S)(03.695*kW)",
            "0-0:17.0.0(999.9*kW)",
            "1-0:31.4.0(999*A)",
            "0-1:24.1.0(003)",
            "0-1:96.1.1(37464C4F32313139303333373333)",
            "0-1:24.2.3(200512134558S)(00112.384*m3)",
            "0-2:24.1.0(007)",
            "0-2:96.1.1(3853414731323334353637383930)",
            "0-2:24.2.1(200512134558S)(00872.234*m3)",
            "0-3:24.1.0(003)",
            "0-3:96.1.1()",
            "0-3:24.2.1(632525252525W)(00000.000*m3)",
        ],
        "FLU5\\253769484_A",
    )
    assert reading.meter.manufacturer == "Sagemcom"
    assert reading.meter.id == "1SAG3101021605"
    assert reading.meter.list_version == "50217"
    assert dict(reading.values) == {
        Q.ACTIVE_POWER_IMPORT: 1234,
        Q.DEMAND_IMPORT: 2351,
        Q.DEMAND_IMPORT_PEAK: 2589,
    }
    assert [
        (
            reading.meter.id,
            reading.meter.kind,
            reading.meter.channel,
            *reading.values.items(),
        )
        for reading in reading.submeters
    ] == [
        ("7FLO2119033733", MeterKind.GAS, 1, (Q.VOLUME, 112.384)),
        ("8SAG1234567890", MeterKind.WATER, 2, (Q.VOLUME, 872.234)),
    ]


def test_swiss() -> None:
    """Swiss meters send registers of channel 1, a peak with its time, and a short id."""
    reading = read(
        [
            "0-0:0.0.0(353738303337)",
            "0-0:96.1.4(50220)",
            "0-0:96.1.2(20202020)",
            "0-0:1.0.0(240918141228S)",
            "1-1:1.8.1(000025.600*kWh)",
            "1-1:1.8.2(000020.655*kWh)",
            "1-1:1.7.0(00.000*kW)",
            "1-1:1.6.0(240906083000S)(03.468*kW)",
            "1-0:1.4.0(00.004*kW)",
            "1-0:31.7.0(000.70*A)",
        ],
        "XTS5\\2XT211",
    )
    assert reading.meter.id == "578037"
    assert reading.meter_time == datetime(2024, 9, 18, 14, 12, 28, tzinfo=CEST)
    assert dict(reading.values) == {
        Q.ENERGY_IMPORT_T1: 25.6,
        Q.ENERGY_IMPORT_T2: 20.655,
        Q.ENERGY_IMPORT: 46.255,
        Q.ACTIVE_POWER_IMPORT: 0,
        Q.DEMAND_IMPORT_PEAK: 3468,
        Q.DEMAND_IMPORT: 4,
        Q.CURRENT_L1: 0.7,
    }


def test_value_on_next_line() -> None:
    """DSMR 2.2 and 3 write the value of the gas meter on a line of its own."""
    reading = read(
        [
            POWER,
            "0-1:24.1.0(03)",
            "0-1:96.1.0(3232323241424344313233343536373839)",
            "0-1:24.3.0(090212160000)(00)(60)(1)(0-1:24.2.1)(m3)",
            "(00001.001)",
            "0-1:24.4.0(1)",
        ]
    )
    assert reading.submeters == (
        MeterReading(
            Meter(id="2222ABCD123456789", kind=MeterKind.GAS, channel=1),
            {Q.VOLUME: 1.001},
            meter_time=datetime.fromisoformat("2009-02-12T16:00:00"),
        ),
    )


@pytest.mark.parametrize(
    ("device", "value", "kind", "expected"),
    [
        ("004", "00240.860*GJ", MeterKind.HEAT, (Q.THERMAL_ENERGY, 240.86)),
        ("004", "12345*kWh", MeterKind.HEAT, (Q.THERMAL_ENERGY, 44.442)),
        ("012", "12.5*MWh", MeterKind.HEAT, (Q.THERMAL_ENERGY, 45)),
        ("010", "1000*MJ", MeterKind.COOLING, (Q.THERMAL_ENERGY, 1)),
        ("006", "00012.345*m3", MeterKind.HOT_WATER, (Q.VOLUME, 12.345)),
        ("007", "12345*l", MeterKind.WATER, (Q.VOLUME, 12.345)),
        ("002", "00012.345*kWh", MeterKind.ELECTRICITY, (Q.ENERGY_IMPORT, 12.345)),
        ("002", "12345*Wh", MeterKind.ELECTRICITY, (Q.ENERGY_IMPORT, 12.345)),
        ("055", "00012.345*m3", MeterKind.OTHER, (Q.VOLUME, 12.345)),
        ("", "00012.345*m3", MeterKind.OTHER, (Q.VOLUME, 12.345)),
    ],
)
def test_submeter_units(
    device: str, value: str, kind: MeterKind, expected: tuple[Q, float]
) -> None:
    """Each kind of submeter is read in its unit: cubic metres, GJ of heat, kWh."""
    (submeter,) = read(
        [POWER, f"0-4:24.1.0({device})", f"0-4:24.2.1(200512134558S)({value})"]
    ).submeters
    assert (submeter.meter.kind, submeter.meter.channel) == (kind, 4)
    assert submeter.meter.id is None
    assert list(submeter.values.items()) == [expected]


@pytest.mark.parametrize(
    "line",
    [
        "0-1:24.1.0(003)",
        "0-1:24.2.1(200512134558S)",
        "0-1:24.2.1(200512134558S)()",
        "0-1:24.2.1(200512134558S)(00112.384)",
        "0-1:24.2.1(200512134558S)(00112.384*bar)",
        "0-1:24.2.1(0)(00112.384*m3)",
        "0-1:24.2.1(632525252525W)(00000.000*m3)",
    ],
)
def test_submeter_empty(line: str) -> None:
    """A channel without a value, a unit or a time of reading has no submeter."""
    assert read([POWER, line]).submeters == ()


@pytest.mark.parametrize(
    ("line", "quantity", "value"),
    [
        ("1-0:1.7.0(000000286*W)", Q.ACTIVE_POWER_IMPORT, 286),
        ("1-0:1.7.0(0001.01*kW)", Q.ACTIVE_POWER_IMPORT, 1010),
        ("1-0:1.7.0(000.567*kW)", Q.ACTIVE_POWER_IMPORT, 567),
        ("1-0:1.7.0(0.0045*MW)", Q.ACTIVE_POWER_IMPORT, 4500),
        ("1-0:1.7.0(002124.86*W)", Q.ACTIVE_POWER_IMPORT, 2124.86),
        ("1-0:1.7.0(-000.567*kW)", Q.ACTIVE_POWER_IMPORT, -567),
        ("1-0:3.7.0(0001.279*kVAr)", Q.REACTIVE_POWER_IMPORT, 1279),
        ("1-0:3.7.0(0001.279*kvar)", Q.REACTIVE_POWER_IMPORT, 1279),
        ("1-0:3.7.0(0001.279*kVA)", Q.REACTIVE_POWER_IMPORT, 1279),
        ("1-0:4.7.0(000000166*var)", Q.REACTIVE_POWER_EXPORT, 166),
        ("1-0:9.7.0(0001.279*kVA)", Q.APPARENT_POWER_IMPORT, 1279),
        ("1-0:1.8.0(006545766*Wh)", Q.ENERGY_IMPORT, 6545.766),
        ("1-0:1.8.0(00036.273*kWh)", Q.ENERGY_IMPORT, 36.273),
        ("1-0:1.8.0(012*MWh)", Q.ENERGY_IMPORT, 12000),
        ("1-0:1.8.0*255(00052185.7825309*kWh)", Q.ENERGY_IMPORT, 52185.7825309),
        ("1-0:3.8.0(00000.137*kVArh)", Q.REACTIVE_ENERGY_IMPORT, 0.137),
        ("1-0:3.8.0(000000747*varh)", Q.REACTIVE_ENERGY_IMPORT, 0.747),
        ("1-0:3.8.1(00000.137*kvarh)", Q.REACTIVE_ENERGY_IMPORT_T1, 0.137),
        ("1-0:32.7.0(00234.6*V)", Q.VOLTAGE_L1, 234.6),
        ("1-0:32.7.0(0.231*kV)", Q.VOLTAGE_L1, 231),
        ("1-0:31.7.0(001*A)", Q.CURRENT_L1, 1),
        ("1-0:31.7.0(001.53*A)", Q.CURRENT_L1, 1.53),
        ("1-0:31.7.0(0.004*kA)", Q.CURRENT_L1, 4),
        ("1-0:31.7.0(4500*mA)", Q.CURRENT_L1, 4.5),
        ("1-0:14.7.0(49.98*Hz)", Q.FREQUENCY, 49.98),
        ("1-0:14.7.0(0.050*kHz)", Q.FREQUENCY, 50),
        ("1-0:13.7.0(0.944)", Q.POWER_FACTOR, 0.944),
        ("1-0:13.7.0(1.000)", Q.POWER_FACTOR, 1),
        ("0-0:96.14.0(0002)", Q.TARIFF, 2),
    ],
)
def test_units(line: str, quantity: Q, value: float) -> None:
    """Every spelling of a unit is read, exactly to the last digit sent."""
    reading = read([line, "1-0:2.7.0(0000.000*kW)"])
    assert reading.values[quantity] == value


@pytest.mark.parametrize(
    "line",
    [
        "1-0:1.7.0(0001.234*kvar)",
        "1-0:1.7.0(0001.234*kVA)",
        "1-0:1.7.0(0001.234*m3)",
        "1-0:1.7.0(0001.234)",
        "1-0:1.7.0()",
        "1-0:1.7.0(abc*kW)",
        "1-0:1.7.0(0001,234*kW)",
        "1-0:1.7.0*1(0001.234*kW)",
        "1-0:32.7.0(234.6*A)",
        "1-0:13.7.0(4.500)",
        "0-0:96.14.0(night)",
        "1-0:31.4.0(999*A)",
        "0-0:17.0.0(999.9*kW)",
        "0-1:1.7.0(0001.234*kW)",
        "1-0:999.7.0(0001.234*kW)",
        "0-0:96.7.21(" + "9" * 5000 + ")",
    ],
)
def test_left_out(line: str) -> None:
    """A line in a wrong unit, malformed, of the past or not of ours gives no value."""
    assert dict(read([line, "1-0:2.7.0(0000.000*kW)"]).values) == {
        Q.ACTIVE_POWER_EXPORT: 0
    }


def test_first_counts() -> None:
    """Of a repeated line the first counts."""
    lines = ["1-0:1.7.0(0001.234*kW)", "1-0:1.7.0(0009.999*kW)"]
    assert dict(read(lines).values) == {Q.ACTIVE_POWER_IMPORT: 1234}


def test_total() -> None:
    """The sum of the tariffs is the total, where no total is sent."""
    tariffs = [f"1-0:1.8.{tariff}(00000{tariff}.1*kWh)" for tariff in (1, 2, 3, 4)]
    assert read(tariffs).values[Q.ENERGY_IMPORT] == 10.4
    assert read([*tariffs, "1-0:1.8.0(000099.9*kWh)"]).values[Q.ENERGY_IMPORT] == 99.9
    assert Q.ENERGY_IMPORT not in read([*tariffs[:3], "1-0:1.8.4(41*kWh)"]).values
    wh = ["1-0:2.8.1(000123456*Wh)", "1-0:2.8.2(000000001*Wh)"]
    assert read(wh).values[Q.ENERGY_EXPORT] == 123.457


@pytest.mark.parametrize(
    ("head", "line", "expected"),
    [
        ("KAM5", "220408135021W", datetime(2022, 4, 8, 13, 50, 21, tzinfo=CET)),
        ("KAM5", "240407122854S", datetime(2024, 4, 7, 12, 28, 54, tzinfo=CEST)),
        ("KAM5", "240407122854", datetime.fromisoformat("2024-04-07T12:28:54")),
        (
            "NES5:83335-3E",
            "20240111 09:35:00",
            datetime.fromisoformat("2024-01-11T09:35:00"),
        ),
        ("ADN9 7534", "221219170900W", datetime(2022, 12, 19, 15, 9, tzinfo=UTC)),
        ("ESO5\\2X", "230801120000S", datetime(2023, 8, 1, 9, tzinfo=UTC)),
        ("FLU5", "632525252525W", None),
        ("KAM5", "", None),
        ("KAM5", "240407", None),
    ],
)
def test_clock(head: str, line: str, expected: datetime | None) -> None:
    """S and W are the summer and winter time of the country; without them no offset."""
    found = read([f"0-0:1.0.0({line})", POWER], head).meter_time
    assert found == expected
    assert (
        found is None
        or expected is None
        or (found.tzinfo is None) == (expected.tzinfo is None)
    )


def test_clock_in_two_lines() -> None:
    """Iskraemeco's ISK9 sends time and date apart, in either order."""
    lines = ["1-0:0.9.1(222553)", "1-0:0.9.2(251002)", POWER]
    for order in (lines, lines[1::-1] + lines[2:]):
        assert read(order).meter_time == datetime.fromisoformat("2025-10-02T22:25:53")
    assert read([lines[0], POWER]).meter_time is None
    assert read([lines[0], "1-0:0.9.2()", POWER]).meter_time is None


@pytest.mark.parametrize(
    ("lines", "id_", "device_name"),
    [
        (["0-0:96.1.0(3330303537373735)"], "30057775", None),
        (
            ["0-0:96.1.1(4D413330394D)", "0-0:96.1.0(3330303537373735)"],
            "30057775",
            None,
        ),
        (["0-0:96.1.0(96815390)"], "96815390", None),
        (["0-0:96.1.0(41424344)"], "41424344", None),
        (["0-0:96.1.1(00000000000000)"], "00000000000000", None),
        (["0-0:96.1.1(ADC3100000158491)"], "ADC3100000158491", None),
        (["0-0:96.1.1(3960221976967177082)"], "3960221976967177082", None),
        (["0-0:96.1.1(31323334353637380000)"], "12345678", None),
        (["0-0:96.1.1(313233343536377F)"], "313233343536377F", None),
        (["0-0:96.1.1(31323334353637238A)"], "31323334353637238A", None),
        (["0-0:96.1.1()"], None, None),
        (
            ["0-0:42.0.0(53414733303832323030303032313630)"],
            "SAG3082200002160",
            "SAG3082200002160",
        ),
        (["0-0:0.0.0(12345678)"], "12345678", None),
        (["0-0:96.1.255*255(1ESY1313002565)"], "1ESY1313002565", None),
        (["1-0:0.0.0*255(0272031312565)"], "0272031312565", None),
    ],
)
def test_id(lines: list[str], id_: str | None, device_name: str | None) -> None:
    """An id is hexadecimal text where it makes sense as such, else as it stands."""
    meter = read([*lines, POWER]).meter
    assert (meter.id, meter.logical_device_name) == (id_, device_name)


@pytest.mark.parametrize(
    ("head", "manufacturer", "type_", "flag_id"),
    [
        ("ADN9 6534", "Aidon", "6534", "ADN"),
        ("KFM5KAIFA-METER", "Kaifa", "KAIFA-METER", "KFM"),
        ("KAM5", "Kamstrup", None, "KAM"),
        ("KMP5 KA6U001660297912", "Kamstrup", "KA6U001660297912", "KMP"),
        ("ISk5\\2MT382-1000", "Iskraemeco", "MT382-1000", "ISk"),
        ("LGF5E360", "Landis+Gyr", "E360", "LGF"),
        ("XMX5LGBBFG1009325446", "Landis+Gyr", "LGBBFG1009325446", "XMX"),
        ("Ene5\\T211 ESMR 5.0", "Sagemcom", "T211 ESMR 5.0", "Ene"),
        ("EST5\\253710000_A", "Sagemcom", "53710000_A", "EST"),
        ("SAG5SAG-METER", "Sagemcom", "SAG-METER", "SAG"),
        ("Lux5\\253710000_D", "Sagemcom", "53710000_D", "Lux"),
        ("EGM5G15", "Elgama", "G15", "EGM"),
        ("NES5:83335-3E", "NES", ":83335-3E", "NES"),
        ("ESY5Q3DB1024 V3.04", "EasyMeter", "Q3DB1024 V3.04", "ESY"),
        ("FLU5\\253769484_A", None, "53769484_A", "FLU"),
        ("ABC", None, None, "ABC"),
    ],
)
def test_head(
    head: str, manufacturer: str | None, type_: str | None, flag_id: str
) -> None:
    """The head says maker and type, by the FLAG letters in any case."""
    meter = read(POWER, head).meter
    assert meter == Meter(manufacturer=manufacturer, type=type_, flag_id=flag_id)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["0-0:96.13.0(303132)"], "012"),
        (["0-0:96.13.0()"], None),
        (["0-0:96.13.0(3)"], None),
        (["0-0:96.13.0(0A0D)"], None),
        (["0-0:96.13.0(7F31)"], None),
        (["0-0:96.13.0(2020)"], None),
        (["0-0:96.13.2(61)", "0-0:96.13.0()", "0-0:96.13.5(6263)"], "a\nbc"),
    ],
)
def test_text(lines: list[str], expected: str | None) -> None:
    """A message to the customer is hexadecimal text, in one line or several."""
    assert read([*lines, POWER]).text == expected


def test_unsupported() -> None:
    """A telegram without an electricity value, as of a heat meter, is no reading."""
    lines = [
        "1-3:0.2.8(50)",
        "0-0:96.14.0(0001)",
        "0-1:24.1.0(004)",
        "0-1:24.2.1(260215200523W)(240.860*GJ)",
    ]
    error = the_error(decode(telegram(lines, "NWA-WARMTELINK")))
    assert error.code is ErrorCode.UNSUPPORTED


# --- Layouts ---


def test_layout_fits() -> None:
    """A layout fits where digits of values and clock differ, and nothing else."""
    layout = Layout(text(vectors.DSMR_5))

    def changed(old: str, new: str) -> bool:
        assert old in "\n".join(vectors.DSMR_5)
        return layout.fits(
            text("\n".join(vectors.DSMR_5).replace(old, new).split("\n"))
        )

    assert changed("1.7.0(01.193*kW)", "1.7.0(09.876*kW)")
    assert changed("101209113020W", "101209113021W")
    assert changed("96.14.0(0002)", "96.14.0(0001)")
    assert not changed("1.7.0(01.193*kW)", "1.7.0(011.93*kW)")
    assert not changed("1.7.0(01.193*kW)", "1.7.0(01.193*kWh)")
    assert not changed("1.7.0(01.193*kW)", "3.7.0(01.193*kW)")
    assert not changed("4B384547", "4B384548")
    assert not changed("101209113020W", "101209113020S")
    assert changed("12785.123*m3", "12785.124*m3")
    assert not changed("12785.123*m3", "12785.124*GJ")
    assert not changed("48656A2C", "48656A2D")


@pytest.mark.parametrize("odd", ["--.---", "01.1x3", "0x.193", "     3"])
def test_layout_no_number(odd: str) -> None:
    """Where a number was and now is none, the rest of the telegram is read all the same."""
    layout = Layout(text(vectors.DSMR_5))
    assert odd[2] != "." or layout.fits(
        text([line.replace("01.193", odd) for line in vectors.DSMR_5])
    )
    decoder = Decoder()
    assert readings(decoder.feed(telegram(vectors.DSMR_5)))
    (reading,) = readings(
        decoder.feed(telegram([line.replace("01.193", odd) for line in vectors.DSMR_5]))
    )
    assert Q.ACTIVE_POWER_IMPORT not in reading.values
    assert reading.values[Q.ENERGY_IMPORT] == 246913.578
    broken = [line.replace("101209113020", "1012091130xx") for line in vectors.DSMR_5]
    (reading,) = readings(decoder.feed(telegram(broken)))
    assert reading.meter_time is None
    assert reading.values[Q.ACTIVE_POWER_IMPORT] == 1193


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("101209112500W)(12785.123", "101209113000W)(12785.456"),
        ("101209112500W)(12785.123", "632525252525W)(00000.000"),
        ("(12785.123", "(-2785.123"),
        ("(12785.123", "(--785.123"),
        ("(12785.123", "(127x5.123"),
        ("101209112500W", "1012091125xxW"),
    ],
)
def test_layout_submeter(old: str, new: str) -> None:
    """A layout reads of a submeter what a layout of its own would, or that it is none."""
    first = text(vectors.DSMR_5)
    second = text("\n".join(vectors.DSMR_5).replace(old, new).split("\n"))
    assert first != second
    layout = Layout(first)
    before = layout.read(first)
    assert layout.fits(second)
    assert layout.read(second) == Layout(second).read(second) != before
    assert layout.read(first) == before


def test_layout_none() -> None:
    """What a frame holds may begin with a slash and be no telegram."""
    assert the_error(stream([hdlc(b"/=\1I\x07")])).code is ErrorCode.UNSUPPORTED


def test_layout_unknown() -> None:
    """Values that are not ours may change without a layout being made again."""
    lines = [POWER, "1-0:15.7.0(0001.234*kW)", "0-0:17.0.0(16500)"]
    layout = Layout(text(lines))
    assert layout.fits(text([POWER, "1-0:15.7.0(0009.876*kW)", lines[2]]))
    assert not layout.fits(text([*lines[:2], "0-0:17.0.0(16501)"]))


@given(st.data())
def test_layout_same(data: st.DataObject) -> None:
    """A layout of another telegram reads what a layout of its own would."""
    first = text([*vectors.ELLEVIO, "1-0:13.7.0(0.950)", "1-0:1.8.1(1.0*kWh)"])
    digits = data.draw(st.text("0123456789", min_size=40, max_size=40))
    numbers = iter(digits)

    def another(match: re.Match[bytes]) -> bytes:
        return re.sub(rb"\d", lambda _: next(numbers, "7").encode(), match[0])

    second = re.sub(rb"(?<=\()[^()]*(?=[*W])", another, first)
    layout = Layout(first)
    assert layout.fits(second)
    assert layout.read(second) == Layout(second).read(second)
