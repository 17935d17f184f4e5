"""Everything that an operator does in the first month, at the command line and over HTTP."""

import asyncio
import uuid
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest

from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, bearer, log_in
from tests.support.flow import CALLBACK, CodeFlow
from tests.support.lifecycle import INACTIVE, act_for_itself, introspected, own_token, refresh
from tests.support.operators import EVERY_SCOPE
from tests.support.shell import Shell

NEW_PASSWORD = "another horse battery staple"
METADATA = "/.well-known/oauth-authorization-server"
A_MOMENT = 60
"""Seconds between two things that the operator does; a change is known everywhere by then."""


class Operator(Protocol):
    """Whoever runs the service, by one way or the other."""

    async def add_user(self, username: str, password: str, *scopes: str) -> TestUser: ...

    async def add_client(self, client_id: str, **policy: Any) -> TestClient: ...

    async def set_password(self, user: TestUser, password: str) -> None: ...

    async def replace_leaked_secret(self, client: TestClient) -> TestClient: ...

    async def disable(self, user: TestUser) -> None: ...

    async def delete(self, user: TestUser) -> None: ...

    async def add_scope(self, name: str, description: str) -> None: ...

    async def give(self, client: TestClient, *scopes: str) -> None: ...

    async def logins(self, user: TestUser, since: datetime) -> list[dict[str, Any]]: ...


class ByCommand:
    def __init__(self, shell: Shell) -> None:
        self._shell = shell

    async def _run(self, *arguments: str, stdin: str | None = None) -> Any:
        # In a thread, which has no event loop, as no command is started in one.
        return await asyncio.to_thread(self._shell.json, *arguments, stdin=stdin)

    async def add_user(self, username: str, password: str, *scopes: str) -> TestUser:
        options = [part for scope in scopes for part in ("--scope", scope)]
        created = await self._run(
            "users", "create", username, "--password-stdin", *options, stdin=password
        )
        return TestUser(uuid.UUID(created["id"]), username, password)

    async def add_client(self, client_id: str, **policy: Any) -> TestClient:
        words = {
            "grant_types": "--grant",
            "redirect_uris": "--redirect-uri",
            "scopes": "--scope",
            "default_scopes": "--default-scope",
        }
        options = [
            part
            for name, word in words.items()
            for value in policy.get(name, ())
            for part in (word, value)
        ]
        if "introspect" in policy:
            options += ["--introspect", policy["introspect"]]
        if policy.get("public"):
            options.append("--public")
        created = await self._run(
            "clients", "create", client_id, "--client-id", client_id, *options
        )
        return TestClient(created["client_id"], created.get("client_secret", ""))

    async def set_password(self, user: TestUser, password: str) -> None:
        await self._run("users", "set-password", user.username, "--password-stdin", stdin=password)

    async def replace_leaked_secret(self, client: TestClient) -> TestClient:
        rotated = await self._run("clients", "rotate-secret", client.client_id, "--overlap", "0")
        return TestClient(client.client_id, rotated["client_secret"])

    async def disable(self, user: TestUser) -> None:
        await self._run("users", "disable", user.username)

    async def delete(self, user: TestUser) -> None:
        await self._run("users", "delete", user.username)

    async def add_scope(self, name: str, description: str) -> None:
        await self._run("scopes", "create", name, "--description", description)

    async def give(self, client: TestClient, *scopes: str) -> None:
        options = [part for scope in scopes for part in ("--scope", scope)]
        await self._run("clients", "update", client.client_id, *options)

    async def logins(self, user: TestUser, since: datetime) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = await self._run(
            "audit",
            "list",
            "--user",
            user.username,
            "--type",
            "login.succeeded",
            "--since",
            since.isoformat(),
        )
        return found


class ByApi:
    """With the token of an administrator, who is logged in anew for each request."""

    def __init__(self, http: httpx2.AsyncClient, admin: TestUser, console: TestClient) -> None:
        self._http = http
        self._admin = admin
        self._console = console

    async def _send(self, method: str, path: str, status: int, **more: Any) -> httpx2.Response:
        token = (await log_in(self._http, self._admin, self._console))["access_token"]
        response = await self._http.request(method, path, headers=bearer(token), **more)
        assert response.status_code == status, response.text
        return response

    async def add_user(self, username: str, password: str, *scopes: str) -> TestUser:
        body = {"username": username, "password": password, "scopes": scopes}
        created = (await self._send("POST", "/users", 201, json=body)).json()
        return TestUser(uuid.UUID(created["id"]), username, password)

    async def add_client(self, client_id: str, **policy: Any) -> TestClient:
        body = {"name": client_id, "client_id": client_id, **policy}
        created = (await self._send("POST", "/clients", 201, json=body)).json()
        return TestClient(client_id, created["client_secret"] or "")

    async def set_password(self, user: TestUser, password: str) -> None:
        body = {"password": password}
        await self._send("POST", f"/users/{user.id}/password", 204, json=body)

    async def replace_leaked_secret(self, client: TestClient) -> TestClient:
        path = f"/clients/{client.client_id}/secret"
        rotated = (await self._send("POST", path, 200, json={"overlap": 0})).json()
        return TestClient(client.client_id, rotated["client_secret"])

    async def disable(self, user: TestUser) -> None:
        await self._send("PATCH", f"/users/{user.id}", 200, json={"disabled": True})

    async def delete(self, user: TestUser) -> None:
        await self._send("DELETE", f"/users/{user.id}", 204)

    async def add_scope(self, name: str, description: str) -> None:
        await self._send("POST", "/scopes", 201, json={"name": name, "description": description})

    async def give(self, client: TestClient, *scopes: str) -> None:
        await self._send("PATCH", f"/clients/{client.client_id}", 200, json={"scopes": scopes})

    async def logins(self, user: TestUser, since: datetime) -> list[dict[str, Any]]:
        query = {"user": str(user.id), "type": "login.succeeded", "since": since.isoformat()}
        answer = (await self._send("GET", "/audit", 200, params=query)).json()
        found: list[dict[str, Any]] = answer["events"]
        return found


