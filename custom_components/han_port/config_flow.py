"""How does a person point us at a port, prove that it speaks, and change that later?"""

from typing import Any, override

import probatio as vol

from homeassistant.components import usb
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_DEVICE
from homeassistant.core import callback
from homeassistant.helpers.selector import SerialPortSelector
from homeassistant.helpers.service_info.usb import UsbServiceInfo

from . import takeover
from .const import (
    CONF_LINE,
    CONF_MANUFACTURER,
    CONF_METER_ID,
    CONF_METER_TYPE,
    CONF_MOVE,
    CONF_QUANTITIES,
    DOMAIN,
)
from .flow import KeySteps, ListenSteps, MovingInSteps, TopicSteps
from .flow.steps import keys_of, title
from .options import HanPortOptionsFlow
from .protocol import Line, Meter, Quantity, model_name
from .source import SourceError, normalise
from .topic import is_topic

PORT_SCHEMA = vol.Schema({vol.Required(CONF_DEVICE): SerialPortSelector()})


class HanPortConfigFlow(
    ListenSteps, KeySteps, TopicSteps, MovingInSteps, domain=DOMAIN
):
    """Ask for the port, listen to it, show which meter is there."""

    VERSION = 1

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HanPortOptionsFlow:
        """Ask for the rules of the grid company."""
        return HanPortOptionsFlow()

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which port a new meter is on."""
        if user_input is None and not self._device and self._others():
            return await self.async_step_moving_in()
        if user_input is None and not self._device and self._has_mqtt:
            return self._show_ways()
        return await self._async_ask_port(user_input)

    async def async_step_other_port(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the port as if there was no other integration."""
        return await self._async_ask_port(user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which port a known meter is on now."""
        if not self._device:
            data = self._get_reconfigure_entry().data
            self._device = data[CONF_DEVICE]
            self._line = Line.parse(data.get(CONF_LINE, ""))
            self._keys = keys_of(data)
            if self._has_mqtt and user_input is None:
                return self._show_ways()
        return await self._async_ask_port(user_input)

    @override
    async def _async_ask_port(
        self, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Show the one field, with what went wrong before, or listen to its answer."""
        if user_input is not None:
            self._device = user_input[CONF_DEVICE]
            self._failure = await self._async_check_port()
            if self._failure is None:
                return await self.async_step_listen()
        return self.async_show_form(
            step_id="reconfigure" if self.source == SOURCE_RECONFIGURE else "user",
            data_schema=self.add_suggested_values_to_schema(
                PORT_SCHEMA, {CONF_DEVICE: self._device}
            ),
            errors={"base": self._failure} if self._failure else None,
            description_placeholders={"device": self._device, **self._detail},
        )

    async def _async_check_port(self) -> str | None:
        """Bring the port into its stored form; return the error if it is none."""
        try:
            self._device = normalise(self._device)
        except SourceError as err:
            return err.reason
        if self._device.startswith("/dev/"):
            self._device = await self.hass.async_add_executor_job(
                usb.get_serial_by_id, self._device
            )
            # Two readers of a serial port take each other's bytes.
            if users := await self._users():
                self._detail["users"] = users
                return "busy_by"
        return self._check_taken()

    async def async_step_usb(self, discovery_info: UsbServiceInfo) -> ConfigFlowResult:
        """Listen to a cable made for meters before it is offered to a person."""
        cable = usb.usb_unique_id_from_service_info(discovery_info)
        await self.async_set_unique_id(cable)
        self._device = discovery_info.device
        if await self._async_check_port() is not None:
            return self.async_abort(reason="port_taken")
        await self._async_listen()
        meter = self._heard.meter
        if meter is None and not self._heard.is_sealed:
            return self.async_abort(reason="no_meter")
        if meter is not None and meter.id is not None:
            entry = await self.async_set_unique_id(meter.id)
            # A meter may have two readers. The entry keeps the one that works.
            works = (
                entry is not None
                and entry.state is ConfigEntryState.LOADED
                and entry.runtime_data.connected
            )
            self._abort_if_unique_id_configured(
                updates=None if works else self._port_data()
            )
        self.context["title_placeholders"] = {"name": title(meter or Meter())}
        self._set_confirm_only()
        return await self.async_step_discovered()

    async def async_step_discovered(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer a port on which a meter was heard; what it says now is asked anew."""
        if user_input is not None:
            return await self.async_step_listen()
        return self.async_show_form(
            step_id="discovered",
            description_placeholders={
                "device": self._device,
                "meter": title(self._heard.meter or Meter()),
            },
        )

    async def async_step_port(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another port."""
        self._failure = None
        if is_topic(self._device):
            return await self.async_step_topic()
        return await self._async_ask_port(user_input)

    @override
    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show which meter it is and create the entry."""
        meter = self._heard.meter or Meter()
        values = self._heard.values
        # Another dialog may wait with the same meter, such as one for its cable: it ends
        # when this one adds the meter.
        await self.async_set_unique_id(meter.id, raise_on_progress=False)
        self._abort_if_unique_id_configured(updates=self._port_data())
        if user_input is None:
            power = self._heard.power
            return self.async_show_form(
                step_id="confirm",
                description_placeholders={
                    "manufacturer": meter.manufacturer or "–",
                    "model": model_name(meter) or "–",
                    "meter_id": meter.id or "–",
                    "power": "–" if power is None else f"{power:.0f} W",
                },
            )
        if self._plan is None:
            self._plan = takeover.plan(self.hass, meter, self._other)
            if self._plan.concerns_us:
                return await self.async_step_move()
        return self.async_create_entry(
            title=title(meter),
            data={
                **self._port_data(),
                CONF_MANUFACTURER: meter.manufacturer,
                CONF_METER_TYPE: meter.type,
                CONF_METER_ID: meter.id,
                CONF_QUANTITIES: [
                    quantity.value
                    for quantity in Quantity
                    if quantity in values and quantity not in self._heard.unmeasured
                ],
                **self._keys,
                **({CONF_MOVE: self._moves} if self._moves else {}),
            },
        )

    async def async_step_reconfigured(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say that the port was stored."""
        return self.async_abort(reason="reconfigure_successful")
