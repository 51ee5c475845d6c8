"""Run a simulated meter from the command line."""

import argparse
import asyncio
from contextlib import suppress
from datetime import datetime
from pathlib import Path
import signal
import sys

from . import ALIASES, FAULTS, MODELS, create, serve_pty, serve_tcp
from .readers import READERS, serve_mqtt

FASTEST = 1e6  # times real time; beyond, hours of messages pile up in every instant


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
        exit_on_error=False,
    )
    parser.add_argument("--meter", default="aidon-3p", metavar="NAME")
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--tcp", default="127.0.0.1:4001", metavar="HOST:PORT", help="port 0: any"
    )
    where.add_argument(
        "--pty", nargs="?", const="", metavar="LINK", help="a serial port"
    )
    where.add_argument(
        "--mqtt", metavar="HOST:PORT", help="a broker, through a --reader"
    )
    parser.add_argument("--reader", default="raw", choices=READERS)
    parser.add_argument("--topic", help="another than the usual one of the reader")
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


def _time(text: str) -> datetime:
    """Return the time written as `text`, local where it says no offset."""
    try:
        when = datetime.fromisoformat(text)
        return when if when.tzinfo else when.astimezone()
    except ValueError, OverflowError:
        raise ValueError(
            f"{text!r} is not a time such as 2026-03-29T01:59:50"
        ) from None


def _address(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 0xFFFF:
        raise ValueError(f"{text!r} is not HOST:PORT")
    return host.strip("[]"), int(port)


async def _run(arguments: argparse.Namespace) -> None:
    speed = arguments.speed
    if not 0 < speed <= FASTEST:
        raise ValueError(f"the speed {speed:g} is not above 0 and at most {FASTEST:g}")
    meter = create(
        arguments.meter,
        seed=arguments.seed,
        hour_offset=arguments.hour_offset,
        faults=arguments.fault,
    )
    start = None
    if arguments.start:
        start = _time(arguments.start)
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
        async with serve_pty(meter, link, speed=speed, start=start) as path:
            print(said + path, flush=True)
            await stop.wait()
        return
    if arguments.mqtt is not None:
        host, port = _address(arguments.mqtt)
        async with serve_mqtt(
            meter,
            host,
            port,
            reader=arguments.reader,
            topic=arguments.topic,
            speed=speed,
            start=start,
        ) as topic:
            print(f"{said}{topic} at {host}:{port}", flush=True)
            await stop.wait()
        return
    host, port = _address(arguments.tcp)
    async with serve_tcp(meter, host, port, speed=speed, start=start) as bound:
        print(f"{said}{host}:{bound}", flush=True)
        await stop.wait()


def main() -> int:
    """Serve until interrupted.

    One sentence for what cannot be: exit code 2 for what is wrong with the arguments, 1
    for what the system refuses.
    """
    with suppress(KeyboardInterrupt):
        try:
            arguments = _arguments()
            asyncio.run(_run(arguments))
        except (argparse.ArgumentError, ValueError) as error:
            print(error, file=sys.stderr)
            return 2
        except OSError as error:
            where = arguments.mqtt or (
                arguments.tcp if arguments.pty is None else "a serial port"
            )
            print(f"cannot be on {where}: {error.strerror or error}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
