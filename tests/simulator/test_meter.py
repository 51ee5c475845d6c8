"""What a meter sends when, and that it is what is true in its house."""

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
        datetime(*struct.unpack(">HBBxBBB", each))
        for each in re.findall(rb"\x09\x0c(\x07[\xd0-\xff].{6})", frame, re.DOTALL)
    ]


def raw_import(frame: bytes, code: bytes = ENERGY_IMPORT) -> int:
    """Return the number after the code of the energy imported."""
    (number,) = struct.unpack(">I", frame.partition(code)[2][:4])
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


@pytest.mark.parametrize(
    ("name", "code", "per_kwh"),
    [
        ("aidon-3p", ENERGY_IMPORT, 100),
        ("aidon-1p", ENERGY_IMPORT, 100),
        ("lg-e350", b"\0" + ENERGY_IMPORT[1:], 1000),
    ],
)
def test_hour_list_of_aidon(name: str, code: bytes, per_kwh: int) -> None:
    """Its clock says the full hour in standard time, and its counters are of then.

    They are in 10 Wh, those of an E350 in Wh.
    """
    meter = create(name, seed=1)
    for hour in range(30):
        at = SIX + hour * HOUR
        frame = meter.message(at + timedelta(seconds=10), 3)
        assert clocks(frame) == [at.astimezone(STANDARD_TIME).replace(tzinfo=None)]
        counted = int(meter.energy_import(at) * per_kwh + 1e-6)
        assert raw_import(frame, code) == counted


def test_hour_list_of_kaifa() -> None:
    """Its clock says when it is sent, twice; its counters, in Wh, are of the full hour."""
    meter = create("kaifa-3p", seed=1)
    for hour in range(30):
        at = SIX + hour * HOUR
        sent = at + timedelta(seconds=10)
        frame = meter.message(sent, 3)
        local = sent.astimezone(OSLO).replace(tzinfo=None)
        assert clocks(frame) == [local, local]
        counted = int(meter.energy_import(at) * 1000 + 1e-6)
        first_of_four = len(frame) - 3 - 4 * 5  # checksum and flag, tag and number
        assert frame[first_of_four:][:5] == b"\x06" + struct.pack(">I", counted)


def test_hour_list_of_kamstrup() -> None:
    """Its clock says when it is sent, in standard time; its counters are of the hour."""
    meter = create("kamstrup-3p", seed=1)
    code = bytes.fromhex("0101010800ff06")
    for hour in range(30):
        at = SIX + hour * HOUR
        sent = at + timedelta(seconds=5)
        frame = meter.message(sent, 3)
        assert clocks(frame) == [sent.astimezone(STANDARD_TIME).replace(tzinfo=None)]
        counted = int(meter.energy_import(at) * 100 + 1e-6)
        assert frame.partition(code)[2][:4] == struct.pack(">I", counted)


@pytest.mark.parametrize("name", ["aidon-3p", "kaifa-3p", "kamstrup-3p"])
def test_counters_frozen_at_the_hour(name: str) -> None:
    """However late the hour list is sent, its counters are those of HH:00:00."""
    meter = create(name)
    counted = {
        offset: meter.values(meter.moment(SIX + timedelta(seconds=offset), 3))
        for offset in (0, 10, 1800, 3599.999)
    }
    for values in counted.values():
        assert values["energy_import"] == int(meter.energy_import(SIX) * 1000) / 1000
        assert values["energy_export"] == int(meter.energy_export(SIX) * 1000) / 1000
    powers = {values["active_power_import"] for values in counted.values()}
    assert len(powers) > 1  # while power is of the moment


