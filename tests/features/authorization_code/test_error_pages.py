"""What a browser is shown where a page cannot answer, and the way on to the account."""

import httpx2
import pytest

from tests.conftest import ISSUER
from tests.support.flow import Page
from tests.support.on_sqlite import backend as backend

BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


def assert_page(response: httpx2.Response, status: int, heading: str) -> Page:
    page = Page(response)
    assert (response.status_code, page.heading) == (status, heading)
    return page


@pytest.mark.parametrize(
    ("path", "root"), [("/nowhere", ""), ("/a/", "../"), ("/a/b/c", "../../"), ("//", "../")]
)
async def test_whoever_is_lost_is_led_to_their_account(
    http: httpx2.AsyncClient, path: str, root: str
) -> None:
    response = await http.get(ISSUER + path, headers=BROWSER)
    assert Page(response).all("a") == ["Go to your account"]
    assert f'<a class="button" href="{root}account">' in response.text


async def test_a_method_that_a_page_does_not_take_is_told_on_a_page(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.put("/login", headers=BROWSER)
    assert_page(response, 405, "This page cannot be used like that")
    assert response.headers["allow"] == "GET, HEAD, POST"


async def test_a_form_that_is_too_large_is_told_on_a_page(http: httpx2.AsyncClient) -> None:
    response = await http.post("/login", data={"username": "x" * 70_000}, headers=BROWSER)
    assert_page(response, 413, "The request is too large")
