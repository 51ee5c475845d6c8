"""Does what is committed run on any machine, and name none?"""

from collections.abc import Iterator
import json
import os
from pathlib import Path
import re
import shutil
import subprocess

import pytest

from homeassistant.util.yaml import parse_yaml

ROOT = Path(__file__).parents[2]
OURS = "custom_components/han_port"
MADE = set(
    ".coverage .demo .git .hypothesis .mypy_cache .pytest_cache .python .ruff_cache"
    " .minimum .tools .venv __pycache__".split()
)
# Names are written so that this file does not hold them
HOSTS = re.compile(
    r"\b(pypi|pythonhosted|debian|ubuntu|npmjs|crates|rubygems|ghcr|docker)\.(com|io|net|org)\b"
)
PATHS = re.compile(r"(?<![\w.$}/\"'])/(home|root|tmp|work|Users)/\w")
SCRIPTS = [
    ROOT / ".ci/run",
    *(path for path in sorted((ROOT / "scripts").iterdir()) if not path.suffix),
]


def texts() -> Iterator[tuple[str, str]]:
    """Yield the path and content of each text file that is no product of a tool."""
    for folder, folders, files in ROOT.walk():
        folders[:] = [each for each in folders if each not in MADE]
        for name in files:
            if name not in MADE:
                try:
                    text = (folder / name).read_text()
                except UnicodeDecodeError:
                    continue
                yield str((folder / name).relative_to(ROOT)), text


def text_complaints(text: str) -> list[str]:
    """Say which registry hosts and machine paths a text names."""
    return [found[0] for rule in (HOSTS, PATHS) for found in rule.finditer(text)]


def action_complaints(workflow: str) -> list[str]:
    """Say which actions of a workflow may change without a change here."""
    used = re.findall(r"uses: *(\S+)", workflow)
    return [
        each for each in used if not re.search(r"@(v?\d[\d.]*|[0-9a-f]{40})$", each)
    ]


def rights_complaints(workflow: str) -> list[str]:
    """Say what a workflow may do that is more than reading, or whether it does not say."""
    rights = parse_yaml(workflow).get("permissions")  # type: ignore[union-attr]
    if not isinstance(rights, dict):
        return ["does not say what it may do"]
    return [f"{key}: {value}" for key, value in rights.items() if value != "read"]


def script_complaints(path: Path) -> list[str]:
    """Say what keeps a script from running by its name, from anywhere."""
    said = []
    lines = path.read_text().splitlines()
    if lines[0] != "#!/usr/bin/env bash" or "set -euo pipefail" not in lines:
        said.append(f"{path.name} is no strict bash")
    if not os.access(path, os.X_OK):
        said.append(f"{path.name} is not executable")
    if 'dirname "${BASH_SOURCE[0]}"' not in path.read_text():
        said.append(f"{path.name} depends on the folder it is called from")
    return said


def test_texts() -> None:
    """No registry and no folder of one machine is named."""
    found = {path: said for path, text in texts() if (said := text_complaints(text))}
    assert found == {}


@pytest.mark.parametrize(
    "text",
    [
        "--index-url https://pypi" + ".org/simple",
        "deb http://deb.debian" + ".org/debian forky main",
        "see " + "/home/ola/han-port",
        "see " + "/tmp/out",  # noqa: S108
    ],
)
def test_texts_broken(text: str) -> None:
    """A registry or a folder of one machine is found."""
    assert len(text_complaints(text)) == 1


@pytest.mark.parametrize(
    "text",
    ["/dev/ttyUSB0", ".python/root/usr", '"$home/root/usr"', "sensor/home/power"],
)
def test_texts_kept(text: str) -> None:
    """A device, or a folder inside another, is let pass."""
    assert text_complaints(text) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_scripts(path: Path) -> None:
    """Every script runs by its name, from any folder."""
    assert script_complaints(path) == []


def test_scripts_broken(tmp_path: Path) -> None:
    """A script that only runs here and by hand is found."""
    script = tmp_path / "demo"
    script.write_text("#!/bin/sh\n./run\n")
    assert script_complaints(script) == [
        "demo is no strict bash",
        "demo is not executable",
        "demo depends on the folder it is called from",
    ]


def test_verbs() -> None:
    """The five verbs are there, what a release and the README take, and no more."""
    assert [path.name for path in SCRIPTS] == [
        *("run", "decode", "demo", "lint", "package", "pictures", "setup", "test")
    ]


def test_workflows() -> None:
    """An action is pinned to a version, and CI runs what .ci/run runs."""
    workflows = [path.read_text() for path in (ROOT / ".github/workflows").iterdir()]
    assert [action_complaints(each) for each in workflows] == [[]] * len(workflows)
    assert sum("run: .ci/run" in each for each in workflows) == 1


def test_workflows_broken() -> None:
    """An action that follows a branch is found."""
    workflow = "- uses: a/b@main\n- uses: a/b@v1\n- uses: a/b@1.2.3\n- uses: a/b\n"
    assert action_complaints(workflow) == ["a/b@main", "a/b"]


def test_rights() -> None:
    """No workflow may do more than read, but the one that makes a release."""
    found = {
        path.name: rights_complaints(path.read_text())
        for path in (ROOT / ".github/workflows").iterdir()
    }
    assert {name: said for name, said in found.items() if said} == {
        "release.yml": ["contents: write"]
    }


def test_rights_broken() -> None:
    """A workflow that may do all, or says nothing, is found."""
    assert rights_complaints("permissions: write-all") != []
    assert rights_complaints("jobs: {}") != []


def test_release() -> None:
    """A release has the archive that HACS looks for, and the version of the manifest as tag."""
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    archive = json.loads((ROOT / "hacs.json").read_text())["filename"]
    runs = re.findall(r"run: (.+)", workflow)
    order = (
        'test "${GITHUB_REF_NAME#v}" = "$(jq -r .version custom_components/han_port/',
        f"scripts/package {archive}",
        f'gh release create "$GITHUB_REF_NAME" {archive} ',
    )
    starts = [start for each in runs for start in order if each.startswith(start)]
    assert starts == list(order)


def step(start: str, tag: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run the step of the release workflow that begins so, for a tag, in a folder."""
    workflow = (ROOT / ".github/workflows/release.yml").read_text()
    (command,) = re.findall(rf"run: ({start} .+)", workflow)
    return subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=os.environ | {"GITHUB_REF_NAME": tag},
        capture_output=True,
        text=True,
        check=False,
    )


def test_release_notes(tmp_path: Path) -> None:
    """A release says what the list of changes says of its version, and no more."""
    changes = (
        "# Changes\n## [Unreleased]\nx\n## [1.0.1] - 2027-01-02\ny\n### Fixed\nz\n"
    )
    (tmp_path / "CHANGELOG.md").write_text(f"{changes}## [1.0]\nw\n")
    assert step("awk", "v1.0.1", tmp_path).returncode == 0
    assert (tmp_path / "notes.md").read_text() == "y\n### Fixed\nz\n"


@pytest.mark.skipif(shutil.which("jq") is None, reason="the runner has jq")
def test_release_tag() -> None:
    """A tag that is not the version of the manifest makes no release."""
    version = json.loads((ROOT / OURS / "manifest.json").read_text())["version"]
    ended = [step("test", tag, ROOT) for tag in (version, f"v{version}", "v99.0.0")]
    assert [each.returncode for each in ended] == [0, 0, 1]


def test_license() -> None:
    """The licence is Apache 2.0, whole."""
    words = (ROOT / "LICENSE").read_text().split()
    assert words[:4] == ["Apache", "License", "Version", "2.0,"]
    assert len(words) == 1581
