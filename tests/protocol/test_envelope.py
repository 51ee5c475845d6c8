"""Does a payload of each reader come down to the messages of the meter?"""

from collections.abc import Callable
from pathlib import Path
import tracemalloc
import zlib

from hypothesis import given, settings, strategies as st
import pytest

from custom_components.han_port.protocol import MeterReading, decode
from custom_components.han_port.protocol.envelope import (
    LONGEST,
    Contents,
    Envelope,
    Message,
    Said,
    is_proved,
)

from .build import LLC, hdlc, notification, structure
from .check import comparable, readings
from .test_corpus import CAPTURES, load, message
from .vectors import AIDON_ONE_PHASE, KAMSTRUP_1, KAMSTRUP_2
from .wrap import mbus, telegram

TELEGRAM = telegram(["1-0:1.7.0(0001.234*kW)", "1-0:2.7.0(0000.000*kW)"])
# The list in a frame without header and checksum, as an amsreader repeats it
BODY = KAMSTRUP_1[29:-3]


def varint(number: int) -> bytes:
    """Write a number as Protocol Buffers do."""
    written = b""
    while number >= 0x80:
        written += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return written + bytes((number,))


def field(number: int, data: bytes) -> bytes:
    """Write a field of bytes."""
    return varint(number << 3 | 2) + varint(len(data)) + data


def batch(*entries: tuple[int, bytes], kind: bytes = b"P1", packed: bool) -> bytes:
    """Write the container of a Tibber Pulse: uptimes in ms and messages."""
    stream = zlib.compressobj(wbits=11)
    written = bytes.fromhex("08DCD9021801")
    for uptime, data in entries:
        sent = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
        written += field(
            2,
            b"\x09"
            + uptime.to_bytes(8, "little")
            + field(2, kind)
            + field(3, sent if packed else data)
            + (b"\x20" + varint(len(data)) if packed else b""),
        )
    return written


def unwrap(payload: bytes) -> Contents:
    """Unwrap a payload that came alone."""
    return Envelope().unwrap(payload, 0)


FORMS: dict[str, Callable[[bytes], bytes]] = {
    "bytes": lambda data: data,
    "upper case": lambda data: data.hex().upper().encode(),
    "lower case with blanks": lambda data: data.hex(" ").encode() + b"\r\n",
    "json": lambda data: b'{"data":"%s"}' % data.hex().encode(),
    "json with more": lambda data: (
        b'{ "id" : "x", "data" : "%s" , "t" : 1 }' % data.hex().upper().encode()
    ),
    "batch": lambda data: batch((5000, data), kind=b"HAN", packed=False),
    "packed batch": lambda data: batch((5000, data), packed=True),
}


@pytest.mark.parametrize(
    ("payload", "proved"),
    [
        (AIDON_ONE_PHASE, True),
        (AIDON_ONE_PHASE[:-5] + b"\0" + AIDON_ONE_PHASE[-4:], False),
        # intact, and of no meter
        (hdlc(LLC + notification(structure())), True),
        (TELEGRAM, True),
        # what has no checksum proves nothing
        (BODY, False),
        (b"", False),
    ],
)
def test_is_proved(payload: bytes, proved: bool) -> None:
    """An intact frame or telegram proves a meter, whatever is in it."""
    assert [is_proved(each) for each in decode(payload)] == [proved]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    "data",
    [AIDON_ONE_PHASE, KAMSTRUP_1, KAMSTRUP_1[1:-1], mbus(BODY), BODY, TELEGRAM],
    ids=["hdlc", "another", "no flags", "mbus", "list alone", "telegram"],
)
def test_each_form(form: str, data: bytes) -> None:
    """A message comes out of each form as it went in."""
    assert unwrap(FORMS[form](data)) == Contents([Message(data)])


def test_a_batch_tells_ages() -> None:
    """The messages of a container come in order, and with the time the reader kept them."""
    entries = ((70_256, TELEGRAM), (80_512, TELEGRAM + b"\r\n"))
    for packed in (True, False):
        assert unwrap(batch(*entries, packed=packed)).messages == [
            Message(TELEGRAM, 10.256),
            Message(TELEGRAM + b"\r\n", 0),
        ]


