"""Can people import the blueprints, and does the README lead to each?"""

from pathlib import Path
import re
from urllib.parse import quote

import pytest

from homeassistant.components.automation.config import AUTOMATION_BLUEPRINT_SCHEMA
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.util import yaml as yaml_util

ROOT = Path(__file__).parents[2]
BLUEPRINTS = sorted(ROOT.glob("blueprints/automation/han_port/*.yaml"))
SOURCE = "https://github.com/han-port/han-port/blob/main/"
IMPORT = "https://my.home-assistant.io/redirect/blueprint_import/?blueprint_url="


def test_five() -> None:
    """There is one for each thing that people do with power."""
    assert [path.stem for path in BLUEPRINTS] == [
        "charger_current",
        "overload",
        "power_above",
        "shed_loads",
        "surplus",
    ]


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_blueprint(path: Path) -> None:
    """It parses, says its oldest Home Assistant and its source, and uses each input."""
    blueprint = Blueprint(
        yaml_util.load_yaml_dict(path),
        expected_domain="automation",
        schema=AUTOMATION_BLUEPRINT_SCHEMA,
    )
    assert blueprint.validate() is None
    text = path.read_text()
    assert "\n    min_version: 2026.9.0\n" in text
    assert "silent" in blueprint.metadata["description"]
    assert blueprint.metadata["source_url"] == SOURCE + str(path.relative_to(ROOT))
    assert set(re.findall(r"!input (\w+)", text)) == set(blueprint.inputs)


@pytest.mark.parametrize("path", BLUEPRINTS, ids=lambda path: path.stem)
def test_import_button(path: Path) -> None:
    """The README has a button that imports the file from where it lies."""
    source = SOURCE + str(path.relative_to(ROOT))
    assert IMPORT + quote(source, safe="") in (ROOT / "README.md").read_text()
