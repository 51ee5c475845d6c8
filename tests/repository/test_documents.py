"""Do the documents say what is there: every entity, every trouble, every command?"""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import re
from typing import Any
from urllib.parse import unquote

import hass_frontend
import pytest

from custom_components.han_port import computed, sensor
from custom_components.han_port.diagnosis import Diagnosis
from custom_components.han_port.number import HanPortLimit
from custom_components.han_port.publishing import Publish, Publisher
from homeassistant import components
from homeassistant.components.sensor import SensorEntityDescription
from tests.repository.test_texts import leaves

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components" / "han_port"
ENGLISH, NORWEGIAN = (
    json.loads((FOLDER / f"translations/{language}.json").read_text())
    for language in ("en", "nb")
)
NAMES = ENGLISH["entity"]
README, README_NB = (
    (ROOT / name).read_text() for name in ("README.md", "README.nb.md")
)
DOCUMENTS = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md"))]
RULES = Publisher(Publish.BALANCED)._rules

# "L1 to L3", "1 to 4" and the like stand for each of them
RANGE = re.compile(
    r"(?P<name>.*\b)(?P<letter>[LQ]?)(?P<first>\d) (to|til) [LQ]?(?P<last>\d)"
)
# What a document sets in italics is shown by Home Assistant or by us, but for what others
# show: HACS, readers, the pages of grid companies, the names of those in their language
OTHERS = set(
    "DEBUG; HEX dump; Tibber Pulse; P1 Converter Cable; Custom repositories; integrasjon;"
    " HAN-port; H1; Måler; Mina sidor; kundgränssnitt; elnätsföretaget; kundegrænseflade;"
    " netselskabet; jakeluverkkoyhtiö; asiakasportti; MQTT; fra; from; Integration".split(
        "; "
    )
)


