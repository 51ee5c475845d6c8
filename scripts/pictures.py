"""What does the meter of the demo look like in Home Assistant, on a desk and on a phone?"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from io import BytesIO
from pathlib import Path
import sys
from tempfile import TemporaryDirectory
from typing import Literal

import aiohttp
from anyio.from_thread import start_blocking_portal
from PIL import Image
from playwright.sync_api import Browser, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # run by its path, Python knows only the script's folder

from scripts import demo  # noqa: E402
from tests.browser.ui import FLAGS, Ui, chromium, free_port  # noqa: E402

IMAGES = ROOT / "docs/images"
COLORS = (
    128  # of a picture: enough for a page of Home Assistant, and a third of the size
)
# Where the two pages that matter are, and what is there when they are drawn
PAGES = {
    "dashboard": (
        f"/{demo.DASHBOARD}",
        "hui-statistics-graph-card canvas",
    ),
    "energy": ("/energy/overview", "hui-energy-usage-graph-card canvas"),
}
SIZES = {"desktop": (1280, 860), "phone": (400, 860)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")


@asynccontextmanager
async def running(home: Path) -> AsyncIterator[str]:
    """Run what the demo runs, in a folder; give the address."""
    port = free_port()
    async with (
        demo.simulated(demo.METER, 0, None) as (_, meter_port),
        demo.home_assistant(port, home),
        aiohttp.ClientSession() as session,
    ):
        api = demo.Api(session, f"http://127.0.0.1:{port}")
        await demo.set_up(api, demo.METER, meter_port, None, True)
        yield api.url


def take(browser: Browser, url: str) -> None:
    """Take every picture."""
    with Ui(browser, url) as ui:
        ui.log_in(**demo.LOGIN)
        login = ui.context.storage_state()
    for size, (width, height) in SIZES.items():
        for scheme in SCHEMES:
            with Ui(
                browser, url, login=login, width=width, height=height, scheme=scheme
            ) as ui:
                for name, (path, wait) in PAGES.items():
                    ui.open(path, wait)
                    ui.settle()
                    picture = Image.open(BytesIO(ui.page.screenshot()))
                    file = IMAGES / f"{name}-{size}-{scheme}.png"
                    picture.convert("RGB").quantize(COLORS).save(file, optimize=True)
                    print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def main() -> None:
    """Run the demo, and take the pictures."""
    with (
        TemporaryDirectory() as home,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(Path(home))) as url,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        take(browser, url)
        browser.close()


if __name__ == "__main__":
    main()
