"""What does a meter cost inside a running Home Assistant, beside the least it can cost?

    scripts/setup && .venv/bin/python benchmarks/home.py [PART ...] [--rounds N] [--json FILE]

Starts real Home Assistants, each in a process of its own, and sends them messages of
simulated meters over TCP. Without a part it is all four, `--no-recorder` leaves out half.

`message` has a meter on this integration as it is set up, one with no more sensors than
minimal_meter, and one on minimal_meter, a component that does nothing but show what is in
the lists, in one Home Assistant, in turns. This integration shows every reading there, as if
nothing could wait. Its accounts take messages as 2.5 s apart, so that what is kept of the
last quarter of an hour is full.

`meters` has 1, 10, 100 and 300 meters that send every 2.5 s, with the settings that people
have without choosing. Memory is that of each but the first; after 400 messages of each, where
there are 100 or less.

`automation` has a meter whose power goes up and down past 2 kW, with values shown as without
choosing and slower, and two automations for that limit.

`dsmr` has the telegrams of a Swedish and a Dutch meter on this integration, and on Home
Assistant's own `dsmr`, told to show every telegram too. Its parser is installed from PyPI
into a throw-away folder. Of the other integrations that read these meters none is in a
package: hass-AMS does not load on a current Home Assistant, nor does AMSHAN as it is.

CPU is that of the whole process, less what it uses without messages. A block of the loop is
the most CPU used between two turns of it. Latency is from when a message is handed to the
system until `state_changed` of its power, or the event that an automation fires. Ratios to minimal_meter hold anywhere, times
only where they were measured. AMSHAN, where it loaded with patches in November
2026, took 4.1 to 4.9 times the CPU of a component like minimal_meter.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta
import gc
import json
import os
from pathlib import Path
import shutil
import socket
from statistics import median, quantiles
import subprocess
import sys
import tempfile
import time
from types import MappingProxyType
from typing import Any, Final, Self

from homeassistant import bootstrap, components, runner
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

ROOT: Final = Path(__file__).resolve().parents[1]
OURS: Final = "han_port"
SAME: Final = "same sensors"
MINIMAL: Final = "minimal_meter"
DSMR: Final = "dsmr"
# What dsmr calls what the simulator has
P1: Final = {"p1-se": "5S", "dsmr5": "5"}
# What this integration has beside the sensors of minimal_meter
MORE: Final = (
    ("binary_sensor", ("connection", "hour_limit_at_risk", "voltage_out_of_range")),
    ("number", ("hour_limit",)),
    (
        "sensor",
        (
            "energy_this_hour",
            "forecast_this_hour",
            "energy_last_hour",
            "available_power",
            "power_max_today",
            "peak_average",
            "peak_1",
            "peak_2",
            "peak_3",
        ),
    ),
)
# What the names of the power from the grid end with
POWER: Final = ("_active_power_import", "_current_electricity_usage")
LIMIT: Final = 2000
COUNTS: Final = (1, 10, 100, 300)
CADENCE: Final = 2.5
AUTOMATIONS: Final = "automations.yaml"
CONFIGURATION: Final = f"""
logger:
  default: warning
