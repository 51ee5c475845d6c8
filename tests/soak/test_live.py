"""Does a real Home Assistant come through what happens to links, brokers and itself?

Four simulated meters send in real time, over TCP, over a name, on a serial port and through
an MQTT broker, and to each one fault follows the other. Meanwhile Home Assistant is killed
and started again. What was shown is read from its own database at the end, each state that
there ever was; its log says what was said, and /proc what it holds.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, closing, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
import json
from pathlib import Path
from random import Random
import re
import shutil
import socket
import sqlite3
from statistics import median
from typing import Any

import aiohttp

from scripts import demo
from simulator import SimulatedMeter, create, serve_pty, serve_tcp
from simulator.readers import serve_mqtt
from simulator.serve import tasks
from tests.integration.broker import Broker, _program

from .conftest import Table

# Seconds: of all faults by default, and around a kill when there is no other
LASTS = 260
STARTED = 12  # until then they are started, and repeat what a broker has kept
QUIET_BEFORE, QUIET_AFTER = 5, 45
# How long after its end a fault may be felt
BACK = 60
# kWh by which energy may be too high between two counters: what 10 kW that come or go in
# the 90 s that are bridged are taken for
AHEAD = 0.13
# How old a value may be when it is shown: as long as the longest cadence, and its list
WINDOW = 15
CONFIGURATION = """\
logger:
  default: warning
  logs:
    custom_components.han_port: info
