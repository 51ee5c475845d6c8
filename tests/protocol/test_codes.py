"""Are codes that nothing is made of found in a message, and only those?"""

from datetime import UTC, datetime

import pytest

from custom_components.han_port.protocol import unknown_codes
import simulator

from .build import hdlc, notification, octets, register, structure, text, u32

NOON = datetime(2026, 1, 15, 12, tzinfo=UTC)
TELEGRAM = (
    b"/KFM5XYZ\r\n\r\n1-3:0.2.8(50)\r\n0-0:1.0.0(260115120000W)\r\n"
    b"1-0:1.8.1(000123.456*kWh)\r\n1-0:1.8.0*255(000123.456*kWh)\r\n"
    b"1-0:1.4.0(00.123*kW)\r\n0-1:24.1.0(003)\r\n0-1:96.1.0(4730303036)\r\n"
    b"0-1:24.2.1(260115120000W)(00012.345*m3)\r\n0-0:96.13.0()\r\n"
    b"0-0:17.0.0(999.9*kW)\r\n1-0:31.4.0*255(999*A)\r\n0-0:17.0.0(1*kW)\r\n!ABCD\r\n"
)


def test_telegram() -> None:
    """Values, submeters, texts and versions are known; each other code is named once."""
    assert unknown_codes(TELEGRAM) == ["0-0:17.0.0", "1-0:31.4.0"]


def test_list() -> None:
    """The code of a register stands before its value, with a frame around it or none."""
    entry = structure(octets(bytes.fromhex("0000600100ff")), text("7359992890497997"))
    apdu = notification(
        structure(
            entry,
            register("1-0:1.7.0", u32(1234), 0, 27),
            register("1-0:99.7.0", u32(5), 0, 27),
            u32(0x12340009),
            u32(0x00000600),
        )
    )
    for message in (apdu, hdlc(apdu)):
        assert unknown_codes(message) == ["1-0:99.7.0"]


@pytest.mark.parametrize(
    "data", [b"", b"\x09\x06", b"/", b"/\x09\x06\x01", b"\xff" * 40]
)
def test_nothing(data: bytes) -> None:
    """What holds no code has none."""
    assert unknown_codes(data) == []


@pytest.mark.parametrize(
    "name", ["aidon-3p", "kaifa-3p", "kamstrup-3p", "p1-se", "dsmr5"]
)
def test_models(name: str) -> None:
    """All that the meters of Norway, Sweden and the Netherlands send is known."""
    meter = simulator.create(name, seed=1)
    for kind in (2, 3):
        if any(kind == each[2] for each in meter.model.cadence):
            assert set(unknown_codes(meter.message(NOON, kind))) <= {
                "0-0:96.13.1",
                "1-0:99.97.0",
            }
