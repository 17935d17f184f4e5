"""What a person does at ``/docs``, and what the browser has to say about it."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

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

TIMEOUT = 30_000
"""Milliseconds that a step may take."""

PASSWORD_FLOW = "OAuth2PasswordBearer"

PASSWORD = "alice-in-wonderland"

REFUSED_TOKEN = (
    'Bearer realm="latchkey",error="invalid_token",'
    'error_description="The access token is expired,revoked,malformed,or otherwise invalid."'
)
"""A challenge as Swagger UI shows it: without the space behind each comma."""


@contextmanager
def fresh_context(
    browser: Browser,
    dialog: HttpCredentials | None = None,
    *,
    javascript: bool = True,
    dark: bool = False,
    size: tuple[int, int] = (1280, 720),
) -> Generator[BrowserContext]:
    """A browser that has never been anywhere; ``dialog`` is typed into its own login dialog."""
    with browser.new_context(
        http_credentials=dialog,
        java_script_enabled=javascript,
        color_scheme="dark" if dark else "light",
        viewport={"width": size[0], "height": size[1]},
    ) as context:
        context.set_default_timeout(TIMEOUT)
        yield context


@dataclass(frozen=True)
class Answer:
    """The answer to an operation, as Swagger UI shows it."""

    status: str
    body: dict[str, Any]
    """Empty if there is none."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Swagger UI takes the space away behind each comma; the address of metadata is left out."""


class Docs:
    """The page, with what can be done on it.

    Most clicks go to the elements themselves: where the pointer has to be moved to each, with the
    page scrolled to it, everything takes twice the time.
    """

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.watch = Watch(page)
        self._url = url

    def load(self, more: str = "") -> None:
        """``more`` is what stands behind the address."""
        self.page.goto(f"{self._url}/docs{more}")
        self.page.locator(".swagger-ui .opblock").first.wait_for()

    @property
    def bar(self) -> Locator:
        """Who is logged in, and what can be done about it."""
        return self.page.locator("header.lk-bar")

    @property
    def dialog(self) -> Locator:
        return self.page.locator("dialog")

    def press(self, name: str) -> None:
        """A button of the bar."""
        self.bar.get_by_role("button", name=name, exact=True).click()

    def focused(self) -> str:
        """The text of what has the focus; that of the whole page if nothing has it."""
        text: str = self.page.evaluate("document.activeElement.textContent")
        return text

    # Logging in

    def open_dialog(self, scheme: str = PASSWORD_FLOW) -> Locator:
        """The row of the dialog that is for ``scheme``, open."""
        if not self.dialog.count():
            self.bar.locator("button", has_text="Log").first.dispatch_event("click")
        return self.open_row(scheme)

    def open_row(self, scheme: str) -> Locator:
        row = self.dialog.locator(f'[data-scheme="{scheme}"]')
        head = row.locator("h3 button")
        if head.get_attribute("aria-expanded") == "false":
            head.dispatch_event("click")
        return row

    def close_dialog(self) -> None:
        self.page.keyboard.press("Escape")
        self.dialog.wait_for(state="detached")

    def choose_scopes(self, row: Locator, scopes: Collection[str]) -> None:
        """Tick these and no others."""
        row.get_by_role("button", name="None", exact=True).dispatch_event("click")
        for scope in scopes:
            row.locator(f'input[value="{scope}"]').dispatch_event("click")

    def type_login(self, row: Locator, username: str, password: str) -> None:
        """Type a name and a password, and press Enter."""
        row.get_by_label("User name", exact=True).fill(username)
        row.get_by_label("Password", exact=True).fill(password)
        row.get_by_label("Password", exact=True).press("Enter")

    def log_in(self, scheme: str = PASSWORD_FLOW, *, scopes: Collection[str] | None = None) -> None:
        """As alice. The dialog closes by itself."""
        row = self.open_dialog(scheme)
        if scopes is not None:
            self.choose_scopes(row, scopes)
        self.type_login(row, "alice", PASSWORD)
        self.dialog.wait_for(state="detached")

    def log_out(self) -> None:
        self.press("Log out")
        self.bar.get_by_text("Nobody is logged in.").wait_for()

    def use(self, scheme: str, label: str, value: str) -> None:
        """Type a key or a token into the one field of a scheme."""
        row = self.open_dialog(scheme)
        row.get_by_label(label, exact=True).fill(value)
        row.get_by_label(label, exact=True).press("Enter")
        self.dialog.wait_for(state="detached")

    def forget(self, scheme: str) -> None:
        """Log out of one scheme."""
        row = self.open_dialog(scheme)
        button = row.get_by_role("button", name="Log out", exact=True)
        button.dispatch_event("click")
        button.wait_for(state="detached")
        self.close_dialog()

    # Trying operations out

    def show_group(self, tag: str) -> None:
        """Open the group of operations; most are closed at first."""
        header = self.page.locator(f'.opblock-tag[data-tag="{tag}"]')
        if header.get_attribute("data-is-open") == "false":
            header.dispatch_event("click")

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
                field = row.locator("input[type=text], input[type=password]")
                field.fill(value)
                field.blur()  # Swagger UI waits for more, or for this
        block.locator("button.execute").dispatch_event("click")
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
        """Open an operation, which can be tried out at once."""
        self.show_group(operation.rpartition("-")[0])
        block = self.page.locator(f"#operations-{operation}")
        block.locator(".opblock-summary-control").dispatch_event("click")
        return block

    def _close(self, block: Locator) -> None:
        """Each open operation slows the page down."""
        block.locator(".opblock-summary-control").dispatch_event("click")

    def read_answer(self, response: Locator) -> Answer:
        """What the table of an operation shows once it was answered."""
        status = response.locator(".response-col_status").inner_text()
        lines = response.locator(".headerline").all_inner_texts()
        lines = [re.sub(r',resource_metadata="[^"]*"', "", line) for line in lines]
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
        self.requests: list[Request] = []
        page.on("console", self._on_console)
        page.on("pageerror", self._on_page_error)
        page.on("request", self._on_request)

    @property
    def requested(self) -> list[str]:
        return [request.url for request in self.requests]

    def forms(self, path: str) -> list[Mapping[str, str]]:
        """What was posted to ``path``, newest last."""
        return [
            dict(parse_qsl(request.post_data or ""))
            for request in self.requests
            if request.method == "POST" and request.url.endswith(path)
        ]

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(message.text)

    def _on_page_error(self, error: Error) -> None:
        self.complaints.append(str(error))

    def _on_request(self, request: Request) -> None:
        self.requests.append(request)


def kept(page: Page) -> list[Any]:
    """What a script of the page could read from its storages."""
    found: list[Any] = page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    return found