def cells(document: str, heading: str) -> list[list[str]]:
    """Give the cells of all rows of the tables under a heading, down to the next like it."""
    level = heading.partition(" ")[0]
    section = f"\n{document}".partition(f"\n{heading}\n")[2]
    section = re.split(rf"^#{{1,{len(level)}}} ", section, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\|(.*)\|$", section, re.MULTILINE)
    cut = [[each.strip() for each in row.split("|")] for row in rows]
    return [row for row in cut if not re.fullmatch(r"-+", row[0])]


def described(
    names: dict[str, Any] = NAMES,
) -> Iterator[tuple[str, SensorEntityDescription]]:
    """Yield every sensor's description with its name."""
    tables: list[SensorEntityDescription] = [
        *sensor.SENSORS.values(),
        *sensor.METER_COUNTERS.values(),
        *computed.COMPUTED,
        sensor.PEAK,
    ]
    for description in tables:
        name = names["sensor"][description.key]["name"]
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


def entity_rows(names: dict[str, Any] = NAMES) -> Iterator[list[str]]:
    """Yield what docs/entities.md has to say of each entity, with the names of a language."""
    for name, each in described(names):
        unit = each.native_unit_of_measurement or ""
        enabled = "" if each.entity_registry_enabled_default else "disabled"
        yield [name, f"`{each.key}`", unit, shown(each.key, unit), enabled]
    for key, texts in names["binary_sensor"].items():
        yield [texts["name"], f"`{key}`", "", "any change", ""]
    for key, texts in names["number"].items():
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


def anchors(document: str) -> list[str]:
    """Give the anchors that GitHub makes of the headings of a document."""
    return [
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        for heading in re.findall(r"^#+ (.+)$", document, re.MULTILINE)
    ]


def link_complaints(path: Path) -> list[str]:
    """Say which links of a document lead nowhere inside the repository."""
    said = []
    text = path.read_text()
    links = re.findall(r"\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"", text)
    for link in map("".join, links):
        if "://" in link:
            continue
        file, _, anchor = link.partition("#")
        target = (path.parent / file) if file else path
        if not target.exists() or (
            anchor and anchor not in anchors(target.read_text())
        ):
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


@pytest.mark.parametrize(
    ("page", "heading", "texts"),
    [(README, "## Entities", ENGLISH), (README_NB, "## Entiteter", NORWEGIAN)],
    ids=["en", "nb"],
)
def test_entities_of_readme(page: str, heading: str, texts: dict[str, Any]) -> None:
    """The page for users has every entity that is there at first, with its unit."""
    _, *rows = cells(page, heading)
    units = {name: unit for cell, unit, *_ in rows for name in expanded(cell)}
    known, at_first = {}, set()
    for cell, _, unit, _, disabled in entity_rows(texts["entity"]):
        for name in expanded(cell):
            known[name] = unit
            if not disabled:
                at_first.add(name)
    assert units == {name: known.get(name) for name in units}
    assert at_first - units.keys() == set()


@pytest.mark.parametrize(
    ("page", "heading", "texts"),
    [
        (README, "## Troubleshooting", ENGLISH),
        (README_NB, "## Feilsøking", NORWEGIAN),
    ],
    ids=["en", "nb"],
)
def test_troubles(page: str, heading: str, texts: dict[str, Any]) -> None:
    """Whatever setup or Repairs may say of a port or meter has a row."""
    said = "\n".join(row[0] for row in cells(page, heading)).lower()
    steps = texts["config"]["step"]
    titles = [steps[each]["title"] for each in (*Diagnosis, "key") if each in steps]
    titles += [
        re.sub(r"\{entry\}: | \(\{entry\}\)", "", issue["title"])
        for issue in texts["issues"].values()
    ]
    assert [each for each in titles if each.lower() not in said] == []
    assert len(titles) > 20


@pytest.mark.parametrize(
    ("page", "options", "actions", "texts"),
    [
        (README, "## Options", "## Actions", ENGLISH),
        (README_NB, "## Innstillinger", "## Innstillinger", NORWEGIAN),
    ],
    ids=["en", "nb"],
)
def test_options_and_actions(
    page: str, options: str, actions: str, texts: dict[str, Any]
) -> None:
    """Every option and every action is explained under its name, and no other."""
    menu = texts["options"]["step"]["init"]["menu_options"].values()
    named = [each["name"] for each in texts["services"].values()]
    rows = [row[0] for row in cells(page, options)[: len(menu) + 1]]
    assert sorted(rows[1:]) == sorted(menu)
    rows = [row[0] for row in cells(page, actions)[-len(named) :]]
    assert sorted(rows) == sorted(named)


def shown_labels(language: str) -> set[str]:
    """Give all that Home Assistant and we show in a language, in small letters."""
    folders = (
        (
            Path(hass_frontend.__file__).parent / "static/translations",
            f"**/{language}-[0-9a-f]*.json",
        ),
        (Path(components.__path__[0]), f"*/translations/{language}.json"),
        (FOLDER, f"translations/{language}.json"),
    )
    return {
        str(text).lower()
        for folder, pattern in folders
        for path in folder.glob(pattern)
        for _, text in leaves(json.loads(path.read_text()))
    }


def label_complaints(page: str, known: set[str]) -> list[str]:
    """Say which names that a page sets in italics are shown nowhere."""
    marked = re.findall(r"(?<![*\w])\*([^*\n]+(?:\n *[^*\n]+)?)\*(?![*\w])", page)
    names = {" ".join(each.split()) for each in marked}
    return sorted(
        name
        for name in names - OTHERS
        # A caption or a link is a sentence of ours; "Peak 1" is a name with its number; and
        # what the page itself calls so is in a table or a link of it
        if not name.endswith((".", ")"))
        and not any(f"{before}{name}" in page for before in ("| ", "["))
        and name.lower() not in known
        and re.sub(r"\d", "{number}", name.lower()) not in known
    )


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_labels(path: Path) -> None:
    """What a page tells people to select is called so where they look for it."""
    language = "nb" if path.name.endswith(".nb.md") else "en"
    if path.name not in ("CONTRIBUTING.md", "CHANGELOG.md"):
        assert label_complaints(path.read_text(), shown_labels(language)) == []


def test_labels_broken() -> None:
    """A name that Home Assistant does not show any more is found."""
    page = "*Settings*, *Developer\n tools*, **now**, *Peak 1* *HEX dump* *We say so.*"
    assert label_complaints(page, {"settings", "peak {number}"}) == ["Developer tools"]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_address(path: Path) -> None:
    """A link to this repository, to import from it or to open it in HACS, leads to the one of the manifest."""
    manifest = json.loads((FOLDER / "manifest.json").read_text())
    *_, owner, name = manifest["documentation"].split("/")
    page = unquote(path.read_text())
    named = re.findall(r"github\.com/([\w-]+/[\w-]+)", page)
    named += map("/".join, re.findall(r"owner=([\w-]+)&repository=([\w-]+)", page))
    assert {each for each in named if each != f"{owner}/{name}"} == set()


def test_norwegian() -> None:
    """The Norwegian page is linked with the English one, and names its commands and blueprints."""
    assert "(README.nb.md)" in README.partition("\n## ")[0]
    assert "(README.md)" in README_NB.partition("\n## ")[0]
    english = README + (ROOT / "docs/readers.md").read_text()
    literal = r"`([^`\n]+)`"
    others = set(re.findall(literal, README_NB)) - set(re.findall(literal, english))
    assert others == {"<emnet ditt>/data"}
    imports = r"blueprint_url=([^)]+)"
    assert re.findall(imports, README_NB) == re.findall(imports, README)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_links(path: Path) -> None:
    """Every link inside the repository leads somewhere, and every file named is there."""
    assert link_complaints(path) == []
    assert command_complaints(path.read_text()) == []


def test_links_broken(tmp_path: Path) -> None:
    """A file or heading that is not there is found."""
    path = tmp_path / "x.md"
    path.write_text(
        "# One two\n[a](#one-two) [b](#three) [c](no.md) [d](https://x)\n"
        '<source srcset="no.png"><img src="x.md">\n'
    )
    assert link_complaints(path) == ["#three", "no.md", "no.png"]
    assert command_complaints("`scripts/test tests/no_such.py`") == ["tests/no_such.py"]


def test_proofs() -> None:
    """Each promise, and each claim about tests, comes with a command."""
    for heading in ("## Why another reader", "## How it is tested"):
        _, *rows = cells(README.partition("\n### Faults\n")[0], heading)
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


def house() -> dict[str, str]:
    """Give what CONTRIBUTING says that each file and folder of the integration answers."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    block = text.partition("\n## The house\n\n")[2].partition("\n\n")[0]
    rows = re.findall(r"^      ([\w./, ]+?) {2,}(.+)$", block, re.MULTILINE)
    return {name: said for names, said in rows for name in names.split(", ")}


def test_house() -> None:
    """The house has every file with the question that its docstring asks, and no other."""
    said = house()
    folders = [path.parent for path in FOLDER.glob("*/__init__.py")]
    files = {
        **{path.name: path for path in FOLDER.glob("*.py")},
        **{f"{each.name}/": each / "__init__.py" for each in folders},
    }
    assert said.keys() == files.keys()
    asked = {
        name: (ast.get_docstring(ast.parse(path.read_text())) or "").partition("?")[0]
        for name, path in files.items()
    }
    answered = {name: question.partition("?")[0] for name, question in said.items()}
    assert answered == {name: " ".join(each.split()) for name, each in asked.items()}
