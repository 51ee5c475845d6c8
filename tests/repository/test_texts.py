"""Would hassfest accept every text and icon, and is every language whole?"""

import ast
from collections.abc import Iterator, Mapping
import json
from pathlib import Path
import re
from typing import Any

import hass_frontend
import pytest

from homeassistant.helpers import service
from homeassistant.util.yaml import load_yaml_dict

FOLDER = Path(__file__).parents[2] / "custom_components" / "han_port"
ENGLISH: dict[str, Any] = json.loads((FOLDER / "translations/en.json").read_text())
LANGUAGES = sorted(path.stem for path in (FOLDER / "translations").glob("*.json"))
ICONS = Path(hass_frontend.__file__).parent / "static/mdi/iconList.json"

# The tree of a translation file: ANY stands for a key of the integration's own
ANY = "*"
TEXTS = {ANY: str}
FIELDS = {"data": TEXTS, "data_description": TEXTS}
STEP = {
    "title": str,
    "description": str,
    "submit": str,
    "menu_options": TEXTS,
    "menu_option_descriptions": TEXTS,
    **FIELDS,
    "sections": {ANY: {"name": str, "description": str, **FIELDS}},
}
FLOW = {
    "flow_title": str,
    "step": {ANY: STEP},
    "error": TEXTS,
    "abort": TEXTS,
    "progress": TEXTS,
    "create_entry": TEXTS,
}
STATES = {"name": str, "state": TEXTS}
ACTION = {
    "name": str,
    "description": str,
    "fields": {ANY: {"name": str, "description": str, "example": str}},
    "sections": {ANY: {"name": str, "description": str}},
}
TREE = {
    "title": str,
    "config": FLOW,
    "options": FLOW,
    "config_subentries": {ANY: {**FLOW, "entry_type": str, "initiate_flow": TEXTS}},
    "entity": {
        ANY: {
            ANY: {
                **STATES,
                "state_attributes": {ANY: STATES},
                "unit_of_measurement": str,
            }
        }
    },
    "device": {ANY: {"name": str}},
    "exceptions": {ANY: {"message": str}},
    "issues": {ANY: {"title": str, "description": str, "fix_flow": FLOW}},
    "services": {ANY: ACTION},
    "selector": {ANY: {"options": TEXTS}},
    "triggers": {ANY: ACTION},
    "conditions": {ANY: ACTION},
    "system_health": {"info": TEXTS},
}
KEY = re.compile(r"(?!.*__)[a-z0-9]([a-z0-9_-]*[a-z0-9])?")
RULES = {
    "a blank at an end": re.compile(r"\A\s|\s\Z"),
    "HTML": re.compile(r"<[a-z/!]", re.IGNORECASE),
    "a URL": re.compile(r"://|www\."),
    "a reference that only core resolves": re.compile(r"\[%key"),
    "a placeholder in single quotes": re.compile(r"'[^']*\{\w+\}[^']*'"),
    "nothing": re.compile(r"\A\Z"),
}


