"""How the bytes reach a reader: over TCP and a serial port, well and not so well."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
import os
from pathlib import Path
import socket
from unittest.mock import patch

import pytest

from simulator import create, serve_pty, serve_tcp
from simulator.faults import FAULTS, Stage
from simulator.serve import PTY_FAULTS, TELNET, _Line

START = datetime(2026, 3, 27, 6, 30, tzinfo=UTC)
PATIENCE = 20.0  # seconds until a test that hangs fails; none waits for it

pytestmark = pytest.mark.usefixtures("socket_enabled")

type Reader = tuple[asyncio.StreamReader, asyncio.StreamWriter]


def whole(name: str = "aidon-3p", count: int = 2000) -> bytes:
    """Return the first messages of a meter without faults, in one piece."""
    messages = create(name).messages(START)
    return b"".join(frame for _, frame in islice(messages, count))


WHOLE = whole()


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Reader]:
    """Be one reader while the context is open."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()


async def take(reader: asyncio.StreamReader, count: int) -> bytes:
    """Return the next `count` bytes."""
    async with asyncio.timeout(PATIENCE):
        return await reader.readexactly(count)


async def rest(reader: asyncio.StreamReader) -> bytes:
    """Return all bytes until the other side closes."""
    async with asyncio.timeout(PATIENCE):
        return await reader.read()


async def read_pty(port: int, count: int) -> bytes:
    """Return the next `count` bytes of an open serial port."""
    received = b""
    async with asyncio.timeout(PATIENCE):
        while len(received) < count:
            with suppress(BlockingIOError):
                piece = os.read(port, count - len(received))
                if not piece:
                    raise OSError("unplugged")
                received += piece
            await asyncio.sleep(0.001)
    return received


@asynccontextmanager
async def opened(path: str) -> AsyncIterator[int]:
    """Have a serial port open without waiting for anything."""
    port = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    try:
        yield port
    finally:
        os.close(port)


async def test_many_readers() -> None:
    """Twenty readers at once, come at different times, all get what the meter sends."""
    async with serve_tcp(create("aidon-3p"), speed=500, start=START) as port:
        assert port > 0

        async def read(number: int) -> bytes:
            await asyncio.sleep(number * 0.005)
            async with connected(port) as (reader, _):
                return await take(reader, 3000)

        received = await asyncio.gather(*(read(number) for number in range(20)))
    assert all(each in WHOLE for each in received)


async def test_readers_hear_the_same() -> None:
    """Two readers that are there from the beginning get the same bytes from the first on."""
    start = START + timedelta(seconds=0.1)  # so that the first list is some time off
    async with (
        serve_tcp(create("aidon-3p"), speed=20, start=start) as port,
        connected(port) as (one, _),
        connected(port) as (other, _),
    ):
        first, second = await asyncio.gather(take(one, 400), take(other, 400))
    expected = b"".join(
        frame for _, frame in islice(create("aidon-3p").messages(start), 10)
    )
    assert first == second == expected[:400]


