"""Is the setting of a line found by what its bytes look like?"""

from datetime import UTC, datetime, timedelta

import pytest

from custom_components.han_port.protocol import Decoder, MeterReading
from custom_components.han_port.protocol.line import (
    LINES,
    Line,
    LineDetector,
    Look,
    candidates,
    look,
)
import simulator
from tests.protocol.uart import receive, seconds, wave

START = datetime(2026, 1, 15, 12, 0, 1, tzinfo=UTC)
HAN, EVEN, P1, OLD_P1, OLD_EVEN, AM550 = LINES
SEVEN = Line(9600, 7, "E")


def messages(name: str) -> list[bytes]:
    """Give what a simulated meter sends in a minute."""
    meter = simulator.create(name, seed=1)
    return [frame for _, frame in meter.messages(START, START + timedelta(minutes=1))]


def test_text() -> None:
    """A setting is read as it is written, and nothing else is one."""
    assert [str(line) for line in LINES] == [
        *("2400 8N1", "2400 8E1", "115200 8N1", "9600 8N1", "9600 8E1", "38400 8N1")
    ]
    assert [Line.parse(str(line)) for line in LINES] == list(LINES)
    assert Line.parse("300 7E1") is None


@pytest.mark.parametrize(
    ("country", "first"),
    [
        ("SE", P1),
        ("NL", P1),
        ("NO", HAN),
        ("DK", HAN),
        (None, HAN),
        ("AT", EVEN),
        ("SI", AM550),
    ],
)
def test_candidates(country: str | None, first: Line) -> None:
    """The country says where to begin, and nothing is left out."""
    lines = candidates(country)
    assert lines[0] == first
    assert sorted(lines) == sorted(LINES)


@pytest.mark.parametrize("name", ["aidon-3p", "kaifa-3p", "kamstrup-3p"])
@pytest.mark.parametrize("sent", [HAN, EVEN])
def test_look_too_fast(name: str, sent: Line) -> None:
    """A slow line that is read fast is runs of zeros and ones."""
    for frame in messages(name)[:4]:
        for line in (OLD_P1, P1):
            assert look(receive(wave(frame, sent), sent, line)) is Look.TOO_FAST


def test_look() -> None:
    """Inverted text, wrong parity and noise are told apart."""
    (telegram, *_) = messages("p1-se")
    inverted = receive(wave(telegram, P1, inverted=True), P1, P1)
    assert look(inverted) is Look.INVERTED
    (frame, *_) = messages("kamstrup-3p")
    shifted = receive(wave(frame, EVEN), EVEN, HAN, waits_for_edge=False)
    assert look(shifted) is Look.FRAMES
    assert look(receive(wave(telegram, P1), P1, HAN)) is not Look.TOO_FAST
    assert look(bytes(range(1, 100, 7))) is Look.NOISE


def find(
    name: str,
    sent: Line,
    cadence: float,
    country: str | None,
    *,
    known: Line | None = None,
    waits_for_edge: bool = True,
    limit: float = 45,
) -> tuple[float, Line] | None:
    """Give how long it takes until a frame is intact, and the setting of then.

    The line is opened half a second before the meter sends.
    """
    detector, decoder = LineDetector(0, country, known), Decoder()
    begin = 0.5
    for frame in messages(name) * 4:
        levels = wave(frame, sent)
        read = receive(levels, sent, detector.line, waits_for_edge=waits_for_edge)
        time = seconds(levels, sent)
        pieces = [read[at : at + 16] for at in range(0, len(read), 16)]
        for number, piece in enumerate(pieces, 1):
            now = begin + time * number / len(pieces)
            results = [each.result for each in decoder.feed(piece)]
            if any(isinstance(each, MeterReading) for each in results):
                return now, detector.line
            detector.take(now, piece)
            if detector.change(now):
                decoder = Decoder()
        end = begin + max(time, cadence)
        while detector.deadline < end:
            if detector.change(detector.deadline):
                decoder = Decoder()
        begin = end
        if begin > limit:
            return None
    return None


@pytest.mark.parametrize(
    ("name", "cadence", "sent"),
    [
        ("aidon-3p", 2.5, HAN),
        ("aidon-3p", 2.5, EVEN),
        ("kaifa-3p", 2, HAN),
        ("kaifa-3p", 2, EVEN),
        ("kamstrup-3p", 10, HAN),
        ("kamstrup-3p", 10, EVEN),
        # An adapter that has the lists at its own speed
        ("aidon-3p", 2.5, P1),
        ("kaifa-3p", 2, P1),
        ("kamstrup-3p", 10, P1),
        ("p1-se", 5, P1),
        ("p1-se", 10, P1),
        ("dsmr5", 1, P1),
        ("dsmr5", 5, OLD_P1),
        ("dsmr5", 10, OLD_P1),
        ("dsmr5", 5, SEVEN),
        ("dsmr5", 10, SEVEN),
        ("dsmr5", 5, OLD_EVEN),
        ("dsmr5", 10, OLD_EVEN),
        ("dsmr5", 5, Line(115200, 7, "E")),
        ("aidon-se", 10, HAN),
        ("aidon-se", 10, EVEN),
        ("aidon-se", 15, HAN),
    ],
)
@pytest.mark.parametrize("country", ["NO", "SE", "AT", None])
@pytest.mark.parametrize("waits_for_edge", [True, False])
def test_found(
    name: str, cadence: float, sent: Line, country: str | None, waits_for_edge: bool
) -> None:
    """Every setting in use is found within 15 s where meters send often, else 45 s.

    9600 baud with parity is Austrian: elsewhere it may take one message more.
    """
    found = find(name, sent, cadence, country, waits_for_edge=waits_for_edge)
    assert found is not None
    time, line = found
    soon = cadence <= 5 and (sent != OLD_EVEN or country == "AT")
    assert time < (15 if soon else 45)
    assert line.baudrate == sent.baudrate
    if sent == EVEN and not waits_for_edge:
        assert line == EVEN


