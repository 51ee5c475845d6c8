"""Would a test fail, were we to use what a later Home Assistant will not have?"""

from pathlib import Path
import subprocess
import sys
import warnings

import pytest

from homeassistant.core import HomeAssistant
from homeassistant.helpers import frame
from tests.integration.conftest import DEPRECATION, deprecations, make_entry, set_up

ROOT = Path(__file__).parents[2]
# Import every module as Home Assistant does, and let what is logged come out
IMPORT = """
import importlib, logging, pathlib
logging.basicConfig()
for path in sorted(pathlib.Path("custom_components/han_port").rglob("*.py")):
    importlib.import_module(".".join(path.with_suffix("").parts))
"""


async def test_log(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture, port: object
) -> None:
    """What Home Assistant reports of our use is found in the log, and nothing else is."""
    entry = await set_up(hass, make_entry())
    assert deprecations(caplog.records) == []
    frame.report_usage(
        "does what no integration does any more",
        core_behavior=frame.ReportBehavior.LOG,
        integration_domain="han_port",
        breaks_in_ha_version="2027.10",
    )
    assert len(deprecations(caplog.records)) == 1
    caplog.clear()
    assert await hass.config_entries.async_unload(entry.entry_id)


def test_imports() -> None:
    """No module imports what will be gone; the other tests are imported before they listen."""
    ended = subprocess.run(
        [sys.executable, "-c", IMPORT],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not DEPRECATION.search(ended.stderr), ended.stderr


@pytest.mark.parametrize(
    "category", [DeprecationWarning, PendingDeprecationWarning, FutureWarning]
)
def test_warning(category: type[Warning]) -> None:
    """A deprecation of Python or a library is an error."""
    with pytest.raises(category):
        warnings.warn("goes away", category, stacklevel=1)