def test_counters_of_other_lists_run() -> None:
    """A meter that has no hour list sends the counters of the moment."""
    meter = create("aidon-se")
    for when, frame in meter.messages(SIX, SIX + timedelta(minutes=3)):
        assert raw_import(frame) == int(meter.energy_import(when) * 1000 + 1e-6)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_power_and_energy_are_those_of_the_house(name: str) -> None:
    """What any meter has to tell of power and energy is what is true."""
    meter = create(name, seed=1)
    for minutes in range(0, 2880, 119):
        when = SIX + timedelta(minutes=minutes)
        values = meter.values(meter.moment(when, 2))
        power = meter.power(when)
        assert values["active_power_import"] == max(power, 0)
        assert values["active_power_export"] == max(-power, 0)
        for way, truth in (
            ("energy_import", meter.energy_import(when)),
            ("energy_export", meter.energy_export(when)),
        ):
            assert 0 <= truth - float(str(values[way])) < 0.001
            tariffs = [float(str(values[f"{way}_t{each}"])) for each in (1, 2)]
            assert sum(tariffs) == pytest.approx(values[way])


def test_energy_is_the_integral_of_power() -> None:
    """In each hour of a day the truth in kWh grows by the sum of the seconds' power."""
    meter = create("aidon-3p", seed=1)
    for hour in (0, 5, 12):
        start = SIX + hour * HOUR
        powers = [meter.power(start + timedelta(seconds=each)) for each in range(3600)]
        imported = sum(max(power, 0) for power in powers) / 3_600_000
        exported = sum(max(-power, 0) for power in powers) / 3_600_000
        end = start + HOUR
        assert meter.energy_import(end) - meter.energy_import(start) == pytest.approx(
            imported, abs=1e-9
        )
        assert meter.energy_export(end) - meter.energy_export(start) == pytest.approx(
            exported, abs=1e-9
        )


def test_energy_never_decreases() -> None:
    """From second to second over an hour of sun and cloud neither energy goes back."""
    meter = create("aidon-3p")
    noon = SIX + 6 * HOUR
    instants = [noon + timedelta(seconds=each) for each in range(0, 3600, 7)]
    for energy in (meter.energy_import, meter.energy_export):
        seen = [energy(when) for when in instants]
        assert all(before <= after for before, after in pairwise(seen))


AUTUMN = datetime(2026, 10, 24, 22, tzinfo=UTC)  # 25 October 00:00, summer time
SPRING = datetime(2026, 3, 28, 23, tzinfo=UTC)  # 29 March 00:00, standard time


def hour_clocks(name: str, midnight: datetime, hours: int) -> list[str]:
    """Return what the clock of each hour list says."""
    meter = create(name)
    lists = [meter.hour_list(midnight + (hour + 0.5) * HOUR) for hour in range(hours)]
    return [f"{clocks(frame)[-1]:%d %H:%M:%S}" for frame in lists]


def test_summer_time_ends_kaifa() -> None:
    """Kaifa's clock is local, so the hour from 2 comes twice."""
    assert hour_clocks("kaifa-3p", AUTUMN, 5) == [
        "25 00:00:10",
        "25 01:00:10",
        "25 02:00:10",
        "25 02:00:10",
        "25 03:00:10",
    ]


def test_summer_time_begins_kaifa() -> None:
    """Kaifa's clock is local, so the hour from 2 is left out."""
    assert hour_clocks("kaifa-3p", SPRING, 4) == [
        "29 00:00:10",
        "29 01:00:10",
        "29 03:00:10",
        "29 04:00:10",
    ]


@pytest.mark.parametrize(
    ("name", "second"), [("aidon-3p", "00"), ("lg-e350", "00"), ("kamstrup-3p", "05")]
)
def test_standard_time_all_year(name: str, second: str) -> None:
    """The other Norwegian clocks keep standard time, and every hour comes once."""
    assert hour_clocks(name, AUTUMN, 5) == [
        f"{day} {hour:02}:00:{second}"
        for day, hour in ((24, 23), (25, 0), (25, 1), (25, 2), (25, 3))
    ]
    assert hour_clocks(name, SPRING, 4) == [
        f"29 {hour:02}:00:{second}" for hour in range(4)
    ]


