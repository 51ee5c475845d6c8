"""How do the meter's bytes reach a reader: over TCP or a serial port that is none?"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
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
from typing import Any

from .faults import Fault, Stage
from .meter import SimulatedMeter

QUEUE = 256  # pieces that wait for one slow reader before it is dropped
TICK = 0.05  # seconds between the pieces of a frame on a slow line
PTY_FAULTS = ("dribble", "stall", "down")
TELNET = bytes.fromhex("fffb01 fffb03 fffd00 fffb00")


type _Begin = Callable[[Coroutine[Any, Any, None]], object]


@asynccontextmanager
async def tasks() -> AsyncIterator[_Begin]:
    """Give what begins a task; all of them end with the context, and it with any that fails.

    A failure of the body stays as it is, unlike in a TaskGroup.
    """
    body = asyncio.current_task()
    tasks: set[asyncio.Task[None]] = set()
    failed: list[BaseException] = []

    def ended(task: asyncio.Task[None]) -> None:
        tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            failed.append(error)
            if body:
                body.cancel()

    def begin(work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        tasks.add(task)
        task.add_done_callback(ended)

    try:
        yield begin
    except asyncio.CancelledError:
        if failed and body:
            body.uncancel()
            raise failed[0] from None
        raise
    finally:
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class _Line:
    """The time of the meter, and its bytes at the pace of a serial line."""

    def __init__(
        self, meter: SimulatedMeter, speed: float, start: datetime | None
    ) -> None:
        self._meter = meter
        self._speed = speed
        self._start = start or datetime.now(UTC)
        self._messages = meter.messages(self._start)
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

    def messages(self) -> Iterator[tuple[float, bytes]]:
        """Yield what the meter sends, with the seconds since the start when it begins to."""
        for when, frames in self._messages:
            yield (when - self._start).total_seconds(), frames

    def all_faults(self, name: str) -> list[Fault]:
        """Return the faults of this name, whenever they are at work."""
        return [fault for fault in self._meter.faults if fault.name == name]

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
        for begun, frames in self.messages():
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

    def at_each(self, begin: _Begin, name: str, act: Callable[[], object]) -> None:
        """Begin to call `act` when a fault `name` begins, and every `value` seconds in it."""
        for fault in self.all_faults(name):
            begin(self._at_each(fault, act))

    async def _at_each(self, fault: Fault, act: Callable[[], object]) -> None:
        now = fault.at
        while now < fault.at + fault.lasts:
            await self.until(now)
            act()
            if not isinstance(fault.value, float):
                return
            now += fault.value


async def line_messages(
    meter: SimulatedMeter, speed: float = 1.0, start: datetime | None = None
) -> AsyncIterator[tuple[float, bytes]]:
    """Yield each message when it is due, with the seconds of the meter since the start."""
    line = _Line(meter, speed, start)
    for elapsed, frames in line.messages():
        await line.until(elapsed)
        if not line.faults("stall"):
            yield elapsed, frames


class _Tcp:
    """A bridge with many readers, none of which can hold up another."""

    def __init__(self, line: _Line, begin: _Begin) -> None:
        self._line = line
        self._begin = begin
        self._queues: dict[asyncio.StreamWriter, asyncio.Queue[bytes]] = {}

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
        self._begin(self._serve(reader, writer))

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
        if self._line.faults("one-reader"):
            self.close()
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
    async with tasks() as begin:
        line = _Line(meter, speed, start)
        tcp = _Tcp(line, begin)
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

        begin(line.pump(tcp.send))
        line.at_each(begin, "close", tcp.close)
        line.at_each(begin, "reset", tcp.reset)
        line.at_each(begin, "half-open", tcp.forget)
        for fault in line.all_faults("down"):
            begin(down(fault))
        try:
            yield port
        finally:
            server.close()


class _Pty:
    """A serial port with one end here; what nobody reads is lost, as on a real one."""

    def __init__(self, link: Path | None) -> None:
        self._link = link
        self.path = ""
        self._master = -1

    def open(self) -> None:
        """Make the port appear; FileExistsError when the link would replace a file."""
        if self._link and self._link.is_symlink():
            self._link.unlink()
        self._master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(slave)
        os.close(slave)
        if self._link:
            self._link.symlink_to(self.path)
            self.path = str(self._link)

    def send(self, piece: bytes) -> None:
        """Write what fits, if somebody has the port open."""
        if self._master < 0:
            return
        poll = select.poll()
        poll.register(self._master, select.POLLOUT)
        if [events for _, events in poll.poll(0)] == [select.POLLOUT]:
            with suppress(BlockingIOError):
                os.write(self._master, piece)

    def close(self) -> None:
        """Make the port vanish, as if it was unplugged."""
        if self._master >= 0:
            os.close(self._master)
            self._master = -1
            if self._link:
                self._link.unlink(missing_ok=True)  # it is ours


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
    for fault in meter.faults:
        if fault.kind.stage is Stage.LINK and fault.name not in PTY_FAULTS:
            raise ValueError(f"the fault {fault.name} needs a network")
    line = _Line(meter, speed, start)
    pty = _Pty(link)

    async def down(fault: Fault) -> None:
        await line.until(fault.at)
        pty.close()
        if fault.lasts < inf:
            await line.until(fault.at + fault.lasts)
            pty.open()

    pty.open()
    try:
        async with tasks() as begin:
            begin(line.pump(pty.send))
            for fault in line.all_faults("down"):
                begin(down(fault))
            yield pty.path
    finally:
        pty.close()
