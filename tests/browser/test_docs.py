"""Swagger UI at ``/docs``, as a person with a browser meets it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import pytest

from app.clock import Clock
from app.database.engines import Database
from app.identity.scopes import list_scopes
from app.management.authority import operating
from app.management.scopes import create_scope
from tests.support.docs_page import Answer, Docs, Watch, fresh_context
from tests.support.live_server import default_scope

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Locator, Page
    from sqlalchemy.ext.asyncio import AsyncConnection

Result = TypeVar("Result")

PASSWORD = "alice-in-wonderland"

PROPAGATION = 2
"""Seconds that a change to a scope may take to reach a server."""


def in_database(url: str, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """What ``work`` returns; in a thread of its own, for the browser's loop runs in this one."""

    async def main() -> Result:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(lambda: asyncio.run(main())).result()


def offered_scopes(dialog: Locator) -> Mapping[str, str]:
    """Name and description of each scope that may be ticked."""
    names = dialog.locator(".scopes .checkbox .name").all_inner_texts()
    descriptions = dialog.locator(".scopes .checkbox .description").all_inner_texts()
    return dict(zip(names, descriptions, strict=True))


@pytest.fixture(scope="module")
def dialog(context: BrowserContext, live: str) -> Generator[Locator]:
    """The Authorize dialog as it opens."""
    with context.new_page() as page:
        docs = Docs(page, live)
        docs.load()
        yield docs.open_dialog()


@dataclass(frozen=True)
class Visit:
    """An operation before the login; a wrong password; the right one; operations after it.

    One of them is `/token` itself, of whose form only the password is typed.
    """

    page: Page
    watch: Watch
    anonymous: Answer
    refusal: str
    me: Answer
    sessions: Answer
    userinfo: Answer
    token: Answer


@pytest.fixture(scope="module")
def visit(browser: Browser, live: str) -> Generator[Visit]:
    with fresh_context(browser) as context:
        page = context.new_page()
        watch = Watch(page)
        docs = Docs(page, live)
        docs.load()
        anonymous = docs.execute("account-list_sessions")
        dialog = docs.open_dialog()
        docs.submit(dialog, "wrong")
        refusal = dialog.locator(".errors").inner_text()
        docs.submit(dialog, PASSWORD)
        docs.close_when_logged_in(dialog)
        me = docs.execute("account-get_me")
        sessions = docs.execute("account-list_sessions")
        userinfo = docs.execute("openid-post_userinfo")
        token = docs.execute("oauth2-token", form={"password": PASSWORD})
        yield Visit(page, watch, anonymous, refusal, me, sessions, userinfo, token)


# The Authorize dialog


def test_the_dialog_names_the_client_of_the_documentation(dialog: Locator) -> None:
    assert dialog.locator("#client_id_password").input_value() == "swagger-ui"


def test_the_dialog_has_the_default_scopes_of_its_client_ticked(dialog: Locator) -> None:
    ticked = dialog.locator(".scopes input:checked").evaluate_all(
        "boxes => boxes.map(box => box.dataset.value)"
    )
    assert ticked == default_scope("swagger-ui").split()


def test_the_dialog_offers_every_scope_of_the_database_with_its_description(
    dialog: Locator, live_database_url: str
) -> None:
    offered = offered_scopes(dialog)
    assert offered == in_database(live_database_url, list_scopes)
    assert offered["profile"] == "See your user name"


def test_the_dialog_logs_in_also_with_the_client_in_the_request_body(docs: Docs) -> None:
    dialog = docs.open_dialog()
    dialog.locator("#password_type").select_option("request-body")
    docs.submit(dialog, PASSWORD)
    docs.close_when_logged_in(dialog)
    assert docs.execute("account-get_me").status == "200"


def test_a_wrong_password_is_refused_with_a_reason_that_a_person_can_read(visit: Visit) -> None:
    reason = "error: invalid_grant, description: The user name or the password is wrong."
    assert reason in visit.refusal


# Trying operations out


def test_an_operation_is_refused_before_anybody_logs_in(visit: Visit) -> None:
    assert visit.anonymous.status == "401"


def test_whoever_logged_in_sees_their_profile(visit: Visit) -> None:
    assert (visit.me.status, visit.me.body["username"]) == ("200", "alice")


def test_an_operation_whose_scope_was_not_ticked_is_refused_with_its_name(visit: Visit) -> None:
    assert visit.sessions.status == "403"
    assert visit.sessions.body["error"] == "insufficient_scope"
    assert visit.sessions.body["scope"] == "account"


def test_a_form_that_is_left_empty_does_not_get_in_the_way_of_the_login(visit: Visit) -> None:
    assert visit.userinfo.status == "200"
    assert visit.userinfo.body["preferred_username"] == "alice"


def test_the_token_endpoint_can_be_tried_out_with_nothing_typed_but_the_password(
    visit: Visit,
) -> None:
    assert (visit.token.status, visit.token.body["token_type"]) == ("200", "Bearer")
    assert visit.token.body["scope"] == default_scope("first-party")


def test_the_padlock_of_an_operation_is_closed_after_the_login(visit: Visit) -> None:
    padlock = visit.page.locator("#operations-account-get_me .authorization__btn")
    assert padlock.get_attribute("aria-label") == "authorization button locked"


# What a visit leaves behind


def test_a_visit_stores_nothing_in_the_browser(visit: Visit) -> None:
    kept = visit.page.evaluate("[{...localStorage}, {...sessionStorage}, document.cookie]")
    assert kept == [{}, {}, ""]


def test_a_visit_asks_no_other_host(visit: Visit, live: str) -> None:
    assert f"{live}/docs" in visit.watch.requested
    assert [url for url in visit.watch.requested if not url.startswith(f"{live}/")] == []


def test_a_visit_brings_no_complaint_of_the_browser_but_of_the_refused_requests(
    visit: Visit,
) -> None:
    refused = "Failed to load resource: the server responded with a status of"
    assert visit.watch.complaints == [
        f"{refused} 401 (Unauthorized)",
        f"{refused} 400 (Bad Request)",
        f"{refused} 403 (Forbidden)",
    ]


# The database behind it. It is last, for it adds a scope.


def test_a_scope_added_while_the_server_runs_is_offered_within_two_seconds(
    docs: Docs, live_database_url: str
) -> None:
    name, description = "reports:read", "See the reports"

    async def add() -> None:
        database = Database(live_database_url)
        async with operating(database, Clock()) as operator:
            await create_scope(operator, name=name, description=description)
        await database.close()

    assert name not in offered_scopes(docs.open_dialog())
    with ThreadPoolExecutor(1) as thread:
        thread.submit(lambda: asyncio.run(add())).result()
    deadline = time.monotonic() + PROPAGATION
    offered: Mapping[str, str] = {}
    while name not in offered:
        started = time.monotonic()
        docs.load()
        dialog = docs.open_dialog()
        offered = offered_scopes(dialog)
        assert name in offered or started < deadline
    assert offered[name] == description
    dialog.get_by_text("select all", exact=True).click()
    docs.submit(dialog, PASSWORD)
    docs.close_when_logged_in(dialog)  # its client may ask for the new scope as well