def leaves(tree: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield the dotted path and the value of each leaf."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from leaves(value, f"{path}{key}.")
        else:
            yield path + key, value


def placeholders(text: str) -> list[str]:
    """Name the placeholders of a text, sorted."""
    return sorted(re.findall(r"\{(\w+)\}", text))


def tree_complaints(texts: Any, tree: Any, path: str) -> list[str]:
    """Say where texts have another shape than the tree, or break a rule."""
    if tree is str:
        if not isinstance(texts, str):
            return [f"{path} is no text"]
        said = [
            f"{path} has {name}" for name, rule in RULES.items() if rule.search(texts)
        ]
        if re.search(r"[{}]", re.sub(r"\{\w+\}", "", texts)):
            said.append(f"{path} has a lone brace")
        return said
    if not isinstance(texts, dict):
        return [f"{path} is a text"]
    said = []
    for key, value in texts.items():
        if ANY not in tree and key not in tree:
            said.append(f"{path}.{key} is unknown")
            continue
        if not KEY.fullmatch(key):
            said.append(f"{path}.{key} is no key")
        said += tree_complaints(value, tree.get(key) or tree[ANY], f"{path}.{key}")
    if "menu_options" in texts and placeholders(str(texts.get("title"))):
        said.append(f"{path}.title has a placeholder, which no menu fills in")
    if tree.keys() >= FIELDS.keys():
        data, described = texts.get("data", {}), texts.get("data_description", {})
        said += [
            f"{path}.data.{key} is not described"
            for key in data
            if key not in described
        ]
        said += [
            f"{path}.data_description.{key} describes nothing"
            for key in described
            if key not in data
        ]
    return said


def language_complaints(texts: dict[str, Any], reference: dict[str, Any]) -> list[str]:
    """Say where a language has other keys or placeholders than the reference."""
    mine, theirs = dict(leaves(texts)), dict(leaves(reference))
    return [
        *(f"{path} is missing" for path in theirs if path not in mine),
        *(f"{path} is too much" for path in mine if path not in theirs),
        *(
            f"{path} has other placeholders"
            for path, text in mine.items()
            if path in theirs and placeholders(text) != placeholders(theirs[path])
        ),
    ]


def name_complaints(texts: dict[str, Any]) -> list[str]:
    """Say which names set in italics nothing has in this language."""
    known = {text for _, text in leaves(texts)}
    return [
        f"{path}: {name}"
        for path, text in leaves(texts)
        for name in re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", text)
        if name not in known
    ]


def issue_complaints(texts: dict[str, Any]) -> list[str]:
    """Say which issues have no title, or not one of the two ways to go on from it."""
    return [
        key
        for key, issue in texts.get("issues", {}).items()
        if "title" not in issue or ("description" in issue) == ("fix_flow" in issue)
    ]


def icon_complaints(icons: dict[str, Any], texts: dict[str, Any]) -> list[str]:
    """Say which icons do not exist, repeat a default, or belong to nothing."""
    existing = {icon["name"] for icon in json.loads(ICONS.read_text())}
    said = []
    for path, icon in leaves(icons):
        if not icon.startswith("mdi:") or icon.removeprefix("mdi:") not in existing:
            said.append(f"{path}: no icon {icon}")
    for platform, entities in icons.get("entity", {}).items():
        for key, entry in entities.items():
            if key not in texts.get("entity", {}).get(platform, {}):
                said.append(f"{platform}.{key} has no text")
            for state, icon in entry.get("state", {}).items():
                if icon == entry.get("default"):
                    said.append(f"{platform}.{key}: {state} repeats the default")
    said += [
        f"services.{key} has no text"
        for key in icons.get("services", {})
        if key not in texts.get("services", {})
    ]
    return said


def service_complaints(services: dict[str, Any], texts: dict[str, Any]) -> list[str]:
    """Say which actions and fields of services.yaml have no name or description."""
    service._SERVICES_SCHEMA(services)
    said = []
    for name, action in services.items():
        said_of = texts.get("services", {}).get(name, {})
        named = {name: said_of} | {
            f"{name}.{field}": said_of.get("fields", {}).get(field, {})
            for field in (action or {}).get("fields", {})
        }
        said += [
            f"{path} has no {what}"
            for path, texts_of in named.items()
            for what in ("name", "description")
            if what not in texts_of
        ]
    return said


def used_keys(source: str) -> set[str]:
    """Name the keys that code raises errors with, or makes issues with."""
    used = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            given = {each.arg: each.value for each in node.keywords}
            key = given.get("translation_key")
            if "translation_domain" in given and isinstance(key, ast.Constant):
                used.add(str(key.value))
    return used


@pytest.mark.parametrize("language", LANGUAGES)
def test_texts(language: str) -> None:
    """Home Assistant shows every text as it is written, beside a field it explains."""
    texts = json.loads((FOLDER / f"translations/{language}.json").read_text())
    assert tree_complaints(texts, TREE, language) == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_language(language: str) -> None:
    """Every language says all that English says, with the same values in it."""
    texts = json.loads((FOLDER / f"translations/{language}.json").read_text())
    assert language_complaints(texts, ENGLISH) == []


def test_languages() -> None:
    """The languages of the grids are there, and nothing that only core reads."""
    assert {"da", "de", "en", "fi", "nb", "nl", "nn"} <= set(LANGUAGES)
    assert not (FOLDER / "strings.json").exists()


@pytest.mark.parametrize(
    ("texts", "complaints"),
    [
        ({"name": "x"}, ["en.name is unknown"]),
        ({"title": " x"}, ["en.title has a blank at an end"]),
        ({"title": ""}, ["en.title has nothing"]),
        ({"title": "<b>x</b>"}, ["en.title has HTML"]),
        ({"title": "see https://example.invalid"}, ["en.title has a URL"]),
        ({"title": "'{port}'"}, ["en.title has a placeholder in single quotes"]),
        ({"title": "{port"}, ["en.title has a lone brace"]),
        (
            {"title": "[%key:common::x%]"},
            ["en.title has a reference that only core resolves"],
        ),
        ({"title": {"x": "y"}}, ["en.title is no text"]),
        ({"config": "x"}, ["en.config is a text"]),
        ({"config": {"error": {"No": "x"}}}, ["en.config.error.No is no key"]),
        ({"config": {"error": {"a__b": "x"}}}, ["en.config.error.a__b is no key"]),
        ({"config": {"error": {"_a": "x"}}}, ["en.config.error._a is no key"]),
        (
            {"config": {"step": {"user": {"data": {"port": "Port"}}}}},
            ["en.config.step.user.data.port is not described"],
        ),
        (
            {"config": {"step": {"x": {"title": "{a}?", "menu_options": {"b": "c"}}}}},
            ["en.config.step.x.title has a placeholder, which no menu fills in"],
        ),
        (
            {"config": {"step": {"user": {"data_description": {"port": "It."}}}}},
            ["en.config.step.user.data_description.port describes nothing"],
        ),
    ],
)
def test_texts_broken(texts: dict[str, Any], complaints: list[str]) -> None:
    """Each mistake in a text is found."""
    assert tree_complaints(texts, TREE, "en") == complaints


def test_language_broken() -> None:
    """A text that is missing, too much or lacks a value is found."""
    texts = {"title": "x", "device": {"a": {"name": "{b}"}, "c": {"name": "d"}}}
    other = {"device": {"a": {"name": "{e}"}, "f": {"name": "d"}}}
    assert language_complaints(other, texts) == [
        "title is missing",
        "device.c.name is missing",
        "device.f.name is too much",
        "device.a.name has other placeholders",
    ]


@pytest.mark.parametrize("language", LANGUAGES)
def test_names(language: str) -> None:
    """An entity is called in a text what it is called where it is shown."""
    texts = json.loads((FOLDER / f"translations/{language}.json").read_text())
    assert name_complaints(texts) == []


def test_names_broken() -> None:
    """A name that is nobody's is found; what is stressed is no name."""
    texts = {"a": "See *Power* and *Energy*, **now**.", "b": "Power"}
    assert name_complaints(texts) == ["a: Energy"]


def test_issues() -> None:
    """Every issue has a title, and is explained or mended."""
    assert issue_complaints(ENGLISH) == []


def test_issues_broken() -> None:
    """An issue without a title, without a way on and with two is found."""
    both = {"description": "x", "fix_flow": {}}
    issues = {"a": {"fix_flow": {}}, "b": {"title": "x"}, "c": {"title": "x"} | both}
    assert issue_complaints({"issues": issues}) == ["a", "b", "c"]


def test_icons() -> None:
    """Every icon exists and belongs to something that has a name."""
    path = FOLDER / "icons.json"
    icons = json.loads(path.read_text()) if path.exists() else {}
    assert icon_complaints(icons, ENGLISH) == []


def test_icons_broken() -> None:
    """An icon that does not exist, repeats a default or belongs to nothing is found."""
    entry = {"default": "mdi:flash", "state": {"on": "mdi:flash", "off": "mdi:no-such"}}
    icons = {
        "entity": {"sensor": {"x": entry}},
        "services": {"y": {"service": "flash"}},
    }
    assert icon_complaints(icons, {}) == [
        "entity.sensor.x.state.off: no icon mdi:no-such",
        "services.y.service: no icon flash",
        "sensor.x has no text",
        "sensor.x: on repeats the default",
        "services.y has no text",
    ]


def test_services() -> None:
    """Every action and each of its fields is named and described."""
    path = FOLDER / "services.yaml"
    services = load_yaml_dict(path) if path.exists() else {}
    assert service_complaints(services, ENGLISH) == []
    assert set(ENGLISH.get("services", {})) == set(services)


def test_services_broken() -> None:
    """An action or a field without a name or description is found."""
    services: dict[str, Any] = {
        "read": {"fields": {"count": {"selector": {"number": {}}}}}
    }
    texts = {"services": {"read": {"name": "Read", "fields": {"count": {"name": "N"}}}}}
    assert service_complaints(services, texts) == [
        "read has no description",
        "read.count has no description",
    ]


def test_used() -> None:
    """Every error and issue that code names has its text."""
    known = {*ENGLISH.get("exceptions", {}), *ENGLISH.get("issues", {})}
    for path in FOLDER.rglob("*.py"):
        assert used_keys(path.read_text()) <= known, path.name


def test_used_found() -> None:
    """A key is found where it is raised."""
    source = 'raise X(translation_domain=DOMAIN, translation_key="busy") from err'
    assert used_keys(source) == {"busy"}