@pytest.mark.parametrize("sent", LINES)
@pytest.mark.parametrize("waits_for_edge", [True, False])
def test_found_in_slovenia(sent: Line, waits_for_edge: bool) -> None:
    """Slovenia's own setting is tried first there, and keeps no other from its time."""
    name, cadence = ("iskra-si", 10) if sent == AM550 else ("dsmr5", 5)
    found = find(name, sent, cadence, "SI", waits_for_edge=waits_for_edge)
    assert found is not None
    time, line = found
    assert time < (5 if sent == AM550 else 45)
    assert line.baudrate == sent.baudrate


def test_known() -> None:
    """What has worked before is tried first, and left only for what proves it wrong."""
    found = find("kamstrup-3p", EVEN, 10, "SE", known=EVEN, waits_for_edge=False)
    assert found is not None
    assert found[1] == EVEN
    assert found[0] < 2.5
    changed = find("p1-se", P1, 10, "NO", known=EVEN)
    assert changed is not None
    assert changed[1] == P1


def test_goes_on() -> None:
    """A search that begins where another was given up tries what that had not."""
    detector, seen = LineDetector(0, "NO", P1), []
    for _ in range(3):
        when = detector.deadline
        detector.take(when, bytes(range(1, 100, 7)))
        seen.append(detector.change(detector.deadline))
    assert seen == [OLD_P1, AM550, OLD_EVEN]


def test_goes_on_from_another() -> None:
    """A setting that no meter has, as of a port without parity, comes before all others."""
    detector = LineDetector(0, "NO", SEVEN._replace(parity="N"))
    assert detector.line == SEVEN._replace(parity="N")
    detector.take(1, bytes(range(1, 100, 7)))
    assert detector.change(detector.deadline) == HAN


def test_joined() -> None:
    """The rest of a message that was begun before is no proof."""
    detector = LineDetector(0, "NO")
    detector.take(0.1, bytes(range(0x20, 0x50)))
    assert detector.change(0.4) is None
    detector.take(2.6, bytes(range(0x20, 0x50)))
    assert detector.change(2.7) is None
    assert detector.change(detector.deadline) == P1


def test_few() -> None:
    """Some bytes are noise; again and again they are a list that is much faster."""
    detector, when = LineDetector(0, "NO"), 0.0

    def hear(burst: bytes) -> Line | None:
        nonlocal when
        when += 2
        detector.take(when, burst)
        return detector.change(when + 1)

    text = bytes(range(0x20, 0x50))
    assert hear(b"\x7e\xff") is None
    assert hear(text) == P1
    assert [hear(b"\x7e\xff") for _ in range(5)] == [None] * 5
    assert hear(bytes(1000)) == OLD_P1
    assert [hear(b"\x7e\xff"), hear(b"\x81")] == [None, AM550]


def test_all_tried() -> None:
    """When all settings have been tried the search begins anew, and may stay."""
    detector, when = LineDetector(0, "NO", OLD_P1), 0.0

    def hear(burst: bytes) -> Line | None:
        nonlocal when
        when += 5
        detector.take(when, burst)
        return detector.change(when + 1)

    text = bytes(range(0x20, 0x50))
    assert [hear(text) for _ in range(3)] == [AM550, OLD_EVEN, HAN]
    # What looks like frames is of the same speed, of which there are two settings, and
    # then only one.
    assert hear(b"~" + text) == EVEN
    assert hear(text) == P1
    assert hear(b"~" + text) is None
    assert hear(text) == OLD_P1
    # Zeros are seen on a line that is slower, but none is slower than the slowest.
    assert [hear(bytes(40)), hear(bytes(40))] == [HAN, OLD_EVEN]


def test_nothing_faster() -> None:
    """A few bytes again and again lead on too where no faster setting is left."""
    detector = LineDetector(0, "NO")
    for when, burst in enumerate([bytes(range(0x20, 0x50))] * 5, 1):
        detector.take(5 * when, burst)
        detector.change(5 * when + 1)
    assert detector.line == OLD_EVEN
    found = []
    for when in (100, 105):
        detector.take(when, b"\x81")
        found.append(detector.change(when + 1))
    assert found == [None, HAN]


def test_endless() -> None:
    """A burst without an end is judged too, a few bytes are not."""
    detector = LineDetector(0, "NO")
    detector.take(1, bytes(7))
    assert detector.change(2) is None
    for tenth in range(20, 60):
        detector.take(tenth / 10, bytes(range(0x20, 0x50)))
        if detector.change(tenth / 10):
            break
    assert detector.line == P1
    assert tenth < 45


def test_asked_too_soon() -> None:
    """Before anything came, and before it should have, there is nothing to change."""
    assert LineDetector(0, "NO").change(1) is None


def test_silent() -> None:
    """On a silent line another speed is tried every 16 s."""
    detector, seen = LineDetector(0, "NO"), []
    for _ in range(5):
        when = detector.deadline
        if line := detector.change(when):
            seen.append((round(when), line.baudrate))
    assert [line for _, line in seen] == [115200, 2400, 9600, 38400, 9600]
    assert [when for when, _ in seen] == [16, 32, 48, 64, 80]
