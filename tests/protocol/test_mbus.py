"""Where does an M-Bus frame end, is it whole, and which message is it part of?"""

import re

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    Meter,
    MeterReading,
    Outcome,
    ProtocolError,
    Quantity,
    decode,
)
from custom_components.han_port.protocol.mbus import START, MbusFrame, parse

from . import vectors
from .build import notification, register, structure, u32
from .check import (
    codes,
    comparable,
    readings,
    stream,
    the_error,
    the_reading,
    three_ways,
)
from .wrap import KEY, mbus, mbus_parts, seal

Q = Quantity

APDU = notification(
    structure(
        register("1-0:1.7.0", u32(1055), 0, 0x1B),
        register("1-0:1.8.0", u32(1340436), 0, 0x1E),
    )
)
WHOLE = mbus(APDU)
FIRST, LAST = mbus_parts(APDU, 30)
SECOND_APDU = APDU.replace(u32(1055), u32(1056))
SECOND_FIRST, SECOND_LAST = mbus_parts(SECOND_APDU, 30)


def powers(outcomes: list[Outcome]) -> list[float]:
    """Give the active power of each reading."""
    return [reading.values[Q.ACTIVE_POWER_IMPORT] for reading in readings(outcomes)]


def fail(message: bytes) -> ProtocolError:
    """Give what is wrong with a frame."""
    with pytest.raises(ProtocolError) as caught:
        parse(message, 0)
    return caught.value


def test_netz_noe() -> None:
    """The two frames printed by Netz Niederösterreich, opened with the printed key."""
    key = bytes.fromhex("36C66639E48A8CA4D6BC8B282A793BBB")
    reading = three_ways(vectors.EVN_SEALED, encryption_key=key)
    # What the brochure prints deciphered, with its values in test_lists
    plain = the_reading(decode(vectors.EVN_PLAIN))
    assert len(plain.values) == 11
    assert reading.values == plain.values
    assert reading.meter_time == plain.meter_time
    # The system title names the maker, which the list does not
    assert reading.meter == Meter("Kaifa", id="181220000009", flag_id="KFM")


def test_parts() -> None:
    """Control information says which part a frame holds and whether it is the last."""
    assert parse(WHOLE, 0) == MbusFrame(len(WHOLE), 0, True, APDU)
    assert parse(b"h" + FIRST, 1) == MbusFrame(len(FIRST) + 1, 0, False, APDU[:30])
    assert parse(LAST, 0) == MbusFrame(len(LAST), 1, True, APDU[30:])
    again = mbus(APDU, c=0x73)
    assert parse(again, 0) == MbusFrame(len(again), 0, True, APDU)


def test_one_frame() -> None:
    """A message of one frame is read."""
    assert three_ways(WHOLE).values == {
        Q.ACTIVE_POWER_IMPORT: 1055,
        Q.ENERGY_IMPORT: 1340.436,
    }


@pytest.mark.parametrize("size", [250, 251, 252, 255, 300])
def test_length_modulo(size: int) -> None:
    """A length of more than 255 is sent modulo 256 by Sagemcom's older T210-D."""
    data = bytes(range(256)) + bytes(44)
    message = mbus(data[:size], control=0)
    found = parse(message, 0)
    assert found == MbusFrame(size + 11, 0, False, data[:size])
    if size > 250:
        assert message[1] == size - 251
        wanted = [parse(message[:end], 0) for end in range(4, len(message))]
        # Shorter than its own header it cannot be
        assert set(wanted) == {size + 11} | ({message[1] + 6} if size > 255 else set())


def test_incomplete() -> None:
    """As long as a frame is incomplete, the bytes it takes are given."""
    for end in range(1, 4):
        assert parse(WHOLE[:end], 0) == 4
    for end in range(4, len(WHOLE)):
        assert parse(WHOLE[:end], 0) == len(WHOLE)
    pattern = re.compile(START, re.DOTALL)
    for end in range(1, 6):
        assert pattern.search(b"0" + WHOLE[:end]) is not None
    for wrong in (b"hh", b"h\x10\x11", b"h\x10\x10\x67", b"h\x10\x10h\x08"):
        assert pattern.match(wrong + b"\0") is None


def test_damaged() -> None:
    """A frame that is not intact is an error as long as it says, and costs no other."""
    for place in range(4, len(WHOLE)):
        bad = WHOLE[:place] + bytes((WHOLE[place] ^ 0x10,)) + WHOLE[place + 1 :]
        outcomes = stream([bad + WHOLE + bytes(300)])
        assert powers(outcomes) == [1055]
    bad = WHOLE[:-2] + b"\0\x16" + bytes(300)
    assert (fail(bad).code, fail(bad).length) == (ErrorCode.CRC, len(WHOLE))
    assert fail(b"h\x10\x11h").code is ErrorCode.CRC
    assert fail(b"h\x10\x10\x67").code is ErrorCode.CRC
    assert codes(stream([bad])) == [ErrorCode.CRC]


