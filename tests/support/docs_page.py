"""What a person does at ``/docs``, and what the browser has to say about it."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import httpx2

if TYPE_CHECKING:
    from playwright.sync_api import (
        Browser,
        BrowserContext,
        ConsoleMessage,
        Error,
        HttpCredentials,
        Locator,
        Page,
        Request,
    )

TIMEOUT = 10_000
"""Milliseconds that a step may take."""

PASSWORD_FLOW = "OAuth2PasswordBearer (OAuth2, password)"

REFUSED_TOKEN = (
    'Bearer realm="latchkey",error="invalid_token",'
    'error_description="The access token is expired,revoked,malformed,or otherwise invalid."'
)
"""A challenge as Swagger UI shows it: without the space behind each comma."""


@contextmanager
def fresh_context(
    browser: Browser, dialog: HttpCredentials | None = None, *, javascript: bool = True
) -> Generator[BrowserContext]:
    """A browser that has never been anywhere; ``dialog`` is typed into its own login dialog."""
    with browser.new_context(http_credentials=dialog, java_script_enabled=javascript) as context:
        context.set_default_timeout(TIMEOUT)
        yield context


@dataclass(frozen=True)
class Answer:
    """The answer to an operation, as Swagger UI shows it."""

    status: str
    body: dict[str, Any]
    """Empty if there is none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Swagger UI takes the space away behind each comma."""


class Docs:
    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url

    def load(self) -> None:
        self.page.goto(f"{self._url}/docs")
        self.page.locator(".swagger-ui .opblock").first.wait_for()

    def show_only(self, tag: str) -> None:
        """Fold the operations of every other tag: each that is shown slows the page down."""
        for header in self.page.locator(f'.opblock-tag:not([data-tag="{tag}"])').all():
            header.dispatch_event("click")

    def open_dialog(self, title: str = PASSWORD_FLOW) -> Locator:
        """The part of the Authorize dialog that is for ``title``, a scheme or one flow of it."""
        self.page.locator("button.btn.authorize").click()
        dialog = self.page.locator(".dialog-ux .auth-container", has_text=title)
        dialog.wait_for()
        return dialog

    def offered_forms(self) -> list[str]:
        """The titles of the forms in the open dialog."""
        titles = self.page.locator(".dialog-ux .auth-container h4").all_inner_texts()
        return [" ".join(title.split()) for title in titles]

    def submit(self, dialog: Locator, password: str) -> None:
        dialog.locator("#oauth_username").fill("alice")
        dialog.locator("#oauth_password").fill(password)
        dialog.locator("button.authorize").click()

    def close_when_logged_in(self, dialog: Locator) -> None:
        dialog.locator("button", has_text="Logout").wait_for()
        dialog.locator("button.btn-done").click()

    def forget(self, title: str) -> None:
        """Log out of a scheme in the dialog."""
        dialog = self.open_dialog(title)
        dialog.locator("button", has_text="Logout").click()
        dialog.locator("button.authorize").wait_for()
        dialog.locator("button.btn-done").click()

    def execute(
        self,
        operation: str,
        *,
        body: str | None = None,
        form: Mapping[str, str] | None = None,
    ) -> Answer:
        """Try an operation out with its example values, or with ``body``, or with ``form``."""
        block = self._open(operation)
        clear = block.locator("button.btn-clear")
        if clear.count():  # it was executed before
            clear.dispatch_event("click")
        if body is not None:
            block.locator(".opblock-section-request-body textarea").fill(body)
        for name, value in (form or {}).items():
            row = block.locator(f'tr[data-property-name="{name}"]')
            if row.locator("select").count():
                row.locator("select").first.select_option(value)
            else:
                row.locator("input[type=text], input[type=password]").fill(value)
        block.locator("button", has_text="Execute").click()
        answer = self.read_answer(block.locator(".live-responses-table .response"))
        self._close(block)
        return answer

    def form_choices(self, operation: str, name: str) -> list[str]:
        """What a field of the form of an operation offers."""
        block = self._open(operation)
        options = block.locator(f'tr[data-property-name="{name}"] option')
        options.first.wait_for(state="attached")
        choices = options.all_inner_texts()
        self._close(block)
        return choices

    def _open(self, operation: str) -> Locator:
        """Open an operation, ready to be tried out.

        These clicks go to the elements themselves: where the pointer has to be moved to each, with
        the long page scrolled to it, everything takes twice the time.
        """
        block = self.page.locator(f"#operations-{operation}")
        block.locator(".opblock-summary-control").dispatch_event("click")
        try_out = block.locator("button.try-out__btn").first  # a form has one to reset it as well
        if try_out.inner_text().strip() == "Try it out":
            try_out.dispatch_event("click")
        return block

    def _close(self, block: Locator) -> None:
        """Each open operation slows the page down."""
        block.locator(".opblock-summary-control").dispatch_event("click")

    def read_answer(self, response: Locator) -> Answer:
        """What the table of an operation shows once it was answered."""
        status = response.locator(".response-col_status").inner_text()
        lines = response.locator(".headerline").all_inner_texts()
        pairs = [line.strip().partition(": ")[::2] for line in lines]
        shown = response.locator(".highlight-code pre")
        body = json.loads(shown.inner_text()) if shown.count() else {}
        return Answer(status, body, dict(pairs))


class Tokens:
    """The access tokens that a page sends."""

    def __init__(self, page: Page, url: str) -> None:
        self.last = ""
        self._url = url
        page.on("request", self._on_request)

    def _on_request(self, request: Request) -> None:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme == "Bearer":
            self.last = token

    def revoke_last(self, client: tuple[str, str] = ("swagger-ui", "")) -> None:
        """As the client does at a logout: from then on it is good for nothing."""
        with httpx2.Client(trust_env=False, timeout=10) as http:
            form = {"token": self.last, "client_id": client[0]}
            if client[1]:
                form["client_secret"] = client[1]
            answer = http.post(f"{self._url}/revoke", data=form)
        assert (answer.status_code, answer.json()) == (200, {})


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
