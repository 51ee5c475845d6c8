"""How fast is decoding, side by side with amshan?

    scripts/setup && .venv/bin/python benchmarks/decode.py [--rounds N] [CASE...]

Makes a throw-away environment with amshan 2.1.1 from PyPI, and in it feeds the same bytes
of the simulated meters to both, in turns. Every message differs from the one before. Shown
is CPU time a message, the median of the rounds. `floor` only cuts frames out of a buffer,
checks the checksum and unpacks numbers from known places: what Python cannot go below.
`first` is this decoder seeing each list for the first time. Ratios hold anywhere, times
only where they were measured.
"""

import argparse
from binascii import crc_hqx
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
import importlib.util
from itertools import islice
import os
from pathlib import Path
from statistics import median
import struct
import subprocess
import sys
import tempfile
import time
from typing import TYPE_CHECKING, Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
# The simulated meters encipher with cryptography, which comes with Home Assistant.
PACKAGES: Final = ("amshan==2.1.1", "cryptography")
INSIDE: Final = "HAN_PORT_BENCHMARK"
START: Final = datetime(2026, 1, 15, 7, 59, 30, tzinfo=UTC)
MESSAGES: Final = 40

# Name, simulated meter, which of its lists; None for all in the order of the wire.
CASES: Final = (
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
    ("Kaifa Sweden, codes", "kaifa-se-obis", 3),
    ("Kamstrup list 2", "kamstrup-3p", 2),
    ("Kamstrup list 3", "kamstrup-3p", 3),
    ("Kamstrup one-phase list 2", "kamstrup-1p", 2),
    ("Landis+Gyr E350 list 2", "lg-e350", 2),
    ("P1 Sweden", "p1-se", None),
    ("P1 DSMR 5", "dsmr5", None),
    ("Aidon mixed", "aidon-3p", None),
    ("Kaifa mixed", "kaifa-3p", None),
    ("Kamstrup mixed", "kamstrup-3p", None),
)

SCORED: Final = ("ours", "ours 4 B", "first")

type Reader = Callable[[Iterable[bytes]], int]


