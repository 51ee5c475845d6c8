"""Do the design's arrows point down only, and is everything imported there to import?"""

import ast
from collections.abc import Iterator
import json
from pathlib import Path
import sys

import pytest

from homeassistant.const import Platform

FOLDER = Path(__file__).parents[2] / "custom_components" / "han_port"
FILES = {
    path.relative_to(FOLDER).with_suffix("").as_posix().replace("/", "."): path
    for path in sorted(FOLDER.rglob("*.py"))
}
MANIFEST = json.loads((FOLDER / "manifest.json").read_text())

# Each module imports from tiers below its own; those not named here stand on the top tier
TIERS = (
    {"const", "protocol"},
    {
        "accounting",
        "continuity",
        "diagnosis",
        "masking",
        "publishing",
        "scaling",
        "source",
    },
    {"options", "statistics", "submeters", "takeover", "topic"},
    {"handover", "search"},
    {"coordinator"},
    {"diagnostics", "entity", "limits", "replacement", "watch"},
    {"actions", "computed"},
    {"flow"},
)
# What computes: no clock, file, network, task or log
PURE = set(
    "abc array bisect binascii collections contextlib dataclasses datetime enum functools"
    " itertools math operator re struct types typing zlib".split()
)
PURE_PACKAGES = {"protocol": PURE | {"cryptography"}, "accounting": PURE}
IMPURE_CALLS = {"input", "now", "open", "print", "today", "utcnow"}
# They come with Home Assistant, serialx with its usb integration
PROVIDED = {"cryptography", "homeassistant", "probatio", "serialx"}
# hassfest lets these be imported without being depended on
BASE = {
    *("automation", "device_automation", "homeassistant", "persistent_notification"),
    *("sun", "system_health", "websocket_api", "zone", *Platform),
}


def imported(source: str, module: str) -> Iterator[str]:
    """Yield the dotted name of all that a module imports at run time.

    Names of the integration start with a dot and are counted from its folder. Whether
    the last part of a name is a module cannot be seen, and does not matter here.
    """
    package = ["", *module.split(".")[:-1]]
    todo: list[ast.AST] = [ast.parse(source)]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            todo += node.orelse
            continue
        todo += ast.iter_child_nodes(node)
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            base += [node.module] if node.module else []
            names = [".".join([*base, alias.name]) for alias in node.names]
        for name in names:
            yield name.removeprefix("custom_components.han_port")


def tier(part: str) -> int:
    """Say how high a module, or the package that holds it, stands."""
    for height, parts in enumerate(TIERS):
        if part in parts:
            return height
    return len(TIERS)


def layer_complaints(source: str, module: str) -> list[str]:
    """Say which imports of a module point up or sideways."""
    mine = module.split(".", maxsplit=1)[0]
    said = []
    for name in imported(source, module):
        if not name.startswith("."):
            continue
        theirs = name.split(".")[1]
        if theirs == mine and module != mine:
            continue
        if mine in PURE_PACKAGES:
            up = mine == "protocol" or not name.startswith(".protocol.reading.")
        else:
            up = tier(theirs) >= tier(mine)
        if up:
            said.append(f"{module} imports {name}")
    return said


def purity_complaints(source: str, module: str) -> list[str]:
    """Say where a module of a pure package reaches for the world outside."""
    allowed = PURE_PACKAGES[module.split(".", maxsplit=1)[0]]
    said = [
        f"{module} imports {name}"
        for name in imported(source, module)
        if not name.startswith(".") and name.split(".")[0] not in allowed
    ]
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func).split(".")[-1]
        # Both take the machine's own time zone when they are given none
        bare = {"astimezone": 0, "fromtimestamp": 1}.get(called, -1)
        if called in IMPURE_CALLS or len(node.args) + len(node.keywords) == bare:
            said.append(f"{module} calls {ast.unparse(node)}")
    return said


def dependency_complaints(source: str, module: str, declared: set[str]) -> list[str]:
    """Say what a module imports that a user's Home Assistant may not have loaded."""
    said = []
    for name in imported(source, module):
        parts = name.split(".")
        if not parts[0] or parts[0] in sys.stdlib_module_names:
            continue
        if parts[0] not in PROVIDED:
            said.append(f"{module} imports {name}")
        elif parts[:2] == ["homeassistant", "components"]:
            if parts[2] not in BASE | declared | {module}:
                said.append(f"{module} imports {name}")
    return said


