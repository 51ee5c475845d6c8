"""Does the connection say whether the meter is heard?"""

# From `const`, where it is now, 2026.9 cannot have it.
from homeassistant.components.binary_sensor import BinarySensorDeviceClass  # type: ignore[attr-defined]
from homeassistant.const import EntityCategory, Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import entity_registry as er
from tests.integration.conftest import (
    METER,
    Port,
    connection,
    entity_id,
    make_entry,
    say,
    set_up,
)


async def test_connection(
    hass: HomeAssistant, port: Port, entity_registry: er.EntityRegistry
) -> None:
    """The connection is on from the first list to the loss, and never unavailable."""
    await set_up(hass, make_entry())
    assert connection(hass) == "off"
    await say(hass, port, METER.list(1))
    assert connection(hass) == "off"
    await say(hass, port, METER.list(2))
    assert connection(hass) == "on"
    await say(hass, port, b"")
    assert connection(hass) == "off"

    name = entity_id(hass, "connection", platform=Platform.BINARY_SENSOR)
    assert name == "binary_sensor.aidon_6534_connection"
    registered = entity_registry.async_get(name)
    assert registered is not None
    assert registered.original_device_class is BinarySensorDeviceClass.CONNECTIVITY
    assert registered.entity_category is EntityCategory.DIAGNOSTIC
    assert registered.original_name == "Connection"
