"""Is a value or an hour wrong in thirty days of faults? By a clock that the test moves.

Three meters live ten days each in Home Assistant, two of the three through a change to or
from daylight saving time. One fault follows the other, of all kinds that `simulator.FAULTS`
has for the meter and its line, and of the port, Home Assistant and its clock. What is shown
and what is booked is compared with what the simulated house used.

The hour that ends at a list is right always if that list and the one before were received
whole. If lists between were not, the hours are estimates as long as the power was seen all
the time. Of no other hour anybody knows: `House.excused` says why, and what they were
together is right.

To live through a day in seconds the meter sends a list each 50 s in quiet hours, not each
ten. So estimates are less exact here than in a house: `ESTIMATED` is for that, and
tests/accounting has what they are with every list.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import closing
from copy import deepcopy
from datetime import UTC, datetime, timedelta
import errno
from itertools import pairwise
import logging
from pathlib import Path
from random import Random
import sqlite3
import time
from typing import Any, NamedTuple
from unittest.mock import patch

from freezegun.api import FrozenDateTimeFactory
import pytest
from pytest_homeassistant_custom_component.components.recorder.common import (
    async_recorder_block_till_done,
)

from custom_components.han_port.accounting import HOUR
from custom_components.han_port.replacement import async_replace_meter
from homeassistant.components.recorder.tasks import CommitTask
from homeassistant.const import EVENT_RECORDER_5MIN_STATISTICS_GENERATED
from homeassistant.core import CoreState
from homeassistant.helpers.entity import Entity
from homeassistant.helpers.recorder import get_instance
import simulator
from simulator.faults import FAULTS, Stage, parse_fault
from tests.integration.conftest import Boot, Port, state
from tests.integration.home import (
    DIRECTIONS,
    FIVE,
    TEN_SECONDS,
    Home,
    compile_statistics,
)

from .conftest import Table

DAYS = 10
SPRING = datetime(2026, 3, 22, tzinfo=UTC)
AUTUMN = datetime(2026, 10, 18, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
SECOND = timedelta(seconds=1)
# Of quiet hours a list each 50 s is enough, which is what makes a day take seconds
QUIET = timedelta(seconds=50)
# Without power for longer nobody knows what flowed
GAP = timedelta(seconds=90)
# Steps of the counter, and what looking at the power every 50 s may be off in an hour
EXACT, ESTIMATED = 0.0011, 0.0611
# Estimated hours are booked in the steps of a counter that counts in 10 Wh
STEP = 0.0111
# What energy may be ahead between two counters: 10 kW that come or go in 90 s are taken for
AHEAD = 0.13
# The same where the clock was put forward: 12 kW are believed to have flowed meanwhile
STEPPED = AHEAD + 12 * 90 / 3600
# Seconds of the clock of Home Assistant for which a list is still that of its hour
CLOCK = 100

MEASURED = {
    "active_power_import": 1.0,
    "active_power_export": 1.0,
    "voltage_l1": 1.0,
    "voltage_l3": 1.0,
    "current_l1": 0.1,
    "current_l3": 0.1,
}

# What is no fault of the simulator
HARNESS = "pytest_homeassistant_custom_component"
UNPLUGGED = "port unplugged"
RESTARTED = "Home Assistant restarted"
KILLED = "Home Assistant killed"
SMALL_STEP = "small clock step"
LARGE_STEP = "large clock step"
REPLACED = "meter replaced"
NEW_KEYS = "keys changed"
OTHERS = (UNPLUGGED, RESTARTED, KILLED, SMALL_STEP, LARGE_STEP, REPLACED)
VALUES = {"bit-errors": ":1e-4"}
RECORDED = {"include": {"entity_globs": ["*energy*"]}, "commit_interval": 3600}


class Trouble(NamedTuple):
    """One fault, and from when to when, by the meter's time."""

    name: str
    begin: datetime
    end: datetime
    value: float = 0.0


