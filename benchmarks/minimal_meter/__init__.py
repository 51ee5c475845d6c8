"""The least that shows an Aidon meter behind a TCP bridge: what Home Assistant itself costs.

Cuts frames by their length, checks the checksum, takes numbers from known places and writes
the states of their sensors. Nothing is detected, accounted, stored, explained or watched.
"""

import asyncio
from binascii import crc_hqx
from collections.abc import Callable
from dataclasses import dataclass, field

from homeassistant.config_entries import ConfigEntry
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant

MIRROR = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))

# By their codes: key, bytes of the number after the code and its tag, divisor
NUMBERS = {
    bytes((1, 0, 1, 7, 0, 255)): ("active_power_import", 4, 1),
    bytes((1, 0, 2, 7, 0, 255)): ("active_power_export", 4, 1),
    bytes((1, 0, 32, 7, 0, 255)): ("voltage_l1", 2, 10),
    bytes((1, 0, 52, 7, 0, 255)): ("voltage_l2", 2, 10),
    bytes((1, 0, 72, 7, 0, 255)): ("voltage_l3", 2, 10),
    bytes((1, 0, 31, 7, 0, 255)): ("current_l1", 2, 10),
    bytes((1, 0, 51, 7, 0, 255)): ("current_l2", 2, 10),
    bytes((1, 0, 71, 7, 0, 255)): ("current_l3", 2, 10),
    bytes((1, 0, 1, 8, 0, 255)): ("energy_import", 4, 100),
    bytes((1, 0, 2, 8, 0, 255)): ("energy_export", 4, 100),
}


@dataclass
class Meter:
    """What was received last, and who wants to know."""

    values: dict[str, float] = field(default_factory=dict)
    listeners: list[Callable[[], None]] = field(default_factory=list)
    heard: bool = False

    def update(self) -> None:
        """Tell the sensors."""
        for listener in self.listeners:
            listener()


async def async_setup_entry(hass: HomeAssistant, entry: ConfigEntry[Meter]) -> bool:
    """Make the sensors and begin to read."""
    entry.runtime_data = meter = Meter()
    await hass.config_entries.async_forward_entry_setups(entry, [Platform.SENSOR])
    reading = _keep_reading(meter, entry.data["host"], entry.data["port"])
    entry.async_create_background_task(hass, reading, "minimal meter")
    return True


async def _keep_reading(meter: Meter, host: str, port: int) -> None:
    while True:
        try:
            reader, writer = await asyncio.open_connection(host, port)
            try:
                await _read(meter, reader)
            finally:
                writer.close()
        except OSError:
            pass
        meter.heard = False
        meter.update()
        await asyncio.sleep(1)


async def _read(meter: Meter, reader: asyncio.StreamReader) -> None:
    places: dict[int, list[tuple[str, int, int, int]]] = {}
    buffer = bytearray()
    while chunk := await reader.read(4096):
        buffer += chunk
        while len(buffer) > 2:
            size = (buffer[1] & 0x07) << 8 | buffer[2]
            if len(buffer) < size + 2:
                break
            frame = bytes(buffer[1 : size + 1])
            del buffer[: size + 2]
            if crc_hqx(frame.translate(MIRROR), 0xFFFF) != 0x1D0F:
                continue
            if size not in places:
                places[size] = [
                    (key, frame.index(code) + 7, width, divisor)
                    for code, (key, width, divisor) in NUMBERS.items()
                    if code in frame
                ]
            for key, at, width, divisor in places[size]:
                meter.values[key] = int.from_bytes(frame[at : at + width]) / divisor
            values = meter.values
            values["net_power"] = values["active_power_import"] - values.get(
                "active_power_export", 0
            )
            meter.heard = True
            meter.update()
