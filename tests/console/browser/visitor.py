"""A visitor: a page of a real browser, who notes whatever went wrong on it."""

import os
import shutil
from typing import Any, Final

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Download,
    Locator,
    Page,
    Request,
    Response,
    expect,
)

PROGRAMS: Final = ("chromium", "chromium-browser", "google-chrome")
WIDTH, HEIGHT = 1280, 900
PATIENCE_MS: Final = 15_000
_TOLD_BY_RESPONSES: Final = "Failed to load resource"
_GIVEN_UP: Final = "net::ERR_ABORTED"
_TELL_VIOLATIONS: Final = """
document.addEventListener("securitypolicyviolation", (event) =>
  console.error(`CSP: ${event.violatedDirective} blocked ${event.blockedURI} ${event.sample}`));
"""


def chromium() -> str | None:
    """The system's Chromium: what CHROMIUM names, or the first one on PATH."""
    named = os.environ.get("CHROMIUM")
    return named or next(filter(None, map(shutil.which, PROGRAMS)), None)


class Visitor:
    """Looks at pages of the console; `wrong` is all that a developer would see in red.

    Answers that refuse (from 400 on) are wrong as well, unless a test says that it expects them.
    """

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.page: Page = context.new_page()
        self.wrong: list[str] = []
        self._expected = set[int]()
        context.set_default_timeout(PATIENCE_MS)
        context.add_init_script(_TELL_VIOLATIONS)
        self.page.on("console", self._on_console)
        self.page.on("pageerror", lambda error: self.wrong.append(f"script: {error}"))
        self.page.on("requestfailed", self._on_failure)
        self.page.on("response", self._on_response)

    def expects(self, *statuses: int) -> None:
        """From now on, these refusals are right."""
        self._expected |= set(statuses)

    def look(self, path: str) -> Page:
        """Open a page."""
        self.page.goto(path)
        self.rests()
        return self.page

    def rests(self) -> None:
        """Nothing of the page is being fetched any more."""
        expect(self.page.locator(".htmx-request")).to_have_count(0)

    def enter(self, token: str) -> None:
        """Fill in the sign-in page that is open, and send it."""
        self.page.get_by_label("Access token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()

    def is_in(self) -> None:
        """The page shows who is signed in."""
        self.page.locator(".who-is-in").wait_for()

    def sign_out(self) -> None:
        """End the session, by the menu of who is signed in."""
        self.page.locator(".who-is-in").click()
        self.page.get_by_role("button", name="Sign out").click()

    def open(self, summary: str) -> Locator:
        """Open a dialog by its button; answers where its form stands."""
        folded = self.page.locator(f"details.dialog:has(> summary:text-is('{summary}'))")
        folded.locator("> summary").click()
        return folded

    def filter(self, **fields: str) -> None:
        """Open the filters of a list, fill them in, and have it shown."""
        panel = self.page.locator("details.in-place")
        if panel.get_attribute("open") is None:
            panel.locator("> summary").click()
        for name, value in fields.items():
            field = panel.locator(f"[name='{name}']")
            is_choice = field.evaluate("each => each.tagName") == "SELECT"
            field.select_option(value) if is_choice else field.fill(value)
        panel.get_by_role("button", name="Show").click()

    def act(self, summary: str, button: str, **fields: str) -> None:
        """Open a form, fill it in by its fields' names, confirm where it asks, and send it."""
        form = self.open(summary)
        for name, value in fields.items():
            form.locator(f"[name='{name}']").fill(value)
        for box in form.locator("input[type=checkbox][required]").all():
            box.check()
        form.get_by_role("button", name=button, exact=True).click()

    def is_told(self, words: str) -> None:
        """The page says that something was done."""
        expect(self.page.get_by_role("status").filter(has_text=words)).to_be_visible()

    def download(self, button: Locator) -> Download:
        """What a button makes the browser save."""
        with self.page.expect_download() as saved:
            button.click()
        return saved.value

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and _TOLD_BY_RESPONSES not in message.text:
            self.wrong.append(f"console: {message.text}")

    def _on_failure(self, request: Request) -> None:
        if request.failure != _GIVEN_UP:
            self.wrong.append(f"no answer: {request.url} {request.failure}")

    def _on_response(self, response: Response) -> None:
        if response.status >= 400 and response.status not in self._expected:
            self.wrong.append(f"answered {response.status}: {response.url}")


def visitor(browser: Browser, url: str, **options: Any) -> Visitor:
    """Somebody who did not sign in; `options` are those of a browser's context."""
    usual: dict[str, Any] = {
        "base_url": url,
        "viewport": {"width": WIDTH, "height": HEIGHT},
        "reduced_motion": "reduce",  # no colour is looked at while it changes
    }
    return Visitor(browser.new_context(**usual | options))