usb:
automation: !include {AUTOMATIONS}
"""


# --- Home Assistant, and what sends to it ---


class Bridges:
    """The process that sends, with a port for each meter."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        """Take the process."""
        self._process = process
        self.meters: list[tuple[int, str]] = []

    @classmethod
    @asynccontextmanager
    async def start(cls, count: int, *how: str) -> AsyncIterator[Bridges]:
        """Start it with so many meters."""
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            Path(__file__).with_name("bridges.py"),
            str(count),
            *how,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=1 << 24,
        )
        bridges = cls(process)
        bridges.meters = await bridges._answer()
        try:
            yield bridges
        finally:
            process.terminate()
            await process.wait()

    async def _answer(self) -> Any:
        assert self._process.stdout is not None
        return json.loads(await self._process.stdout.readline())

    async def do(self, what: str, **how: object) -> Any:
        """Let it do something, and wait until it is done."""
        assert self._process.stdin is not None
        order = json.dumps({"do": what, **how}) + "\n"
        self._process.stdin.write(order.encode())
        return await self._answer()

    async def send(
        self,
        first: int,
        count: int,
        pause: float,
        *,
        kind: int | None = None,
        meters: int = 1,
        damaged: bool = False,
    ) -> list[float]:
        """Send from some meters; give when each message was handed to the system."""
        sent: list[float] = await self.do(
            "send",
            first=first,
            meters=meters,
            kind=kind,
            count=count,
            pause=pause,
            damaged=damaged,
        )
        return sent


def prepare(folder: Path, *, recorder: bool) -> None:
    """Make the folder of a new Home Assistant with both components."""
    (folder / "configuration.yaml").write_text(CONFIGURATION + "recorder:\n" * recorder)
    (folder / AUTOMATIONS).write_text("[]")
    custom = folder / "custom_components"
    shutil.copytree(ROOT / "custom_components", custom)
    shutil.copytree(Path(__file__).with_name(MINIMAL), custom / MINIMAL)
    manifest = {
        "domain": MINIMAL,
        "name": MINIMAL,
        "codeowners": [],
        "config_flow": True,
        "documentation": "",
        "iot_class": "local_push",
        "version": "0.0.0",
    }
    (custom / MINIMAL / "manifest.json").write_text(json.dumps(manifest))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    http = {
        "version": 1,
        "minor_version": 1,
        "key": "http",
        "data": {"server_host": ["127.0.0.1"], "server_port": port},
    }
    (folder / ".storage").mkdir()
    (folder / ".storage" / "http").write_text(json.dumps(http))


@asynccontextmanager
async def home_assistant(folder: Path) -> AsyncIterator[HomeAssistant]:
    """Run Home Assistant in a folder."""
    hass = await bootstrap.async_setup_hass(
        runner.RuntimeConfig(config_dir=str(folder), skip_pip=True)
    )
    assert hass is not None
    assert not hass.config.recovery_mode
    await hass.async_start()
    await hass.async_block_till_done()
    yield hass


async def add(
    hass: HomeAssistant, name: str, meter: tuple[int, str | None], **options: object
) -> ConfigEntry:
    """Set up one meter, as its flow would; the name is that of a domain, or SAME.

    A meter is the port of its bridge and its id, None if it does not send that.
    """
    port, meter_id = meter
    domain = OURS if name == SAME else name
    if name == SAME:
        registry = er.async_get(hass)
        for platform, keys in MORE:
            for key in keys:
                registry.async_get_or_create(
                    platform,
                    OURS,
                    f"{meter_id}_{key}",
                    disabled_by=er.RegistryEntryDisabler.USER,
                )
    device = f"socket://127.0.0.1:{port}"
    data: dict[str, dict[str, object]] = {
        OURS: {
            "device": device,
            "manufacturer": "Aidon",
            "meter_type": "6534",
            "meter_id": meter_id,
            "quantities": ["active_power_import"],
        },
        MINIMAL: {"host": "127.0.0.1", "port": port},
        DSMR: {"port": device, "serial_id": meter_id, "serial_id_gas": "gas"},
    }
    if domain == DSMR:
        data[DSMR]["dsmr_version"] = options.pop("version")
    entry = ConfigEntry(
        data=data[domain],
        discovery_keys=MappingProxyType({}),
        domain=domain,
        minor_version=1,
        options=options,
        source="user",
        subentries_data=None,
        title=f"{name} {meter_id}",
        unique_id=meter_id,
        version=1,
    )
    await hass.config_entries.async_add(entry)
    assert entry.state is ConfigEntryState.LOADED, entry
    return entry


def entities(hass: HomeAssistant, entry: ConfigEntry) -> set[str]:
    """Give the entities of a meter that are enabled."""
    registry = er.async_get(hass)
    return {
        each.entity_id
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        if not each.disabled
    }


def power(hass: HomeAssistant, entry: ConfigEntry) -> str:
    """Give the entity of the power from the grid."""
    registry = er.async_get(hass)
    return next(
        each.entity_id
        for each in er.async_entries_for_config_entry(registry, entry.entry_id)
        if each.unique_id.endswith(POWER)
    )


@contextmanager
def changes(hass: HomeAssistant, of: set[str]) -> Iterator[list[tuple[float, str]]]:
    """Note when which of some entities changes."""
    seen: list[tuple[float, str]] = []

    @callback
    def note(event: Event[Any]) -> None:
        if event.data["entity_id"] in of:
            seen.append((time.monotonic(), event.data["entity_id"]))

    remove = hass.bus.async_listen(EVENT_STATE_CHANGED, note)
    try:
        yield seen
    finally:
        remove()


class Turns:
    """What the loop does between its turns: seconds late, and seconds of CPU."""

    def __init__(self, pause: float = 0.02) -> None:
        """Take the seconds between two looks."""
        self._pause = pause
        self.late: list[float] = []
        self.longest = 0.0

    async def __aenter__(self) -> Self:
        """Begin to look."""
        self._task = asyncio.get_running_loop().create_task(self._look())
        return self

    async def __aexit__(self, *args: object) -> None:
        """Look no more."""
        self._task.cancel()

    async def _look(self) -> None:
        spent = time.thread_time()
        while True:
            due = time.monotonic() + self._pause
            # Without a pause every turn is seen; else only those that are due.
            await asyncio.sleep(self._pause)
            now = time.thread_time()
            self.longest = max(self.longest, now - spent)
            spent = now
            self.late.append(max(0.0, time.monotonic() - due))


async def idle(seconds: float) -> float:
    """Give the CPU that the process uses by itself, in seconds a second."""
    begin, spent = time.monotonic(), time.process_time()
    await asyncio.sleep(seconds)
    return (time.process_time() - spent) / (time.monotonic() - begin)


class Pace:
    """The clock of the accounts: each message of a meter is as late as on the wire."""

    def __init__(self) -> None:
        """Take the place of the clock."""
        module = sys.modules[f"custom_components.{OURS}.coordinator"]
        self._begin: datetime = module.utcnow()
        self.entry: ConfigEntry | None = None
        module.utcnow = self  # type: ignore[attr-defined]

    def __call__(self) -> datetime:
        """Give the time by the messages of the meter that sends now."""
        assert self.entry is not None
        frames = self.entry.runtime_data.counters["frames"]
        passed: datetime = self._begin + timedelta(seconds=CADENCE) * frames
        return passed


# --- One message ---


async def message(folder: Path, rounds: int, *, faults: bool) -> dict[str, Any]:
    """Compare what one message costs, and what is made of faults."""
    names = (OURS, SAME, MINIMAL)
    async with home_assistant(folder) as hass, Bridges.start(3, "lively") as bridges:
        entries = [
            await add(
                hass,
                name,
                meter,
                **({} if name == MINIMAL else {"publish": "every_reading"}),
            )
            for name, meter in zip(names, bridges.meters, strict=True)
        ]
        pace = Pace()
        for place, entry in enumerate(entries):
            pace.entry = entry
            await bridges.send(place, 400, 0.01)
        result: dict[str, Any] = {
            "names": names,
            "entities": [len(entities(hass, entry)) for entry in entries],
        }
        assert result["entities"][1] == result["entities"][2]
        await asyncio.sleep(3)
        for name, kind in (("mixed", None), ("long", 2)):
            result[f"cpu {name}"] = await cpu(bridges, rounds, kind, entries, pace)
        for kind in (1, 2):
            result[f"latency list {kind}"] = await latency(
                hass, bridges, rounds, kind, entries, pace
            )
        if faults:
            result["burst"] = await burst(bridges, rounds, entries, pace)
            await afflict(hass, bridges, entries, result, pace)
        return result


async def dsmr(folder: Path, rounds: int, model: str) -> dict[str, Any]:
    """Compare what telegrams cost here and in Home Assistant's own integration."""
    async with home_assistant(folder) as hass, Bridges.start(2, model) as bridges:
        # A Swedish meter says no id.
        ports = [port for port, _ in bridges.meters]
        entries = [
            await add(hass, OURS, (ports[0], None), publish="every_reading"),
            await add(
                hass, DSMR, (ports[1], None), version=P1[model], time_between_update=0
            ),
        ]
        pace = Pace()
        for place, entry in enumerate(entries):
            pace.entry = entry
            await bridges.send(place, 200, 0.02)
        await asyncio.sleep(3)
        result: dict[str, Any] = {
            "names": (OURS, DSMR),
            "entities": [len(entities(hass, entry)) for entry in entries],
            "cpu mixed": await cpu(bridges, rounds, None, entries, pace),
            "latency": await latency(hass, bridges, rounds, None, entries, pace),
        }
        await afflict(hass, bridges, entries, result, pace, kind=None)
        return result


