"""How bytes are written: checksums, lengths, frames and clocks of the documents."""

from datetime import UTC, datetime

import pytest

from simulator.encode import OSLO, STANDARD_TIME, Clock, obis
from simulator.frames import blocks, crc_arc, crc_x25, hdlc, length, mbus


def test_crc_x25() -> None:
    """The check values of the catalogue and of Green Book 8 section 8.5.1."""
    assert crc_x25(b"123456789") == bytes.fromhex("6e90")
    assert crc_x25(bytes.fromhex("033f")) == bytes.fromhex("5bec")


def test_crc_arc() -> None:
    """The check value of the catalogue."""
    assert crc_arc(b"123456789") == 0xBB3D


@pytest.mark.parametrize(
    ("count", "written"),
    [
        (0, "00"),
        (127, "7f"),
        (128, "8180"),
        (255, "81ff"),
        (256, "820100"),
        (65535, "82ffff"),
    ],
)
def test_length(count: int, written: str) -> None:
    """A length takes the fewest bytes."""
    assert length(count).hex() == written


def test_obis() -> None:
    """An OBIS code is six octets, and group F is 255."""
    assert obis("1-1:96.1.1").hex() == "09060101600101ff"


def test_hdlc_segment() -> None:
    """The S bit stands beside the length, which counts all but the flags."""
    address = bytes.fromhex("cf0223")
    frame = hdlc(bytes(154), address, control=0x03, segmented=True)
    assert frame[:9].hex() == "7ea8a4cf0223039996"  # as an Iskraemeco AM550 sends it
    assert len(frame) == 0xA4 + 2


@pytest.mark.parametrize(
    ("parts", "headers"),
    [
        # An E450: the head, 13 descriptions, their values. A block ends between two.
        (
            [22 + 18, *[18] * 13, 8, 10, 5, 5, 5, 5, 5, 5, 5, 5, 3, 3, 3],
            ["e0400001000070", "e040000200006c", "e0c00003000079"],
        ),
        ([300], ["e0400001000076", "e0400002000079", "e0c0000300003d"]),
    ],
    ids=["parts", "ciphered"],
)
def test_blocks(parts: list[int], headers: list[str]) -> None:
    """A frame of a block transfer has up to 128 bytes inside; the first an LLC header."""
    address = bytes.fromhex("ceff03")
    data = bytes(range(256)) * 2
    pieces = []
    for size in parts:
        pieces.append(data[:size])
        data = data[size:]
    sent, found, joined = blocks(pieces, address), [], b""
    while sent:
        end = (int.from_bytes(sent[1:3]) & 0x7FF) + 2
        information = sent[9 : end - 3].removeprefix(bytes.fromhex("e6e700"))
        found.append(information[:7].hex())
        joined += information[7:]
        assert end <= 128 + 12
        sent = sent[end:]
    assert found == headers
    assert joined == b"".join(pieces)


def test_mbus_length_of_an_old_sagemcom() -> None:
    """A frame of 257 bytes says 1; the second is the last and says 13."""
    sent = mbus([bytes(260)], size=252)
    assert len(sent) == 257 + 6 + 13 + 6
    assert sent[:9].hex() == "6801016853ff000167"
    assert sent[263:272].hex() == "680d0d6853ff110167"


@pytest.mark.parametrize(
    ("clock", "when", "written"),
    [
        (
            Clock(OSLO),
            datetime(2024, 10, 1, 17, 0, 10, tzinfo=UTC),
            "07e80a010213000aff800000",
        ),
        (
            Clock(STANDARD_TIME, deviation=0, sunday=0),
            datetime(2021, 10, 31, 19, tzinfo=UTC),
            "07e50a1f00140000ff000000",
        ),
        (
            Clock(OSLO, deviation=None, status=None, hundredths=0),
            datetime(2023, 7, 24, 17, 40, 25, tzinfo=UTC),
            "07e707180113281900ff8880",
        ),
        (
            Clock(OSLO, deviation=None, status=None, hundredths=0),
            datetime(2024, 11, 15, 13, 45, 45, tzinfo=UTC),
            "07e80b0f050e2d2d00ffc400",
        ),
        (
            Clock(STANDARD_TIME, status=None),
            datetime(2021, 6, 14, 16, 37, 30, tzinfo=UTC),
            "07e5060e0111251eff800080",
        ),
    ],
    ids=["kaifa", "aidon", "iskra-summer", "sagemcom-winter", "kamstrup-summer"],
)
def test_clock(clock: Clock, when: datetime, written: str) -> None:
    """Each maker writes the time as it was captured, or as its document prints it."""
    assert clock.write(when).hex() == written
