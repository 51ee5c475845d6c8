"""Does the package that HACS installs work in a real Home Assistant, and leave nothing?

Run by `scripts/test` on the newest Home Assistant, by `scripts/test --minimum` on the
oldest that the manifest allows.
"""

import asyncio
from contextlib import closing
import json
from pathlib import Path
import re
import shutil
import socket
import sqlite3
import subprocess
import sys
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import aiohttp
import pytest

from tests.test_demo import ROOT, complaints, demo, stored

FOLDER = Path("custom_components/han_port")
# What an entry has always had, and what was added to the stored accounts since
OLDEST_DATA = ("device", "manufacturer", "meter_type", "meter_id", "quantities")
LATER_STORED = ("continuity", "power_maximum", "multiply_energy")
VERSION = json.loads((ROOT / FOLDER / "manifest.json").read_text())["version"]


@pytest.fixture(name="package", scope="module")
def _package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the package of this checkout."""
    path = tmp_path_factory.mktemp("package") / "han_port.zip"
    subprocess.run([ROOT / "scripts/package", path], check=True)
    return path


def install(package: Path, checkout: Path, version: str = VERSION) -> None:
    """Do what HACS does: put what is in the archive into a new folder."""
    shutil.rmtree(checkout / FOLDER, ignore_errors=True)
    with ZipFile(package) as archive:
        archive.extractall(checkout / FOLDER)
    path = checkout / FOLDER / "manifest.json"
    manifest = json.loads(path.read_text())
    assert manifest["version"] == VERSION
    path.write_text(json.dumps(manifest | {"version": version}))


def test_content(package: Path) -> None:
    """The archive holds every file of the integration at its root, and nothing else."""
    files = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", FOLDER],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    with ZipFile(package) as archive:
        assert archive.testzip() is None
        names = archive.namelist()
    assert names == sorted(str(Path(each).relative_to(FOLDER)) for each in files)


def entry_of(checkout: Path) -> dict[str, Any] | None:
    """Give the entry of the meter as it is stored."""
    entries = stored(checkout, "core.config_entries")["entries"]
    return next((each for each in entries if each["domain"] == "han_port"), None)


def entities(checkout: Path) -> dict[str, list[Any]]:
    """Give what makes each stored entity the same as before, by its unique id."""
    same = ("id", "entity_id", "device_id", "disabled_by")
    return {
        each["unique_id"]: [each[key] for key in same]
        for each in stored(checkout, "core.entity_registry")["entities"]
        if each["platform"] == "han_port"
    }


def make_old(checkout: Path) -> None:
    """Let what is stored be as the first version that anybody ran would have left it.

    No version was released before 0.1.0, so there is no older package to begin with: what
    stands in for it are the five data of an entry that every version has stored, no
    options, and accounts without what came later.
    """
    storage = checkout / ".demo/.storage"
    path = storage / "core.config_entries"
    whole = json.loads(path.read_text())
    (entry,) = (
        each for each in whole["data"]["entries"] if each["domain"] == "han_port"
    )
    entry["data"] = {key: entry["data"][key] for key in OLDEST_DATA}
    entry["options"] = {}
    path.write_text(json.dumps(whole))
    path = storage / f"han_port.{entry['entry_id']}"
    whole = json.loads(path.read_text())
    for key in LATER_STORED:
        del whole["data"][key]
    path.write_text(json.dumps(whole))


def energy_stored(checkout: Path, entry_id: str) -> float:
    """Give the counter of energy import that goes on after a restart, in kWh."""
    counter = stored(checkout, f"han_port.{entry_id}")["counters"]["energy_import"]
    return float(counter["published"])


def counted(checkout: Path, statistic_id: str) -> int:
    """Count the hours of which the recorder has the energy."""
    path = checkout / ".demo/home-assistant_v2.db"
    with closing(sqlite3.connect(path)) as database:
        (count,) = database.execute(
            "SELECT count(*) FROM statistics JOIN statistics_meta"
            " ON metadata_id = statistics_meta.id WHERE statistic_id = ?",
            [statistic_id],
        ).fetchone()
    return int(count)


def holding(checkout: Path, word: str) -> set[str]:
    """Name the stored files that a word is in."""
    storage = checkout / ".demo/.storage"
    return {path.name for path in storage.iterdir() if word in path.read_text()}


async def remove(script: ModuleType, url: str, entry_id: str, entity_id: str) -> float:
    """Remove the entry as a person does; give what an entity of it said last."""
    async with aiohttp.ClientSession() as session:
        api = script.Api(session, url)
        await script.log_in(api)
        last = await api.rest("GET", f"/api/states/{entity_id}")
        path = f"/api/config/config_entries/entry/{entry_id}"
        await api.rest("DELETE", path)
    return float(last["state"])


async def start(script: ModuleType) -> None:
    """Start Home Assistant alone, until all is set up, and stop it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    async with script.home_assistant(port), aiohttp.ClientSession() as session:
        api = script.Api(session, f"http://127.0.0.1:{port}")
        await script.until("the start", lambda: script.answers(api), 180)
        await script.log_in(api)
        await script.until("its parts", lambda: script.is_running(api), 180)


