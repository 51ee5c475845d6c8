"""A simulated meter in a real Home Assistant: the main job, without hardware.

Home Assistant is driven the way a person's browser drives it: an owner is onboarded, the
meter is added by the config flow, a dashboard is saved. Only history is made up, and by
the simulated house itself: what its meter would have counted in the days before.
"""

import argparse
import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
import fcntl
import json
import os
from pathlib import Path
import shutil
import signal
import socket
import sys
import time
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # run by its path, Python knows only the script's folder

from simulator import ALIASES, MODELS, SimulatedMeter, create  # noqa: E402
from simulator.readers import READERS  # noqa: E402

DEMO = ROOT / ".demo"
KEPT = DEMO / "demo.json"  # written when all is set up: the meter, and its port
METER = "aidon-3p"
LOGIN = {"username": "demo", "password": "demo"}
DASHBOARD = "han-port"
HISTORY = timedelta(days=7)
PLAIN = {"set_client_cert": False, "set_ca_cert": "off"}  # of MQTT: no encryption

CONFIGURATION = """\
# Only what the demo shows; default_config would ask the internet for its requirements
energy:
frontend:
history:
logbook:
logger:
  default: warning
  logs:
    homeassistant.components.camera.img_util: critical # there is no camera here
recorder:
usb:
"""

# What a section of the dashboard shows, in this order, of what the meter sends
SECTIONS = {
    "Power": ("net_power", "active_power_import", "active_power_export"),
    "This hour": (
        *("energy_this_hour", "forecast_this_hour", "available_power"),
        *("hour_limit", "hour_limit_at_risk"),
    ),
    "Phases": (
        *("voltage_l1", "voltage_l2", "voltage_l3"),
        *("current_l1", "current_l2", "current_l3"),
    ),
    "Energy": ("energy_import", "energy_export"),
    "Meter": ("power_factor", "frequency", "connection"),
}
NAME = {"type": "entity"}  # without that of the device, of which there is one
WIDE = {"available_power": {"columns": 12}}  # has a name that is longer than half a row
HOUR_LIMIT = 5  # kW
GRAPH = timedelta(minutes=6)  # so short that a person sees it grow


class DemoError(Exception):
    """Why the demo cannot go on, in a sentence for the person who started it."""


