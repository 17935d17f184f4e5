"""``login_docs``: somebody else's API, whose ``/docs`` logs in at this server."""

from __future__ import annotations

import shlex
import socket
import threading
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import unquote

import httpx2
import pytest
import uvicorn
from fastapi import FastAPI

from app.identity.registration import Registration, create_client
from app.pages.login_docs import REDIRECT, login_docs
from tests.support.browsers import InDatabase
from tests.support.docs_page import PASSWORD, Docs, fresh_context, kept
from tests.support.shop_api import CLIENT, HOSTILE_PATH, hostile_shop, shop

if TYPE_CHECKING:
    from playwright.sync_api import Browser
    from sqlalchemy.ext.asyncio import AsyncConnection


@pytest.fixture(scope="module")
def shop_url(live: str, in_database: InDatabase) -> Generator[str]:
    """Where the API is served; the client of its page is registered at the issuer."""
    listener = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    client = Registration(
        client_id=CLIENT,
        name="Shop",
        public=True,
        grant_types=["password", "authorization_code"],
        redirect_uris=[f"{url}{REDIRECT}"],
        scopes=["openid", "profile"],
        default_scopes=["openid", "profile"],
    )

    async def register(connection: AsyncConnection) -> None:
        await create_client(connection, client, datetime.now(UTC))

    in_database(register)
    app = shop(live)
    app.mount("/hostile", hostile_shop(live))
    server = uvicorn.Server(uvicorn.Config(app, log_level="error", lifespan="off"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield url
    server.should_exit = True
    thread.join()


@dataclass(frozen=True)
class Visit:
    """The page of the API: a login with a password, one in a popup, and a logout."""

    by_password: str
    bar: str
    by_popup: str
    hosts: set[str]
    complaints: list[str]
    stored: list[object]


@pytest.fixture(scope="module")
def visit(browser: Browser, live: str, shop_url: str) -> Visit:
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), shop_url)
        docs.page.goto(f"{shop_url}/docs")
        docs.page.locator(".opblock-tag").wait_for()
        docs.log_in()
        bar = docs.bar.inner_text()
        by_password = docs.execute("orders-orders").body["of"]
        docs.log_out()
        row = docs.open_dialog("OAuth2AuthorizationCodeBearer")
        with docs.page.expect_popup() as opened:
            row.get_by_role("button", name="Log in in a popup").click()
        popup = opened.value
        popup.get_by_label("User name", exact=True).fill("alice")
        popup.get_by_label("Password", exact=True).fill(PASSWORD)
        popup.get_by_role("button", name="Log in", exact=True).click()
        with popup.expect_event("close"):
            popup.get_by_role("button", name="Allow", exact=True).click()
        docs.dialog.wait_for(state="detached")
        by_popup = docs.execute("orders-orders").body["of"]
        docs.log_out()
        hosts = {url.split("/")[2] for url in docs.watch.requested}
        return Visit(by_password, bar, by_popup, hosts, docs.watch.complaints, kept(docs.page))


def test_an_api_elsewhere_gets_a_page_that_logs_in_at_the_issuer(visit: Visit) -> None:
    assert (visit.by_password, visit.by_popup) == ("alice", "alice")
    assert f"alice through {CLIENT}" in visit.bar


def test_its_page_asks_nobody_but_the_api_and_the_issuer(
    visit: Visit, live: str, shop_url: str
) -> None:
    assert visit.hosts == {url.split("/")[2] for url in (live, shop_url)}
    assert visit.complaints == []


def test_its_page_stores_nothing(visit: Visit) -> None:
    assert visit.stored == [{}, {}, ""]


def test_its_policy_names_the_issuer_and_permits_nothing_inline(shop_url: str, live: str) -> None:
    with httpx2.Client(trust_env=False, timeout=10) as http:
        policy = http.get(f"{shop_url}/docs").headers["content-security-policy"]
    assert f"connect-src 'self' {live};" in policy
    assert "unsafe" not in policy


# Whoever means harm


def test_a_message_of_another_origin_ends_no_login(
    browser: Browser, shop_url: str, application: str
) -> None:
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), shop_url)
        docs.page.goto(f"{shop_url}/docs")
        docs.page.locator(".opblock-tag").wait_for()
        row = docs.open_dialog("OAuth2AuthorizationCodeBearer")
        with docs.page.expect_popup() as opened:
            row.get_by_role("button", name="Log in in a popup").click()
        popup = opened.value
        popup.get_by_label("Password", exact=True).wait_for()
        docs.page.evaluate("postMessage({ oauth2: '?error=of_the_page_itself' }, '*')")
        popup.goto(application)
        assert popup.evaluate("opener !== null")
        popup.evaluate("opener.postMessage({ oauth2: '?error=of_another_origin' }, '*')")
        popup.close()
        told = row.locator(".lk-status", has_text="closed")
        told.wait_for()
        assert told.inner_text() == "The window was closed before the end."


@dataclass(frozen=True)
class Hostile:
    """The page of an API whose texts mean harm, with everything opened and a login."""

    owned: object
    handlers: int
    links: int
    hosts: set[str]
    """That were asked for anything."""
    blocked: set[str]
    """What the policy of the page kept the browser from asking for."""
    curl: str


@pytest.fixture(scope="module")
def hostile(browser: Browser, shop_url: str) -> Hostile:
    with fresh_context(browser) as context:
        docs = Docs(context.new_page(), f"{shop_url}/hostile")
        docs.page.goto(f"{shop_url}/hostile/docs?url=https://evil.example/openapi.json")
        docs.page.locator(".opblock-tag").dispatch_event("click")
        docs.page.locator(".opblock-summary-control").dispatch_event("click")
        docs.page.locator(".opblock-body button.execute").wait_for()
        row = docs.open_dialog()
        row.locator(".lk-scopes li").first.wait_for()
        docs.close_dialog()
        docs.log_in(scopes=["openid"])
        docs.page.locator(".opblock-body button.execute").dispatch_event("click")
        docs.page.locator(".live-responses-table .response").wait_for()
        docs.page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
        docs.press("Copy as curl")
        curl = docs.dialog.get_by_label("curl command").input_value()
        page, requests = docs.page, docs.watch.requests
        return Hostile(
            page.evaluate("window.owned"),
            page.locator("#swagger-ui :is([onerror], [onload], script)").count(),
            page.locator('#swagger-ui [href^="javascript:"]').count(),
            {each.url.split("/")[2] for each in requests if each.failure != "csp"},
            {each.url for each in requests if each.failure == "csp"},
            curl,
        )


def test_nothing_that_a_document_says_is_run(hostile: Hostile) -> None:
    assert (hostile.owned, hostile.handlers, hostile.links) == (None, 0, 0)


def test_nothing_that_a_document_names_is_asked(hostile: Hostile, live: str, shop_url: str) -> None:
    assert hostile.hosts == {url.split("/")[2] for url in (live, shop_url)}
    assert hostile.blocked == {"https://evil.example/pixel"}


def test_nothing_that_a_document_says_leaves_the_quotes_of_a_command(
    hostile: Hostile, shop_url: str
) -> None:
    command, address, option, header = shlex.split(hostile.curl)
    assert (command, option, header[:22]) == ("curl", "-H", "Authorization: Bearer ")
    assert unquote(address) == f"{shop_url}/hostile{HOSTILE_PATH}"


def test_an_application_without_a_document_gets_no_page() -> None:
    with pytest.raises(ValueError, match="openapi_url is None"):
        login_docs(FastAPI(openapi_url=None), issuer="https://login.example", client_id="x")
