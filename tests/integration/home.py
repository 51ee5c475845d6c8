"""How does a house with a meter live through days with Home Assistant, in no time?"""

from collections.abc import Iterator
from datetime import datetime, timedelta
import logging
from math import floor
from typing import Any

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.accounting import HOUR
from custom_components.han_port.const import DOMAIN
from custom_components.han_port.coordinator import (
    HanPortConfigEntry,
    HanPortCoordinator,
)
from custom_components.han_port.protocol import Decoder
from homeassistant.components.recorder.statistics import statistics_during_period
from homeassistant.components.recorder.tasks import StatisticsTask
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers.recorder import get_instance
import simulator
from tests.integration.conftest import Boot, entity_id, make_entry

FIVE = timedelta(minutes=5)
TEN_SECONDS = timedelta(seconds=10)
DIRECTIONS = ("energy_import", "energy_export")
# Another entity with energy: 0.5 kWh each five minutes while Home Assistant runs
BYSTANDER = "sensor.bystander"
# What readers make of the meter's counter that show it as it comes
PEER = "sensor.peer_"
ENERGY = {
    "device_class": "energy",
    "state_class": "total",
    "unit_of_measurement": "kWh",
}


class Home:
    """A house with a meter, and Home Assistant that records it, from `begin` on.

    `states` has all states seen of the live counters, `ended` those at the end of each
    hour: what the recorder makes of them before they are settled.
    """

    def __init__(
        self,
        freezer: FrozenDateTimeFactory,
        meter: simulator.SimulatedMeter,
        begin: datetime,
        hass: HomeAssistant | None = None,
    ) -> None:
        """Take when it all begins: at full five minutes.

        With `hass` it is that one, and the test sets `entry`; else there is `start`.
        """
        if hass is not None:
            self.hass = hass
        self.entry: HanPortConfigEntry
        self.meter = meter
        self.states: dict[str, list[float]] = {name: [] for name in DIRECTIONS}
        self.ended: dict[str, dict[datetime, float]] = {name: {} for name in DIRECTIONS}
        self._freezer = freezer
        self._messages = _received(meter, begin)
        self._next = next(self._messages)
        self._decoder = Decoder()
        self._due = begin + FIVE
        self._hour = begin.replace(minute=0) + HOUR
        self._used = 0.0
        self._counters: dict[str, float] = {}
        freezer.move_to(begin)

    async def start(self, boot: Boot) -> None:
        """Start a Home Assistant on what the one before stored and recorded."""
        self.hass = await boot()
        self._counters.clear()
        entries = self.hass.config_entries
        if known := entries.async_entries(DOMAIN):
            self.entry = known[0]
            assert await entries.async_setup(self.entry.entry_id)
        else:
            self.entry = make_entry(None, meter_id=self.meter.id)
            await entries.async_add(self.entry)
        self._use()
        await self.hass.async_start()
        await async_recorder_block_till_done(self.hass)
        await self.hass.async_block_till_done()
        assert self.entry.state is ConfigEntryState.LOADED
        self._decoder = Decoder()

    async def set_options(self, options: dict[str, Any]) -> None:
        """Let a person change the options."""
        self.hass.config_entries.async_update_entry(self.entry, options=options)
        assert await self.hass.config_entries.async_reload(self.entry.entry_id)
        await self.hass.async_block_till_done()

    async def stop(self) -> None:
        """Stop Home Assistant as a person does."""
        await self.hass.async_stop()

    @property
    def coordinator(self) -> HanPortCoordinator:
        """The coordinator of the meter."""
        return self.entry.runtime_data

    async def hear(self, end: datetime) -> None:
        """Let the meter be heard until then."""
        for when, frame in self._until(end):
            await self.pass_time(when)
            self.coordinator._take(self._decoder.feed(frame))
            for name, states in self.states.items():
                if (value := self._live(name)) is not None:
                    states.append(value)
                counter = self.coordinator.data.get(name)
                if counter is not None and counter != self._counters.get(name):
                    self._counters[name] = counter
                    self.hass.states.async_set(f"{PEER}{name}", str(counter), ENERGY)
        await self.pass_time(end)

    async def miss(self, end: datetime) -> None:
        """Let nothing be heard until then."""
        for _ in self._until(end):
            pass
        await self.pass_time(end)

    async def pass_time(self, end: datetime) -> None:
        """Let the recorder make the statistics that are due."""
        while end >= self._hour:
            for name, states in self.ended.items():
                if (value := self._live(name)) is not None:
                    states[self._hour] = value
            self._hour += HOUR
        while end >= self._due + TEN_SECONDS:
            self._freezer.move_to(self._due + TEN_SECONDS)
            start = self._due - FIVE
            self._due += FIVE
            if self.hass.state is not CoreState.running:
                continue
            # The recorder does all twelve of an hour; most of them only take time.
            if start.minute in (0, 30, 55):
                await compile_statistics(self.hass, start)
            self._used += 0.5
            self._use()
        self._freezer.move_to(end)

    def _until(self, end: datetime) -> Iterator[tuple[datetime, bytes]]:
        while self._next[0] < end:
            yield self._next
            self._next = next(self._messages)

    def _use(self) -> None:
        self.hass.states.async_set(BYSTANDER, str(self._used), ENERGY)

    def _live(self, name: str) -> float | None:
        owner = entity_id(self.hass, name, self.meter.id)
        found = self.hass.states.get(owner) if owner else None
        if found is None or found.state in ("unknown", "unavailable"):
            return None
        return float(found.state)

    def counters(self, name: str, start: datetime, hours: int) -> list[float]:
        """Give what the meter's counter shows at each full hour, with its digits."""
        per_kwh = 1000 if self.meter.id.startswith("697063") else 100
        energy = getattr(self.meter, name)
        return [
            floor(energy(start + HOUR * each) * per_kwh + 1e-6) / per_kwh
            for each in range(hours + 1)
        ]

    async def booked(self, name: str, start: datetime, hours: int) -> list[float]:
        """Give the energy of each hour as the energy dashboard has it."""
        await async_recorder_block_till_done(self.hass)
        statistic_id = entity_id(self.hass, name, self.meter.id) or name
        rows = await get_instance(self.hass).async_add_executor_job(
            statistics_during_period,
            self.hass,
            start,
            start + HOUR * hours,
            {statistic_id},
            "hour",
            None,
            {"change", "state"},
        )
        change = {row["start"]: row["change"] or 0 for row in rows[statistic_id]}
        instants = [(start + HOUR * each).timestamp() for each in range(hours)]
        return [change.get(each, 0) for each in instants]


async def compile_statistics(hass: HomeAssistant, start: datetime) -> None:
    """Let the recorder do what it does ten seconds after each five minutes."""
    get_instance(hass).queue_task(StatisticsTask(start, True))
    await async_recorder_block_till_done(hass)
    await hass.async_block_till_done()
    await async_recorder_block_till_done(hass)


def _received(
    meter: simulator.SimulatedMeter, start: datetime
) -> Iterator[tuple[datetime, bytes]]:
    """Give the lists and when they have arrived.

    List 1 is left out, and every other list 2 but around the full hour, to save time:
    what is recorded before settlement is less exact for it. tests/accounting takes all.
    """
    meter._cadence = [each for each in meter._cadence if each[2] != 1]
    for when, frame in meter.messages(start):
        if when.minute in (0, 59) or when.second % 20 < 10:
            yield when + timedelta(seconds=len(frame) * 11 / 2400), frame


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Give what the recorder warned of, but that it was down for long."""
    messages = [
        each.getMessage()
        for each in caplog.records
        if each.levelno >= logging.WARNING and "recorder" in each.name
    ]
    return [each for each in messages if "shutdown cleanly" not in each]