class Api:
    """The programming interface of a Home Assistant, for one user."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        """Take a session, and the address that Home Assistant answers on."""
        self._session = session
        self._headers: dict[str, str] = {}
        self.url = url

    async def rest(self, method: str, path: str, **body: Any) -> Any:
        """Make one call, give its JSON; aiohttp.ClientError when it fails."""
        async with self._session.request(
            method,
            self.url + path,
            headers=self._headers,
            raise_for_status=True,
            **body,
        ) as reply:
            return await reply.json(content_type=None)

    async def command(self, kind: str, **fields: Any) -> Any:
        """Send one websocket command, give its result; DemoError when it fails."""
        # One each: Home Assistant closes those that nobody reads from
        async with self._session.ws_connect(f"{self.url}/api/websocket") as socket:
            await socket.receive_json()
            token = self._headers["Authorization"].removeprefix("Bearer ")
            await socket.send_json({"type": "auth", "access_token": token})
            await socket.receive_json()
            await socket.send_json({"id": 1, "type": kind, **fields})
            reply = await socket.receive_json()
        if not reply["success"]:
            raise DemoError(
                f"Home Assistant refuses {kind}: {reply['error']['message']}"
            )
        return reply["result"]

    async def exchange(self, code: str) -> None:
        """Take an authorisation code, and be its user from now on."""
        form = {"grant_type": "authorization_code", "code": code, **self.client}
        tokens = await self.rest("POST", "/auth/token", data=form)
        self._headers = {"Authorization": f"Bearer {tokens['access_token']}"}

    @property
    def client(self) -> dict[str, str]:
        """What names the client to the authentication of Home Assistant."""
        return {"client_id": f"{self.url}/"}


async def until[T](what: str, probe: Callable[[], Awaitable[T]], seconds: float) -> T:
    """Probe until the answer is true, and give it; DemoError after so many seconds."""
    end = time.monotonic() + seconds
    while not (answer := await probe()):
        if time.monotonic() > end:
            raise DemoError(f"{what} did not happen within {seconds:g} s")
        await asyncio.sleep(0.2)
    return answer


@contextmanager
def folder(*, clean: bool) -> Iterator[None]:
    """Have .demo to ourselves, empty if so asked; DemoError when another demo has it."""
    DEMO.mkdir(exist_ok=True)
    with (DEMO / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError("the demo runs already; end that one first") from None
        for path in DEMO.iterdir() if clean else ():
            if path.is_dir():
                shutil.rmtree(path)
            elif path.name != "lock":
                path.unlink()
        yield


@asynccontextmanager
async def process(
    *command: str, seconds: float, **options: Any
) -> AsyncIterator[asyncio.subprocess.Process]:
    """Run a program that Ctrl-C does not reach, and end it, by force after so many seconds."""
    running = await asyncio.create_subprocess_exec(
        *command, start_new_session=True, stdin=asyncio.subprocess.DEVNULL, **options
    )
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            running.terminate()
        try:
            async with asyncio.timeout(seconds):
                await running.wait()
        except TimeoutError:
            running.kill()
            await running.wait()


@asynccontextmanager
async def broker(port: int) -> AsyncIterator[int]:
    """Run an MQTT broker on a port, 0 for any; give the port."""
    folders = os.environ["PATH"], "/usr/sbin", str(ROOT / ".tools/bin")
    program = shutil.which("mosquitto", path=os.pathsep.join(folders))
    if program is None:
        raise DemoError(
            "a reader on MQTT needs a broker; install mosquitto, and try again"
        )
    if not port:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
    settings = DEMO / "mosquitto.conf"
    # Where we are root of a namespace only, there is nobody else to become.
    settings.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nuser root\n")
    with (DEMO / "mosquitto.log").open("wb") as log:
        async with process(
            program, "-c", str(settings), seconds=5, stdout=log, stderr=log
        ):

            async def listens() -> bool:
                with suppress(OSError):
                    _, writer = await asyncio.open_connection("127.0.0.1", port)
                    writer.close()
                    return True
                return False

            await until("the start of the broker", listens, 10)
            yield port


@asynccontextmanager
async def simulated(
    meter: str, port: int, reader: str | None
) -> AsyncIterator[tuple[Any, int]]:
    """Run the simulated meter on a port, 0 for any; give the process and the port.

    With a reader the port is that of the broker.
    """
    async with AsyncExitStack() as stack:
        if reader is None:
            way = "--tcp", f"127.0.0.1:{port}", "--fault", "hour-list-first"
        else:
            port = await stack.enter_async_context(broker(port))
            way = "--mqtt", f"127.0.0.1:{port}", "--reader", reader
        yield await stack.enter_async_context(_simulator(meter, port, way))


@asynccontextmanager
async def _simulator(
    meter: str, port: int, way: tuple[str, ...]
) -> AsyncIterator[tuple[Any, int]]:
    async with process(
        *(sys.executable, "-B", "-m", "simulator", "--meter", meter, *way),
        seconds=5,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
    ) as running:
        assert running.stdout is not None
        said = (await running.stdout.readline()).decode()
        if not said:
            raise DemoError(
                f"the simulated meter cannot have port {port} of the last time;"
                " run scripts/demo --clean"
            )
        yield running, int(said.rpartition(":")[2])


@asynccontextmanager
async def home_assistant(
    port: int,
    home: Path = DEMO,
    configuration: str = CONFIGURATION,
    components: Path = ROOT / "custom_components",
) -> AsyncIterator[Any]:
    """Run Home Assistant on a folder and a port, with a copy of ours; give the process."""
    shutil.rmtree(home / "custom_components", ignore_errors=True)
    shutil.copytree(
        components,
        home / "custom_components",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    (home / "configuration.yaml").write_text(configuration)
    storage = home / ".storage"
    storage.mkdir(exist_ok=True)

    def store(key: str, version: int, data: dict[str, Any]) -> None:
        whole = {"version": version, "minor_version": 1, "key": key, "data": data}
        (storage / key).write_text(json.dumps(whole))

    # In configuration.yaml the port would hold for five minutes only, unless confirmed in the browser
    store("http", 1, {"server_host": ["127.0.0.1"], "server_port": port})
    if not (storage / "onboarding").exists():
        # This step adds integrations that ask the internet
        store("onboarding", 4, {"done": ["core_config"]})
    # Home Assistant asks for its version, and complains where there is none
    ffmpeg = home / "bin" / "ffmpeg"
    ffmpeg.parent.mkdir(exist_ok=True)
    ffmpeg.write_text("#!/bin/sh\necho 'ffmpeg version 7.1 (stub)'\n")
    ffmpeg.chmod(0o755)
    with (home / "output.log").open("wb") as log:
        async with process(
            *(sys.executable, "-m", "homeassistant"),
            *("--config", str(home), "--skip-pip", "--log-no-color"),
            seconds=30,
            cwd=home,  # where else it finds ours depends on who calls
            env=os.environ | {"PATH": f"{ffmpeg.parent}:{os.environ['PATH']}"},
            stdout=log,
            stderr=log,
        ) as running:
            yield running


async def answers(api: Api) -> bool:
    """Say whether Home Assistant answers."""
    with suppress(aiohttp.ClientError):
        return bool(await api.rest("GET", "/manifest.json"))
    return False


async def is_running(api: Api) -> bool:
    """Say whether Home Assistant has set everything up."""
    return bool((await api.rest("GET", "/api/config"))["state"] == "RUNNING")


async def onboard(api: Api) -> None:
    """Make the owner, and answer what a new Home Assistant asks."""
    owner = {"name": "Demo", "language": "en", **LOGIN, **api.client}
    created = await api.rest("POST", "/api/onboarding/users", json=owner)
    await api.exchange(created["auth_code"])
    await api.rest("POST", "/api/onboarding/analytics")
    done = {**api.client, "redirect_uri": api.client["client_id"]}
    await api.rest("POST", "/api/onboarding/integration", json=done)
    await api.command(
        "config/core/update",
        location_name="Demo",
        country="NO",
        currency="NOK",
        language="en",
        time_zone="Europe/Oslo",
        unit_system="metric",
        latitude=59.91,
        longitude=10.75,
    )


async def log_in(api: Api) -> None:
    """Be the owner of an earlier call."""
    flow = {"handler": ["homeassistant", None], "redirect_uri": api.client["client_id"]}
    begun = await api.rest("POST", "/auth/login_flow", json=flow | api.client)
    path = f"/auth/login_flow/{begun['flow_id']}"
    ended = await api.rest("POST", path, json=LOGIN | api.client)
    if ended["type"] != "create_entry":
        raise DemoError("the login of the demo was changed; run scripts/demo --clean")
    await api.exchange(ended["result"])


async def add_meter(api: Api, port: int, reader: str | None) -> None:
    """Add the meter as a person does: the port, then yes; or the broker and a search."""
    flows = "/api/config/config_entries/flow"
    if reader is not None:
        step = await api.rest("POST", flows, json={"handler": "mqtt"})
        step = await api.rest(
            "POST",
            f"{flows}/{step['flow_id']}",
            json={"broker": "127.0.0.1", "port": port, "other_settings": PLAIN},
        )
        if step["type"] != "create_entry":
            raise DemoError(f"MQTT could not be set up: {step.get('errors')}")
    step = await api.rest("POST", flows, json={"handler": "han_port"})
    path = f"{flows}/{step['flow_id']}"
    if reader is None:
        step = await api.rest("POST", path, json={"device": f"127.0.0.1:{port}"})
    else:
        await api.rest("POST", path, json={"next_step_id": "topic"})
        step = await api.rest("POST", path, json={})

    async def heard() -> Any:
        nonlocal step
        if step["type"] == "progress":
            step = await api.rest("GET", path)
        return step["type"] != "progress"

    await until("a list of the meter", heard, 45)
    if step["type"] == "form" and step["step_id"] == "found":
        (field,) = step["data_schema"]
        topic = {field["name"]: field["default"]}
        step = await api.rest("POST", path, json=topic)
        await until("a list of the meter", heard, 65)
    if step["type"] == "form" and not step["errors"]:
        step = await api.rest("POST", path, json={})
    if step["type"] != "create_entry":
        said = step.get("errors") or step.get("reason") or step["step_id"]
        raise DemoError(f"the meter could not be added: {said}")


async def entities(api: Api) -> dict[str, str]:
    """Give the entity id of each enabled entity, by the quantity it shows."""
    listed = await api.command("config/entity_registry/list")
    return {
        entity["unique_id"].partition("_")[2]: entity["entity_id"]
        for entity in listed
        if entity["platform"] == "han_port" and entity["disabled_by"] is None
    }


async def add_history(
    api: Api, shown: Mapping[str, str], meter: SimulatedMeter
) -> None:
    """Let the recorder know the days before, by the hour, as the meter would have told.

    The sums end at 0, where those of the meter's own sensors begin.
    """
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    starts = [
        hour - HISTORY + timedelta(hours=each)
        for each in range(HISTORY // timedelta(hours=1))
    ]

    async def store(key: str, unit: str, kind: str, rows: list[dict[str, Any]]) -> None:
        if key in shown:
            metadata = {
                "statistic_id": shown[key],
                "source": "recorder",
                "name": None,
                "unit_of_measurement": unit,
                "unit_class": kind,
                "has_sum": "sum" in rows[0],
                "mean_type": int("mean" in rows[0]),
            }
            await api.command(
                "recorder/import_statistics", metadata=metadata, stats=rows
            )

    for key, counter in (
        ("energy_import", meter.energy_import),
        ("energy_export", meter.energy_export),
    ):
        rows = []
        for start in starts:
            state = counter(start + timedelta(hours=1))
            rows.append(
                {
                    "start": start.isoformat(),
                    "state": state,
                    "sum": state - counter(hour),
                }
            )
        await store(key, "kWh", "energy", rows)

    rows = []
    for start in starts:
        power = [meter.power(start + timedelta(minutes=minute)) for minute in range(60)]
        rows.append(
            {
                "start": start.isoformat(),
                "mean": sum(power) / 60,
                "min": min(power),
                "max": max(power),
            }
        )
    await store("net_power", "W", "power", rows)


async def add_energy(api: Api, shown: Mapping[str, str]) -> None:
    """Fill in the energy dashboard's settings: grid energy, to and from, and power."""
    grid: dict[str, Any] = {"type": "grid", "cost_adjustment_day": 0}
    for field, key in (
        ("stat_energy_from", "energy_import"),
        ("stat_energy_to", "energy_export"),
        ("stat_rate", "net_power"),
    ):
        if key in shown:
            grid[field] = shown[key]
    await api.command("energy/save_prefs", energy_sources=[grid])


