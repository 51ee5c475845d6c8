"""What goes wrong on request: each fault does what its line in the table says."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from math import inf
from random import Random
import re
import struct

import pytest

from simulator import FAULTS, create
from simulator.encode import STANDARD_TIME
from simulator.faults import Fault, Stage, parse_fault
from simulator.frames import crc_x25

SIX = datetime(2026, 3, 27, 6, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOUR_LIST = SIX + timedelta(seconds=10)  # of an Aidon
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


def sent(
    *faults: str, name: str = "aidon-3p", length: timedelta = MINUTE
) -> list[bytes]:
    """Return what a meter with these faults sends from the hour on."""
    meter = create(name, faults=faults)
    return [frame for _, frame in meter.messages(SIX, SIX + length)]


WELL = sent()


def clock_and_import(frame: bytes) -> tuple[datetime, float]:
    """Return the clock and the energy imported, in kWh, of an Aidon's hour list."""
    clock = frame.partition(bytes.fromhex("0000010000ff090c"))[2][:8]
    counter = frame.partition(bytes.fromhex("0100010800ff06"))[2][:4]
    return (
        datetime(*struct.unpack(">HBBxBBB", clock)).replace(tzinfo=STANDARD_TIME),
        int.from_bytes(counter) / 100,
    )


def hour_list(*faults: str) -> bytes:
    """Return the hour list of 6 o'clock with these faults."""
    meter = create("aidon-3p", faults=faults)
    ((when, frame),) = meter.messages(HOUR_LIST, HOUR_LIST + SECOND)
    assert when == HOUR_LIST
    return frame


METER = create("aidon-3p")


def test_table_is_complete() -> None:
    """Every fault that changes values or bytes has what changes them, a link fault none."""
    assert {name for name, kind in FAULTS.items() if kind.change is None} == {
        name for name, kind in FAULTS.items() if kind.stage is Stage.LINK
    }
    assert len(FAULTS) == 34
    assert all(kind.text for kind in FAULTS.values())


def test_no_fault() -> None:
    """Without a fault the hour list has its own hour, and energy to 10 Wh."""
    clock, imported = clock_and_import(hour_list())
    assert clock == SIX
    assert imported == int(METER.energy_import(SIX) * 100) / 100


def test_repeat_hour_list() -> None:
    """The clock and the counters are those of the last hour, all else is of now."""
    repeated = hour_list("repeat-hour-list")
    clock, imported = clock_and_import(repeated)
    assert clock == SIX - HOUR
    assert imported == int(METER.energy_import(SIX - HOUR) * 100) / 100
    exported = struct.pack(">I", -METER.power(HOUR_LIST))
    assert bytes.fromhex("0100020700ff06") + exported in repeated
    others = [each for each in sent("repeat-hour-list") if len(each) < len(repeated)]
    assert others == [each for each in WELL if len(each) < len(repeated)]


def test_counters_now() -> None:
    """The counters run on past the hour that the clock says."""
    clock, imported = clock_and_import(
        create("aidon-3p", hour_offset=1800, faults=["counters-now"])
        .messages(SIX + HOUR / 2)
        .__next__()[1]
    )
    assert clock == SIX
    assert imported == int(METER.energy_import(SIX + HOUR / 2) * 100) / 100
    assert METER.energy_import(SIX + HOUR / 2) - METER.energy_import(SIX) > 0.05


@pytest.mark.parametrize(
    ("fault", "seconds"),
    [("clock-off", 3600), ("clock-off:90", 90), ("clock-off:-7200", -7200)],
)
def test_clock_off(fault: str, seconds: int) -> None:
    """The clock is that much fast or slow, the counters are right."""
    clock, imported = clock_and_import(hour_list(fault))
    assert clock == SIX + timedelta(seconds=seconds)
    assert imported == clock_and_import(hour_list())[1]


def test_clock_lost() -> None:
    """The clock begins again at 2000, the counters are right."""
    clock, imported = clock_and_import(hour_list("clock-lost"))
    assert clock == datetime(2000, 1, 1, tzinfo=UTC)
    assert imported == clock_and_import(hour_list())[1]


def test_clock_lost_with_gas() -> None:
    """A lost clock takes nothing from what the gas meter counts."""
    telegrams = [
        sent(*faults, name="dsmr5", length=SECOND)[0] for faults in ([], ["clock-lost"])
    ]
    gas = [re.search(rb"24\.2\.1\((\d{12}[SW])\)\((.+?)\)", each) for each in telegrams]
    assert [match[1] for match in gas if match] == [b"260327070000W", b"000101010000W"]
    assert len({match[2] for match in gas if match}) == 1


