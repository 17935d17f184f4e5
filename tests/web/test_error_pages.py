"""What a browser is shown where nothing is, and where something went wrong."""

import httpx2
import pytest
from fastapi import FastAPI, HTTPException

from app.pages.errors import PageRoute
from app.settings import Settings
from app.web.limits import ADDRESS_LIMIT
from app.web.routes import learn_classes
from tests.conftest import ISSUER
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.clock import TestClock
from tests.support.flow import Page
from tests.support.on_sqlite import backend as backend
from tests.support.shared import Shared
from tests.web.test_security_headers import PAGE

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}

NOWHERE = "There is no page here"


def assert_page(response: httpx2.Response, status: int, heading: str) -> Page:
    page = Page(response)
    assert (response.status_code, page.heading) == (status, heading)
    assert response.headers["content-security-policy"] == PAGE
    return page


@pytest.mark.parametrize("path", ["/nowhere", "/users/", "/favicon.ico", "/wp-login.php", "/a/b/c"])
async def test_a_browser_is_shown_a_page_where_there_is_none(
    http: httpx2.AsyncClient, path: str
) -> None:
    assert_page(await http.get(path, headers=BROWSER), 404, NOWHERE)


@pytest.mark.parametrize("accept", ["*/*", "application/json", "image/avif,image/webp,*/*", ""])
async def test_everything_else_is_told_it_as_a_problem(
    http: httpx2.AsyncClient, accept: str
) -> None:
    response = await http.get("/nowhere", headers={"Accept": accept})
    assert assert_problem(response, 404)["detail"] == "There is no resource at this address."


async def test_a_path_of_the_api_answers_browsers_as_it_answers_everybody(
    http: httpx2.AsyncClient,
) -> None:
    assert_problem(await http.get("/users/me", headers=BROWSER), 401)
    assert_oauth2_error(await http.get("/token", headers=BROWSER), "invalid_request", 405)


@pytest.mark.parametrize(
    ("path", "root"), [("/nowhere", ""), ("/a/", "../"), ("/a/b/c", "../../"), ("//", "../")]
)
async def test_a_page_finds_the_way_to_its_files_from_wherever_it_is(
    http: httpx2.AsyncClient, path: str, root: str
) -> None:
    page = (await http.get(ISSUER + path, headers=BROWSER)).text
    assert f'<link rel="stylesheet" href="{root}assets/page.css?' in page


async def test_an_address_of_slashes_does_not_make_a_longer_page(http: httpx2.AsyncClient) -> None:
    page = await http.get(ISSUER + "/a" + "/" * 10_000, headers=BROWSER)
    assert len(assert_page(page, 404, NOWHERE).text) < 200
    assert len(page.content) < 3_000


async def test_nothing_of_the_address_is_repeated(http: httpx2.AsyncClient) -> None:
    page = await http.get("/<script>alert(1)</script>?token=secret", headers=BROWSER)
    assert "alert" not in page.text
    assert "secret" not in page.text


async def test_an_address_that_is_too_long_is_told_on_a_page(http: httpx2.AsyncClient) -> None:
    response = await http.get("/" + "a" * ADDRESS_LIMIT, headers=BROWSER)
    assert_page(response, 414, "This address is too long")


# Errors of a page itself


@pytest.fixture
def app(settings: Settings, clock: TestClock) -> FastAPI:
    """An application of this module alone: the others share theirs."""
    return Shared().fresh_app(settings, clock)


def add_page(app: FastAPI, error: Exception) -> None:
    async def page() -> None:
        raise error

    app.router.add_api_route("/own", page, route_class_override=PageRoute)
    learn_classes(app, pages=PageRoute)


async def test_too_many_requests_are_told_on_a_page_with_when_to_come_back(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    add_page(app, HTTPException(429, headers={"Retry-After": "60"}))
    response = await http.get("/own")
    assert_page(response, 429, "Too many requests")
    assert response.headers["retry-after"] == "60"


async def test_a_fault_is_told_on_a_page_with_a_code_and_nothing_of_the_fault(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    add_page(app, RuntimeError("a secret of the server"))
    response = await http.get("/own")
    page = assert_page(response, 500, "Something went wrong on our side")
    assert page.all("code") == [response.headers["x-request-id"]]
    assert "secret" not in response.text


async def test_an_outage_is_told_on_a_page(app: FastAPI, http: httpx2.AsyncClient) -> None:
    add_page(app, ConnectionRefusedError())
    response = await http.get("/own")
    assert_page(response, 503, "The service is temporarily unavailable")
    assert response.headers["retry-after"] == "2"


async def test_before_the_server_is_ready_a_browser_is_shown_a_page(
    app: FastAPI, http: httpx2.AsyncClient
) -> None:
    app.state.server.phase = "starting"
    response = await http.get("/nowhere", headers=BROWSER)
    assert_page(response, 503, "The service is temporarily unavailable")