async def add_dashboard(api: Api, shown: Mapping[str, str]) -> None:
    """Save a dashboard of what the meter sends."""
    sections = []
    for title, keys in SECTIONS.items():
        cards: list[dict[str, Any]] = [
            {
                "type": "tile",
                "entity": shown[key],
                "name": NAME,
                "grid_options": WIDE.get(key, {}),
            }
            for key in keys
            if key in shown
        ]
        if title == "Power":
            lines = [{"entity": card["entity"], "name": NAME} for card in cards[:1]]
            hours = GRAPH / timedelta(hours=1)
            cards.append(
                {"type": "history-graph", "hours_to_show": hours, "entities": lines}
            )
        if title == "Energy":
            bars = [card["entity"] for card in cards]
            cards.append(
                {"type": "statistics-graph", "entities": bars, "chart_type": "bar"}
                | {"period": "hour", "days_to_show": 2, "stat_types": ["change"]}
            )
        sections.append(
            {"type": "grid", "cards": [{"type": "heading", "heading": title}, *cards]}
        )
    await api.command(
        "lovelace/dashboards/create",
        url_path=DASHBOARD,
        title="Meter",
        icon="mdi:meter-electric",
        mode="storage",
    )
    view = {
        "title": "Meter",
        "type": "sections",
        "max_columns": 4,
        "sections": sections,
    }
    await api.command(
        "lovelace/config/save", url_path=DASHBOARD, config={"views": [view]}
    )


