"""Is every rule of the quality scale answered, and each `done` backed by something?"""

from pathlib import Path
import re
from typing import Any

import pytest

from homeassistant.util.yaml import load_yaml_dict

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "han_port"
SCALE = load_yaml_dict(FOLDER / "quality_scale.yaml")["rules"]

# All rules of Home Assistant 2026.10: where a `done` shows, and what must stand there.
# A path may be a pattern: then every file that fits must say it.
EVIDENCE = {
    # bronze
    "action-setup": ("__init__.py", r"async def async_setup\("),
    "appropriate-polling": ("coordinator.py", r"update_interval"),
    "brands": ("brand/icon.png", None),
    "common-modules": ("coordinator.py", r"class \w+\(DataUpdateCoordinator"),
    "config-flow": ("manifest.json", r'"config_flow": true'),
    "config-flow-test-coverage": (
        "tests/integration/test_config_flow.py",
        r"def test_",
    ),
    "dependency-transparency": ("manifest.json", r'"requirements": \[\]'),
    "docs-actions": ("README.md", r"(?m)^#+ .*[Aa]ction"),
    "docs-conditions": ("README.md", r"(?m)^#+ .*[Cc]ondition"),
    "docs-high-level-description": ("README.md", r"Home Assistant"),
    "docs-installation-instructions": ("README.md", r"(?m)^#+ .*[Ii]nstall"),
    "docs-removal-instructions": ("README.md", r"(?m)^#+ .*[Rr]emov"),
    "docs-triggers": ("README.md", r"(?m)^#+ .*[Tt]rigger"),
    "entity-event-setup": ("entity.py", r"CoordinatorEntity|async_added_to_hass"),
    "entity-unique-id": ("entity.py", r"_attr_unique_id = "),
    "has-entity-name": ("entity.py", r"_attr_has_entity_name = True"),
    "runtime-data": ("__init__.py", r"\.runtime_data = "),
    "test-before-configure": ("flow/listen.py", r"async_show_progress\("),
    "test-before-setup": ("__init__.py", r"ConfigEntryNotReady"),
    "unique-config-entry": ("config_flow.py", r"_abort_if_unique_id_configured\("),
    # silver
    "action-exceptions": ("actions.py", r"ServiceValidationError|HomeAssistantError"),
    "config-entry-unloading": ("__init__.py", r"async def async_unload_entry\("),
    "docs-configuration-parameters": ("README.md", r"(?m)^#+ .*([Oo]ption|[Cc]onfig)"),
    "docs-installation-parameters": ("README.md", r"(?m)^#+ .*[Ss]et(ting)? ?up"),
    "entity-unavailable": ("sensor.py", r"def available\("),
    "integration-owner": ("manifest.json", r'"codeowners": \["@'),
    "log-when-unavailable": ("coordinator.py", r"_LOGGER\.info\("),
    "parallel-updates": ("*sensor.py", r"(?m)^PARALLEL_UPDATES = 0$"),
    "reauthentication-flow": ("flow/key.py", r"def async_step_reauth\("),
    "test-coverage": ("pyproject.toml", r"fail_under = 9[5-9]|fail_under = 100"),
    # gold
    "devices": ("entity.py", r"DeviceInfo\("),
    "diagnostics": ("diagnostics.py", r"async_get_config_entry_diagnostics\("),
    "discovery": ("config_flow.py", r"def async_step_(usb|mqtt|zeroconf)\("),
    "discovery-update-info": (
        "config_flow.py",
        r"def async_step_(usb|mqtt|zeroconf)\(",
    ),
    "docs-data-update": ("README.md", r"(?i)every \d+ (to \d+ )?seconds|updat"),
    "docs-examples": ("README.md", r"(?m)^#+ .*([Ee]xample|[Aa]utomation)"),
    "docs-known-limitations": ("README.md", r"(?m)^#+ .*[Ll]imit"),
    "docs-supported-devices": ("README.md", r"(?m)^#+ .*[Mm]eters"),
    "docs-supported-functions": ("README.md", r"(?m)^#+ .*([Ee]ntit|[Ss]ensors)"),
    "docs-troubleshooting": ("README.md", r"(?m)^#+ .*([Tt]rouble|[Ww]rong|[Hh]elp)"),
    "docs-use-cases": ("README.md", r"(?m)^#+ .*([Uu]se|[Ee]nergy dashboard)"),
    "dynamic-devices": ("sensor.py", r"async_add_listener\("),
    "entity-category": ("binary_sensor.py", r"EntityCategory\.DIAGNOSTIC"),
    "entity-device-class": ("sensor.py", r"SensorDeviceClass\."),
    "entity-disabled-by-default": ("sensor.py", r"entity_registry_enabled_default"),
    "entity-translations": ("translations/*.json", r'"entity": \{'),
    "exception-translations": ("translations/*.json", r'"exceptions": \{'),
    "icon-translations": ("icons.json", r"mdi:"),
    "reconfiguration-flow": ("config_flow.py", r"def async_step_reconfigure\("),
    "repair-issues": ("repairs.py", r"def async_create_fix_flow\("),
    "stale-devices": ("__init__.py", r"def async_remove_config_entry_device\("),
    # platinum
    "async-dependency": ("source.py", r"async_serial_for_url\("),
    "inject-websession": ("source.py", r"async_get_clientsession\("),
    "strict-typing": ("protocol/py.typed", None),
}