@pytest.mark.parametrize("module", FILES)
def test_layers(module: str) -> None:
    """A module knows only what stands below it."""
    assert layer_complaints(FILES[module].read_text(), module) == []


@pytest.mark.parametrize(
    "module", [each for each in FILES if each.split(".")[0] in PURE_PACKAGES]
)
def test_purity(module: str) -> None:
    """Decoding and accounting depend on nothing but what is passed to them."""
    assert purity_complaints(FILES[module].read_text(), module) == []


@pytest.mark.parametrize("module", FILES)
def test_dependencies(module: str) -> None:
    """What is imported comes with Home Assistant or is declared in the manifest."""
    declared = {*MANIFEST["dependencies"], *MANIFEST["after_dependencies"]}
    assert dependency_complaints(FILES[module].read_text(), module, declared) == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("coordinator", "from .sensor import SENSORS"),
        ("coordinator", "from . import sensor"),
        ("coordinator", "from custom_components.han_port.entity import HanEntity"),
        ("coordinator", "import custom_components.han_port.entity"),
        ("sensor", "from . import async_setup_entry"),
        ("sensor", "from .config_flow import Flow"),
        ("diagnostics", "from .flow import ListenSteps"),
        ("source", "def f():\n    from .accounting import hour"),
        ("source", "from .coordinator import HanPortCoordinator"),
        ("protocol.decoder", "from ..const import DOMAIN"),
        ("protocol.decoder", "from ..accounting import register"),
        ("accounting.hour", "from ..const import DOMAIN"),
        ("accounting.hour", "from ..protocol.decoder import Decoder"),
        ("accounting.hour", "from .. import protocol"),
    ],
)
def test_layers_broken(module: str, source: str) -> None:
    """An arrow that points up or sideways is found."""
    assert len(layer_complaints(source, module)) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("sensor", "from .coordinator import HanPortCoordinator"),
        ("sensor", "from .protocol import Quantity"),
        ("coordinator", "from .accounting.hour import Hour"),
        ("coordinator", "if TYPE_CHECKING:\n    from .sensor import Power"),
        ("protocol.decoder", "from .reading import Quantity"),
        ("protocol.decoder", "from . import hdlc"),
        ("accounting.hour", "from ..protocol.reading import Quantity"),
    ],
)
def test_layers_kept(module: str, source: str) -> None:
    """An arrow that points down, or serves types only, is let pass."""
    assert layer_complaints(source, module) == []


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import logging",
        "import homeassistant.const",
        "from homeassistant.util import dt",
        "from time import monotonic",
        "import os.path",
        "import socket",
        "from datetime import datetime\nnow = datetime.now(UTC)",
        "from datetime import date\nday = date.today()",
        "day = datetime.fromtimestamp(0)",
        "local = when.astimezone()",
        "print('x')",
        "open('x')",
    ],
)
def test_purity_broken(source: str) -> None:
    """A clock, a file, a log or Home Assistant is found."""
    assert len(purity_complaints(source, "protocol.decoder")) == 1


def test_purity_kept() -> None:
    """A time with its zone passed in, and a cipher in the protocol, are let pass."""
    source = (
        "import cryptography.hazmat\nx = datetime.fromtimestamp(0, UTC).astimezone(z)"
    )
    assert purity_complaints(source, "protocol.security") == []


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("source", "import serial_asyncio"),
        ("sensor", "from homeassistant.components import mqtt"),
        ("sensor", "from homeassistant.components.diagnostics import redact"),
    ],
)
def test_dependencies_broken(module: str, source: str) -> None:
    """A library or an integration that is not declared is found."""
    assert len(dependency_complaints(source, module, {"usb"})) == 1


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("source", "import serialx"),
        ("source", "from homeassistant.components import usb"),
        ("sensor", "from homeassistant.components.sensor import SensorEntity"),
        ("diagnostics", "from homeassistant.components.diagnostics import redact"),
    ],
)
def test_dependencies_kept(module: str, source: str) -> None:
    """What is declared, a platform, or the integration a file answers to, may be used."""
    assert dependency_complaints(source, module, {"usb"}) == []


def test_flow_names_the_meter() -> None:
    """The config flow gives the entry a unique id, so a meter is not added twice."""
    assert ".async_set_unique_id(" in FILES["config_flow"].read_text()
