"""How fast is decoding, side by side with the other decoders in Python?

    scripts/setup && .venv/bin/python benchmarks/decode.py [--rounds N] [--json FILE] [CASE...]

Installs each peer from PyPI into a throw-away environment of its own, and feeds the same
bytes of the simulated meters to all, in turns. Every message differs from the one before.
Shown are microseconds of CPU a message, the median of the rounds, and in brackets how many
times as long a peer takes as this project. A dash: the peer reads none of these messages, or
not all. `floor` and `first` are explained in readers.py. Ratios hold anywhere, times only
where they were measured.

The parsers of hass-AMS are in no package that can be installed. Of the firmware of amsreader,
which is C++, it is known how many times as fast as amshan it decodes (FIRMWARE): what it is
to this project follows from amshan's time in this run.
"""

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
import json
from pathlib import Path
import pickle
from random import Random
import re
from statistics import median
import subprocess
import sys
import tempfile
from typing import Any, Final

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).resolve().parents[1])]

import readers  # noqa: E402

from simulator import create  # noqa: E402

PEERS: Final = {
    "amshan": "amshan==2.1.1",
    "dlms-cosem": "dlms-cosem==25.1.0",
    "gurux-dlms": "gurux-dlms==1.0.203",
    "dsmr-parser": "dsmr-parser==1.11.2",
}
OWN: Final = ("floor", "ours", "first")
P1_PEERS: Final = ("amshan", "dsmr-parser")
DLMS_PEERS: Final = ("amshan", "dlms-cosem", "gurux-dlms")
START: Final = datetime(2026, 1, 15, 7, 59, 30, tzinfo=UTC)
MESSAGES: Final = 40

# Title, simulated meter, which of its lists; None for all in the order of the wire.
KINDS: Final = (
    ("Aidon list 1", "aidon-3p", 1),
    ("Aidon list 2", "aidon-3p", 2),
    ("Aidon list 3", "aidon-3p", 3),
    ("Aidon one-phase list 2", "aidon-1p", 2),
    ("Aidon three-wire list 2", "aidon-3w", 2),
    ("Aidon Sweden", "aidon-se", 3),
    ("Kaifa list 1", "kaifa-3p", 1),
    ("Kaifa list 2", "kaifa-3p", 2),
    ("Kaifa list 3", "kaifa-3p", 3),
    ("Kaifa one-phase list 2", "kaifa-1p", 2),
    ("Kaifa Sweden with codes", "kaifa-se-obis", 3),
    ("Kamstrup list 2", "kamstrup-3p", 2),
    ("Kamstrup list 3", "kamstrup-3p", 3),
    ("Kamstrup one-phase list 2", "kamstrup-1p", 2),
    ("Landis+Gyr E350 list 2", "lg-e350", 2),
    ("P1 Sweden", "p1-se", None),
    ("P1 DSMR 5", "dsmr5", None),
)
MIXED: Final = (
    ("Aidon mixed", "aidon-3p"),
    ("Kaifa mixed", "kaifa-3p"),
    ("Kamstrup mixed", "kamstrup-3p"),
    ("P1 Sweden", "p1-se"),
    ("P1 DSMR 5", "dsmr5"),
)
# How many times as fast as amshan: compiled for the host, both in one run, November 2026.
FIRMWARE: Final = {
    "Aidon list 1": 5.5,
    "Aidon list 2": 46,
    "Aidon list 3": 66,
    "Aidon Sweden": 83,
    "Kaifa list 1": 60,
    "Kaifa list 2": 117,
    "Kaifa list 3": 94,
    "Kaifa Sweden with codes": 46,
    "Kamstrup list 2": 38,
    "Kamstrup list 3": 47,
    "Kamstrup one-phase list 2": 27,
    "P1 Sweden": 40,
    "P1 DSMR 5": 29,
}

# At least so many times as fast as these peers, in cases with these titles.
GOALS: Final = (
    ("amshan, DLMS, whole", ("amshan",), r"(?!P1)[^,]+", 25),
    ("amshan and dsmr-parser, P1, whole", P1_PEERS, r"P1[^,]+", 15),
    ("any peer, chunks of 4 B and more", tuple(PEERS), r".+, (4|64) B|[^,]+", 8),
    ("any peer, byte by byte", tuple(PEERS), r".+, 1 B", 8),
)


