"""What a meter sends when, and that it is what is true in its house."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice, pairwise
import re
import struct

import pytest

from simulator import ALIASES, MODELS, SimulatedMeter, create
from simulator.encode import OSLO, STANDARD_TIME

HOUR = timedelta(hours=1)
SIX = datetime(2026, 3, 27, 6, tzinfo=UTC)
ENERGY_IMPORT = bytes.fromhex("0100010800ff06")  # the code, and the tag of the number
CLOCK_HOUR = datetime(2026, 3, 27, 6, tzinfo=UTC)


def kinds(
    meter: SimulatedMeter, start: datetime, seconds: float
) -> list[tuple[float, int]]:
    """Return which list is sent how many seconds after `start`."""
    sent = []
    for when, frame in meter.messages(start, start + timedelta(seconds=seconds)):
        found = [
            kind
            for kind in meter.model.layout.lists  # type: ignore[union-attr]
            if meter.message(when, kind) == frame
        ]
        assert len(found) == 1
        sent.append(((when - start).total_seconds(), found[0]))
    return sent


def clocks(frame: bytes) -> list[datetime]:
    """Return the COSEM date-times in an unencrypted frame, as the meter writes them."""
    return [
        datetime(*struct.unpack(">HBBxBBB", each))  # noqa: DTZ001
        for each in re.findall(rb"\x09\x0c(\x07[\xd0-\xff].{6})", frame, re.DOTALL)
    ]


def raw_import(frame: bytes) -> int:
    """Return the number after the code of the energy imported."""
    (number,) = struct.unpack(">I", frame.partition(ENERGY_IMPORT)[2][:4])
    return int(number)


@pytest.mark.parametrize("name", ["aidon-1p", "aidon-3w", "aidon-3p", "lg-e350"])
def test_cadence_aidon(name: str) -> None:
    """List 1 every 2.5 s, list 2 every 10 s, list 3 in its place at HH:00:10."""
    meter = create(name)
    expected = [(2.5 * each, 2 if each % 4 == 0 else 1) for each in range(16)]
    expected[4] = (10.0, 3)
    assert kinds(meter, SIX, 40) == expected
    quiet = SIX + timedelta(minutes=1)
    assert [kind for _, kind in kinds(meter, quiet, 40)] == [2, 1, 1, 1] * 4


@pytest.mark.parametrize("name", ["kaifa-1p", "kaifa-3w", "kaifa-3p", "kaifa-3p-ct"])
def test_cadence_kaifa(name: str) -> None:
    """List 1 every 2 s, list 2 every 10 s, list 3 in its place at HH:00:10."""
    meter = create(name)
    expected = [(2.0 * each, 2 if each % 5 == 0 else 1) for each in range(20)]
    expected[5] = (10.0, 3)
    assert kinds(meter, SIX, 40) == expected
    quiet = SIX + timedelta(minutes=1)
    assert [kind for _, kind in kinds(meter, quiet, 40)] == [2, 1, 1, 1, 1] * 4


@pytest.mark.parametrize(
    "name", ["kamstrup-1p", "kamstrup-3w", "kamstrup-3p", "kamstrup-se"]
)
def test_cadence_kamstrup(name: str) -> None:
    """List 2 every 10 s, and the hourly list five seconds after the hour besides."""
    meter = create(name)
    assert kinds(meter, SIX, 40) == [(0, 2), (5, 3), (10, 2), (20, 2), (30, 2)]
    hours = [(at, kind) for at, kind in kinds(meter, SIX, 7200) if kind == 3]
    assert hours == [(5, 3), (3605, 3)]


@pytest.mark.parametrize(
    ("name", "period"),
    [
        ("dsmr5", 1),
        ("kaifa-at", 5),
        ("kaifa-at-tinetz", 5),
        ("sagemcom-at", 5),
        ("sagemcom-at-old", 5),
        ("lg-ch", 5),
        ("lg-ch-key", 5),
        ("lg-at", 5),
        ("iskra-ch", 5),
        ("aidon-se", 10),
        ("p1-se", 10),
        ("kamstrup-dk", 10),
        ("kamstrup-dk-1p", 10),
        ("kaifa-se", 15),
        ("kaifa-se-ct", 15),
        ("kaifa-se-obis", 15),
    ],
)
def test_cadence_of_one_list(name: str, period: int) -> None:
    """Elsewhere meters send the same list all the time, also at the hour."""
    start = SIX - timedelta(minutes=1)
    sent = [when for when, _ in create(name).messages(start, SIX + 2 * (SIX - start))]
    assert sent == [start + timedelta(seconds=at) for at in range(0, 180, period)]


def test_cadence_iskra_si() -> None:
    """Power every 5 s; every quarter of an hour energy instead."""
    sent = kinds(create("iskra-si"), SIX, 1800)
    assert [at for at, _ in sent] == [5.0 * each for each in range(360)]
    assert [at for at, kind in sent if kind == 4] == [0, 900]


@pytest.mark.parametrize(
    ("name", "offset", "expected"),
    [
        ("kamstrup-3p", 30.5, [(20, 2), (30, 2), (30.5, 3)]),
        ("kamstrup-3p", 30, [(20, 2), (30, 3)]),
        ("aidon-3p", 20, [(20, 3), (22.5, 1), (25, 1), (27.5, 1), (30, 2)]),
    ],
)
def test_hour_offset(
    name: str, offset: float, expected: list[tuple[float, int]]
) -> None:
    """The hour list comes when one asks for it, and what it tells is as before."""
    meter = create(name, hour_offset=offset)
    sent = [each for each in kinds(meter, SIX, 31) if each[0] >= 20]
    assert sent == expected
    when = SIX + timedelta(seconds=offset)
    assert meter.moment(when, 3).counted == SIX


@pytest.mark.parametrize("name", ["aidon-3p", "aidon-1p", "lg-e350"])
def test_hour_list_of_aidon(name: str) -> None:
    """Its clock says the full hour in standard time; its counters, in 10 Wh, are of then."""
    meter = create(name, seed=3)
    for hour in range(48):
        at = SIX + hour * HOUR
        frame = meter.message(at + timedelta(seconds=10), 3)
        assert clocks(frame) == [at.astimezone(STANDARD_TIME).replace(tzinfo=None)]
        assert raw_import(frame) == int(meter.energy_import(at) * 100 + 1e-6)


def test_hour_list_of_kaifa() -> None:
    """Its clock says when it is sent, twice; its counters, in Wh, are of the full hour."""
    meter = create("kaifa-3p", seed=3)
    for hour in range(48):
        at = SIX + hour * HOUR
        sent = at + timedelta(seconds=10)
        frame = meter.message(sent, 3)
        local = sent.astimezone(OSLO).replace(tzinfo=None)
        assert clocks(frame) == [local, local]
        *_, imported, _, _, _ = re.findall(rb"(?<=\x06).{4}(?=\x06|..\x7e)", frame)[-4:]
        counted = int(meter.energy_import(at) * 1000 + 1e-6)
        assert b"\x06" + struct.pack(">I", counted) in frame
        assert frame[-2 - 20 - 1 :][:5] == b"\x06" + struct.pack(">I", counted)


def test_hour_list_of_kamstrup() -> None:
    """Its clock says when it is sent, in standard time; its counters are of the hour."""
    meter = create("kamstrup-3p", seed=3)
    code = bytes.fromhex("0101010800ff06")
    for hour in range(48):
        at = SIX + hour * HOUR
        sent = at + timedelta(seconds=5)
        frame = meter.message(sent, 3)
        assert clocks(frame) == [
            sent.astimezone(STANDARD_TIME).replace(tzinfo=None),
        ]
        counted = int(meter.energy_import(at) * 100 + 1e-6)
        assert frame.partition(code)[2][:4] == struct.pack(">I", counted)
