"""Do Home Assistant, HACS and the lock agree with what the repository says it is?"""

from copy import deepcopy
import json
from pathlib import Path
import re
import struct
import tomllib
from typing import Any

from awesomeversion import AwesomeVersion, AwesomeVersionStrategy as Strategy
import pytest

from homeassistant import components

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "han_port"
MANIFEST: dict[str, Any] = json.loads((FOLDER / "manifest.json").read_text())
HACS: dict[str, Any] = json.loads((ROOT / "hacs.json").read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())
LOCK = (ROOT / "requirements.lock").read_text()

# What hassfest lets a manifest hold, and what HACS wants in it
ALLOWED = set(
    "after_dependencies bluetooth codeowners config_flow dependencies dhcp disabled"
    " documentation domain homekit import_executor integration_type iot_class"
    " issue_tracker loggers mqtt name preview_features quality_scale requirements"
    " single_config_entry ssdp usb version zeroconf".split()
)
NEEDED = {"codeowners", "documentation", "domain", "issue_tracker", "name", "version"}
KINDS = {"device", "entity", "hardware", "helper", "hub", "service", "system"}
CLASSES = {
    *("assumed_state", "calculated", "cloud_polling"),
    *("cloud_push", "local_polling", "local_push"),
}
# How the usb integration compares: numbers in capitals, texts in small letters
USB = {
    "vid": r"[0-9A-F]{4}",
    "pid": r"[0-9A-F]{4}",
    "serial_number": r"[^A-Z]+",
    "manufacturer": r"[^A-Z]+",
    "description": r"[^A-Z]+",
}
BRAND = {"icon.png": 256, "icon@2x.png": 512}
HACS_ALLOWED = set(
    "content_in_root country filename hacs hide_default_branch homeassistant name"
    " persistent_directory render_readme zip_release".split()
)


def is_version(text: object) -> bool:
    """Say whether Home Assistant can parse a version."""
    strategies = [
        *(Strategy.BUILDVER, Strategy.CALVER, Strategy.PEP440),
        *(Strategy.SEMVER, Strategy.SIMPLEVER),
    ]
    return isinstance(text, str) and AwesomeVersion(text).strategy in strategies


def manifest_complaints(manifest: dict[str, Any], folder: str) -> list[str]:
    """Say what hassfest or HACS would refuse in a custom integration's manifest."""
    keys = list(manifest)
    said = [f"unknown key {key}" for key in keys if key not in ALLOWED]
    said += [f"{key} is missing" for key in sorted(NEEDED - set(keys))]
    if keys != ["domain", "name", *sorted(set(keys) - {"domain", "name"})]:
        said.append("keys are not domain, name, then alphabetical")
    if manifest.get("domain") != folder:
        said.append("domain is not the folder's name")
    if manifest.get("integration_type") not in KINDS:
        said.append("unknown integration_type")
    if manifest.get("iot_class") not in CLASSES:
        said.append("unknown iot_class")
    if not is_version(manifest.get("version")):
        said.append("version cannot be parsed")
    for key in ("documentation", "issue_tracker"):
        if not str(manifest.get(key)).startswith("https://"):
            said.append(f"{key} is not https")
    if "www.home-assistant.io/integrations" in str(manifest.get("documentation")):
        said.append("documentation is that of a core integration")
    owners = manifest["codeowners"]
    if not owners or not all(re.fullmatch(r"@[\w-]+", each) for each in owners):
        said.append("a codeowner is no GitHub name")
    for matcher in manifest.get("usb", []):
        for key, value in matcher.items():
            if not re.fullmatch(USB.get(key, ""), value):
                said.append(f"usb: {key} can match nothing")
    parts = Path(components.__path__[0])
    for key in ("dependencies", "after_dependencies"):
        for each in manifest.get(key, []):
            if not (parts / each / "manifest.json").is_file():
                said.append(f"{key}: no integration {each}")
    for each in manifest.get("requirements", []):
        if " " in each or "==" not in each:
            said.append(f"requirement {each} is not one pinned word")
    return said


def hacs_complaints(hacs: dict[str, Any]) -> list[str]:
    """Say what HACS would refuse in hacs.json."""
    said = [f"unknown key {key}" for key in hacs if key not in HACS_ALLOWED]
    if not isinstance(hacs.get("name"), str):
        said.append("name is missing")
    if bool(hacs.get("zip_release")) != bool(hacs.get("filename")):
        said.append("zip_release and filename come together")
    said += [
        f"{key} cannot be parsed"
        for key in ("hacs", "homeassistant")
        if key in hacs and not is_version(hacs[key])
    ]
    return said


def lock_complaints(project: dict[str, Any], lock: str) -> list[str]:
    """Say where requirements.lock is not what pyproject.toml pins, or names a host."""
    said = []
    locked = {}
    for line in lock.splitlines():
        if found := re.fullmatch(r"([a-z0-9-]+)==([\w.!+-]+)( ; .+)?", line):
            locked[found[1]] = found[2]
        else:
            said.append(f"no pin: {line}")
    pins = [
        pin
        for group in project["dependency-groups"].values()
        for pin in group
        if isinstance(pin, str)
    ]
    for pin in pins:
        name, equals, version = pin.partition("==")
        if not equals:
            said.append(f"{pin} is not pinned")
        elif locked.get(name.lower()) != version:
            said.append(f"{pin} is not in the lock")
    return said


