"""Why a login fails shows neither in the answer nor in the work, which is exactly one hash.

That the times are the same, too, is measured by ``python -m scripts.bench.failures``.
"""

from collections.abc import Awaitable, Callable

import httpx2
import pytest

from app.server import Server
from tests.features import brought
from tests.support.factories import PASSWORD, TestClient, add_client, add_user
from tests.support.on_sqlite import settings
from tests.support.passwords import Hashes, count_hashes
from tests.support.started import app, clock, http, server

__all__ = ["app", "clock", "http", "server", "settings"]

FAILURES = {
    "wrong": ("alice", "a wrong password"),
    "unknown": ("nobody", PASSWORD),
    "disabled": ("disabled", PASSWORD),
    "disabled, and wrong": ("disabled", "a wrong password"),
    "passwordless": ("passwordless", PASSWORD),
}

LogIn = Callable[[httpx2.AsyncClient, TestClient, str, str], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
async def web(server: Server) -> TestClient:
    """A client, and the four users."""
    await add_user(server)
    await add_user(server, "disabled", disabled=True)
    await add_user(server, "passwordless", password_hash=None)
    return await add_client(server)


@pytest.fixture
def hashes(server: Server, web: TestClient, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    return count_hashes(server, monkeypatch)


async def by_token(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": password}
    return await http.post("/token", data=form, auth=web.basic)


WAYS_IN = pytest.mark.parametrize("log_in", [by_token, *brought("WAYS_IN").values()])


@WAYS_IN
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_login_that_fails_costs_one_hash(
    http: httpx2.AsyncClient, web: TestClient, hashes: Hashes, log_in: LogIn, failure: str
) -> None:
    response = await log_in(http, web, *FAILURES[failure])
    assert 400 <= response.status_code < 500, response.text
    assert hashes.count == 1


@WAYS_IN
async def test_a_login_that_succeeds_costs_one_hash(
    http: httpx2.AsyncClient, web: TestClient, hashes: Hashes, log_in: LogIn
) -> None:
    response = await log_in(http, web, "alice", PASSWORD)
    assert response.status_code < 400, response.text
    assert hashes.count == 1
    http.cookies.clear()


@WAYS_IN
async def test_every_failure_has_the_same_answer(
    http: httpx2.AsyncClient, web: TestClient, log_in: LogIn
) -> None:
    answers = set()
    for username, password in FAILURES.values():
        response = await log_in(http, web, username, password)
        response.headers.pop("x-request-id")
        response.headers.pop("content-length")  # the page repeats the name
        answers.add((response.status_code, repr(response.headers), seen(response, username)))
    assert len(answers) == 1


def seen(response: httpx2.Response, username: str) -> str:
    """The body, without the name that was typed."""
    return response.text.replace(f'value="{username}"', 'value=""')
