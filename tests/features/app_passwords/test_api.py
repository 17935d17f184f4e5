"""``/users/me/app-passwords``: one's own app passwords."""

import uuid
from typing import Any

import httpx2
import pytest

from app.features.app_passwords.service import MOST
from app.server import Server
from tests.features.app_passwords.given import add_keeper, ask_for_tokens, give_app_password
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    log_in,
)
from tests.support.operators import written

PATH = "/users/me/app-passwords"

SCOPES = ("account", "profile", "items:read")


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=SCOPES)


@pytest.fixture
async def mail(server: Server) -> TestClient:
    return await add_client(server, "mail", scopes=("profile", "items:read"))


@pytest.fixture
async def as_alice(http: httpx2.AsyncClient, server: Server, alice: TestUser) -> dict[str, str]:
    """A token without ``items:read``."""
    web = await add_client(server, scopes=SCOPES)
    return bearer((await log_in(http, alice, web, "account profile"))["access_token"])


async def ask(http: httpx2.AsyncClient, headers: dict[str, str], **changes: Any) -> httpx2.Response:
    wanted = {"client_id": "mail", "name": "laptop", "scopes": ["profile"]}
    body = {**wanted, "current_password": PASSWORD, **changes}
    return await http.post(PATH, json=body, headers=headers)


async def test_one_is_made_listed_used_and_revoked(
    http: httpx2.AsyncClient,
    clock: TestClock,
    alice: TestUser,
    mail: TestClient,
    as_alice: dict[str, str],
) -> None:
    made = await ask(http, as_alice, expires_in=3600)
    assert made.status_code == 201
    body = made.json()
    password = body.pop("password")
    assert body == {
        "id": str(uuid.UUID(body["id"])),
        "client_id": "mail",
        "client_name": "mail",
        "name": "laptop",
        "scopes": ["profile"],
        "created_at": written(clock.now()),
        "expires_at": body["expires_at"],
        "last_used_at": None,
    }
    assert (await ask_for_tokens(http, alice, mail, password)).status_code == 200
    listed = await http.get(PATH, headers=as_alice)
    assert listed.json() == [body | {"last_used_at": written(clock.now())}]
    revoked = await http.delete(f"{PATH}/{body['id']}", headers=as_alice)
    assert (revoked.status_code, revoked.content) == (204, b"")
    assert (await http.get(PATH, headers=as_alice)).json() == []
    assert (await ask_for_tokens(http, alice, mail, password)).status_code == 400


@pytest.mark.parametrize(
    ("changes", "status", "detail"),
    [
        ({"current_password": "wrong"}, 403, "The current password is wrong."),
        ({"scopes": ["items:read"]}, 422, "the access token does not have the scope"),
        ({"scopes": ["account"]}, 422, "the application may not ask for the scope"),
        ({"client_id": "nobody"}, 422, "there is no such application that takes app passwords"),
        ({"expires_in": 31_536_001}, 422, "it can last for at most 31536000 seconds"),
    ],
)
async def test_one_that_opens_too_much_is_not_made(
    http: httpx2.AsyncClient,
    mail: TestClient,
    as_alice: dict[str, str],
    changes: dict[str, Any],
    status: int,
    detail: str,
) -> None:
    problem: dict[str, Any] = assert_problem(await ask(http, as_alice, **changes), status)
    said = [error["reason"] for error in problem.get("errors", [])] or [problem["detail"]]
    assert said == [detail]
    assert (await http.get(PATH, headers=as_alice)).json() == []


async def test_one_that_would_make_credentials_is_not_made(
    http: httpx2.AsyncClient, server: Server
) -> None:
    keeper, mail = await add_keeper(server)
    answer = await log_in(http, keeper, mail, "account api-keys:write")
    headers = bearer(answer["access_token"])
    problem = assert_problem(await ask(http, headers, scopes=["api-keys:write"]), 422)
    assert problem["detail"] == "no app password has the scope"
    assert (await http.get(PATH, headers=headers)).json() == []


async def test_a_user_has_a_hundred_at_most(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    as_alice: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert MOST == 100
    monkeypatch.setattr("app.features.app_passwords.service.MOST", 1)
    await give_app_password(server, alice, mail)
    problem = assert_problem(await ask(http, as_alice), 409)
    assert problem["detail"] == "you have 1 app passwords: revoke one first"


async def test_nobody_sees_or_revokes_those_of_others(
    http: httpx2.AsyncClient, server: Server, mail: TestClient, as_alice: dict[str, str]
) -> None:
    bob = await add_user(server, "bob")
    given = await give_app_password(server, bob, mail)
    assert (await http.get(PATH, headers=as_alice)).json() == []
    refused = await http.delete(f"{PATH}/{given.id}", headers=as_alice)
    assert assert_problem(refused, 404)["detail"] == "There is no such app password."
    assert (await ask_for_tokens(http, bob, mail, given.secret)).status_code == 200


async def test_an_expired_one_is_not_listed(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    mail: TestClient,
    as_alice: dict[str, str],
) -> None:
    await give_app_password(server, alice, mail, expires_in=60)
    clock.advance(60)
    assert (await http.get(PATH, headers=as_alice)).json() == []
