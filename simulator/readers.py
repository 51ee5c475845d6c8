"""How do readers on MQTT hand on what a meter sends?"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
import json
from typing import Final
import zlib

from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion

from .meter import SimulatedMeter
from .serve import line_messages, tasks

BATCHES_AFTER: Final = 900  # seconds in which a Pulse sends each message by itself
BATCH_SECONDS: Final = 20  # of the meter in one container
TOPICS: Final = {
    "tibber-pulse": "$aws/tibber-pulse/1",
    "amsreader-hex": "amsreader",
    "amsreader-json": "amsreader",
    "energyintelligence": "esp32_a1b2c3",
    "raw": "meter",
}
READERS: Final = tuple(TOPICS)

# A topic, a payload, and whether the broker shall keep it
type Publication = tuple[str, bytes, bool]


def _varint(number: int) -> bytes:
    written = b""
    while number >= 0x80:
        written += bytes((number & 0x7F | 0x80,))
        number >>= 7
    return written + bytes((number,))


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def batch(entries: list[tuple[float, bytes]]) -> bytes:
    """Write the container of a Pulse for uptimes in seconds and messages.

    Telegrams are one deflate stream with a window of 2 KB, flushed after each; frames
    stay as they are.
    """
    stream = zlib.compressobj(5, wbits=11)
    written = bytes.fromhex("08DCD9021801")
    for uptime, data in entries:
        entry = b"\x09" + int(uptime * 1000).to_bytes(8, "little")
        if data.startswith(b"/"):
            packed = stream.compress(data) + stream.flush(zlib.Z_SYNC_FLUSH)
            entry += _field(2, b"P1") + _field(3, packed)
            entry += b"\x20" + _varint(len(data))
        else:
            entry += _field(2, b"HAN") + _field(3, data)
        written += _field(2, entry)
    return written


def body(frame: bytes) -> bytes | None:
    """Give the list alone in a plain frame, as amsreader repeats it."""
    llc, apdu = b"\xe6\xe7\x00\x0f", frame
    at = apdu.find(llc)
    if at < 0:
        return None
    at += len(llc) + 4
    at += 1 + (frame[at] if frame[at] == 12 else 0)
    return frame[at:-3]


class Reader:
    """One reader of a kind, on a topic; gives what it publishes for each message."""

    def __init__(self, kind: str, topic: str | None = None) -> None:
        """Take one of READERS."""
        self._kind = kind
        self.topic = topic or TOPICS[kind]
        self._kept: list[tuple[float, bytes]] = []
        if kind == "energyintelligence":
            self.topic += "/raw" if topic is None else ""
        self._data = self.topic + ("/data" if kind == "amsreader-json" else "")
        self.will = f"{self.topic}/status" if kind.startswith("amsreader") else None

    @property
    def listen_to(self) -> str:
        """The topic that carries the meter."""
        return self._data

    def hello(self, old: bytes) -> Iterator[Publication]:
        """Give what is there before the meter: what the broker kept from last year, too."""
        yield self._data, old, True
        if self.will:
            yield self.will, b"online", True
        if self._kind == "tibber-pulse":
            yield self.topic, b"Debug: Connected", False
            status = {"status": {"rssi": -60, "baud": 2400, "rxcnt": 0, "crcerr": 0}}
            yield self.topic, json.dumps(status).encode(), False

    def take(self, elapsed: float, frames: bytes) -> Iterator[Publication]:
        """Give what is published for a message that came `elapsed` s after the start."""
        match self._kind:
            case "amsreader-hex" | "amsreader-json":
                for data in (frames, body(frames)):
                    if data and data.startswith(b"/"):
                        yield self._data, data, False
                    elif data:
                        text = data.hex().upper()
                        if self._kind == "amsreader-json":
                            text = json.dumps({"data": text})
                        yield self._data, text.encode(), False
            case "tibber-pulse" if elapsed >= BATCHES_AFTER:
                self._kept.append((elapsed, frames))
                if elapsed - self._kept[0][0] >= BATCH_SECONDS:
                    yield self.topic, batch(self._kept), False
                    self._kept.clear()
            case "energyintelligence":
                yield self._data, frames, False
                base = self.topic.rpartition("/")[0]
                yield f"{base}/Energy/Active/Positive/value", b"1234.5", False
            case _:
                yield self._data, frames, False


@asynccontextmanager
async def serve_mqtt(
    meter: SimulatedMeter,
    host: str = "127.0.0.1",
    port: int = 1883,
    *,
    reader: str = "raw",
    topic: str | None = None,
    speed: float = 1.0,
    start: datetime | None = None,
) -> AsyncIterator[str]:
    """Publish to a broker while the context is open, and again when it was gone; yields the topic.

    OSError when there is no broker. When the context ends the broker publishes the last
    will of a reader that has one, as if the power had gone.
    """
    kind = Reader(reader, topic)
    client = Client(CallbackAPIVersion.VERSION2)
    client.reconnect_delay_set(1, 1)
    if kind.will:
        client.will_set(kind.will, b"offline", retain=True)
    await asyncio.get_running_loop().run_in_executor(None, client.connect, host, port)
    client.loop_start()

    def publish(publications: Iterator[Publication]) -> None:
        for name, payload, retain in publications:
            if client.is_connected():
                client.publish(name, payload, retain=retain)

    async def pump() -> None:
        while not client.is_connected():
            await asyncio.sleep(0.01)
        publish(kind.hello(meter.hour_list(start or datetime.now().astimezone())))
        async for elapsed, frames in line_messages(meter, speed, start):
            publish(kind.take(elapsed, frames))

    try:
        async with tasks() as begin:
            begin(pump())
            yield kind.listen_to
    finally:
        await asyncio.get_running_loop().run_in_executor(None, client.loop_stop)
        # Without a word, so that the last will is published
        if (connection := client.socket()) is not None:
            with suppress(OSError):
                connection.close()


def other_topics(count: int) -> Callable[[int], Publication]:
    """Give what other devices of a home publish: the n-th message, on `count` topics."""
    payloads = (
        b'{"temperature":21.5,"humidity":40}',
        b"ON",
        b"23.75",
        b"/dev/ttyUSB0",
        b"7ea0",
        b"\x7e\xa0\x00\x00" * 20,
        b"h\x10\x10h" + bytes(30),
        b'{"data":"00112233445566778899"}',
        bytes(range(256)),
    )
    return lambda number: (
        f"home/room{number % count}/{number % 7}",
        payloads[number % len(payloads)],
        number % 50 == 0,
    )
