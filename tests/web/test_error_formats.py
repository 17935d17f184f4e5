"""In which format an error is told, and to whom each of its sentences goes."""

import inspect
from collections.abc import Iterator
from typing import Any, Literal

import httpx2
import pytest
from fastapi import APIRouter, FastAPI
from fastapi.routing import iter_route_contexts

from app.errors import AnsweredError, LoginRefused
from app.look import Look
from app.web.error_answers import add_error_handlers
from app.web.routes import (
    ApiRoute,
    CrossOriginOAuth2Route,
    OAuth2Route,
    learn_classes,
)
from tests.features import brought
from tests.support.assertions import assert_oauth2_error, assert_problem

Why = Literal["wrong", "wait", "busy"]


def kinds_of(error: type[AnsweredError]) -> Iterator[type[AnsweredError]]:
    yield error
    for kind in error.__subclasses__():
        yield from kinds_of(kind)


@pytest.mark.parametrize("error", [*kinds_of(AnsweredError)], ids=lambda error: error.__name__)
def test_what_is_told_and_what_is_logged_can_only_be_given_by_name(
    error: type[AnsweredError],
) -> None:
    for parameter in inspect.signature(error).parameters.values():
        if parameter.name in ("told", "reason", "line", "description"):
            assert parameter.kind is inspect.Parameter.KEYWORD_ONLY


# A login that is refused


@pytest.fixture
async def refusing() -> httpx2.AsyncClient:
    """An application whose every route refuses a login, each in the format of its class."""
    app = FastAPI()
    add_error_handlers(app, "a realm", Look("Latchkey"), "https://test/metadata")

    async def refuse(why: Why) -> None:
        raise LoginRefused(why, reason="a reason for the log", retry_after=42)

    for path, route_class in (("/plain", None), ("/api", ApiRoute), ("/oauth2", OAuth2Route)):
        router = APIRouter(route_class=route_class) if route_class else APIRouter()
        router.add_api_route(path, refuse)
        router.add_api_route(path + "/{number}", refuse)
        app.include_router(router)
    learn_classes(app)
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("path", ["/plain", "/api"])
@pytest.mark.parametrize(
    ("why", "status", "detail", "retry_after"),
    [
        ("wrong", 403, "The current password is wrong.", None),
        ("wait", 429, "Too many failed attempts. Try again later.", "42"),
        ("busy", 503, "Too many log in at the moment.", "2"),
    ],
)
async def test_the_json_api_tells_a_refused_login_as_a_problem(
    refusing: httpx2.AsyncClient,
    path: str,
    why: Why,
    status: int,
    detail: str,
    retry_after: str | None,
) -> None:
    response = await refusing.get(path, params={"why": why})
    assert assert_problem(response, status)["detail"] == detail
    assert response.headers.get("retry-after") == retry_after


@pytest.mark.parametrize(
    ("why", "error", "status", "description", "retry_after"),
    [
        ("wrong", "invalid_grant", 400, "The user name or the password is wrong.", None),
        (
            "wait",
            "temporarily_unavailable",
            429,
            "Too many failed logins. Try again later.",
            "42",
        ),
        (
            "busy",
            "temporarily_unavailable",
            503,
            "The server is busy. Try again in a moment.",
            "2",
        ),
    ],
)
async def test_a_protocol_endpoint_tells_a_refused_login_as_an_oauth2_error(
    refusing: httpx2.AsyncClient,
    why: Why,
    error: str,
    status: int,
    description: str,
    retry_after: str | None,
) -> None:
    response = await refusing.get("/oauth2", params={"why": why})
    assert_oauth2_error(response, error, status, description)
    assert response.headers.get("retry-after") == retry_after


async def test_a_path_with_a_parameter_has_the_format_of_its_routes_too(
    refusing: httpx2.AsyncClient,
) -> None:
    wrong = {"why": "wrong"}
    assert_oauth2_error(await refusing.get("/oauth2/7", params=wrong), "invalid_grant", 400)
    assert_problem(await refusing.get("/api/7", params=wrong), 403)


# Where no route is entered


async def test_a_method_that_a_path_does_not_answer_is_told_in_the_format_of_its_routes(
    refusing: httpx2.AsyncClient,
) -> None:
    oauth2, api = await refusing.delete("/oauth2"), await refusing.delete("/api")
    sentence = "This method is not allowed at this address."
    assert_oauth2_error(oauth2, "invalid_request", 405, sentence)
    assert assert_problem(api, 405)["detail"] == sentence
    assert oauth2.headers["allow"] == api.headers["allow"] == "GET"


def test_each_path_has_the_format_that_its_specification_wants(app: FastAPI) -> None:
    classes: dict[str, Any] = app.state.route_classes
    others = {path: classes[path] for path in classes if not path.startswith("/schemes/")}
    for path in ("/docs", "/openapi.json"):
        assert issubclass(others.pop(path), ApiRoute)
    assert others == {
        "/token": CrossOriginOAuth2Route,
        "/revoke": CrossOriginOAuth2Route,
        "/introspect": OAuth2Route,
        **brought("ENDPOINTS"),
        **brought("PAGES"),
    }
    assert classes.keys() <= {route.path for route in iter_route_contexts(app.routes)}
