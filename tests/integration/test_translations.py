"""Is there a text for everything that can be shown, in every language?

That the languages have the same keys and placeholders, and keep hassfest's rules, is
proved in tests/repository; that a flow gives every placeholder in test_config_flow.
"""

import ast
from collections import Counter
import json
from pathlib import Path
import re
from typing import Any

import pytest

from custom_components.han_port import config_flow
from custom_components.han_port.computed import COMPUTED
from custom_components.han_port.protocol import Quantity
from custom_components.han_port.sensor import METER_COUNTERS, PEAK, SENSORS
from custom_components.han_port.source import OpenFailure

FOLDER = Path(config_flow.__file__).parent
LANGUAGES: dict[str, Any] = {
    path.stem: json.loads(path.read_text())
    for path in sorted((FOLDER / "translations").glob("*.json"))
}
# Words that are spelled alike in two languages
SAME = {"HAN Port", "Meter", "Port", "Tariff", "Topic", "Volume"}

each_language = pytest.mark.parametrize("language", LANGUAGES)


@each_language
def test_entities(language: str) -> None:
    """Every quantity, and what is made of them, has one name, and no two the same."""
    entities = LANGUAGES[language]["entity"]
    made = {
        each.key
        for each in (
            *METER_COUNTERS.values(),
            *COMPUTED,
            PEAK,
        )
    }
    assert entities["sensor"].keys() == {*Quantity, "net_power", *made}
    assert entities["sensor"].keys() >= SENSORS.keys()
    assert entities["binary_sensor"].keys() == {
        "connection",
        "hour_limit_at_risk",
        "overload",
        "voltage_out_of_range",
    }
    assert entities["number"].keys() == {"hour_limit"}
    names = Counter(
        entity["name"] for platform in entities.values() for entity in platform.values()
    )
    assert [name for name, count in names.items() if count > 1] == []


@each_language
def test_failures(language: str) -> None:
    """Every way a port fails to open is said in the dialog, and when an entry retries."""
    texts = LANGUAGES[language]
    assert texts["config"]["error"].keys() >= set(OpenFailure)
    assert texts["exceptions"].keys() >= set(OpenFailure)
    for reason in OpenFailure:
        message = texts["exceptions"][reason]["message"]
        assert message.format(device="/dev/ttyUSB0", detail="busy") != message


@each_language
def test_errors_can_happen(language: str) -> None:
    """No error is left that the flow does not give any more."""
    words = {
        node.value
        for path in (FOLDER / "config_flow.py", *FOLDER.glob("flow/*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant)
    }
    for kind in ("error", "progress"):
        assert LANGUAGES[language]["config"][kind].keys() <= words | set(OpenFailure)


@each_language
def test_causes(language: str) -> None:
    """Silence has four usual causes, said in the order of how frequent they are."""
    text = LANGUAGES[language]["config"]["step"]["nothing_received"]["description"]
    causes = re.findall(r"^\d\. .*$", text, re.MULTILINE)
    assert [each[:2] for each in causes] == ["1.", "2.", "3.", "4."]
    for cause, word in zip(causes, ("HAN", "RJ45", "P1", "Kamstrup"), strict=True):
        assert word in cause


def leaves(tree: dict[str, Any]) -> list[str]:
    """Give all texts, in the order of the file."""
    return [
        text
        for value in tree.values()
        for text in (leaves(value) if isinstance(value, dict) else [value])
    ]


@pytest.mark.parametrize("language", [each for each in LANGUAGES if each != "en"])
def test_translated(language: str) -> None:
    """No English is left in another language."""
    both = set(leaves(LANGUAGES[language])) & set(leaves(LANGUAGES["en"]))
    assert both <= SAME