async def afflict(
    hass: HomeAssistant,
    bridges: Bridges,
    entries: Sequence[ConfigEntry],
    result: dict[str, Any],
    pace: Pace,
    kind: int | None = 2,
) -> None:
    """See what is made of damage, and of a bridge that goes."""
    result["damaged"] = []
    for place, entry in enumerate(entries):
        pace.entry = entry
        # So that none becomes silent meanwhile
        await bridges.send(place, 4, 0.05, kind=kind)
        with changes(hass, entities(hass, entry)) as seen:
            await bridges.send(place, 40, 0.05, kind=kind, damaged=True)
        result["damaged"].append(len(seen))
    result["away"] = []
    for place, entry in enumerate(entries):
        pace.entry = entry
        result["away"].append(await away(hass, bridges, place, entry, kind))


async def cpu(
    bridges: Bridges,
    rounds: int,
    kind: int | None,
    entries: Sequence[ConfigEntry],
    pace: Pace,
) -> list[float]:
    """Give the milliseconds of CPU a message, of each."""
    count, pause = 150, 0.02
    spent: list[list[float]] = [[] for _ in entries]
    for _ in range(rounds):
        used = await idle(1)
        for place, entry in enumerate(entries):
            pace.entry = entry
            begin, before = time.monotonic(), time.process_time()
            await bridges.send(place, count, pause, kind=kind)
            after = time.process_time() - before
            spent[place].append((after - used * (time.monotonic() - begin)) / count)
    return [1000 * median(each) for each in spent]


