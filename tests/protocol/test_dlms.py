"""What does an APDU say?"""

from datetime import datetime

from hypothesis import given, strategies as st
import pytest

from custom_components.han_port.protocol import ErrorCode, ProtocolError
from custom_components.han_port.protocol.dlms import (
    Branch,
    Leaf,
    date_time,
    length_at,
    parse_block,
    parse_data,
    parse_notification,
)

from . import vectors
from .build import array, at, blocks, notification, octets, structure, text, u32

NULL = b"\0"
CLOCK = bytes.fromhex("07e60b0701092c26ff800000")


@pytest.mark.parametrize(
    ("written", "length"),
    [
        ("00", 0),
        ("7f", 127),
        ("8180", 128),
        ("8201d0", 464),
        ("8200e7", 231),
        ("8400010000", 65536),
    ],
)
def test_length(written: str, length: int) -> None:
    """A length has one byte, or as many as its first one says, minimal or not."""
    data = bytes.fromhex(written)
    assert length_at(b"\xff" + data + b"\xff", 1) == (length, 1 + len(data))
    for size in range(len(data)):
        with pytest.raises(ProtocolError) as caught:
            length_at(data[:size], 0)
        assert caught.value.code is ErrorCode.TRUNCATED


@pytest.mark.parametrize("first", [0x80, 0x85, 0xFF])
def test_no_length(first: int) -> None:
    """Indefinite lengths and those of more than four bytes do not occur."""
    with pytest.raises(ProtocolError) as caught:
        length_at(bytes((first, 0, 0, 0, 0, 0, 0)), 0)
    assert caught.value.code is ErrorCode.UNSUPPORTED


# Blue Book ed. 13, 4.1.5, table 2: every type, the value of its bytes, what it reads as
TYPES = [
    ("00", None),
    ("0301", b"\x01"),
    ("04 0b ffe0", b"\xff\xe0"),
    ("05 fffffffe", -2),
    ("06 fffffffe", 4294967294),
    ("09 03 616263", b"abc"),
    ("09 00", b""),
    ("0a 03 616263", b"abc"),
    ("0c 02 c3a5", b"\xc3\xa5"),
    ("0d 12", b"\x12"),
    ("0f fe", -2),
    ("10 fffe", -2),
    ("11 fe", 254),
    ("12 fffe", 65534),
    ("14 fffffffffffffffe", -2),
    ("15 fffffffffffffffe", 18446744073709551614),
    ("16 1b", 27),
    ("17 42480000", 50.0),
    ("18 4049000000000000", 50.0),
    ("19 07e60b0701092c26ff800000", CLOCK),
    ("1a 07e60b0701", bytes.fromhex("07e60b0701")),
    ("1b 092c26ff", bytes.fromhex("092c26ff")),
    ("ff", None),
    # compact arrays of u16, of structures of u8 and octets, of arrays of four u8
    ("13 12 04 00010002", bytes.fromhex("00010002")),
    ("13 02021109 03 010161", bytes.fromhex("010161")),
    ("13 01000411 08 0102030405060708", bytes.fromhex("0102030405060708")),
]


@pytest.mark.parametrize(("written", "value"), TYPES)
def test_types(written: str, value: float | bytes | None) -> None:
    """Every type is read or skipped by its own size, alone and among others."""
    data = bytes.fromhex(written)
    leaf, end = parse_data(data + b"\xaa", 0)
    assert end == len(data)
    assert isinstance(leaf, Leaf)
    assert (leaf.tag, leaf.value) == (data[0], value)
    body, end = parse_data(structure(u32(1), data, u32(2)), 0)
    assert isinstance(body, Branch)
    assert body.items[1] == leaf._replace(start=leaf.start + 7)
    assert [item.value for item in body.items if isinstance(item, Leaf)] == [
        1,
        value,
        2,
    ]


@pytest.mark.parametrize(("written", "value"), TYPES)
def test_types_cut_short(written: str, value: float | bytes | None) -> None:
    """A value that goes on behind the end is truncated."""
    data = bytes.fromhex(written)
    for size in range(len(data)):
        with pytest.raises(ProtocolError) as caught:
            parse_data(data[:size], 0)
        assert caught.value.code is ErrorCode.TRUNCATED


@pytest.mark.parametrize("tag", [0x07, 0x08, 0x0B, 0x0E, 0x1C, 0x80, 0xFE])
def test_no_type(tag: int) -> None:
    """A tag that the table does not have is refused."""
    with pytest.raises(ProtocolError) as caught:
        parse_data(bytes((tag,)) + bytes(20), 0)
    assert caught.value.code is ErrorCode.UNSUPPORTED


@pytest.mark.parametrize(
    "written",
    ["0184ffffffff", "0284ffffffff", "02ff", "0984ffffffff", "13 02 84ffffffff"],
)
def test_huge(written: str) -> None:
    """A count or length of more than there is costs nothing."""
    with pytest.raises(ProtocolError):
        parse_data(bytes.fromhex(written) + bytes(100), 0)


def test_empty() -> None:
    """An array and a structure may be empty."""
    body, _ = parse_data(structure(array(), structure(), u32(1)), 0)
    assert body == Branch(2, (Branch(1, ()), Branch(2, ()), Leaf(6, 7, 1)))


@pytest.mark.parametrize("tag", ["01", "02"])
def test_nesting(tag: str) -> None:
    """Eight levels are read, more are refused before they cost anything."""
    parse_data(bytes.fromhex(f"{tag}01" * 8) + NULL, 0)
    for depth in (9, 20_000):
        with pytest.raises(ProtocolError, match="deeply"):
            parse_data(bytes.fromhex(f"{tag}01" * depth) + NULL, 0)
    with pytest.raises(ProtocolError, match="deeply"):
        parse_data(b"\x13" + b"\x01\0\1" * 20_000, 0)
    with pytest.raises(ProtocolError, match="deeply"):
        parse_data(b"\x13" + b"\x02\1" * 20_000, 0)