def scale_complaints(scale: dict[str, Any]) -> list[str]:
    """Say which rules are not answered, not known, or answered in no known way."""
    said = [f"{rule} is missing" for rule in EVIDENCE if rule not in scale]
    for rule, answer in scale.items():
        if rule not in EVIDENCE:
            said.append(f"{rule} is unknown")
        if answer in ("done", "todo"):
            continue
        if not isinstance(answer, dict) or answer.keys() != {"status", "comment"}:
            said.append(f"{rule} is not done, todo, or a status with its comment")
        elif answer["status"] != "exempt" or not answer["comment"].strip():
            said.append(f"{rule} is exempt without a reason")
    return said


def is_backed(path: str, pattern: str | None) -> bool:
    """Say whether the files that a rule is shown by exist and say it."""
    folder = ROOT if (ROOT / path).exists() else FOLDER
    files = sorted(folder.glob(path))
    return bool(files) and all(
        pattern is None or re.search(pattern, each.read_text()) for each in files
    )


def test_scale() -> None:
    """Every rule has an answer, and an exemption its reason."""
    assert scale_complaints(SCALE) == []


@pytest.mark.parametrize(
    "rule", [rule for rule in EVIDENCE if SCALE.get(rule) == "done"]
)
def test_done(rule: str) -> None:
    """What is said to be done is there to see."""
    assert is_backed(*EVIDENCE[rule])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"brands": "yes"}, "brands is not done, todo, or a status with its comment"),
        (
            {"brands": {"status": "exempt"}},
            "brands is not done, todo, or a status with its comment",
        ),
        (
            {"brands": {"status": "exempt", "comment": " "}},
            "brands is exempt without a reason",
        ),
        ({"brand": "done"}, "brand is unknown"),
    ],
)
def test_scale_broken(change: dict[str, Any], complaint: str) -> None:
    """An answer that says nothing is found."""
    assert scale_complaints(dict.fromkeys(EVIDENCE, "done") | change) == [complaint]


def test_scale_lacks() -> None:
    """A rule without an answer is found."""
    scale = dict.fromkeys(EVIDENCE, "todo")
    del scale["brands"]
    assert scale_complaints(scale) == ["brands is missing"]


def test_done_broken() -> None:
    """A file that is missing, or does not say it, backs nothing."""
    assert not is_backed("no_such.py", None)
    assert not is_backed("manifest.json", "no such text")
    assert is_backed("manifest.json", '"domain"')
