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
from playwright.sync_api import Browser, expect, sync_playwright

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # run by its path, Python knows only the script's folder

from scripts import demo  # noqa: E402
from simulator import create, serve_tcp  # noqa: E402
from tests.browser.ui import FLAGS, Ui, chromium, free_port, plain  # noqa: E402

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
async def running(home: Path) -> AsyncIterator[tuple[demo.Api, int]]:
    """Run what the demo runs, in a folder; give it, and the port of a bridge without a meter."""
    port = free_port()
    async with (
        demo.simulated(demo.METER, 0, None) as (_, meter_port),
        demo.home_assistant(port, home),
        aiohttp.ClientSession() as session,
        serve_tcp(create(demo.METER, faults=["stall"])) as silent_port,
    ):
        api = demo.Api(session, f"http://127.0.0.1:{port}")
        await demo.set_up(api, demo.METER, meter_port, None, True)
        yield api, silent_port


async def device_page(api: demo.Api) -> str:
    """Give where the device of the meter is shown."""
    devices = await api.command("config/device_registry/list")
    (meter,) = [each for each in devices if each["manufacturer"] == "Aidon"]
    return f"/config/devices/device/{meter['id']}"


def save(ui: Ui, name: str) -> None:
    """Keep what is shown now, in as few bytes as it takes."""
    picture = Image.open(BytesIO(ui.page.screenshot()))
    file = IMAGES / f"{name}.png"
    picture.convert("RGB").quantize(COLORS).save(file, optimize=True)
    print(f"{file.relative_to(ROOT)}: {file.stat().st_size // 1000} kB")


def take(browser: Browser, url: str, device_path: str, silent_port: int) -> None:
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
                    save(ui, f"{name}-{size}-{scheme}")
    for scheme in SCHEMES:
        with Ui(browser, url, login=login, scheme=scheme) as ui:
            ui.open(device_path, "ha-device-entities-card")
            ui.settle()
            save(ui, f"device-{scheme}")
            flow = ui.add_integration()
            ui.enter_port(flow, f"127.0.0.1:{silent_port}")
            device = f"socket://127.0.0.1:{silent_port}"
            said = plain(ui.texts["config"]["progress"]["listen"], device=device)
            expect(flow.get_by_text(said)).to_be_visible()
            save(ui, f"listening-{scheme}")


def main() -> None:
    """Run the demo, and take the pictures."""
    with (
        TemporaryDirectory() as home,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(running(Path(home))) as (api, silent_port),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        take(browser, api.url, portal.call(device_page, api), silent_port)
        browser.close()


if __name__ == "__main__":
    main()
