"""Which meter is on the port, and what is wrong if none is heard?"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
import re
from typing import Any, override

from homeassistant.components import usb
from homeassistant.config_entries import (
    SOURCE_RECONFIGURE,
    ConfigEntryState,
    ConfigFlowResult,
)
from homeassistant.const import CONF_DEVICE, CONF_HOST, CONF_PORT
from homeassistant.core import callback
from homeassistant.helpers.event import async_track_time_interval

from .. import takeover
from ..const import DOMAIN
from ..coordinator import make_decoder
from ..diagnosis import Diagnosis, Heard
from ..masking import identities, masked_frame
from ..protocol import Look, Meter
from ..protocol.envelope import Contents, Said
from ..source import OpenFailure, SourceError
from ..topic import decode, flat, is_topic, open_device
from .steps import Steps
from .topic import TOPIC_SECONDS

# Two pushes of the slowest meters in use, which send every 15 s.
LISTEN_SECONDS = 35
# Where the setting of the line is searched too
TUNE_SECONDS = 45
# From the first reading on: the list that names the meter comes every 10 s, and one
# of them may be damaged.
IDENTIFY_SECONDS = 25
# What a bridge says of itself may be followed by the meter, which sends every 10 s.
FOREIGN_SECONDS = 12
# The frontend learns of the end only after it has shown that we listen; a dialog that
# misses it waits for ever. As long as the slowest way to a browser may take.
LEAST_SECONDS = 1.5
# Pauses for a bridge that serves one reader to notice that the one before has gone
FREE_SECONDS = (1, 2, 3)

# What a port says, or does, that somebody else has
_TAKEN = (
    *(OpenFailure.BUSY, OpenFailure.REFUSED, OpenFailure.FAILED),
    *(Diagnosis.PORT_IN_USE, Diagnosis.CLOSED),
)

_WEB_PORTS = ("80", "443")
_NETWORK = re.compile(r"(?:socket|tcp|rfc2217)://\[?(.*?)\]?:(\d+)")

ISSUES_URL = "https://github.com/han-port/han-port/issues"


class ListenSteps(Steps):
    """Listen, show what is heard, and say what is wrong with it."""

    def __init__(self) -> None:
        """Start without having listened."""
        super().__init__()
        self._listening: asyncio.Task[str | None] | None = None
        self._said: Contents | None = None

    @override
    async def async_step_listen(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show progress until the meter has named itself or the time is over."""
        if self._listening is None:
            self._listening = self.hass.async_create_background_task(
                self._async_listen_a_while(),
                f"{DOMAIN} setup listens",
                eager_start=False,
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
        elif self._failure is None and self._may_go_on and self._heard.has_unknown:
            next_step = Diagnosis.UNKNOWN_LIST
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
        # How the line of a bridge on the network is set is not known
        if self._heard.damaged:
            return "damaged" if self._line is None else "damaged_line"
        if self._heard.byte_count:
            return "bytes" if self._line is None else "bytes_line"
        return "listen"

    def _facts(self) -> dict[str, str]:
        """Give what the texts on what is heard tell."""
        heard = self._heard
        return {
            "device": self._device,
            "bytes": str(heard.byte_count),
            "damaged": str(heard.damaged),
            "frames": str(heard.frames),
            "unknown": str(heard.unknown_lists),
            "line": str(self._line) if self._line else "–",
            "telnet": re.sub("^.*://", "rfc2217://", self._device),
            "seconds": str(self._seconds),
            "issues": ISSUES_URL,
            "sample": masked_frame(heard.unknown, identities([heard.unknown], {}))
            if heard.unknown
            else "–",
        }

    @property
    def _may_go_on(self) -> bool:
        """Say whether a meter can be added of which not everything is known."""
        return self.source != SOURCE_RECONFIGURE

    async def _async_step_trouble(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Say what is wrong with the port and what to do, and offer to listen again."""
        return self.async_show_menu(
            step_id=self._failure or Diagnosis.NOTHING_RECEIVED,
            menu_options=["listen", "port"],
            description_placeholders=self._facts(),
        )

    async def async_step_unknown_list(
        self, user_input: dict[str, Any] | None = None
    ) -> ConfigFlowResult:
        """Show a message that is not known, and offer to go on with those that are."""
        go_on = ["confirm"] if self._may_go_on else []
        return self.async_show_menu(
            step_id="unknown_list",
            menu_options=[*go_on, "listen", "port"],
            description_placeholders=self._facts(),
        )

    # The steps of what may be wrong, each with a text of its own
    async_step_nothing_received = _async_step_trouble
    async_step_no_valid_frame = _async_step_trouble
    async_step_inverted = _async_step_trouble
    async_step_bad_checksums = _async_step_trouble
    async_step_short_lists_only = _async_step_trouble
    async_step_telnet = _async_step_trouble
    async_step_port_in_use = _async_step_trouble
    async_step_http = _async_step_trouble
    async_step_decoded_values = _async_step_trouble
    async_step_text = _async_step_trouble
    async_step_closed = _async_step_trouble

    async def _async_listen_a_while(self) -> str | None:
        """Listen, not so briefly that a browser misses the end; return the error."""
        ends = self.hass.loop.time() + LEAST_SECONDS
        failure = await self._async_listen()
        await asyncio.sleep(ends - self.hass.loop.time())
        return failure

    async def _async_listen(self) -> str | None:
        """Find out which meter is on the port; return the error if it is none.

        When reconfiguring this also stores the port, because the entries that had to
        let go of it are set up again as soon as this ends, however it ends.
        """
        if self.source != SOURCE_RECONFIGURE:
            async with self._entries_unloaded() as was_ours:
                return await self._async_hear_freed(was_ours)
        entry = self._get_reconfigure_entry()
        async with self._entries_unloaded() as was_ours:
            failure = await self._async_hear_freed(was_ours)
            if failure is not None:
                return failure
            meter = self._heard.meter or Meter()
            # An entry without a meter id has nothing to compare with.
            if entry.unique_id is not None and not meter.is_named(entry.unique_id):
                self._detail["expected"] = entry.unique_id
                self._detail["found"] = meter.id or ""
                return "wrong_meter" if meter.id else "unidentified"
            self.hass.config_entries.async_update_entry(
                entry,
                data={
                    **self._with_keys(entry),
                    **self._port_data(),
                },
            )
            return None

    @asynccontextmanager
    async def _entries_unloaded(self) -> AsyncIterator[bool]:
        """Keep known entries from the port; say whether one of them had it.

        Many ports can be opened only once.
        """
        ours = [
            entry
            for entry in self._async_current_entries(include_ignore=False)
            if entry.entry_id == self.context.get("entry_id")
            or entry.data[CONF_DEVICE] == self._device
        ]
        theirs = [
            entry
            for entry, port in takeover.entries(self.hass)
            if self._device == port.device or self._other == entry.entry_id
            if entry.state in (ConfigEntryState.LOADED, ConfigEntryState.SETUP_RETRY)
        ]
        try:
            for entry in ours + theirs:
                await self.hass.config_entries.async_unload(entry.entry_id)
            yield bool(theirs) or self._device in (
                entry.data[CONF_DEVICE] for entry in ours
            )
        finally:
            for entry in ours + theirs:
                if not self.hass.is_stopping:
                    self.hass.config_entries.async_schedule_reload(entry.entry_id)

    async def _async_hear_freed(self, was_ours: bool) -> str | None:
        """Listen; do so again if the port may not know yet that its reader has gone."""
        for pause in FREE_SECONDS if was_ours else ():
            failure = await self._async_hear()
            if failure not in _TAKEN or self._heard.proved:
                return failure
            await asyncio.sleep(pause)
        return await self._async_hear()

    async def _async_hear(self) -> str | None:
        """Listen to the port; return the error if no meter spoke."""
        self._heard, self._said = Heard(), None
        self._detail = {}
        known = self._found.pop(self._device, None)
        if known is not None and known.meter is not None and known.meter.id is not None:
            self._heard = known
            return None
        heard, shown = self._heard, self._facts()
        decoder = make_decoder(self._keys)
        started = self.hass.loop.time()
        is_foreign = False

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
                            if heard.look is Look.INVERTED:
                                break
                        if heard.is_sealed:
                            break
                        # Where the line is searched strange bytes are a wrong setting.
                        if source.line is None and isinstance(chunk, bytes):
                            if heard.is_no_meter:
                                break
                            if is_foreign != (is_foreign := heard.is_foreign):
                                ends = started + self._seconds
                                if is_foreign:
                                    now = self.hass.loop.time()
                                    ends = min(ends, now + FOREIGN_SECONDS)
                                limit.reschedule(ends)
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
            return await self._name_users(err.reason)
        finally:
            stop_progress()
        if is_topic(self._device):
            return _topic_failure(heard, self._said)
        place = _place(self._device)
        if not heard.byte_count and place is not None and place[1] in _WEB_PORTS:
            # A web server waits for the other side to speak.
            return Diagnosis.HTTP
        return await self._name_users(heard.diagnosis)

    async def _name_users(self, failure: str | None) -> str | None:
        """Say who has the port, where that is known and explains the failure."""
        if failure in _TAKEN and (users := await self._users()):
            self._detail["users"] = users
            return "busy_by"
        return failure

    async def _users(self) -> str:
        """Name what else is set to use the port, "" if nothing is known to be."""
        ports = await usb.async_scan_serial_ports(self.hass)
        consumers = await usb.async_get_serial_port_consumers(self.hass, ports)
        # These let go of it while we listen.
        ours = {entry.entry_id for entry in self._async_current_entries()}
        ours |= {entry.entry_id for entry, _ in takeover.entries(self.hass)}
        place = _place(self._device)
        users = [
            each.title
            for device, uses in consumers.items()
            if device == self._device or (place and _place(device) == place)
            for each in uses
            if each.active and each.config_entry_id not in ours
        ]
        # Those who ask for host and port apart are not among them.
        users += [
            entry.title
            for entry in self.hass.config_entries.async_entries()
            if place and entry.entry_id not in ours
            if entry.state is ConfigEntryState.LOADED
            if (entry.data.get(CONF_HOST), str(entry.data.get(CONF_PORT))) == place
        ]
        return ", ".join(users)


def _place(device: str) -> tuple[str, str] | None:
    """Give host and port of a bridge, None for what is none."""
    found = _NETWORK.match(device)
    return (found[1].lower(), found[2]) if found else None


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
