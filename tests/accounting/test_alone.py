"""Does accounting need anything but the standard library and the types of a reading?"""

from pathlib import Path
import subprocess
import sys

ROOT = Path(__file__).parents[2]
# An empty package in place of the integration, and no Home Assistant to import
PROGRAM = """
import sys, types
sys.modules["homeassistant"] = None
package = types.ModuleType("han_port")
package.__path__ = ["custom_components/han_port"]
sys.modules["han_port"] = package
import han_port.accounting
print("asyncio" in sys.modules, "logging" in sys.modules)
"""


def test_alone() -> None:
    """Accounting can be imported where there is no Home Assistant."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", PROGRAM],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
