"""The command line: what it says, what it takes, how it ends."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
import os
from pathlib import Path
import re
import signal
import socket
import subprocess
import sys
import time
import tty

import pytest

from simulator import ALIASES, FAULTS, MODELS, create
from simulator.__main__ import main

REPOSITORY = Path(__file__).parents[2]
START = "2026-03-27T07:30:00+01:00"
PATIENCE = 20.0  # seconds until a test that hangs fails; none waits for it

pytestmark = pytest.mark.usefixtures("socket_enabled")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
    """Run the simulator; give the process and what it says until it is reachable."""
    process = subprocess.Popen(
        [sys.executable, "-m", "simulator", "--start", START, *arguments],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said = []
    try:
        assert process.stdout
        for line in process.stdout:
            said.append(line.decode().rstrip("\n"))
            if " on " in said[-1]:
                break
        yield process, said
    finally:
        process.kill()
        process.communicate()


def ended(
    process: subprocess.Popen[bytes], number: signal.Signals
) -> tuple[int, bytes]:
    """Interrupt the process; return its exit code and all that it complains of."""
    process.send_signal(number)
    _, complaints = process.communicate(timeout=PATIENCE)
    return process.returncode, complaints


def read(port: int, count: int) -> bytes:
    """Return the next `count` bytes over TCP."""
    received = b""
    with socket.create_connection(("127.0.0.1", port), PATIENCE) as connection:
        while len(received) < count:
            received += connection.recv(count - len(received))
    return received


def fails(
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> tuple[int, str]:
    """Run with these arguments; return the exit code and what is complained of."""
    monkeypatch.setattr(sys, "argv", ["simulator", *arguments])
    code = main()
    said, complained = capsys.readouterr()
    assert said == ""
    return code, complained


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_tcp(number: signal.Signals) -> None:
    """It says where it is, serves, and an interrupt ends it cleanly and frees the port."""
    with running("--tcp", "127.0.0.1:0", "--speed", "500") as (process, said):
        (line,) = said
        match = re.fullmatch(r"aidon-3p 7359992890000000 on 127\.0\.0\.1:(\d+)", line)
        assert match
        port = int(match[1])
        received = read(port, 1500)
        assert b"\x7e\xa0\x2a\x41\x08\x83\x13" in received  # a list 1
        with socket.create_connection(("127.0.0.1", port)):  # ends with a reader on it
            assert ended(process, number) == (0, b"")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))
    with socket.socket() as again:
        again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        again.bind(("127.0.0.1", port))


def test_pty(tmp_path: Path) -> None:
    """A serial port has a link that is gone after the end."""
    link = tmp_path / "meter"
    arguments = (
        "--meter",
        "kaifa",
        "--seed",
        "5",
        "--pty",
        str(link),
        "--speed",
        "500",
    )
    with running(*arguments) as (process, said):
        assert said == [f"kaifa 6970631400000005 on {link}"]
        port = os.open(link, os.O_RDONLY | os.O_NOCTTY)
        tty.setraw(port)
        received = b""
        while len(received) < 1000:
            received += os.read(port, 1000)
        os.close(port)
        assert b"\x7e\xa0\x27\x01\x02\x01\x10\x5a\x87" in received  # a list 1
        assert ended(process, signal.SIGTERM) == (0, b"")
    assert not link.is_symlink()


def test_keys_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """An encrypted meter says its keys first: one where it has one, else both."""

    @asynccontextmanager
    async def interrupted(*_: object, **__: object) -> AsyncIterator[int]:
        """Serve nobody, and be interrupted at once."""
        asyncio.get_running_loop().call_soon(os.kill, os.getpid(), signal.SIGINT)
        yield 4001

    monkeypatch.setattr("simulator.__main__.serve_tcp", interrupted)
    expected = {
        "kaifa-at": ["encryption key"],
        "kamstrup-dk": ["authentication key", "encryption key"],
        "dsmr5": [],
    }
    for name, keys in expected.items():
        meter = create(name, seed=3)
        argv = f"simulator --meter {name} --seed 3 --tcp 127.0.0.1:4001".split()
        monkeypatch.setattr(sys, "argv", argv)
        assert main() == 0
        *said, last = capsys.readouterr().out.splitlines()
        assert said == [
            f"{key} {getattr(meter, key.replace(' ', '_')).hex()}" for key in keys
        ]
        assert last == f"{name} {meter.id} on 127.0.0.1:4001"


def test_speed_and_fault() -> None:
    """A day of a meter of 10 s takes a moment, and faults are at work in it."""
    arguments = ("--meter", "kamstrup", "--tcp", "127.0.0.1:0", "--speed", "5000")
    began = time.monotonic()
    with running(*arguments, "--fault", "hex", "--fault", "banner:hello") as (_, said):
        received = read(int(said[0].rpartition(":")[2]), 50_000)  # 18 minutes of it
    assert received.startswith(b"hello\r\n")
    assert re.fullmatch(rb"[0-9A-F\r\n]+", received[7:])
    assert b"7EA0E22B21" in received
    assert time.monotonic() - began < PATIENCE


def test_hour_offset_and_start() -> None:
    """The meter begins at the time given, and sends the hour list when told."""
    arguments = ("--meter", "kamstrup", "--tcp", "127.0.0.1:0", "--speed", "20")
    with running(*arguments, "--hour-offset", "1815") as (_, said):
        received = read(int(said[0].rpartition(":")[2]), 1000)
    # The clock 07:30:15 of list 3, in its header, after list 2 of 07:30:10.
    clocks = re.findall(rb"\x00\x0c\x07\xea\x03\x1b\x05(...)", received, re.DOTALL)
    assert bytes([7, 30, 15]) in clocks
    assert bytes([7, 30, 20]) in clocks


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("--meter aidon-4p", "no meter is called 'aidon-4p'; there are aidon-1p, "),
        ("--fault gremlins", "no fault is called 'gremlins'; there are repeat-hour-"),
        ("--fault stall:3", "the fault stall takes no value"),
        ("--fault garbage:-1", "-1 is not from 0 to 1e+06"),
        ("--fault drop,rate=2", "2 is not from 0 to 1"),
        ("--speed fast", "argument --speed: invalid float value: 'fast'"),
        ("--speed 0", "the speed 0 is not above 0 and at most 1e+06"),
        ("--speed -1", "the speed -1 is not above 0 and at most 1e+06"),
        ("--speed nan", "the speed nan is not above 0 and at most 1e+06"),
        ("--speed inf", "the speed inf is not above 0 and at most 1e+06"),
        ("--seed x", "argument --seed: invalid int value: 'x'"),
        ("--hour-offset nan", "the hour list is not sent nan s after the hour"),
        ("--hour-offset 3600", "the hour list is not sent 3600 s after the hour"),
        ("--start noon", "'noon' is not a time such as 2026-03-29T01:59:50"),
        ("--start 0001-01-01", "'0001-01-01' is not a time such as 2026-03-29T01:59"),
        ("--start 1999-12-31", "the meter counts from 2020 to 2099, not in 1999"),
        ("--start 2150-01-01", "the meter counts from 2020 to 2099, not in 2150"),
        ("--tcp 4001", "'4001' is not HOST:PORT"),
        ("--tcp localhost:", "'localhost:' is not HOST:PORT"),
        ("--tcp localhost:http", "'localhost:http' is not HOST:PORT"),
        ("--tcp 127.0.0.1:70000", "'127.0.0.1:70000' is not HOST:PORT"),
        ("--tcp 127.0.0.1:0 --pty", "argument --pty: not allowed with argument --tcp"),
        ("--fault close --pty", "the fault close needs a network"),
        ("--loud", "unrecognized arguments: --loud"),
        ("--meter", "argument --meter: expected one argument"),
    ],
)
def test_bad_arguments(
    arguments: str,
    sentence: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """What is wrong with the arguments is told in one line, and the exit code is 2."""
    code, complained = fails(arguments.split(), monkeypatch, capsys)
    assert code == 2
    assert complained.startswith(sentence)
    assert complained.count("\n") == 1
    assert complained.endswith("\n")


def test_bad_arguments_as_users_see_them() -> None:
    """From a shell there is no traceback either."""
    run = subprocess.run(
        [sys.executable, "-m", "simulator", "--meter", "nothing"],
        cwd=REPOSITORY,
        capture_output=True,
        check=False,
        text=True,
        timeout=PATIENCE,
    )
    assert run.returncode == 2
    assert run.stdout == ""
    assert run.stderr == (
        f"no meter is called 'nothing'; there are {', '.join(MODELS)}\n"
    )


def test_port_in_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the system refuses is told in one line, and the exit code is 1."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        where = f"127.0.0.1:{taken.getsockname()[1]}"
        code, complained = fails(["--tcp", where], monkeypatch, capsys)
    assert code == 1
    assert complained.startswith(f"cannot be on {where}: ")
    assert complained.endswith("address already in use\n")
    assert complained.count("\n") == 1


def test_link_would_replace_a_file(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A serial port never takes the place of a file."""
    file = tmp_path / "meter"
    file.write_text("mine")
    assert fails(["--pty", str(file)], monkeypatch, capsys) == (
        1,
        "cannot be on a serial port: File exists\n",
    )
    assert file.read_text() == "mine"


def test_help(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The help names every meter, and every fault with what it does."""
    monkeypatch.setattr(sys, "argv", ["simulator", "--help"])
    with pytest.raises(SystemExit) as ending:
        main()
    assert ending.value.code == 0
    said = capsys.readouterr().out
    assert f"meters:\n  {', '.join([*MODELS, *ALIASES])}\n" in said
    for name, kind in FAULTS.items():
        default = f" ({kind.value})" if kind.value is not None else ""
        assert f"\n  {name:17} {kind.text}{default}\n" in said