def test_zero_counters() -> None:
    """All counters are 0, and the clock is right."""
    frame = hour_list("zero-counters")
    assert clock_and_import(frame) == (SIX, 0)
    for code in (2, 3, 4):
        assert bytes([1, 0, code, 8, 0, 0xFF, 6, 0, 0, 0, 0]) in frame


@pytest.mark.parametrize(
    ("fault", "kwh"),
    [("counter-jump", 1000), ("counter-jump:12.5", 12.5), ("counter-jump:-100", -100)],
)
def test_counter_jump(fault: str, kwh: float) -> None:
    """All counters are that much higher."""
    right = clock_and_import(hour_list())[1]
    assert clock_and_import(hour_list(fault))[1] == pytest.approx(right + kwh)


def test_counter_jump_stops_at_zero() -> None:
    """No counter of a meter is negative."""
    assert clock_and_import(hour_list("counter-jump:-1e6"))[1] == 0


@pytest.mark.parametrize("name", ["aidon-3p", "kaifa-1p", "lg-e350", "dsmr5"])
def test_other_meter(name: str) -> None:
    """One digit of the id is another, all else is the same."""
    length = 12 * SECOND
    well, other = (
        sent(name=name, length=length),
        sent("other-meter", name=name, length=length),
    )
    mine = create(name).id
    theirs = mine[:-1] + "9"

    def written(identity: str) -> bytes:
        text = identity.encode()
        return text.hex().upper().encode() if name == "dsmr5" else text

    assert [each.count(written(theirs)) for each in other] == [
        each.count(written(mine)) for each in well
    ]
    assert sum(each.count(written(mine)) for each in other) == 0
    assert [len(each) for each in other] == [len(each) for each in well]


@pytest.mark.parametrize(
    ("fault", "imported", "exported"),
    [("power", 1000, 0), ("power:4567", 4567, 0), ("power:-1234", 0, 1234)],
)
def test_power(fault: str, imported: int, exported: int) -> None:
    """Power is what the fault says in every list that has it, counters are their own."""
    shown = [
        bytes([1, 0, code, 7, 0, 0xFF, 6]) + watts.to_bytes(4)
        for code, watts in ((1, imported), (2, exported))
    ]
    bad = sent(fault)
    assert all(shown[0] in each for each in bad)
    assert any(shown[1] in each for each in bad)
    assert clock_and_import(hour_list(fault)) == clock_and_import(hour_list())


def test_drop() -> None:
    """Lists are not sent: all of them, or with a rate some."""
    assert sent("drop") == []
    some = sent("drop,rate=0.5")
    assert set(some) < set(WELL)
    assert 5 < len(some) < len(WELL) - 5


def test_unknown() -> None:
    """Each list is a frame that is intact by its length and its checksum."""
    for frame in sent("unknown"):
        assert frame[0] == frame[-1] == 0x7E
        assert frame[2] == len(frame) - 2
        assert b"HELLO" in frame
        assert crc_x25(frame[1:-3]) == frame[-3:-1]


def test_twice() -> None:
    """Each list is sent twice in a row."""
    assert sent("twice") == [each * 2 for each in WELL]


def test_bit_errors() -> None:
    """About one bit in as many as the probability says flips, and nothing is lost."""
    bad = sent("bit-errors:0.01", length=10 * MINUTE)
    well = sent(length=10 * MINUTE)
    assert [len(each) for each in bad] == [len(each) for each in well]
    flipped = sum(
        (int.from_bytes(before) ^ int.from_bytes(after)).bit_count()
        for before, after in zip(well, bad, strict=True)
    )
    assert flipped / sum(8 * len(each) for each in well) == pytest.approx(0.01, rel=0.1)
    assert sent("bit-errors:0") == WELL
    inverted = sent("bit-errors:1")
    assert inverted == [bytes(255 - byte for byte in each) for each in WELL]


def is_subsequence(part: bytes, whole: bytes) -> bool:
    """Say whether `part` is `whole` with some bytes left out."""
    left = iter(whole)
    return all(byte in left for byte in part)


def test_byte_loss() -> None:
    """About as many bytes as the probability says vanish, and none is changed."""
    bad = sent("byte-loss:0.05", length=10 * MINUTE)
    well = sent(length=10 * MINUTE)
    for part, whole in zip(bad, well, strict=True):
        assert is_subsequence(part, whole)
    kept = sum(map(len, bad)) / sum(map(len, well))
    assert kept == pytest.approx(0.95, abs=0.01)
    assert sent("byte-loss:0") == WELL
    assert sent("byte-loss:1") == []


