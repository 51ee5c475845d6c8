"""Where does a telegram end, and is it whole?"""

from datetime import datetime, timedelta, timezone
from random import Random
import re

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Meter,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
)
from custom_components.han_port.protocol.p1 import (
    LONGEST,
    START,
    P1Telegram,
    Unfinished,
    intact,
    parse,
)

from . import vectors
from .build import crc_x25
from .check import (
    codes,
    comparable,
    read,
    readings,
    stream,
    the_error,
    the_reading,
    three_ways,
)
from .wrap import AUTHENTICATION_KEY, KEY, crc_arc, seal_lines, telegram, text

Q = Quantity

POWER = "1-0:1.7.0(0001.234*kW)"
CET = timezone(timedelta(hours=1))
CEST = timezone(timedelta(hours=2))


def fail(message: bytes) -> ProtocolError:
    """Give what is wrong with a telegram."""
    with pytest.raises(ProtocolError) as caught:
        parse(message, 0)
    return caught.value


# --- The checksum ---


def test_checksum_value() -> None:
    """The check value of the catalogue of checksums is BB3D."""
    assert intact(b"123456789", 0xBB3D)
    assert intact(b"", 0)


@given(st.binary(max_size=3000), st.integers(0, 0xFFFF))
def test_checksum(data: bytes, other: int) -> None:
    """A text has the checksum worked out bit by bit, and no other."""
    right = crc_arc(data)
    assert intact(data, right)
    assert intact(data, other) == (other == right)
    # Divisible by each of the two factors of the polynomial, and not by the other
    assert not intact(data, right ^ 0xC001)
    assert not intact(data, right ^ 0x0003)


def test_checksum_longest() -> None:
    """The longest telegram is not too long for it."""
    data = Random(1).randbytes(LONGEST)
    right = crc_arc(data)
    assert intact(data, right)
    assert not intact(data, right ^ 0x8000)


# --- Where a telegram ends ---


def test_swedish() -> None:
    """A published telegram with its printed checksum says exactly what is printed."""
    message = text(vectors.ELLEVIO, "ELL5\\253833635_A") + b"4760"
    reading = three_ways(message)
    assert reading.meter == Meter(
        manufacturer="Sagemcom", type="53833635_A", flag_id="ELL"
    )
    assert reading.meter_time == datetime(2024, 12, 12, 20, 13, 48, tzinfo=CET)
    assert reading.list_kind is None
    assert dict(reading.values) == {
        Q.ENERGY_IMPORT: 47522.278,
        Q.ENERGY_EXPORT: 0.001,
        Q.REACTIVE_ENERGY_IMPORT: 59.039,
        Q.REACTIVE_ENERGY_EXPORT: 12570.976,
        Q.ACTIVE_POWER_IMPORT: 1231,
        Q.ACTIVE_POWER_EXPORT: 0,
        Q.REACTIVE_POWER_IMPORT: 0,
        Q.REACTIVE_POWER_EXPORT: 451,
        Q.ACTIVE_POWER_IMPORT_L1: 376,
        Q.ACTIVE_POWER_IMPORT_L2: 824,
        Q.ACTIVE_POWER_IMPORT_L3: 30,
        Q.ACTIVE_POWER_EXPORT_L1: 0,
        Q.ACTIVE_POWER_EXPORT_L2: 0,
        Q.ACTIVE_POWER_EXPORT_L3: 0,
        Q.REACTIVE_POWER_IMPORT_L1: 0,
        Q.REACTIVE_POWER_IMPORT_L2: 0,
        Q.REACTIVE_POWER_IMPORT_L3: 0,
        Q.REACTIVE_POWER_EXPORT_L1: 72,
        Q.REACTIVE_POWER_EXPORT_L2: 349,
        Q.REACTIVE_POWER_EXPORT_L3: 29,
        Q.VOLTAGE_L1: 232.8,
        Q.VOLTAGE_L2: 233.5,
        Q.VOLTAGE_L3: 238.5,
        Q.CURRENT_L1: 1.8,
        Q.CURRENT_L2: 4.0,
        Q.CURRENT_L3: 0.1,
    }


def test_checksum_forms() -> None:
    """A checksum may lack its leading zeros and be written in small letters."""
    body = next(
        body
        for number in range(100000)
        if crc_arc(body := text(f"1-0:1.7.0({number:05}*W)")) in range(0xA0, 0x100)
    )
    checksum = b"%X" % crc_arc(body)
    assert len(checksum) == 2
    assert parse(body + checksum + b"\r\n", 0) == P1Telegram(len(body) + 2, body)
    assert parse(body + checksum.lower() + b"\n", 0) == P1Telegram(len(body) + 2, body)
    assert the_reading(decode(body + checksum)).meter.flag_id == "KAM"
    for end in range(3):
        unfinished = parse(body + checksum[:end], 0)
        assert unfinished == Unfinished(len(body) + 4, ord("\n"))
    assert fail(body + b"G" + checksum + b"\r\n").code is ErrorCode.CRC
    assert fail(body + b" " + checksum + b"\r\n").code is ErrorCode.CRC


