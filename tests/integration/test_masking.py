"""Is nothing left of whose meter it is, and all else as it was?"""

from collections.abc import Iterator
from itertools import product

import pytest

from custom_components.han_port.masking import (
    MOST_IDENTITIES,
    identities,
    mask,
    masked_frame,
    masked_recording,
    masked_text,
    sealed,
    without_host,
)
from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
)
from tests.integration.conftest import METER


def forms(identity: str) -> Iterator[bytes]:
    """Give every form in which an identity may be in a frame.

    As text, as hexadecimal text of it, packed, and as the number of its last digits; the
    last two in both orders of bytes.
    """
    text = identity.encode("latin-1")
    yield from (text, text.hex().encode(), text.hex().upper().encode())
    digits = "".join(each for each in identity if each.isdigit())
    numbers = [bytes.fromhex(digits)] if not len(digits) % 2 else []
    for count, size in product({len(digits), 10, 9, 8}, (4, 5, 8)):
        last = digits[-count:]
        if len(last.lstrip("0")) >= 8 and int(last) < 1 << 8 * size:
            numbers.append(int(last).to_bytes(size))
    for number in numbers:
        if len(number) > 3:
            yield from (number, number[::-1])


def named(outcomes: list[Outcome]) -> list[str]:
    """Give the ids of meters that were read."""
    readings = [each.result for each in outcomes]
    return [str(each.meter.id) for each in readings if isinstance(each, MeterReading)]


@pytest.mark.parametrize(
    ("frame", "hidden"),
    [
        # The shorter ids of Landis+Gyr and Iskraemeco, in a list and in a telegram
        (b"\x7e\xa0\x30\x09\x0813943597\x06\x00\x00\x10\x00", b"43597"),
        (b"/ISK5\r\n\r\n0-0:96,1.0(84605887)\r\n!0000\r\n", b"05887"),
        (b"/ISK5\r\n\r\n0-0:42.0*0(ISK84605887)\r\n!0000\r\n", b"05887"),
        (b"/ISK5\r\n\r\n0-0:96.1,0(3834363035383837)\r\n!0000\r\n", b"35383837"),
    ],
)
def test_unknown_id(frame: bytes, hidden: bytes) -> None:
    """Where no id is known, and damage hit its code, what looks like one is masked."""
    decoder = Decoder()
    (outcome,) = decoder.feed(frame) + decoder.flush()
    assert isinstance(outcome.result, ProtocolError)
    masked = bytes.fromhex(masked_frame(outcome, identities([outcome], {})))
    assert hidden in frame
    assert hidden not in masked
    assert len(masked) == len(outcome.frame)


def test_many_ids() -> None:
    """A line on which every list names another meter takes no more time for each."""
    frame, meter_id = METER.list(2), METER.id.encode()
    stream = b"".join(
        sealed(frame.replace(meter_id, meter_id[:8] + b"%08d" % (999 * number)))
        for number in range(1, 101)
    )
    outcomes = Decoder().feed(stream)
    assert len(outcomes) == 100
    assert len(identities(outcomes, {})) <= 4 * MOST_IDENTITIES
    (masked,) = masked_recording([stream], {}, whole=False)
    assert len(masked) == len(stream)
    assert named(Decoder().feed(masked)) == [mask(each) for each in named(outcomes)]


def test_values_stay() -> None:
    """What has decimals or a unit is a value, also in a damaged telegram."""
    lines = b"1-0:1.8.0(00012345.678*kWh)\r\n1-0:2.8.0(00123456*Wh)\r\n"
    decoder = Decoder()
    (outcome,) = decoder.feed(b"/ISK5\r\n\r\n" + lines + b"!0000\r\n")
    assert isinstance(outcome.result, ProtocolError)
    assert outcome.result.code is ErrorCode.CRC
    assert lines in bytes.fromhex(masked_frame(outcome, identities([outcome], {})))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("reader 7359992890497997 ok", "reader 0000000000000000 ok"),
        ("at 192.0.2.17, 2001:db8:0:1:2:3", "at **REDACTED**, **REDACTED**"),
        (
            '{"wifi_ssid": "Villa", "rssi": -6}',
            '{"wifi_ssid": "**REDACTED**", "rssi": -6}',
        ),
        ("password=hunter2;", "password=**REDACTED**;"),
        ("psk='two words', ok", "psk='**REDACTED**, ok"),
        ('{"psk":"my pass word"}', '{"psk":"**REDACTED**"}'),
        ("connected to Villa Roser\r\nok", "connected to **REDACTED**\r\nok"),
        ("id 7359 9928 9049 7997", "id **REDACTED**"),
        ("HTTP/1.1 400 Bad Request", "HTTP/1.1 400 Bad Request"),
        ("Port already in use", "Port already in use"),
        ("x" * 500, "x" * 200),
    ],
)
def test_masked_text(text: str, shown: str) -> None:
    """Numbers, addresses and what follows the word for a secret are masked."""
    assert masked_text(text) == shown


@pytest.mark.parametrize(
    ("device", "shown"),
    [
        ("/dev/ttyUSB0", "/dev/ttyUSB0"),
        ("socket://192.0.2.1:6638", "socket://**REDACTED**:6638"),
        ("tcp://user@bridge.example:23", "tcp://**REDACTED**:23"),
        ("socket://[2001:db8::1]:6638", "socket://**REDACTED**:6638"),
        ("rfc2217://bridge.example", "rfc2217://**REDACTED**"),
        (
            "esphome://192.0.2.1:6053/?port_name=HAN&key=c2VjcmV0",
            "esphome://**REDACTED**:6053",
        ),
        ("esphome-hass://esphome/01ABC?port_name=HAN", "esphome-hass://**REDACTED**"),
        ("tcp://user:secret@bridge.example:23", "tcp://**REDACTED**:23"),
        ("mqtt://meter:7359992890497997", "mqtt://**REDACTED**"),
    ],
)
def test_without_host(device: str, shown: str) -> None:
    """A URL keeps its scheme and port: the host may be a person's own."""
    assert without_host(device) == shown


@pytest.mark.parametrize(
    ("identity", "shown"),
    [
        ("7359992890497997", "7359992000000000"),
        ("12345678", "12300000"),
        ("1", "0"),
        ("", ""),
    ],
)
def test_mask(identity: str, shown: str) -> None:
    """An id keeps its length and what tells the maker, never its last half."""
    assert mask(identity) == shown