@pytest.mark.parametrize(("fault", "part"), [("truncate", 0.5), ("truncate:0.9", 0.9)])
def test_truncate(fault: str, part: float) -> None:
    """Only the first part of each list arrives."""
    assert sent(fault) == [each[: int(len(each) * part)] for each in WELL]


@pytest.mark.parametrize(
    ("fault", "size"), [("small-buffer", 128), ("small-buffer:40", 40)]
)
def test_small_buffer(fault: str, size: int) -> None:
    """A list arrives up to so many bytes, a shorter one whole."""
    assert sent(fault) == [each[:size] for each in WELL]
    assert {len(each) > 128 for each in WELL} == {False, True}


@pytest.mark.parametrize(("fault", "count"), [("garbage", 40), ("garbage:7", 7)])
def test_garbage(fault: str, count: int) -> None:
    """That many bytes of noise come before each list, each time others."""
    bad = sent(fault)
    assert [each[count:] for each in bad] == WELL
    assert len({each[:count] for each in bad}) == len(WELL)


def test_noise() -> None:
    """As much comes as without the fault, and no byte of it is meant."""
    bad = sent("noise")
    assert [len(each) for each in bad] == [len(each) for each in WELL]
    assert not any(each.startswith(b"\x7e\xa0") for each in bad)
    alike = sum(
        mine == theirs
        for before, after in zip(WELL, bad, strict=True)
        for mine, theirs in zip(before, after, strict=True)
    )
    assert alike < sum(map(len, WELL)) / 100


def test_oss_brikken() -> None:
    """A line feed becomes two bytes wherever it is, and a line end follows each list."""
    bad = sent("oss-brikken")
    assert any(b"\n" in each for each in WELL)
    for before, after in zip(WELL, bad, strict=True):
        assert after == b"\r\n".join(before.split(b"\n")) + b"\r\n"
        assert len(after) == len(before) + before.count(b"\n") + 2


def test_hex() -> None:
    """Each list is one line of hex text."""
    bad = sent("hex")
    assert all(re.fullmatch(rb"[0-9A-F]+\r\n", each) for each in bad)
    assert [bytes.fromhex(each.decode()) for each in bad] == WELL


def test_seven_bits() -> None:
    """Of each byte seven bits are left, and the highest makes the ones even."""
    bad = sent("seven-bits", name="dsmr5", length=3 * SECOND)
    well = sent(name="dsmr5", length=3 * SECOND)
    assert [bytes(byte & 0x7F for byte in each) for each in bad] == well
    assert all(byte.bit_count() % 2 == 0 for each in bad for byte in each)


def test_wrong_parity() -> None:
    """A reader that waits for a parity bit finds the first byte, and soon loses step."""
    bad = sent("wrong-parity")
    for before, after in zip(WELL, bad, strict=True):
        assert after[0] == before[0] == 0x7E
        assert before not in after
        assert len(before) * 10 / 16 < len(after) < len(before)


def test_wrong_parity_by_hand() -> None:
    """55 AA without a gap: the second start bit is taken for a stop bit.

    On the line: 0 10101010 1 0 01010101 1. Read as 8E1: 0 10101010 1 0, then the next
    fall, which is the third data bit of AA, and from there 10101111.
    """
    fault = parse_fault("wrong-parity")
    assert fault.apply(Stage.LINE, b"\x55\xaa", None)[:1] == b"\x55"
    assert fault.apply(Stage.LINE, b"\x55\xaa", None)[1:].hex() == "f5"


def test_inverted() -> None:
    """A stop bit is taken for a start bit: the start, and seven bits turned round."""
    (well,), (bad,) = (
        sent(*faults, name="dsmr5", length=SECOND) for faults in ((), ("inverted",))
    )
    assert well[11:-1] in bytes(~(byte >> 1) & 0x7F for byte in bad)
    assert all(byte & 1 for byte in bad[11:-1])


@pytest.mark.parametrize(
    "fault",
    [
        "bit-errors:0.01",
        "byte-loss:0.05",
        "garbage",
        "noise",
        "drop,rate=0.5",
        "twice,rate=0.3",
    ],
)
def test_faults_are_seeded(fault: str) -> None:
    """The same seed goes wrong in the same way, another seed in another way."""
    assert sent(fault) == sent(fault)
    times = [
        [
            when
            for when, _ in create("aidon-3p", seed=seed, faults=[fault]).messages(
                SIX, SIX + MINUTE
            )
        ]
        for seed in (0, 1)
    ]
    frames = [
        [
            frame
            for _, frame in create("aidon-3p", seed=seed, faults=[fault]).messages(
                SIX, SIX + MINUTE
            )
        ]
        for seed in (0, 1)
    ]
    assert frames[0] != frames[1]
    if fault.startswith("drop"):
        assert times[0] != times[1]


