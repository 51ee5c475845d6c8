"""What the meters send: frames printed in documents and captured, rebuilt byte for byte."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
import itertools
import json
import os
from pathlib import Path
from typing import override

import pytest

from simulator.encode import (
    OSLO,
    STANDARD_TIME,
    STRAY_TAG,
    Clock,
    DlmsLayout,
    Value,
    paired,
)
from simulator.families import AIDON, AIDON_2023, E350, KAIFA, KAMSTRUP

KAMSTRUP_DOUBTFUL = replace(KAMSTRUP, clock=replace(KAMSTRUP.clock, status=1))
KAMSTRUP_AUTUMN = replace(KAMSTRUP, clock=replace(KAMSTRUP.clock, status=0))
# Example 3 leaves out what a meter does not have; captured meters send it as null.
KAMSTRUP_ABSENT = replace(KAMSTRUP_AUTUMN, shape=paired)

DOCUMENTS = [
    pytest.param(
        # Aidon HAN Interface Description 1.1A section 3.3.1
        AIDON,
        2,
        {
            "list_version": "AIDON_V0001",
            "meter_id": "7359992890941742",
            "meter_type": "6515",
            "active_power_import": 1362,
            "active_power_export": 0,
            "reactive_power_import": 996,
            "reactive_power_export": 0,
            "current_l1": 9.3,
            "voltage_l1": 250,
        },
        "2020-01-01T00:00:00",
        "7ea0d24108831382d6e6e7000f40000000000109020209060101000281ff0a0b4149444f"
        "4e5f5630303031020209060000600100ff0a103733353939393238393039343137343202"
        "0209060000600107ff0a0436353135020309060100010700ff060000055202020f00161b"
        "020309060100020700ff060000000002020f00161b020309060100030700ff06000003e4"
        "02020f00161d020309060100040700ff060000000002020f00161d0203090601001f0700"
        "ff10005d02020fff1621020309060100200700ff1209c402020fff1623e0c47e",
        id="aidon-6515",
    ),
    pytest.param(
        # Norwegian payload breakdown, Aidon
        AIDON,
        3,
        {
            "list_version": "AIDON_V0001",
            "meter_id": "7359992890497997",
            "meter_type": "6534",
            "active_power_import": 2413,
            "active_power_export": 0,
            "reactive_power_import": 0,
            "reactive_power_export": 603,
            "current_l1": 1.7,
            "current_l2": 0.3,
            "current_l3": 9,
            "voltage_l1": 230.8,
            "voltage_l2": 230.6,
            "voltage_l3": 228.4,
            "meter_time": "2021-10-31T20:00:00",
            "energy_import": 56768.82,
            "energy_export": 0,
            "reactive_energy_import": 89.12,
            "reactive_energy_export": 7183.16,
        },
        "2021-10-31T20:00:10",
        "7ea18a41088313ebfde6e7000f40000000000112020209060101000281ff0a0b4149444f"
        "4e5f5630303031020209060000600100ff0a103733353939393238393034393739393702"
        "0209060000600107ff0a0436353334020309060100010700ff060000096d02020f00161b"
        "020309060100020700ff060000000002020f00161b020309060100030700ff0600000000"
        "02020f00161d020309060100040700ff060000025b02020f00161d0203090601001f0700"
        "ff10001102020fff1621020309060100330700ff10000302020fff162102030906010047"
        "0700ff10005a02020fff1621020309060100200700ff12090402020fff16230203090601"
        "00340700ff12090202020fff1623020309060100480700ff1208ec02020fff1623020209"
        "060000010000ff090c07e50a1f00140000ff000000020309060100010800ff0600569f52"
        "02020f01161e020309060100020800ff060000000002020f01161e020309060100030800"
        "ff06000022d002020f011620020309060100040800ff06000af5ec02020f01162051d77e",
        id="aidon-6534",
    ),
    pytest.param(
        # Norwegian payload breakdown, Kaifa
        KAIFA,
        3,
        {
            "list_version": "KFM_001",
            "meter_id": "6970631407262986",
            "meter_type": "MA304H4",
            "active_power_import": 5056,
            "active_power_export": 0,
            "reactive_power_import": 0,
            "reactive_power_export": 469,
            "current_l1": 19.677,
            "current_l2": 1.294,
            "current_l3": 0.912,
            "voltage_l1": 235.6,
            "voltage_l2": 240.9,
            "voltage_l3": 239.3,
            "meter_time": "2024-10-01T19:00:10",
            "energy_import": 42879.838,
            "energy_export": 0,
            "reactive_energy_import": 9909.726,
            "reactive_energy_export": 562.991,
        },
        "2024-10-01T19:00:10",
        "7ea09a01020110aaa5e6e7000f40000000090c07e80a010213000aff800000021209074b"
        "464d5f30303109103639373036333134303732363239383609074d413330344834060000"
        "13c00600000000060000000006000001d50600004cdd060000050e060000039006000009"
        "3406000009690600000959090c07e80a010213000aff80000006028e4b5e060000000006"
        "009735de060008972ffae57e",
        id="kaifa-ma304h4",
    ),
    pytest.param(
        # Kamstrup HAN-NVE 3.1 section 3.1
        KAMSTRUP_DOUBTFUL,
        2,
        {
            "list_version": "Kamstrup_V0001",
            "meter_id": "5706567000000000",
            "meter_type": "000000000000000000",
            "active_power_import": 0,
            "active_power_export": 0,
            "reactive_power_import": 0,
            "reactive_power_export": 0,
            "current_l1": 0,
            "current_l2": 0,
            "current_l3": 0,
            "voltage_l1": 0,
            "voltage_l2": 0,
            "voltage_l3": 0,
        },
        "2000-01-01T22:33:00",
        "7ea0e22b2113239ae6e7000f000000000c07d0010106162100ff80000102190a0e4b616d"
        "73747275705f563030303109060101000005ff0a10353730363536373030303030303030"
        "3009060101600101ff0a1230303030303030303030303030303030303009060101010700"
        "ff060000000009060101020700ff060000000009060101030700ff060000000009060101"
        "040700ff0600000000090601011f0700ff060000000009060101330700ff060000000009"
        "060101470700ff060000000009060101200700ff12000009060101340700ff1200000906"
        "0101480700ff1200005be57e",
        id="kamstrup-example-1",
    ),
    pytest.param(
        # Kamstrup HAN-NVE 3.1 section 3.2
        KAMSTRUP_AUTUMN,
        3,
        {
            "list_version": "Kamstrup_V0001",
            "meter_id": "5706567000000000",
            "meter_type": "000000000000000000",
            "active_power_import": 0,
            "active_power_export": 0,
            "reactive_power_import": 0,
            "reactive_power_export": 0,
            "current_l1": 0,
            "current_l2": 0,
            "current_l3": 0,
            "voltage_l1": 0,
            "voltage_l2": 0,
            "voltage_l3": 0,
            "meter_time": "2017-08-16T16:00:05",
            "energy_import": 0,
            "energy_export": 0,
            "reactive_energy_import": 0,
            "reactive_energy_export": 0,
        },
        "2017-08-16T16:00:05",
        "7ea12c2b2113fc04e6e7000f000000000c07e1081003100005ff80000002230a0e4b616d"
        "73747275705f563030303109060101000005ff0a10353730363536373030303030303030"
        "3009060101600101ff0a1230303030303030303030303030303030303009060101010700"
        "ff060000000009060101020700ff060000000009060101030700ff060000000009060101"
        "040700ff0600000000090601011f0700ff060000000009060101330700ff060000000009"
        "060101470700ff060000000009060101200700ff12000009060101340700ff1200000906"
        "0101480700ff12000009060001010000ff090c07e1081003100005ff8000000906010101"
        "0800ff060000000009060101020800ff060000000009060101030800ff06000000000906"
        "0101040800ff0600000000c8867e",
        id="kamstrup-example-2",
    ),
    pytest.param(
        # Kamstrup HAN-NVE 3.1 section 3.3
        KAMSTRUP_ABSENT,
        3,
        {
            "list_version": "Kamstrup_V0001",
            "meter_id": "5706567000000000",
            "meter_type": "000000000000000000",
            "active_power_import": 0,
            "current_l1": 0,
            "voltage_l1": 0,
            "meter_time": "2017-08-16T16:00:05",
            "energy_import": 0,
        },
        "2017-08-16T16:00:05",
        "7ea0ae2b2113a01be6e7000f000000000c07e1081003100005ff800000020f0a0e4b616d"
        "73747275705f563030303109060101000005ff0a10353730363536373030303030303030"
        "3009060101600101ff0a1230303030303030303030303030303030303009060101010700"
        "ff0600000000090601011f0700ff060000000009060101200700ff120000090600010100"
        "00ff090c07e1081003100005ff80000009060101010800ff060000000005217e",
        id="kamstrup-example-3",
    ),
]


def wall_clock(layout: DlmsLayout, text: str) -> datetime:
    """Return the time a meter of this layout writes as `text`."""
    when = datetime.fromisoformat(text)
    return when if when.tzinfo else when.replace(tzinfo=layout.clock.zone)


def rebuild(
    layout: DlmsLayout, kind: int, values: Mapping[str, Value], sent: str
) -> bytes:
    """Encode what a document or capture says."""
    values = dict(values)
    if "meter_time" in values:
        values["meter_time"] = wall_clock(layout, str(values["meter_time"]))
    return layout.frames(kind, values, wall_clock(layout, sent))


@pytest.mark.parametrize(("layout", "kind", "values", "sent", "printed"), DOCUMENTS)
def test_document(
    layout: DlmsLayout, kind: int, values: Mapping[str, Value], sent: str, printed: str
) -> None:
    """A frame printed in a document is rebuilt from the values printed beside it."""
    assert rebuild(layout, kind, values, sent).hex() == printed


CORPUS = Path(
    os.environ.get("HAN_PORT_CORPUS", Path(__file__).parents[3] / "shared" / "corpus")
)


class WeekdayInStandardTime(Clock):
    """The clock of a Kaifa of 2017: in summer the weekday changes at one o'clock."""

    @override
    def write(self, when: datetime) -> bytes:
        written = super().write(when)
        weekday = when.astimezone(STANDARD_TIME).isoweekday()
        return written[:4] + bytes([weekday]) + written[5:]