@pytest.mark.parametrize("line_end", [b"\n", b"\r\r\n"])
def test_line_ends(line_end: bytes) -> None:
    """Line ends a bridge changed are put right, as the checksum proves."""
    message = telegram(vectors.ELLEVIO).replace(b"\r\n", line_end)
    changed = three_ways(message)
    assert changed == read(vectors.ELLEVIO)
    wrong = message[:-1] + (b"0" if message[-1:] != b"0" else b"1")
    assert codes(stream([wrong])) == [ErrorCode.CRC]


def test_seven_bits() -> None:
    """Seven bits and even parity, read as eight, are the same telegram."""
    message = telegram(vectors.ELLEVIO)
    table = bytes(byte | byte.bit_count() % 2 << 7 for byte in range(128))
    odd = bytes(table[byte] for byte in message)
    reading = the_reading(stream([odd]))
    assert reading == read(vectors.ELLEVIO)
    assert stream(odd[at : at + 1] for at in range(len(odd))) == stream([odd])
    assert parse(b"\0" + odd, 1) == P1Telegram(len(odd) + 1, text(vectors.ELLEVIO))
    # One byte with the wrong parity
    place = odd.index(table[ord("W")])
    wrong = odd[:place] + b"W" + odd[place + 1 :]
    assert wrong != odd
    assert codes(stream([wrong])) == [ErrorCode.CRC]


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        (
            "ISk5\\2MT382-1004",
            ["0-0:96.1.1(00000000000000)", "1-0:1.8.1(00001.001*kWh)", "0-0:96.13.0()"],
        ),
        ("ISK9\\2M551T-200", ["1-0:0.9.1(222553)", "1-0:1.8.0(000317.695*kWh)"]),
        ("ESY5Q3DB1024 V3.04", ["1-0:1.8.0*255(00052185.7825309*kWh)"]),
        ("ADN9 6534", ["0-0:1.0.0(240108164940W)", "1-0:1.8.0(00010117.368*kWh)"]),
    ],
)
def test_no_checksum(head: str, lines: list[str]) -> None:
    """Older meters and a few others send none, and are read all the same."""
    message = text(lines, head)
    outcomes = stream([message + b"\r\n  25803103\r\n\xff\xff"])
    reading = the_reading(outcomes)
    assert outcomes == [Outcome(0, message, reading)]
    assert the_reading(decode(message)) == reading
    assert (
        stream(message[at : at + 1] for at in range(len(message))) != outcomes
    )  # the line end is still to come
    assert (
        stream((message + b"\n")[at : at + 1] for at in range(len(message) + 1))
        == outcomes
    )
    assert readings(stream([message.replace(b"\r\n", b"\n") + b"\n"])) == [reading]


@pytest.mark.parametrize(
    "line",
    [
        "1-3:0.2.8(50)",
        "0-0:96.1.4(50217)",
        "1-0:2.7.0(0000.000*kW",
        "1-0:2.7.0 0000.000*kW)",
        "1-0:2.7.0(0000.0(00*kW)",
        "1-0:4:2.7.0(0000.000*kW)",
        "",
    ],
)
def test_no_checksum_refused(line: str) -> None:
    """Without a checksum nothing is read that looks damaged or ought to have one."""
    message = text([POWER, line]) + b"\r\n"
    assert fail(message).code is ErrorCode.CRC
    assert codes(stream([message])) == [ErrorCode.CRC]


def test_wrong_checksum() -> None:
    """Every telegram with a wrong checksum is an error at its offset, and no more."""
    good = telegram(vectors.ELLEVIO)
    for place in range(5, len(good) - 5):
        if good[place] in b"\r\n":
            continue
        bad = good[:place] + bytes((good[place] ^ 1,)) + good[place + 1 :]
        outcomes = stream([b"\0" + bad + b"\r\n" + good])
        assert codes(outcomes)[:1] != []
        assert readings(outcomes) == [read(vectors.ELLEVIO)]
        assert outcomes[0].offset == 1


def test_second_begins_inside() -> None:
    """A telegram that lost its end costs nothing of the next."""
    good = telegram(vectors.ELLEVIO)
    for cut in (20, 300, len(good) - 4, len(good) - 2):
        outcomes = stream([good[:cut] + good + b"\r\n"])
        assert outcomes[-1] == Outcome(cut, good, read(vectors.ELLEVIO))
        assert len(codes(outcomes)) == 1, cut
    assert fail(good[:100] + good).code is ErrorCode.TRUNCATED
    assert fail(good[:100] + good).length == 100


def test_no_text_inside() -> None:
    """A byte that is no text ends a telegram at once, however it arrives."""
    damaged = telegram(vectors.ELLEVIO)[:200] + b"\xc3" + telegram(vectors.ELLEVIO)
    assert fail(damaged[:201]).length == 201
    whole = stream([damaged])
    assert codes(whole) == [ErrorCode.CRC]
    assert readings(whole) == [read(vectors.ELLEVIO)]
    single = stream(damaged[at : at + 1] for at in range(len(damaged)))
    assert comparable(single) == comparable(whole)