def test_season_of_kamstrup() -> None:
    """Kamstrup's clock says in bit 7 of its status whether it is summer."""
    meter = create("kamstrup-3p")
    statuses = [
        meter.hour_list(AUTUMN + hour * HOUR + HOUR / 2).partition(b"\x09\x0c")[2][11]
        for hour in range(5)
    ]
    assert statuses == [0x80, 0x80, 0x80, 0, 0]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("dsmr5", ["261025025959S", "261025020000W"]),
        ("p1-se", ["261025015959W", "261025020000W"]),
    ],
)
def test_summer_time_ends_p1(name: str, expected: list[str]) -> None:
    """A Dutch clock is local and marked S or W; a Swedish one keeps standard time."""
    meter = create(name)
    change = AUTUMN + 3 * HOUR
    frames = [meter.message(change - timedelta(seconds=each), 2) for each in (1, 0)]
    said = [re.search(rb"0-0:1\.0\.0\((\w+)\)", frame) for frame in frames]
    assert [match[1].decode() for match in said if match] == expected


@pytest.mark.parametrize("midnight", [AUTUMN, SPRING])
def test_cadence_through_the_change(midnight: datetime) -> None:
    """Change of the clock does not disturb what is sent: one hour list an hour."""
    meter = create("kamstrup-3p")
    sent = [
        when
        for when, _ in meter.messages(midnight, midnight + 5 * HOUR)
        if when.second == 5
    ]
    assert sent == [midnight + hour * HOUR + timedelta(seconds=5) for hour in range(5)]


@pytest.mark.parametrize("name", sorted(MODELS))
def test_same_seed_same_meter(name: str) -> None:
    """The same seed gives the same bytes, another one another meter."""
    until = SIX + timedelta(seconds=30)
    first = list(create(name, seed=0).messages(SIX, until))
    assert first
    assert list(create(name, seed=0).messages(SIX, until)) == first
    other = create(name, seed=1)
    assert other.id != create(name, seed=0).id
    assert [frame for _, frame in other.messages(SIX, until)] != [
        frame for _, frame in first
    ]


@pytest.mark.parametrize("name", ["aidon-3p", "kaifa-3p", "kamstrup-dk", "dsmr5"])
def test_start_does_not_matter(name: str) -> None:
    """A reader that comes later gets what one that came early gets from then on."""
    meter = create(name)
    late, until = SIX + timedelta(seconds=7.3), SIX + timedelta(seconds=40)
    early = [each for each in meter.messages(SIX, until) if each[0] >= late]
    assert list(meter.messages(late, until)) == early
    there = late.astimezone(timezone(timedelta(hours=-5)))
    assert list(meter.messages(there, until)) == early


def test_end_is_not_included() -> None:
    """Messages from start until before end; two times in a row leave nothing out."""
    meter = create("kaifa-3p")
    middle, end = SIX + timedelta(seconds=10), SIX + timedelta(seconds=20)
    halves = [*meter.messages(SIX, middle), *meter.messages(middle, end)]
    assert halves == list(meter.messages(SIX, end))
    assert halves == list(islice(meter.messages(SIX), len(halves)))


@pytest.mark.parametrize(
    ("name", "offset"), [("aidon-3p", 10), ("kaifa-1p", 10), ("kamstrup-3p", 5)]
)
def test_newest_hour_list(name: str, offset: int) -> None:
    """The newest hour list is the one sent last, from the instant of its sending."""
    meter = create(name)
    sent = SIX + timedelta(seconds=offset)
    before = meter.message(sent - HOUR, 3)
    now = meter.message(sent, 3)
    second = timedelta(microseconds=1)
    assert meter.hour_list(sent - second) == before
    assert meter.hour_list(sent) == now
    assert meter.hour_list(sent + HOUR - second) == now


