"""One's own second factor by JSON, its reset, and routes that want one."""

from dataclasses import replace
from urllib.parse import quote

import httpx2
import pytest

from app import TITLE
from app.features.mfa.requirements import Requirement, require_level
from app.login.strength import Level
from app.management.authority import operating
from app.management.users import set_password
from app.server import Server
from tests.features.mfa.phones import Phone, challenge, give_phone, go_on
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
from tests.support.meanwhile import Meanwhile
from tests.support.on_sqlite import backend as backend

SCOPES = ("account", "profile", "items:read", "users:write")

TOO_WEAK = (
    'Bearer realm="latchkey", error="insufficient_user_authentication", '
    'error_description="This takes a login with a second factor.", '
    'acr_values="urn:latchkey:acr:mfa"'
)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=SCOPES)


@pytest.fixture
async def web(server: Server) -> TestClient:
    return await add_client(server, scopes=SCOPES, default_scopes=SCOPES)


async def strong(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, phone: Phone
) -> dict[str, str]:
    """The header of a login with a code."""
    token = await challenge(http, user, client)
    return bearer((await go_on(http, client, token, otp=phone.code())).json()["access_token"])


async def weak(http: httpx2.AsyncClient, user: TestUser, client: TestClient) -> dict[str, str]:
    """The header of a login with a password."""
    return bearer((await log_in(http, user, client))["access_token"])


def assert_too_weak(response: httpx2.Response) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["www-authenticate"].startswith(TOO_WEAK)
    assert response.json()["error"] == "insufficient_user_authentication"


async def test_an_app_is_set_up_confirmed_and_removed(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, clock: TestClock
) -> None:
    headers = await weak(http, alice, web)
    proof = {"current_password": PASSWORD}
    started = await http.post("/users/me/mfa/otp", json=proof, headers=headers)
    assert started.status_code == 201
    assert started.json()["uri"].startswith(f"otpauth://totp/{quote(TITLE)}:alice?secret=")
    phone = Phone(started.json()["secret"].replace(" ", ""), clock, ())
    none: dict[str, object] = {"methods": [], "otp_since": None, "recovery_codes_left": 0}
    assert (await http.get("/users/me/mfa", headers=headers)).json() == none
    confirmed = await http.post(
        "/users/me/mfa/otp/confirm", json={"otp": phone.code()}, headers=headers
    )
    assert len(confirmed.json()["recovery_codes"]) == 10
    state = (await http.get("/users/me/mfa", headers=headers)).json()
    assert (state["methods"], state["recovery_codes_left"]) == (["otp", "recovery_code"], 10)
    clock.advance(30)
    headers = await strong(http, alice, web, phone)
    removed = await http.post("/users/me/mfa/otp/remove", json=proof, headers=headers)
    assert removed.status_code == 204
    assert (await http.get("/users/me/mfa", headers=headers)).json()["methods"] == []
    again = await http.post("/users/me/mfa/otp/remove", json=proof, headers=headers)
    assert again.status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/users/me/mfa/otp/remove", {}),
        ("/users/me/mfa/recovery-codes", {}),
        ("/users/me/password", {"new_password": "a password that is easy to remember"}),
    ],
)
async def test_a_login_from_before_the_factor_changes_no_credential(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    server: Server,
    clock: TestClock,
    path: str,
    body: dict[str, str],
) -> None:
    headers = await weak(http, alice, web)
    phone = await give_phone(server, clock, alice)
    body = body | {"current_password": PASSWORD}
    assert_too_weak(await http.post(path, json=body, headers=headers))
    headers = await strong(http, alice, web, phone)
    assert (await http.post(path, json=body, headers=headers)).is_success


KEY = {"name": "backup", "scopes": ["items:read"]}


@pytest.fixture
async def keeper(server: Server) -> TestUser:
    """May make API keys."""
    pytest.importorskip("app.features.api_keys")
    return await add_user(server, "keeper", scopes=("items:read", "api-keys:write"))


@pytest.mark.rfc("9470", "3", 1, 2)
async def test_a_login_from_before_the_factor_makes_no_api_key(
    http: httpx2.AsyncClient, keeper: TestUser, server: Server, clock: TestClock
) -> None:
    web = await add_client(server, "keys", scopes=["api-keys:write", "items:read"])
    token = await log_in(http, keeper, web, "api-keys:write items:read")
    phone = await give_phone(server, clock, keeper)
    headers = bearer(token["access_token"])
    assert_too_weak(await http.post("/api-keys", json=KEY, headers=headers))
    mfa_token = await challenge(http, keeper, web, scope="api-keys:write items:read")
    strong = await go_on(http, web, mfa_token, otp=phone.code())
    headers = bearer(strong.json()["access_token"])
    assert (await http.post("/api-keys", json=KEY, headers=headers)).status_code == 201


async def test_a_factor_that_is_set_up_meanwhile_keeps_a_weaker_login_from_making_one(
    http: httpx2.AsyncClient,
    keeper: TestUser,
    server: Server,
    clock: TestClock,
    meanwhile: Meanwhile,
) -> None:
    web = await add_client(server, "keys", scopes=["api-keys:write", "items:read"])
    token = await log_in(http, keeper, web, "api-keys:write items:read")
    meanwhile(server, lambda: give_phone(server, clock, keeper))
    headers = bearer(token["access_token"])
    assert_too_weak(await http.post("/api-keys", json=KEY, headers=headers))