async def latency(
    hass: HomeAssistant,
    bridges: Bridges,
    rounds: int,
    kind: int | None,
    entries: Sequence[ConfigEntry],
    pace: Pace,
) -> list[dict[str, float]]:
    """Give the milliseconds until the power is shown, of each."""
    taken: list[list[float]] = [[] for _ in entries]
    for _ in range(rounds):
        for place, entry in enumerate(entries):
            pace.entry = entry
            with changes(hass, {power(hass, entry)}) as seen:
                sent = await bridges.send(place, 60, 0.04, kind=kind)
            taken[place] += delays(sent, [when for when, _ in seen])
    return [summary(each) for each in taken]


def delays(sent: list[float], seen: list[float], longest: float = 0.04) -> list[float]:
    """Give the milliseconds from what was sent to what was seen of it."""
    found = (next((when for when in seen if when > begin), 1) - begin for begin in sent)
    return [1000 * each for each in found if 0 < each < longest]


def summary(taken: list[float]) -> dict[str, float]:
    """Give the median and the 99th percentile."""
    return {"median": median(taken), "p99": percentile(taken, 99)}


async def burst(
    bridges: Bridges, rounds: int, entries: Sequence[ConfigEntry], pace: Pace
) -> list[float]:
    """Give the longest block of the loop in milliseconds, of each."""
    longest: list[list[float]] = [[] for _ in entries]
    for _ in range(rounds):
        for place, entry in enumerate(entries):
            pace.entry = entry
            async with Turns(0) as turns:
                await bridges.do("burst", meter=place, kind=2, count=200)
                await asyncio.sleep(1)
            longest[place].append(1000 * turns.longest)
    return [median(each) for each in longest]


async def away(
    hass: HomeAssistant,
    bridges: Bridges,
    place: int,
    entry: ConfigEntry,
    kind: int | None,
) -> dict[str, float]:
    """Take a bridge away for 20 seconds: CPU meanwhile, and seconds until values."""
    used = await idle(5)
    await bridges.do("down", meter=place)
    spent = await idle(20)
    with changes(hass, {power(hass, entry)}) as seen:
        begin = await bridges.do("up", meter=place)
        for _ in range(450):
            await bridges.send(place, 1, 0.1, kind=kind)
            if seen:
                break
    back = seen[0][0] - begin if seen else float("inf")
    return {"cpu %": 100 * (spent - used), "back s": back}