@pytest.mark.usefixtures("socket_enabled")
def test_package(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is installed, restarted, upgraded and removed, without a complaint in the log."""
    for folder in ("scripts", "simulator"):
        shutil.copytree(
            ROOT / folder,
            tmp_path / folder,
            ignore=shutil.ignore_patterns("__pycache__"),
        )
    install(package, tmp_path, version="0.0.1")
    with demo(tmp_path):
        assert complaints(tmp_path) == []
    assert complaints(tmp_path) == []
    entry, known = entry_of(tmp_path), entities(tmp_path)
    assert entry is not None
    assert len(known) > 20
    energy = energy_stored(tmp_path, entry["entry_id"])
    assert energy > 0

    with demo(tmp_path):
        assert complaints(tmp_path) == []
    assert complaints(tmp_path) == []
    assert entry_of(tmp_path) == entry
    assert entities(tmp_path) == known
    assert energy_stored(tmp_path, entry["entry_id"]) >= energy

    make_old(tmp_path)
    install(package, tmp_path)
    with demo(tmp_path, offline=False) as said:
        assert complaints(tmp_path) == []
        upgraded = entry_of(tmp_path)
        assert upgraded is not None
        assert {key: upgraded["data"][key] for key in OLDEST_DATA} == {
            key: entry["data"][key] for key in OLDEST_DATA
        }
        same = ("entry_id", "unique_id", "title", "version", "disabled_by")
        assert [upgraded[key] for key in same] == [entry[key] for key in same]
        assert entities(tmp_path) == known
        address = re.search(r"(http://127\.0\.0\.1:\d+)/han-port", said)
        assert address is not None
        monkeypatch.syspath_prepend(tmp_path / "scripts")
        sys.modules.pop("demo", None)
        import demo as script  # type: ignore[import-not-found]

        counter = known[f"{entry['unique_id']}_energy_import"][1]
        last = asyncio.run(remove(script, address[1], entry["entry_id"], counter))
        assert last >= energy
    assert complaints(tmp_path) == []

    # And what HACS does: the folder is gone when Home Assistant starts again
    shutil.rmtree(tmp_path / FOLDER)
    asyncio.run(start(script))
    assert complaints(tmp_path) == []
    assert entry_of(tmp_path) is None
    assert entities(tmp_path) == {}
    assert holding(tmp_path, entry["entry_id"]) == set()
    # What is left is the demo's dashboard, and what Home Assistant itself remembers of
    # deleted entities and devices, for when they come back: it belongs to no entry.
    assert holding(tmp_path, "han_port") == {
        *("core.device_registry", "core.entity_registry", "lovelace.han_port"),
        "lovelace_dashboards",
    }
    # It also keeps the history of what was measured, until a person deletes it.
    assert counted(tmp_path, counter) >= 7 * 24
