"""Which topics of MQTT carry a meter? All are listened to for a while, by no more than needed.

A topic counts when an intact frame or telegram came on it, so that nothing else of the
thousands of messages of a home can be taken for one.
"""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from homeassistant.components import mqtt
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError

from .diagnosis import Heard
from .protocol import Decoder
from .protocol.envelope import Envelope, is_proved
from .source import OpenFailure, SourceError
from .topic import decode, device_of

SEARCH_SECONDS: Final = 25
# What begins with a dollar is not in the first: brokers of Tibber Pulses have it.
FILTERS: Final = ("#", "$aws/#")
# Trees of other integrations, which are large and have no meter in them
OTHERS: Final = tuple(
    f"{tree}/"
    for tree in "homeassistant zigbee2mqtt zwave frigate tasmota shellies esphome tele"
    " stat cmnd valetudo owntracks bluetooth2mqtt".split()
)
# More readers than anybody has, and topics that are looked at again
MOST_METERS: Final = 5
MOST_TOPICS: Final = 64
# Bytes of payloads that are decoded in all
MOST_BYTES: Final = 4_000_000
# A payload of a meter begins as a frame, telegram or container, or is hex text or JSON.
_BEGINS: Final = frozenset(
    b"\x7e\x68/\xaf\x08{0123456789ABCDEFabcdef \xa0\xa1\xa2\xa3\xa8"
)


async def search(
    hass: HomeAssistant, show: Callable[[float], None]
) -> dict[str, Heard]:
    """Listen to all topics; give what was heard of a meter, by the device of its topic.

    `show` is called each second with the part of the time that has passed. SourceError
    (NO_MQTT) is raised where there is no MQTT. Nothing stays subscribed.
    """
    found: dict[str, Heard] = {}
    opened: dict[str, tuple[Envelope, Decoder]] = {}
    enough = asyncio.Event()
    left = MOST_BYTES

    @callback
    def received(message: mqtt.ReceiveMessage) -> None:
        nonlocal left
        payload, topic = message.payload, message.topic
        if (
            message.retain
            or not isinstance(payload, bytes)
            or payload[:1] == b""
            or payload[0] not in _BEGINS
            or topic.startswith(OTHERS)
            or len(payload) > left
        ):
            return
        envelope, decoder = opened.get(topic) or (Envelope(), Decoder())
        contents = envelope.unwrap(payload, hass.loop.time())
        if not contents.messages:
            return
        left -= len(payload)
        outcomes = decode(decoder, contents)
        device = device_of(topic)
        if device not in found:
            if len(found) >= MOST_METERS or not any(map(is_proved, outcomes)):
                return
            found[device] = Heard()
        if len(opened) < MOST_TOPICS:
            opened[topic] = envelope, decoder
        found[device].add(payload, outcomes)
        if len(found) >= MOST_METERS and all(
            each.meter is not None and each.meter.id for each in found.values()
        ):
            enough.set()

    if not await mqtt.async_wait_for_mqtt_client(hass):
        raise SourceError(OpenFailure.NO_MQTT, "MQTT", "MQTT is not set up")
    with ExitStack() as stack:
        try:
            for each in FILTERS:
                stack.callback(
                    await mqtt.async_subscribe(hass, each, received, encoding=None)
                )
        except HomeAssistantError as err:
            raise SourceError(OpenFailure.NO_MQTT, "MQTT", str(err)) from err
        for second in range(SEARCH_SECONDS):
            show(second / SEARCH_SECONDS)
            try:
                async with asyncio.timeout(1):
                    await enough.wait()
                break
            except TimeoutError:
                pass
    return found
