"""Where does an HDLC frame end, and is it whole?"""

import pytest

from custom_components.han_port.protocol import ErrorCode, ProtocolError
from custom_components.han_port.protocol.hdlc import (
    HdlcFrame,
    intact,
    lacks_flags,
    parse,
)

from . import vectors
from .build import crc_x25, hdlc

PAYLOAD = bytes(range(1, 21))


def test_intact() -> None:
    """The examples of Green Book 8.5.1 and of the catalogue of checksums."""
    assert intact(bytes.fromhex("033f5bec"))
    assert intact(b"123456789\x6e\x90")
    assert not intact(b"123456789\x6e\x91")


@pytest.mark.parametrize(
    "addresses", ["4121", "410883", "2b21", "cf0223", "41020406ff"]
)
def test_addresses(addresses: str) -> None:
    """Addresses of one, two and four bytes end at the first odd byte."""
    frame = hdlc(PAYLOAD, addresses=addresses)
    assert parse(bytearray(frame), 0) == HdlcFrame(len(frame), False, PAYLOAD)


def test_printed() -> None:
    """The frame printed by Aidon has its payload between both checksums."""
    frame = vectors.AIDON_ONE_PHASE
    assert parse(bytearray(frame), 0) == HdlcFrame(212, False, frame[9:-3])


def test_inside() -> None:
    """7E and 7D inside are ordinary bytes; the length says where a frame ends."""
    payload = bytes.fromhex("7e7d5e7ea0207e") + PAYLOAD + b"\x7e"
    frame = hdlc(payload)
    assert parse(bytearray(b"\x7e" + frame + b"\x7e"), 1) == HdlcFrame(
        len(frame) + 1, False, payload
    )


def test_segmented() -> None:
    """Bit 11 of the format says that the message goes on in the next frame."""
    frame = hdlc(PAYLOAD, segmented=True)
    assert parse(bytearray(frame), 0) == HdlcFrame(len(frame), True, PAYLOAD)


def test_empty() -> None:
    """Without an information field there is one checksum only."""
    frame = hdlc(b"")
    found = parse(bytearray(frame + frame), 0)
    assert found == HdlcFrame(len(frame), False, b"")


def test_more() -> None:
    """An incomplete frame says how many bytes it takes, as soon as it can."""
    frame = hdlc(PAYLOAD)
    assert parse(bytearray(frame[:1]), 0) == 14
    assert parse(bytearray(frame[:13]), 0) == 14
    assert parse(bytearray(b"\0" + frame[:14]), 1) == len(frame)
    assert parse(bytearray(frame[:-1]), 0) == len(frame)


@pytest.mark.parametrize(
    ("at", "detail", "length"),
    [
        (3, "addresses do not end", 14),
        (7, "header checksum", 14),
        (10, "HDLC checksum is wrong", 32),
        (29, "HDLC checksum is wrong", 32),
        (-1, "closing flag", 32),
    ],
)
def test_damaged(at: int, detail: str, length: int) -> None:
    """A damaged frame is refused at the header if it can be, and claims its length."""
    frame = bytearray(hdlc(PAYLOAD))
    frame[at] ^= 0x7F
    if at == 3:
        frame[3:8] = bytes(5)
    with pytest.raises(ProtocolError, match=detail) as caught:
        parse(frame, 0)
    assert caught.value.code is ErrorCode.CRC
    assert (caught.value.length, caught.value.claim) == (length, len(frame))


def test_last_byte() -> None:
    """A last segment of one byte ends a message; nothing has to come behind it."""
    frame = hdlc(b"\x2a", addresses="4121")
    assert len(frame) == 12
    assert parse(bytearray(frame), 0) == HdlcFrame(12, False, b"\x2a")
    assert parse(bytearray(frame[:11]), 0) == 14
    # What is none is judged by as much of it as that of any length.
    assert parse(bytearray(frame[:10] + b"\0\x7e"), 0) == 14
    assert parse(bytearray(frame[:2]), 0) == 14


def test_too_short() -> None:
    """A length that ends inside the header is refused."""
    frame = bytearray(hdlc(PAYLOAD))
    frame[2] = 7
    with pytest.raises(ProtocolError, match="shorter than the header"):
        parse(frame, 0)


def test_lacks_flags() -> None:
    """A frame without its flags is as long as it says."""
    frame = hdlc(PAYLOAD)
    assert lacks_flags(frame[1:-1])
    assert not lacks_flags(frame)
    assert not lacks_flags(frame[1:-2])
    assert not lacks_flags(b"\xa0\x02")


def translated(frame: bytes) -> bytes:
    """Send a frame as the Oss-brikken does."""
    return frame.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    "frame",
    [
        vectors.AIDON_ONE_PHASE,
        vectors.KAMSTRUP_2,
        # 0A in the format and in the addresses as well
        hdlc(bytes(256 + 10 - 10)),
        hdlc(PAYLOAD, addresses="0a0a0a0b0a0d"),
        # a carriage return of the meter's own before the line feed
        hdlc(b"\r\n\n\r\r\n" + PAYLOAD + b"\n"),
    ],
    ids=["Aidon", "Kamstrup", "length", "addresses", "returns"],
)
def test_translated(frame: bytes) -> None:
    """Every 0A sent as 0D 0A is undone, whatever follows, and never too early."""
    sent = translated(frame)
    found = parse(bytearray(frame), 0)
    assert isinstance(found, HdlcFrame)
    assert len(sent) > len(frame)
    for rest in (b"", b"\r\n", b"\n\n\r" * 3000):
        assert parse(bytearray(sent + rest), 0) == found._replace(end=len(sent))
    for size in range(len(sent)):
        wanted = parse(bytearray(sent[:size]), 0)
        assert isinstance(wanted, int)
        assert size < wanted <= max(len(sent), 28)


@pytest.mark.parametrize("at", [5, 7, 40, -2, -1])
def test_translated_and_damaged(at: int) -> None:
    """What was damaged besides is refused."""
    sent = bytearray(translated(hdlc(b"\n" * 30 + PAYLOAD, addresses="410a0b")))
    sent[at] ^= 0x10
    with pytest.raises(ProtocolError):
        parse(sent + bytes(60), 0)


def test_translated_in_part() -> None:
    """A line feed that came alone says that nothing was translated."""
    sent = translated(hdlc(b"\n\n" + PAYLOAD)).replace(b"\r\n", b"\n", 1)
    with pytest.raises(ProtocolError):
        parse(bytearray(sent + bytes(60)), 0)


def test_builder() -> None:
    """The checksum of these tests is the one of the document."""
    assert crc_x25(bytes.fromhex("033f")) == bytes.fromhex("5bec")
