"""What holds for any bytes at all."""

from collections.abc import Iterator

from hypothesis import given, settings, strategies as st

from custom_components.han_port.protocol import (
    Decoder,
    MeterReading,
    Outcome,
    ProtocolError,
)

from . import vectors
from .build import NOISE, hdlc
from .check import comparable, readings, stream

KEY = bytes.fromhex("36C66639E48A8CA4D6BC8B282A793BBB")
MESSAGES = [
    vectors.AIDON_ONE_PHASE,
    vectors.AIDON_SWEDEN,
    vectors.KAMSTRUP_1,
    vectors.KAMSTRUP_2,
    vectors.KAMSTRUP_3,
    vectors.EVN_SEALED,
    hdlc(vectors.EVN_PLAIN),
    vectors.AIDON_ONE_PHASE.replace(b"\n", b"\r\n"),
]
# Bytes that frames begin and are steered with, more often than chance has it
STEERING = st.sampled_from(
    [
        b"\x7e\xa0",
        b"\x7e\xa7\xfd",
        b"\x68\x68\x68\x68",
        b"/ABC5\r\n\r\n",
        b"!",
        b"\r\n",
        b"\xe6\xe7\x00\x0f",
        b"\xdb\x08",
        b"\x02\x84\xff\xff\xff\xff",
        b"\x13",
    ]
)
PIECES = st.one_of(
    st.binary(max_size=40),
    STEERING,
    st.sampled_from(MESSAGES),
    st.builds(hdlc, st.binary(max_size=60)),
    st.builds(
        lambda part: hdlc(b"\xe6\xe7\x00\x0f\0\0\0\0\0" + part), st.binary(max_size=60)
    ),
    st.builds(
        lambda message, at, size: message[at : at + size],
        st.sampled_from(MESSAGES),
        st.integers(0, 300),
        st.integers(0, 300),
    ),
)
STREAMS = st.lists(PIECES, max_size=12).map(b"".join)


def cut(data: bytes, sizes: list[int]) -> Iterator[bytes]:
    """Cut data in chunks of the given sizes, over and over."""
    at = 0
    while at < len(data):
        for size in sizes:
            yield data[at : at + size]
            at += size


@given(STREAMS, st.lists(st.integers(1, 90), min_size=1, max_size=5))
def test_any_chunking(data: bytes, sizes: list[int]) -> None:
    """However a stream is cut, it gives the same outcomes, in order, and raises nothing."""
    whole = stream([data], encryption_key=KEY)
    assert comparable(stream(cut(data, sizes), encryption_key=KEY)) == comparable(whole)
    assert all(isinstance(out.result, MeterReading | ProtocolError) for out in whole)


@given(STREAMS)
def test_any_message(data: bytes) -> None:
    """Any message by itself gives at least one outcome, the same every time."""
    decoder = Decoder(encryption_key=KEY)
    first = decoder.decode(data)
    assert first
    assert comparable(decoder.decode(data)) == comparable(first)


@given(st.sampled_from(MESSAGES[:5]), st.data())
@settings(max_examples=300)
def test_one_bit(message: bytes, data: st.DataObject) -> None:
    """With one bit wrong a frame gives no value, nor if one like it came before."""
    damaged = bytearray(message)
    bit = data.draw(st.integers(0, len(message) * 8 - 1))
    damaged[bit // 8] ^= 1 << bit % 8
    assert not readings(stream([bytes(damaged)]))
    assert not readings(Decoder().decode(bytes(damaged)))
    decoder = Decoder()
    assert len(readings(decoder.feed(message))) == 1
    assert not readings(decoder.decode(bytes(damaged)))
    assert not readings(decoder.feed(bytes(damaged)))


@given(st.sampled_from(MESSAGES[:5]), st.data())
def test_lost_bytes(message: bytes, data: st.DataObject) -> None:
    """With bytes lost a frame gives no value, and the next one does.

    Of two flags between frames one is enough.
    """
    start = data.draw(st.integers(0, len(message) - 2))
    end = data.draw(st.integers(start + 1, len(message) - 1))
    outcomes = stream([message[:start] + message[end:] + message])
    found = [out for out in outcomes if isinstance(out.result, MeterReading)]
    assert [out.frame for out in found] == [message]


@given(st.lists(st.sampled_from(MESSAGES[:5]), max_size=6), st.binary(max_size=30))
def test_all_found(messages: list[bytes], noise: bytes) -> None:
    """Every intact frame is found, whatever is between."""
    noise = noise.replace(b"\x7e", b"")
    data = NOISE.join([b"", *(message + noise for message in messages), b""])
    outcomes: list[Outcome] = stream([data])
    found = [out.frame for out in outcomes if isinstance(out.result, MeterReading)]
    assert found == messages
