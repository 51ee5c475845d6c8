"""How does a person move in the frontend, and what do they see there?"""

from copy import copy
import json
import os
from pathlib import Path
import re
import shutil
import socket
from typing import Any, Literal, Self

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Locator,
    Page,
    Route,
    expect,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "custom_components/han_port"
# Nothing outside this machine is asked for
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-sync", "--disable-background-networking"),
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
# Milliseconds until something has to be there; nothing waits for longer than it takes
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)
SHOTS = os.environ.get("HAN_PORT_SHOTS")
# What the frontend calls what a person clicks
WORDS = {
    "en": {
        "add": "Add integration",
        "manual": "Enter manually",
        "finish": "finish",
        "close": "Close",
    },
    "nb": {
        "add": "Legg til integrasjon",
        "manual": "Angi manuelt",
        "finish": "fullfør",
        "close": "Lukk",
    },
}
# Texts as they are shown, with those whose box is too small for them, and those of no width
LOOK = """root => {
    const seen = [], cut = [], gone = [], range = document.createRange();
    const walk = node => {
        if (node.nodeType === Node.TEXT_NODE) {
            const text = node.textContent.replace(/\\s+/g, " ").trim();
            const box = node.parentElement ?? node.getRootNode().host;
            if (!text || !box?.checkVisibility({visibilityProperty: true})) return;
            seen.push(text);
            range.selectNodeContents(node);
            const {width, height} = range.getBoundingClientRect();
            if (height && !width) gone.push(text);
            for (let each = box, up = 0; each && up < 3; each = each.parentElement, up++) {
                const style = getComputedStyle(each);
                const hides = ["hidden", "clip"].includes(style.overflowX);
                if (hides && each.clientWidth > 1 && each.scrollWidth > each.clientWidth + 1) {
                    cut.push(text);
                    break;
                }
            }
        } else if (!["STYLE", "SCRIPT", "SVG", "TEMPLATE"].includes(node.nodeName.toUpperCase())) {
            for (const each of node.childNodes) walk(each);
            if (node.shadowRoot) for (const each of node.shadowRoot.childNodes) walk(each);
        }
    };
    walk(root);
    return {seen, cut, gone};
}"""
NAVIGATE = """path => {
    history.pushState(null, "", path);
    dispatchEvent(new CustomEvent("location-changed", {detail: {replace: false}}));
}"""


def free_port() -> int:
    """Give a port that nothing listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def chromium() -> str:
    """Give the path of Chromium; FileNotFoundError, in words, where there is none."""
    folders = f"{ROOT / '.tools/bin'}{os.pathsep}{os.environ['PATH']}"
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name, path=folders):
            return path
    raise FileNotFoundError(
        "no Chromium: install it, or run scripts/setup --browser on Debian"
    )


def texts(language: str) -> dict[str, Any]:
    """Give our texts in a language."""
    path = FOLDER / "translations" / f"{language}.json"
    found: dict[str, Any] = json.loads(path.read_text())
    return found


def plain(text: str, **values: str) -> str:
    """Give a text of ours as it is shown: with its values, and without markup."""
    for name, value in values.items():
        text = text.replace(f"{{{name}}}", value)
    return re.sub(r"[*`]", "", text)


def flat(tree: dict[str, Any], path: str = "") -> dict[str, str]:
    """Give all texts of a tree by their path."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= flat(value, f"{path}.{key}")
        else:
            found[f"{path}.{key}"] = value
    return found


