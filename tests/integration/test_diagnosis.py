"""Is what is heard on a port told as what it is?"""

from datetime import timedelta

import pytest

from custom_components.han_port import config_flow
from custom_components.han_port.diagnosis import Diagnosis, Heard
from custom_components.han_port.protocol import Decoder
from custom_components.han_port.protocol.line import Line, look
import simulator
from simulator.serve import TELNET
from tests.protocol.uart import receive, wave

from .test_config_flow import ENCIPHERED, NIGHT, TEXTS, UNKNOWN_LIST

P1 = Line(115200, 8, "N")


def sent(*faults: str, name: str = "aidon-3p", seconds: int = 30) -> bytes:
    """Give what a simulated meter with faults sends in a while."""
    meter = simulator.create(name, seed=1, faults=list(faults))
    end = NIGHT + timedelta(seconds=seconds)
    return b"".join(frame for _, frame in meter.messages(NIGHT, end))


def hear(data: bytes, *, size: int = 64, **keys: bytes) -> Heard:
    """Hear bytes in chunks."""
    heard, decoder = Heard(), Decoder(**keys)
    for at in range(0, len(data), size):
        chunk = data[at : at + size]
        heard.add(chunk, decoder.feed(chunk))
    return heard


def cut() -> bytes:
    """Give a minute of a meter of which only the lists of power come whole."""
    meter = simulator.create("aidon-3p", seed=1)
    messages = meter.messages(NIGHT, NIGHT + timedelta(seconds=60))
    return b"".join(frame[:100] for _, frame in messages)


def flip(frame: bytes) -> bytes:
    """Damage the middle of a frame."""
    middle = len(frame) // 2
    return frame[:middle] + bytes([frame[middle] ^ 1]) + frame[middle + 1 :]


LIST = simulator.create("aidon-3p", seed=1).message(NIGHT, 2)


@pytest.mark.parametrize(
    ("data", "closed", "diagnosis"),
    [
        (b"", False, Diagnosis.NOTHING_RECEIVED),
        (b"", True, Diagnosis.CLOSED),
        (bytes(1000), False, Diagnosis.NO_VALID_FRAME),
        (sent("noise"), False, Diagnosis.NO_VALID_FRAME),
        (flip(LIST) * 3, False, Diagnosis.BAD_CHECKSUMS),
        (cut(), False, Diagnosis.SHORT_LISTS_ONLY),
        (ENCIPHERED, False, Diagnosis.ENCRYPTED),
        (UNKNOWN_LIST, False, Diagnosis.UNKNOWN_LIST),
        (TELNET, False, Diagnosis.TELNET),
        (b"Port already in use\r\n", True, Diagnosis.PORT_IN_USE),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", True, Diagnosis.HTTP),
        (b'{"P": 1234, "tPI": 5678.9}\r\n' * 3, False, Diagnosis.DECODED_VALUES),
        (b"[I][uart:12] ready and waiting\r\n" * 5, False, Diagnosis.TEXT),
        (sent(), False, None),
        (sent("bit-errors"), False, None),
        (b"ser2net port tcp,2000\r\n" + sent(), False, None),
        (TELNET + sent(), False, None),
        (sent("oss-brikken"), False, None),
        (sent("seven-bits", name="p1-se"), False, None),
        (sent(name="dsmr5"), True, None),
    ],
    ids=lambda each: (
        (
            each.value
            if isinstance(each, Diagnosis)
            else ""
            if each is None
            else str(each)
        )
        if not isinstance(each, bytes)
        else str(len(each))
    ),
)
@pytest.mark.parametrize("size", [1, 64, 4096])
def test_diagnosis(
    data: bytes, closed: bool, diagnosis: Diagnosis | None, size: int
) -> None:
    """Each cause has one diagnosis, in whatever chunks it comes."""
    heard = hear(data, size=size)
    heard.closed = closed
    assert heard.diagnosis == diagnosis


def test_inverted() -> None:
    """A line that is the wrong way round is told from one that is set wrong."""
    telegram = sent(name="dsmr5", seconds=1)
    read = receive(wave(telegram, P1, inverted=True), P1, P1)
    heard = hear(read)
    heard.look = look(read)
    assert heard.diagnosis is Diagnosis.INVERTED


def test_counts() -> None:
    """How many frames were damaged is counted out of all."""
    heard = hear(flip(LIST) * 3 + LIST)
    assert (heard.damaged, heard.frames) == (3, 4)


def test_texts() -> None:
    """Each diagnosis has a step with a text of its own, but for the one with a key."""
    steps = TEXTS["step"]
    for each in set(Diagnosis) - {Diagnosis.ENCRYPTED}:
        assert hasattr(config_flow.HanPortConfigFlow, f"async_step_{each}")
        assert steps[each]["description"]
        go_on = {"confirm"} if each is Diagnosis.UNKNOWN_LIST else set()
        assert steps[each]["menu_options"].keys() == {"listen", "port"} | go_on