@pytest.mark.parametrize("name", ["kamstrup-dk", "dsmr5", "iskra-ch"])
async def test_other_families(name: str) -> None:
    """What arrives of any family is what the meter sends, ciphertext too."""
    async with (
        serve_tcp(create(name), speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        assert await take(reader, 2000) in whole(name, 400)


async def test_given_port_and_address_in_use() -> None:
    """The port is the one asked for; two meters cannot have the same."""
    async with serve_tcp(create("aidon-3p"), start=START) as port:
        with pytest.raises(OSError, match="address already in use"):
            async with serve_tcp(create("kaifa-3p"), port=port):
                pass
    async with serve_tcp(create("kaifa-3p"), port=port, start=START) as again:
        assert again == port


async def test_closing_lets_go() -> None:
    """When the context closes readers see the end, and nobody listens any more."""
    async with serve_tcp(create("aidon-3p"), speed=100, start=START) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await take(reader, 100)
    with suppress(ConnectionResetError):
        await rest(reader)
    assert reader.at_eof() or reader.exception()
    writer.transport.abort()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_slow_reader_stops_nobody() -> None:
    """A reader that does not read is dropped in the end; another misses no byte."""
    meter = create("kamstrup-3p", faults=["garbage:30000"])  # fills all buffers soon
    sent = b"".join(frame for _, frame in islice(meter.messages(START), 700))
    loop = asyncio.get_running_loop()
    with socket.socket() as lazy:
        lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        lazy.setblocking(False)
        async with serve_tcp(meter, speed=20_000, start=START) as port:
            await loop.sock_connect(lazy, ("127.0.0.1", port))
            async with connected(port) as (reader, _):
                received = await take(reader, 18_000_000)
            heard = 0
            with suppress(ConnectionResetError):
                async with asyncio.timeout(PATIENCE):
                    while piece := await loop.sock_recv(lazy, 65536):
                        heard += len(piece)
    assert received in sent
    assert heard < len(received)


async def test_reader_that_talks_or_goes() -> None:
    """What readers send is not heard, and one that goes away disturbs nobody."""
    async with (
        serve_tcp(create("aidon-3p"), speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        for _ in range(30):
            async with connected(port) as (_, writer):
                writer.write(b"AT\r\n" * 100)
                await writer.drain()
        assert await take(reader, 2000) in WHOLE


async def test_pace_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece is sent when a line of that speed has carried its last byte."""
    meter = create("aidon-3p")
    now = 0.0

    async def until(_: object, elapsed: float) -> None:
        nonlocal now
        now = elapsed
        await asyncio.sleep(0)

    monkeypatch.setattr(_Line, "until", until)
    arrived: list[tuple[float, int]] = []
    line = _Line(meter, 10, START)
    pumping = asyncio.create_task(
        line.pump(lambda piece: arrived.append((now, len(piece))))
    )
    while len(arrived) < 8:
        await asyncio.sleep(0)
    pumping.cancel()
    pace = 2400 // 11  # bytes a second: a start bit, eight, and two to stop
    expected = []
    for when, frame in islice(meter.messages(START), 8):
        begun = (when - START).total_seconds()
        for at in range(0, len(frame), pace // 2):  # in half a second of the meter
            end = min(at + pace // 2, len(frame))
            expected.append((begun + end / pace, end - at))
    assert [size for _, size in arrived[:8]] == [size for _, size in expected[:8]]
    assert [at for at, _ in arrived[:8]] == pytest.approx(
        [at for at, _ in expected[:8]]
    )


async def test_speed() -> None:
    """At speed 100 the meter's time goes a hundred times as fast as ours."""
    line = _Line(create("aidon-3p"), 100, START)
    loop = asyncio.get_running_loop()
    before = loop.time()
    await line.until(5)
    assert line.elapsed() >= 5
    assert loop.time() - before >= 0.0499
    assert line.elapsed() == pytest.approx((loop.time() - before) * 100, abs=1)


async def test_bad_start() -> None:
    """A time at which no meter counts is refused before anything listens."""
    long_ago = datetime(1999, 1, 1, tzinfo=UTC)
    with pytest.raises(ValueError, match="the meter counts from 2020 to 2099, not in"):
        async with serve_tcp(create("aidon-3p"), start=long_ago):
            pass


async def test_stall() -> None:
    """A stalled meter is connected and silent; then it goes on with the list of then."""
    meter = create("aidon-3p", faults=["stall,for=60"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        received = await take(reader, 500)
    after = START + timedelta(seconds=60)
    later = b"".join(frame for _, frame in islice(meter.messages(after), 500))
    assert received in later


async def test_dribble() -> None:
    """With dribble the bytes come one at a time, or as many as its value says."""
    for fault, size in (("dribble", 1), ("dribble:3", 3)):
        line = _Line(create("aidon-3p", faults=[fault]), 1e6, START)
        pieces: list[bytes] = []
        pumping = asyncio.create_task(line.pump(pieces.append))
        async with asyncio.timeout(PATIENCE):
            while len(pieces) < 400:
                await asyncio.sleep(0)
        pumping.cancel()
        assert b"".join(pieces) == WHOLE[: len(b"".join(pieces))]
        assert max(map(len, pieces)) == size


async def test_close() -> None:
    """Connections are closed in good order, again and again, and others are let in."""
    meter = create("aidon-3p", faults=["close:20,at=20"])
    async with serve_tcp(meter, speed=200, start=START) as port:
        for _ in range(3):
            async with connected(port) as (reader, _):
                assert await rest(reader) in WHOLE


async def test_reset() -> None:
    """Connections are reset: the reader gets an error, not an end."""
    meter = create("aidon-3p", faults=["reset:20,at=20"])
    async with serve_tcp(meter, speed=200, start=START) as port:
        for _ in range(2):
            async with connected(port) as (reader, _):
                with pytest.raises(ConnectionResetError):
                    await rest(reader)


async def test_half_open() -> None:
    """The connections of that instant stay open and silent; a new one is served."""
    meter = create("aidon-3p", faults=["half-open,at=20"])
    limit = len(whole(count=100))  # of four minutes: without the fault it never pauses
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (old, _),
    ):
        received = b""
        with suppress(TimeoutError):
            while len(received) < limit:
                async with asyncio.timeout(0.5):  # forty lists of the meter
                    piece = await old.read(4096)
                assert piece
                received += piece
        assert len(received) < limit
        assert received in WHOLE
        async with connected(port) as (new, _):
            assert await take(new, 500) in WHOLE
        assert not old.at_eof()


async def test_refuse() -> None:
    """New connections are closed at once, without a byte."""
    meter = create("aidon-3p", faults=["refuse"])
    async with serve_tcp(meter, speed=200, start=START) as port:
        for _ in range(3):
            async with connected(port) as (reader, _):
                received = b""
                with suppress(ConnectionResetError):
                    received = await rest(reader)
                assert received == b""


async def test_down() -> None:
    """Nobody listens for a while, readers are cut off, and then all is well again."""
    meter = create("aidon-3p", faults=["down,at=20,for=150"])
    async with serve_tcp(meter, speed=200, start=START) as port:
        async with connected(port) as (reader, _):
            assert await rest(reader) in WHOLE
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(PATIENCE):
            while True:
                with suppress(ConnectionRefusedError):
                    async with connected(port) as (reader, _):
                        assert await take(reader, 500) in WHOLE
                    break
                await asyncio.sleep(0.01)


async def test_banner() -> None:
    """A bridge says its name first."""
    meter = create("aidon-3p", faults=["banner:Welcome"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        assert await take(reader, 9) == b"Welcome\r\n"
        assert await take(reader, 500) in WHOLE


async def test_busy() -> None:
    """A bridge that has a reader says so, and closes."""
    meter = create("aidon-3p", faults=["busy"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        assert await rest(reader) == b"Port already in use\r\n"


async def test_one_reader() -> None:
    """A bridge that has room for one reader lets the new one in and closes the old one."""
    meter = create("aidon-3p", faults=["one-reader"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (first, _),
    ):
        received = await take(first, 500)
        async with connected(port) as (second, _):
            received += await rest(first)
            assert received in WHOLE
            assert await take(second, 500) in WHOLE


async def test_telnet() -> None:
    """A bridge negotiates telnet first: will echo, go-ahead, do both and will binary."""
    assert TELNET.hex() == "fffb01fffb03fffd00fffb00"
    meter = create("aidon-3p", faults=["telnet"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        assert await take(reader, len(TELNET)) == TELNET
        assert await take(reader, 500) in WHOLE


async def test_hour_list_first() -> None:
    """A new connection gets the last hour list again, an hour that is long over."""
    meter = create("aidon-3p", faults=["hour-list-first"])
    expected = meter.message(START.replace(minute=0, second=10), 3)
    async with (
        serve_tcp(meter, speed=100, start=START) as port,
        connected(port) as (reader, _),
    ):
        assert await take(reader, len(expected)) == expected
        assert await take(reader, 500) in WHOLE


def test_each_link_fault_is_tested() -> None:
    """No fault of the connection is without a test here."""
    tests = {name.removeprefix("test_").replace("_", "-") for name in globals()}
    link = {name for name, kind in FAULTS.items() if kind.stage is Stage.LINK}
    assert link <= tests
    assert set(PTY_FAULTS) <= link


async def test_line_faults_reach_the_reader() -> None:
    """Faults of the bytes are those of the messages: twice is twice."""
    meter = create("aidon-3p", faults=["hex"])
    async with (
        serve_tcp(meter, speed=200, start=START) as port,
        connected(port) as (reader, _),
    ):
        received = await take(reader, 1000)
    frames = islice(create("aidon-3p").messages(START), 200)
    assert received in b"".join(
        frame.hex().upper().encode() + b"\r\n" for _, frame in frames
    )


async def test_pty() -> None:
    """A serial port gives the bytes as they are, carriage returns and all."""
    async with serve_pty(create("dsmr5"), speed=200, start=START) as path:
        assert path.startswith("/dev/")
        async with opened(path) as port:
            received = await read_pty(port, 1500)
    assert received in whole("dsmr5", 600)


async def test_pty_that_nobody_reads() -> None:
    """What comes while nobody reads is lost, and does not come late in one heap."""
    async with serve_pty(create("aidon-3p"), speed=2000, start=START) as path:
        await asyncio.sleep(0.2)  # 400 s of the meter
        async with opened(path) as port:
            received = await read_pty(port, 500)
    assert len(received) == 500
    assert not WHOLE.startswith(received)


async def test_pty_link(tmp_path: Path) -> None:
    """The link leads to the port, takes the place of an old one, and goes with it."""
    link = tmp_path / "meter"
    link.symlink_to("/dev/nothing")
    async with serve_pty(create("aidon-3p"), link, speed=200, start=START) as path:
        assert path == str(link)
        async with opened(path) as port:
            assert await read_pty(port, 500) in WHOLE
    assert not link.is_symlink()


async def test_pty_keeps_files(tmp_path: Path) -> None:
    """The link never takes the place of what is not a link."""
    file = tmp_path / "meter"
    file.write_text("mine")
    with pytest.raises(FileExistsError):
        async with serve_pty(create("aidon-3p"), file, start=START):
            pass
    assert file.read_text() == "mine"


async def test_pty_down(tmp_path: Path) -> None:
    """The port vanishes like an unplugged one, and comes back under its link."""
    meter = create("aidon-3p", faults=["down,at=20,for=60"])
    link = tmp_path / "meter"
    async with serve_pty(meter, link, speed=200, start=START) as path:
        async with opened(path) as port:
            with pytest.raises(OSError, match="unplugged"):
                await read_pty(port, 10_000)
        assert not link.exists()
        async with asyncio.timeout(PATIENCE):
            while not link.exists():
                await asyncio.sleep(0.01)
        async with opened(path) as port:
            assert await read_pty(port, 500) in WHOLE


@pytest.mark.parametrize(
    "name",
    sorted(
        name
        for name, kind in FAULTS.items()
        if kind.stage is Stage.LINK and name not in PTY_FAULTS
    ),
)
async def test_pty_has_no_network(name: str) -> None:
    """What can go wrong only in a network is refused for a serial port."""
    meter = create("aidon-3p", faults=[name])
    with pytest.raises(ValueError, match=f"the fault {name} needs a network"):
        async with serve_pty(meter, start=START):
            pass


async def test_failure_of_the_body_stays() -> None:
    """What goes wrong inside the context comes out as it is, and the port is free."""
    with pytest.raises(KeyError, match="mine"):
        async with serve_tcp(create("aidon-3p"), start=START) as port:
            raise KeyError("mine")
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_meter_that_breaks() -> None:
    """A meter that cannot go on ends what waits for it, with its own error."""
    meter = create("aidon")

    def broken(_start: datetime) -> Iterator[tuple[datetime, bytes]]:
        yield START, b"the only one"
        raise RuntimeError("no more lists")

    with (
        patch.object(meter, "messages", broken),
        pytest.raises(RuntimeError, match="no more lists"),
    ):
        async with serve_tcp(meter, start=START):
            await asyncio.Event().wait()
    task = asyncio.current_task()
    assert task
    assert task.cancelling() == 0