def test_identity() -> None:
    """The id is the maker's beginning and the seed, as long as that of a real meter."""
    assert create("aidon-3p", seed=12).id == "7359992890000012"
    assert create("kaifa-3p", seed=12).id == "6970631400000012"
    assert create("kamstrup-3p", seed=12).id == "5706567200000012"
    assert create("kaifa-at", seed=12).id == "181200000012"
    assert create("lg-e350", seed=12).id == "13900012"
    assert create("aidon-3p", seed=10_000_012).id == create("aidon-3p", seed=12).id
    assert create("lg").message(SIX, 2).count(b"13900000" + bytes(8)) == 1


@pytest.mark.parametrize(("alias", "name"), ALIASES.items())
def test_alias(alias: str, name: str) -> None:
    """The name of a maker alone means its most common meter."""
    assert create(alias).model is create(name).model


def test_keys() -> None:
    """Each meter has two keys of its own, always the same."""
    keys = set()
    for seed in range(5):
        meter = create("kamstrup-dk", seed=seed)
        again = create("kamstrup-dk", seed=seed)
        assert meter.encryption_key == again.encryption_key
        assert meter.authentication_key == again.authentication_key
        keys |= {meter.encryption_key, meter.authentication_key}
    assert {len(key) for key in keys} == {16}
    assert len(keys) == 10


@pytest.mark.parametrize(
    ("name", "present", "absent"),
    [
        ("aidon-1p", {"current_l1", "voltage_l1"}, {"current_l2", "voltage_l3"}),
        (
            "aidon-3w",
            {"current_l1", "current_l3", "voltage_l2"},
            {"current_l2", "active_power_import_l1"},
        ),
        (
            "kamstrup-3w",
            {"current_l2", "voltage_l2"},
            {"energy_import_l1", "power_factor_l1"},
        ),
        ("aidon-3p", {"current_l3", "active_power_import_l3"}, set()),
    ],
)
def test_what_a_wiring_measures(name: str, present: set[str], absent: set[str]) -> None:
    """A meter tells of the phases it has and of no others."""
    meter = create(name)
    values = meter.values(meter.moment(SIX, 2))
    assert present <= values.keys()
    assert not absent & values.keys()


def test_constant_zeros() -> None:
    """A three-wire Kaifa sends 0 for the voltage L1-L3, which it does not measure."""
    meter = create("kaifa-3w")
    values = meter.values(meter.moment(SIX, 2))
    assert values["voltage_l2"] == 0
    assert values["current_l2"] != 0


@pytest.mark.parametrize(
    ("name", "signed"),
    [("aidon-3p", True), ("kaifa-3p", False), ("kamstrup-3p", False)],
)
def test_sign_of_currents(name: str, signed: bool) -> None:
    """On export the currents of an Aidon are negative, those of others never."""
    meter = create(name)
    noon = next(
        when
        for minute in range(600)
        if meter.power(when := SIX + timedelta(minutes=minute)) < -1000
    )
    values = meter.values(meter.moment(noon, 2))
    currents = [float(str(values[f"current_l{phase}"])) for phase in (1, 2, 3)]
    assert (min(currents) < 0) == signed


def test_gas() -> None:
    """The gas meter behind a Dutch meter is read every five minutes and only counts up."""
    meter = create("dsmr5")
    seen = [
        meter.values(meter.moment(SIX + timedelta(seconds=each), 2))
        for each in (0, 299, 300)
    ]
    assert [values["gas_time"] for values in seen] == [
        SIX,
        SIX,
        SIX + timedelta(minutes=5),
    ]
    volumes = [float(str(values["gas_volume"])) for values in seen]
    assert volumes[0] == volumes[1]
    assert volumes[2] == pytest.approx(volumes[0] + 0.21 / 12, abs=0.0011)


def test_unknown_meter() -> None:
    """A name that is none is told in one sentence with those there are."""
    with pytest.raises(ValueError, match="no meter is called 'aidon-4p'; there are"):
        create("aidon-4p")
