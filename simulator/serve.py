"""How do the meter's bytes reach a reader: over TCP or a serial port that is none?"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from math import inf
import os
from pathlib import Path
from random import Random
import select
import socket
import struct
import tty

from .faults import Fault, Stage
from .meter import SimulatedMeter

QUEUE = 256  # pieces that wait for one slow reader before it is dropped
TICK = 0.05  # seconds between the pieces of a frame on a slow line
PTY_FAULTS = ("dribble", "stall", "down")
TELNET = bytes.fromhex("fffb01 fffb03 fffd00 fffb00")


class _Line:
    """The time of the meter, and its bytes at the pace of a serial line."""

    def __init__(
        self, meter: SimulatedMeter, speed: float, start: datetime | None
    ) -> None:
        self._meter = meter
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._zero = asyncio.get_running_loop().time()
        self._random = Random(f"{meter.seed} link")

    def elapsed(self) -> float:
        """Return the seconds of the meter since the start."""
        return (asyncio.get_running_loop().time() - self._zero) * self._speed

    def hour_list(self) -> bytes:
        """Return the newest hour list there can have been until now."""
        return self._meter.hour_list(self._start + timedelta(seconds=self.elapsed()))

    async def until(self, elapsed: float) -> None:
        await asyncio.sleep((elapsed - self.elapsed()) / self._speed)

    def faults(self, *names: str) -> list[Fault]:
        """Return the faults of these names that are at work now."""
        return [
            fault
            for fault in self._meter.faults
            if fault.name in names and fault.strikes(self.elapsed(), self._random)
        ]

    async def pump(self, send: Callable[[bytes], None]) -> None:
        """Call `send` with each piece when it has arrived over the line."""
        pace = self._meter.model.line_speed
        for when, frames in self._meter.messages(self._start):
            begun = (when - self._start).total_seconds()
            await self.until(begun)
            if self.faults("stall"):
                continue
            size = max(1, int(pace * TICK * self._speed))
            for fault in self.faults("dribble"):
                size = int(float(fault.value or 1))
            for at in range(0, len(frames), size):
                piece = frames[at : at + size]
                await self.until(begun + (at + len(piece)) / pace)
                send(piece)

    async def at_each(self, name: str, act: Callable[[], object]) -> None:
        """Call `act` when a fault `name` begins, and every `value` seconds in it."""
        async with asyncio.TaskGroup() as group:
            for fault in self._meter.faults:
                if fault.name == name:
                    group.create_task(self._at_each(fault, act))

    async def _at_each(self, fault: Fault, act: Callable[[], object]) -> None:
        now = fault.at
        while now < fault.at + fault.lasts:
            await self.until(now)
            act()
            if not isinstance(fault.value, float):
                return
            now += fault.value


class _Tcp:
    """A bridge with many readers, none of which can hold up another."""

    def __init__(self, line: _Line) -> None:
        self._line = line
        self._queues: dict[asyncio.StreamWriter, asyncio.Queue[bytes]] = {}
        self.tasks: set[asyncio.Task[None]] = set()

    def send(self, piece: bytes) -> None:
        """Queue `piece` for each reader; one that has fallen behind is dropped."""
        for writer, queue in list(self._queues.items()):
            if queue.full():
                del self._queues[writer]
                writer.transport.abort()
            else:
                queue.put_nowait(piece)

    def close(self) -> None:
        """Close all connections in good order."""
        for writer in self._queues:
            writer.close()

    def reset(self) -> None:
        """Close all connections with a TCP reset."""
        for writer in self._queues:
            connection = writer.get_extra_info("socket")
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            writer.transport.abort()

    def forget(self) -> None:
        """Send nothing more on the connections of now, and leave them open."""
        self._queues.clear()

    def connect(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Take a new connection."""
        task = asyncio.create_task(self._serve(reader, writer))
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    async def _serve(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError):
            try:
                await self._greet(reader, writer)
            finally:
                self._queues.pop(writer, None)
                writer.transport.abort()

    async def _greet(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        if self._line.faults("refuse"):
            return
        for fault in self._line.faults("banner", "busy"):
            writer.write(f"{fault.value}\r\n".encode())
            if fault.name == "busy":
                writer.close()
                await writer.wait_closed()
                return
        if self._line.faults("telnet"):
            writer.write(TELNET)
        if self._line.faults("hour-list-first"):
            writer.write(self._line.hour_list())
        queue = self._queues[writer] = asyncio.Queue(QUEUE)
        writing = asyncio.create_task(self._write(queue, writer))
        try:
            while await reader.read(1024):  # what a reader sends is not heard
                pass
        finally:
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    async def _write(
        self, queue: asyncio.Queue[bytes], writer: asyncio.StreamWriter
    ) -> None:
        while True:
            writer.write(await queue.get())
            await writer.drain()


@asynccontextmanager
async def serve_tcp(
    meter: SimulatedMeter,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    speed: float = 1.0,
    start: datetime | None = None,
) -> AsyncIterator[int]:
    """Let any number of readers connect while the context is open; yields the port.

    `start` (aware; now when left out) is the time of the meter at the beginning, from
    where it runs `speed` times as fast as ours. OSError when the port cannot be had.
    """
    line = _Line(meter, speed, start)
    tcp = _Tcp(line)
    server = await asyncio.start_server(tcp.connect, host, port)
    port = server.sockets[0].getsockname()[1]

    async def down(fault: Fault) -> None:
        nonlocal server
        await line.until(fault.at)
        server.close()
        tcp.close()
        if fault.lasts < inf:
            await line.until(fault.at + fault.lasts)
            server = await asyncio.start_server(tcp.connect, host, port)

    work = [
        line.pump(tcp.send),
        line.at_each("close", tcp.close),
        line.at_each("reset", tcp.reset),
        line.at_each("half-open", tcp.forget),
        *(down(fault) for fault in meter.faults if fault.name == "down"),
    ]
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield port
    finally:
        server.close()
        for task in (ending := [*tasks, *tcp.tasks]):
            task.cancel()
        for result in await asyncio.gather(*ending, return_exceptions=True):
            if isinstance(result, Exception):
                raise result


class _Pty:
    """A serial port with one end here; what nobody reads is lost, as on a real one."""

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self.path = ""
        self._master = -1

    def open(self) -> None:
        """Make the port appear."""
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(slave)
        os.close(slave)
        if self._link:
            self._link.unlink(missing_ok=True)
            self._link.symlink_to(self.path)
            self.path = str(self._link)

    def send(self, piece: bytes) -> None:
        """Write what fits, if somebody has the port open."""
        poll = select.poll()
        poll.register(self._master, select.POLLOUT)
        if self._master >= 0 and not poll.poll(0)[0][1] & select.POLLHUP:
            with suppress(BlockingIOError):
                os.write(self._master, piece)

    def close(self) -> None:
        """Make the port vanish, as if it was unplugged."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            if self._link:
                self._link.unlink(missing_ok=True)


@asynccontextmanager
async def serve_pty(
    meter: SimulatedMeter,
    link: Path | None = None,
    *,
    speed: float = 1.0,
    start: datetime | None = None,
) -> AsyncIterator[str]:
    """Be a serial port while the context is open; yields its path.

    With `link` the path is that of a symbolic link, which survives a fault that unplugs
    the port. ValueError for a fault that only TCP has.
    """
    line = _Line(meter, speed, start)
    pty = _Pty(link)
    for fault in meter.faults:
        if fault.kind.stage is Stage.LINK and fault.name not in PTY_FAULTS:
            raise ValueError(f"the fault {fault.name} needs a network")

    async def down(fault: Fault) -> None:
        await line.until(fault.at)
        pty.close()
        if fault.lasts < inf:
            await line.until(fault.at + fault.lasts)
            pty.open()

    pty.open()
    work = [
        line.pump(pty.send),
        *(down(fault) for fault in meter.faults if fault.name == "down"),
    ]
    tasks = [asyncio.create_task(each) for each in work]
    try:
        yield pty.path
    finally:
        for task in tasks:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        pty.close()
        for result in results:
            if isinstance(result, Exception):
                raise result
