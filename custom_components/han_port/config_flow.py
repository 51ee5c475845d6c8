"""How does a person point us at a port, prove that it speaks, and change that later?"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
import re
from typing import Any, override

import probatio as vol

from homeassistant.components import usb
from homeassistant.config_entries import (
    SOURCE_REAUTH,
    SOURCE_RECONFIGURE,
    ConfigEntry,
    ConfigEntryState,
    ConfigFlow,
    ConfigFlowResult,
)
from homeassistant.const import CONF_DEVICE
from homeassistant.core import callback
from homeassistant.helpers.event import async_track_time_interval
from homeassistant.helpers.selector import (
    SelectOptionDict,
    SelectSelector,
    SelectSelectorConfig,
    SelectSelectorMode,
    SerialPortSelector,
)
from homeassistant.helpers.service_info.usb import UsbServiceInfo

from . import takeover
from .const import (
    CONF_AUTHENTICATION_KEY,
    CONF_ENCRYPTION_KEY,
    CONF_LINE,
    CONF_MANUFACTURER,
    CONF_METER_ID,
    CONF_METER_TYPE,
    CONF_MOVE,
    CONF_QUANTITIES,
    DOMAIN,
    KEYS,
)
from .coordinator import make_decoder
from .diagnosis import Diagnosis, Heard
from .diagnostics import masked_frame
from .options import HanPortOptionsFlow
from .protocol import (
    ErrorCode,
    Line,
    Meter,
    MeterReading,
    ProtocolError,
    Quantity,
    maker,
    model_name,
    parse_key,
)
from .protocol.envelope import Contents, Said
from .search import SEARCH_SECONDS, search
from .source import OpenFailure, SourceError, normalise
from .topic import SCHEME, decode, device_of, flat, is_topic, open_device

# Two pushes of the slowest meters in use, which send every 15 s.
LISTEN_SECONDS = 35
# Where the setting of the line is searched too
TUNE_SECONDS = 45
# From the first reading on: the list that names the meter comes every 10 s, and one
# of them may be damaged.
IDENTIFY_SECONDS = 25

ISSUES_URL = "https://github.com/han-port/han-port/issues"

CONF_ENTRY = "entry"
CONF_TOPIC = "topic"

# A reader that collects what the meter sends may take half a minute for it.
TOPIC_SECONDS = 60

KEY_SCHEMA = vol.Schema(
    {
        vol.Required(CONF_ENCRYPTION_KEY): str,
        vol.Optional(CONF_AUTHENTICATION_KEY): str,
    }
)
TOPIC_SCHEMA = vol.Schema({vol.Optional(CONF_TOPIC): str})
PORT_SCHEMA = vol.Schema({vol.Required(CONF_DEVICE): SerialPortSelector()})


class HanPortConfigFlow(ConfigFlow, domain=DOMAIN):
    """Ask for the port, listen to it, show which meter is there."""

    VERSION = 1

    @staticmethod
    @callback
    @override
    def async_get_options_flow(config_entry: ConfigEntry) -> HanPortOptionsFlow:
        """Ask for the rules of the grid company."""
        return HanPortOptionsFlow()

    def __init__(self) -> None:
        """Start without a port."""
        self._device = ""
        self._heard = Heard()
        # How the line was set last, None as long as it cannot be or is not known
        self._line: Line | None = None
        self._listening: asyncio.Task[str | None] | None = None
        self._failure: str | None = None
        self._detail: dict[str, str] = {}
        self._keys: dict[str, str] = {}
        self._said: Contents | None = None
        # What was heard on each topic of MQTT, as devices
        self._searching: asyncio.Task[dict[str, Heard]] | None = None
        self._topics: dict[str, Heard] = {}
        # The entry of another integration whose port this is, what it and its like have
        # for us, and which of that a person wants
        self._other: str | None = None
        self._plan: takeover.Plan | None = None
        self._moves: dict[str, str] = {}

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

    @property
    def _has_mqtt(self) -> bool:
        """Say whether the MQTT integration is running."""
        return bool(self.hass.config_entries.async_loaded_entries("mqtt"))

    def _show_ways(self) -> ConfigFlowResult:
        """Ask whether a meter is on a port or comes over MQTT."""
        return self.async_show_menu(step_id="way", menu_options=["other_port", "topic"])

    async def async_step_way(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask it again."""
        return self._show_ways()

    async def async_step_topic(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the topic of a reader, or search for it when none is given."""
        if user_input is not None:
            topic = user_input.get(CONF_TOPIC, "").strip()
            if not topic:
                return await self.async_step_search()
            try:
                self._device = device_of(topic)
            except SourceError:
                self._failure = "invalid_topic"
            else:
                self._failure = self._check_taken()
                if self._failure is None:
                    return await self.async_step_listen()
        else:
            topic = self._device.removeprefix(SCHEME) if is_topic(self._device) else ""
        return self.async_show_form(
            step_id="topic",
            data_schema=self.add_suggested_values_to_schema(
                TOPIC_SCHEMA, {CONF_TOPIC: topic}
            ),
            errors={"base": self._failure} if self._failure else None,
            description_placeholders={
                "device": topic or self._device,
                **self._detail,
                "seconds": str(SEARCH_SECONDS if not topic else TOPIC_SECONDS),
            },
        )

    async def async_step_search(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show progress while all topics are listened to."""
        if self._searching is None:
            self._searching = self.hass.async_create_background_task(
                search(self.hass, self.async_update_progress),
                f"{DOMAIN} setup searches MQTT",
                eager_start=False,
            )
        if not self._searching.done():
            return self.async_show_progress(
                step_id="search",
                progress_action="search",
                progress_task=self._searching,
            )
        task, self._searching = self._searching, None
        try:
            self._topics = task.result()
        except SourceError as err:
            self._failure = err.reason
            return self.async_show_progress_done(next_step_id="topic")
        if self._topics:
            self._failure = None
            return self.async_show_progress_done(next_step_id="found")
        self._failure = "no_topic"
        self._device = ""
        return self.async_show_progress_done(next_step_id="topic")

    async def async_step_found(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show which topics carry a meter, and ask for one."""
        errors = {}
        if user_input is not None:
            self._device = user_input[CONF_TOPIC]
            if (failure := self._check_taken()) is None:
                return await self.async_step_listen()
            errors = {"base": failure}
        options = [
            SelectOptionDict(value=device, label=_describe(device, heard))
            for device, heard in self._topics.items()
        ]
        selector = SelectSelector(
            SelectSelectorConfig(options=options, mode=SelectSelectorMode.LIST)
        )
        return self.async_show_form(
            step_id="found",
            data_schema=vol.Schema(
                {vol.Required(CONF_TOPIC, default=next(iter(self._topics))): selector}
            ),
            errors=errors,
            description_placeholders={
                "device": self._device.removeprefix(SCHEME),
                **self._detail,
            },
        )

    def _others(self) -> dict[str, takeover.Port]:
        """Give the ports of other integrations that are not ours yet, by entry."""
        ours = {
            entry.data[CONF_DEVICE]
            for entry in self._async_current_entries(include_ignore=False)
        }
        return {
            entry.entry_id: port
            for entry, port in takeover.entries(self.hass)
            if port.device not in ours
        }

    async def async_step_moving_in(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Offer the port of another integration that reads a meter."""
        names = {
            takeover.NAMES[entry.domain]
            for entry, _ in takeover.entries(self.hass)
            if entry.entry_id in self._others()
        }
        return self.async_show_menu(
            step_id="moving_in",
            menu_options=[
                *("their_port", "other_port"),
                *(["topic"] if self._has_mqtt else []),
            ],
            description_placeholders={"integration": " + ".join(sorted(names))},
        )

    async def async_step_their_port(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Listen to the port of another integration; ask which if there are several."""
        ports = self._others()
        if user_input is None and len(ports) > 1:
            options = [
                SelectOptionDict(
                    value=entry.entry_id,
                    label=f"{takeover.NAMES[entry.domain]}: {entry.title}"
                    f" ({port.device})",
                )
                for entry, port in takeover.entries(self.hass)
                if entry.entry_id in ports
            ]
            selector = SelectSelector(SelectSelectorConfig(options=options))
            return self.async_show_form(
                step_id="their_port",
                data_schema=vol.Schema({vol.Required(CONF_ENTRY): selector}),
            )
        self._other = user_input[CONF_ENTRY] if user_input else next(iter(ports), None)
        if self._other not in ports:
            return await self._async_ask_port(None)
        self._line = Line.parse(ports[self._other].line or "")
        return await self._async_ask_port({CONF_DEVICE: ports[self._other].device})

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
            self._keys = _keys(data)
            if self._has_mqtt and user_input is None:
                return self._show_ways()
        return await self._async_ask_port(user_input)

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

    def _check_taken(self) -> str | None:
        """Return the error if another entry has the device."""
        if self.source != SOURCE_RECONFIGURE:
            for entry in self._async_current_entries(include_ignore=False):
                if entry.data[CONF_DEVICE] == self._device:
                    self._detail["entry"] = entry.title
                    return "port_taken"
        return None

    async def _users(self) -> str:
        """Name what else is set to use the port, "" if nothing is known to be."""
        ports = await usb.async_scan_serial_ports(self.hass)
        consumers = await usb.async_get_serial_port_consumers(self.hass, ports)
        # These let go of it while we listen.
        ours = {entry.entry_id for entry in self._async_current_entries()}
        ours |= {entry.entry_id for entry, _ in takeover.entries(self.hass)}
        return ", ".join(
            each.title
            for each in consumers.get(self._device, [])
            if each.active and each.config_entry_id not in ours
        )

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

    async def async_step_listen(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show progress until the meter has named itself or the time is over."""
        if self._listening is None:
            self._listening = self.hass.async_create_background_task(
                self._async_listen(), f"{DOMAIN} setup listens", eager_start=False
            )
        if not self._listening.done():
            return self.async_show_progress(
                step_id="listen",
                progress_action=self._stage(),
                progress_task=self._listening,
                description_placeholders=self._facts(),
            )
        self._failure = self._listening.result()
        self._listening = None
        if self._failure == Diagnosis.ENCRYPTED:
            next_step = "key"
        elif isinstance(self._failure, Diagnosis):
            next_step = self._failure
        elif self._failure and is_topic(self._device):
            next_step = "topic"
        elif self.source == SOURCE_RECONFIGURE:
            next_step = "reconfigure" if self._failure else "reconfigured"
        else:
            next_step = "user" if self._failure else "confirm"
        return self.async_show_progress_done(next_step_id=next_step)

    @property
    def _seconds(self) -> int:
        """How long to listen until a meter is heard."""
        if is_topic(self._device):
            return TOPIC_SECONDS
        return LISTEN_SECONDS if self._line is None else TUNE_SECONDS

    def _stage(self) -> str:
        """Name what is heard now, as the key of its text."""
        if self._heard.meter is not None:
            return "identify"
        if self._heard.damaged:
            return "damaged"
        return "bytes" if self._heard.byte_count else "listen"

    def _facts(self) -> dict[str, str]:
        """Give what the texts on what is heard tell."""
        heard = self._heard
        return {
            "device": self._device,
            "bytes": str(heard.byte_count),
            "damaged": str(heard.damaged),
            "frames": str(heard.frames),
            "line": str(self._line) if self._line else "–",
            "telnet": re.sub("^.*://", "rfc2217://", self._device),
            "seconds": str(self._seconds),
            "issues": ISSUES_URL,
            "sample": masked_frame(heard.unknown) if heard.unknown else "–",
        }

    async def _async_step_trouble(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say what is wrong with the port and what to do, and offer to listen again."""
        return self.async_show_menu(
            step_id=self._failure or Diagnosis.NOTHING_RECEIVED,
            menu_options=["listen", "port"],
            description_placeholders=self._facts(),
        )

    # The steps of what may be wrong, each with a text of its own
    async_step_nothing_received = _async_step_trouble
    async_step_no_valid_frame = _async_step_trouble
    async_step_inverted = _async_step_trouble
    async_step_bad_checksums = _async_step_trouble
    async_step_short_lists_only = _async_step_trouble
    async_step_unknown_list = _async_step_trouble
    async_step_telnet = _async_step_trouble
    async_step_port_in_use = _async_step_trouble
    async_step_http = _async_step_trouble
    async_step_decoded_values = _async_step_trouble
    async_step_text = _async_step_trouble
    async_step_closed = _async_step_trouble

    async def async_step_port(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for another port."""
        self._failure = None
        if is_topic(self._device):
            return await self.async_step_topic()
        return await self._async_ask_port(user_input)

    async def _async_listen(self) -> str | None:
        """Find out which meter is on the port; return the error if it is none.

        When reconfiguring this also stores the port, because the entries that had to
        let go of it are set up again as soon as this ends, however it ends.
        """
        self._heard, self._said = Heard(), None
        self._detail = {}
        if self.source != SOURCE_RECONFIGURE:
            async with self._entries_unloaded():
                return await self._async_hear()
        entry = self._get_reconfigure_entry()
        async with self._entries_unloaded():
            failure = await self._async_hear()
            if failure is not None:
                return failure
            meter_id = self._heard.meter.id if self._heard.meter else None
            # An entry without a meter id has nothing to compare with.
            if entry.unique_id is not None and meter_id != entry.unique_id:
                self._detail["expected"] = entry.unique_id
                self._detail["found"] = meter_id or ""
                return "wrong_meter" if meter_id else "unidentified"
            self.hass.config_entries.async_update_entry(
                entry,
                data={
                    **self._with_keys(entry),
                    **self._port_data(),
                },
            )
            return None

    @asynccontextmanager
    async def _entries_unloaded(self) -> AsyncIterator[None]:
        """Keep known entries from the port: many can be opened only once."""
        entries = [
            entry
            for entry in self._async_current_entries(include_ignore=False)
            if entry.entry_id == self.context.get("entry_id")
            or entry.data[CONF_DEVICE] == self._device
        ]
        entries += [
            entry
            for entry, port in takeover.entries(self.hass)
            if self._device == port.device or self._other == entry.entry_id
            if entry.state in (ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY)
        ]
        try:
            for entry in entries:
                await self.hass.config_entries.async_unload(entry.entry_id)
            yield
        finally:
            for entry in entries:
                if not self.hass.is_stopping:
                    self.hass.config_entries.async_schedule_reload(entry.entry_id)

    async def _async_hear(self) -> str | None:
        """Listen to the port; return the error if no meter spoke."""
        known = self._topics.pop(self._device, None)
        if known is not None and known.meter is not None and known.meter.id is not None:
            self._heard = known
            return None
        heard, shown = self._heard, self._facts()
        decoder = make_decoder(self._keys)
        started = self.hass.loop.time()

        @callback
        def show_progress(now: datetime) -> None:
            """Move the bar: what has passed of the time that is left to the meter."""
            nonlocal shown
            limit = self._seconds if heard.meter is None else IDENTIFY_SECONDS
            self.async_update_progress(
                min((self.hass.loop.time() - started) / limit, 1)
            )
            if heard.meter is None and shown != (shown := self._facts()):
                self.async_notify_flow_changed()

        stop_progress = async_track_time_interval(
            self.hass, show_progress, timedelta(seconds=1)
        )
        try:
            async with open_device(self.hass, self._device, self._line) as source:
                self._line = source.line
                async with asyncio.timeout(self._seconds) as limit:
                    async for chunk in source:
                        if isinstance(chunk, Contents) and chunk.said is not None:
                            self._said = chunk
                        silent, data = heard.meter is None, flat(chunk)
                        if not chunk:
                            decoder = make_decoder(self._keys)
                            self._line = source.line
                        if heard.add(data, decode(decoder, chunk)):
                            source.found()
                        else:
                            source.missed(data)
                            heard.look = source.look
                        if heard.is_sealed:
                            break
                        if heard.meter is None:
                            continue
                        if heard.meter.id is not None:
                            break
                        if silent:
                            started = self.hass.loop.time()
                            limit.reschedule(started + IDENTIFY_SECONDS)
                            self.async_notify_flow_changed()
                    else:
                        heard.closed = True
        except TimeoutError:
            pass
        except SourceError as err:
            self._detail["detail"] = err.detail
            if err.reason is OpenFailure.BUSY and (users := await self._users()):
                self._detail["users"] = users
                return "busy_by"
            return err.reason
        finally:
            stop_progress()
        if is_topic(self._device):
            return _topic_failure(heard, self._said)
        return heard.diagnosis

    def _port_data(self) -> dict[str, str]:
        """Give what the data of an entry say of its port."""
        line = {} if self._line is None else {CONF_LINE: str(self._line)}
        return {CONF_DEVICE: self._device, **line}

    async def async_step_reauth(
        self, entry_data: Mapping[str, Any]
    ) -> ConfigFlowResult:
        """Ask for new keys for a meter whose messages the present ones do not open."""
        entry = self._get_reauth_entry()
        self._keys = _keys(entry_data)
        if entry.state is ConfigEntryState.LOADED:
            self._heard.sealed = entry.runtime_data.sealed
        return await self.async_step_key()

    async def async_step_key(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Ask for the keys of a meter that enciphers, and try them at once."""
        if user_input is None:
            errors = self._wrong(self._keys) if self._keys else {}
        elif not (errors := self._try_keys(user_input)):
            if self.source == SOURCE_REAUTH:
                entry = self._get_reauth_entry()
                return self.async_update_reload_and_abort(
                    entry, data=self._with_keys(entry)
                )
            return await self.async_step_listen()
        result = self._heard.sealed.result if self._heard.sealed else None
        sender = result.system_title if isinstance(result, ProtocolError) else b""
        return self.async_show_form(
            step_id="key",
            data_schema=self.add_suggested_values_to_schema(KEY_SCHEMA, user_input),
            errors=errors,
            description_placeholders={"manufacturer": maker(sender) or "–"},
        )

    def _try_keys(self, user_input: dict[str, Any]) -> dict[str, str]:
        """Keep the keys if they open the last message; return what is wrong with them."""
        keys: dict[str, str] = {}
        errors: dict[str, str] = {}
        for name in KEYS:
            text = user_input.get(name, "").strip()
            if name == CONF_AUTHENTICATION_KEY and not text:
                continue
            if (key := parse_key(text)) is None:
                errors[name] = "invalid_key"
            else:
                keys[name] = key.hex()
        errors = errors or self._wrong(keys)
        if not errors:
            self._keys = keys
        return errors

    def _wrong(self, keys: dict[str, str]) -> dict[str, str]:
        """Say which of the keys does not open the last message."""
        if self._opens(keys):
            return {}
        if self._opens({CONF_ENCRYPTION_KEY: keys[CONF_ENCRYPTION_KEY]}):
            return {CONF_AUTHENTICATION_KEY: "wrong_authentication_key"}
        return {CONF_ENCRYPTION_KEY: "wrong_encryption_key"}

    def _with_keys(self, entry: ConfigEntry) -> dict[str, Any]:
        """Give the data of an entry with the keys of now, and none of before."""
        data = {name: each for name, each in entry.data.items() if name not in KEYS}
        return {**data, **self._keys}

    def _opens(self, keys: dict[str, str]) -> bool:
        """Say whether the keys open the last sealed message; they do if there is none."""
        if self._heard.sealed is None:
            return True
        return any(
            isinstance(outcome.result, MeterReading)
            or outcome.result.code is ErrorCode.UNSUPPORTED
            for outcome in make_decoder(keys).decode(self._heard.sealed.frame)
        )

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

    async def async_step_move(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show what can be had of another integration, and ask whether to take it."""
        plan = self._plan or takeover.Plan({}, {})
        stays: dict[str, list[str]] = {each: [] for each in takeover.Reason}
        for entity_id, reason in plan.stays.items():
            stays[reason].append(entity_id)
        return self.async_show_menu(
            step_id="move",
            menu_options=["move_all", "move_nothing"]
            if plan.moves
            else ["move_nothing"],
            description_placeholders={
                "moves": "".join(f"\n- {each}" for each in plan.moves) or "–",
                **{reason: ", ".join(ids) or "–" for reason, ids in stays.items()},
            },
        )

    async def async_step_move_all(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Take all that can be had."""
        if self._plan is not None:
            self._moves = {name: each.value for name, each in self._plan.moves.items()}
        return await self.async_step_confirm({})

    async def async_step_move_nothing(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Leave all as it is."""
        return await self.async_step_confirm({})

    async def async_step_reconfigured(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say that the port was stored."""
        return self.async_abort(reason="reconfigure_successful")


def _topic_failure(heard: Heard, said: Contents | None) -> str | None:
    """Give the translation key of what is wrong with a topic, None if a meter spoke."""
    failure = heard.diagnosis
    if failure in (None, Diagnosis.ENCRYPTED) or heard.proved:
        return failure
    if said is not None:
        match said.said:
            case Said.NO_DATA:
                return "reader_without_meter"
            case Said.DECODED:
                return "decoded_values"
            case Said.OFFLINE:
                return "reader_offline"
    return "no_message" if heard.byte_count == 0 else "no_meter_message"


def _describe(device: str, heard: Heard) -> str:
    """Name a topic by the meter it carries."""
    meter = heard.meter or Meter()
    power = heard.power
    parts = [
        title(meter) if heard.meter else "HAN Port 🔒",
        meter.id,
        None if power is None else f"{power:.0f} W",
        device.removeprefix(SCHEME),
    ]
    return " · ".join(filter(None, parts))


def _keys(data: Mapping[str, Any]) -> dict[str, str]:
    """Give the keys in the data of an entry."""
    return {name: data[name] for name in KEYS if name in data}


def title(meter: Meter) -> str:
    """Name the entry by maker and model, without details after a parenthesis or comma."""
    model = re.split(r" \(|, ", model_name(meter) or "")[0]
    return " ".join(filter(None, (meter.manufacturer, model))) or "HAN Port"