class Ui:
    """A page of Home Assistant in one language, and what its scripts complained of."""

    def __init__(
        self,
        browser: Browser,
        url: str,
        language: str = "en",
        login: Any = None,
        *,
        width: int = 1280,
        height: int = 900,
        scheme: Literal["light", "dark"] = "light",
    ) -> None:
        """Open a page that knows what the browser kept of a login."""
        self.url = url
        self.language = language
        self.words = WORDS[language]
        self.texts = texts(language)
        self.context: BrowserContext = browser.new_context(
            storage_state=login,
            viewport={"width": width, "height": height},
            locale=language,
            timezone_id="Europe/Oslo",
            color_scheme=scheme,
            reduced_motion="reduce",
            service_workers="block",
            accept_downloads=True,
        )
        self.context.set_default_timeout(PATIENCE)
        self.context.route("**/api/brands/**", self._brand)
        self._new_page()

    def _new_page(self) -> None:
        self.errors: list[str] = []
        self.page: Page = self.context.new_page()
        self.page.on("pageerror", self._on_error)
        self.page.on("console", self._on_console)

    def begin(self) -> None:
        """Forget what was before, with the dialog of a test that failed."""
        if self.page.locator("ha-dialog").count():
            self.page.goto("about:blank")
        self.errors.clear()

    def tab(self) -> Self:
        """Open another page beside this one."""
        tab = copy(self)
        tab._new_page()
        return tab

    def __enter__(self) -> Self:
        """Be a context."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the page and forget what it kept."""
        self.context.close()

    def _on_error(self, error: Error) -> None:
        # What a list of the frontend rejects when it is closed while it lays out
        if str(error) != "disconnected":
            self.errors.append(str(error))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self.errors.append(f"{message.text} {message.location.get('url', '')}")

    @staticmethod
    def _brand(route: Route) -> None:
        """Let only our pictures through: Home Assistant asks the internet for the others."""
        if "han_port" in route.request.url:
            route.continue_()
        else:
            route.fulfill(
                content_type="image/svg+xml",
                body="<svg xmlns='http://www.w3.org/2000/svg'/>",
            )

    def log_in(self, username: str, password: str) -> None:
        """Fill in the login, and stay logged in."""
        self.page.goto(self.url)
        self.page.locator("input[name=username]").fill(username)
        self.page.locator("input[name=password]").fill(password)
        self.page.get_by_role("checkbox").check()
        self.page.get_by_role("button", name="Log in").click()
        self.page.locator("home-assistant-main").wait_for()

    def open(self, path: str, wait: str) -> Locator:
        """Go to a path as a link in the page does, and give the first element of what it shows."""
        if self.page.url.startswith(self.url):
            self.page.evaluate(NAVIGATE, path)
        else:
            self.page.goto(self.url + path)
        element = self.page.locator(wait).first
        element.wait_for()
        return element

    def add_integration(self) -> Locator:
        """Start to add HAN Port as a person does; give the dialog."""
        self.open("/config/integrations/dashboard", "ha-config-integrations-dashboard")
        self.page.get_by_role("button", name=self.words["add"]).click()
        dialog = self.page.locator("dialog-add-integration")
        dialog.get_by_role("textbox").fill("HAN Port")
        dialog.get_by_text("HAN Port", exact=True).click()
        return self.page.locator("dialog-data-entry-flow")

    def enter_port(self, flow: Locator, device: str) -> None:
        """Type a port by hand, and listen to it."""
        step = self.texts["config"]["step"]["user"]
        picker = flow.locator("ha-selector-serial_port")
        # Until the ports are known it is a plain field
        picker.get_by_role("listitem").first.click()
        picker.get_by_text(self.words["manual"], exact=True).click()
        picker.get_by_role("textbox", name=step["data"]["device"]).fill(device)
        flow.get_by_role("button", name=step["submit"]).click()

    def finish(self, flow: Locator) -> None:
        """Close the last dialog of a flow, whatever it asks."""
        flow.get_by_role(
            "button", name=re.compile(self.words["finish"], re.IGNORECASE)
        ).click()
        flow.locator("ha-dialog").wait_for(state="detached")

    def close(self, flow: Locator) -> None:
        """Leave a dialog before its end."""
        flow.get_by_role("button", name=self.words["close"]).first.click()

    def device_page(
        self, devices: list[dict[str, Any]], entry: dict[str, Any]
    ) -> Locator:
        """Open the page of the device of an entry."""
        device = next(
            each["id"]
            for each in devices
            if entry["entry_id"] in each["config_entries"]
        )
        return self.open(f"/config/devices/device/{device}", "ha-config-device-page")

    def settle(self) -> None:
        """Wait until the page looks the same twice, ten looks at most: values go on."""
        before = b""
        for _ in range(10):
            if before == (before := self.page.screenshot()):
                return
            self.page.wait_for_timeout(500)

    def shot(self, name: str) -> None:
        """Keep a picture of the page for a person to look at, where they ask for it."""
        if SHOTS:
            path = Path(SHOTS) / f"{name}-{self.language}.png"
            self.page.screenshot(path=path)

    def complaints(self, place: Locator) -> list[str]:
        """Say what is wrong with texts in a place: cut off, not drawn, raw, another language."""
        look = place.evaluate(LOOK)
        said = [f"cut off: {text}" for text in look["cut"]]
        said += [f"not drawn: {text}" for text in look["gone"]]
        said += [
            f"raw: {text}"
            for text in look["seen"]
            if re.search(r"component\.|ui\.panel|^[a-z]+(_[a-z0-9]+)+$|\{\w+\}", text)
        ]
        if self.language != "en":
            own = flat(self.texts)
            # What is the same in both is no sign of the wrong one
            foreign = {
                plain(text)
                for path, text in flat(texts("en")).items()
                if own[path] != text and "{" not in text
            } - {plain(text) for text in own.values()}
            said += [
                f"not translated: {each}" for each in look["seen"] if each in foreign
            ]
        return said
