"""What opens each operation: a list, and a test for forks."""

import re
from collections.abc import Callable
from typing import Annotated

import pytest
from fastapi import APIRouter, Depends, FastAPI, Security, WebSocket
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.endpoints import HTTPEndpoint
from starlette.routing import Host, Mount, Route, Router
from starlette.types import Receive, Scope, Send

from app.main import create_app
from app.web.openers import assert_protected, guard, operations_of
from tests.conftest import make_settings
from tests.features import brought
from tests.support.routes import shipped_routes

OPEN = (
    r"(GET|HEAD) /\.well-known/.+",
    r"OPTIONS /.+",  # preflights of browsers
    r"(GET|HEAD) /(healthz|readyz|openapi\.json|docs|docs/.+|assets/.+)",
    r"GET /",
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
    @guard
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


# What any application of FastAPI may have


def test_the_pages_of_fastapi_are_open() -> None:
    paths = ("/docs", "/docs/oauth2-redirect", "/openapi.json", "/redoc")
    listed = [f"{method} {path}" for path in paths for method in ("GET", "HEAD")]
    assert_protected(FastAPI(), except_=listed)


async def nothing() -> None:
    """A route that asks for nothing."""


async def socket_of_anyone(socket: WebSocket) -> None:
    """A socket that asks for nothing."""


async def another_framework(scope: Scope, receive: Receive, send: Send) -> None:
    """Nobody can tell what it lets in."""


def inner() -> FastAPI:
    """An application with one open route and one that is not."""
    app = FastAPI(openapi_url=None)
    app.get("/open")(nothing)
    app.get("/closed", dependencies=[Depends(HTTPBearer())])(nothing)
    return app


def included(app: FastAPI) -> None:
    """What is Starlette's has no dependencies of the router that it is in."""
    router = APIRouter()
    router.mount("/files", another_framework)
    router.add_websocket_route("/socket", socket_of_anyone)
    app.include_router(router, prefix="/v1", dependencies=[Depends(HTTPBearer())])


optional = Depends(HTTPBearer(auto_error=False))

OPEN_BY_MISTAKE: dict[str, Callable[[FastAPI], object]] = {
    "WEBSOCKET /news": lambda app: app.websocket("/news")(socket_of_anyone),
    "MOUNT /static": lambda app: app.mount("/static", another_framework),
    "MOUNT /": lambda app: app.mount("/", another_framework),
    "GET /inner/open": lambda app: app.mount("/inner", inner()),
    "GET /a/b/open": lambda app: app.mount("/a", Router([Mount("/b", inner())])),
    "MOUNT /v1/files, WEBSOCKET /v1/socket": included,
    "ANY /class": lambda app: app.router.routes.append(Route("/class", HTTPEndpoint)),
    "HOST admin.example": lambda app: app.router.routes.append(Host("admin.example", inner())),
    "GET /optional": lambda app: app.get("/optional", dependencies=[optional])(nothing),
    "GET /said": lambda app: app.get(
        "/said", openapi_extra={"security": [{"OAuth2PasswordBearer": []}]}
    )(nothing),
}


@pytest.mark.parametrize("name", OPEN_BY_MISTAKE)
def test_what_is_open_or_cannot_be_judged_has_to_be_listed(name: str) -> None:
    app = FastAPI(openapi_url=None)
    OPEN_BY_MISTAKE[name](app)
    with pytest.raises(AssertionError, match=f"^open to anyone: {name}$"):
        assert_protected(app)
    assert_protected(app, except_=name.split(", "))


def test_what_is_protected_need_not_be_listed() -> None:
    app = FastAPI(openapi_url=None, dependencies=[Depends(HTTPBearer())])
    app.get("/also-optional", dependencies=[optional])(nothing)
    app.websocket("/news")(socket_of_anyone)
    assert_protected(app)


def test_a_guard_protects_what_depends_on_it() -> None:
    @guard
    def of_schemes(_token: Annotated[object, optional]) -> None: ...

    @guard
    def of_the_network() -> None: ...

    app = FastAPI(openapi_url=None)
    app.get("/token", dependencies=[Depends(of_schemes)])(nothing)
    app.get("/inside", dependencies=[Depends(of_the_network)])(nothing)
    assert opened_by(app, "GET /token") == ("HTTPBearer",)
    assert opened_by(app, "GET /inside") == ("a guard",)


def test_a_dependency_that_is_no_guard_may_let_in_whoever_comes_with_nothing() -> None:
    def user_or_nobody(_token: Annotated[object, optional]) -> None: ...

    app = FastAPI(openapi_url=None)
    app.get("/home", dependencies=[Depends(user_or_nobody)])(nothing)
    assert opened_by(app, "GET /home") == ("HTTPBearer", "anyone")
