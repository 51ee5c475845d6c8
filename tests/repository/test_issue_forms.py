"""Are the issue forms as GitHub takes them, and do they ask for what helps most?"""

from pathlib import Path
import re
from typing import Any

import pytest

from homeassistant.util.yaml import load_yaml_dict

FOLDER = Path(__file__).parents[2] / ".github" / "ISSUE_TEMPLATE"
FORMS = sorted(set(FOLDER.glob("*.yml")) - {FOLDER / "config.yml"})

# GitHub's "Syntax for GitHub's form schema": attributes of each type, those needed first
TYPES = {
    "markdown": (["value"], []),
    "input": (["label"], ["description", "placeholder", "value"]),
    "textarea": (["label"], ["description", "placeholder", "value", "render"]),
    "dropdown": (
        ["label", "options"],
        ["description", "multiple", "default"],
    ),
    "checkboxes": (["label", "options"], ["description"]),
}
TOP = {
    "name",
    "description",
    "body",
    "title",
    "labels",
    "assignees",
    "projects",
    "type",
}


def complaints(form: dict[str, Any]) -> list[str]:
    """Say what GitHub would refuse in a form."""
    said = [f"{key} is missing" for key in ("name", "description", "body")]
    said = [each for each in said if each.split()[0] not in form]
    said += [f"{key} is unknown" for key in form.keys() - TOP]
    fields = [each for each in form["body"] if each["type"] != "markdown"]
    if not fields:
        said.append("nothing is asked")
    for what in ("id", "label"):
        named = [
            str(each.get(what) or each["attributes"].get(what, "")).lower()
            for each in fields
        ]
        said += [
            f"{what} {each!r} is there twice" for each in named if named.count(each) > 1
        ]
    for each in form["body"]:
        needed, more = TYPES[each["type"]]
        attributes = each["attributes"]
        said += [f"{key} is missing" for key in needed if not attributes.get(key)]
        said += [f"{key} is unknown" for key in attributes.keys() - {*needed, *more}]
        said += [
            f"{key} is unknown"
            for key in each.keys() - {"type", "id", "attributes", "validations"}
        ]
        said += [
            f"{key} is no text"
            for key in ("label", "description", "placeholder", "value")
            if not isinstance(attributes.get(key, ""), str)
        ]
        if not re.fullmatch(r"[A-Za-z0-9_-]*", each.get("id", "")):
            said.append(f"{each['id']} is no id")
        if each.get("validations", {}).keys() - {"required"}:
            said.append("only `required` can be asked for")
        options = attributes.get("options", [])
        if each["type"] == "dropdown" and (
            # A bare Yes is true in YAML.
            not all(isinstance(option, str) for option in options)
            or len(set(options)) < len(options)
            or "None" in options
        ):
            said.append("options are texts, each once")
    return said


@pytest.mark.parametrize("path", FORMS, ids=lambda path: path.stem)
def test_valid(path: Path) -> None:
    """GitHub shows a form only if all of it is right."""
    assert complaints(load_yaml_dict(path)) == []


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"label": ""}, "label is missing"),
        ({"label": "A", "options": [True]}, "options are texts, each once"),
        ({"label": "A", "options": ["B", "B"]}, "options are texts, each once"),
        ({"label": "A", "hint": "B"}, "hint is unknown"),
        ({"label": 5}, "label is no text"),
    ],
)
def test_complaints(change: dict[str, Any], complaint: str) -> None:
    """What is wrong is found."""
    attributes = {"options": ["C"], **change}
    field = {"type": "dropdown", "id": "a", "attributes": attributes}
    form = {"name": "A", "description": "B", "body": [field]}
    assert complaint in complaints(form)


def test_asks() -> None:
    """There is a form for a new meter and one for no data; both need the diagnostics."""
    assert [path.stem for path in FORMS] == ["new_meter", "no_data"]
    for path in FORMS:
        fields = {each.get("id"): each for each in load_yaml_dict(path)["body"]}
        assert fields["diagnostics"]["validations"] == {"required": True}
        asked = fields["diagnostics"]["attributes"]["description"]
        assert "Download diagnostics" in asked
        assert "setup does not get that far" in asked
    config = load_yaml_dict(FOLDER / "config.yml")
    assert config.keys() <= {"blank_issues_enabled", "contact_links"}