def test_other_content() -> None:
    """An intact frame of ordinary M-Bus, as of a heat meter, is none of ours."""
    error = the_error(stream([mbus(APDU, control=0x50)]))
    assert error.code is ErrorCode.UNSUPPORTED
    assert error.detail.endswith("50")


def test_two_frames() -> None:
    """Two frames make one message, wherever in the stream they are."""
    message = FIRST + LAST
    reading = three_ways(message)
    assert reading.values == three_ways(WHOLE).values
    outcomes = stream([b"\0" + FIRST + b"\0h\0h" + LAST + SECOND_FIRST + SECOND_LAST])
    assert powers(outcomes) == [1055, 1056]
    assert outcomes[0].offset == 1
    assert outcomes[0].frame == message


@pytest.mark.parametrize(
    ("frames", "expected", "errors"),
    [
        # The last part lost, then the first
        ([FIRST, SECOND_FIRST, SECOND_LAST], [1056], [ErrorCode.TRUNCATED]),
        ([LAST, SECOND_FIRST, SECOND_LAST], [1056], [ErrorCode.UNSUPPORTED]),
        # A part repeated
        ([FIRST, FIRST, LAST, SECOND_FIRST, SECOND_LAST], [1055, 1056], ["truncated"]),
        ([FIRST, LAST, LAST, SECOND_FIRST, SECOND_LAST], [1055, 1056], ["unsupported"]),
        # Out of order
        (
            [LAST, FIRST, SECOND_FIRST, SECOND_LAST],
            [1056],
            ["unsupported", "truncated"],
        ),
        # A whole message in between
        ([FIRST, mbus(SECOND_APDU), LAST], [1056], ["truncated", "unsupported"]),
    ],
)
def test_part_lost(
    frames: list[bytes], expected: list[float], errors: list[str]
) -> None:
    """A part lost, repeated or out of order costs its message and not the next."""
    outcomes = stream(frames)
    assert powers(outcomes) == expected
    assert codes(outcomes) == errors
    assert comparable(outcomes) == comparable(stream([b"".join(frames)]))


def test_part_damaged() -> None:
    """A damaged part costs its message one error, and never joins two messages."""
    bad_first = FIRST[:20] + b"\xaa" + FIRST[21:]
    bad_last = LAST[:12] + b"\xaa" + LAST[13:]
    bad_second_first = SECOND_FIRST[:20] + b"\xaa" + SECOND_FIRST[21:]
    tail = WHOLE + bytes(300)
    outcomes = stream([bad_first + LAST + tail])
    assert (powers(outcomes), codes(outcomes)) == ([1055], [ErrorCode.CRC])
    outcomes = stream([FIRST + bad_last + tail])
    assert (powers(outcomes), codes(outcomes)) == ([1055], [ErrorCode.CRC])
    outcomes = stream([FIRST + bad_last + bad_second_first + SECOND_LAST + tail])
    assert powers(outcomes) == [1055]


def test_end_of_stream() -> None:
    """What the stream ends in is truncated."""
    outcome = the_error(stream([FIRST]))
    assert outcome.code is ErrorCode.TRUNCATED
    assert codes(stream([FIRST + LAST[:-1]])) == [ErrorCode.TRUNCATED]


def test_ciphered_in_parts() -> None:
    """What is enciphered is joined before it is opened."""
    frames = mbus_parts(seal(APDU, control=0x20), 25)
    reading = the_reading(stream(frames, encryption_key=KEY))
    assert reading.values == readings(stream([WHOLE]))[0].values
    assert the_error(stream(frames)).code is ErrorCode.NO_KEY


@given(st.binary(max_size=300), st.integers(0, 255))
def test_any_bytes(data: bytes, length: int) -> None:
    """No bytes make it raise."""
    decoder = Decoder()
    for message in (data, bytes((0x68, length, length, 0x68, 0x53)) + data):
        outcomes = decoder.feed(message) + decoder.flush()
        assert not any(isinstance(out.result, MeterReading) for out in outcomes)


@given(st.binary(min_size=1, max_size=250), st.integers(0, 15), st.booleans())
def test_round_trip(data: bytes, part: int, final: bool) -> None:
    """What was wrapped comes out, in whatever it stands."""
    message = mbus(data, control=part | final << 4)
    assert parse(b"\x68" + message + b"\x16", 1) == MbusFrame(
        len(message) + 1, part, final, data
    )
