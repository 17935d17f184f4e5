"""The pages while the database does not answer: said on a page, or to the client."""

from collections.abc import Callable

import httpx2
import pytest

from app.database.engines import Database
from tests.support.clock import TestClock
from tests.support.flow import (
    CodeFlow,
    Page,
    assert_asks_to_allow,
    assert_code_answer,
    assert_error_answer,
    assert_error_page,
)
from tests.support.lifecycle import KNOWN_EVERYWHERE

# What is tested here does not depend on the kind of database.
pytestmark = pytest.mark.parametrize("backend", ["sqlite"], indirect=True, scope="session")

INTERRUPTION = "The service is temporarily unavailable"
UNAVAILABLE = "The service is temporarily unavailable. Try again in a moment."

Outage = Callable[[], None]


@pytest.fixture
def outage(monkeypatch: pytest.MonkeyPatch) -> Outage:
    """Lets the database go away."""

    def refuse(_database: Database) -> None:
        raise ConnectionRefusedError

    async def refuse_work(_database: Database, _work: object) -> None:
        raise ConnectionRefusedError

    def begin() -> None:
        monkeypatch.setattr(Database, "read", refuse)
        monkeypatch.setattr(Database, "transaction", refuse)
        monkeypatch.setattr(Database, "transact", refuse_work)

    return begin


def assert_says_to_come_back(response: httpx2.Response) -> None:
    assert_error_page(response, INTERRUPTION, 503)
    assert response.headers["retry-after"] == "2"
    assert response.headers["cache-control"] == "no-store"
    assert "reload this page" in Page(response).text
    assert response.headers["x-request-id"] in Page(response).text


@pytest.mark.parametrize("path", ["/login", "/consent", "/account", "/logout"])
async def test_a_page_says_to_come_back(flow: CodeFlow, outage: Outage, path: str) -> None:
    await flow.finish()
    outage()
    assert_says_to_come_back(await flow.browser.get(path, params={"request": "x" * 43}))


@pytest.mark.parametrize("path", ["/login", "/consent", "/account", "/logout"])
async def test_a_form_says_to_come_back(flow: CodeFlow, outage: Outage, path: str) -> None:
    await flow.finish()
    outage()
    assert_says_to_come_back(await flow.browser.post(path, data={"form_token": "x"}))


async def test_the_login_form_works_when_it_is_sent_again(
    flow: CodeFlow, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = await flow.login_page()
    outage()
    assert_says_to_come_back(await flow.log_in(page))
    monkeypatch.undo()
    assert_asks_to_allow(await flow.log_in(page))


async def test_a_request_of_a_client_that_cannot_be_looked_up_ends_on_a_page(
    flow: CodeFlow, outage: Outage, clock: TestClock
) -> None:
    clock.advance(KNOWN_EVERYWHERE)
    outage()
    assert_says_to_come_back(await flow.start())
    assert_says_to_come_back(await flow.post())


@pytest.mark.rfc("6749", "4.1.2.1", 9)
async def test_a_client_that_is_known_is_told_by_redirect(flow: CodeFlow, outage: Outage) -> None:
    await flow.login_page()
    outage()
    for response in (await flow.start(), await flow.post()):
        assert_error_answer(response, "temporarily_unavailable", UNAVAILABLE)


@pytest.mark.rfc("6749", "4.1.2.1", 9)
async def test_the_redirect_uri_is_good_before_a_client_is_told(
    flow: CodeFlow, outage: Outage
) -> None:
    await flow.login_page()
    outage()
    response = await flow.start(redirect_uri="https://evil.example.com/")
    assert (response.status_code, "location" in response.headers) == (400, False)


async def test_the_request_works_when_the_database_is_back(
    flow: CodeFlow, outage: Outage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await flow.finish()
    outage()
    assert_says_to_come_back(await flow.start())  # whose session could not be looked up
    monkeypatch.undo()
    assert_code_answer(await flow.start())
