"""The simulator is tested without Home Assistant, also where there is none."""

import importlib.util
from pathlib import Path
import sys
import types

import pytest

if importlib.util.find_spec("homeassistant") is None:
    # An empty package in place of the integration, whose own imports Home Assistant
    _package = types.ModuleType("custom_components.han_port")
    _package.__path__ = [
        str(Path(__file__).parents[2] / "custom_components" / "han_port")
    ]
    sys.modules[_package.__name__] = _package

if importlib.util.find_spec("pytest_socket") is None:

    @pytest.fixture
    def socket_enabled() -> None:
        """Sockets need no leave where nothing forbids them."""
