"""Is every rule of the quality scale answered, and does a test or a section show each `done`?"""

from pathlib import Path
import re
from typing import Any

import pytest

from homeassistant.util.yaml import load_yaml_dict
from tests.repository.test_documents import anchors

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "han_port"
TEXT = (FOLDER / "quality_scale.yaml").read_text()
SCALE = load_yaml_dict(FOLDER / "quality_scale.yaml")["rules"]

# All rules of Home Assistant 2026.10, from bronze to platinum
RULES = set(
    "action-setup appropriate-polling brands common-modules config-flow"
    " config-flow-test-coverage dependency-transparency docs-actions docs-conditions"
    " docs-high-level-description docs-installation-instructions"
    " docs-removal-instructions docs-triggers entity-event-setup entity-unique-id"
    " has-entity-name runtime-data test-before-configure test-before-setup"
    " unique-config-entry"
    " action-exceptions config-entry-unloading docs-configuration-parameters"
    " docs-installation-parameters entity-unavailable integration-owner"
    " log-when-unavailable parallel-updates reauthentication-flow test-coverage"
    " devices diagnostics discovery discovery-update-info docs-data-update"
    " docs-examples docs-known-limitations docs-supported-devices"
    " docs-supported-functions docs-troubleshooting docs-use-cases dynamic-devices"
    " entity-category entity-device-class entity-disabled-by-default"
    " entity-translations exception-translations icon-translations"
    " reconfiguration-flow repair-issues stale-devices"
    " async-dependency inject-websession strict-typing".split()
)
OURS = "custom_components/han_port"
# The rules that ask for a form of the code and not for what it does: the files that have it
FORM = {
    "common-modules": (
        [f"{OURS}/coordinator.py"],
        r"class \w+\(DataUpdateCoordinator",
    ),
    "entity-event-setup": ([f"{OURS}/entity.py"], r"class \w+\(CoordinatorEntity"),
    "runtime-data": ([f"{OURS}/__init__.py"], r"entry\.runtime_data = "),
    "parallel-updates": (
        [f"{OURS}/{each}.py" for each in ("binary_sensor", "number", "sensor")],
        r"(?m)^PARALLEL_UPDATES = 0$",
    ),
    "test-coverage": (["pyproject.toml"], r"fail_under = (9[5-9]|100)"),
    "strict-typing": (["pyproject.toml"], r"(?m)^strict = true$"),
}


def scale_complaints(scale: dict[str, Any]) -> list[str]:
    """Say which rules are not answered, not known, or answered in no known way."""
    said = [f"{rule} is missing" for rule in sorted(RULES) if rule not in scale]
    for rule, answer in scale.items():
        if rule not in RULES:
            said.append(f"{rule} is unknown")
        if answer in ("done", "todo"):
            continue
        if not isinstance(answer, dict) or answer.keys() != {"status", "comment"}:
            said.append(f"{rule} is not done, todo, or a status with its comment")
        elif answer["status"] != "exempt" or not answer["comment"].strip():
            said.append(f"{rule} is exempt without a reason")
    return said


def is_shown(by: str) -> bool:
    """Say whether a test, as path::name, or a section, as path#anchor, is there."""
    file, test, name = by.partition("::" if "::" in by else "#")
    if not (ROOT / file).is_file():
        return False
    text = (ROOT / file).read_text()
    if test == "::":
        return bool(re.search(rf"^(async )?def {name}\(", text, re.MULTILINE))
    return name in anchors(text)


def proof_complaints(text: str) -> list[str]:
    """Say which answers of the file's text are `done` and shown by nothing."""
    done = re.findall(r"^  ([\w-]+): done(?: # (\S+))?$", text, re.MULTILINE)
    return [f"{rule}: {by or 'nothing'}" for rule, by in done if not is_shown(by)]


def test_scale() -> None:
    """Every rule has an answer, and an exemption its reason."""
    assert scale_complaints(SCALE) == []


def test_proofs() -> None:
    """Each `done` names a test or a section that is there, one for the documents a section."""
    assert proof_complaints(TEXT) == []
    shown = dict(re.findall(r"^  ([\w-]+): done # (\S+)$", TEXT, re.MULTILINE))
    assert shown.keys() == {rule for rule, answer in SCALE.items() if answer == "done"}
    assert [
        rule for rule, by in shown.items() if rule.startswith("docs-") != ("#" in by)
    ] == []
    by_form = {rule for rule, by in shown.items() if by.endswith("::test_form")}
    assert by_form == FORM.keys()


def test_proofs_broken() -> None:
    """A `done` by nothing, by a test or by a section that is not there is found."""
    text = """
  a: done
  b: done # tests/no_such.py::test_form
  c: done # tests/repository/test_quality_scale.py::test_no_such
  d: done # README.md#no-such
  e: done # tests/repository/test_quality_scale.py::test_form
  f: todo
"""
    assert [each.partition(":")[0] for each in proof_complaints(text)] == list("abcd")


@pytest.mark.parametrize("rule", FORM)
def test_form(rule: str) -> None:
    """The code has the form that a rule asks for."""
    files, pattern = FORM[rule]
    assert [
        each for each in files if not re.search(pattern, (ROOT / each).read_text())
    ] == []


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
    assert scale_complaints(dict.fromkeys(RULES, "done") | change) == [complaint]


def test_scale_lacks() -> None:
    """A rule without an answer is found."""
    scale = dict.fromkeys(RULES, "todo")
    del scale["brands"]
    assert scale_complaints(scale) == ["brands is missing"]