recorder:
usb:
soak_inside:
"""
DOMAIN = "soak_inside"
# Of what counts inside of Home Assistant. It is written here, as what checks a repository
# for HACS looks for files of this name.
MANIFEST = {
    "domain": DOMAIN,
    "name": "Inside of a soak test",
    "codeowners": [],
    "documentation": "",
    "iot_class": "calculated",
    "version": "0.0.0",
}
# What is compared with what the meter sent: how far it may be rounded
MEASURED = {"active_power": 1.0, "voltage": 1.0, "current": 0.6}
KILLED = "Home Assistant killed, live"


@dataclass
class Fault:
    """One fault of a meter: from when to when, in seconds since the start."""

    name: str
    begin: float
    end: float = 0.0


@dataclass
class Way:
    """A meter and how it is reached, what goes wrong there, and where it is seen."""

    name: str
    model: str
    kinds: dict[str, tuple[float, float, tuple[str, ...]]]
    device: str = ""
    meter: SimulatedMeter = field(init=False)
    plan: list[Fault] = field(default_factory=list)


# By what people call it: seconds that it lasts and that it may be felt, and the faults of
# the simulator. What lasts no time is over when it has begun; a link that is half-open is
# noticed by the silence.
LINE = {
    "bit errors, live": (10, 8, ("bit-errors:1e-4",)),
    "bytes lost, live": (8, 8, ("byte-loss",)),
    "lists cut off, live": (8, 8, ("truncate",)),
    "garbage, live": (8, 8, ("garbage:400",)),
}
WAYS = (
    (
        "TCP",
        "aidon-3p",
        {
            "connection reset, live": (0, 10, ("reset",)),
            "connection closed, live": (0, 10, ("close",)),
            "connection refused, live": (8, 12, ("reset", "refuse")),
            "bridge rebooted, live": (10, 12, ("down",)),
            "banner, live": (3, 10, ("reset", "banner")),
            "telnet, live": (3, 10, ("reset", "telnet")),
        },
    ),
    (
        "bridge with one reader",
        "aidon-1p",
        {
            "connection half-open, live": (0, 42, ("half-open",)),
            "two clients, live": (8, 10, ("one-reader",)),
            "bridge in use, live": (8, 12, ("reset", "busy")),
        },
    ),
    (
        "name",
        "kaifa-3p",
        {
            "name not resolved, live": (9, 12, ("reset",)),
            "connection silent, live": (36, 8, ("stall",)),
            "dribble, live": (6, 8, ("dribble",)),
        },
    ),
    ("USB", "dsmr5", {"USB unplugged, live": (8, 12, ("down",)), **LINE}),
    ("MQTT", "aidon-3p", {"broker restarted, live": (3, 20, ()), **LINE}),
)


def plan(random: Random, way: Way, lasts: float, kills: list[float]) -> None:
    """Let one fault follow the other, but not about a kill, and give them to the meter."""
    now, left = 15.0, list[str]()
    texts = ["hour-list-first"] if way.name not in ("USB", "MQTT") else []
    while True:
        if not left:
            left = random.sample(list(way.kinds), len(way.kinds))
        length, felt, faults = way.kinds[left[-1]]
        now += random.uniform(0, 4)
        for kill in kills:
            if now - QUIET_AFTER < kill < now + length + felt + QUIET_BEFORE:
                now = kill + QUIET_AFTER
        if now + length + felt > lasts:
            break
        way.plan.append(Fault(left.pop(), now, now + length))
        texts += [f"{each},at={now:.2f},for={length or 1}" for each in faults]
        now += length + felt
    way.meter = create(way.model, seed=random.randrange(1000), faults=texts)


class House:
    """Home Assistant and all that it listens to."""

    def __init__(self, home: Path, broker: Broker, ways: list[Way]) -> None:
        """Take its folder, the broker, and the ways to its meters."""
        self.home = home
        self.broker = broker
        self.ways = ways
        self.port = free_port()
        self.start = datetime.now(UTC)
        self.kills: list[float] = []
        self.log = ""
        # Since when, and of each second: descriptors, sockets, KiB of memory, tasks
        self.held: list[tuple[int, int, int, int]] = []

    def elapsed(self) -> float:
        """Give the seconds since the start."""
        return (datetime.now(UTC) - self.start).total_seconds()

    async def until(self, elapsed: float) -> None:
        """Wait for a time after the start."""
        await asyncio.sleep(elapsed - self.elapsed())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Any]:
        """Run Home Assistant; keep what it said."""
        async with demo.home_assistant(
            self.port, self.home, CONFIGURATION, components(self.home)
        ) as process:
            try:
                yield process
            finally:
                self.log += (self.home / "output.log").read_text()

    @asynccontextmanager
    async def served(self, *, faults: bool) -> AsyncIterator[None]:
        """Let the meters send, and know where."""
        async with AsyncExitStack() as stack:
            self.start = datetime.now(UTC)
            for way in self.ways:
                meter = way.meter if faults else create(way.model, seed=way.meter.seed)
                if way.name == "MQTT":
                    topic = await stack.enter_async_context(
                        serve_mqtt(meter, port=self.broker.port, start=self.start)
                    )
                    way.device = f"mqtt://{topic}"
                elif way.name == "USB":
                    link = self.home / "ttyUSB0"
                    way.device = await stack.enter_async_context(
                        serve_pty(meter, link, start=self.start)
                    )
                else:
                    port = int(way.device.rpartition(":")[2] or 0)
                    port = await stack.enter_async_context(
                        serve_tcp(meter, port=port, start=self.start)
                    )
                    host = "localhost" if way.name == "name" else "127.0.0.1"
                    way.device = f"socket://{host}:{port}"
            yield

    async def trouble(self, way: Way) -> None:
        """Do what no simulated meter can do."""
        for fault in way.plan:
            await self.until(fault.begin)
            if fault.name == "broker restarted, live":
                await self.broker.stop()
                await self.until(fault.end)
                await self.broker.start()
                fault.end = self.elapsed()
            elif fault.name == "name not resolved, live":
                (self.home / "no-names").touch()
                await self.until(fault.end)
                (self.home / "no-names").unlink()
            elif fault.name == "two clients, live":
                port = int(way.device.rpartition(":")[2])
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                with suppress(OSError):
                    await reader.read()  # until Home Assistant is back
                writer.close()

    async def watch(self, pid: int) -> None:
        """Note each second what Home Assistant holds."""
        self.held.clear()
        while True:
            await asyncio.sleep(1)
            with suppress(OSError, ValueError):
                self.held.append(held(pid, self.home))


def components(home: Path) -> Path:
    """Give a folder with ours, and with what counts inside of Home Assistant."""
    folder = home / "components"
    if not folder.exists():
        shutil.copytree(demo.ROOT / "custom_components", folder)
        inside = folder / DOMAIN
        inside.mkdir()
        shutil.copy(Path(__file__).with_name("inside.py"), inside / "__init__.py")
        (inside / "manifest.json").write_text(json.dumps(MANIFEST))
    return folder


def held(pid: int, home: Path) -> tuple[int, int, int, int]:
    """Give the descriptors, sockets, KiB and tasks of a process."""
    process = Path(f"/proc/{pid}")
    links = []
    for each in (process / "fd").iterdir():
        with suppress(OSError):
            links.append(str(each.readlink()))
    size = re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())
    assert size is not None
    sockets = sum(each.startswith("socket:") for each in links)
    return len(links), sockets, int(size[1]), int((home / "tasks.txt").read_text())


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


async def add(api: demo.Api, device: str) -> None:
    """Add a meter as a person does."""
    flows = "/api/config/config_entries/flow"
    step = await api.rest("POST", flows, json={"handler": "han_port"})
    path = f"{flows}/{step['flow_id']}"
    if device.startswith("mqtt://"):
        await api.rest("POST", path, json={"next_step_id": "topic"})
        said = {"topic": device.removeprefix("mqtt://")}
    else:
        said = {"device": device.removeprefix("socket://")}
    step = await api.rest("POST", path, json=said)

    async def heard() -> bool:
        nonlocal step
        if step["type"] == "progress":
            step = await api.rest("GET", path)
        return bool(step["type"] != "progress")

    await demo.until(f"a list of the meter on {device}", heard, 90)
    if step["type"] == "form" and not step["errors"]:
        step = await api.rest("POST", path, json={})
    assert step["type"] == "create_entry", step


async def set_up(house: House) -> None:
    """Bring Home Assistant to where all meters are seen."""
    async with aiohttp.ClientSession() as session:
        api = demo.Api(session, f"http://127.0.0.1:{house.port}")
        await demo.until("the start", lambda: demo.answers(api), 180)
        await demo.onboard(api)
        await demo.until("its parts", lambda: demo.is_running(api), 180)
        for way in house.ways:
            if way.name == "MQTT":
                broker = {
                    "broker": "127.0.0.1",
                    "port": house.broker.port,
                    "other_settings": demo.PLAIN,
                }
                flows = "/api/config/config_entries/flow"
                step = await api.rest("POST", flows, json={"handler": "mqtt"})
                await api.rest("POST", f"{flows}/{step['flow_id']}", json=broker)
            await add(api, way.device)


async def live(house: House, lasts: float, kills: list[float]) -> None:
    """Set it up in peace, then let it all happen."""
    async with AsyncExitStack() as stack:
        await house.broker.start()
        stack.push_async_callback(house.broker.stop)
        home = await stack.enter_async_context(AsyncExitStack())
        process = await home.enter_async_context(house.running())
        async with house.served(faults=False):
            await set_up(house)
        await stack.enter_async_context(house.served(faults=True))
        async with tasks() as begin:
            for way in house.ways:
                begin(house.trouble(way))
            watching = asyncio.create_task(house.watch(process.pid))
            for kill in kills:
                await house.until(kill)
                watching.cancel()
                process.kill()
                await home.aclose()
                house.kills.append(house.elapsed())
                process = await home.enter_async_context(house.running())
                watching = asyncio.create_task(house.watch(process.pid))
            await house.until(lasts)
            watching.cancel()
            assert process.returncode is None
        await home.aclose()


# --- what was seen ---


type States = dict[str, list[tuple[float, str]]]


def recorded(house: House) -> States:
    """Give every state that there was, by the unique id, with its time since the start."""
    registry = json.loads((house.home / ".storage/core.entity_registry").read_text())
    names = {
        each["entity_id"]: each["unique_id"]
        for each in registry["data"]["entities"]
        if each["platform"] == "han_port"
    }
    states: States = {name: [] for name in names.values()}
    with closing(sqlite3.connect(house.home / "home-assistant_v2.db")) as database:
        rows = database.execute(
            "SELECT states_meta.entity_id, state, last_updated_ts FROM states"
            " JOIN states_meta USING (metadata_id) ORDER BY last_updated_ts"
        )
        for entity_id, state, when in rows:
            if entity_id in names:
                states[names[entity_id]].append((when - house.start.timestamp(), state))
    return states


def numbers(rows: list[tuple[float, str]]) -> Iterator[tuple[float, float]]:
    """Give the states that are values."""
    for when, state in rows:
        if state not in ("unknown", "unavailable"):
            yield when, float(state)


def false_values(house: House, way: Way, states: States) -> Iterator[tuple[float, str]]:
    """Give what was shown and not measured just before, and energy that fell."""
    meter, compared = way.meter, 0
    for name, rows in states.items():
        owner, _, key = name.partition("_")
        if owner != meter.id:
            continue
        step = next((MEASURED[each] for each in MEASURED if key.startswith(each)), None)
        rows = [each for each in rows if each[0] > STARTED]
        for when, value in numbers(rows) if step else ():
            compared += 1
            time = house.start + timedelta(seconds=when)
            if not any(
                abs(value - known[key]) <= step
                for known in measured(meter, time)
                if isinstance(known.get(key), int | float)
            ):
                yield when, f"{key} is {value}"
        if key in ("energy_import", "energy_export"):
            highest = 0.0
            for when, value in numbers(rows):
                compared += 1
                truth = getattr(meter, key)(house.start + timedelta(seconds=when))
                if value < highest:
                    yield when, f"{key} falls from {highest} to {value}"
                if value > truth + AHEAD:
                    yield when, f"{key} is {value}, {truth:.3f} at the most"
                highest = max(highest, value)
    if compared < 100:
        yield 0, f"only {compared} values of {way.name}"


def measured(meter: SimulatedMeter, when: datetime) -> Iterator[dict[str, Any]]:
    """Give what the meter measured for the lists of the last seconds."""
    for sent, kind in meter._schedule(when - timedelta(seconds=WINDOW)):
        if sent > when + timedelta(seconds=0.2):
            return
        yield meter.values(meter.moment(sent, kind))


def back(rows: list[tuple[float, str]], fault: Fault, until: float) -> float | None:
    """Give the seconds after a fault until the meter is heard, None if it is not."""
    lost = [
        when for when, state in rows if fault.begin <= when < until and state != "on"
    ]
    heard = [
        when
        for when, state in rows
        if state == "on" and lost and max(fault.begin, lost[-1]) <= when < until
    ]
    if lost and not heard:
        return None
    return max(0.0, heard[0] - fault.end) if lost else 0.0


LINE_OF_LOG = re.compile(r"(?P<when>\S+ \S+) (?P<level>[A-Z]+) \(.*?\) (?P<text>.*)")


def said(house: House) -> list[tuple[float, str]]:
    """Give what the log says of the integration, with its time since the start."""
    lines = []
    for line in house.log.splitlines():
        match = LINE_OF_LOG.match(line)
        if match and "[custom_components.han_port" in match["text"]:
            when = datetime.fromisoformat(match["when"]).astimezone() - house.start
            lines.append((when.total_seconds(), f"{match['level']} {match['text']}"))
    return lines


def growth(held: list[tuple[int, int, int, int]]) -> list[tuple[float, float]]:
    """Give what was held in the third quarter and in the last, each in the middle."""
    quarter = len(held) // 4
    parts = held[2 * quarter : 3 * quarter], held[3 * quarter :]
    return [
        (
            median(each[place] for each in parts[0]),
            median(each[place] for each in parts[1]),
        )
        for place in range(4)
    ]


def test_live(
    socket_enabled: None,
    tmp_path: Path,
    table: Table,
    seed: int,
    hours: float,
) -> None:
    """All is back in a minute, quietly, no value is false, energy never falls, nothing leaks."""
    random = Random(f"{seed} live")
    lasts = hours * 3600 or LASTS
    # In the first half, so that the rest shows what grows
    count = max(2, int(lasts / 2 / 1200))
    space = 0.55 * lasts / count
    kills = [each * space + random.uniform(20, space - 45) for each in range(count)]
    ways = [Way(*each) for each in WAYS]
    for way in ways:
        plan(random, way, lasts, kills)
    program = _program()
    assert program is not None, "no MQTT broker: install mosquitto"
    house = House(tmp_path, Broker(program, tmp_path), ways)
    asyncio.run(live(house, lasts, kills))

    states, log = recorded(house), said(house)
    wrong: list[str] = []

    def judge(
        way: Way, fault: Fault, until: float, false: list[tuple[float, str]]
    ) -> None:
        complaints = [text for when, text in false if fault.begin <= when < until]
        until -= 0.5  # where the next one begins
        taken = back(states[f"{way.meter.id}_connection"], fault, until)
        if taken is None or taken > BACK:
            complaints.append(f"back after {taken} s")
        lines = [
            text
            for when, text in log
            if fault.begin - 0.5 <= when < until and way.device in text
        ]
        if len(lines) > 2:
            complaints.append(f"said {lines}")
        table.add(fault.name, taken or 0, len(lines), complaints)
        wrong.extend(f"{way.name} {fault}: {each}" for each in complaints)

    for way in ways:
        false = list(false_values(house, way, states))
        kill_faults = [Fault(KILLED, each, each) for each in house.kills]
        faults = sorted([*way.plan, *kill_faults], key=lambda each: each.begin)
        ends = [each.begin for each in faults[1:]] + [lasts]
        for fault, until in zip(faults, ends, strict=True):
            judge(way, fault, until, false)
    wrong += [
        text for _, text in log if not re.search(r"^INFO .* is (silent|sending)", text)
    ]
    names = ("descriptors", "sockets", "KiB", "tasks")
    grown = dict(zip(names, growth(house.held), strict=True))
    for name, (before, after) in grown.items():
        noise = 0.02 * before if name == "KiB" else 1
        if after > before + noise:
            wrong.append(f"{name} grow from {before} to {after}")
    table.notes.append(
        f"live: {lasts:.0f} s, {len(house.kills)} kills; from the third quarter to the last: "
        + ", ".join(f"{name} {a:.0f} to {b:.0f}" for name, (a, b) in grown.items())
    )
    assert not wrong, "\n".join(wrong)