def test_at_and_for() -> None:
    """A fault is at work from `at` seconds after the start until `for` seconds later."""
    bad = sent("twice,at=10,for=20")
    changed = [
        at for at, (was, now) in enumerate(zip(WELL, bad, strict=True)) if was != now
    ]
    assert [2.5 * at for at in changed] == [2.5 * each for each in range(4, 12)]


def test_faults_add_up() -> None:
    """Several faults at once are each at work, in the order they are written in."""
    both = sent("twice", "hex")
    assert both == [(each * 2).hex().upper().encode() + b"\r\n" for each in WELL]
    assert sent("hex", "twice") == [
        (each.hex().upper().encode() + b"\r\n") * 2 for each in WELL
    ]


def test_link_faults_leave_messages_alone() -> None:
    """What happens to a connection does not change what the meter sends."""
    link = [name for name, kind in FAULTS.items() if kind.stage is Stage.LINK]
    assert sent(*link) == WELL


def test_encrypted_bytes_are_changed_after_the_cipher() -> None:
    """A fault of the line works on ciphertext; one of values is encrypted with them."""
    meter = create("kamstrup-dk", faults=["truncate"])
    well = create("kamstrup-dk").message(SIX, 2)
    ((_, frame),) = meter.messages(SIX, SIX + SECOND)
    assert frame == well[: len(well) // 2]
    zeroed = create("kamstrup-dk", faults=["zero-counters"])
    ((_, frame),) = zeroed.messages(SIX, SIX + SECOND)
    assert frame != well
    assert len(frame) == len(well)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("stall", Fault("stall", None)),
        ("close", Fault("close", 60.0)),
        ("close:5", Fault("close", 5.0)),
        ("close:5,at=3", Fault("close", 5.0, at=3)),
        ("stall,at=1.5,for=20", Fault("stall", None, at=1.5, lasts=20)),
        ("drop,rate=0.25", Fault("drop", None, rate=0.25)),
        ("banner", Fault("banner", "ser2net port tcp,2000")),
        ("banner:hello", Fault("banner", "hello")),
        ("down,for=inf", Fault("down", None, lasts=inf)),
    ],
)
def test_parse(text: str, expected: Fault) -> None:
    """A fault is a name, then perhaps a value, then options."""
    assert parse_fault(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no fault is called ''; there are repeat-hour-list, "),
        ("gremlins", "no fault is called 'gremlins'; there are "),
        ("stall:3", "the fault stall takes no value"),
        ("garbage:many", "'many' is not a number"),
        ("garbage:-1", "-1 is not from 0 to 1e+06"),
        ("garbage:nan", "nan is not from 0 to 1e+06"),
        ("bit-errors:2", "2 is not from 0 to 1"),
        ("close:0", "0 is not from 1 to 1e+09"),
        ("dribble:0", "0 is not from 1 to 1e+09"),
        ("clock-off:1e300", "1e300 is not from -1e+08 to 1e+08"),
        ("drop,rate=1.5", "1.5 is not from 0 to 1"),
        ("drop,at=-1", "-1 is not from 0 to 1e+09"),
        ("drop,for=-1", "-1 is not from 0 to inf"),
        ("drop,rate=", "'' is not a number"),
        ("drop,often", "'often' is not rate=, at= or for="),
    ],
)
def test_parse_error(text: str, message: str) -> None:
    """What is no fault is told in one sentence."""
    with pytest.raises(ValueError, match=re.escape(message)):
        parse_fault(text)


@pytest.mark.parametrize("name", FAULTS)
def test_strongest_and_weakest_fault(name: str) -> None:
    """At the limits of its value every fault still gives what can be sent."""
    kind = FAULTS[name]
    values = (kind.least, min(kind.most, 1e6)) if isinstance(kind.value, float) else ()
    for value in values:
        frames = sent(f"{name}:{value}", name="dsmr5", length=2 * SECOND)
        assert all(isinstance(frame, bytes) for frame in frames)
    assert parse_fault(name).value == kind.value


def test_strikes() -> None:
    """The end of a fault is not in it, and its rate is kept to."""
    fault = replace(parse_fault("drop"), at=10, lasts=5)
    random = Random(0)
    assert [fault.strikes(at, random) for at in (9.9, 10, 14.9, 15)] == [
        False,
        True,
        True,
        False,
    ]
    rare = parse_fault("drop,rate=0.1")
    struck = [at for at in range(2000) if rare.strikes(at, random)]
    assert 150 < len(struck) < 250
    assert len({after - before for before, after in pairwise(struck)}) > 10
