"""Does scripts/decode.py print what captures say?"""

import json
from pathlib import Path
import subprocess
import sys
from typing import Any

import pytest

from . import vectors
from .build import NOISE
from .wrap import telegram

SCRIPT = Path(__file__).parents[2] / "scripts" / "decode.py"
FRAME = vectors.AIDON_ONE_PHASE
KEY = "36C66639E48A8CA4D6BC8B282A793BBB"
READING = {
    "list_kind": 2,
    "meter_manufacturer": "Aidon",
    "meter_type": "6515",
    "meter_id": "7359992890941742",
    "list_version": "AIDON_V0001",
    "active_power_import": 1362,
    "active_power_export": 0,
    "reactive_power_import": 996,
    "reactive_power_export": 0,
    "current_l1": 9.3,
    "voltage_l1": 250,
}


def run(*arguments: str, data: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """Run the script as scripts/decode does; it never shows a traceback."""
    done = subprocess.run(
        [sys.executable, "-I", SCRIPT, *arguments],
        input=data,
        capture_output=True,
        check=False,
    )
    assert b"Traceback" not in done.stderr
    return done


def lines(*arguments: str, data: bytes = b"") -> list[dict[str, Any]]:
    """Give what the script prints when all goes well."""
    done = run(*arguments, data=data)
    assert (done.returncode, done.stderr) == (0, b"")
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "data",
    [FRAME, FRAME.hex().encode(), FRAME.hex(" ", 2).upper().encode() + b"\r\n"],
    ids=["binary", "hex", "spaced"],
)
def test_dump(data: bytes) -> None:
    """A dump is bytes or hex text of them; 250 V are 250, not 250.0."""
    (line,) = lines(data=data)
    assert line == {"offset": 0, "reading": READING}
    assert list(line["reading"]) == list(READING)
    assert isinstance(line["reading"]["voltage_l1"], int)


def test_files(tmp_path: Path) -> None:
    """Files are read in order, each from offset 0, and standard input stands for a dash."""
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(NOISE + FRAME)
    two.write_bytes(FRAME[:100])
    found = lines(str(one))
    assert [line["offset"] for line in found if "reading" in line] == [len(NOISE)]
    assert [line.get("error") for line in lines(str(two))] == ["truncated"]
    found = lines(str(two), "-", data=FRAME)
    assert [line["file"] for line in found] == [str(two), "-"]
    assert found[1]["reading"] == READING


def test_lines() -> None:
    """Every line is a message by itself, numbered from 0; empty ones are none."""
    data = b"\n".join(
        [FRAME.hex().encode(), b"", b"xyz\xff", FRAME[:-20].hex(" ").encode(), b"7E"]
    )
    found = lines("--lines", data=data)
    assert [line["line"] for line in found] == [0, 2, 3, 4]
    assert found[0] == {"line": 0, "offset": 0, "reading": READING}
    assert [line.get("error") for line in found[1:]] == [
        "unsupported",
        "truncated",
        "crc",
    ]
    assert all(line["detail"] for line in found[1:])


def test_key() -> None:
    """Keys open what is enciphered, in any spelling; without one the error says so."""
    assert lines(data=vectors.EVN_SEALED)[0]["error"] == "encrypted-no-key"
    assert lines("--key", "00" * 16, data=vectors.EVN_SEALED)[0]["error"] == "wrong-key"
    spaced = "0x" + " ".join(KEY[at : at + 2] for at in range(0, 32, 2)).lower()
    for key in (KEY, spaced, spaced.replace(" ", ":")):
        (line,) = lines(
            "--key", key, "--authentication-key", KEY, data=vectors.EVN_SEALED
        )
        assert line["reading"] == {
            "list_kind": None,
            "meter_manufacturer": "Kaifa",
            "meter_id": "181220000009",
            "flag_id": "KFM",
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
        }


def test_submeters() -> None:
    """What is connected to a P1 meter has its own place, with its own time."""
    data = telegram(
        "1-0:1.7.0(01.193*kW)\r\n0-0:96.13.0(48616C6C6F)\r\n"
        "0-1:24.1.0(003)\r\n0-1:96.1.0(4730303339303031363532303530323137)\r\n"
        "0-1:24.2.1(240108160000W)(12785.123*m3)\r\n"
    )
    (line,) = lines(data=data)
    assert line["reading"] == {
        "list_kind": None,
        "meter_manufacturer": "Kamstrup",
        "flag_id": "KAM",
        "active_power_import": 1193,
        "text": "Hallo",
        "submeters": [
            {
                "kind": "gas",
                "channel": 1,
                "list_kind": None,
                "meter_id": "G0039001652050217",
                "meter_time": "2024-01-08T16:00:00+01:00",
                "volume": 12785.123,
            }
        ],
    }


@pytest.mark.parametrize("key", ["", "xy", "00" * 15, "00" * 17, "zz" * 16])
def test_bad_key(key: str) -> None:
    """What is no key is said to be none."""
    done = run("--key", key, data=FRAME)
    assert (done.returncode, done.stdout) == (2, b"")
    assert b"a key is 32 hexadecimal digits" in done.stderr


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "unsupported"),
        (b"\n", "unsupported"),
        (b"hello", "unsupported"),
        (bytes(range(256)), "unsupported"),
        (b"\xff\xfe" + "7e".encode("utf-16-le"), "unsupported"),
        (b"7e a", "unsupported"),
        (b"\x7e\xa0\x2a", "truncated"),
    ],
)
def test_nothing(data: bytes, code: str) -> None:
    """What holds no message gives an error that says so."""
    (line,) = lines(data=data)
    assert (line["error"], line["offset"]) == (code, 0)


def test_missing(tmp_path: Path) -> None:
    """A file that cannot be read is named, and the others are read all the same."""
    there = tmp_path / "there"
    there.write_bytes(FRAME)
    done = run(
        str(tmp_path / "missing"), str(tmp_path), "nul\0".strip("\0"), str(there)
    )
    assert done.returncode == 1
    assert done.stderr.count(b"decode: ") == 3
    assert json.loads(done.stdout)["reading"] == READING


def test_pipe() -> None:
    """Whoever reads may stop reading."""
    with subprocess.Popen(
        [sys.executable, "-I", SCRIPT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdout.close()
        process.stdin.write(FRAME * 2000)
        process.stdin.close()
        assert process.stderr.read() == b""
        assert process.wait() == 0


def test_no_home_assistant() -> None:
    """Home Assistant is not imported, nor what only ciphers need."""
    program = (
        "import runpy, sys; sys.argv = ['decode', '--help']\n"
        f"try: runpy.run_path({str(SCRIPT)!r}, run_name='__main__')\n"
        "except SystemExit: pass\n"
        "print(sorted(sys.modules.keys() & {'homeassistant', 'cryptography', 'asyncio'}))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines()[-1] == "[]"
