"""What a route says with FastAPI's ``HTTPException`` is what its caller reads."""

import httpx2
import pytest
from fastapi import FastAPI, HTTPException

from app.settings import Settings
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.on_sqlite import backend as backend
from tests.support.shared import Shared


@pytest.fixture
def app(settings: Settings, clock: TestClock) -> FastAPI:
    """An application of this module alone: the others share theirs."""
    return Shared().fresh_app(settings, clock)


async def raised(app: FastAPI, http: httpx2.AsyncClient, error: HTTPException) -> httpx2.Response:
    """The answer of a route that raises ``error``."""

    async def route() -> None:
        raise error

    app.add_api_route("/own", route)
    return await http.get("/own")


@pytest.mark.parametrize("status", [400, 403, 404, 405, 409, 413, 418, 500])
async def test_the_text_of_an_exception_is_the_detail_of_a_problem(
    app: FastAPI, http: httpx2.AsyncClient, status: int
) -> None:
    response = await raised(app, http, HTTPException(status, "The 7th report is not ready."))
    assert assert_problem(response, status)["detail"] == "The 7th report is not ready."


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        (404, "There is no resource at this address."),
        (405, "This method is not allowed at this address."),
        (413, "The request body is too large."),
        (418, "I'm a Teapot"),
    ],
)
async def test_an_exception_without_a_text_gets_a_sentence(
    app: FastAPI, http: httpx2.AsyncClient, status: int, sentence: str
) -> None:
    response = await raised(app, http, HTTPException(status))
    assert assert_problem(response, status)["detail"] == sentence


async def test_the_headers_of_an_exception_are_sent(app: FastAPI, http: httpx2.AsyncClient) -> None:
    error = HTTPException(401, "Show a badge.", {"WWW-Authenticate": 'Badge realm="door"'})
    response = await raised(app, http, error)
    assert assert_problem(response, 401)["detail"] == "Show a badge."
    assert response.headers["www-authenticate"] == 'Badge realm="door"'
