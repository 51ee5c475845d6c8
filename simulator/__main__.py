"""Run a simulated meter from the command line."""

import argparse
import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
import signal
import sys

from . import ALIASES, FAULTS, MODELS, create, serve_pty, serve_tcp


def _arguments() -> argparse.Namespace:
    faults = "\n".join(
        f"  {name:17} {kind.text}"
        + (f" ({kind.value})" if kind.value is not None else "")
        for name, kind in FAULTS.items()
    )
    parser = argparse.ArgumentParser(
        prog="simulator",
        description="A simulated electricity meter.",
        epilog=f"meters:\n  {', '.join([*MODELS, *ALIASES])}\n\n"
        "faults, written NAME[:VALUE][,rate=0..1][,at=SECONDS][,for=SECONDS]:\n"
        + faults,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--meter", default="aidon-3p", metavar="NAME")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--tcp", default="127.0.0.1:4001", metavar="HOST:PORT", help="port 0: any"
    )
    where.add_argument(
        "--pty", nargs="?", const="", metavar="LINK", help="a serial port"
    )
    parser.add_argument(
        "--speed", type=float, default=1.0, help="times faster than real time"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="another house, another meter id"
    )
    parser.add_argument(
        "--start", metavar="ISO", help="time of the meter at the beginning"
    )
    parser.add_argument(
        "--hour-offset", type=float, metavar="SECONDS", help="of the hour list"
    )
    parser.add_argument(
        "--fault", action="append", default=[], metavar="NAME[:VALUE]..."
    )
    return parser.parse_args()


async def _run(arguments: argparse.Namespace) -> None:
    meter = create(
        arguments.meter,
        seed=arguments.seed,
        hour_offset=arguments.hour_offset,
        faults=arguments.fault,
    )
    start = None
    if arguments.start:
        start = datetime.fromisoformat(arguments.start).astimezone()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    if (cipher := meter.model.cipher) and cipher.control & 0x10:
        print(f"authentication key {meter.authentication_key.hex()}")
    if cipher:
        print(f"encryption key {meter.encryption_key.hex()}")
    said = f"{arguments.meter} {meter.id.rstrip(chr(0))} on "
    if arguments.pty is not None:
        link = Path(arguments.pty) if arguments.pty else None
        async with serve_pty(meter, link, speed=arguments.speed, start=start) as path:
            print(said + path, flush=True)
            await stop.wait()
        return
    host, colon, port = arguments.tcp.rpartition(":")
    host = host.strip("[]")
    if not colon or not port.isdecimal():
        raise ValueError(f"{arguments.tcp!r} is not HOST:PORT")
    async with serve_tcp(
        meter, host, int(port), speed=arguments.speed, start=start
    ) as bound:
        print(f"{said}{host}:{bound}", flush=True)
        await stop.wait()


def main() -> int:
    """Serve until interrupted; one sentence and exit code 1 for what cannot be done."""
    with suppress(KeyboardInterrupt):
        try:
            asyncio.run(_run(_arguments()))
        except (OSError, ValueError) as error:
            print(error, file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
