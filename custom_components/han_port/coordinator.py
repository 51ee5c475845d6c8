"""What does the meter say now, and is it still talking? One loop."""

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from datetime import datetime, timedelta
from itertools import repeat
import logging
from random import uniform
from statistics import median
from typing import Any, override

from homeassistant.components import usb
from homeassistant.config_entries import ConfigEntry
from homeassistant.const import CONF_DEVICE
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.storage import Store
from homeassistant.helpers.update_coordinator import DataUpdateCoordinator, UpdateFailed
from homeassistant.util.dt import get_default_time_zone, utcnow

from .accounting import (
    MAX_WATTS,
    Account,
    DayMaximum,
    FuseGuard,
    SlidingMeans,
    VoltageWatch,
)
from .const import (
    CONF_LINE,
    CONF_METER_ID,
    CONF_MULTIPLY_ENERGY,
    CONF_PUBLISH,
    CONF_QUANTITIES,
    CONF_SUBMETERS,
    DOMAIN,
    KEYS,
    NET_POWER,
)
from .continuity import (
    COUNTERS,
    ENERGY_COUNTERS,
    Backwards,
    Continuity,
    counters_of,
    stored_counters,
)
from .diagnosis import SEALED, SEALED_TIMES, Heard
from .options import fuse_guard, peak_rules
from .protocol import Decoder, ErrorCode, Line, MeterReading, Outcome, Quantity
from .protocol.envelope import Contents, Said
from .publishing import Publish, Publisher
from .scaling import PowerCheck, multipliers, scaled
from .source import Source, SourceError
from .submeters import Submeter, Submeters
from .topic import Chunk, Topic, decode_aged, flat, is_topic, open_device

_LOGGER = logging.getLogger(__package__)

# Seconds between attempts to open the port; grown by this each time, they are a twentieth
# of how long it has been away: back within 2 s after 20 s, and in no hurry after an hour,
# but with a list in the minute in which the port is back.
SHORTEST_DELAY = 1
LONGEST_DELAY = 40
DELAY_GROWTH = 1.05

# Seconds without a reading until the meter counts as silent: six times what is usual,
# never less than the shortest, and as long as nothing is known enough for one reading
# a minute.
SILENT_AFTER_CADENCES = 6
SHORTEST_SILENCE = 30
SILENCE_BEFORE_CADENCE = 120
# A reader on MQTT may begin at any time to collect what it sends.
SHORTEST_SILENCE_MQTT = 120

# Seconds after which a topic is opened anew, if its broker or reader stays offline: both
# come back by themselves, unless the MQTT integration was removed and set up again.
OFFLINE_CHECK = 900

# Seconds within which the log says only once that a link comes and goes, and from when on
# a silence is said all the same
SAY_AGAIN = 3600
SAY_LASTING = 600

# Readings closer than this came together: some bridges collect before they send.
TOGETHER = 0.5

# Some meters send these every quarter of an hour only.
LASTING = COUNTERS | {
    Quantity.TARIFF,
    Quantity.DEMAND_IMPORT_PEAK,
    Quantity.POWER_FAILURES,
    Quantity.LONG_POWER_FAILURES,
    Quantity.VOLTAGE_SAGS_L1,
    Quantity.VOLTAGE_SAGS_L2,
    Quantity.VOLTAGE_SAGS_L3,
    Quantity.VOLTAGE_SWELLS_L1,
    Quantity.VOLTAGE_SWELLS_L2,
    Quantity.VOLTAGE_SWELLS_L3,
}
# What the hour list of a meter has for the power in its other lists
HOURLY = {
    Quantity.ACTIVE_POWER_IMPORT: Quantity.ENERGY_IMPORT,
    Quantity.ACTIVE_POWER_EXPORT: Quantity.ENERGY_EXPORT,
}

# What listeners that need not be called with every reading are about, beside quantities:
# whether the meter is heard, what it is known to send, the peaks of the month, hours that
# began or were settled, the highest power of the day, whether the voltages are in range,
# and, each reading while there is one, what the limit of the hour leaves
LINK = "link"
SENT = "sent"
PEAKS = "peaks"
HOURS = "hours"
DAY = "day"
VOLTAGES = "voltages"
LIMIT = "limit"

# The longest time that a mean of the power is taken over
LONGEST_MEAN = timedelta(minutes=15)

# Seconds between what the accounts are and what is stored of them
STORE_DELAY = 30
STORE_VERSION = 1

type HanPortConfigEntry = ConfigEntry[HanPortCoordinator]


