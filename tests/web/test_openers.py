"""What opens each operation: a list, and a test for forks."""

import re
from typing import Annotated

import pytest
from fastapi import FastAPI, Security
from fastapi.security import APIKeyHeader, HTTPBearer

from app.main import create_app
from app.web.openers import assert_protected, operations_of
from tests.conftest import make_settings
from tests.features import brought
from tests.support.routes import shipped_routes

OPEN = (
    r"(GET|HEAD) /\.well-known/.+",
    r"OPTIONS /.+",  # preflights of browsers
    r"(GET|HEAD) /(healthz|readyz|openapi\.json|docs|docs/.+|assets/.+)",
    r"GET /",
    # Pages, which ask for a login themselves; forms are bound to the browser they were shown to.
    r"(GET|HEAD|POST) /(authorize|login|consent|logout|account)",
    *brought("OPEN"),
)
"""What anybody may ask for."""


@pytest.fixture(scope="module")
def app() -> FastAPI:
    return create_app(make_settings())


def opened_by(app: FastAPI, name: str) -> tuple[str, ...]:
    return next(each.opened_by for each in operations_of(app) if each.name == name)


def test_no_operation_is_open_that_is_not_listed(app: FastAPI) -> None:
    shipped = {f"{method} {path}" for method, path in shipped_routes(app)}
    open_ones = {each.name for each in operations_of(app) if "anyone" in each.opened_by}
    unlisted = [
        name for name in open_ones & shipped if not any(re.fullmatch(each, name) for each in OPEN)
    ]
    assert unlisted == []


@pytest.mark.parametrize(
    ("name", "openers"),
    [
        ("GET /users/me", ("OAuth2PasswordBearer profile",)),
        ("POST /token", ("client authentication",)),
        ("POST /userinfo", ("OAuth2PasswordBearer openid",)),
        ("GET /healthz", ("anyone",)),
    ],
)
def test_an_operation_is_opened_by_what_it_declares(
    app: FastAPI, name: str, openers: tuple[str, ...]
) -> None:
    assert opened_by(app, name) == openers


@pytest.mark.parametrize(
    ("scope", "opener"),
    [
        ("", "a login in the browser"),
        ("audit:read", "a login in the browser of a user with audit:read"),
    ],
)
def test_the_documentation_is_opened_by_a_login_where_a_setting_says_so(
    scope: str, opener: str
) -> None:
    closed = create_app(make_settings(docs="login", docs_scope=scope))
    for path in ("/docs", "/openapi.json"):
        for method in ("GET", "HEAD"):
            assert opened_by(closed, f"{method} {path}") == (opener,)
    assert opened_by(closed, "GET /docs/docs.js") == ("anyone",)


@pytest.fixture
def fork() -> FastAPI:
    """Another application: one route behind two schemes, one for everybody, one by mistake."""
    app = FastAPI(openapi_url=None)
    bearer, key = HTTPBearer(auto_error=False), APIKeyHeader(name="X-Key", auto_error=False)

    @app.get("/reports/{report_id:int}")
    async def report(
        report_id: int,
        _token: Annotated[object, Security(bearer)],
        _key: Annotated[object, Security(key)],
    ) -> None: ...

    @app.get("/status")
    async def status() -> None: ...

    @app.delete("/reports")
    async def delete_reports() -> None: ...

    return app


def test_schemes_of_fastapi_are_alternatives(fork: FastAPI) -> None:
    assert opened_by(fork, "GET /reports/{report_id}") == ("HTTPBearer", "APIKeyHeader")


def test_a_route_that_is_open_by_mistake_fails_the_test_of_a_fork(fork: FastAPI) -> None:
    with pytest.raises(AssertionError, match=r"^open to anyone: DELETE /reports$"):
        assert_protected(fork, except_=["GET /status"])


def test_what_is_listed_and_not_open_fails_the_test_of_a_fork(fork: FastAPI) -> None:
    listed = ["GET /status", "DELETE /reports", "GET /gone"]
    with pytest.raises(AssertionError, match=r"^not open to anyone, and listed: GET /gone$"):
        assert_protected(fork, except_=listed)


def test_a_fork_whose_open_routes_are_listed_passes(fork: FastAPI) -> None:
    assert_protected(fork, except_=["GET /status", "DELETE /reports"])
