"""How does a person point us at a port, prove that it speaks, and change that later?"""

import asyncio
from collections import Counter
from datetime import datetime, timedelta
from typing import Any, override

import probatio as vol

from homeassistant.components import usb
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_DEVICE
from homeassistant.core import callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.selector import SerialPortSelector

from .const import (
    CONF_MANUFACTURER,
    CONF_METER_ID,
    CONF_METER_TYPE,
    CONF_QUANTITIES,
    DOMAIN,
)
from .protocol import (
    Decoder,
    ErrorCode,
    Meter,
    MeterReading,
    Outcome,
    Quantity,
    model_name,
)
from .source import SourceError, normalise, open_source

# Two pushes of the slowest meters in use, which send every 15 s.
LISTEN_SECONDS = 35
# From the first reading: lists that name the meter come every 10 s, and one may be lost.
IDENTIFY_SECONDS = 25

PORT_SCHEMA = vol.Schema({vol.Required(CONF_DEVICE): SerialPortSelector()})


class Heard:
    """What came out of a port while we listened to it."""

    def __init__(self) -> None:
        """Start with silence."""
        self.byte_count = 0
        self.meter: Meter | None = None
        self.values: dict[Quantity, float] = {}
        self.quantities: set[Quantity] = set()
        self.errors: Counter[ErrorCode] = Counter()

    def add(self, chunk: bytes, outcomes: list[Outcome]) -> None:
        """Take the bytes of one chunk and what the decoder made of them."""
        self.byte_count += len(chunk)
        for outcome in outcomes:
            match outcome.result:
                case MeterReading() as reading:
                    if self.meter is None or reading.meter.id is not None:
                        self.meter = reading.meter
                    self.values.update(reading.values)
                    self.quantities |= reading.values.keys() - reading.unmeasured
                case error:
                    self.errors[error.code] += 1

    @property
    def failure(self) -> str | None:
        """The translation key of what is wrong, None if the meter spoke."""
        if self.meter is not None:
            return None
        if self.errors[ErrorCode.NO_KEY]:
            return "encrypted"
        if self.errors[ErrorCode.UNSUPPORTED]:
            return "unknown_list"
        return "no_valid_frame" if self.byte_count else "nothing_received"


class HanPortConfigFlow(ConfigFlow, domain=DOMAIN):
    """Ask for the port, listen, show what was heard."""

    VERSION = 1

    def __init__(self) -> None:
        """Start without a port."""
        self._typed = ""
        self._device = ""
        self._heard = Heard()
        self._task: asyncio.Task[None] | None = None
        self._failure: str | None = None
        self._detail = ""

    @override
    async def async_step_user(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which port a new meter is on."""
        return await self._async_ask_port(user_input)

    async def async_step_reconfigure(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask which port a known meter is on now."""
        self._typed = self._typed or self._get_reconfigure_entry().data[CONF_DEVICE]
        return await self._async_ask_port(user_input)

    async def _async_ask_port(
        self, user_input: dict[str, Any] | None
    ) -> ConfigFlowResult:
        """Show the one field, with what went wrong last time, and listen."""
        if user_input is not None:
            self._failure = None
            self._typed = user_input[CONF_DEVICE]
            try:
                self._device = normalise(self._typed)
            except SourceError as err:
                self._failure, self._detail = err.reason, err.detail
            else:
                if self._device.startswith("/dev/"):
                    self._device = await self.hass.async_add_executor_job(
                        usb.get_serial_by_id, self._device
                    )
                return await self.async_step_listen()
        return self.async_show_form(
            step_id="reconfigure" if self.source == SOURCE_RECONFIGURE else "user",
            data_schema=self.add_suggested_values_to_schema(
                PORT_SCHEMA, {CONF_DEVICE: self._typed}
            ),
            errors={"base": self._failure} if self._failure else None,
            description_placeholders={
                "device": self._device or self._typed,
                "detail": self._detail,
                "bytes": str(self._heard.byte_count),
                "seconds": str(LISTEN_SECONDS),
            },
        )

    async def async_step_listen(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show progress until the meter has named itself or the time is over."""
        if self._task is None:
            self._task = self.hass.async_create_task(
                self._async_listen(), eager_start=False
            )
        if not self._task.done():
            return self.async_show_progress(
                step_id="listen",
                progress_action="identify" if self._heard.meter else "listen",
                progress_task=self._task,
                description_placeholders={"device": self._device},
            )
        self._task = None
        if self._failure is None:
            return self.async_show_progress_done(next_step_id="confirm")
        if self.source == SOURCE_RECONFIGURE:
            return self.async_show_progress_done(next_step_id="reconfigure")
        return self.async_show_progress_done(next_step_id="user")

    async def _async_listen(self) -> None:
        """Listen until the meter has named itself; note what went wrong instead."""
        self._heard = heard = Heard()
        loop = self.hass.loop
        started = loop.time()

        @callback
        def show_progress(now: datetime) -> None:
            span = LISTEN_SECONDS if heard.meter is None else IDENTIFY_SECONDS
            self.async_update_progress(min((loop.time() - started) / span, 1))

        stop_progress = async_track_time_interval(
            self.hass, show_progress, timedelta(seconds=1)
        )
        decoder = Decoder()
        try:
            async with open_source(self._device) as chunks:
                started = loop.time()
                async with asyncio.timeout(LISTEN_SECONDS) as limit:
                    async for chunk in chunks:
                        nameless = heard.meter is None
                        heard.add(chunk, decoder.feed(chunk))
                        if heard.errors[ErrorCode.NO_KEY] or (
                            heard.meter is not None and heard.meter.id is not None
                        ):
                            break
                        if nameless and heard.meter is not None:
                            started = loop.time()
                            limit.reschedule(started + IDENTIFY_SECONDS)
                            self.async_notify_flow_changed()
                    else:
                        self._failure = "closed"
                        return
        except TimeoutError:
            pass
        except SourceError as err:
            self._failure, self._detail = err.reason, err.detail
            return
        finally:
            stop_progress()
        self._failure = heard.failure

    async def async_step_confirm(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show which meter it is."""
        meter = self._heard.meter
        assert meter is not None
        await self.async_set_unique_id(meter.id)
        self._abort_if_unique_id_configured(updates={CONF_DEVICE: self._device})
        if user_input is None:
            power = self._heard.values.get(Quantity.ACTIVE_POWER_IMPORT)
            return self.async_show_form(
                step_id="confirm",
                description_placeholders={
                    "manufacturer": meter.manufacturer or "–",
                    "model": model_name(meter) or meter.type or "–",
                    "meter_id": meter.id or "–",
                    "power": "–" if power is None else f"{power:.0f} W",
                },
            )
        return self.async_create_entry(
            title=title(meter),
            data={
                CONF_DEVICE: self._device,
                CONF_MANUFACTURER: meter.manufacturer,
                CONF_METER_TYPE: meter.type,
                CONF_METER_ID: meter.id,
                CONF_QUANTITIES: sorted(self._heard.quantities),
            },
        )


def title(meter: Meter) -> str:
    """Name an entry by maker and model, without the details in parentheses."""
    model = (model_name(meter) or meter.type or "").partition(" (")[0]
    return " ".join(filter(None, (meter.manufacturer, model))) or "HAN Port"
