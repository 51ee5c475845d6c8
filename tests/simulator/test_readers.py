"""What readers on MQTT publish, against what real ones were seen to."""

from datetime import UTC, datetime
from itertools import islice
import zlib

import pytest

from simulator import create
from simulator.__main__ import main
from simulator.readers import BATCHES_AFTER, READERS, Reader, batch, body, other_topics

START = datetime(2026, 3, 27, 6, 30, tzinfo=UTC)
FRAME = next(iter(create("kamstrup-3p").messages(START)))[1]
TELEGRAM = next(iter(create("p1-se").messages(START)))[1]


def test_container_of_a_frame() -> None:
    """A frame stands behind 24 bytes, as was reported of the Pulse, uncompressed."""
    short = b"\x7e" + bytes(37) + b"\x7e"
    assert batch([(70.256, short)]).hex() == (
        "08dcd90218011237097012010000000000120348414e1a27" + short.hex()
    )
    assert len(batch([(0, short)])) - len(short) == 24


def test_container_of_telegrams() -> None:
    """Telegrams are one deflate stream: a header in the first, a flush after each."""
    packed = batch([(1, TELEGRAM), (11, TELEGRAM)])
    first = packed.index(b"\x38\x4f")
    parts = packed.count(b"\0\0\xff\xff")
    assert parts == 2
    assert packed.count(b"\x38\x4f") == 1
    data = packed[first : packed.index(b"\0\0\xff\xff") + 4]
    assert zlib.decompressobj().decompress(data) == TELEGRAM


def test_pulse_collects_after_a_quarter() -> None:
    """A Pulse sends each message at first, and containers from 15 minutes on."""
    pulse = Reader("tibber-pulse")
    sent = [
        (when, payload)
        for when in range(0, BATCHES_AFTER + 60, 10)
        for _, payload, _ in pulse.take(when, FRAME)
    ]
    assert [payload == FRAME for _, payload in sent] == [True] * 90 + [False] * 2
    assert [when for when, _ in sent[90:]] == [920, 950]
    assert sent[90][1].count(FRAME) == 3


def test_amsreader_sends_twice() -> None:
    """An amsreader sends the frame and then the list in it, as upper-case hex."""
    _, (_, inner, _) = Reader("amsreader-hex").take(0, FRAME)
    assert inner.isupper()
    assert inner.startswith(b"02190A0E4B616D7374727570")
    assert bytes.fromhex(inner.decode()) == body(FRAME)
    ((topic, text, _),) = Reader("amsreader-json").take(0, TELEGRAM)
    assert (topic, text) == ("amsreader/data", TELEGRAM)


@pytest.mark.parametrize("kind", READERS)
def test_what_the_broker_kept(kind: str) -> None:
    """Before all there is a list from last year, which the broker has kept."""
    reader = Reader(kind)
    assert next(iter(reader.hello(FRAME))) == (reader.listen_to, FRAME, True)


def test_other_topics() -> None:
    """Other devices publish on as many topics as asked for, and are the same each time."""
    publish = other_topics(1000)
    messages = list(map(publish, range(7000)))
    assert len({topic for topic, _, _ in messages}) == 7000
    assert len({topic.split("/")[1] for topic, _, _ in islice(messages, 1000)}) == 1000
    assert messages == list(map(other_topics(1000), range(7000)))


@pytest.mark.usefixtures("socket_enabled")
def test_no_broker(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without a broker one sentence says so."""
    monkeypatch.setattr("sys.argv", ["simulator", "--mqtt", "127.0.0.1:9"])
    assert main() == 1
    assert capsys.readouterr().err.startswith("cannot be on 127.0.0.1:9: ")
