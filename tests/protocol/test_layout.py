"""Is a message read through a layout as it would be read without one?"""

from hypothesis import given, strategies as st

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    MeterReading,
    Quantity,
    decode,
)

from . import vectors
from .build import (
    LLC,
    at,
    clock,
    code,
    hdlc,
    notification,
    octets,
    register,
    segments,
    structure,
    u32,
)
from .check import codes, comparable, readings, the_reading

SECOND = bytearray(vectors.AIDON_ONE_PHASE[9:-3])


def test_second_sight() -> None:
    """Values and times differ from one message to the next; all else is as it was."""
    decoder = Decoder()
    for power, second in ((1362, 0), (99_999, 10), (0, 59)):
        when = at(f"2026-03-01 12:00:{second:02}")
        body = structure(u32(power))
        frame = hdlc(LLC + notification(body, b"\x09\x0c" + clock(when), invoke=second))
        reading = the_reading(decoder.feed(frame))
        assert dict(reading.values) == {Quantity.ACTIVE_POWER_IMPORT: power}
        assert reading.meter_time == when
    assert len(decoder._layouts) == 1


def test_one_time_in_two_spellings() -> None:
    """Two clocks that differ in the hundredths alone are one time."""
    when = at("2026-03-01 12:00:00")
    octets_ = clock(when)
    other = octets_[:8] + b"\x00" + octets_[9:]
    assert other != octets_
    body = structure(
        structure(code("0-0:1.0.0"), octets(other)),
        register("1-0:1.7.0", u32(1), 0, 0x1B),
    )
    reading = the_reading(decode(hdlc(LLC + notification(body, b"\x0c" + octets_))))
    assert (reading.meter_time, reading.meter_time_alt) == (when, None)


@given(st.integers(0, len(SECOND) * 8 - 1))
def test_one_bit(bit: int) -> None:
    """Whatever bit of an APDU differs, a layout gives what reading afresh does."""
    apdu = bytearray(SECOND)
    apdu[bit // 8] ^= 1 << bit % 8
    decoder = Decoder()
    decoder.decode(hdlc(LLC + bytes(SECOND)))
    frame = hdlc(LLC + bytes(apdu))
    assert comparable(decoder.decode(frame)) == comparable(decode(frame))


def test_whole_chunks() -> None:
    """Frames that come as one chunk each are where they are in the stream."""
    decoder = Decoder()
    size = len(vectors.AIDON_ONE_PHASE)
    for number in range(3):
        (outcome,) = decoder.feed(vectors.AIDON_ONE_PHASE)
        assert (outcome.offset, outcome.frame) == (
            number * size,
            vectors.AIDON_ONE_PHASE,
        )
    assert decoder.feed(b"\0" * 20) == []
    assert decoder.feed(vectors.AIDON_ONE_PHASE)[0].offset == 3 * size + 20
    assert decoder.feed(vectors.AIDON_ONE_PHASE[1:])[0].offset == 4 * size + 19
    assert decoder.flush() == []


def test_between_segments() -> None:
    """A whole frame between the segments of another message ends that message."""
    first, *_ = segments(vectors.AIDON_ONE_PHASE[9:-3], 60)
    decoder = Decoder()
    decoder.feed(vectors.AIDON_ONE_PHASE)
    assert decoder.feed(first) == []
    outcomes = decoder.feed(vectors.AIDON_ONE_PHASE)
    assert codes(outcomes) == [ErrorCode.TRUNCATED]
    assert len(readings(outcomes)) == 1


def test_another_meter() -> None:
    """Another meter on the same line is another layout, also of the same length."""
    other = vectors.AIDON_ONE_PHASE.replace(b"7359992890941742", b"7359992890941743")
    frame = hdlc(other[9:-3])
    decoder = Decoder()
    for message, id_ in (
        (vectors.AIDON_ONE_PHASE, "7359992890941742"),
        (frame, "7359992890941743"),
        (vectors.AIDON_ONE_PHASE, "7359992890941742"),
    ):
        assert the_reading(decoder.decode(message)).meter.id == id_


def test_bounded() -> None:
    """The layouts kept are few, and the oldest goes first."""
    decoder = Decoder()
    for extra in range(40):
        body = structure(u32(549), *[b"\x0a\x00"] * extra)
        decoder.decode(
            hdlc(
                LLC + notification(body, b"\x09\x0c" + clock(at("2026-03-01 12:00:00")))
            )
        )
    printed = (vectors.AIDON_ONE_PHASE, vectors.AIDON_SWEDEN, vectors.KAMSTRUP_1)
    for size in range(40):
        body = b"\x01\x02\x02\x02\x09\x06\0\0\x60\1\0\xff\x0a" + bytes((size,))
        body += b"x" * size + bytes.fromhex("02020906 0100010700ff 0600000001")
        decoder.decode(hdlc(LLC + notification(body)))
    assert len(decoder._layouts) == 16
    for message in printed:
        assert isinstance(the_reading(decoder.decode(message)), MeterReading)
    assert len(decoder._layouts) == 16


def test_adapted_anew() -> None:
    """Scales that follow from the values are found out for every message."""
    decoder = Decoder()
    frame = vectors.KAMSTRUP_1
    found = []
    for volts in (231, 23141, 0, 2314):
        apdu = frame[8:-3].replace(
            bytes.fromhex("090601012007 00ff12 0000"),
            bytes.fromhex("090601012007 00ff12") + volts.to_bytes(2),
        )
        found.append(the_reading(decoder.feed(hdlc(apdu))).values[Quantity.VOLTAGE_L1])
    assert found == [231, 231.41, 0, 231.4]
    assert len(decoder._layouts) == 1
