"""What is an OBIS code, and which quantity does it name?"""

from decimal import Decimal

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import Quantity
from custom_components.han_port.protocol.obis import (
    AMPERE,
    UNITS,
    VOLT,
    WATT,
    WATT_HOUR,
    exponent,
    parse,
    quantity,
    scale,
    text,
    values,
)
from custom_components.han_port.protocol.reading import Register


@pytest.mark.parametrize(
    ("printed", "octets"),
    [
        ("1-0:1.8.0", "0100010800ff"),
        ("1-1:96.1.1", "0101600101ff"),
        ("0-1:24.2.1.255", "0001180201ff"),
        ("1-0:1.8.0*01", "010001080001"),
    ],
)
def test_parse(printed: str, octets: str) -> None:
    """A code is six octets, F being 255 where it is left out."""
    assert parse(printed) == bytes.fromhex(octets)


@pytest.mark.parametrize(
    "printed", ["1-0:1.8", "1-1:96.1.1.256", "1.8.0", "1-0:1.8.0.", "1-0:²1.8.0", ""]
)
def test_no_code(printed: str) -> None:
    """What has not six octets is no code."""
    assert parse(printed) is None


@given(st.binary(min_size=6, max_size=6))
def test_round_trip(code: bytes) -> None:
    """A printed code reads as the octets it was printed from."""
    assert parse(text(code)) == code


@pytest.mark.parametrize(
    ("printed", "name"),
    [
        ("1-0:1.7.0", Quantity.ACTIVE_POWER_IMPORT),
        ("1-1:2.7.0", Quantity.ACTIVE_POWER_EXPORT),
        ("1-0:71.7.0", Quantity.CURRENT_L3),
        ("1-0:52.7.0", Quantity.VOLTAGE_L2),
        ("1-0:2.8.4", Quantity.ENERGY_EXPORT_T4),
        ("1-1:62.8.0", Quantity.ENERGY_EXPORT_L3),
        ("1-0:4.8.0", Quantity.REACTIVE_ENERGY_EXPORT),
        # the counter at the end of the last billing period, another medium, another channel
        ("1-0:1.8.0*0", None),
        ("7-0:3.0.0", None),
        ("1-2:1.7.0", None),
        ("1-0:1.7.1", None),
    ],
)
def test_quantity(printed: str, name: Quantity | None) -> None:
    """A code of the electricity meter, and of the value now, names a quantity."""
    code = parse(printed)
    assert code is not None
    assert quantity(code) is name


def test_quantities_differ() -> None:
    """No two codes of a channel name the same quantity."""
    codes = [
        bytes((1, 0, c, d, e, 255))
        for c in range(100)
        for d in (7, 8)
        for e in range(70)
    ]
    named = [name for code in codes if (name := quantity(code))]
    assert len(named) == len(set(named)) == len(UNITS)


@given(st.integers(0, 2**32 - 1), st.integers(-4, 2))
def test_scale(raw: int, power: int) -> None:
    """A scaled number is the decimal number that the meter prints."""
    printed = Decimal(raw).scaleb(power)
    assert scale(raw, power) == float(printed)
    assert scale(-raw, power) == -float(printed)


def test_exponent() -> None:
    """Energy is kWh here and Wh there; all else is in the unit it is sent in."""
    assert exponent(Quantity.ENERGY_IMPORT, 1) == -2
    assert exponent(Quantity.REACTIVE_ENERGY_Q1, 0) == -3
    assert exponent(Quantity.VOLTAGE_L1, -1) == -1


def test_values() -> None:
    """The first register of a quantity counts, and only in the unit it is defined in."""
    power, energy, current = b"\1\0\1\7\0\xff", b"\1\0\1\x08\0\xff", b"\1\0\x1f\7\0\xff"
    assert values(
        [
            Register(b"\1\0\x63\7\0\xff", 7, 0, WATT),
            Register(power, 1362, 0, WATT),
            Register(power, 1, 0, WATT),
            Register(energy, 7956932, 1, WATT_HOUR),
            Register(current, 93, -1, VOLT),
            Register(current, -74, -1, AMPERE),
        ]
    ) == {
        Quantity.ACTIVE_POWER_IMPORT: 1362,
        Quantity.ENERGY_IMPORT: 79569.32,
        Quantity.CURRENT_L1: -7.4,
    }