async def is_speaking(api: Api) -> bool:
    """Say whether a value of the meter has reached its entity."""
    states = await api.rest("GET", "/api/states")
    known = {state["entity_id"]: state["state"] for state in states}
    shown = await entities(api)
    return known.get(shown.get("net_power", ""), "unavailable") not in (
        "unavailable",
        "unknown",
    )


async def run(arguments: argparse.Namespace, stop: asyncio.Event) -> None:
    """Start both, set up what is missing, say where to look, and wait until told to stop."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    meter = ALIASES.get(arguments.meter, arguments.meter) or kept.get("meter", METER)
    if meter not in MODELS:
        known = ", ".join([*MODELS, *ALIASES])
        raise DemoError(f"no meter is called {meter}; there are {known}")
    reader = arguments.reader or (kept.get("reader") if not arguments.clean else None)
    if arguments.clean or (kept.get("meter"), kept.get("reader")) != (meter, reader):
        kept = {}
    with socket.socket() as wanted:
        try:
            wanted.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            wanted.bind(("127.0.0.1", arguments.port))
        except OSError as error:
            raise DemoError(
                f"port {arguments.port} cannot be had ({error.strerror});"
                " choose another with --port"
            ) from error

    async with AsyncExitStack() as stack:
        stack.enter_context(folder(clean=not kept))
        print(f"Starting a simulated {meter} and Home Assistant ...", flush=True)
        simulator, meter_port = await stack.enter_async_context(
            simulated(meter, kept.get("meter_port", 0), reader)
        )
        server = await stack.enter_async_context(home_assistant(arguments.port))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        api = Api(session, f"http://127.0.0.1:{arguments.port}")
        ended = {
            asyncio.create_task(stop.wait()): "",
            asyncio.create_task(simulator.wait()): "the simulated meter",
            asyncio.create_task(server.wait()): "Home Assistant",
        }
        setting_up = asyncio.create_task(
            set_up(api, meter, meter_port, reader, not kept)
        )
        for each in (*ended, setting_up):
            stack.callback(each.cancel)
        done, _ = await asyncio.wait(
            {*ended, setting_up}, return_when="FIRST_COMPLETED"
        )
        if setting_up in done:
            setting_up.result()
            KEPT.write_text(
                json.dumps({"meter": meter, "meter_port": meter_port, "reader": reader})
            )
            print(
                f"""
  The meter     {api.url}/{DASHBOARD}
  The energy    {api.url}/energy
  Log in as     {LOGIN["username"]}, password {LOGIN["password"]}

