"""Do the documents say what is there: every entity, every trouble, every command?"""

from collections.abc import Iterator
import json
from pathlib import Path
import re

import pytest

from custom_components.han_port import sensor
from custom_components.han_port.diagnosis import Diagnosis
from custom_components.han_port.number import HanPortLimit
from custom_components.han_port.publishing import Publish, Publisher
from homeassistant.components.sensor import SensorEntityDescription

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "han_port"
ENGLISH = json.loads((FOLDER / "translations/en.json").read_text())
NAMES = ENGLISH["entity"]
README = (ROOT / "README.md").read_text()
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
RULES = Publisher(Publish.BALANCED)._rules

# "L1 to L3", "1 to 4" and the like stand for each of them
RANGE = re.compile(r"(?P<name>.*\b)(?P<letter>[LQ]?)(?P<first>\d) to [LQ]?(?P<last>\d)")


def cells(document: str, heading: str) -> list[list[str]]:
    """Give the cells of all rows of the tables under a heading, down to the next like it."""
    level = heading.partition(" ")[0]
    section = f"\n{document}".partition(f"\n{heading}\n")[2]
    section = re.split(rf"^#{{1,{len(level)}}} ", section, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    cut = [[each.strip() for each in row.split("|")] for row in rows]
    return [row for row in cut if not re.fullmatch(r"-+", row[0])]


def described() -> Iterator[tuple[str, SensorEntityDescription]]:
    """Yield every sensor's description with its name."""
    tables: list[SensorEntityDescription] = [
        *sensor.SENSORS.values(),
        *sensor.METER_COUNTERS.values(),
        *sensor.HOUR_SENSORS,
        sensor.PEAK,
        *sensor.POWER_SENSORS,
        *(each for several in sensor.HEADROOM.values() for each in several),
        sensor.IMBALANCE,
    ]
    for description in tables:
        name = NAMES["sensor"][description.key]["name"]
        yield name.replace("{number}", "1 to 3"), description


def shown(key: str, unit: str) -> str:
    """Say by which change a value is shown at once, and when otherwise."""
    rule = RULES.get(key)
    if rule is None:
        return "any change"
    said = f"{rule.step:g} {unit}".strip()
    if rule.share:
        said += f" or {rule.share:.0%} (at least {rule.least:g} {unit})"
    if rule.mark:
        said += f" or past {rule.mark:g} {unit}"
    return f"{said}; else after {rule.wait:g} s".replace("%", " %")


def entity_rows() -> Iterator[list[str]]:
    """Yield what docs/entities.md has to say of each entity."""
    for name, each in described():
        unit = each.native_unit_of_measurement or ""
        enabled = "" if each.entity_registry_enabled_default else "disabled"
        yield [name, f"`{each.key}`", unit, shown(each.key, unit), enabled]
    for key, texts in NAMES["binary_sensor"].items():
        yield [texts["name"], f"`{key}`", "", "any change", ""]
    for key, texts in NAMES["number"].items():
        unit = HanPortLimit.__new__(HanPortLimit).native_unit_of_measurement or ""
        yield [texts["name"], f"`{key}`", unit, "set by you", ""]


def expanded(cell: str) -> Iterator[str]:
    """Yield the names that a cell stands for."""
    for name in cell.split("; "):
        if match := RANGE.fullmatch(name):
            for number in range(int(match["first"]), int(match["last"]) + 1):
                yield f"{match['name']}{match['letter']}{number}"
        else:
            yield name


def slug(heading: str) -> str:
    """Give the anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def link_complaints(path: Path) -> list[str]:
    """Say which links of a document lead nowhere inside the repository."""
    said = []
    for link in re.findall(r"\]\(([^)\s]+)\)", path.read_text()):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        if not target.exists():
            said.append(link)
        elif anchor:
            headings = re.findall(r"^#+ (.+)$", target.read_text(), re.MULTILINE)
            if anchor not in map(slug, headings):
                said.append(link)
    return said


def command_complaints(text: str) -> list[str]:
    """Say which files of ours a text names, as commands do, that are not there."""
    named = re.findall(
        r"(?<![\w./])(?:tests|scripts|benchmarks|simulator|docs)/[\w./-]+\w", text
    )
    return [each for each in named if not (ROOT / each).exists()]


def test_entities() -> None:
    """The list of entities is that of the descriptions: name, unit, and when it is shown."""
    header, *rows = cells((ROOT / "docs/entities.md").read_text(), "# Entities")
    assert header == ["Entity", "Key", "Unit", "Shown at a change of", "At first"]
    wanted = list(entity_rows())
    assert rows == wanted, "\n".join(f"| {' | '.join(row)} |" for row in wanted)


def test_entities_of_readme() -> None:
    """The page for users has every entity that is there at first, with its unit."""
    _, *rows = cells(README, "## Entities")
    units = {name: unit for cell, unit, *_ in rows for name in expanded(cell)}
    wanted = {
        name: unit
        for cell, _, unit, _, disabled in entity_rows()
        if not disabled
        for name in expanded(cell)
    }
    known = {
        name: unit for cell, _, unit, *_ in entity_rows() for name in expanded(cell)
    }
    assert units == {name: known.get(name) for name in units}
    assert wanted.keys() - units.keys() == set()


def test_troubles() -> None:
    """Whatever setup or Repairs may say of a port or meter has a row."""
    said = "\n".join(row[0] for row in cells(README, "## Troubleshooting"))
    steps = ENGLISH["config"]["step"]
    titles = [steps[each]["title"] for each in Diagnosis if each in steps]
    titles += [
        re.sub(r"\{entry\}: | \(\{entry\}\)", "", issue["title"])
        for issue in ENGLISH["issues"].values()
    ]
    assert [each for each in titles if each.lower() not in said.lower()] == []
    assert len(titles) > 20


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links(path: Path) -> None:
    """Every link inside the repository leads somewhere, and every file named is there."""
    assert link_complaints(path) == []
    assert command_complaints(path.read_text()) == []


def test_links_broken(tmp_path: Path) -> None:
    """A file or heading that is not there is found."""
    path = tmp_path / "x.md"
    path.write_text("# One two\n[a](#one-two) [b](#three) [c](no.md) [d](https://x)\n")
    assert link_complaints(path) == ["#three", "no.md"]
    assert command_complaints("`scripts/test tests/no_such.py`") == ["tests/no_such.py"]


def test_proofs() -> None:
    """Each promise, and each claim about tests, comes with a command."""
    for heading in ("## Why another reader", "## How it is tested"):
        _, *rows = cells(README, heading)
        assert rows
        assert [row for row in rows if "`" not in row[-1]] == []


def test_changelog() -> None:
    """The newest version in the list of changes is the one of the manifest."""
    version = json.loads((FOLDER / "manifest.json").read_text())["version"]
    headings = re.findall(
        r"^## \[(.+?)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE
    )
    assert headings[0] == "Unreleased"
    assert headings[1] == version