def test_longest() -> None:
    """A telegram without an end is given up at its greatest length, not kept."""
    endless = text(POWER)[:-1] + b"0" * (2 * LONGEST)
    assert parse(endless[: LONGEST - 1], 0) == Unfinished(LONGEST, ord("!"))
    assert fail(endless[:LONGEST]).code is ErrorCode.TRUNCATED
    assert codes(stream([endless])) == [ErrorCode.TRUNCATED]
    filler = "0-0:96.13.0(" + "30" * 4060 + ")"
    assert len(telegram([POWER, filler])) == LONGEST - 19
    assert read([POWER, filler]).text == "0" * 4060


@pytest.mark.parametrize(
    "noise",
    [b"/", b"/a", b"//", b"/12", b"/abc\x00", b"/abc" + b"x" * 61, b"/abc!\r\n"],
)
def test_no_start(noise: bytes) -> None:
    """What has no identification is no telegram and not worth a word."""
    assert stream([b"\0" + noise * 3 + b"\0"]) == []
    assert readings(stream([noise + telegram(vectors.ELLEVIO) + noise])) == [
        read(vectors.ELLEVIO)
    ]


def test_start_incomplete() -> None:
    """The start is recognised from its first byte on, with what has come of the rest."""
    pattern = re.compile(START, re.DOTALL)
    head = b"/KAM5\r\n"
    for end in range(1, len(head)):
        match = pattern.search(b"0" + head[:end])
        assert match is not None
        assert match.start() == 1
        assert parse(head[:end], 0) == Unfinished(67, ord("\n"))
    assert parse(head, 0) == Unfinished(LONGEST, ord("!"))
    for wrong in (b"/KA5\n", b"/KAM" + b"5" * 64):
        assert fail(wrong).length == 1


@given(
    st.lists(st.integers(0, 750), max_size=6), st.lists(st.integers(1, 99), min_size=1)
)
def test_chunks(damage: list[int], sizes: list[int]) -> None:
    """The same bytes give the same outcomes however they are cut."""
    data = bytearray(telegram(vectors.ELLEVIO, "ELL5\\253833635_A") + b"\r\n") * 2
    for place in damage:
        data[place] ^= 0x01 << place % 8
    chunks: list[bytes] = []
    at = 0
    while at < len(data):
        size = sizes[len(chunks) % len(sizes)]
        chunks.append(bytes(data[at : at + size]))
        at += size
    assert comparable(stream(chunks)) == comparable(stream([bytes(data)]))


@given(st.binary(max_size=400), st.booleans())
def test_any_bytes(data: bytes, headed: bool) -> None:
    """No bytes make it raise, and none without a checksum give a wrong value."""
    message = (b"/KAM5\r\n\r\n" if headed else b"") + data
    decoder = Decoder()
    decoder.feed(message)
    decoder.flush()
    assert decode(message)


# --- Enciphered lines ---

POLISH = [
    "0-0:1.0.0(251125105643W)",
    "0-0:96.1.0(3330303537373735)",
    "1-0:1.8.0(000336.420*kWh)",
    "1-0:1.7.0(00.132*kW)",
    "0-0:17.0.0(00000)",
]


@pytest.mark.parametrize("authentication_key", [None, AUTHENTICATION_KEY])
@pytest.mark.parametrize("checksum", ["arc", "x25"])
def test_sealed(checksum: str, authentication_key: bytes | None) -> None:
    """Polish telegrams are opened; Kaifa's checksum is ARC, Elgama's X-25 backwards."""
    body = seal_lines(POLISH)
    if checksum == "arc":
        message = body + b"%04X" % crc_arc(body)
    else:
        message = body + crc_x25(body).hex().upper().encode()
    reading = three_ways(
        message, encryption_key=KEY, authentication_key=authentication_key
    )
    assert reading == read(POLISH, "KFM5KAIFA-METER")
    assert the_error(stream([message])).code is ErrorCode.NO_KEY
    wrong = the_error(stream([message], encryption_key=AUTHENTICATION_KEY))
    assert wrong.code is ErrorCode.WRONG_KEY
    wrong = the_error(stream([message], encryption_key=KEY, authentication_key=KEY))
    assert wrong.code is ErrorCode.WRONG_KEY
    assert "authentication" in wrong.detail


def test_sealed_damaged() -> None:
    """A damaged one gives no value, whatever of it is damaged."""
    body = seal_lines(POLISH)
    good = body + b"%04X" % crc_arc(body)
    for place in range(20, len(good)):
        bad = good[:place] + bytes((good[place] ^ 4,)) + good[place + 1 :]
        outcomes = stream([bad + good, bytes(LONGEST)], encryption_key=KEY)
        assert readings(outcomes) == [read(POLISH, "KFM5KAIFA-METER")], place
        assert set(codes(outcomes)) <= {ErrorCode.CRC, ErrorCode.TRUNCATED}
    assert fail(body[:20] + b"\0\x81\x05\x30").code is ErrorCode.CRC
    assert fail(body[:20] + b"\0\x82\xff\xff").code is ErrorCode.CRC
