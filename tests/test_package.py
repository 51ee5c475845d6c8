"""Does the package that HACS installs work in a real Home Assistant, and leave nothing?

Run by `scripts/test` on the newest Home Assistant, by `scripts/test --minimum` on the
oldest that the manifest allows.
"""

import asyncio
import json
from pathlib import Path
import re
import shutil
import subprocess
import sys
from types import ModuleType
from typing import Any
from zipfile import ZipFile

import aiohttp
import pytest

from tests.test_demo import ROOT, complaints, demo, stored

FOLDER = Path("custom_components/han_port")
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


def entities(checkout: Path) -> dict[str, str]:
    """Give the entities as they are stored, by their unique id."""
    return {
        each["unique_id"]: each["entity_id"]
        for each in stored(checkout, "core.entity_registry")["entities"]
        if each["platform"] == "han_port"
    }


async def remove(script: ModuleType, url: str, entry_id: str) -> None:
    """Remove the entry as a person does."""
    async with aiohttp.ClientSession() as session:
        api = script.Api(session, url)
        await script.log_in(api)
        path = f"/api/config/config_entries/entry/{entry_id}"
        await api.rest("DELETE", path)


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
    entry, known = entry_of(tmp_path), entities(tmp_path)
    assert entry is not None
    assert len(known) > 20

    install(package, tmp_path)
    with demo(tmp_path, offline=False) as said:
        assert complaints(tmp_path) == []
        assert entry_of(tmp_path) == entry
        assert entities(tmp_path) == known
        address = re.search(r"(http://127\.0\.0\.1:\d+)/han-port", said)
        assert address is not None
        monkeypatch.syspath_prepend(tmp_path / "scripts")
        sys.modules.pop("demo", None)
        import demo as script  # type: ignore[import-not-found]

        asyncio.run(remove(script, address[1], entry["entry_id"]))
    assert complaints(tmp_path) == []
    assert entry_of(tmp_path) is None
    assert entities(tmp_path) == {}
    storage = tmp_path / ".demo/.storage"
    assert [each.name for each in storage.iterdir() if "han_port" in each.name] == [
        "lovelace.han_port"  # the dashboard of the demo
    ]
    devices = stored(tmp_path, "core.device_registry")["devices"]
    assert entry["entry_id"] not in json.dumps(devices)
