"""Why a login fails shows neither in the answer nor in the work: at every door, exactly one hash.

That the times are the same, too, is measured by ``python -m scripts.bench.failures``.
"""

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

import httpx2
import pytest
from fastapi import FastAPI

from app.main import create_app
from app.server import Server
from tests import databases
from tests.clock import TestClock
from tests.conftest import make_settings
from tests.factories import PASSWORD, TestClient, add_client, add_user
from tests.features import brought
from tests.pages.flow import Page, submit
from tests.passwords import Hashes, count_hashes
from tests.started import started

FAILURES = {
    "wrong": ("alice", "a wrong password"),
    "unknown": ("nobody", PASSWORD),
    "disabled": ("disabled", PASSWORD),
    "disabled, and wrong": ("disabled", "a wrong password"),
    "passwordless": ("passwordless", PASSWORD),
}

Door = Callable[[httpx2.AsyncClient, TestClient, str, str], Awaitable[httpx2.Response]]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Generator[FastAPI]:
    with databases.sqlite(tmp_path_factory.mktemp("same")) as backend:
        yield create_app(make_settings(database_url=backend.migrated()), TestClock())


@pytest.fixture(scope="module")
async def http(app: FastAPI) -> AsyncGenerator[httpx2.AsyncClient]:
    async with started(app) as client:
        yield client


@pytest.fixture(scope="module")
async def web(app: FastAPI, http: httpx2.AsyncClient) -> TestClient:
    """A client, and the four users."""
    server: Server = app.state.server
    await add_user(server)
    await add_user(server, "disabled", disabled=True)
    await add_user(server, "passwordless", password_hash=None)
    return await add_client(server)


@pytest.fixture
def hashes(app: FastAPI, web: TestClient, monkeypatch: pytest.MonkeyPatch) -> Hashes:
    return count_hashes(app.state.server, monkeypatch)


async def by_token(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    form = {"grant_type": "password", "username": username, "password": password}
    return await http.post("/token", data=form, auth=web.basic)


async def by_page(
    http: httpx2.AsyncClient, web: TestClient, username: str, password: str
) -> httpx2.Response:
    form = Page(await http.get("/login")).form
    return await submit(http, form, {"username": username, "password": password})


DOORS = pytest.mark.parametrize("door", [by_token, by_page, *brought("DOORS").values()])


@DOORS
@pytest.mark.parametrize("failure", FAILURES)
async def test_a_login_that_fails_costs_one_hash(
    http: httpx2.AsyncClient, web: TestClient, hashes: Hashes, door: Door, failure: str
) -> None:
    response = await door(http, web, *FAILURES[failure])
    assert 400 <= response.status_code < 500, response.text
    assert hashes.count == 1


@DOORS
async def test_a_login_that_succeeds_costs_one_hash(
    http: httpx2.AsyncClient, web: TestClient, hashes: Hashes, door: Door
) -> None:
    response = await door(http, web, "alice", PASSWORD)
    assert response.status_code < 400, response.text
    assert hashes.count == 1
    http.cookies.clear()


@DOORS
async def test_every_failure_has_the_same_answer(
    http: httpx2.AsyncClient, web: TestClient, door: Door
) -> None:
    answers = set()
    for username, password in FAILURES.values():
        response = await door(http, web, username, password)
        response.headers.pop("x-request-id")
        response.headers.pop("content-length")  # the page repeats the name
        answers.add((response.status_code, repr(response.headers), seen(response, username)))
    assert len(answers) == 1


def seen(response: httpx2.Response, username: str) -> str:
    """The body, without the name that was typed."""
    return response.text.replace(f'value="{username}"', 'value=""')
