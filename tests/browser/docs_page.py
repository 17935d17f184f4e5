"""What a person does at ``/docs``, and what the browser has to say about it."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Error,
        Locator,
        Page,
        Request,
    )

TIMEOUT = 10_000
"""Milliseconds that a step may take."""

PASSWORD_FLOW = "OAuth2PasswordBearer (OAuth2, password)"


@contextmanager
def fresh_context(browser: Browser) -> Generator[BrowserContext]:
    """A browser that has never been anywhere."""
    with browser.new_context() as context:
        context.set_default_timeout(TIMEOUT)
        yield context


@dataclass(frozen=True)
class Answer:
    """The answer to an operation, as Swagger UI shows it."""

    status: str
    body: dict[str, Any]


class Docs:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def load(self) -> None:
        self.page.goto(f"{self._url}/docs")
        self.page.locator(".swagger-ui .opblock").first.wait_for()

    def open_dialog(self) -> Locator:
        """The part of the Authorize dialog that is for the password flow."""
        self.page.locator("button.btn.authorize").click()
        dialog = self.page.locator(".dialog-ux .auth-container", has_text=PASSWORD_FLOW)
        dialog.wait_for()
        return dialog

    def submit(self, dialog: Locator, password: str) -> None:
        dialog.locator("#oauth_username").fill("alice")
        dialog.locator("#oauth_password").fill(password)
        dialog.locator("button.authorize").click()

    def close_when_logged_in(self, dialog: Locator) -> None:
        dialog.locator("button", has_text="Logout").wait_for()
        dialog.locator("button.btn-done").click()

    def execute(self, operation: str) -> Answer:
        """Try an operation out with its example values."""
        block = self.page.locator(f"#operations-{operation}")
        block.locator(".opblock-summary-control").click()
        block.locator("button", has_text="Try it out").click()
        block.locator("button", has_text="Execute").click()
        response = block.locator(".live-responses-table .response")
        body = response.locator(".highlight-code pre").inner_text()
        return Answer(response.locator(".response-col_status").inner_text(), json.loads(body))


class Watch:
    """Listens to a page from before its first request."""

    def __init__(self, page: Page) -> None:
        self.complaints: list[str] = []
        """Errors and warnings of the console; violations of the page's policy are among them."""
        self.requested: list[str] = []
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)
        page.on("request", self._on_request)

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _on_page_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _on_request(self, request: Request) -> None:
        self.requested.append(request.url)
