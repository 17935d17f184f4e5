"""Every route and every scope: the table comes from the application itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.server import Server
from tests.features import brought
from tests.support.assertions import assert_bearer_error, assert_no_token_sent
from tests.support.factories import TestClient, TestUser
from tests.support.lifecycle import add_service
from tests.support.operators import EVERY_SCOPE, NOBODYS, token_of, token_of_client
from tests.support.routes import is_shipped

OF_FEATURES = brought("FOR_USERS_ALONE")
MANAGED = brought("MANAGED")

MANAGED = brought("MANAGED")

MANAGEMENT = (
    *("users", "clients", "scopes", "audit"),
    *(path.removeprefix("/") for path in (*OF_FEATURES, *MANAGED)),
)

FOR_USERS_ALONE = ("/users/me", *OF_FEATURES)
"""Where the answer is about whoever asks."""


@dataclass(frozen=True, order=True)
class Route:
    method: str
    path: str
    scopes: frozenset[str]

    @property
    def name(self) -> str:
        return f"{self.method} {self.path}"

    async def ask(self, http: httpx2.AsyncClient, headers: dict[str, str]) -> httpx2.Response:
        """A request for something that is not there, with a body that changes nothing."""
        path = self.path
        for parameter in (
            *("user_id", "client_id", "key_id", "session_id", "resource_id", "name"),
            *brought("PARAMETERS"),
        ):
            path = path.replace("{" + parameter + "}", NOBODYS)
        assert "{" not in path, f"{self.path} has a parameter that is new here"
        body: list[Any] | None = [] if self.method in ("POST", "PATCH") else None
        return await http.request(self.method, path, json=body, headers=headers)


def scopes_of(dependant: Dependant) -> Iterator[str]:
    """The scopes of a dependency and of all that it depends on."""
    yield from dependant.own_oauth_scopes or []
    for inner in dependant.dependencies:
        yield from scopes_of(inner)


@pytest.fixture(scope="module")
def routes(app: FastAPI) -> list[Route]:
    """The management API, as the application has it."""
    found = []
    for context in iter_route_contexts(app.routes):
        path = re.sub(r":\w+}", "}", context.path or "")
        if path.split("/")[1] in MANAGEMENT:
            assert context.dependant is not None
            scopes = frozenset(scopes_of(context.dependant))
            found += [Route(method, path, scopes) for method in context.methods or ()]
    return sorted(found, key=lambda route: route.name)


@pytest.fixture(scope="module")
async def service(server: Server) -> TestClient:
    return await add_service(server, "manager", scopes=EVERY_SCOPE, default_scopes=[])


def needed(route: Route) -> str:
    """The scope of a route: reading and changing what its path begins with."""
    if route.path.startswith("/users/me"):
        return "profile" if (route.method, route.path) == ("GET", "/users/me") else "account"
    kind = "read" if route.method == "GET" else "write"
    return f"{route.path.split('/')[1]}:{kind}"


async def test_what_the_routes_ask_for_is_built_in(app: FastAPI, server: Server) -> None:
    asked = {
        scope
        for context in iter_route_contexts(app.routes)
        if context.dependant is not None and is_shipped(context)
        for scope in scopes_of(context.dependant)
    }
    assert asked - server.built_in_scopes == set()
    assert server.built_in_scopes <= set(EVERY_SCOPE)


def test_every_route_that_programs_rely_on_is_there(routes: list[Route]) -> None:
    assert {route.name for route in routes} == {
        "DELETE /clients/{client_id}",
        "DELETE /scopes/{name}",
        "DELETE /users/me/sessions/{session_id}",
        "DELETE /users/{user_id}",
        "GET /audit",
        "GET /clients",
        "GET /clients/{client_id}",
        "GET /scopes",
        "GET /scopes/{name}",
        "GET /users",
        "GET /users/me",
        "GET /users/me/sessions",
        "GET /users/{user_id}",
        "PATCH /clients/{client_id}",
        "PATCH /scopes/{name}",
        "PATCH /users/me",
        "PATCH /users/{user_id}",
        "POST /clients",
        "POST /clients/{client_id}/secret",
        "POST /scopes",
        "POST /users",
        "POST /users/me/password",
        "POST /users/{user_id}/password",
        *(name for names in (OF_FEATURES | MANAGED).values() for name in names),
    }


def test_every_route_needs_the_one_scope_that_its_path_and_method_say(routes: list[Route]) -> None:
    assert {route.name: set(route.scopes) for route in routes} == {
        route.name: {needed(route)} for route in routes
    }


async def test_the_openapi_document_says_the_same_of_every_route(
    http: httpx2.AsyncClient, routes: list[Route]
) -> None:
    paths = (await http.get("/openapi.json")).json()["paths"]
    described: dict[str, Any] = {
        f"{method.upper()} {path}": operation["security"]
        for path, operations in paths.items()
        for method, operation in operations.items()
        if path.split("/")[1] in MANAGEMENT
    }
    assert described == {
        route.name: [{"OAuth2PasswordBearer": sorted(route.scopes)}] for route in routes
    }


async def test_no_route_answers_without_a_token(
    http: httpx2.AsyncClient, routes: list[Route]
) -> None:
    for route in routes:
        assert_no_token_sent(await route.ask(http, {}))


@pytest.mark.parametrize("scope", EVERY_SCOPE)
async def test_a_users_token_with_one_scope_reaches_the_routes_of_that_scope_and_no_others(
    http: httpx2.AsyncClient,
    server: Server,
    routes: list[Route],
    admin: TestUser,
    console: TestClient,
    scope: str,
) -> None:
    headers = await token_of(server, admin, scope, client_id=console.client_id)
    for route in routes:
        response = await route.ask(http, headers)
        if scope == needed(route):
            assert response.status_code not in (401, 403), route.name
        else:
            assert_bearer_error(response, "insufficient_scope", 403, scope=needed(route))


@pytest.mark.parametrize("scope", EVERY_SCOPE)
async def test_a_clients_token_with_one_scope_reaches_the_routes_of_that_scope_and_no_others(
    http: httpx2.AsyncClient,
    server: Server,
    routes: list[Route],
    service: TestClient,
    scope: str,
) -> None:
    headers = await token_of_client(server, service, scope)
    for route in routes:
        response = await route.ask(http, headers)
        if scope == needed(route) and not route.path.startswith(FOR_USERS_ALONE):
            assert response.status_code not in (401, 403), route.name
        else:
            assert_bearer_error(response, "insufficient_scope", 403, scope=needed(route))


async def test_a_token_with_all_other_scopes_does_not_reach_a_route(
    http: httpx2.AsyncClient,
    server: Server,
    routes: list[Route],
    admin: TestUser,
    console: TestClient,
) -> None:
    for scope in sorted({needed(route) for route in routes}):
        others = [other for other in EVERY_SCOPE if other != scope]
        headers = await token_of(server, admin, *others, client_id=console.client_id)
        for route in routes:
            if needed(route) == scope:
                response = await route.ask(http, headers)
                assert_bearer_error(response, "insufficient_scope", 403, scope=scope)


async def test_a_token_with_every_scope_reaches_every_route(
    http: httpx2.AsyncClient, routes: list[Route], as_admin: dict[str, str]
) -> None:
    statuses = {route.name: (await route.ask(http, as_admin)).status_code for route in routes}
    assert {name for name, status in statuses.items() if status in (401, 403)} == set()