def plan(
    random: Random, begin: datetime, end: datetime, kinds: list[str]
) -> Iterator[Trouble]:
    """Give one trouble after the other, each kind as often as the other."""
    now, left = begin + 2 * HOUR, list[str]()
    while True:
        if not left:
            left = random.sample(kinds, len(kinds))
        name = left.pop()
        start = now + random.uniform(90, 240) * MINUTE
        lasts = random.choice((0.2, 1, 10, 50)) * random.uniform(0.5, 1) * MINUTE
        if random.random() < 0.6:  # about a full hour, where most is at stake
            start = (start + HOUR).replace(minute=0, second=0, microsecond=0)
            start -= random.uniform(-0.5, 1) * min(lasts, 2 * MINUTE)
        if name in (REPLACED, NEW_KEYS):  # until a person has done something
            lasts = 12 * MINUTE
        now = start + lasts
        if now > end - 3 * HOUR:
            return
        value = 0.0
        if name == SMALL_STEP:
            value = random.choice((-1, 1)) * random.uniform(2, CLOCK)
        elif name == LARGE_STEP:
            value = random.choice((-1, 1)) * random.uniform(600, 2400)
        yield Trouble(name, start, now, value)


class House(Home):
    """A house in trouble: what is sent through the port, and what is known of it."""

    def __init__(
        self,
        freezer: FrozenDateTimeFactory,
        meter: simulator.SimulatedMeter,
        begin: datetime,
        troubles: list[Trouble],
        port: Port,
        storage: dict[str, Any],
    ) -> None:
        """Take the meter without faults, and those that come."""
        super().__init__(freezer, meter, begin)
        self.name = ""
        self.begin = begin
        self.now = begin
        self.error = timedelta(0)
        self.port = port
        self.storage = storage
        self.troubles = troubles
        self.complaints: dict[Trouble | None, list[str]] = {}
        # Hours whose counter was received whole, and those whose end the clock left out
        self.told: set[datetime] = set()
        self.jumped: set[datetime] = set()
        # Times without power, or with a clock that stepped
        self.gaps: list[tuple[datetime, datetime]] = []
        # Who counted since when, and what was shown more than that
        self.meters = [(begin, meter)]
        self.offset = dict.fromkeys(DIRECTIONS, 0.0)
        self.ahead = 0.0
        self.stepped = False
        self.log: list[tuple[datetime, str]] = []
        # When the last list came whole, less what a kill took, and what was sent since
        self._seen = self._whole = begin
        self._lists = deque[tuple[datetime, dict[str, Any]]]()
        self._highest = dict.fromkeys(DIRECTIONS, 0.0)
        self._row = begin
        self._random = Random(f"{meter.seed} line")
        self._since = begin
        self._fast = False
        self.back: datetime | None = begin

    # --- what goes on ---

    @property
    def wall(self) -> datetime:
        """The clock of Home Assistant."""
        return self.now + self.error

    async def begin_again(self, boot: Boot) -> None:
        """Start Home Assistant, on what is stored."""
        self.set_clock()
        await self.start(boot)
        self.hass.loop.time = lambda: (  # type: ignore[method-assign]
            time.monotonic() - self.error.total_seconds()
        )
        self.set_clock()

    def set_clock(self) -> None:
        """Let the clock be as wrong as it is, and the recorder go by it."""
        self._freezer.move_to(self.wall)
        due = self.wall - TEN_SECONDS
        self._row = due.replace(minute=0, second=0, microsecond=0) + HOUR

    def step(self, seconds: float) -> None:
        """Put the clock of Home Assistant that much beside the meter's."""
        before = self.wall
        self.error = timedelta(seconds=seconds)
        first, last = sorted((before, self.wall))
        hour = first.replace(minute=0, second=0, microsecond=0)
        self.jumped |= {
            each for each in (hour, hour + HOUR) if first <= each + TEN_SECONDS <= last
        }
        self.gaps.append((self.now - GAP, self.now + GAP))
        self.stepped = True
        self.set_clock()

    async def reach(self, when: datetime) -> None:
        """Let time pass until then, by the meter's clock, with all that is due."""
        while when + self.error >= self._row + TEN_SECONDS:
            self._freezer.move_to(self._row + TEN_SECONDS)
            start, self._row = self._row - FIVE, self._row + HOUR
            await self._yield()
            if self.hass.state is CoreState.running:
                await compile_statistics(self.hass, start)
                # It says so before it has written the rows, and five minutes later anew.
                self.hass.bus.async_fire(EVENT_RECORDER_5MIN_STATISTICS_GENERATED)
                await self.calm()
        while self.now < when:
            # Timers that follow each other are each due in their own time.
            self.now = min(when, self.now + SECOND) if self.port.failure else when
            self._freezer.move_to(max(self.wall, self._row - HOUR))
            await self._yield()

    async def _yield(self) -> None:
        for _ in range(4):
            await asyncio.sleep(0)

    def lists(self) -> Iterator[tuple[datetime, int]]:
        """Give when lists are sent and which, as dense as it matters."""
        for when, kind in self.meter._schedule(self._since):
            if kind == 3 or (kind == 2 and self._matters(when)):
                self._since = when + timedelta(microseconds=1)
                yield when, kind

    def _matters(self, when: datetime) -> bool:
        about = (when + 30 * SECOND).minute == 0
        if about or when - self._since >= QUIET or self.meter.faults:
            return True
        return any(
            abs(when - edge) < 80 * SECOND
            for each in self.troubles
            for edge in (each.begin, each.end)
            if abs(when - each.begin) < 3 * HOUR
        )

    async def live(self, end: datetime, *, hears: bool = True) -> None:
        """Let the meter send until then, heard or not."""
        trouble = self.trouble
        for when, kind in self.lists():
            if when >= end:
                self._since = when
                break
            elapsed = (when - self.begin).total_seconds()
            values = self.meter.values(self.meter.moment(when, kind))
            clean = self.meter._frames(when, kind, values)
            sent = clean
            if trouble and self.meter.faults:
                sent = self.meter.sent(when, kind, elapsed, self._random)
            await self.reach(when + timedelta(seconds=len(clean) * 11 / 2400))
            received = hears and self.port.is_open and bool(sent)
            self._lists.append((self.now, values))
            if received:
                self.port.put(sent)
                await self.port.read_all()
                self._note(when, kind, sent, clean)
                self.check()
                if self.back is None and self.shown("active_power_import") is not None:
                    self.back = self.now
        await self.reach(max(end, self.now))

    @property
    def is_open(self) -> bool:
        """Say whether the keys of the entry are those of the meter."""
        key = self.entry.data.get("encryption_key")
        return not self.meter.model.cipher or key == self.meter.encryption_key.hex()

    def _note(self, when: datetime, kind: int, sent: bytes, clean: bytes) -> None:
        """Note what anybody can know who got this list."""
        names = {each.name for each in self.meter.faults}
        stages = {FAULTS[name].stage for name in names}
        if not self.is_open or self.meter.id != self.entry.data["meter_id"]:
            return
        # What the meter tells otherwise is whole, and its power right.
        whole = sent == clean or (
            Stage.LINE not in stages and "other-meter" not in names
        )
        if not whole and sent != 2 * clean:
            return
        if self.now - self._seen > GAP:
            self.gaps.append((self._seen, self.now))
        # A small change may wait for a minute, and a list cut off takes some of the next.
        while self._lists[0][0] < min(self._whole, self.now - 2 * MINUTE):
            self._lists.popleft()
        self._seen = self._whole = self.now
        honest = sent in (clean, 2 * clean) or names <= {"clock-off", "clock-lost"}
        if kind != 3:
            return
        # A clock that falls back by an hour is also that of a list that is sent again.
        fell_back = self._fast and "clock-off" not in names
        if honest:
            self._fast = "clock-off" in names
        if abs(self.error) <= CLOCK * SECOND and honest and not fell_back:
            self.told.add(when.replace(minute=0, second=0, microsecond=0))
            self.stepped = bool(self.error)

    # --- what must hold ---

    @property
    def trouble(self) -> Trouble | None:
        """The trouble of now, or the last one."""
        past = [each for each in self.troubles if each.begin <= self.now]
        return past[-1] if past else None

    def complain(self, text: str, trouble: Trouble | None = None) -> None:
        """Note what does not hold."""
        said = self.complaints.setdefault(trouble or self.trouble, [])
        said.append(f"{self.now:%d %H:%M:%S} {text}")

    def shown(self, key: str) -> float | None:
        """Give the value of a sensor, None where there is none."""
        owner = self.entry.data["meter_id"]
        found = state(self.hass, key, owner)
        return None if found in (None, "unknown", "unavailable") else float(found)

    def check(self) -> None:
        """See that what is shown was measured just now, and that energy never decreases."""
        for key, step in MEASURED.items():
            if (value := self.shown(key)) is None:
                continue
            if not any(
                abs(value - known[key]) <= step
                for _, known in self._lists
                if key in known
            ):
                self.complain(f"{key} is {value}")
        for key in DIRECTIONS:
            if (value := self.shown(key)) is None:
                continue
            if value < self._highest[key]:
                self.complain(f"{key} falls from {self._highest[key]} to {value}")
            self._highest[key] = max(self._highest[key], value)
            truth = getattr(self.meter, key)(self.now) + self.offset[key]
            if self.meter.id == self.entry.data["meter_id"]:
                self.ahead = max(self.ahead, value - truth)
                if value > truth + (STEPPED if self.stepped else AHEAD):
                    self.complain(f"{key} is {value}, {truth:.3f} at the most")

    def silent(self) -> None:
        """See that nothing is shown of a meter that is not heard."""
        for key in MEASURED:
            if (value := self.shown(key)) is not None:
                self.complain(f"{key} is {value} in silence")

    def excused(self, hour: datetime) -> str | None:
        """Say why nobody can know the energy of an hour, None if it is known."""
        before = max((each for each in self.told if each <= hour), default=None)
        after = min((each for each in self.told if each > hour), default=None)
        if before is None or after is None:
            return "no list before or after"
        if any(before <= jumped <= after for jumped in self.jumped):
            return "the clock left out its end"
        if any(before < since <= after for since, _ in self.meters):
            return "another meter"
        if after - before == HOUR:
            return None
        if any(start < after and end > before for start, end in self.gaps):
            return "no list of its begin or end, and no power for a time"
        return None

    async def check_hours(self, name: str, end: datetime) -> Counter[str]:
        """See that each hour is booked as it was used; give why others cannot be known."""
        count = int((end - self.begin) / HOUR)
        booked = dict(
            zip(
                (self.begin + HOUR * each for each in range(count)),
                await self.booked(name, self.begin, count),
                strict=True,
            )
        )
        truth = {hour: self.used(name, hour) for hour in booked}
        excused = Counter[str]()
        for hour, energy in booked.items():
            if (reason := self.excused(hour)) is not None:
                excused[reason] += 1
                continue
            exact = {hour, hour + HOUR} <= self.told
            if abs(energy - truth[hour]) > (EXACT if exact else ESTIMATED):
                self.complain(
                    f"{name} of {hour:%d %H:%M} is {energy:.3f}, {truth[hour]:.3f} was used"
                    f" {'exact' if exact else 'estimated'}",
                    self.near(hour),
                )
        for before, after in pairwise(sorted(self.told)):
            hours = [hour for hour in booked if before <= hour < after]
            sums = [sum(each[hour] for hour in hours) for each in (booked, truth)]
            if (
                after - before > HOUR
                and not any(before < since <= after for since, _ in self.meters)
                and not any(each in (before, after) for each in self.jumped)
                and abs(sums[0] - sums[1]) > STEP
            ):
                self.complain(
                    f"{name} of {before:%d %H:%M} to {after:%H:%M} is {sums[0]:.3f},"
                    f" {sums[1]:.3f} was used",
                    self.near(before),
                )
        return excused

    def used(self, name: str, hour: datetime) -> float:
        """Give the energy of an hour, in steps of the meter's counter."""
        meter = [meter for since, meter in self.meters if since <= hour][-1]
        counters = Home(self._freezer, meter, self.begin).counters(name, hour, 1)
        return counters[1] - counters[0]

    def near(self, hour: datetime) -> Trouble | None:
        """Give the trouble that an hour saw, or the last one before."""
        past = [each for each in self.troubles if each.begin < hour + HOUR + 5 * MINUTE]
        return past[-1] if past else None

    # --- what people and faults do ---

    async def enter_keys(self) -> None:
        """Enter the meter's key where Home Assistant asks for it."""
        flows = self.hass.config_entries.flow
        asked = [
            each for each in flows.async_progress() if each["handler"] == "han_port"
        ]
        if [each["context"]["source"] for each in asked] != ["reauth"]:
            self.complain(f"{len(asked)} dialogs ask for a key")
            return
        key = {"encryption_key": self.meter.encryption_key.hex()}
        await flows.async_configure(asked[0]["flow_id"], key)
        await self.hass.async_block_till_done()

    async def kill(self) -> None:
        """End Home Assistant without a word: what was not written is gone."""
        await self.calm()
        stored = deepcopy(self.storage)
        path = Path(get_instance(self.hass).db_url.removeprefix("sqlite:///"))
        copy = path.with_suffix(".killed")
        with (
            closing(sqlite3.connect(path)) as now,
            closing(sqlite3.connect(copy)) as to,
        ):
            now.backup(to)
        await self.stop()
        self.storage.clear()
        self.storage.update(stored)
        for each in path.parent.glob(f"{path.name}-*"):
            each.unlink()
        copy.replace(path)
        # The accounts are stored every 30 s.
        self._seen -= 30 * SECOND

    async def calm(self) -> None:
        """Wait for queries: SQLite crashes if the recorder of a test ends beneath them."""
        await self.hass.async_block_till_done()
        await async_recorder_block_till_done(self.hass)

    async def commit(self) -> dict[str, float]:
        """Let the recorder write, as it does every 5 s; give the energy shown until now."""
        get_instance(self.hass).queue_task(CommitTask())
        await async_recorder_block_till_done(self.hass)
        return dict(self._highest)

    async def endure(self, trouble: Trouble, boot: Boot) -> None:
        """Live through one trouble, and say when all was well again."""
        name, begin, end, value = trouble
        if name == KILLED:
            await self.live(begin - 5 * SECOND)
            written = await self.commit()
        await self.live(begin)
        self.back = None
        if name in FAULTS:
            self.meter.faults = [parse_fault(name + VALUES.get(name, ""))]
            await self.live(end)
            self.meter.faults = []
        elif name == UNPLUGGED:
            self.port.failure = FileNotFoundError(errno.ENOENT, "No such file")
            self.port.put(OSError(errno.EIO, "Input/output error"))
            await self.live(end, hears=False)
            self.silent()
            self.port.failure = None
        elif name in (RESTARTED, KILLED):
            if name == KILLED:
                await self.kill()
                # Of what was never written nobody knows that it was shown.
                self._highest = written
            else:
                await self.calm()
                await self.stop()
            await self.live(end, hears=False)
            await self.begin_again(boot)
            self.check()
        elif name in (SMALL_STEP, LARGE_STEP):
            self.step(value)
            await self.live(end)
            self.step(0)
        elif name == REPLACED:
            # One of the two that take turns, as it takes seconds to build a house
            self.meter = simulator.create(self.name, seed=self.meter.seed ^ 1)
            if self.meter.model.cipher:
                await self.live(end - 2 * MINUTE)
                await self.enter_keys()
            await self.live(end)
            heard = self.coordinator.heard.meter
            assert heard is not None
            assert heard.id == self.meter.id
            said = await async_replace_meter(self.hass, self.entry, heard)
            assert said is None
            self.meters.append((end, self.meter))
            for key in DIRECTIONS:
                self.offset[key] = self._highest[key] - getattr(self.meter, key)(end)
        elif name == NEW_KEYS:
            self.meter.encryption_key = self._random.randbytes(16)
            await self.live(end)
            self.silent()
            await self.enter_keys()
        self.back = None
        await self.live(end + 2 * MINUTE)