@pytest.mark.parametrize("time", ["0c", "090c", "19", "0919"])
def test_date_time_codings(time: str) -> None:
    """The date-time is an octet string without or with its tag, or has its own tag."""
    prefix = bytes.fromhex(time)
    found = parse_notification(notification(NULL, prefix + CLOCK))
    assert found.time == Leaf(9, 5 + len(prefix), CLOCK)
    assert found.body == Leaf(0, 18 + len(prefix), None)


def test_no_date_time() -> None:
    """A length of 0 says that there is no date-time."""
    found = parse_notification(notification(text("x")))
    assert found == (None, Leaf(10, 8, b"x"))


@pytest.mark.parametrize(
    ("apdu", "code"),
    [
        (b"", ErrorCode.TRUNCATED),
        (b"\x0f", ErrorCode.TRUNCATED),
        (notification(b""), ErrorCode.TRUNCATED),
        (notification(b"", b"\x0c" + CLOCK[:-1]), ErrorCode.TRUNCATED),
        (notification(NULL, b"\x04" + CLOCK[:4]), ErrorCode.UNSUPPORTED),
        (b"\xc4" + notification(NULL)[1:], ErrorCode.UNSUPPORTED),
        (notification(NULL + NULL), ErrorCode.UNSUPPORTED),
    ],
)
def test_no_notification(apdu: bytes, code: ErrorCode) -> None:
    """Anything but one whole data-notification is refused."""
    with pytest.raises(ProtocolError) as caught:
        parse_notification(apdu)
    assert caught.value.code is code


def test_printed() -> None:
    """The first values of the list that Netz NÖ prints stand where it says."""
    found = parse_notification(vectors.EVN_PLAIN)
    assert found.time == Leaf(9, 6, bytes.fromhex("07e5091b01092f0f00ff8880"))
    assert isinstance(found.body, Branch)
    assert len(found.body.items) == 0x23
    assert found.body.items[1:4] == (
        Leaf(9, 36, bytes.fromhex("0100010800ff")),
        Leaf(6, 43, 12937),
        Branch(2, (Leaf(0x0F, 50, 0), Leaf(0x16, 52, 0x1E))),
    )


@pytest.mark.parametrize(
    ("written", "when"),
    [
        # of captured messages as han-port.md lists them
        (
            "07e5 09 1b 01 09 2f 0f 00 ff88 80",
            at("2021-09-27 09:47:15+02:00"),
        ),
        (
            "07e7 0b 01 03 0c 0c 12 00 ffc4 00",
            at("2023-11-01 12:12:18+01:00"),
        ),
        ("07e6 0b 07 01 09 2c 26 ff 8000 00", at("2022-11-07 09:44:38")),
        # Aidon writes Sunday as 0
        ("07e5 0a 1f 00 14 00 00 ff 8000 ff", at("2021-10-31 20:00:00")),
        (
            "07e5 0a 1f 00 14 00 00 ff 0000 00",
            at("2021-10-31 20:00:00+00:00"),
        ),
        # deviations that cannot be
        ("07e5 0a 1f 00 14 00 00 ff 7fff 00", at("2021-10-31 20:00:00")),
        ("07e5 0a 1f 00 14 00 00 ff fd2f 00", at("2021-10-31 20:00:00")),
        (
            "07e5 0a 1f 00 14 00 00 ff fd30 00",
            at("2021-10-31 20:00:00+12:00"),
        ),
        # the clock after a power cut is reported as sent
        ("07d0 01 01 06 16 21 00 ff 8000 01", at("2000-01-01 22:33:00")),
        # not specified, and what is no time
        ("ffff ff ff ff ff ff ff ff 8000 ff", None),
        ("07e5 fe 1f 00 14 00 00 ff 8000 ff", None),
        ("07e5 0a 1f 00 ff 00 00 ff 8000 ff", None),
        ("07e5 02 1e 00 14 00 00 ff 8000 ff", None),
        ("0000 0a 1f 00 14 00 00 ff 8000 ff", None),
    ],
)
def test_date_time(written: str, when: datetime | None) -> None:
    """The deviation is from local time to UTC, so that of Central Europe is negative."""
    assert date_time(bytes.fromhex(written)) == when
    without = when.replace(tzinfo=None) if when else None
    assert date_time(bytes.fromhex(written), offset=False) == without


@given(st.binary(min_size=12, max_size=12))
def test_any_date_time(octets: bytes) -> None:
    """Any 12 bytes are a time or none."""
    when = date_time(octets)
    assert when is None or when.year == int.from_bytes(octets[:2])


def test_blocks() -> None:
    """A block has a number, says whether it is the last, and brings data."""
    apdu = notification(octets(bytes(300)))
    found = [parse_block(block) for block in blocks(apdu, 112)]
    assert [block.number for block in found] == [1, 2, 3]
    assert [block.last for block in found] == [False, False, True]
    assert b"".join(block.data for block in found) == apdu


def test_no_block() -> None:
    """A block must be as long as it says."""
    (block,) = blocks(bytes(100), 112)
    for size in range(len(block)):
        with pytest.raises(ProtocolError) as caught:
            parse_block(block[:size])
        assert caught.value.code is ErrorCode.TRUNCATED
    with pytest.raises(ProtocolError) as caught:
        parse_block(block + NULL)
    assert caught.value.code is ErrorCode.UNSUPPORTED