@pytest.mark.parametrize("path", ["otp", "otp/remove", "recovery-codes"])
async def test_the_password_is_needed(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, path: str
) -> None:
    headers = await strong(http, alice, web, phone)
    body = {"current_password": "not the password"}
    response = await http.post(f"/users/me/mfa/{path}", json=body, headers=headers)
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "The current password is wrong.",
    )


async def test_a_second_app_waits_until_the_first_is_removed(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    headers = await strong(http, alice, web, phone)
    body = {"current_password": PASSWORD}
    response = await http.post("/users/me/mfa/otp", json=body, headers=headers)
    assert response.status_code == 409


async def test_who_manages_users_resets_a_lost_factor_and_everything_ends(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    headers = await strong(http, alice, web, phone)
    helpdesk = await add_user(server, "helpdesk", scopes=SCOPES)
    as_helpdesk = await weak(http, helpdesk, web)
    response = await http.post(f"/users/{alice.id}/mfa/reset", headers=as_helpdesk)
    assert response.json() == {
        "id": str(alice.id),
        "username": "alice",
        "removed": ["otp", "recovery_code"],
    }
    assert (await http.get("/users/me", headers=headers)).status_code == 401
    assert (await weak(http, alice, web)).keys() == {"Authorization"}


async def guess_until_they_wait(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, phone: Phone
) -> None:
    token = await challenge(http, user, client)
    guesses = [await go_on(http, client, token, otp=phone.wrong_code()) for _ in range(2)]
    right = await go_on(http, client, token, recovery_code=phone.recovery_codes[0])
    assert [each.status_code for each in (*guesses, right)] == [400, 400, 429]


@pytest.mark.parametrize("changes", [{"login_max_failures": 2}], ids=["two_guesses"])
async def test_a_reset_forgives_the_wrong_codes(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    server: Server,
    clock: TestClock,
) -> None:
    await guess_until_they_wait(http, alice, web, phone)
    helpdesk = await add_user(server, "helpdesk", scopes=SCOPES)
    as_helpdesk = await weak(http, helpdesk, web)
    reset = await http.post(f"/users/{alice.id}/mfa/reset", headers=as_helpdesk)
    assert reset.status_code == 200
    new = await give_phone(server, clock, alice)
    assert await strong(http, alice, web, new)


@pytest.mark.parametrize("changes", [{"login_max_failures": 2}], ids=["two_guesses"])
async def test_another_password_from_an_administrator_forgives_them_too(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    await guess_until_they_wait(http, alice, web, phone)
    async with operating(server.database, server.clock) as operator:
        password_hash = server.passwords.hash_now("another long password")
        await set_password(operator, alice.id, password_hash, revoke=())
    changed = replace(alice, password="another long password")
    assert await strong(http, changed, web, phone)


async def test_nobody_resets_the_factor_of_somebody_who_may_more(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    junior = await add_user(server, "junior", scopes=("users:write", "profile"))
    headers = await weak(http, junior, web)
    response = await http.post(f"/users/{alice.id}/mfa/reset", headers=headers)
    assert response.status_code == 403


async def test_nobody_resets_their_own_factor(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, server: Server, clock: TestClock
) -> None:
    headers = await weak(http, alice, web)
    await give_phone(server, clock, alice)
    response = await http.post(f"/users/{alice.id}/mfa/reset", headers=headers)
    assert (response.status_code, response.json()["detail"]) == (
        403,
        "Somebody else resets your second factor.",
    )
    assert await challenge(http, alice, web)


# A scope that takes a factor (RFC 9470)


async def demand(server: Server, scope: str) -> None:
    async with operating(server.database, server.clock) as operator:
        await require_level(operator, Requirement(scope=scope), Level.FACTOR)


@pytest.mark.rfc("9470", "3", 1, 2)
async def test_a_token_of_a_weak_login_opens_no_route_whose_scope_takes_a_factor(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, server: Server, clock: TestClock
) -> None:
    headers = await weak(http, alice, web)
    await demand(server, "account")
    clock.advance(2)
    assert_too_weak(await http.get("/users/me/sessions", headers=headers))
    assert (await http.get("/users/me", headers=headers)).status_code == 200


async def test_a_token_of_a_strong_login_opens_it(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    await demand(server, "account")
    headers = await strong(http, alice, web, phone)
    assert (await http.get("/users/me/sessions", headers=headers)).status_code == 200


@pytest.mark.rfc("9470", "9")
async def test_a_token_without_the_scope_is_told_that_it_lacks_the_scope(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, server: Server, clock: TestClock
) -> None:
    headers = bearer((await log_in(http, alice, web, "profile"))["access_token"])
    await demand(server, "account")
    clock.advance(2)
    response = await http.get("/users/me/sessions", headers=headers)
    assert (response.status_code, response.json()["error"]) == (403, "insufficient_scope")
