"""App passwords at ``/token``: one client, some scopes, until they end."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import select

from app.features.app_passwords.model import AppPassword, AppPasswordLogin
from app.features.app_passwords.service import FORM, list_app_passwords
from app.management.authority import operating
from app.management.clients import change_client
from app.management.users import set_password
from app.operations.purge import purge
from app.server import Server
from tests.features.app_passwords.given import (
    TestAppPassword,
    add_keeper,
    ask_for_tokens,
    give_app_password,
    take_back,
)
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    disable_user,
    log_in,
)
from tests.support.flow import Page, submit
from tests.support.forger import read_claims
from tests.support.lifecycle import INACTIVE, add_refreshing, introspected, refresh, take_from_user
from tests.support.meanwhile import Meanwhile
from tests.support.operators import events


@pytest.fixture
async def mail(server: Server) -> TestClient:
    return await add_refreshing(server, "mail")


@pytest.fixture
async def given(server: Server, alice: TestUser, mail: TestClient) -> TestAppPassword:
    return await give_app_password(server, alice, mail)


async def tokens(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, secret: str, scope: str = ""
) -> dict[str, Any]:
    response = await ask_for_tokens(http, user, client, secret, scope)
    assert response.status_code == 200, response.text
    answer: dict[str, Any] = response.json()
    return answer


def assert_wrong(response: httpx2.Response) -> None:
    """As for any wrong password."""
    assert_oauth2_error(response, "invalid_grant", 400)


async def reasons(server: Server) -> list[str]:
    failed = await events(server, event_type="login.failed")
    return [event.details["reason"] for event in failed]


# What it opens


async def test_it_is_taken_in_place_of_the_password_and_the_trail_says_so(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    answer = await tokens(http, alice, mail, given.secret, "profile items:read")
    assert answer["scope"] == "profile items:read"
    assert read_claims(answer["access_token"])["sub"] == str(alice.id)
    (event,) = await events(server, event_type="login.succeeded")
    assert event.details == {"door": "token", "app_password": str(given.id)}


async def test_it_permits_what_it_was_given_and_its_user_still_has(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    everything = "profile email items:read items:write"
    answer = await tokens(http, alice, mail, given.secret, everything)
    assert answer["scope"] == "profile items:read"
    await take_from_user(server, alice, "items:read")
    again = await tokens(http, alice, mail, given.secret, everything)
    assert again["scope"] == "profile"
    refused = await ask_for_tokens(http, alice, mail, given.secret, "items:write")
    assert_oauth2_error(refused, "invalid_scope", 400)


async def test_it_never_permits_what_makes_credentials_that_would_outlive_it(
    http: httpx2.AsyncClient, server: Server
) -> None:
    keeper, mail = await add_keeper(server)
    scopes = ["profile", "api-keys:write"]  # as one from before this was so
    given = await give_app_password(server, keeper, mail, scopes=scopes)
    answer = await tokens(http, keeper, mail, given.secret, " ".join(scopes))
    assert answer["scope"] == "profile"
    alone = await ask_for_tokens(http, keeper, mail, given.secret, "api-keys:write")
    assert_oauth2_error(alone, "invalid_scope", 400)


async def test_a_refresh_permits_no_more(
    http: httpx2.AsyncClient, alice: TestUser, mail: TestClient, given: TestAppPassword
) -> None:
    answer = await tokens(http, alice, mail, given.secret, "profile items:write")
    refreshed = await refresh(http, mail, answer["refresh_token"], "profile items:write")
    assert_oauth2_error(refreshed, "invalid_scope", 400)


async def test_the_password_itself_is_still_taken(
    http: httpx2.AsyncClient, alice: TestUser, mail: TestClient, given: TestAppPassword
) -> None:
    answer = await log_in(http, alice, mail, "profile items:write")
    assert answer["scope"] == "profile items:write"


async def test_the_time_of_the_last_login_is_noted(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    clock.advance(5)
    answer = await tokens(http, alice, mail, given.secret)
    used_at = clock.now()
    clock.advance(5)
    assert (await refresh(http, mail, answer["refresh_token"])).status_code == 200
    async with server.database.read() as connection:
        (record,) = await list_app_passwords(connection, alice.id)
    assert record.last_used_at == used_at


# What it does not open


async def test_another_client_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, given: TestAppPassword
) -> None:
    other = await add_client(server, "other")
    assert_wrong(await ask_for_tokens(http, alice, other, given.secret))
    assert await reasons(server) == ["an app password of another client"]


async def test_another_user_is_refused(
    http: httpx2.AsyncClient, server: Server, mail: TestClient, given: TestAppPassword
) -> None:
    bob = await add_user(server, "bob")
    nobody = TestUser(bob.id, "nobody", "")
    for user in (bob, nobody):
        assert_wrong(await ask_for_tokens(http, user, mail, given.secret))
    assert await reasons(server) == ["an app password of another user", "unknown user"]


async def test_it_ends_with_its_time_and_the_login_that_began_with_it_as_well(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser, mail: TestClient
) -> None:
    given = await give_app_password(server, alice, mail, expires_in=60)
    clock.advance(30)
    answer = await tokens(http, alice, mail, given.secret)
    assert answer["expires_in"] == 30
    clock.advance(30)
    assert_wrong(await ask_for_tokens(http, alice, mail, given.secret))
    assert await reasons(server) == ["an expired app password"]
    assert_oauth2_error(await refresh(http, mail, answer["refresh_token"]), "invalid_grant", 400)


async def test_a_disabled_user_is_refused(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    await disable_user(server, alice)
    assert_wrong(await ask_for_tokens(http, alice, mail, given.secret))
    assert await reasons(server) == ["disabled user"]


async def test_the_login_page_refuses_it(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, given: TestAppPassword
) -> None:
    form = Page(await http.get("/login")).form
    response = await submit(http, form, {"username": "alice", "password": given.secret})
    assert Page(response).alert == "The user name or the password is wrong."
    assert await reasons(server) == ["wrong password"]


async def test_it_is_not_the_current_password(http: httpx2.AsyncClient, server: Server) -> None:
    carol = await add_user(server, "carol", scopes=["account"])
    account = await add_client(server, "app", scopes=["account"], default_scopes=["account"])
    given = await give_app_password(server, carol, account, scopes=["account"])
    headers = bearer((await tokens(http, carol, account, given.secret))["access_token"])
    change = {"current_password": given.secret, "new_password": "another long password"}
    changed = await http.post("/users/me/password", json=change, headers=headers)
    assert changed.status_code == 403
    wanted = {"client_id": "app", "name": "heir", "scopes": ["account"]}
    heir = await http.post(
        "/users/me/app-passwords",
        json={**wanted, "current_password": given.secret},
        headers=headers,
    )
    assert heir.status_code == 403


async def test_a_client_that_lost_the_grant_takes_none(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    async with operating(server.database, server.clock) as operator:
        changes = {"grant_types": ["client_credentials"], "scopes": [], "default_scopes": []}
        await change_client(operator, mail.client_id, changes)
    response = await ask_for_tokens(http, alice, mail, given.secret)
    assert_oauth2_error(response, "unauthorized_client", 400)


# How it ends


async def test_a_revocation_ends_its_logins_at_once_and_no_other(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    second = await give_app_password(server, alice, mail)
    ended = await tokens(http, alice, mail, given.secret)
    others = [await tokens(http, alice, mail, secret) for secret in (second.secret, PASSWORD)]
    await take_back(server, given)
    assert await introspected(http, mail, ended["access_token"]) == INACTIVE
    assert_oauth2_error(await refresh(http, mail, ended["refresh_token"]), "invalid_grant", 400)
    assert_wrong(await ask_for_tokens(http, alice, mail, given.secret))
    for other in others:
        assert (await refresh(http, mail, other["refresh_token"])).status_code == 200


async def test_one_that_is_revoked_while_it_is_checked_begins_nothing(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
    meanwhile: Meanwhile,
) -> None:
    await tokens(http, alice, mail, given.secret)  # from now on the throttle writes nothing
    meanwhile(server, lambda: take_back(server, given))
    assert_wrong(await ask_for_tokens(http, alice, mail, given.secret))
    async with server.database.read() as connection:
        assert (await connection.scalars(select(AppPasswordLogin.login_id))).all() == []


async def test_another_password_from_an_administrator_ends_them_all(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    async with operating(server.database, server.clock) as operator:
        password_hash = server.passwords.hash_now("another long password")
        revoke = server.at_password_reset
        await set_password(operator, alice.id, password_hash, revoke=revoke)
    assert_wrong(await ask_for_tokens(http, alice, mail, given.secret))
    (event,) = await events(server, event_type="user.password_reset")
    assert event.details == {"app_passwords_revoked": 1}


async def test_a_purge_deletes_those_that_have_expired(
    server: Server, clock: TestClock, alice: TestUser, mail: TestClient, given: TestAppPassword
) -> None:
    await give_app_password(server, alice, mail, expires_in=60)
    clock.advance(61)
    assert (await purge(server))["app_passwords"] == 1
    async with server.database.read() as connection:
        assert (await connection.scalars(select(AppPassword.id))).all() == [given.id]


# What is stored, and what it costs


async def test_only_a_hash_is_stored(server: Server, given: TestAppPassword) -> None:
    assert len(given.secret) == len("lkapp_") + 22 + 6
    async with server.database.read() as connection:
        rows = (await connection.execute(select(AppPassword.__table__))).all()
    assert given.secret not in repr(rows)


async def test_those_that_are_not_good_cost_what_a_wrong_password_does(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = await add_client(server, "other")
    verified: list[str] = []
    verify = server.passwords.verify

    async def note(password: str, *arguments: object, **named: object) -> tuple[bool, str | None]:
        verified.append(password)
        return await verify(password, *arguments, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(server.passwords, "verify", note)
    unknown = FORM.generate()
    assert_wrong(await ask_for_tokens(http, alice, other, given.secret))
    assert_wrong(await ask_for_tokens(http, alice, mail, unknown))
    assert verified == [given.secret, unknown]