The simulated meter is on 127.0.0.1:{meter_port}. Ctrl-C stops all; what is left is in .demo.
""",
                flush=True,
            )
            done, _ = await asyncio.wait(ended, return_when="FIRST_COMPLETED")
        for each in done:
            if ended[each]:
                raise DemoError(
                    f"{ended[each]} has ended with {each.result()};"
                    f" see {DEMO / 'output.log'}"
                )
        print("Stopping ...", flush=True)


async def set_up(
    api: Api, meter: str, meter_port: int, reader: str | None, new: bool
) -> None:
    """Bring Home Assistant to where the meter is seen; a new one has nothing yet."""
    await until("the start of Home Assistant", lambda: answers(api), 180)
    if new:
        await onboard(api)
    else:
        await log_in(api)
    await until("the start of its parts", lambda: is_running(api), 180)
    if new:
        await add_meter(api, meter_port, reader)
    await until("a value from the meter", lambda: is_speaking(api), 45)
    if new:
        shown = await entities(api)
        await add_history(api, shown, create(meter))
        await add_energy(api, shown)
        await add_dashboard(api, shown)
        await api.rest(
            "POST",
            "/api/services/number/set_value",
            json={"entity_id": shown["hour_limit"], "value": HOUR_LIMIT},
        )


def main() -> int:
    """Run until Ctrl-C; one sentence and exit code 1 for what cannot be done."""
    parser = argparse.ArgumentParser(
        prog="scripts/demo",
        description="A simulated meter in a real Home Assistant, until Ctrl-C.",
    )
    parser.add_argument(
        "--meter", metavar="NAME", help=f"one of {', '.join([*MODELS, *ALIASES])}"
    )
    parser.add_argument(
        "--reader", choices=READERS, help="through which the meter comes over MQTT"
    )
    parser.add_argument("--port", type=int, default=8123, help="of Home Assistant")
    parser.add_argument("--clean", action="store_true", help="forget the last time")
    arguments = parser.parse_args()

    async def until_stopped() -> None:
        stop = asyncio.Event()
        for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        await run(arguments, stop)

    try:
        asyncio.run(until_stopped())
    except (DemoError, aiohttp.ClientError, OSError) as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
