"""Each scheme at ``/docs`` as a person uses it: by mouse, and by keyboard alone."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx2
import pytest

from tests.support.docs_page import PASSWORD, Docs, fresh_context
from tests.support.hands import Hand, Keyboard, Mouse

if TYPE_CHECKING:
    from playwright.sync_api import Browser, HttpCredentials, Locator

KEY = "lk_demo_alice_development_only"
DIGEST_PASSWORD = "alice-digest-in-development"
SERVICE = {"Client id": "demo-service", "Client secret": "demo-service-secret-for-development-only"}

ALICE = {"User name": "alice", "Password": PASSWORD}

TYPED = {
    "APIKeyCookie": {"API key": KEY},
    "APIKeyHeader": {"X-API-Key (header)": KEY},
    "APIKeyQuery": {"api_key (query)": KEY},
    "HTTPBasic": ALICE,
    "OAuth2": SERVICE,
    "OAuth2PasswordBearer": ALICE,
}
"""What is typed into the form of a scheme, by label; Enter sends it."""

PRESSED = {
    "HTTPDigest": "Log in with the browser's dialog",
    "OAuth2AuthorizationCodeBearer": "Log in in a popup",
    "OpenIdConnect": "Log in in a popup",
}
"""The button of a scheme with nothing to type."""

ROUTES = {
    "APIKeyCookie": "api_key_cookie",
    "APIKeyHeader": "api_key_header",
    "APIKeyQuery": "api_key_query",
    "HTTPBasic": "http_basic",
    "HTTPBearer": "http_bearer",
    "HTTPDigest": "http_digest",
    "OAuth2": "oauth2_flows",
    "OAuth2AuthorizationCodeBearer": "oauth2_authorization_code",
    "OAuth2PasswordBearer": "oauth2_password",
    "OpenIdConnect": "openid_connect",
}


@dataclass
class Person:
    """Somebody at the page."""

    docs: Docs
    hand: Hand

    def log_in(self, scheme: str, token: str) -> None:
        """``token`` is what is pasted where a bearer token is wanted."""
        dialog = self.docs.dialog
        self.hand.press(self.docs.bar.locator("button", has_text="Log").first)
        row = dialog.locator(f'[data-scheme="{scheme}"]')
        head = row.locator("h3 button")
        if head.get_attribute("aria-expanded") == "false":
            self.hand.press(head)
        if scheme == "OAuth2":
            self.hand.choose(row.get_by_label("The client itself (client credentials)"))
        typed = {"Access token": token} if scheme == "HTTPBearer" else TYPED.get(scheme)
        if typed:
            for label, value in typed.items():
                self.hand.write(row.get_by_label(label, exact=True), value)
            self.docs.page.keyboard.press("Enter")
        else:
            button = row.get_by_role("button", name=PRESSED[scheme], exact=True)
            if "popup" in PRESSED[scheme]:
                self.allow_in_popup(button)
            else:
                self.hand.press(button)
        dialog.wait_for(state="detached")

    def allow_in_popup(self, button: Locator) -> None:
        with self.docs.page.expect_popup() as opened:
            self.hand.press(button)
        popup = opened.value
        popup.get_by_role("button").first.wait_for()
        if popup.get_by_label("Password", exact=True).count():
            for label, value in ALICE.items():
                self.hand.write(popup.get_by_label(label, exact=True), value)
            popup.keyboard.press("Enter")
        with popup.expect_event("close"):
            self.hand.press(popup.get_by_role("button", name="Allow", exact=True))

    def try_out(self, operation: str) -> str:
        """The status that an operation is answered. It is filtered for, to be near."""
        name = f"scheme_{operation}"
        self.docs.page.get_by_label("Filter the operations").fill(name)
        block = self.docs.page.locator(f"#operations-schemes-{name}")
        summary = block.locator(".opblock-summary-control")
        self.hand.press(summary)
        self.hand.press(block.locator("button.execute"))
        status = self.docs.read_answer(block.locator(".live-responses-table .response")).status
        self.hand.press(summary)
        return status

    def log_out(self, scheme: str) -> None:
        """Where the login is a token, of that; else of the scheme alone."""
        leave = self.docs.bar.get_by_role("button", name="Log out", exact=True)
        if leave.count():
            self.hand.press(leave)
            leave.wait_for(state="detached")
            return
        self.hand.press(self.docs.bar.locator("button", has_text="Log").first)
        row = self.docs.dialog.locator(f'[data-scheme="{scheme}"]')
        self.hand.press(row.locator("h3 button"))
        if scheme != "HTTPDigest":  # which the browser forgets, and nobody else
            leave = row.get_by_role("button", name="Log out", exact=True)
            self.hand.press(leave)
            leave.wait_for(state="detached")
        self.docs.close_dialog()


@pytest.fixture(
    scope="module",
    params=[(Mouse(), (390, 844), False), (Keyboard(), (1280, 720), True)],
    ids=["mouse-phone-light", "keyboard-wide-dark"],
)
def person(browser: Browser, live: str, request: pytest.FixtureRequest) -> Generator[Person]:
    hand, size, dark = request.param
    digest: HttpCredentials = {"username": "alice", "password": DIGEST_PASSWORD}
    with fresh_context(browser, digest, size=size, dark=dark) as context:
        docs = Docs(context.new_page(), live)
        docs.load()
        yield Person(docs, hand)


@pytest.fixture(scope="module")
def token(live: str) -> str:
    form = {"grant_type": "password", "client_id": "swagger-ui"}
    form |= {"username": "alice", "password": PASSWORD}
    with httpx2.Client(trust_env=False, timeout=10) as http:
        issued: str = http.post(f"{live}/token", data=form).json()["access_token"]
    return issued


@pytest.mark.parametrize("scheme", ROUTES)
def test_a_scheme_is_logged_in_to_tried_out_and_left(
    person: Person, token: str, scheme: str
) -> None:
    person.log_in(scheme, token)
    assert person.try_out(ROUTES[scheme]) == "200"
    person.log_out(scheme)
