"""The code flow from ``/docs``: a popup, the login, the consent, and back with a token."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.docs_page import (
    PASSWORD,
    REFUSED_TOKEN,
    Answer,
    Docs,
    Tokens,
    Watch,
    fresh_context,
    kept,
)

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Locator, Page

CODE_FLOW = "OAuth2AuthorizationCodeBearer"
OPENID = "OpenIdConnect"
POPUP = "Log in in a popup"
CODE_FLOW_ROUTE = "schemes-scheme_oauth2_authorization_code"
OPENID_ROUTE = "schemes-scheme_openid_connect"
CONSENT = "Allow Swagger UI?"


@dataclass(frozen=True)
class Visit:
    """Two logins in one browser, the first whose consent is denied first."""

    page: Page
    watches: list[Watch]
    """Of the page, and of each popup."""
    requested: list[str]
    """By the page and by the popups, from the first request on."""
    forms: list[str]
    refusal: str
    code_flow: Answer
    decoded: str
    headings: list[str]
    openid: Answer
    revoked: list[Answer]
    """After that: both routes, with a token that was revoked."""

    def requests(self, path: str) -> list[dict[str, str]]:
        """The parameters of each request for ``path``."""
        asked = [urlsplit(url) for url in self.requested]
        return [dict(parse_qsl(url.query)) for url in asked if url.path == path]


class Popup:
    """What a person does in the popup."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.headings: list[str] = []

    def see(self, heading: str) -> None:
        self.page.get_by_role("heading", level=1, name=heading, exact=True).wait_for()
        self.headings.append(heading)

    def log_in(self) -> None:
        self.see("Log in")
        self.page.get_by_label("User name", exact=True).fill("alice")
        self.page.get_by_label("Password", exact=True).fill("alice-in-wonderland")
        self.page.get_by_role("button", name="Log in", exact=True).click()

    def press(self, name: str) -> None:
        """Answer the consent; the popup is closed then."""
        self.see(CONSENT)
        with self.page.expect_event("close"):
            self.page.get_by_role("button", name=name, exact=True).click()


def open_popup(row: Locator) -> Popup:
    with row.page.expect_popup() as opened:
        row.get_by_role("button", name=POPUP, exact=True).click()
    return Popup(opened.value)


@pytest.fixture(scope="module")
def visit(browser: Browser, live: str) -> Generator[Visit]:
    with fresh_context(browser) as context:
        page = context.new_page()
        watches = [Watch(page)]
        page.on("popup", lambda popup: watches.append(Watch(popup)))
        requested: list[str] = []
        context.on("request", lambda request: requested.append(request.url))
        docs = Docs(page, live)
        tokens = Tokens(page, live)
        docs.load()

        row = docs.open_dialog(CODE_FLOW)
        popup = open_popup(row)
        popup.log_in()
        popup.press("Deny")
        row.locator(".lk-status", has_text="access_denied").wait_for()
        refusal = row.locator(".lk-status").inner_text()
        popup = open_popup(row)
        popup.press("Allow")
        docs.dialog.wait_for(state="detached")
        code_flow = docs.execute(CODE_FLOW_ROUTE)
        docs.press("Decode")
        docs.dialog.get_by_text("The signature is good").nth(1).wait_for()
        decoded = docs.dialog.inner_text()
        docs.close_dialog()
        tokens.revoke_last()
        revoked = [docs.execute(CODE_FLOW_ROUTE)]

        row = docs.open_dialog(OPENID)  # when the discovery document has come
        forms = row.locator(".lk-choice label").all_inner_texts()
        popup = open_popup(row)
        popup.press("Allow")
        docs.dialog.wait_for(state="detached")
        openid = docs.execute(OPENID_ROUTE)
        tokens.revoke_last()
        revoked.append(docs.execute(OPENID_ROUTE))
        yield Visit(
            page,
            watches,
            requested,
            forms,
            refusal,
            code_flow,
            decoded,
            popup.headings,
            openid,
            revoked,
        )


