"""``LATCHKEY_DOCS=login``: the page for whoever is logged in in the browser."""

from urllib.parse import urlencode

import httpx2
import pytest

from tests.conftest import ISSUER
from tests.support.assertions import assert_problem
from tests.support.factories import TestUser
from tests.support.flow import LOGIN_HEADING, Page, assert_error_page, submit

LOGIN = f"{ISSUER}/login?next=docs"


@pytest.fixture
def changes() -> dict[str, object]:
    return {"docs": "login", "docs_scope": "items:write"}


async def log_in_here(browser: httpx2.AsyncClient, user: TestUser) -> None:
    form = Page(await browser.get("/login")).form
    await submit(browser, form, {"username": user.username, "password": user.password})


async def log_in_at(
    browser: httpx2.AsyncClient, address: str, user: TestUser, password: str = ""
) -> httpx2.Response:
    """Send the form of the login page at ``address``; if that leads on, to the address itself."""
    form = Page(await browser.get(address)).form
    assert form.action == ("" if address == LOGIN else "login")
    typed = {"username": user.username, "password": password or user.password}
    return await browser.post(address, data=form.fields | typed)


async def test_whoever_is_not_logged_in_is_sent_to_the_login_page(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.get("/docs")
    assert (response.status_code, response.headers["location"]) == (303, LOGIN)
    assert Page(await http.get(LOGIN)).heading == LOGIN_HEADING


async def test_the_login_that_the_page_asks_for_leads_back_to_it(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    wrong = await log_in_at(http, LOGIN, alice, "a wrong password")
    assert (wrong.status_code, Page(wrong).form.action) == (400, "")
    right = await log_in_at(http, LOGIN, alice)
    assert (right.status_code, right.headers["location"]) == (303, f"{ISSUER}/docs")
    assert (await http.get("/docs")).status_code == 200


async def test_the_login_page_leads_whoever_is_logged_in_back_at_once(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    assert (await http.get(LOGIN)).headers["location"] == f"{ISSUER}/docs"


@pytest.mark.parametrize("named", ["//evil.example", "https://evil.example", "logout", "docs/../x"])
async def test_a_login_leads_to_no_page_that_a_link_names(
    http: httpx2.AsyncClient, alice: TestUser, named: str
) -> None:
    address = f"{ISSUER}/login?{urlencode({'next': named})}"
    before = await log_in_at(http, address, alice)
    after = await http.get(address)
    assert {each.headers["location"] for each in (before, after)} == {f"{ISSUER}/account"}


async def test_the_document_is_refused_to_whoever_is_not_logged_in(
    http: httpx2.AsyncClient,
) -> None:
    problem = assert_problem(await http.get("/openapi.json"), 403)
    assert problem["detail"] == "Log in to this server in this browser first."


async def test_a_user_with_the_scope_sees_the_page_and_the_document(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    page, document = await http.get("/docs"), await http.get("/openapi.json")
    assert (page.status_code, document.status_code) == (200, 200)
    assert 'data-client-id="' in page.text
    assert document.json()["openapi"].startswith("3.1")


@pytest.mark.parametrize("changes", [{"docs": "login", "docs_scope": "audit:read"}])
async def test_a_user_who_lacks_the_scope_is_refused_both(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    assert_error_page(await http.get("/docs"), "You cannot see this page", 403)
    problem = assert_problem(await http.get("/openapi.json"), 403)
    assert problem["detail"] == "Your account does not have the scope that this takes."


@pytest.mark.parametrize("changes", [{"docs": "login"}])
async def test_without_a_scope_every_user_sees_the_page(
    http: httpx2.AsyncClient, alice: TestUser
) -> None:
    await log_in_here(http, alice)
    assert (await http.get("/docs")).status_code == 200
