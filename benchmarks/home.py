"""What does a meter cost inside a running Home Assistant, beside the least it can cost?

    scripts/setup && .venv/bin/python benchmarks/home.py [message] [meters] [--rounds N] [--json FILE]

Starts real Home Assistants, each in a process of its own, and sends them lists of simulated
Aidon meters over TCP. `message` has one meter on this integration and one on
minimal_meter, a component with the same sensors that does nothing else, in one Home
Assistant, in turns: without and with the recorder. This integration shows every reading
there, as if nothing could wait. `meters` has 1, 10, 100 and 300 meters that send every
2.5 s, with the settings that people have without choosing.

CPU is that of the whole process, less what it uses without messages. A block of the loop is
the most CPU used between two turns of it. Latency is from when a message is handed to the
system until `state_changed` of its power. Ratios to minimal_meter hold anywhere, times
only where they were measured. AMSHAN's integration is in no package that can be installed
(only its decoder is) and loads on no current Home Assistant as it is: where it did with
patches, in November 2026, it took 4.1 to 4.9 times the CPU of a component like minimal_meter.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
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

from homeassistant import bootstrap, runner
from homeassistant.config_entries import ConfigEntry, ConfigEntryState
from homeassistant.const import EVENT_STATE_CHANGED
from homeassistant.core import Event, HomeAssistant, callback
from homeassistant.helpers import entity_registry as er

ROOT: Final = Path(__file__).resolve().parents[1]
OURS: Final = "han_port"
MINIMAL: Final = "minimal_meter"
COUNTS: Final = (1, 10, 100, 300)
CADENCE: Final = 2.5
# Of AMSHAN's integration, by CPU a message, in times of a component like minimal_meter
AMSHAN: Final = 4.1
CONFIGURATION: Final = "logger:\n  default: warning\nusb:\n"


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
    components = folder / "custom_components"
    shutil.copytree(ROOT / "custom_components", components)
    shutil.copytree(Path(__file__).with_name(MINIMAL), components / MINIMAL)
    manifest = {
        "domain": MINIMAL,
        "name": MINIMAL,
        "codeowners": [],
        "config_flow": True,
        "documentation": "",
        "iot_class": "local_push",
        "version": "0.0.0",
    }
    (components / MINIMAL / "manifest.json").write_text(json.dumps(manifest))
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
    hass: HomeAssistant, domain: str, meter: tuple[int, str], **options: str
) -> ConfigEntry:
    """Set up one meter, as its flow would."""
    port, meter_id = meter
    ours = {
        "device": f"socket://127.0.0.1:{port}",
        "manufacturer": "Aidon",
        "meter_type": "6534",
        "meter_id": meter_id,
        "quantities": ["active_power_import"],
    }
    entry = ConfigEntry(
        data=ours if domain == OURS else {"host": "127.0.0.1", "port": port},
        discovery_keys=MappingProxyType({}),
        domain=domain,
        minor_version=1,
        options=options if domain == OURS else {},
        source="user",
        subentries_data=None,
        title=f"{domain} {meter_id}",
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
        if each.unique_id.endswith("_active_power_import")
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


# --- One message ---


async def message(folder: Path, rounds: int, *, faults: bool) -> dict[str, Any]:
    """Compare what one message costs, and what is made of faults."""
    async with home_assistant(folder) as hass, Bridges.start(2, "lively") as bridges:
        entries = [
            await add(hass, OURS, bridges.meters[0], publish="every_reading"),
            await add(hass, MINIMAL, bridges.meters[1]),
        ]
        for place in range(2):
            await bridges.send(place, 100, 0.02)
        result: dict[str, Any] = {
            "entities": [len(entities(hass, entry)) for entry in entries]
        }
        await asyncio.sleep(3)
        for name, kind in (("mixed", None), ("long", 2)):
            result[f"cpu {name}"] = await cpu(bridges, rounds, kind)
        for kind in (1, 2):
            result[f"latency list {kind}"] = await latency(
                hass, bridges, entries, rounds, kind
            )
        if faults:
            result["burst"] = await burst(bridges, rounds)
            result["damaged"] = []
            for place, entry in enumerate(entries):
                with changes(hass, entities(hass, entry)) as seen:
                    await bridges.send(place, 40, 0.05, kind=1, damaged=True)
                result["damaged"].append(len(seen))
            result["away"] = [
                await away(hass, bridges, place, entry)
                for place, entry in enumerate(entries)
            ]
        return result


async def cpu(bridges: Bridges, rounds: int, kind: int | None) -> list[float]:
    """Give the milliseconds of CPU a message, of each."""
    count, pause = 150, 0.02
    spent: list[list[float]] = [[], []]
    for _ in range(rounds):
        used = await idle(1)
        for place in range(2):
            begin, before = time.monotonic(), time.process_time()
            await bridges.send(place, count, pause, kind=kind)
            after = time.process_time() - before
            spent[place].append((after - used * (time.monotonic() - begin)) / count)
    return [1000 * median(each) for each in spent]


async def latency(
    hass: HomeAssistant,
    bridges: Bridges,
    entries: list[ConfigEntry],
    rounds: int,
    kind: int,
) -> list[dict[str, float]]:
    """Give the milliseconds until the power is shown, of each."""
    taken: list[list[float]] = [[], []]
    for _ in range(rounds):
        for place, entry in enumerate(entries):
            with changes(hass, {power(hass, entry)}) as seen:
                sent = await bridges.send(place, 60, 0.04, kind=kind)
            for begin in sent:
                after = (when - begin for when, _ in seen if when > begin)
                if (first := next(after, 1)) < 0.04:
                    taken[place].append(1000 * first)
    return [{"median": median(each), "p99": percentile(each, 99)} for each in taken]


async def burst(bridges: Bridges, rounds: int) -> list[float]:
    """Give the longest block of the loop in milliseconds, of each."""
    longest: list[list[float]] = [[], []]
    for _ in range(rounds):
        for place in range(2):
            async with Turns(0) as turns:
                await bridges.do("burst", meter=place, kind=2, count=200)
                await asyncio.sleep(1)
            longest[place].append(1000 * turns.longest)
    return [median(each) for each in longest]


async def away(
    hass: HomeAssistant, bridges: Bridges, place: int, entry: ConfigEntry
) -> dict[str, float]:
    """Take a bridge away for 20 seconds: CPU meanwhile, and seconds until values."""
    used = await idle(5)
    await bridges.do("down", meter=place)
    spent = await idle(20)
    with changes(hass, {power(hass, entry)}) as seen:
        begin = await bridges.do("up", meter=place)
        for _ in range(100):
            await bridges.send(place, 1, 0.1, kind=2)
            if seen:
                break
    back = seen[0][0] - begin if seen else float("inf")
    return {"cpu %": 100 * (spent - used), "back s": back}


def percentile(values: list[float], which: int) -> float:
    """Give a percentile."""
    return quantiles(values, n=100)[which - 1] if len(values) > 1 else values[0]


# --- Many meters ---


async def meters(
    folder: Path, domain: str, count: int, seconds: float
) -> dict[str, float]:
    """Say what so many meters cost that send every 2.5 s."""
    async with home_assistant(folder) as hass, Bridges.start(count) as bridges:
        before = memory()
        begin = time.monotonic()
        entries = [await add(hass, domain, meter) for meter in bridges.meters]
        set_up = time.monotonic() - begin
        everyone = {"first": 0, "meters": count, "pause": CADENCE}
        # Each entity is there after two long lists; what is made once is not counted.
        await bridges.do("send", kind=2, count=2, damaged=False, **everyone)
        await bridges.do("send", kind=None, count=4, damaged=False, **everyone)
        known = set().union(*(entities(hass, entry) for entry in entries))
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
            "memory KiB": kept / 1024,
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
    if arguments.inside == "message":
        work = message(arguments.folder, arguments.rounds, faults=arguments.faults)
    else:
        work = meters(
            arguments.folder, arguments.domain, arguments.count, arguments.seconds
        )
    with asyncio.Runner(loop_factory=runner.create_event_loop) as loop:
        print(json.dumps(loop.run(work)), flush=True)
        # Home Assistant is not stopped: what it stores is of no use.
        os._exit(0)


def measure(*arguments: object, recorder: bool) -> Any:
    """Measure one thing in a process of its own."""
    with tempfile.TemporaryDirectory(prefix="han-port-") as name:
        folder = Path(name)
        prepare(folder, recorder=recorder)
        done = subprocess.run(
            [sys.executable, __file__, "--folder", name, *map(str, arguments)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            sys.stderr.buffer.write(done.stderr)
            raise SystemExit(1)
        return json.loads(done.stdout.splitlines()[-1])


def print_message(found: dict[str, Any]) -> None:
    """Print what one message costs, and what is made of faults."""

    def line(what: str, pair: list[float], goal: str, digits: int = 2) -> None:
        ours, minimal = pair
        ratio = f"{ours / minimal:.2f}" if minimal else "-"
        print(
            f"  {what:42}{ours:>10.{digits}f}{minimal:>10.{digits}f}{ratio:>8}  {goal}"
        )

    print(f"  {'':42}{OURS:>10}{'minimal':>10}{'ratio':>8}  goal")
    line("entities that are enabled", found["entities"], "", 0)
    for name in ("mixed", "long"):
        line(f"ms of CPU a message, {name}", found[f"cpu {name}"], "2.00")
    for kind in (1, 2):
        for which, goal in (
            ("median", "1.5 ms" if kind == 1 else "4.2 ms"),
            ("p99", "20 ms"),
        ):
            pair = [each[which] for each in found[f"latency list {kind}"]]
            line(f"ms until shown, list {kind}, {which}", pair, goal)
    if "burst" in found:
        line("longest block in a burst of 56 kB, ms", found["burst"], "30 ms")
        line("published of 40 damaged", found["damaged"], "0", 0)
        away = found["away"]
        line("% of a core, bridge away", [each["cpu %"] for each in away], "1 %")
        line(
            "seconds until values, bridge back",
            [each["back s"] for each in away],
            "2 s",
        )
    mixed = found["cpu mixed"]
    print(
        f"  AMSHAN took {AMSHAN} times of minimal: half is {AMSHAN / 2:.2f}, ours {mixed[0] / mixed[1]:.2f}"
    )


COLUMNS: Final = {
    "entities": ("entities", 0),
    "cpu %": ("% of a core", 1),
    "cpu ms": ("ms a message", 2),
    "late median": ("late, median", 1),
    "late p99": ("late, p99", 1),
    "late longest": ("late, longest", 1),
    "block": ("block, ms", 1),
    "memory KiB": ("KiB more", 0),
    "rows an hour": ("rows an hour", 0),
    "set up s": ("set up, s", 1),
}


def print_meters(title: str, found: dict[str, float]) -> None:
    """Print a line of the table of many meters."""
    cells = (f"{found[key]:>14.{digits}f}" for key, (_, digits) in COLUMNS.items())
    print(f"  {title:22}", *cells, sep="", flush=True)


def main() -> None:
    """Measure, print, and write it down if that is asked for."""
    parser = argparse.ArgumentParser(description="Time meters in Home Assistant.")
    parser.add_argument("what", nargs="*", choices=["message", "meters"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--counts", type=int, nargs="+", default=COUNTS)
    parser.add_argument("--json", type=Path, help="write the figures here")
    hidden = argparse.SUPPRESS
    parser.add_argument("--inside", choices=["message", "meters"], help=hidden)
    parser.add_argument("--folder", type=Path, help=hidden)
    parser.add_argument("--domain", default=OURS, help=hidden)
    parser.add_argument("--count", type=int, default=1, help=hidden)
    parser.add_argument("--faults", action="store_true", help=hidden)
    arguments = parser.parse_args()
    if arguments.inside:
        inside(arguments)
    results: dict[str, Any] = {}
    what = arguments.what or ["message", "meters"]
    for recorder in (False, True):
        with_it = "with the recorder" if recorder else "without the recorder"
        if "message" in what:
            found = measure(
                *("--inside", "message", "--rounds", arguments.rounds),
                *([] if recorder else ["--faults"]),
                recorder=recorder,
            )
            results[f"one meter, {with_it}"] = found
            print(f"\none meter, 50 messages a second, {with_it}")
            print_message(found)
        if "meters" in what:
            print(
                f"\nmeters that send every 2.5 s, {with_it}; memory and rows of one meter"
            )
            heads = (f"{head:>14}" for head, _ in COLUMNS.values())
            print(f"  {'':22}", *heads, sep="")
            results[f"meters, {with_it}"] = table = {}
            for count in arguments.counts:
                for domain in (OURS, MINIMAL):
                    table[f"{count} x {domain}"] = found = measure(
                        *("--inside", "meters", "--domain", domain, "--count", count),
                        *("--seconds", arguments.seconds),
                        recorder=recorder,
                    )
                    print_meters(f"{count} x {domain}", found)
    if arguments.json:
        arguments.json.write_text(json.dumps(results, indent=1) + "\n")


if __name__ == "__main__":
    main()