@pytest.fixture
async def by_command(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> ByCommand:
    monkeypatch.chdir(tmp_path)
    return ByCommand(Shell(database_url))


async def first_administrator(by_command: ByCommand) -> tuple[TestUser, TestClient]:
    """The first one, and where they log in: only the command line can make them."""
    root = await by_command.add_user("root", PASSWORD, *EVERY_SCOPE)
    console = await by_command.add_client(
        "console", public=True, grant_types=["password"], default_scopes=EVERY_SCOPE
    )
    return root, console


@pytest.fixture(params=["command line", "API"])
async def operator(
    request: pytest.FixtureRequest, http: httpx2.AsyncClient, by_command: ByCommand
) -> Operator:
    if request.param == "command line":
        return by_command
    root, console = await first_administrator(by_command)
    # An administrator who was made over HTTP does the rest.
    ada = await ByApi(http, root, console).add_user("ada", PASSWORD, *EVERY_SCOPE)
    return ByApi(http, ada, console)


async def me(http: httpx2.AsyncClient, token: str) -> int:
    return (await http.get("/users/me", headers=bearer(token))).status_code


async def test_the_first_administrator_manages_over_http(
    http: httpx2.AsyncClient, by_command: ByCommand
) -> None:
    root, console = await first_administrator(by_command)
    tokens = await log_in(http, root, console)
    response = await http.get("/users", headers=bearer(tokens["access_token"]))
    assert [user["username"] for user in response.json()["users"]] == ["root"]


async def test_an_operator_does_everything_of_the_first_month(
    http: httpx2.AsyncClient, operator: Operator, clock: TestClock
) -> None:
    # A web client, with somebody who logs in through it.
    shop = await operator.add_client(
        "shop",
        grant_types=["authorization_code", "refresh_token"],
        redirect_uris=[CALLBACK],
        scopes=["openid", "profile"],
    )
    grace = await operator.add_user("grace", PASSWORD, "openid", "profile")
    tokens = await CodeFlow(http, grace, shop).tokens()
    assert await me(http, tokens["access_token"]) == 200

    # A service client.
    robot = await operator.add_client(
        "robot", grant_types=["client_credentials"], default_scopes=["items:read"]
    )
    own = await own_token(http, robot)

    # A resource server.
    api = await operator.add_client("api", grant_types=[], introspect="any")
    assert (await introspected(http, api, tokens["access_token"]))["username"] == "grace"
    assert (await introspected(http, api, own))["client_id"] == "robot"

    # A password reset.
    clock.advance(A_MOMENT)
    await operator.set_password(grace, NEW_PASSWORD)
    assert await me(http, tokens["access_token"]) == 401
    assert_oauth2_error(await refresh(http, shop, tokens["refresh_token"]), "invalid_grant")
    grace = TestUser(grace.id, grace.username, NEW_PASSWORD)
    http.cookies.clear()
    last_night = clock.now()
    http.headers["User-Agent"] = "a browser at night"
    tokens = await CodeFlow(http, grace, shop).tokens()
    assert await me(http, tokens["access_token"]) == 200
    http.headers["User-Agent"] = "a browser by day"

    # A compromised secret.
    clock.advance(A_MOMENT)
    leaked = robot
    robot = await operator.replace_leaked_secret(leaked)
    clock.advance(A_MOMENT)
    assert_oauth2_error(await act_for_itself(http, leaked), "invalid_client", 401)
    await own_token(http, robot)

    # A departed user.
    await operator.disable(grace)
    assert await me(http, tokens["access_token"]) == 401
    assert await introspected(http, api, tokens["access_token"]) == INACTIVE

    # "Who logged in as grace last night?"
    (login,) = await operator.logins(grace, last_night)
    assert (login["user_id"], login["client_id"]) == (str(grace.id), "shop")
    assert (login["address"], login["user_agent"]) == ("127.0.0.1", "a browser at night")
    assert login["details"] == {"door": "login"}
    await operator.delete(grace)

    # A new scope.
    await operator.add_scope("reports:read", "Read your reports")
    clock.advance(A_MOMENT)
    assert "reports:read" in (await http.get(METADATA)).json()["scopes_supported"]
    await operator.give(robot, "reports:read")
    clock.advance(A_MOMENT)
    response = await act_for_itself(http, robot, "reports:read")
    assert (response.status_code, response.json()["scope"]) == (200, "reports:read")