# Which layouts the captures are in, by the beginning of their names. Kamstrup's first
# firmware wrote a stray tag before the time.
CAPTURED = {
    "aidon-no-amshan": [AIDON, KAIFA],
    "aidon-no": [AIDON, AIDON_2023],
    "kaifa-no": [KAIFA, replace(KAIFA, clock=WeekdayInStandardTime(OSLO))],
    "kamstrup-no": [KAMSTRUP, replace(KAMSTRUP, time=STRAY_TAG)],
    "lg-no": [E350],
}


def captures() -> Iterator[object]:
    """Yield each intact captured frame that one of our meters could have sent."""
    for path in sorted(CORPUS.glob("captures/*.json")):
        capture = json.loads(path.read_text())
        prefix = next((each for each in CAPTURED if path.name.startswith(each)), None)
        if prefix is None or capture["encoding"] != "hdlc":
            continue
        for number, (frame, expected) in enumerate(
            zip(capture["frames"], capture["expected"], strict=True)
        ):
            if "expect_error" not in expected:
                yield pytest.param(
                    CAPTURED[prefix],
                    frame["hex"],
                    expected,
                    id=f"{path.stem}-{number}",
                )


@pytest.mark.parametrize(("layouts", "captured", "expected"), captures())
def test_capture(
    layouts: list[DlmsLayout], captured: str, expected: dict[str, Value]
) -> None:
    """A captured frame is rebuilt from the values that independent readers found in it.

    The status of the meter's clock is not among those; each is tried.
    """
    values = dict(expected)
    if values.get("list_version") == "EMBRIQ_V1_1":
        values["meter_id"] = str(values["meter_id"]).ljust(16, "\0")
        values.setdefault("meter_type", "\0" * 4)
    kind = int(str(values["list_kind"]))
    sent = str(values.get("meter_time", "2020-01-01T00:00:00"))
    rebuilt = [
        rebuild(
            replace(layout, clock=replace(layout.clock, status=status)),
            kind,
            values,
            sent,
        ).hex()
        for layout, status in itertools.product(layouts, (0, 1, 0x80, 0xFF))
    ]
    assert captured in rebuilt
