"""How do messages of a reader come from MQTT? The same iterator, over one topic.

The broker is that of Home Assistant's own MQTT integration, which subscribes again by
itself when the broker was gone: nothing is closed and opened meanwhile.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final, Self

import probatio as vol

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .protocol import Decoder, Line, Look, Outcome
from .protocol.envelope import Contents, Envelope, Said
from .source import OpenFailure, Source, SourceError, open_source

SCHEME: Final = "mqtt://"

# Payloads that wait; nothing else takes as long.
QUEUE: Final = 32

# Where an amsreader says whether it is there, beside what it publishes or above it
_STATUS: Final = "/status"
_DATA: Final = "/data"

type Chunk = bytes | Contents


class Topic:
    """A subscribed topic: like a `Source`, but of the contents of payloads, without end.

    There is no line to set.
    """

    line: Line | None = None
    look: Look | None = None

    def __init__(self, queue: asyncio.Queue[Contents]) -> None:
        """Take where the contents wait."""
        self._queue = queue

    def __aiter__(self) -> Self:
        """Give the contents."""
        return self

    async def __anext__(self) -> Contents:
        """Wait for the next contents."""
        return await self._queue.get()

    def found(self) -> None:
        """Take note that a frame was intact, which changes nothing."""

    def missed(self, chunk: bytes) -> None:
        """Take note that there was none, which changes nothing."""


def is_topic(device: str) -> bool:
    """Say whether a device is a topic."""
    return device.startswith(SCHEME)


def device_of(topic: str) -> str:
    """Give the device of a topic; SourceError(INVALID_URL) if none can be published to."""
    try:
        return SCHEME + mqtt.valid_publish_topic(topic.strip())
    except vol.Invalid as err:
        raise SourceError(OpenFailure.INVALID_URL, topic, str(err)) from err


@asynccontextmanager
async def open_device(
    hass: HomeAssistant, device: str, known: Line | None
) -> AsyncIterator[Source | Topic]:
    """Open a port or a topic, as `source.open_source` does.

    A topic gives the contents of its payloads. Said.OFFLINE is among them when the broker
    is gone or the reader says goodbye, with the reason as text, and Said.ONLINE when
    they are back. Retained payloads are not: nobody knows how old they are.
    """
    async with AsyncExitStack() as stack:
        if is_topic(device):
            yield await stack.enter_async_context(_open_topic(hass, device))
        else:
            yield await stack.enter_async_context(
                open_source(device, hass.config.country, known)
            )


@asynccontextmanager
async def _open_topic(hass: HomeAssistant, device: str) -> AsyncIterator[Topic]:
    topic = device.removeprefix(SCHEME)
    queue: asyncio.Queue[Contents] = asyncio.Queue(QUEUE)
    envelope = Envelope()

    @callback
    def put(contents: Contents) -> None:
        if queue.full():
            queue.get_nowait()
        queue.put_nowait(contents)

    @callback
    def received(message: mqtt.ReceiveMessage) -> None:
        if not message.retain and isinstance(message.payload, bytes):
            put(envelope.unwrap(message.payload, hass.loop.time()))

    @callback
    def status_received(message: mqtt.ReceiveMessage) -> None:
        if isinstance(message.payload, bytes):
            said = Envelope().unwrap(message.payload, 0).said
            if said is Said.OFFLINE:
                put(Contents([], said, "the reader is offline"))
            elif said is Said.ONLINE:
                put(Contents([], said))

    @callback
    def connection_changed(connected: bool) -> None:
        if connected:
            put(Contents([], Said.ONLINE))
        else:
            put(Contents([], Said.OFFLINE, "the MQTT broker is not connected"))

    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise SourceError(OpenFailure.NO_MQTT, device, "MQTT is not set up")
    async with AsyncExitStack() as stack:
        try:
            stack.callback(
                await mqtt.async_subscribe(hass, topic, received, encoding=None)
            )
            for base in {topic, topic.removesuffix(_DATA)} - {""}:
                stack.callback(
                    await mqtt.async_subscribe(
                        hass, base + _STATUS, status_received, encoding=None
                    )
                )
        except HomeAssistantError as err:
            raise SourceError(OpenFailure.NO_MQTT, device, str(err)) from err
        stack.callback(mqtt.async_subscribe_connection_status(hass, connection_changed))
        if not mqtt.is_connected(hass):
            connection_changed(False)
        yield Topic(queue)


def decode(decoder: Decoder, chunk: Chunk) -> list[Outcome]:
    """Give what a chunk of either kind completes, in order."""
    return [outcome for outcome, _ in decode_aged(decoder, chunk)]


def decode_aged(decoder: Decoder, chunk: Chunk) -> list[tuple[Outcome, float]]:
    """Give what a chunk completes, each with the seconds that the reader has kept it."""
    if isinstance(chunk, bytes):
        return [(outcome, 0.0) for outcome in decoder.feed(chunk)]
    return [
        (outcome, message.age)
        for message in chunk.messages
        for outcome in decoder.decode(message.data)
    ]


def flat(chunk: Chunk) -> bytes:
    """Give the bytes of a chunk of either kind."""
    if isinstance(chunk, bytes):
        return chunk
    return b"".join(message.data for message in chunk.messages)
