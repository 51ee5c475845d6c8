"""Does the demo do what it says, with no internet, and leave nothing behind?"""

from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
import json
import os
from pathlib import Path
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
# A home network that leads nowhere, where the kernel lets us make one
NETWORK = """
ip link set lo up
ip link add home type veth peer name other
ip link set other up
ip link set home up multicast on
ip address add 192.0.2.1/24 brd + dev home
ip route add default via 192.0.2.254
exec "$@"
"""
OFFLINE = ["unshare", "-rn", "sh", "-ec", NETWORK, "sh"]
# What Home Assistant says of being started without pip, and of every custom integration
USUAL = ("Skipping pip installation", "We found a custom integration han_port")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Give a copy of what the demo is made of."""
    for folder in ("custom_components", "scripts", "simulator"):
        shutil.copytree(
            ROOT / folder,
            tmp_path / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    return tmp_path


@contextmanager
def demo(checkout: Path, *arguments: str, offline: bool = True) -> Iterator[str]:
    """Run the demo, give what it says when all is up, and end it with Ctrl-C."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-B", str(checkout / "scripts/demo.py")]
    with suppress(OSError, subprocess.CalledProcessError):
        if offline:
            subprocess.run([*OFFLINE, "true"], check=True, capture_output=True)
            command = [*OFFLINE, *command]
    with subprocess.Popen(
        [*command, "--port", str(port), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as running:
        assert running.stdout is not None
        said = ""
        try:
            for line in running.stdout:
                said += line
                if "Ctrl-C" in line:
                    yield said
                    break
            else:
                pytest.fail(said)
        finally:
            running.send_signal(signal.SIGINT)
            rest = running.communicate(timeout=60)[0]
    assert rest.strip() == "Stopping ..."
    assert running.returncode == 0


def stored(checkout: Path, key: str) -> Any:
    """Give what Home Assistant has stored under a key."""
    text = (checkout / ".demo/.storage" / key).read_text()
    return json.loads(text)["data"]


def complaints(checkout: Path) -> list[str]:
    """Give the warnings and errors of Home Assistant, and what it printed of them."""
    log = (checkout / ".demo/output.log").read_text()
    return [
        line
        for line in log.splitlines()
        if line and not any(each in line for each in USUAL)
    ]


@pytest.mark.usefixtures("socket_enabled")
def test_demo(checkout: Path) -> None:
    """The first call sets all up, the second goes on from there, and both leave .demo only."""
    before = set(checkout.rglob("*"))

    with demo(checkout, "--meter", "kamstrup") as said:
        assert re.search(
            r"^  The meter +http://127\.0\.0\.1:\d+/han-port$", said, re.MULTILINE
        )
        assert re.search(r"^  Log in as +demo, password demo$", said, re.MULTILINE)
        assert complaints(checkout) == []

    left = set(checkout.rglob("*")) - before
    assert {path.relative_to(checkout).parts[0] for path in left} == {".demo"}
    (entry,) = (
        each
        for each in stored(checkout, "core.config_entries")["entries"]
        if each["domain"] == "han_port"
    )
    meter_port = re.search(r"meter is on 127\.0\.0\.1:(\d+)", said)
    assert meter_port is not None
    assert entry["data"]["device"] == f"socket://127.0.0.1:{meter_port[1]}"
    assert entry["data"]["manufacturer"] == "Kamstrup"
    shown = {
        each["unique_id"].partition("_")[2]: each["entity_id"]
        for each in stored(checkout, "core.entity_registry")["entities"]
        if each["config_entry_id"] == entry["entry_id"]
    }
    (grid,) = stored(checkout, "energy")["energy_sources"]
    assert {key: value for key, value in grid.items() if value is not None} == {
        "type": "grid",
        "cost_adjustment_day": 0,
        "stat_energy_from": shown["energy_import"],
        "stat_energy_to": shown["energy_export"],
        "stat_rate": shown["net_power"],
    }
    dashboard = json.dumps(stored(checkout, "lovelace.han_port"))
    wanted = (
        "net_power",
        "available_power",
        "current_l3",
        "energy_import",
        "connection",
    )
    assert [key for key in wanted if f'"{shown[key]}"' not in dashboard] == []
    with closing(sqlite3.connect(checkout / ".demo/home-assistant_v2.db")) as database:
        hours = database.execute(
            "SELECT statistic_id, count(*) FROM statistics JOIN statistics_meta"
            " ON metadata_id = statistics_meta.id GROUP BY 1 ORDER BY 1"
        ).fetchall()
        values = database.execute(
            "SELECT DISTINCT state FROM states JOIN states_meta USING (metadata_id)"
            " WHERE states_meta.entity_id = ?",
            [shown["energy_import"]],
        ).fetchall()
    keys = ("energy_export", "energy_import", "net_power")
    assert [key for key in keys if dict(hours)[shown[key]] < 7 * 24] == []
    assert any(float(value) > 0 for (value,) in values if value[0].isdigit())

    with demo(checkout) as said:
        again = run(checkout, "--port", "0", "--clean")
        assert again.stderr == "demo: the demo runs already; end that one first\n"
        assert "kamstrup" in said
        assert f"127.0.0.1:{meter_port[1]}" in said
        assert complaints(checkout) == []
    assert [
        each["entry_id"]
        for each in stored(checkout, "core.config_entries")["entries"]
        if each["domain"] == "han_port"
    ] == [entry["entry_id"]]


@pytest.mark.usefixtures("socket_enabled")
def test_reader(checkout: Path) -> None:
    """Through a reader on MQTT the same demo shows what a search of the broker found."""
    folders = os.environ["PATH"], "/usr/sbin", str(ROOT / ".tools/bin")
    program = shutil.which("mosquitto", path=os.pathsep.join(folders))
    if program is None:
        why = "no MQTT broker: install mosquitto, or run scripts/setup on Debian"
        if os.environ.get("HAN_PORT_BROKER"):
            pytest.fail(why)
        pytest.skip(why)
    tools = checkout / ".tools/bin"
    tools.mkdir(parents=True)
    (tools / "mosquitto").symlink_to(program)

    with demo(checkout, "--meter", "aidon", "--reader", "tibber-pulse"):
        assert complaints(checkout) == []
    (entry,) = (
        each
        for each in stored(checkout, "core.config_entries")["entries"]
        if each["domain"] == "han_port"
    )
    assert entry["data"]["device"] == "mqtt://$aws/tibber-pulse/1"
    assert entry["data"]["manufacturer"] == "Aidon"
    assert "active_power_import" in entry["data"]["quantities"]


def run(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the demo where it cannot get far."""
    return subprocess.run(
        [sys.executable, "-B", str(checkout / "scripts/demo.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )


def test_unknown_meter(checkout: Path) -> None:
    """A meter that does not exist is answered with those that do, and nothing is made."""
    ended = run(checkout, "--meter", "ferraris")
    assert ended.returncode == 1
    assert ended.stderr.startswith("demo: no meter is called ferraris; there are aidon")
    assert not (checkout / ".demo").exists()


@pytest.mark.usefixtures("socket_enabled")
def test_port_taken(checkout: Path) -> None:
    """A port in use is answered with what to do, and nothing is made."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        ended = run(checkout, "--port", str(port))
    assert ended.returncode == 1
    assert ended.stderr == (
        f"demo: port {port} cannot be had (Address already in use);"
        " choose another with --port\n"
    )
    assert not (checkout / ".demo").exists()
