"""What must hold for any bytes at all; takes what a fuzzer makes up.

The first byte of the input says how the rest is put to the decoder: as it is, or behind
the checksums and ciphers that no guessing gets past. The second cuts it in chunks.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache, partial
import json
import os
from pathlib import Path
from typing import Final

from custom_components.han_port.protocol import (
    Decoder,
    MeterReading,
    Outcome,
    ProtocolError,
)
from tests.protocol import vectors
from tests.protocol.build import LLC, blocks, crc_x25, hdlc, notification, segments
from tests.protocol.check import comparable
from tests.protocol.wrap import (
    AUTHENTICATION_KEY,
    KEY,
    crc_arc,
    mbus,
    mbus_parts,
    seal,
    telegram,
)

_CORPUS: Final = Path(
    os.environ.get("HAN_PORT_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")
)
# Pending at most: 16 KiB and a chunk.
_PENDING: Final = 16 * 1024
_LONGEST_FRAME: Final = 2000


def _telegram(data: bytes, head: str = "KAM5") -> bytes:
    text = bytes(byte & 0x7F for byte in data).translate(None, b"/!").decode("ascii")
    return telegram(text.replace("\n", "\r\n"), head)


def _lines(data: bytes) -> bytes:
    """Write lines whose values are the data, so that not every one is malformed."""
    codes = (
        "1-0:1.7.0",
        "1-0:1.8.1",
        "0-0:1.0.0",
        "0-1:24.1.0",
        "0-1:24.2.1",
        "0-0:96.1.1",
    )
    groups = data.translate(None, b"\r\n()").split(b",")
    return _telegram(
        b"1-0:2.7.0(00.001*kW)\n"
        + b"\n".join(
            codes[at % len(codes)].encode() + b"(" + group.replace(b";", b")(") + b")"
            for at, group in enumerate(groups)
        )
    )


def _mutated(data: bytes) -> bytes:
    """Damage real messages: two bytes pick one, three bytes each say where and how."""
    seeds = messages()
    message = bytearray(seeds[int.from_bytes(data[:2]) % len(seeds)])
    for at in range(2, len(data) - 2, 3):
        place = (data[at] << 8 | data[at + 1]) % (len(message) + 1)
        value = data[at + 2]
        if value < 0x55:
            message[place : place + 1] = bytes((value,))
        elif value < 0xAA:
            del message[place : place + value - 0x54]
        else:
            message[place:place] = message[place - value + 0xA9 : place]
    return bytes(message) + b"\r\n" + seeds[0]


_WAYS: Final[tuple[Callable[[bytes], bytes], ...]] = (
    lambda data: data,
    lambda data: hdlc(LLC + data[:_LONGEST_FRAME]),
    lambda data: hdlc(LLC + notification(data[:_LONGEST_FRAME])),
    lambda data: b"".join(segments(LLC + notification(data), 30)),
    lambda data: b"".join(hdlc(block) for block in blocks(notification(data), 30)),
    lambda data: mbus(data[:240], control=data[0] if data else 0),
    lambda data: b"".join(mbus_parts(notification(data[:900]), 60)),
    lambda data: hdlc(LLC + seal(data[:1900])),
    lambda data: seal(data[:_LONGEST_FRAME], title=b"SAG5\0\0\0\1"),
    lambda data: b"/KFM5\r\n\r\n\0" + data,
    _telegram,
    partial(_telegram, head="ADN9 6534"),
    _lines,
    _mutated,
)


@cache
def messages() -> list[bytes]:
    """Give messages of real meters: printed ones, and the corpus where it is there."""
    found = [
        vectors.AIDON_ONE_PHASE,
        vectors.AIDON_SWEDEN,
        vectors.KAMSTRUP_1,
        vectors.KAMSTRUP_2,
        vectors.EVN_SEALED,
        hdlc(LLC + vectors.EVN_PLAIN),
        telegram("0-0:1.0.0(241212201348W)\r\n1-0:1.7.0(0001.231*kW)"),
    ]
    for path in sorted(_CORPUS.glob("captures/*.json")):
        for frame in json.loads(path.read_text())["frames"]:
            text = frame.get("text")
            found.append(
                text.encode("latin-1") if text else bytes.fromhex(frame["hex"])
            )
    return found


def seeds() -> Iterator[bytes]:
    """Give inputs to begin with: every message as it is, and whole inside of the rest."""
    for number, message in enumerate(messages()):
        yield bytes((0, number % 256)) + message
        yield (
            bytes((len(_WAYS) - 1, 7))
            + number.to_bytes(2)
            + bytes((0, number % 251, 7))
        )
    for way in range(len(_WAYS)):
        yield bytes((way, 3)) + vectors.EVN_PLAIN[5:]
        yield (
            bytes((way, 5)) + b"00.123*kW,1.5*kWh,241212201348W,003,241212201348W;1*m3"
        )


def _chunks(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def _stream(chunks: Iterable[bytes], authentication_key: bytes | None) -> list[Outcome]:
    decoder = Decoder(encryption_key=KEY, authentication_key=authentication_key)
    outcomes = []
    for chunk in chunks:
        outcomes += decoder.feed(chunk)
        assert len(decoder._buffer) <= _PENDING + len(chunk)
    return outcomes + decoder.flush()


def _honest_hdlc(frames: bytes) -> bool:
    at = 0
    while at < len(frames):
        end = at + (int.from_bytes(frames[at + 1 : at + 3]) & 0x7FF) + 2
        body = frames[at + 1 : end - 1]
        if frames[at] != 0x7E or crc_x25(body[:-2]) != body[-2:]:
            return False
        at = end
    return True


def _honest_mbus(frames: bytes) -> bool:
    while frames:
        for size in (frames[1], frames[1] + 256):
            body, rest = frames[4 : 4 + size], frames[4 + size :]
            if rest[:2] == bytes((sum(body) & 0xFF, 0x16)):
                break
        else:
            return False
        frames = rest[2:]
    return True


def honest(frame: bytes) -> bool:
    """Say whether the checksums of a frame or telegram are right, worked out anew."""
    if frame[0] == 0x7E:
        return _honest_hdlc(frame) or _honest_hdlc(frame.replace(b"\r\n", b"\n"))
    if frame[0] == 0x68:
        return _honest_mbus(frame)
    if frame[0] == 0xAF:
        frame = bytes(byte & 0x7F for byte in frame)
    if frame[0] == 0x2F:
        end = frame.rindex(b"!") + 1
        text, digits = frame[:end], frame[end:]
        restored = b"\r\n".join(line.rstrip(b"\r") for line in text.split(b"\n"))
        return (
            not digits
            or int(digits, 16) in (crc_arc(text), crc_arc(restored))
            or crc_x25(text).hex() == digits.decode().lower()
        )
    return frame[0] == 0xDB


def check(data: bytes) -> None:
    """Put an input to the decoder; raises AssertionError where a promise is broken."""
    way, size, data = data[:1], data[1:2], data[2:]
    if not size:
        return
    message = _WAYS[way[0] % len(_WAYS)](data)
    authentication_key = AUTHENTICATION_KEY if size[0] & 0x80 else None
    whole = _stream([message], authentication_key)
    parts = _stream(_chunks(message, size[0] % 64 + 1), authentication_key)
    assert comparable(parts) == comparable(whole)
    for outcome in whole:
        assert isinstance(outcome.result, MeterReading | ProtocolError)
        assert 0 <= outcome.offset < len(message)
        if isinstance(outcome.result, MeterReading):
            assert outcome.result.values
            assert honest(outcome.frame), outcome
    decoder = Decoder(encryption_key=KEY, authentication_key=authentication_key)
    assert decoder.decode(message)
    assert comparable(decoder.decode(message)) == comparable(decoder.decode(message))
