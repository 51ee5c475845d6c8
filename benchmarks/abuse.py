"""Does hostile input cost more than its length, in time or in memory?

    .venv/bin/python benchmarks/abuse.py

Feeds 1 MB and 4 MB of what is meant to hurt, in chunks as a network gives them. Shown are
seconds of CPU for 1 MB, how many times as much a byte costs in 4 MB (1 is linear), the most
bytes that were kept waiting, and the outcomes for 1 MB.
"""

import importlib.util
from pathlib import Path
import random
import sys
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from custom_components.han_port import protocol
else:
    # By file location, so that Home Assistant is not imported with it.
    _folder = (
        Path(__file__).resolve().parents[1] / "custom_components/han_port/protocol"
    )
    _spec = importlib.util.spec_from_file_location("protocol", _folder / "__init__.py")
    protocol = importlib.util.module_from_spec(_spec)
    sys.modules["protocol"] = protocol
    _spec.loader.exec_module(protocol)

MEGABYTE: Final = 1 << 20
CHUNK: Final = 4096
INPUTS: Final = {
    "flags (7E)": b"\x7e",
    "claims of 2 KB (7E A7 FD)": b"\x7e\xa7\xfd",
    "M-Bus starts (68)": b"\x68",
    "M-Bus headers": b"\x68\xfa\xfa\x68",
    "P1 starts (/)": b"/",
    "lines of P1": b"1-0:1.8.0(000001.000*kWh)\r\n",
    "ciphered starts (DB 08)": b"\xdb\x08SAG",
    "line feeds": b"\r\n",
    "zeros": b"\0",
}


def feed(data: bytes) -> tuple[float, int, int]:
    """Give seconds of CPU, the most bytes waiting, and the number of outcomes."""
    decoder = protocol.Decoder()
    waiting = outcomes = 0
    begin = time.process_time()
    for at in range(0, len(data), CHUNK):
        outcomes += len(decoder.feed(data[at : at + CHUNK]))
        waiting = max(waiting, len(decoder._buffer))  # noqa: SLF001
    return time.process_time() - begin, waiting, outcomes


def main() -> None:
    """Print a line for each input."""
    print(f"{'input':<28}{'s / MB':>8}{'4 MB':>8}{'waiting':>9}{'outcomes':>10}")
    noise = random.Random(1)
    cases = {name: part * (MEGABYTE // len(part)) for name, part in INPUTS.items()}
    cases["a telegram without end"] = b"/AAA5\r\n\r\n" + cases["lines of P1"]
    cases["random"] = noise.randbytes(MEGABYTE)
    for name, data in cases.items():
        seconds, waiting, outcomes = feed(data)
        longer, *_ = feed(data * 4)
        ratio = longer / 4 / seconds
        print(f"{name:<28}{seconds:>8.2f}{ratio:>6.1f} x{waiting:>9}{outcomes:>10}")


if __name__ == "__main__":
    main()
