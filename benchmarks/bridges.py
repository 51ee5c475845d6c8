"""What sends meters' messages over TCP while home.py measures? A process of its own.

    python benchmarks/bridges.py METERS [lively | MODEL]

Has a port for each of so many simulated meters: Aidons, or all with the telegrams of one
meter of another model. Takes a JSON object a line on its
standard input, and answers each with one line:

    {"do": "send", "first": 0, "meters": 1, "kind": null, "count": 50, "pause": 0.02, "damaged": false}
    {"do": "burst", "meter": 0, "kind": 2, "count": 200}
    {"do": "down", "meter": 0} {"do": "up", "meter": 0}

`send` gives the seconds, by the clock that processes share, at which each message was handed
to the system; `kind` null is the mix of the wire, three short lists to one long.
"""

import asyncio
from datetime import UTC, datetime, timedelta
from itertools import cycle
import json
from pathlib import Path
from random import Random
import sys
import time
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from simulator import create

MESSAGES = 120
METER = create("aidon-3p", seed=1)
START = datetime.now(UTC).replace(minute=1)
# To work out what is used in a house takes long, so all meters are in one, at other times.
HOUSE = [
    METER.values(METER.moment(START + timedelta(seconds=2.5 * number), 2))
    for number in range(5 * MESSAGES)
]


class Bridge:
    """One port with one meter."""

    def __init__(self, meter_id: str, frames: dict[int | None, list[bytes]]) -> None:
        """Take what the meter sends, by kind of list, None for the mix of the wire."""
        self.id = meter_id
        self._frames = {kind: cycle(each) for kind, each in frames.items()}
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self.port = 0

    async def open(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(
            self._connected, "127.0.0.1", self.port
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Reset all connections, and listen no more."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    def send(self, kind: int | None, count: int = 1, *, damaged: bool = False) -> None:
        """Send the next messages at once, or with a bit of the last one's value wrong."""
        data = bytearray().join(next(self._frames[kind]) for _ in range(count))
        if damaged:
            data[-10] ^= 1
        for writer in self._writers:
            writer.write(data)

    async def _connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        self._writers.add(writer)
        try:
            await reader.read()
        except OSError:
            pass
        finally:
            self._writers.discard(writer)


def aidon(seed: int, *, lively: bool) -> Bridge:
    """Make a meter of Aidon; say whether all its values always change.

    In a house most do not; in a benchmark each message is to be seen.
    """
    meter_id, noise, frames = create("aidon-3p", seed=seed).id, Random(seed), []
    # Three short lists to one long, as on the wire, from anywhere in the house's day
    first = noise.randrange(len(HOUSE))
    for number in range(MESSAGES):
        values: dict[str, Any] = {
            **HOUSE[(first + number) % len(HOUSE)],
            "meter_id": meter_id,
        }
        if lively:
            # Up and down past 2 kW, in the lists of each kind
            low = 2500 if number // 4 % 2 else 500
            values["active_power_import"] = low + noise.randrange(1500)
            for phase in ("l1", "l2", "l3"):
                values[f"voltage_{phase}"] = 230 + noise.randrange(50) / 10
                values[f"current_{phase}"] = noise.randrange(160) / 10
        kind = 1 if number % 4 else 2
        frames.append(METER.model.layout.frames(kind, values, START))
    short = [*frames[1::4], *frames[2::4], *frames[3::4]]
    return Bridge(meter_id, {None: frames, 1: short, 2: frames[::4]})


def other(model: str) -> Bridge:
    """Make a meter that sends telegrams of one kind."""
    meter = create(model, seed=1)
    # An evening in winter, when the power is never 0
    evening = START.replace(month=1, day=15, hour=20)
    messages = meter.messages(evening, evening + timedelta(hours=1))
    frames = [frame for _, frame in messages]
    return Bridge(meter.id, {None: frames[:: len(frames) // MESSAGES]})


async def send(
    bridges: list[Bridge], kind: int | None, count: int, pause: float, damaged: bool
) -> list[float]:
    """Send from all in turn, evenly over each pause; give when."""
    sent = []
    begin = time.monotonic() + 0.01
    step = pause / len(bridges)
    for number in range(count):
        for place, bridge in enumerate(bridges):
            due = begin + number * pause + place * step
            if (left := due - time.monotonic()) > 0:
                await asyncio.sleep(left)
            sent.append(time.monotonic())
            bridge.send(kind, damaged=damaged)
    await asyncio.sleep(pause)
    return sent


async def do(bridges: list[Bridge], order: dict[str, Any]) -> object:
    """Do as told."""
    match order["do"]:
        case "send":
            chosen = bridges[order["first"] : order["first"] + order["meters"]]
            return await send(
                chosen, order["kind"], order["count"], order["pause"], order["damaged"]
            )
        case "burst":
            bridges[order["meter"]].send(order["kind"], order["count"])
        case "down":
            await bridges[order["meter"]].close()
        case "up":
            await bridges[order["meter"]].open()
    return time.monotonic()


async def main(count: int, how: str) -> None:
    """Do what the lines say until there are no more."""
    bridges = [
        aidon(seed, lively=bool(how)) if how in ("", "lively") else other(how)
        for seed in range(1, count + 1)
    ]
    for bridge in bridges:
        await bridge.open()
    print(json.dumps([(bridge.port, bridge.id) for bridge in bridges]), flush=True)
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        print(json.dumps(await do(bridges, json.loads(line))), flush=True)


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), "".join(sys.argv[2:])))