def load_protocol() -> Any:
    """Load the decoder by file location: Home Assistant is not in this environment."""
    folder = ROOT / "custom_components" / "han_port" / "protocol"
    spec = importlib.util.spec_from_file_location("protocol", folder / "__init__.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["protocol"] = module
    spec.loader.exec_module(module)
    return module


if TYPE_CHECKING:
    from custom_components.han_port import protocol
elif INSIDE in os.environ:
    sys.path.insert(0, str(ROOT))
    protocol = load_protocol()


# --- What is measured ---


def messages(meter: str, kind: int | None) -> list[bytes]:
    """Give different messages of one kind of list."""
    from simulator import create  # noqa: PLC0415

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
    result = protocol.decode(frame)[0].result
    return result.list_kind if isinstance(result, protocol.MeterReading) else None


def ours() -> Reader:
    """Decode a stream with this project."""
    decoder = protocol.Decoder()
    return lambda chunks: sum(
        isinstance(outcome.result, protocol.MeterReading)
        for chunk in chunks
        for outcome in decoder.feed(chunk)
    )


def first(chunks: Iterable[bytes]) -> int:
    """Decode every message with a decoder that has seen none."""
    return sum(
        isinstance(outcome.result, protocol.MeterReading)
        for chunk in chunks
        for outcome in protocol.Decoder().feed(chunk)
    )


def amshan(reader: Any, decoder: Any) -> Reader:
    """Decode a stream as amshan does in its integration: a reader, then AutoDecoder."""

    def read(chunks: Iterable[bytes]) -> int:
        return sum(
            decoder.decode_message(message) is not None
            for chunk in chunks
            for message in reader.read(chunk)
        )

    return read


MIRROR: Final = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


def floor_of(frames: Sequence[bytes]) -> Reader:
    """Make a reader that knows where the numbers of these very frames are."""
    places = {len(frame): places_of(frame) for frame in frames}
    buffer = bytearray()

    def read(chunks: Iterable[bytes]) -> int:
        count = 0
        for chunk in chunks:
            buffer.extend(chunk)
            while len(buffer) > 2:
                length = (buffer[1] & 0x07) << 8 | buffer[2]
                if len(buffer) < length + 2:
                    break
                body = bytes(buffer[1 : length + 1])
                del buffer[: length + 2]
                if crc_hqx(body.translate(MIRROR), 0xFFFF) == 0x1D0F:
                    names, unpack = places[length + 2]
                    count += bool(dict(zip(names, unpack(body), strict=True)))
        return count

    return read


def places_of(frame: bytes) -> tuple[list[int], Callable[[bytes], tuple[int, ...]]]:
    """Find the numbers of 16 and 32 bits in a frame, with the decoder's help."""
    dlms = sys.modules["protocol.dlms"]
    start = frame.index(b"\xe6\xe7\x00\x0f") + 3
    found: list[tuple[int, str]] = []

    def visit(node: Any) -> None:
        if isinstance(node, dlms.Branch):
            for item in node.items:
                visit(item)
        elif node.tag in (0x06, 0x10, 0x12):
            found.append((node.start + start - 1, dlms.WHOLE_NUMBERS[node.tag]))

    visit(dlms.parse_notification(frame[start:-3]).body)
    layout, end = ">", 0
    for at, code in found:
        layout += f"{at - end}x{code}"
        end = at + struct.calcsize(code)
    return [at for at, _ in found], struct.Struct(layout).unpack_from


def measure(
    readers: dict[str, tuple[Reader, list[bytes]]], rounds: int, count: int
) -> dict[str, float]:
    """Give microseconds of CPU a message, of each reader, measured in turns."""
    times: dict[str, list[float]] = {name: [] for name in readers}
    for turn in range(rounds + 1):
        for name, (read, chunks) in readers.items():
            begin = time.process_time_ns()
            found = read(chunks)
            spent = time.process_time_ns() - begin
            if found != count:
                raise SystemExit(f"{name} found {found} of {count} messages")
            if turn:
                times[name].append(spent / count / 1000)
    return {name: median(spent) for name, spent in times.items()}


def run(names: Sequence[str], rounds: int) -> None:
    """Measure all cases and print a table."""
    from han.autodecoder import AutoDecoder  # type: ignore[import-not-found]  # noqa: PLC0415
    from han.dlde import ModeDReader  # type: ignore[import-not-found]  # noqa: PLC0415
    from han.hdlc import HdlcFrameReader  # type: ignore[import-not-found]  # noqa: PLC0415

    columns = (
        "floor",
        "ours",
        "amshan",
        "floor 4 B",
        "ours 4 B",
        "amshan 4 B",
        "first",
    )
    heads = (f"{name:>{14 if name in SCORED else 11}}" for name in columns)
    print(f"{'microseconds a message':28}{'bytes':>6}", *heads, sep="")
    print(f"{'(n x): amshan takes n times as long':34}")
    for title, meter, kind in CASES:
        if names and not any(name.lower() in title.lower() for name in names):
            continue
        whole = messages(meter, kind)
        pieces = [
            part
            for message in whole
            for part in (message[at : at + 4] for at in range(0, len(message), 4))
        ]
        text = whole[0][:1] == b"/"

        def peer(text: bool = text) -> Reader:
            return amshan(ModeDReader() if text else HdlcFrameReader(), AutoDecoder())

        readers = {
            "ours": (ours(), whole),
            "amshan": (peer(), whole),
            "first": (first, whole),
            "ours 4 B": (ours(), pieces),
            "amshan 4 B": (peer(), pieces),
        }
        if not text:
            readers["floor"] = (floor_of(whole), whole)
            readers["floor 4 B"] = (floor_of(whole), pieces)
        spent = measure(readers, rounds, len(whole))
        cells = [f"{title:28}{sum(map(len, whole)) // len(whole):>6}"]
        for name in columns:
            cell = "-" if name not in spent else f"{spent[name]:.1f}"
            if name in SCORED:
                against = "amshan 4 B" if name.endswith("4 B") else "amshan"
                cell += f" ({spent[against] / spent[name]:.0f} x)"
            cells.append(f"{cell:>14}" if name in SCORED else f"{cell:>11}")
        print("".join(cells), flush=True)


# --- The environment ---


def environment(folder: Path) -> Path:
    """Make an environment with the peer in it; give its Python."""
    python = folder / "bin" / "python"
    uv = [sys.executable, "-m", "uv", "--quiet"]
    subprocess.run([*uv, "venv", "--python", sys.executable, folder], check=True)
    subprocess.run([*uv, "pip", "install", "--python", python, *PACKAGES], check=True)
    return python


def main() -> int:
    """Run in an environment of its own; give the exit status."""
    parser = argparse.ArgumentParser(description="Time decoding against amshan.")
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("cases", nargs="*", metavar="CASE", help="part of a title")
    arguments = parser.parse_args()
    if INSIDE in os.environ:
        run(arguments.cases, arguments.rounds)
        return 0
    with tempfile.TemporaryDirectory(prefix="han-port-") as folder:
        python = environment(Path(folder) / "venv")
        # -P: the folder of this file is no place to import from.
        return subprocess.run(
            [python, "-P", __file__, *sys.argv[1:]],
            env=os.environ | {INSIDE: "1"},
            check=False,
        ).returncode


if __name__ == "__main__":
    sys.exit(main())
