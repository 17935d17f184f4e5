"""Routes behind an access token: RFC 6750, and when a token ends.

Which tokens are believed at all is in test_forged_tokens.py.
"""

import uuid
from typing import Annotated

import httpx2
import pytest
from fastapi import FastAPI, Security
from sqlalchemy import delete, update

from app.login.logins import end_login
from app.models import Client, SigningKey, User
from app.oauth2.bearer import CurrentUser, current_user
from app.server import Server
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, bearer, disable_user, log_in
from tests.support.forger import (
    Forger,
    assert_accepted,
    assert_refused,
    forge,
    get_me,
    read_claims,
)
from tests.support.on_sqlite import backend as backend
from tests.support.shared import of_this_module_alone

__all__ = ["of_this_module_alone"]  # a fixture

TTL = 900


@pytest.fixture
async def forger(
    server: Server, http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> Forger:
    return await forge(server, http, alice, web)


@pytest.fixture
def token(forger: Forger) -> str:
    return forger.genuine


# How the token comes


@pytest.mark.rfc("6750", "3", 1, 2, 4)
@pytest.mark.rfc("6750", "3.1", 5)
@pytest.mark.rfc("9110", "11.2")
@pytest.mark.rfc("9110", "15.5.2")
async def test_a_request_without_a_token_gets_a_challenge_without_an_error(
    http: httpx2.AsyncClient,
) -> None:
    response = await http.get("/users/me")
    assert_no_token_sent(response)
    assert assert_problem(response, 401) == {
        "type": "about:blank",
        "title": "Unauthorized",
        "status": 401,
        "detail": "This resource needs an access token.",
        "error": None,
        "error_description": None,
        "scope": None,
    }


@pytest.mark.rfc("6750", "2.1", 1)
async def test_a_good_token_is_accepted(http: httpx2.AsyncClient, token: str) -> None:
    await assert_accepted(http, token)


@pytest.mark.rfc("9110", "5.5")
async def test_space_after_the_credentials_is_no_part_of_them(
    http: httpx2.AsyncClient, token: str
) -> None:
    response = await http.get("/users/me", headers={"Authorization": f"Bearer {token} "})
    assert response.status_code == 200


@pytest.mark.rfc("9110", "11.1")
@pytest.mark.parametrize("scheme", ["bearer", "BEARER", "bEaReR"])
async def test_the_name_of_the_scheme_knows_no_case(
    http: httpx2.AsyncClient, token: str, scheme: str
) -> None:
    response = await http.get("/users/me", headers={"Authorization": f"{scheme} {token}"})
    assert response.status_code == 200


@pytest.mark.rfc("6750", "3.1", 5)
@pytest.mark.parametrize("scheme", ["Basic", "DPoP", "Token", "Bearers"])
async def test_another_scheme_counts_as_no_token(
    http: httpx2.AsyncClient, token: str, scheme: str
) -> None:
    response = await http.get("/users/me", headers={"Authorization": f"{scheme} {token}"})
    assert_no_token_sent(response)


async def test_a_token_without_a_scheme_counts_as_no_token(
    http: httpx2.AsyncClient, token: str
) -> None:
    response = await http.get("/users/me", headers={"Authorization": token})
    assert_no_token_sent(response)


@pytest.mark.rfc("6749", "7.2")
@pytest.mark.rfc("6750", "2.1", 3)
@pytest.mark.rfc("6750", "3", 7, 9, 10)
@pytest.mark.rfc("6750", "3.1", 2)
@pytest.mark.parametrize(
    "header",
    [
        pytest.param(b"Bearer", id="scheme alone"),
        pytest.param(b"Bearer ", id="scheme and space"),
        pytest.param(b"Bearer %s %s", id="two words"),
        pytest.param(b"Bearer %s, Bearer %s", id="a list"),
        pytest.param(b'Bearer "%s"', id="quoted"),
        pytest.param(b"Bearer %s;", id="semicolon"),
        pytest.param("Bearer ключ".encode(), id="UTF-8"),
        pytest.param(b"Bearer \xff\xfe", id="bytes that are no UTF-8"),
        pytest.param(b"Bearer \xed\xa0\x80", id="an encoded surrogate"),
    ],
)
async def test_what_cannot_be_a_bearer_token_is_invalid(
    http: httpx2.AsyncClient, token: str, header: bytes
) -> None:
    value = header.replace(b"%s", token.encode())
    response = await http.get("/users/me", headers=[(b"authorization", value)])
    assert_bearer_error(response, "invalid_token", 401)


@pytest.mark.rfc("6750", "2")
@pytest.mark.rfc("6750", "3.1", 1)
@pytest.mark.rfc("9110", "5.3")
@pytest.mark.parametrize(
    "schemes",
    [
        pytest.param(("Bearer", "Bearer"), id="the same twice"),
        pytest.param(("Bearer", "Basic"), id="Basic second"),
        pytest.param(("Basic", "Bearer"), id="Basic first"),
    ],
)
async def test_a_repeated_authorization_header_is_an_invalid_request(
    http: httpx2.AsyncClient, token: str, schemes: tuple[str, str]
) -> None:
    headers = [("Authorization", f"{scheme} {token}") for scheme in schemes]
    response = await http.get("/users/me", headers=headers)
    assert_bearer_error(response, "invalid_request", 400)


@pytest.mark.rfc("6750", "2.3", 1)
@pytest.mark.rfc("6750", "5.3", 6)
@pytest.mark.rfc("9700", "4.3.2")
async def test_a_token_in_the_query_is_ignored(http: httpx2.AsyncClient, token: str) -> None:
    assert_no_token_sent(await http.get("/users/me", params={"access_token": token}))


@pytest.mark.rfc("6750", "2.2", 1)
async def test_a_token_in_the_body_is_ignored(http: httpx2.AsyncClient, token: str) -> None:
    response = await http.request("GET", "/users/me", data={"access_token": token})
    assert_no_token_sent(response)


@pytest.mark.rfc("6750", "5.2", 6)
@pytest.mark.rfc("6750", "5.3", 3)
async def test_a_token_in_a_cookie_is_ignored(http: httpx2.AsyncClient, token: str) -> None:
    assert_no_token_sent(await http.get("/users/me", headers={"Cookie": f"access_token={token}"}))


@pytest.mark.rfc("6750", "3", 9, 10)
async def test_a_refused_token_is_not_repeated(http: httpx2.AsyncClient) -> None:
    response = await get_me(http, "a-secret-of-somebody")
    assert_bearer_error(response, "invalid_token", 401)
    assert "a-secret-of-somebody" not in response.text + str(response.headers)


# When it is presented


@pytest.mark.rfc("7519", "4.1.4", 1)
@pytest.mark.rfc("9068", "4", 7)
async def test_a_token_is_good_until_the_second_of_its_expiry(
    http: httpx2.AsyncClient, token: str, clock: TestClock
) -> None:
    clock.advance(TTL - 1)
    await assert_accepted(http, token)


@pytest.mark.rfc("6749", "7")
@pytest.mark.rfc("6750", "3", 1, 7)
@pytest.mark.rfc("6750", "3.1", 2)
@pytest.mark.rfc("6750", "5.2", 8)
@pytest.mark.rfc("7519", "4.1.4", 1)
@pytest.mark.rfc("9068", "4", 7)
@pytest.mark.rfc("9110", "11.4")
async def test_an_expired_token_is_refused(
    http: httpx2.AsyncClient, token: str, clock: TestClock
) -> None:
    clock.advance(TTL)
    await assert_refused(http, token)


# What it reaches


@pytest.mark.rfc("6749", "7")
@pytest.mark.rfc("6749", "7.2")
@pytest.mark.rfc("6750", "3", 5, 8)
@pytest.mark.rfc("6750", "3.1", 3, 4)
@pytest.mark.rfc("9068", "4", 9)
@pytest.mark.rfc("9700", "2.3", 5)
async def test_a_token_without_the_scope_is_told_which_one_is_missing(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient
) -> None:
    token = (await log_in(http, alice, web, "email items:read"))["access_token"]
    assert_bearer_error(await get_me(http, token), "insufficient_scope", 403, scope="profile")


@pytest.mark.rfc("6750", "3", 5, 6)
async def test_all_scopes_that_a_chain_of_dependencies_needs_are_named(
    app: FastAPI, http: httpx2.AsyncClient, forger: Forger
) -> None:
    async def writer(
        user: Annotated[CurrentUser, Security(current_user, scopes=["items:write"])],
    ) -> CurrentUser:
        return user

    @app.get("/both")
    async def both(user: Annotated[CurrentUser, Security(writer, scopes=["items:read"])]) -> str:
        return user.username

    needed = "items:read items:write"
    for scope in ("profile", "items:read", "items:write"):
        response = await http.get("/both", headers=bearer(forger.sign({"scope": scope})))
        assert_bearer_error(response, "insufficient_scope", 403, scope=needed)
    response = await http.get("/both", headers=bearer(forger.sign({"scope": needed})))
    assert (response.status_code, response.json()) == (200, "alice")


async def own_jti(server: Server, client_id: str) -> str:
    """As a token has it that the client got for itself."""
    client = await server.clients.find(client_id)
    assert client is not None
    return f"{client.security_stamp}.{uuid.uuid4()}"


@pytest.mark.rfc("9700", "4.15.1", 2)
async def test_the_token_of_a_client_does_not_reach_what_needs_a_user(
    http: httpx2.AsyncClient, server: Server, forger: Forger
) -> None:
    claims = {"sub": "web", "jti": await own_jti(server, "web")}
    response = await get_me(http, forger.sign(claims, leave_out="sid"))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


@pytest.mark.rfc("9068", "5", 1)
async def test_the_token_of_a_client_does_not_reach_the_user_whose_id_it_names(
    http: httpx2.AsyncClient, server: Server, forger: Forger
) -> None:
    claims = {"jti": await own_jti(server, "web")}
    response = await get_me(http, forger.sign(claims, leave_out="sid"))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


# Whose it is, and whether that still holds


@pytest.mark.rfc("8725", "3.8", 2)
async def test_the_login_of_another_user_is_refused(
    http: httpx2.AsyncClient, server: Server, forger: Forger, web: TestClient
) -> None:
    bob = await add_user(server, "bob", email=None)
    answer = await log_in(http, bob, web, "profile")
    sid = read_claims(answer["access_token"])["sid"]
    await assert_refused(http, forger.sign({"sid": sid}))
    await assert_refused(http, forger.sign({"sub": str(bob.id)}))


async def end_the_login(server: Server, forger: Forger) -> None:
    async with server.database.transaction() as connection:
        await end_login(connection, uuid.UUID(forger.claims["sid"]), server.clock.now())


async def delete_user(server: Server, user: TestUser) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(delete(User).where(User.id == user.id))


async def disable_client(server: Server, client: TestClient) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(
            update(Client)
            .where(Client.client_id == client.client_id)
            .values(disabled_at=server.clock.now())
        )


async def retire_every_key(server: Server) -> None:
    async with server.database.transaction() as connection:
        await connection.execute(update(SigningKey).values(retired_at=server.clock.now()))


SEEN = pytest.mark.parametrize(
    "seen", [pytest.param(False, id="first request"), pytest.param(True, id="second request")]
)
"""A worker remembers tokens that it has verified: what changes must be noticed all the same."""


@pytest.mark.rfc("6750", "3.1", 2)
@SEEN
async def test_a_token_ends_with_its_login(
    http: httpx2.AsyncClient, server: Server, forger: Forger, seen: bool
) -> None:
    if seen:
        await assert_accepted(http, forger.genuine)
    await end_the_login(server, forger)
    await assert_refused(http, forger.genuine)


async def test_other_logins_of_the_user_go_on_when_one_ends(
    http: httpx2.AsyncClient, server: Server, forger: Forger, alice: TestUser, web: TestClient
) -> None:
    other = (await log_in(http, alice, web, "profile"))["access_token"]
    await end_the_login(server, forger)
    await assert_accepted(http, other)


@SEEN
async def test_a_token_ends_when_its_user_is_disabled(
    http: httpx2.AsyncClient, server: Server, forger: Forger, alice: TestUser, seen: bool
) -> None:
    if seen:
        await assert_accepted(http, forger.genuine)
    await disable_user(server, alice)
    await assert_refused(http, forger.genuine)


@SEEN
async def test_a_token_ends_when_its_user_is_deleted(
    http: httpx2.AsyncClient, server: Server, forger: Forger, alice: TestUser, seen: bool
) -> None:
    if seen:
        await assert_accepted(http, forger.genuine)
    await delete_user(server, alice)
    await assert_refused(http, forger.genuine)


@SEEN
async def test_a_token_ends_within_two_seconds_when_its_client_is_disabled(
    http: httpx2.AsyncClient,
    server: Server,
    forger: Forger,
    web: TestClient,
    clock: TestClock,
    seen: bool,
) -> None:
    if seen:
        await assert_accepted(http, forger.genuine)
    await disable_client(server, web)
    clock.advance(2)
    await assert_refused(http, forger.genuine)


@SEEN
async def test_a_token_ends_within_two_seconds_when_its_key_is_retired(
    http: httpx2.AsyncClient, server: Server, forger: Forger, clock: TestClock, seen: bool
) -> None:
    if seen:
        await assert_accepted(http, forger.genuine)
    await retire_every_key(server)
    clock.advance(2)
    await assert_refused(http, forger.genuine)


async def test_a_token_that_was_verified_before_still_expires(
    http: httpx2.AsyncClient, token: str, clock: TestClock
) -> None:
    await assert_accepted(http, token)
    clock.advance(TTL)
    await assert_refused(http, token)


async def test_a_changed_token_is_refused_after_the_genuine_one_was_verified(
    http: httpx2.AsyncClient, forger: Forger
) -> None:
    await assert_accepted(http, forger.genuine)
    await assert_refused(http, forger.genuine.replace(".", ".A", 1))
    await assert_refused(http, forger.genuine[:-1])