def test_a_damaged_batch_is_still_looked_at() -> None:
    """Of a container that breaks off, what came before is read; of none, all of it."""
    whole = batch((1, KAMSTRUP_1), (2, KAMSTRUP_2), kind=b"HAN", packed=False)
    cut = unwrap(whole[:-20]).messages
    assert [readings(decode(each.data)) != [] for each in cut] in (
        [True],
        [True, False],
    )
    broken = whole[:6] + b"\x12\xff\xff\x01" + whole[6:]
    (message,) = unwrap(broken).messages
    assert len(readings(decode(message.data))) == 2


def test_a_frame_wins_over_its_list() -> None:
    """What an amsreader sends a second time is left out, and read where nothing else comes."""
    envelope = Envelope()
    assert envelope.unwrap(BODY, 10).messages == [Message(BODY)]
    assert envelope.unwrap(KAMSTRUP_1.hex().encode(), 20).messages == [
        Message(KAMSTRUP_1)
    ]
    assert envelope.unwrap(BODY.hex().encode(), 20.4).messages == []
    assert envelope.unwrap(BODY, 21.1).messages == [Message(BODY)]


@pytest.mark.parametrize(
    ("payload", "said"),
    [
        (b"Debug: No HAN data", Said.NO_DATA),
        (b"Debug: Unknown command", Said.STATUS),
        (b"online", Said.ONLINE),
        (b"Offline\n", Said.OFFLINE),
        (b'{"status":{"rxcnt":1,"baud":2400}}', Said.STATUS),
        (b'{"id":"x","up":9,"data":{"lv":"AIDON_V0001","P":345}}', Said.DECODED),
        (b'{"P":345,"tPI":12.3}', Said.DECODED),
        (b'{"data":""}', Said.DECODED),
        (b"1234.5\n", Said.DECODED),
        (b"-12", Said.DECODED),
        (b"\x7e" * (LONGEST + 1), Said.TOO_LONG),
    ],
)
def test_what_a_reader_says(payload: bytes, said: Said) -> None:
    """What is no message of a meter is told apart from one, with its beginning."""
    contents = unwrap(payload)
    assert contents.messages == []
    assert contents.said is said
    assert contents.text == ("" if said is Said.TOO_LONG else payload.decode().strip())


def test_nothing_is_no_message() -> None:
    """An empty payload, with which topics are cleared, is nothing."""
    assert unwrap(b"") == Contents([])


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
@pytest.mark.parametrize("form", FORMS)
def test_corpus(path: Path, form: str) -> None:
    """What real meters sent says the same in every form as by itself."""
    group, keys = load(path)
    for frame in group["frames"]:
        data = message(frame)
        if len(data) < 12:
            continue
        plain = [
            out for out in decode(data, **keys) if isinstance(out.result, MeterReading)
        ]
        found = [
            outcome
            for each in unwrap(FORMS[form](data)).messages
            for outcome in decode(each.data, **keys)
            if isinstance(outcome.result, MeterReading)
        ]
        assert comparable(found) == comparable(plain)


@settings(deadline=None, max_examples=300)
@given(
    st.binary(max_size=300)
    | st.binary(max_size=300).map(b"\x08\xdc\xd9\x02".__add__)
    | st.builds(
        lambda data, at, byte: data[:at] + bytes((byte,)) + data[at + 1 :],
        st.just(batch((1, TELEGRAM), (2, TELEGRAM), packed=True)),
        st.integers(0, 150),
        st.integers(0, 255),
    )
)
def test_anything(payload: bytes) -> None:
    """No payload raises, none makes more than is allowed, none keeps a message for a day."""
    messages, _, text = Envelope().unwrap(payload, 0)
    assert sum(len(each.data) for each in messages) <= LONGEST + len(payload)
    assert all(0 <= each.age <= 3600 for each in messages)
    assert len(text) <= 200


BOMB = batch((1, b"\0" * 10_000_000), packed=True)
HOSTILE = {
    "long": b"7e" * 5_000_000,
    "bomb": BOMB,
    "many entries": b"\x08\xdc\xd9\x02" + b"\x12\x00" * 32_000,
    "open json": b'{"data":' * 8_000,
    "json hex": b'{"data":"' + b"7e" * 32_000,
    "varint": b"\x08\xdc\xd9\x02" + b"\xff" * 65_000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_payloads_cost_little(name: str) -> None:
    """The longest message and the worst bomb take less than 1 MB beside themselves."""
    assert len(BOMB) < LONGEST
    tracemalloc.start()
    try:
        for each in unwrap(HOSTILE[name]).messages:
            assert not readings(decode(each.data))
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()
