"""What the meters send: frames printed in documents and captured, rebuilt byte for byte."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from functools import partial
import json
import os
from pathlib import Path
import re
from typing import override

import pytest

from simulator.encode import (
    OSLO,
    STANDARD_TIME,
    STRAY_TAG,
    Clock,
    DlmsLayout,
    P1Layout,
    V,
    Value,
    paired,
)
from simulator.families import (
    AIDON,
    AIDON_2023,
    AIDON_SE,
    E350,
    E450,
    ISKRA_CH,
    ISKRA_SI,
    KAIFA,
    KAIFA_SE,
    KAIFA_SE_OBIS,
    KAIFA_SE_U64,
    KAMSTRUP,
    KAMSTRUP_WH,
    NETZ_NOE,
    P1_SE,
)
from simulator.frames import one_frame, seal

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
    pytest.param(
        # Aidon RJ12 1.6P section 3.3.2.1
        AIDON_SE,
        2,
        {
            "meter_time": "2019-12-16T07:59:40",
            "active_power_import": 1122,
            "active_power_export": 0,
            "reactive_power_import": 1507,
            "reactive_power_export": 0,
            "current_l1": 0,
            "current_l2": 7.5,
            "current_l3": 0,
            "voltage_l1": 230.7,
            "voltage_l2": 249.9,
            "voltage_l3": 230.8,
            "active_power_import_l1": 0,
            "active_power_export_l1": 0,
            "reactive_power_import_l1": 0,
            "reactive_power_export_l1": 0,
            "active_power_import_l2": 1122,
            "active_power_export_l2": 0,
            "reactive_power_import_l2": 1506,
            "reactive_power_export_l2": 0,
            "active_power_import_l3": 0,
            "active_power_export_l3": 0,
            "reactive_power_import_l3": 0,
            "reactive_power_export_l3": 0,
            "energy_import": 10049.926,
            "energy_export": 0.008,
            "reactive_energy_import": 6614.347,
            "reactive_energy_export": 0.005,
        },
        "2019-12-16T07:59:40",
        "7ea2434108831385ebe6e7000f4000000000011b020209060000010000ff090c07e30c10"
        "01073b28ff8000ff020309060100010700ff060000046202020f00161b02030906010002"
        "0700ff060000000002020f00161b020309060100030700ff06000005e302020f00161d02"
        "0309060100040700ff060000000002020f00161d0203090601001f0700ff10000002020f"
        "ff1621020309060100330700ff10004b02020fff1621020309060100470700ff10000002"
        "020fff1621020309060100200700ff12090302020fff1623020309060100340700ff1209"
        "c302020fff1623020309060100480700ff12090402020fff1623020309060100150700ff"
        "060000000002020f00161b020309060100160700ff060000000002020f00161b02030906"
        "0100170700ff060000000002020f00161d020309060100180700ff060000000002020f00"
        "161d020309060100290700ff060000046202020f00161b0203090601002a0700ff060000"
        "000002020f00161b0203090601002b0700ff06000005e202020f00161d0203090601002c"
        "0700ff060000000002020f00161d0203090601003d0700ff060000000002020f00161b02"
        "03090601003e0700ff060000000002020f00161b0203090601003f0700ff060000000002"
        "020f00161d020309060100400700ff060000000002020f00161d020309060100010800ff"
        "060099598602020f00161e020309060100020800ff060000000802020f00161e02030906"
        "0100030800ff060064ed4b02020f001620020309060100040800ff060000000502020f00"
        "1620be407e",
        id="aidon-se",
    ),
]


def wall_clock(layout: DlmsLayout | P1Layout, text: str) -> datetime:
    """Return the time a meter of this layout writes as `text`."""
    when = datetime.fromisoformat(text)
    zone = layout.zone if isinstance(layout, P1Layout) else layout.clock.zone
    return when if when.tzinfo else when.replace(tzinfo=zone)


def rebuild(
    layout: DlmsLayout | P1Layout,
    kind: int,
    values: Mapping[str, Value],
    sent: str,
    *,
    count: int = 0,
    sealed: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """Encode what a document or capture says."""
    values = dict(values)
    if "meter_time" in values:
        values["meter_time"] = wall_clock(layout, str(values["meter_time"]))
    return layout.frames(kind, values, wall_clock(layout, sent), count, sealed)


@pytest.mark.parametrize(("layout", "kind", "values", "sent", "printed"), DOCUMENTS)
def test_document(
    layout: DlmsLayout, kind: int, values: Mapping[str, Value], sent: str, printed: str
) -> None:
    """A frame printed in a document is rebuilt from the values printed beside it."""
    assert rebuild(layout, kind, values, sent).hex() == printed


def test_document_encrypted() -> None:
    """The example of Netz Niederoesterreich (2nd edition p. 5 to 9), with its key."""
    values: dict[str, Value] = {
        "meter_time": "2021-09-27T09:47:15+02:00",
        "energy_import": 12.937,
        "energy_export": 0,
        "active_power_import": 0,
        "active_power_export": 0,
        "voltage_l1": 233.7,
        "voltage_l2": 0,
        "voltage_l3": 0,
        "current_l1": 0,
        "current_l2": 0,
        "current_l3": 0,
        "power_factor": 1,
        "meter_id": "181220000009",
    }
    sealed = partial(
        seal,
        title=bytes.fromhex("4b464d6750000009"),
        counter=0x23,
        control=0x20,
        encryption_key=bytes.fromhex("36c66639e48a8ca4d6bc8b282a793bbb"),
        authentication_key=b"",
    )
    frames = rebuild(
        NETZ_NOE, 2, values, "2021-09-27T09:47:15+02:00", count=0x06870E, sealed=sealed
    )
    assert frames.hex() == (
        "68fafa6853ff000167db084b464d675000000981f8200000002388d5ab4f97515aafc6b8"
        "8d2f85daa7a0e3c0c40d004535c397c9d037ab7dbda329107615444894a1a0dd7e85f02d"
        "496cecd3ff46af5fb3c9229cfe8f3ee4606ab2e1f409f36aad2e50900a4396fc6c2e083f"
        "373233a69616950758bfc7d63a9e9b6e99e21b2cbc2b934772ca51fd4d69830711cab1f8"
        "cff25f0a329337cba51904f0caed88d61968743c8454ba922eb00038182c22fe316d16f2"
        "a9f544d6f75d51a4e92a1c4ef8ab19a2b7feaa32d0726c0ed80229ae6c0f7621a4209251"
        "ace2b2bc66ff0327a653bb686c756be033c7a281f1d2a7e1fa31c3983e15f8fd16cc5787"
        "e6f517166814146853ff110167419a3cfda44be438c96f0e38bf83d98316"
    )


def test_document_p1() -> None:
    """A Swedish telegram with its CRC, as hanporten.se prints it."""
    values: dict[str, Value] = {
        "meter_time": "2021-02-17T18:40:19+01:00",
        "energy_import": 6678.394,
        "energy_export": 0,
        "reactive_energy_import": 21.988,
        "reactive_energy_export": 1020.971,
        "active_power_import": 1727,
        "active_power_export": 0,
        "reactive_power_import": 0,
        "reactive_power_export": 309,
        "active_power_import_l1": 1023,
        "active_power_import_l2": 350,
        "active_power_import_l3": 353,
        "active_power_export_l1": 0,
        "active_power_export_l2": 0,
        "active_power_export_l3": 0,
        "reactive_power_import_l1": 0,
        "reactive_power_import_l2": 0,
        "reactive_power_import_l3": 0,
        "reactive_power_export_l1": 9,
        "reactive_power_export_l2": 161,
        "reactive_power_export_l3": 138,
        "voltage_l1": 240.3,
        "voltage_l2": 240.1,
        "voltage_l3": 241.3,
        "current_l1": 4.2,
        "current_l2": 1.6,
        "current_l3": 1.7,
    }
    frames = rebuild(P1_SE, 2, values, "2021-02-17T18:40:19+01:00")
    assert frames.decode().split("\r\n") == [
        "/ELL5\\253833635_A",
        "",
        "0-0:1.0.0(210217184019W)",
        "1-0:1.8.0(00006678.394*kWh)",
        "1-0:2.8.0(00000000.000*kWh)",
        "1-0:3.8.0(00000021.988*kvarh)",
        "1-0:4.8.0(00001020.971*kvarh)",
        "1-0:1.7.0(0001.727*kW)",
        "1-0:2.7.0(0000.000*kW)",
        "1-0:3.7.0(0000.000*kvar)",
        "1-0:4.7.0(0000.309*kvar)",
        "1-0:21.7.0(0001.023*kW)",
        "1-0:41.7.0(0000.350*kW)",
        "1-0:61.7.0(0000.353*kW)",
        "1-0:22.7.0(0000.000*kW)",
        "1-0:42.7.0(0000.000*kW)",
        "1-0:62.7.0(0000.000*kW)",
        "1-0:23.7.0(0000.000*kvar)",
        "1-0:43.7.0(0000.000*kvar)",
        "1-0:63.7.0(0000.000*kvar)",
        "1-0:24.7.0(0000.009*kvar)",
        "1-0:44.7.0(0000.161*kvar)",
        "1-0:64.7.0(0000.138*kvar)",
        "1-0:32.7.0(240.3*V)",
        "1-0:52.7.0(240.1*V)",
        "1-0:72.7.0(241.3*V)",
        "1-0:31.7.0(004.2*A)",
        "1-0:51.7.0(001.6*A)",
        "1-0:71.7.0(001.7*A)",
        "!7945",
        "",
    ]


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


OLD_KAMSTRUP = replace(KAMSTRUP, time=STRAY_TAG)  # its first firmware
# Kamstrup's newer configurations send more digits, and say so nowhere.
NEW_KAMSTRUP = replace(
    KAMSTRUP,
    lists={
        2: [
            row._replace(scaler=-2) if row.unit == V else row
            for row in KAMSTRUP.lists[2]
        ]
    },
    wrap=partial(one_frame, address=bytes.fromhex("4103")),
)
ELWIZ = replace(KAIFA_SE, clock=replace(KAIFA_SE.clock, deviation=-60))
# Some Iskraemeco count power and energy on channel 0, not 1.
OTHER_ISKRA = replace(
    ISKRA_CH,
    lists={
        2: [
            row._replace(obis=row.obis.replace("1-1", "1-0"))
            for row in ISKRA_CH.lists[2]
        ]
    },
)
# Which layouts the captures are in, by the beginning of their names.
CAPTURED: dict[str, list[DlmsLayout | P1Layout]] = {
    "aidon-no-amshan": [AIDON, KAIFA],
    "aidon-no": [AIDON, AIDON_2023],
    "aidon-se-p1": [],  # another order of lines
    "aidon-se": [AIDON_SE],
    "iskra-dlmsparser": [OTHER_ISKRA],
    "iskra-si-5606": [ISKRA_SI],
    "kaifa-no": [KAIFA, replace(KAIFA, clock=WeekdayInStandardTime(OSLO))],
    "kaifa-se": [KAIFA_SE, KAIFA_SE_U64, KAIFA_SE_OBIS, ELWIZ],
    "kamstrup-dk-bornholm-rekeyed": [NEW_KAMSTRUP],
    "kamstrup-dk-gh741": [KAMSTRUP],
    "kamstrup-no": [KAMSTRUP, OLD_KAMSTRUP],
    "kamstrup-se-gh239": [KAMSTRUP_WH],
    "lg-ch-gh740": [E450],
    "lg-no": [E350],
    "sagemcom-se-p1": [P1_SE],
}


def captures() -> Iterator[object]:
    """Yield each intact captured frame that one of our meters could have sent."""
    for path in sorted(CORPUS.glob("captures/*.json")):
        capture = json.loads(path.read_text())
        prefix = next((each for each in CAPTURED if path.name.startswith(each)), None)
        if prefix is None or capture["encoding"] == "apdu":
            continue
        for number, (frame, expected) in enumerate(
            zip(capture["frames"], capture["expected"], strict=True)
        ):
            if "expect_error" not in expected and CAPTURED[prefix]:
                yield pytest.param(
                    CAPTURED[prefix],
                    capture.get("keys"),
                    frame,
                    expected,
                    id=f"{path.stem}-{number}",
                )


def sealing(captured: bytes, keys: dict[str, str]) -> Callable[[bytes], bytes]:
    """Return how the capture was encrypted: its title, counter and kind of length."""
    at = captured.index(b"\xdb\x08") + 2
    rest = captured[at + 8 :].removeprefix(b"\x82\x00")
    return partial(
        seal,
        title=captured[at : at + 8],
        counter=int.from_bytes(rest[2:6]),
        control=rest[1],
        encryption_key=bytes.fromhex(keys["ek"]),
        authentication_key=bytes.fromhex(keys["ak"]),
        long_length=True,
    )


@pytest.mark.parametrize(("layouts", "keys", "frame", "expected"), captures())
def test_capture(
    layouts: list[DlmsLayout | P1Layout],
    keys: dict[str, str] | None,
    frame: dict[str, str],
    expected: dict[str, Value],
) -> None:
    """A captured frame is rebuilt from the values that independent readers found in it.

    The number of the message, the status of the clock and the tariff are not among those.
    """
    captured = (
        frame["text"].encode() if "text" in frame else bytes.fromhex(frame["hex"])
    )
    values = dict(expected)
    if values.get("list_version") == "EMBRIQ_V1_1":
        values["meter_id"] = str(values["meter_id"]).ljust(16, "\0")
        values.setdefault("meter_type", "\0" * 4)
    if "meter_id_alt" in values:
        values["power_list"] = values["energy_list"] = values["meter_id_alt"][0]  # type: ignore[index]
        values["connected"] = 1
    if frame.get("hex", "").startswith("7ea8a4cf0223"):
        values["meter_id_alt"] = "160456"  # a number nobody knows the meaning of
    invoked = re.search(rb"\xe6\xe7\x00(?:\xe0.{6})?\x0f(....)", captured, re.DOTALL)
    count = int.from_bytes(invoked[1][1:]) if invoked else 0
    rebuilt = [
        rebuild(
            variant,
            kind,
            values | {"tariff": tariff},
            str(values.get("meter_time", "2020-01-01T00:00:00")),
            count=count,
            sealed=sealing(captured, keys) if keys else None,
        )
        for layout in layouts
        for kind, variant in variants(layout)
        for tariff in (1, 2)
    ]
    assert captured in rebuilt


def variants(
    layout: DlmsLayout | P1Layout,
) -> Iterator[tuple[int, DlmsLayout | P1Layout]]:
    """Yield each list of a layout, with each status of the clock seen."""
    if isinstance(layout, P1Layout):
        yield 2, layout
        return
    for kind in layout.lists:
        for status in (0, 1, 0x80, 0xFF):
            yield kind, replace(layout, clock=replace(layout.clock, status=status))