def stores(
    hass: HomeAssistant, entry: ConfigEntry
) -> tuple[Store[dict[str, object]], Store[dict[str, object]]]:
    """Give the stores of an entry: of all accounts but the peaks, and of the peaks.

    The one changes with every reading, the other, much larger, with every hour.
    """
    key = f"{DOMAIN}.{entry.entry_id}"
    return (
        Store(hass, STORE_VERSION, key),
        Store(hass, STORE_VERSION, f"{key}.peaks"),
    )


def make_decoder(data: Mapping[str, Any]) -> Decoder:
    """Make the decoder for the keys in the data of an entry."""
    return Decoder(**{name: bytes.fromhex(data[name]) for name in KEYS if name in data})


class HanPortCoordinator(DataUpdateCoordinator[dict[str, float]]):
    """The values of one meter, by `Quantity` and NET_POWER, in the units of `Quantity`.

    Nothing is asked for: the meter pushes. `last_update_success` is false from the loss
    of the link, or silence, to the next reading; `connected` is true in between, but
    not before the first reading.

    A listener whose context is a quantity, or one of those beside them, is called when
    there is something new of that to show, one without with every reading, and all of
    them when the link is lost or back. Energy is new when its live counter is.

    `account` has what the readings add up to, `limit` what the mean power of an hour
    shall not exceed, in kW. `chunk_listeners` are called with every chunk as it comes.
    """

    config_entry: HanPortConfigEntry

    def __init__(self, hass: HomeAssistant, entry: HanPortConfigEntry) -> None:
        """Start with nothing but what the entry remembers."""
        super().__init__(hass, _LOGGER, config_entry=entry, name=entry.title)
        self.data = {}
        self.device: str = entry.data[CONF_DEVICE]
        self.quantities: set[str] = set(entry.data[CONF_QUANTITIES])
        self.connected = False
        self.cadence: float | None = None
        self.counters: Counter[str] = Counter(
            dict.fromkeys(
                (
                    "bytes",
                    "frames",
                    "connects",
                    "losses",
                    "other_meter",
                    "refused",
                    *ErrorCode,
                ),
                0,
            )
        )
        self.submeters = Submeters(entry, self.counters)
        self.recent: deque[Outcome] = deque(maxlen=40)
        self.account = Account(get_default_time_zone(), peak_rules(entry.options))
        self.limit: float | None = None
        self.publisher = Publisher(
            Publish(entry.options.get(CONF_PUBLISH, Publish.BALANCED))
        )
        self._multipliers = multipliers(entry.options)
        self._multiply_energy = entry.options.get(CONF_MULTIPLY_ENERGY, 1)
        self.power_check = PowerCheck(entry.options)
        self._continuity = Continuity()
        # None unless a person said what the main fuse is
        self.fuse: FuseGuard | None = fuse_guard(entry.options)
        self.voltages = VoltageWatch()
        # None unless somebody wants to know: most people do not, and it takes memory
        self.power_means: SlidingMeans | None = None
        self.power_maximum = DayMaximum(get_default_time_zone())
        self._store, self._peak_store = stores(hass, entry)
        self._storing = False
        # What a reader on MQTT said last about itself
        self.said: Contents | None = None
        self.heard = Heard()
        self.chunk_listeners: set[Callable[[bytes], None]] = set()
        # The last message that the keys did not open: new keys are tried on it.
        self.sealed: Outcome | None = None
        self._sealed_times = 0
        self._identified = False
        # When the log said last of a silence, and whether it did of the present one
        self._said: float | None = None
        self._said_silence = False
        self._lost: float = 0
        # Whether a list came on this connection
        self._begun = False
        self._heard: dict[str, float] = {}
        # What has changed since the reading before, and what was not shown since it did
        self._changed: set[str] = set()
        self._news: set[str] = set()
        self._backwards = Backwards()
        self._last_reading: float | None = None
        self._last_sent: datetime | None = None
        self._intervals: deque[float] = deque(maxlen=15)
        self._delay: float = SHORTEST_DELAY
        self._wake = asyncio.Event()
        self._reader: asyncio.Task[None]

    async def async_load(self) -> None:
        """Take up the accounts where the last run left them.

        Counters too: the meter may send the next in an hour only.
        """
        stored = await self._store.async_load() or {}
        self.data = stored_counters(stored.get("shown"))
        self.submeters.restore(stored.get("submeters"))
        self.account.restore(stored)
        self._continuity.restore(stored.get("continuity"))
        if stored and stored.get(CONF_MULTIPLY_ENERGY, 1) != self._multiply_energy:
            # The meter has not counted more than before because a person said by how
            # much to multiply it.
            self.async_start_over()
        self.power_maximum.restore(stored.get("power_maximum"), MAX_WATTS)
        self.account.peaks.restore(await self._peak_store.async_load())

    @callback
    def async_start_over(self) -> None:
        """Let all counters go on from where they are, whatever comes next."""
        for quantity in self.account.counters:
            self.account.start_over(quantity)
        self._continuity.start_over(ENERGY_COUNTERS)

    async def async_save(self) -> None:
        """Store the accounts now."""
        await self._store.async_save(self._stored())
        await self._peak_store.async_save(self.account.peaks.as_dict())

    @callback
    def async_start(self, port: AsyncExitStack, source: Source | Topic) -> None:
        """Read on from a port that was opened, and from now on own it."""
        entry = self.config_entry
        entry.async_on_unload(
            usb.async_register_port_event_callback(self.hass, self._on_port_event)
        )
        self._reader = entry.async_create_background_task(
            self.hass, self._keep_reading(port, source), f"HAN Port {self.device}"
        )

    @callback
    def async_stop(self) -> None:
        """Read nothing more; Home Assistant waits for the port to close."""
        self._reader.cancel()

    @callback
    def async_keep_means(self) -> None:
        """Keep what means of the power are taken from."""
        self.power_means = self.power_means or SlidingMeans(LONGEST_MEAN)

    @override
    async def _async_update_data(self) -> dict[str, float]:
        """Answer a person who asks for an update: there is nothing to fetch."""
        if not self.last_update_success:
            raise UpdateFailed("The meter is silent")
        return self.data

    @property
    def identifier(self) -> str:
        """What the unique ids begin with: the meter's id, or the entry's if it has none."""
        meter_id: str | None = self.config_entry.data[CONF_METER_ID]
        return meter_id or self.config_entry.entry_id

    @property
    def _silent_after(self) -> float:
        if self.cadence is None:
            return SILENCE_BEFORE_CADENCE
        shortest = SHORTEST_SILENCE_MQTT if is_topic(self.device) else SHORTEST_SILENCE
        return max(shortest, SILENT_AFTER_CADENCES * self.cadence)

    @callback
    def _on_port_event(
        self, added: set[usb.USBDevice], removed: set[usb.USBDevice]
    ) -> None:
        """Try again at once when an adapter was plugged in."""
        if added:
            self._wake.set()

    async def _keep_reading(
        self, port: AsyncExitStack, source: Source | Topic | None
    ) -> None:
        """Read until cancelled, and open the port again whenever it is lost."""
        while True:
            try:
                async with port:
                    if source is None:
                        source = await port.enter_async_context(self.open_source())
                    await self._read(source)
                reason = "the connection was closed"
            except SourceError as err:
                reason = err.detail
            except TimeoutError:
                reason = f"no reading for {self._silent_after:.0f} seconds"
            except Exception as err:
                # Whatever it is, it must not end the data until the next restart.
                _LOGGER.exception("Unexpected error while reading %s", self.device)
                reason = repr(err)
            source = None
            self._lose(reason)
            await self._pause()

    async def _pause(self) -> None:
        """Wait before the next attempt, longer each time, or until woken."""
        try:
            async with asyncio.timeout(
                max(SHORTEST_DELAY, self._delay * uniform(0.7, 1))
            ):
                await self._wake.wait()
        except TimeoutError:
            self._delay = min(LONGEST_DELAY, DELAY_GROWTH * self._delay)
        else:
            self._wake.clear()
            # The file of a new port may take another moment to appear.
            self._delay = SHORTEST_DELAY

    def open_source(self) -> AbstractAsyncContextManager[Source | Topic]:
        """Open the port, as it was set when it worked last, or the topic."""
        known = Line.parse(self.config_entry.data.get(CONF_LINE, ""))
        return open_device(self.hass, self.device, known)

    async def _read(self, source: Source | Topic) -> None:
        """Read until the link ends; TimeoutError if there is no reading for too long."""
        self.counters["connects"] += 1
        self._begun = False
        self._identified = self.config_entry.data[CONF_METER_ID] is None
        self._sealed_times = 0
        self.heard = Heard()
        decoder = make_decoder(self.config_entry.data)
        now = self.hass.loop.time
        end = now() + self._silent_after
        while True:
            try:
                async with asyncio.timeout_at(end) as silence:
                    async for chunk in source:
                        if not chunk:
                            decoder = make_decoder(self.config_entry.data)
                        if more := self._take_chunk(source, decoder, chunk):
                            end = now() + more
                            # Later is soon enough when it is due: with each reading
                            # it would take a timer for each.
                            if end < (silence.when() or end):
                                silence.reschedule(end)
                self.heard.closed = True
            except TimeoutError:
                if silence.expired() and now() < end:
                    continue
                raise
            return

    def _take_chunk(
        self, source: Source | Topic, decoder: Decoder, chunk: Chunk
    ) -> float:
        """Take what was received; give for how many seconds silence is no matter then.

        It is 0 where that is as before.
        """
        data, more = flat(chunk), 0.0
        self.counters["bytes"] += len(data)
        for listener in self.chunk_listeners:
            listener(data)
        if isinstance(chunk, Contents) and chunk.said is not None:
            self.said = chunk
            if chunk.said is Said.OFFLINE:
                self._lose(chunk.text)
                # It comes back by itself: what opens it again would miss lists.
                more = OFFLINE_CHECK
            elif chunk.said is Said.ONLINE:
                more = self._silent_after
        aged = decode_aged(decoder, chunk)
        outcomes = [outcome for outcome, _ in aged]
        if self.heard.add(data, outcomes):
            source.found()
            self._remember_line(source.line)
        else:
            source.missed(data)
            self.heard.look = source.look
        if self._take(outcomes, [age for _, age in aged]):
            more = self._silent_after
        return more

    def _remember_line(self, line: Line | None) -> None:
        """Store how the line is set, now that a frame has proved it."""
        entry = self.config_entry
        if line is not None and entry.data.get(CONF_LINE) != str(line):
            self.hass.config_entries.async_update_entry(
                entry, data={**entry.data, CONF_LINE: str(line)}
            )

    def _take(
        self, outcomes: list[Outcome], ages: Iterable[float] = repeat(0.0)
    ) -> bool:
        """Take what one chunk completed; say whether a reading of the meter was in it.

        `ages` are the seconds for which the reader has kept each outcome.
        """
        taken = False
        for outcome, age in zip(outcomes, ages, strict=False):
            self.recent.append(outcome)
            match outcome.result:
                case MeterReading() as reading:
                    self.counters["frames"] += 1
                    self._sealed_times = 0
                    if not self._is_ours(reading):
                        self.counters["other_meter"] += 1
                    elif reading.values:
                        reading = self._fresh(reading)
                        self.power_check.advance(utcnow(), reading)
                        reading = scaled(reading, self._multipliers)
                        self._merge(reading)
                        when = self._sent(age)
                        self._account(reading, when)
                        self._watch(reading, when)
                        taken = True
                case error:
                    self.counters[error.code] += 1
                    if error.code in SEALED:
                        self._take_sealed(outcome)
                    _LOGGER.debug("%s: %s (%s)", self.device, error, error.code)
        if taken:
            self._delay = SHORTEST_DELAY
            self._learn_cadence()
            self._show()
        return taken

    def _show(self) -> None:
        """Tell listeners of the last reading: all of them, if there was none before it."""
        now = self.hass.loop.time()
        if not self.connected:
            if self._said_silence:
                _LOGGER.info("The meter on %s is sending again", self.device)
                self._said_silence = False
            self.connected = True
            self.async_set_updated_data(self.data)
            self.publisher.advance(now, self.data, self.data)
            return
        if self.limit is not None:
            self._news.add(LIMIT)
        self.publisher.advance(now, self.data, self._changed)
        self._changed.clear()
        news = self._news - self.publisher.waiting
        self._news -= news
        for update, about in list(self._listeners.values()):
            if about is None or about in news:
                try:
                    update()
                except Exception:
                    _LOGGER.exception("Unexpected error while showing %s", self.name)

    @override
    @callback
    def async_update_listeners(self) -> None:
        """Tell all listeners; nothing waits then."""
        self.publisher.show_all()
        self._changed.clear()
        self._news.clear()
        super().async_update_listeners()

    def _fresh(self, reading: MeterReading) -> MeterReading:
        """Give a reading without what may be an hour old.

        Some bridges keep the last hour list for each new reader. Of one that is the first
        on a connection only the counters hold; all else comes with the next list. Other
        meters have their counters in each list.
        """
        begun, self._begun = self._begun, True
        if begun or reading.list_kind != 3 or self.account.live:
            return reading
        counters = {
            quantity: value
            for quantity, value in reading.values.items()
            if quantity in COUNTERS
        }
        return reading._replace(values=counters)

    def _sent(self, age: float) -> datetime:
        """Give when the meter sent a reading that the reader has kept for some seconds.

        It is never before the one before: ages of two messages are not that exact.
        """
        now = utcnow()
        # A clock that was put back is no reason to wait for it.
        earliest = min(self._last_sent or now - timedelta(hours=1), now)
        self._last_sent = max(now - timedelta(seconds=age), earliest)
        return self._last_sent

    def _account(self, reading: MeterReading, when: datetime) -> None:
        """Let the accounts advance, and see to it that they outlive this run."""
        account, before = self.account, self.account.hour.start
        peaks = account.peaks.top()
        shown = {name: it.published for name, it in account.counters.items()}
        settled = account.advance(when, reading)
        for quantity, counter in account.counters.items():
            # The hour of these counters is not known: a bridge repeats its last list to
            # a new reader, or the clock is wrong. They are what the meter counted.
            # After `start_over` they would be a jump.
            fresh = counter.counter is None and counter.offset is not None
            if fresh and (value := reading.values.get(quantity)):
                counter.hold(value)
        for quantity, published in shown.items():
            if account.counters[quantity].published != published:
                self._news.add(quantity)
                if published is None:
                    self._news.add(SENT)
        if account.peaks.top() != peaks:
            self._news.add(PEAKS)
        if settled or account.hour.start != before or account.live:
            # Each list of a meter that is live may say more of the last hour.
            self._news.add(HOURS)
        if settled or account.hour.start != before:
            # What ends an hour is not told again, should Home Assistant be killed now.
            # Peaks first: they have the hour that the accounts are done with.
            self._peak_store.async_delay_save(account.peaks.as_dict)
            self._store.async_delay_save(self._stored)
        elif not self._storing:
            # Asked for again and again, the delay would never end.
            self._storing = True
            self._store.async_delay_save(self._stored, STORE_DELAY)

    def _watch(self, reading: MeterReading, when: datetime) -> None:
        """Let what is watched between the hours advance."""
        values = reading.measured
        if self.fuse is not None:
            self.fuse.advance(when, values)
        watched = self.voltages.outside, len(self.voltages.means)
        self.voltages.advance(when, values)
        if watched != (self.voltages.outside, len(self.voltages.means)):
            self._news.add(VOLTAGES)
        watts = values.get(Quantity.ACTIVE_POWER_IMPORT)
        if watts is not None and 0 <= watts <= MAX_WATTS:
            if self.power_means is not None:
                self.power_means.advance(when, watts)
            highest = self.power_maximum.value
            self.power_maximum.advance(when, watts)
            if self.power_maximum.value != highest:
                self._news.add(DAY)

    def _stored(self) -> dict[str, object]:
        self._storing = False
        return {
            **self.account.as_dict(),
            "shown": counters_of(self.data),
            "submeters": self.submeters.as_dict(),
            CONF_MULTIPLY_ENERGY: self._multiply_energy,
            "continuity": self._continuity.as_dict(),
            "power_maximum": self.power_maximum.as_dict(),
        }

    def _take_sealed(self, outcome: Outcome) -> None:
        """Ask for new keys when it is certain that the present ones open nothing."""
        self.sealed = outcome
        self._sealed_times += 1
        if self._sealed_times == SEALED_TIMES:
            self.config_entry.async_start_reauth(self.hass)

    def _is_ours(self, reading: MeterReading) -> bool:
        """Say whether the meter of this entry sent a reading.

        Short lists name no meter: they are believed on a connection on which the last
        list that names one named ours.
        """
        own = self.config_entry.data[CONF_METER_ID]
        if own is not None and (reading.meter.id or reading.meter.id_alt):
            self._identified = reading.meter.is_named(own)
        return self._identified

    def _merge(self, reading: MeterReading) -> None:
        """Put a reading over what was known before."""
        now = self.hass.loop.time()
        values: dict[str, float] = dict(reading.measured.items())
        for quantity in COUNTERS.intersection(values):
            value = self._continued(quantity, values[quantity])
            if self._backwards.refuses(quantity, value, self.data.get(quantity)):
                self.counters["refused"] += 1
                del values[quantity]
            else:
                values[quantity] = value
        self._add_net_power(values, only_import=reading.list_kind == 1)
        self._heard |= dict.fromkeys(values, now)
        too_old = now - 2 * self._silent_after
        gone = {
            name
            for name in self.data.keys() - values.keys() - LASTING
            if self._heard[name] <= too_old
        }
        self._changed |= gone
        self._changed.update(
            name for name, value in values.items() if value != self.data.get(name)
        )
        self._news |= self._changed
        self.data = self.data | values
        for name in gone:
            del self.data[name]
        if unseen := (values.keys() | _sent_hourly(reading)) - self.quantities:
            self.quantities |= unseen
            self._news.add(SENT)
            entry = self.config_entry
            self.hass.config_entries.async_update_entry(
                entry, data={**entry.data, CONF_QUANTITIES: sorted(self.quantities)}
            )
        if reading.submeters and self.submeters.take(now, reading.submeters):
            self._news.add(SENT)
            self._remember_submeters()

    def _continued(self, quantity: Quantity, value: float) -> float:
        """Give a counter of a reading as it is to be shown."""
        if quantity not in ENERGY_COUNTERS:
            return value
        known = self.data.get(quantity)
        if quantity in HOURLY.values():
            # The meter's own counter is what the meter says; its step is recorded
            # nowhere.
            known = None
        if self._continuity.starts_over(quantity):
            self.data.pop(quantity, None)
        return self._continuity.shown(quantity, value, known)

    def _add_net_power(self, values: dict[str, float], *, only_import: bool) -> None:
        """Add import minus export, as far as the two are known to belong together.

        A meter that nets its phases has one of the two at 0. So a list with import only
        says that there is no export while import is above 0; with import at 0, export
        is what the last list said. Meters that net by phase send both in every list.
        """
        net = values.get(Quantity.ACTIVE_POWER_NET)
        if net is None:
            imported = values.get(Quantity.ACTIVE_POWER_IMPORT)
            if imported is None:
                return
            exports = Quantity.ACTIVE_POWER_EXPORT in self.quantities
            exported = values.get(Quantity.ACTIVE_POWER_EXPORT)
            if exported is None and imported > 0:
                exported = 0.0
                if exports:
                    values[Quantity.ACTIVE_POWER_EXPORT] = exported
            elif exported is None and exports:
                exported = self.data.get(Quantity.ACTIVE_POWER_EXPORT)
            elif exported is None and not only_import:
                exported = 0.0
            if exported is None:
                return
            net = imported - exported
        values[NET_POWER] = net

    def _learn_cadence(self) -> None:
        now = self.hass.loop.time()
        if self._last_reading is not None:
            interval = now - self._last_reading
            if interval < TOGETHER:
                return
            self._intervals.append(interval)
            if len(self._intervals) >= 3:
                self.cadence = median(self._intervals)
        self._last_reading = now

    def _lose(self, reason: str) -> None:
        """Forget all that may have changed since; say so once."""
        now = self.hass.loop.time()
        if self.last_update_success:
            self.counters["losses"] += 1
            self._lost = now
        if not self._said_silence and (
            self._said is None
            or now - self._said >= SAY_AGAIN
            or now - self._lost >= SAY_LASTING
        ):
            self._said, self._said_silence = now, True
            _LOGGER.info("The meter on %s is silent: %s", self.device, reason)
        self.last_update_success = False
        self.connected = False
        self.cadence = self._last_reading = None
        self._intervals.clear()
        self.data = counters_of(self.data)
        self.async_update_listeners()

    def is_sent(self, submeter: Submeter) -> bool:
        """Say whether a submeter is among what the meter sends now."""
        too_old = self.hass.loop.time() - 2 * self._silent_after
        return submeter.heard is not None and submeter.heard > too_old

    @callback
    def async_forget(self, key: str) -> bool:
        """Forget a submeter; False if it is sent, or may be: nothing was heard yet."""
        submeter = self.submeters.get(key)
        if submeter is not None:
            if not self.connected or self.is_sent(submeter):
                return False
            del self.submeters[key]
            self._remember_submeters()
            self.async_update_listeners()
        return True

    def _remember_submeters(self) -> None:
        entry = self.config_entry
        self.hass.config_entries.async_update_entry(
            entry, data={**entry.data, CONF_SUBMETERS: self.submeters.as_list()}
        )


def _sent_hourly(reading: MeterReading) -> set[Quantity]:
    """Give the counters that are not in a list, and will be in that of the full hour.

    Meters with lists of power only, and others of all but energy, send a third kind each
    hour, which has a counter for each direction of power in the second.
    """
    if reading.list_kind not in (1, 2):
        return set()
    return {counter for power, counter in HOURLY.items() if power in reading.values}