def percentile(values: list[float], which: int) -> float:
    """Give a percentile."""
    return quantiles(values, n=100)[which - 1] if len(values) > 1 else values[0]


# --- Automations ---


async def automation(folder: Path, rounds: int) -> dict[str, Any]:
    """Say how long it takes from a message to what an automation does."""
    async with home_assistant(folder) as hass, Bridges.start(2, "lively") as bridges:
        result: dict[str, Any] = {}
        entries = {
            "as without choosing": await add(hass, OURS, bridges.meters[0]),
            "slower": await add(hass, OURS, bridges.meters[1], publish="slow"),
        }
        for place, entry in enumerate(entries.values()):
            await bridges.send(place, 20, 0.1)
            await hass.async_block_till_done()
            assert power(hass, entry)
        limits = {
            f"{place} {name}": trigger
            for place, entry in enumerate(entries.values())
            for name, trigger in triggers(power(hass, entry)).items()
        }
        automations = [
            {"alias": name, "triggers": [trigger], "actions": [{"event": name}]}
            for name, trigger in limits.items()
        ]
        (folder / AUTOMATIONS).write_text(json.dumps(automations))
        await hass.services.async_call("automation", "reload", blocking=True)
        for place, (how, entry) in enumerate(entries.items()):
            result[how] = await reactions(hass, bridges, rounds, place, entry)
        return result


def triggers(entity_id: str) -> dict[str, dict[str, Any]]:
    """Give what people have in automations for a limit of power."""
    value = {"number": LIMIT, "unit_of_measurement": "W"}
    return {
        "numeric_state": {
            "trigger": "numeric_state",
            "entity_id": entity_id,
            "above": LIMIT,
        },
        "power.crossed_threshold": {
            "trigger": "power.crossed_threshold",
            "target": {"entity_id": entity_id},
            "options": {"threshold": {"type": "above", "value": value}},
        },
    }