def test_whoever_logs_in_through_the_popup_is_known_to_the_route(visit: Visit) -> None:
    assert visit.code_flow.status == "200"
    assert visit.code_flow.body["scheme"] == "OAuth2AuthorizationCodeBearer"
    assert visit.code_flow.body["scopes"] == ["openid", "profile"]


def test_a_consent_that_is_denied_in_the_popup_is_told_in_the_dialog(visit: Visit) -> None:
    assert "access_denied" in visit.refusal


def test_whoever_logs_in_through_openid_discovery_is_known_to_the_route(visit: Visit) -> None:
    assert visit.openid.status == "200"
    assert visit.openid.body["scheme"] == "OpenIdConnect"
    assert visit.openid.body["subject"] == visit.code_flow.body["subject"]


def test_a_token_of_the_popup_that_was_revoked_is_challenged(visit: Visit) -> None:
    assert [answer.status for answer in visit.revoked] == ["401", "401"]
    challenges = [answer.headers["www-authenticate"] for answer in visit.revoked]
    assert challenges == [REFUSED_TOKEN] * 2


def test_the_dialog_offers_no_form_of_openid_connect_that_does_not_work(visit: Visit) -> None:
    assert visit.forms == [
        "This server's login page, in a popup",
        "User name and password",
        "The client itself (client credentials)",
    ]


def test_the_id_token_of_the_code_flow_is_decoded_as_well(visit: Visit) -> None:
    assert "ID token" in visit.decoded
    assert "nonce" in visit.decoded


def test_the_second_login_asks_for_no_password(visit: Visit) -> None:
    assert visit.headings == [CONSENT]


def test_every_login_in_a_popup_has_a_pkce_challenge_of_its_own(visit: Visit) -> None:
    asked = visit.requests("/authorize")
    assert [request["code_challenge_method"] for request in asked] == ["S256"] * 3
    challenges = {request["code_challenge"] for request in asked}
    assert [len(challenge) for challenge in challenges] == [43] * 3


def test_every_popup_comes_back_to_the_page_that_hands_the_code_over(
    visit: Visit, live: str
) -> None:
    answered = visit.requests("/docs/oauth2-redirect")
    assert [sorted(answer) for answer in answered] == [
        ["error", "error_description", "iss", "state"],
        ["code", "iss", "state"],
        ["code", "iss", "state"],
    ]
    assert {answer["iss"] for answer in answered} == {live}


def test_the_code_flow_stores_nothing_that_a_script_could_read(visit: Visit) -> None:
    assert kept(visit.page) == [{}, {}, ""]


def test_the_code_flow_asks_no_other_host(visit: Visit, live: str) -> None:
    assert f"{live}/token" in visit.requested
    assert [url for url in visit.requested if not url.startswith(f"{live}/")] == []


def test_the_code_flow_brings_no_complaint_of_the_browser_but_of_the_refused_requests(
    visit: Visit,
) -> None:
    refused = "Failed to load resource: the server responded with a status of 401 (Unauthorized)"
    page, *popups = [watch.complaints for watch in visit.watches]
    assert page == [refused] * 2  # the tokens that were revoked
    assert popups == [[], [], []]


def test_the_forms_of_openid_connect_work_at_localhost_as_well(browser: Browser, live: str) -> None:
    local = live.replace("127.0.0.1", "localhost")
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), local)
        docs.load()
        row = docs.open_dialog(OPENID)
        row.get_by_label("User name and password").check()
        docs.type_login(row, "alice", PASSWORD)
        docs.dialog.wait_for(state="detached")
        assert docs.execute(OPENID_ROUTE).status == "200"
        docs.log_out()
        popup = open_popup(docs.open_dialog(OPENID))
        popup.log_in()
        popup.press("Allow")
        docs.dialog.wait_for(state="detached")
        assert docs.execute(OPENID_ROUTE).status == "200"