def test_manifest() -> None:
    """Home Assistant loads the integration and hassfest lets it pass."""
    assert manifest_complaints(MANIFEST, FOLDER.name) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"homepage": "x"}, "unknown key homepage"),
        ({"aaa": 1}, "keys are not domain, name, then alphabetical"),
        ({"domain": "han"}, "domain is not the folder's name"),
        ({"integration_type": "meter"}, "unknown integration_type"),
        ({"iot_class": "push"}, "unknown iot_class"),
        ({"version": "next"}, "version cannot be parsed"),
        ({"version": None}, "version cannot be parsed"),
        ({"documentation": "http://example.invalid"}, "documentation is not https"),
        ({"issue_tracker": "example.invalid"}, "issue_tracker is not https"),
        (
            {"documentation": "https://www.home-assistant.io/integrations/usb"},
            "documentation is that of a core integration",
        ),
        ({"codeowners": ["someone"]}, "a codeowner is no GitHub name"),
        ({"codeowners": []}, "a codeowner is no GitHub name"),
        ({"usb": [{"vid": "040b"}]}, "usb: vid can match nothing"),
        ({"usb": [{"description": "*P1*"}]}, "usb: description can match nothing"),
        ({"usb": [{"product": "x"}]}, "usb: product can match nothing"),
        ({"dependencies": ["uzb"]}, "dependencies: no integration uzb"),
        ({"requirements": ["a >= 1"]}, "requirement a >= 1 is not one pinned word"),
    ],
)
def test_manifest_broken(change: dict[str, Any], complaint: str) -> None:
    """Each mistake in a manifest is found."""
    assert complaint in manifest_complaints(MANIFEST | change, FOLDER.name)


@pytest.mark.parametrize("key", sorted(NEEDED - {"codeowners"}))
def test_manifest_lacks(key: str) -> None:
    """A key that HACS wants is missed."""
    manifest = {each: value for each, value in MANIFEST.items() if each != key}
    assert f"{key} is missing" in manifest_complaints(manifest, FOLDER.name)


def test_hacs() -> None:
    """HACS accepts hacs.json."""
    assert hacs_complaints(HACS) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"domains": ["sensor"]}, "unknown key domains"),
        ({"name": None}, "name is missing"),
        ({"filename": None}, "zip_release and filename come together"),
        ({"homeassistant": "newest"}, "homeassistant cannot be parsed"),
    ],
)
def test_hacs_broken(change: dict[str, Any], complaint: str) -> None:
    """Each mistake in hacs.json is found."""
    assert hacs_complaints(HACS | change) == [complaint]


def test_page() -> None:
    """HACS shows the README, and wants a picture in it."""
    page = (ROOT / "README.md").read_text()
    assert page.startswith(f"# {HACS['name']}\n")
    assert re.search(r"<img [^>]*src=\"docs/images/[\w-]+\.png\"", page)


def brand_complaints(folder: Path) -> list[str]:
    """Say what Home Assistant and HACS would not show of a folder of pictures."""
    sizes = {}
    for path in folder.iterdir():
        signature, size = path.read_bytes()[:8], path.read_bytes()[16:24]
        if signature == b"\x89PNG\r\n\x1a\n":
            sizes[path.name] = struct.unpack(">II", size)
    wanted = {name: (each, each) for name, each in BRAND.items()}
    return [name for name in wanted | sizes if sizes.get(name) != wanted.get(name)]


def test_brand() -> None:
    """The icon has the names and sizes that Home Assistant and HACS look for."""
    assert brand_complaints(FOLDER / "brand") == []


def test_brand_broken(tmp_path: Path) -> None:
    """A picture that is missing, of another size or of another name is found."""
    icon = (FOLDER / "brand/icon.png").read_bytes()
    (tmp_path / "icon@2x.png").write_bytes(icon)
    (tmp_path / "symbol.png").write_bytes(icon)
    (tmp_path / "icon.png").write_text("no picture")
    assert brand_complaints(tmp_path) == ["icon.png", "icon@2x.png", "symbol.png"]


def test_one_integration() -> None:
    """HACS installs one folder, and neither HACS nor hassfest finds another."""
    tops = ("custom_components", "simulator", "tests", "blueprints", "benchmarks")
    found = [path for top in tops for path in (ROOT / top).rglob("manifest.json")]
    assert found == [FOLDER / "manifest.json"]


def test_version() -> None:
    """The integration and the project carry one version."""
    assert MANIFEST["version"] == PROJECT["project"]["version"] == "0.1.0"


def test_floor() -> None:
    """The oldest Home Assistant that HACS offers it to is not newer than the tested."""
    tested = re.search(r"^homeassistant==(.+)$", LOCK, re.MULTILINE)
    assert tested is not None
    assert AwesomeVersion(HACS["homeassistant"]) <= AwesomeVersion(tested[1])


def test_minimum_is_tested() -> None:
    """What `scripts/test --minimum` runs is the version that HACS asks for."""
    lock = (ROOT / "requirements-minimum.lock").read_text()
    assert f"\nhomeassistant=={HACS['homeassistant']}\n" in lock
    assert [each for each in lock.splitlines() if "==" not in each] == []


def test_lock() -> None:
    """The lock holds exact pins only, and those of pyproject.toml."""
    assert lock_complaints(PROJECT, LOCK) == []


def test_lock_broken() -> None:
    """A pin changed in one place only, a range and an index are found."""
    project = deepcopy(PROJECT)
    project["dependency-groups"]["dev"] += ["ruff==0.0.1", "mypy>=1"]
    assert lock_complaints(project, f"--index-url https://x\n{LOCK}") == [
        "no pin: --index-url https://x",
        "ruff==0.0.1 is not in the lock",
        "mypy>=1 is not pinned",
    ]