async def reactions(
    hass: HomeAssistant, bridges: Bridges, rounds: int, place: int, entry: ConfigEntry
) -> dict[str, Any]:
    """Give the delays of one meter; each message passes the limit, every other one upward."""
    names = list(triggers(""))
    fired: dict[str, list[float]] = {name: [] for name in names}
    shown: list[float] = []
    sent: list[float] = []

    def note(name: str) -> Any:
        @callback
        def noted(event: Event) -> None:
            fired[name].append(time.monotonic())

        return noted

    for name in names:
        hass.bus.async_listen(f"{place} {name}", note(name))
    # It was silent while another was measured; long lists say whose the short ones are.
    await bridges.send(place, 40, 0.1)
    for _ in range(rounds):
        with changes(hass, {power(hass, entry)}) as seen:
            sent += await bridges.send(place, 60, 0.1, kind=1)
        shown += [when for when, _ in seen]
    result: dict[str, Any] = {"upward": len(sent) // 2}
    for name, times in {"state": shown, **fired}.items():
        # What comes later than the goal is missing in the count; what the next message
        # does, which may come a little early, counts for this one no more.
        taken = delays(sent, times, 0.05)
        result[name] = summary(taken) | {"count": len(taken)}
    return result


# --- Many meters ---


async def meters(
    folder: Path, name: str, count: int, seconds: float
) -> dict[str, float]:
    """Say what so many meters cost that send every 2.5 s."""
    async with home_assistant(folder) as hass, Bridges.start(count) as bridges:
        begin = time.monotonic()
        entries = [await add(hass, name, bridges.meters[0])]
        # What is there once, for all meters, is there now, and no memory of a meter.
        await bridges.send(0, 2, 0.1, kind=2)
        before = memory()
        entries += [await add(hass, name, meter) for meter in bridges.meters[1:]]
        set_up = time.monotonic() - begin
        everyone = {"first": 0, "meters": count, "pause": CADENCE}
        # Each entity is there after two long lists.
        await bridges.do("send", kind=2, count=2, damaged=False, **everyone)
        await bridges.do("send", kind=None, count=4, damaged=False, **everyone)
        known = set().union(*(entities(hass, entry) for entry in entries))
        if count <= 100 and name != MINIMAL:
            Pace().entry = entries[0]
        if count <= 100:
            quick = everyone | {"pause": 0.003 * count}
            await bridges.do("send", kind=None, count=400, damaged=False, **quick)
        kept = memory() - before
        async with Turns():
            used = await idle(2 * CADENCE)
        rows = 0

        @callback
        def count_row(event: Event[Any]) -> None:
            nonlocal rows
            rows += event.data["entity_id"] in known

        remove = hass.bus.async_listen(EVENT_STATE_CHANGED, count_row)
        times = round(seconds / CADENCE)
        spent = time.process_time()
        async with Turns() as turns:
            await bridges.do("send", kind=None, count=times, damaged=False, **everyone)
        spent = (time.process_time() - spent) / (times * CADENCE)
        remove()
        return {
            "entities": len(known) / count,
            "cpu %": 100 * (spent - used),
            "cpu ms": 1000 * (spent - used) / count * CADENCE,
            "late median": 1000 * median(turns.late),
            "late p99": 1000 * percentile(turns.late, 99),
            "late longest": 1000 * max(turns.late),
            "block": 1000 * turns.longest,
            "memory KiB": kept / 1024 / max(1, count - 1),
            "rows an hour": rows / count / (times * CADENCE) * 3600,
            "set up s": set_up,
        }


def memory() -> int:
    """Give the bytes that the process holds."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


# --- All of it ---


def inside(arguments: Any) -> None:
    """Measure one thing in this process, and print it as JSON."""
    folder, rounds = arguments.folder, arguments.rounds
    # Behind all that Home Assistant has
    sys.path.append(str(folder / "packages"))
    match arguments.inside:
        case "message":
            work = message(folder, rounds, faults=arguments.faults)
        case "automation":
            work = automation(folder, rounds)
        case "dsmr":
            work = dsmr(folder, rounds, arguments.name)
        case _:
            work = meters(folder, arguments.name, arguments.count, arguments.seconds)
    with asyncio.Runner(loop_factory=runner.create_event_loop) as loop:
        print(json.dumps(loop.run(work)), flush=True)
        # Home Assistant is not stopped: what it stores is of no use.
        os._exit(0)


def measure(*arguments: object, recorder: bool, package: str | None = None) -> Any:
    """Measure one thing in a process of its own, with a package from PyPI."""
    with tempfile.TemporaryDirectory(prefix="han-port-") as name:
        folder = Path(name)
        prepare(folder, recorder=recorder)
        if package is not None:
            install = [sys.executable, "-m", "uv", "--quiet", "pip", "install"]
            where = ["--python", sys.executable, "--target", str(folder / "packages")]
            subprocess.run([*install, *where, package], check=True)
        done = subprocess.run(
            [sys.executable, __file__, "--folder", name, *map(str, arguments)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            sys.stderr.buffer.write(done.stderr)
            raise SystemExit(1)
        return json.loads(done.stdout.splitlines()[-1])


def dsmr_package() -> str:
    """Name what Home Assistant's own integration reads with, as it pins it."""
    manifest = Path(components.__path__[0]) / DSMR / "manifest.json"
    requirement: str = json.loads(manifest.read_text())["requirements"][0]
    return requirement


def print_pair(found: dict[str, Any]) -> None:
    """Print what one message costs, and what is made of faults; the last is the measure."""
    names = found["names"]

    def line(what: str, values: list[float], goal: str, digits: int = 2) -> None:
        *others, least = values
        cells = "".join(f"{value:>14.{digits}f}" for value in values)
        ratios = [f"{value / least:.2f}" if least else "-" for value in others]
        print(f"  {what:40}{cells}  {', '.join(ratios):12}{goal}")

    heads = "".join(f"{name:>14}" for name in names)
    print(f"  {'':40}{heads}  ratio       goal")
    line("entities that are enabled", found["entities"], "", 0)
    goals = {"latency list 1": "1.5 ms", "latency list 2": "4.2 ms"}
    for key, values in found.items():
        what, _, which = key.partition(" ")
        match what:
            case "cpu":
                line(f"ms of CPU a message, {which}", values, "ratio 2.00")
            case "latency":
                for part in ("median", "p99"):
                    goal = goals.get(key, "") if part == "median" else "20 ms"
                    title = f"ms until shown, {which or 'telegram'}, {part}"
                    line(title, [each[part] for each in values], goal)
            case "burst":
                line("longest block in a burst of 56 kB, ms", values, "30 ms")
            case "damaged":
                line("published of 40 damaged", values, "0", 0)
            case "away":
                away_cpu = [each["cpu %"] for each in values]
                line("% of a core, bridge away", away_cpu, "1 %")
                back = [each["back s"] for each in values]
                line("seconds until values, bridge back", back, "2 s")


def print_automation(found: dict[str, Any]) -> None:
    """Print the delays from a message to what happens."""
    for how, delay in found.items():
        print(f"\nmilliseconds from a message on, values shown {how}; goal 50 ms")
        upward = delay.pop("upward")
        print(f"  {'':30}{'median':>10}{'p99':>10}{'times':>8} of {upward}")
        for what, each in delay.items():
            print(
                f"  {what:30}{each['median']:>10.2f}{each['p99']:>10.2f}{each['count']:>8}"
            )


COLUMNS: Final = {
    "entities": ("entities", 0),
    "cpu %": ("% of a core", 1),
    "cpu ms": ("ms a message", 2),
    "late median": ("late, median", 1),
    "late p99": ("late, p99", 1),
    "late longest": ("late, longest", 1),
    "block": ("block, ms", 1),
    "memory KiB": ("KiB a meter", 0),
    "rows an hour": ("rows an hour", 0),
    "set up s": ("set up, s", 1),
}


def print_meters(title: str, found: dict[str, float]) -> None:
    """Print a line of the table of many meters."""
    cells = (f"{found[key]:>14.{digits}f}" for key, (_, digits) in COLUMNS.items())
    print(f"  {title:22}", *cells, sep="", flush=True)


def measure_meters(arguments: Any, *, recorder: bool) -> dict[str, Any]:
    """Measure and print the table of many meters."""
    heads = (f"{head:>14}" for head, _ in COLUMNS.values())
    print(f"  {'':22}", *heads, sep="")
    table = {}
    for count in arguments.counts:
        for name in (OURS, SAME, MINIMAL):
            table[f"{count} x {name}"] = found = measure(
                *("--inside", "meters", "--name", name, "--count", count),
                *("--seconds", arguments.seconds),
                recorder=recorder,
            )
            print_meters(f"{count} x {name}", found)
    return table


PARTS: Final = ("message", "meters", "automation", "dsmr")


def main() -> None:
    """Measure, print, and write it down if that is asked for."""
    parser = argparse.ArgumentParser(description="Time meters in Home Assistant.")
    parser.add_argument("what", nargs="*", choices=PARTS, metavar="PART")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--no-recorder", action="store_true")
    parser.add_argument("--json", type=Path, help="write the figures here")
    hidden = argparse.SUPPRESS
    parser.add_argument("--inside", choices=PARTS, help=hidden)
    parser.add_argument("--folder", type=Path, help=hidden)
    parser.add_argument("--name", default=OURS, help=hidden)
    parser.add_argument("--count", type=int, default=1, help=hidden)
    parser.add_argument("--faults", action="store_true", help=hidden)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments)
    results: dict[str, Any] = {}
    what, rounds = arguments.what or PARTS, ("--rounds", arguments.rounds)
    for recorder in (False,) if arguments.no_recorder else (False, True):
        with_it = "with the recorder" if recorder else "without the recorder"
        if "message" in what:
            print(f"\none meter, 50 messages a second, {with_it}")
            faults = [] if recorder else ["--faults"]
            found = measure("--inside", "message", *rounds, *faults, recorder=recorder)
            results[f"one meter, {with_it}"] = found
            print_pair(found)
        if "meters" in what:
            print(f"\nmeters that send every 2.5 s, {with_it}; rows of one meter")
            found = measure_meters(arguments, recorder=recorder)
            results[f"meters, {with_it}"] = found
    if "automation" in what:
        found = measure("--inside", "automation", *rounds, recorder=False)
        results["automation"] = found
        print_automation(found)
    if "dsmr" in what:
        for model in P1:
            print(f"\none meter of P1, {model}, 50 telegrams a second")
            found = measure(
                *("--inside", "dsmr", "--name", model, *rounds),
                recorder=False,
                package=dsmr_package(),
            )
            results[f"dsmr, {model}"] = found
            print_pair(found)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
