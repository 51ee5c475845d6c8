"""Which device does an entity belong to, and when is there something new to show?"""

from typing import override
from urllib.parse import urlsplit

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import DeviceInfo
from homeassistant.helpers.update_coordinator import CoordinatorEntity

from .const import CONF_MANUFACTURER, CONF_METER_ID, CONF_METER_TYPE, DOMAIN
from .coordinator import HanPortCoordinator
from .protocol import Meter, model_name
from .source import NETWORK_SCHEMES


class HanPortEntity(CoordinatorEntity[HanPortCoordinator]):
    """Something about the meter, named by a key."""

    _attr_device_info: DeviceInfo
    _attr_has_entity_name = True

    def __init__(
        self, coordinator: HanPortCoordinator, key: str, about: str | None = None
    ) -> None:
        """Name the entity by the meter, or by the entry where a meter sends no id.

        `about` is what it shows, as the coordinator's listeners have it.
        """
        super().__init__(coordinator, about)
        entry = coordinator.config_entry
        meter = Meter(
            manufacturer=entry.data[CONF_MANUFACTURER],
            type=entry.data[CONF_METER_TYPE],
            id=entry.data[CONF_METER_ID],
        )
        model = model_name(meter)
        identifier = coordinator.identifier
        self._attr_unique_id = f"{identifier}_{key}"
        self._attr_translation_key = key
        self._attr_device_info = DeviceInfo(
            identifiers={(DOMAIN, identifier)},
            name=entry.title,
            manufacturer=meter.manufacturer,
            model=model,
            # It is shown beside the model.
            model_id=None if model == meter.type else meter.type,
            serial_number=meter.id,
            configuration_url=_bridge_url(coordinator.device),
        )
        self._shown: object = None

    @property
    def _value(self) -> object:
        """What the state is made of."""
        raise NotImplementedError

    @override
    @callback
    def _handle_coordinator_update(self) -> None:
        """Show what has changed: most readings have news for a few entities only."""
        shown = self.available, self._value, self.extra_state_attributes
        if shown != self._shown:
            self._shown = shown
            self.async_write_ha_state()


def _bridge_url(device: str) -> str | None:
    """Give the web page of a bridge, None for a port that is none."""
    parts = urlsplit(device)
    if parts.scheme not in NETWORK_SCHEMES or parts.hostname is None:
        return None
    host = parts.hostname
    return f"http://[{host}]" if ":" in host else f"http://{host}"


def submeter_device(
    coordinator: HanPortCoordinator, key: str, own: DeviceInfo
) -> DeviceInfo:
    """Describe the device of a submeter, which is linked to the meter's `own`.

    The first of its kind is named by the kind, as most have one; a further one by what
    tells it apart as well, the end of its id or the place where it is connected.
    """
    meter = coordinator.submeters[key].meter
    alike = [
        each.meter
        for each in coordinator.submeters.values()
        if each.meter.kind is meter.kind
    ]
    further = alike[0] is not meter
    # Its own entities may not be there yet, and a link needs a device to point to.
    device = dr.async_get(coordinator.hass).async_get_or_create(
        config_entry_id=coordinator.config_entry.entry_id, **own
    )
    return DeviceInfo(
        identifiers={(DOMAIN, key)},
        translation_key=f"{meter.kind}_further" if further else meter.kind,
        translation_placeholders={"end": (meter.id or str(meter.channel))[-4:]},
        serial_number=meter.id,
        via_device_id=device.id,
    )