def kinds_of(meter: simulator.SimulatedMeter) -> list[str]:
    """Give the kinds of trouble that this meter can be in."""
    kinds = [name for name, kind in FAULTS.items() if kind.stage is not Stage.LINK]
    kinds.remove("power")  # which is what a house may draw, and no fault to a reader
    return [*kinds, *OTHERS, *([NEW_KEYS] if meter.model.cipher else [])]


@pytest.fixture(name="quiet", autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Let nobody write down each statement of SQL, which takes most of the time."""
    for name in ("sqlalchemy.engine", "homeassistant", "asyncio", HARNESS):
        caplog.set_level(logging.WARNING, name)
    caplog.set_level(logging.INFO, "custom_components.han_port")


@pytest.fixture(name="few")
def _few() -> Iterator[None]:
    """Enable what is checked, and no other: they are many."""
    enabled = property(lambda self: self.translation_key in {*MEASURED, *DIRECTIONS})
    with patch.object(Entity, "entity_registry_enabled_default", enabled):
        yield


@pytest.mark.usefixtures("few")
@pytest.mark.parametrize(
    ("recorder_config", "enable_missing_statistics"),
    [(RECORDED, True)],
    ids=["restarts"],
)
@pytest.mark.parametrize(
    ("name", "begin"),
    [("aidon-3p", SPRING), ("kaifa-3p", AUTUMN), ("kamstrup-dk-nve", SPRING)],
)
async def test_days(
    boot: Boot,
    freezer: FrozenDateTimeFactory,
    port: Port,
    hass_storage: dict[str, Any],
    table: Table,
    life: int,
    name: str,
    begin: datetime,
) -> None:
    """No false value is shown, energy never decreases, and hours are the meter's own."""
    random = Random(f"{life} {name}")
    meter = simulator.create(name, seed=life)
    end = begin + DAYS * 24 * HOUR
    troubles = list(plan(random, begin, end, kinds_of(meter)))
    house = House(freezer, meter, begin, troubles, port, hass_storage)
    house.name = name

    class Said(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            house.log.append((house.now, record.getMessage()))

    handler = Said(logging.INFO)
    logging.getLogger("custom_components.han_port").addHandler(handler)
    asyncio.get_running_loop().set_debug(False)  # which takes half of the time
    await house.begin_again(boot)
    if meter.model.cipher:
        await house.live(begin + 2 * MINUTE)
        await house.enter_keys()
    results = []
    for trouble in troubles:
        await house.endure(trouble, boot)
        back = ((house.back or house.now) - trouble.end).total_seconds()
        if back > 60 or house.back is None:
            house.complain(f"back after {back:.0f} s", trouble)
        said = [text for when, text in house.log if when >= trouble.begin]
        if len(said) > 2:
            house.complain(f"said {said}", trouble)
        results.append((trouble, back, len(said)))
    await house.live(end + 5 * MINUTE)
    await house.calm()
    house.told.discard(min(house.told))  # the recorder had nothing yet to go on from
    excused = [await house.check_hours(key, end) for key in DIRECTIONS]
    logging.getLogger("custom_components.han_port").removeHandler(handler)
    for trouble, back, lines in results:
        table.add(trouble.name, back, lines, house.complaints.get(trouble, []))
    hours = int((end - begin) / HOUR)
    table.notes.append(
        f"{name}, seed {life}: {len(troubles)} faults in {DAYS} days, {hours} hours,"
        f" of which nobody can know {excused[0].total()}: {dict(excused[0])};"
        f" shown at most {house.ahead:.3f} kWh more than was used"
    )
    wrong = [
        f"{trouble.name if trouble else 'nothing'}: {text}"
        for trouble, said in house.complaints.items()
        for text in said
    ]
    assert not wrong, "\n".join(wrong)