def messages(meter: str, kind: int | None) -> list[bytes]:
    """Give different messages of one kind of list."""
    simulated = create(meter, seed=1)
    # The list of the hour comes once an hour: a minute around each is enough.
    hours = (START + timedelta(hours=hour) for hour in range(MESSAGES + 1))
    found = (
        frame
        for hour in hours
        for _, frame in simulated.messages(hour, hour + timedelta(seconds=100))
        if kind is None or kind_of(frame) == kind
    )
    return list(islice(found, MESSAGES))


def kind_of(frame: bytes) -> int | None:
    """Say which kind of list a frame holds."""
    result = sys.modules["protocol"].decode(frame)[0].result
    return getattr(result, "list_kind", None)


def pieces(whole: list[bytes], size: int) -> list[bytes]:
    """Cut messages into chunks."""
    return [
        message[at : at + size]
        for message in whole
        for at in range(0, len(message), size)
    ]


# --- Measuring ---


class Runner:
    """A process that measures some of the readers."""

    def __init__(self, python: Path, names: Sequence[str]) -> None:
        """Take the Python of its environment."""
        self._process = subprocess.Popen(
            # -P: the folder of the script is no place to import from.
            [python, "-P", readers.__file__, *names],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ask(self, work: readers.Work | None) -> tuple[int, int]:
        """Give the messages read, and nanoseconds; None repeats the last work."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(work, self._process.stdin)
        self._process.stdin.flush()
        answer: tuple[int, int] = pickle.load(self._process.stdout)  # noqa: S301
        return answer

    def close(self) -> None:
        """End it."""
        self._process.communicate()


class Bench:
    """Everyone who reads, each in a process of its own."""

    def __init__(self, runners: dict[str, Runner], rounds: int) -> None:
        """Take the readers by name, and how often each is measured."""
        self._runners = runners
        self._rounds = rounds
        self.results: dict[str, dict[str, float]] = {}

    def measure(
        self, title: str, meter: str, whole: list[bytes], chunks: list[bytes]
    ) -> dict[str, float]:
        """Give microseconds of CPU a message, of each reader that reads all of them."""
        times: dict[str, list[int]] = {}
        for name, runner in self._readers(whole):
            found, _ = runner.ask(readers.Work(name, meter, whole, chunks))
            if found == len(whole):
                times[name] = []
            elif name in ("ours", "floor"):
                raise SystemExit(f"{title}: {name} found {found} of {len(whole)}")
        for _ in range(self._rounds):
            for name, spent in times.items():
                # Others that share a process were asked for other work in between.
                work = readers.Work(name, meter, whole, chunks)
                self._runners[name].ask(work)
                spent.append(self._runners[name].ask(None)[1])
        result = {
            name: median(spent) / len(whole) / 1000 for name, spent in times.items()
        }
        self.results[title] = result
        return result

    def found(self, meter: str, whole: list[bytes], chunks: list[bytes]) -> str:
        """Say how many messages each finds in something else."""
        counts = (
            f"{name} {runner.ask(readers.Work(name, meter, whole, chunks))[0]}"
            for name, runner in self._readers(whole)
            if name not in ("floor", "first")
        )
        return ", ".join(counts)

    def _readers(self, whole: list[bytes]) -> Iterator[tuple[str, Runner]]:
        """Give those that are made for these messages, by name."""
        peers = P1_PEERS if whole[0][:1] == b"/" else DLMS_PEERS
        for name in (*OWN, *peers):
            yield name, self._runners[name]


def row(title: str, size: int, spent: dict[str, float], names: Sequence[str]) -> str:
    """Write a line of a table."""
    cells = [f"{title:28}{size:>6}"]
    for name in names:
        if name not in spent:
            cell = "-"
        elif name in OWN:
            cell = f"{spent[name]:.1f}"
        else:
            cell = f"{spent[name]:.0f} ({spent[name] / spent['ours']:.0f} x)"
        cells.append(f"{cell:>{8 if name in OWN else 15}}")
    if (times := FIRMWARE.get(title)) and "amshan" in spent:
        cells.append(f"{times * spent['ours'] / spent['amshan']:>10.2f}")
    return "".join(cells)


def heads(title: str, names: Sequence[str], last: str = "") -> str:
    """Write the head of a table."""
    cells = (f"{name:>{8 if name in OWN else 15}}" for name in names)
    return f"\n{title:28}{'bytes':>6}" + "".join(cells) + last


def run(bench: Bench, wanted: Sequence[str]) -> None:
    """Measure all cases and print the tables."""
    names = (*OWN, *PEERS)

    def is_wanted(title: str) -> bool:
        return not wanted or any(each.lower() in title.lower() for each in wanted)

    print(heads("microseconds of CPU a message", names, "  to C++ firmware"))
    for title, meter, kind in KINDS:
        if is_wanted(title):
            whole = messages(meter, kind)
            spent = bench.measure(title, meter, whole, whole)
            print(row(title, sum(map(len, whole)) // len(whole), spent, names))

    names = tuple(name for name in names if name != "first")
    print(heads("in chunks", names))
    for title, meter in MIXED:
        for size in (64, 4, 1):
            if is_wanted(title):
                whole = messages(meter, None)
                chunks = pieces(whole, size)
                name = f"{title}, {size} B"
                spent = bench.measure(name, meter, whole, chunks)
                print(row(name, size, spent, names))

    print_goals(bench.results)
    print_firmware(bench.results)

    print("\n160 messages at once, in times of 40 at once (4 is linear)")
    for title, meter in MIXED:
        if is_wanted(title):
            whole = messages(meter, None)
            once = bench.measure(f"{title}, 40", meter, whole, [b"".join(whole)])
            whole = whole * 4
            more = bench.measure(f"{title}, 160", meter, whole, [b"".join(whole)])
            grown = (
                f"{name} {4 * more[name] / once[name]:.1f}"
                for name in names
                if name in once and name in more
            )
            print(f"{title:28}", ", ".join(grown))

    print("\nof 40 messages with noise between them, found")
    noise = Random(1)
    for title, meter in MIXED:
        if is_wanted(title):
            whole = messages(meter, None)
            # A few hundred bytes, as a bad wire makes them
            noisy = [noise.randbytes(200) + message for message in whole]
            print(f"{title:28}", bench.found(meter, whole, noisy))


def print_goals(results: dict[str, dict[str, float]]) -> None:
    """Say how the least favourable case of each goal came out."""
    print()
    for title, peers, cases, goal in GOALS:
        least = min(
            (
                (spent[peer] / spent["ours"], peer, case)
                for case, spent in results.items()
                for peer in peers
                if peer in spent and re.fullmatch(cases, case)
            ),
            default=None,
        )
        if least is not None:
            ratio, peer, case = least
            print(f"{title}: at least {ratio:.0f} x ({peer}, {case}); goal {goal} x")


def print_firmware(results: dict[str, dict[str, float]]) -> None:
    """Say on which kinds of list this project is faster than the firmware in C++."""
    known = {
        title: FIRMWARE[title] * spent["ours"] / spent["amshan"]
        for title, spent in results.items()
        if title in FIRMWARE and "amshan" in spent
    }
    slower = [f"{title} ({times:.1f} x)" for title, times in known.items() if times > 1]
    print(
        f"C++ firmware: faster than it on {len(known) - len(slower)} of {len(known)} kinds;"
        f" in times of it on the others: {', '.join(slower) or 'none'}"
    )


# --- The environments ---


@contextmanager
def runners() -> Iterator[dict[str, Runner]]:
    """Make an environment for each peer, and start all readers."""
    uv = [sys.executable, "-m", "uv", "--quiet"]
    with tempfile.TemporaryDirectory(prefix="han-port-") as folder:
        own = Runner(Path(sys.executable), OWN)
        started = dict.fromkeys(OWN, own)
        for name, package in PEERS.items():
            venv = Path(folder) / name
            python = venv / "bin" / "python"
            subprocess.run([*uv, "venv", "--python", sys.executable, venv], check=True)
            subprocess.run(
                [*uv, "pip", "install", "--python", python, package], check=True
            )
            started[name] = Runner(python, [name])
        try:
            yield started
        finally:
            for runner in set(started.values()):
                runner.close()


def main() -> None:
    """Measure, print, and write it down if that is asked for."""
    parser = argparse.ArgumentParser(description="Time decoding against others.")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path, help="write the medians here")
    parser.add_argument("cases", nargs="*", metavar="CASE", help="part of a title")
    arguments: Any = parser.parse_args()
    readers.load_protocol()
    with runners() as started:
        bench = Bench(started, arguments.rounds)
        run(bench, arguments.cases)
    if arguments.json:
        arguments.json.write_text(json.dumps(bench.results, indent=1) + "\n")


if __name__ == "__main__":
    main()
