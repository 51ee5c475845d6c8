"""Do captures of real meters say what they are known to say?

They are read where HAN_PORT_CORPUS says, or from shared/corpus beside the repository, and
skipped where they are not there. Its README tells what the files hold.
"""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import random
from typing import Any

import pytest

from custom_components.han_port.protocol import (
    Decoder,
    ErrorCode,
    MeterReading,
    Outcome,
    ProtocolError,
)

from .check import codes, comparable, readings

CORPUS = Path(
    os.environ.get("HAN_PORT_CORPUS") or Path(__file__).parents[3] / "shared" / "corpus"
)
CAPTURES = sorted((CORPUS / "captures").glob("*.json"))
STREAMS = sorted((CORPUS / "streams").glob("*.json"))

# Known by the source of the capture only
NOT_COMPARED = {"ambiguous"}
DAMAGED = {ErrorCode.CRC, ErrorCode.TRUNCATED}
# Two segments that a reader had joined with the end of the first in between: lost bytes
# to the one who made the file, no A-XDR to us
OTHERWISE = {("iskra-hr-hdlc", 1): ErrorCode.UNSUPPORTED}


def printed(reading: MeterReading) -> dict[str, Any]:
    """Give a reading in the words of the corpus."""
    meter = reading.meter
    found: dict[str, Any] = {
        "list_kind": reading.list_kind,
        "meter_manufacturer": meter.manufacturer,
        "meter_type": meter.type,
        "meter_id": meter.id,
        "meter_id_raw": meter.id_raw,
        "meter_id_alt": [meter.id_alt],
        "list_version": meter.list_version,
        "logical_device_name": meter.logical_device_name,
        "flag_id": meter.flag_id,
        "meter_time": reading.meter_time and reading.meter_time.isoformat(),
        "meter_time_alt": [
            reading.meter_time_alt and reading.meter_time_alt.isoformat()
        ],
    }
    return found | {quantity.value: value for quantity, value in reading.values.items()}


def compare(reading: MeterReading, expected: dict[str, Any]) -> None:
    """See that a reading says all that is expected, and no electricity value besides."""
    found = printed(reading)
    wanted = {key: expected[key] for key in expected.keys() - NOT_COMPARED}
    assert {key: found.get(key) for key in wanted} == wanted


def message(frame: dict[str, Any]) -> bytes:
    """Give the bytes of a message in a capture."""
    if "hex" in frame:
        return bytes.fromhex(frame["hex"])
    return str(frame["text"]).encode("latin-1")


def load(path: Path) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Give what a capture file holds, and the keys of its meter."""
    group = json.loads(path.read_text())
    names = {"ek": "encryption_key", "ak": "authentication_key"}
    keys = {
        names[name]: bytes.fromhex(key) for name, key in group.get("keys", {}).items()
    }
    return group, keys


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_capture(path: Path) -> None:
    """Every message gives exactly its values, or an error and no value."""
    group, keys = load(path)
    decoder = Decoder(**keys)
    for number, (frame, expected) in enumerate(
        zip(group["frames"], group["expected"], strict=True)
    ):
        outcomes = decoder.decode(message(frame))
        assert comparable(outcomes) == comparable(
            Decoder(**keys).decode(message(frame))
        )
        if (error := expected.get("expect_error")) is None:
            (reading,) = readings(outcomes)
            compare(reading, expected)
            assert len(outcomes) == 1
            continue
        error = OTHERWISE.get((path.stem, number), ErrorCode(error))
        assert not readings(outcomes)
        assert set(codes(outcomes)) & (DAMAGED if error in DAMAGED else {error})


@pytest.mark.parametrize("path", CAPTURES, ids=lambda path: path.stem)
def test_mutations(path: Path) -> None:
    """A message with a few bytes changed, lost or added raises nothing."""
    group, keys = load(path)
    chance = random.Random(path.stem)
    for frame in group["frames"][:3]:
        for _ in range(30):
            data = bytearray(message(frame))
            for _ in range(chance.randint(1, 3)):
                at = chance.randrange(len(data))
                data[at : at + chance.randint(0, 2)] = chance.randbytes(
                    chance.randint(0, 2)
                )
            assert Decoder(**keys).decode(bytes(data))


def chunkings(path: Path, data: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """Yield ways in which the bytes of a stream may arrive."""
    yield "whole", [data]
    reads = [
        json.loads(line) for line in path.with_suffix(".jsonl").read_text().splitlines()
    ]
    yield "recorded", [data[read["offset"] :][: read["len"]] for read in reads]
    for size in (1, 4):
        yield str(size), [data[at : at + size] for at in range(0, len(data), size)]
    chance, chunks, at = random.Random(path.stem), [], 0
    while at < len(data):
        size = chance.randint(1, 700)
        chunks.append(data[at : at + size])
        at += size
    yield "random", chunks


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_stream(path: Path) -> None:
    """Every intact message of a stream is found, however it arrives, and no other."""
    facts = json.loads(path.read_text())
    lines = path.with_name(f"{path.stem}.expected.jsonl").read_text().splitlines()
    wanted = {line["offset"]: line["expected"] for line in map(json.loads, lines)}
    assert len(wanted) == facts["valid_frames"]

    first: list[Outcome] = []
    for way, chunks in chunkings(path, path.with_suffix(".bin").read_bytes()):
        decoder = Decoder()
        outcomes = [out for chunk in chunks for out in decoder.feed(chunk)]
        outcomes += decoder.flush()
        first = first or outcomes
        assert comparable(outcomes) == comparable(first), way

    found = {outcome.offset: outcome.result for outcome in first}
    for offset, expected in wanted.items():
        result = found.pop(offset)
        if "expect_error" in expected:
            assert isinstance(result, ProtocolError)
            assert result.code == expected["expect_error"]
        else:
            assert isinstance(result, MeterReading)
            compare(result, expected)
    rest = list(found.values())
    assert not any(isinstance(result, MeterReading) for result in rest)
    # Damage is one error, or two where it joins what was two messages
    assert len(rest) <= 2 * max(1, len(facts["faults"]))


@pytest.mark.skipif(not CAPTURES, reason="no corpus")
def test_there() -> None:
    """The corpus is all there."""
    assert (len(CAPTURES), len(STREAMS)) >= (118, 9)
