"""One's own account: the e-mail address, the password, the sessions."""

import json
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest
from sqlalchemy import insert

from app.identity import users
from app.models import Login
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.assertions import (
    assert_bearer_error,
    assert_no_token_sent,
    assert_oauth2_error,
    assert_problem,
)
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_user, bearer, log_in
from tests.support.forger import assert_accepted, assert_refused
from tests.support.lifecycle import (
    INACTIVE,
    Tokens,
    add_refreshing,
    add_service,
    end,
    introspected,
    is_active,
    login_of,
    own_token,
    refresh,
    refreshed,
)
from tests.support.meanwhile import Meanwhile
from tests.support.operators import events

WRONG = "The current password is wrong."
NEW_PASSWORD = "another horse battery staple"
NO_SESSION = "There is no such login."
NOBODYS = "00000000-0000-4000-8000-000000000000"
SCOPE = "profile email account"
SCOPES = ("profile", "email", "account")
FAMILY = 10_000
"""Seconds that a session of a client that refreshes lasts here."""


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, refresh_token_ttl=FAMILY)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, scopes=SCOPES)


@pytest.fixture
async def bob(server: Server) -> TestUser:
    return await add_user(server, "bob", scopes=SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_refreshing(server, scopes=SCOPES)


@pytest.fixture
async def own(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> Tokens:
    """The login that alice's requests are made with."""
    return await log_in(http, alice, shop, SCOPE)


async def send(
    http: httpx2.AsyncClient, method: str, path: str, tokens: Tokens, body: dict[str, Any]
) -> httpx2.Response:
    """With a body that is escaped JSON, so that it can hold any character."""
    headers = bearer(tokens["access_token"]) | {"Content-Type": "application/json"}
    return await http.request(method, path, content=json.dumps(body), headers=headers)


async def set_email(http: httpx2.AsyncClient, tokens: Tokens, **body: Any) -> httpx2.Response:
    return await send(http, "PATCH", "/users/me", tokens, body)


async def set_password(http: httpx2.AsyncClient, tokens: Tokens, **body: Any) -> httpx2.Response:
    return await send(http, "POST", "/users/me/password", tokens, body)


async def sessions(http: httpx2.AsyncClient, tokens: Tokens) -> list[dict[str, Any]]:
    response = await http.get("/users/me/sessions", headers=bearer(tokens["access_token"]))
    assert response.status_code == 200, response.text
    listed: list[dict[str, Any]] = response.json()
    return listed


async def end_session(
    http: httpx2.AsyncClient, tokens: Tokens, session_id: object
) -> httpx2.Response:
    headers = bearer(tokens["access_token"])
    return await http.delete(f"/users/me/sessions/{session_id}", headers=headers)


async def logs_in(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, password: str
) -> bool:
    form = {"grant_type": "password", "username": user.username, "password": password}
    return (await http.post("/token", data=form, auth=client.basic)).status_code == 200


async def assert_dead(http: httpx2.AsyncClient, client: TestClient, tokens: Tokens) -> None:
    await assert_refused(http, tokens["access_token"])
    assert await introspected(http, client, tokens["access_token"]) == INACTIVE
    assert await introspected(http, client, tokens["refresh_token"]) == INACTIVE
    assert_oauth2_error(await refresh(http, client, tokens["refresh_token"]), "invalid_grant")


def at(moment: str) -> datetime:
    return datetime.fromisoformat(moment)


# Who may do this

ROUTES = pytest.mark.parametrize(
    ("method", "path"),
    [
        pytest.param("PATCH", "/users/me", id="change_the_address"),
        pytest.param("POST", "/users/me/password", id="change_the_password"),
        pytest.param("GET", "/users/me/sessions", id="list_sessions"),
        pytest.param("DELETE", f"/users/me/sessions/{NOBODYS}", id="end_a_session"),
    ],
)


@ROUTES
async def test_the_scope_account_is_needed(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, method: str, path: str
) -> None:
    tokens = await log_in(http, alice, shop, "profile email")
    response = await http.request(method, path, headers=bearer(tokens["access_token"]))
    assert_bearer_error(response, "insufficient_scope", 403, scope="account")


@ROUTES
async def test_a_token_is_needed(http: httpx2.AsyncClient, method: str, path: str) -> None:
    response = await http.request(method, path)
    assert_no_token_sent(response)
    assert_problem(response, 401)


@ROUTES
async def test_the_token_of_a_client_that_acts_for_itself_does_not_do(
    http: httpx2.AsyncClient, server: Server, method: str, path: str
) -> None:
    token = await own_token(http, await add_service(server))
    response = await http.request(method, path, headers=bearer(token))
    assert_bearer_error(response, "insufficient_scope", 403, scope="account")


# The e-mail address


async def test_a_new_address_is_not_verified_and_so_told_to_no_client(
    http: httpx2.AsyncClient, alice: TestUser, own: Tokens
) -> None:
    response = await set_email(http, own, email="a@new.example", current_password=PASSWORD)
    me = {
        "id": str(alice.id),
        "username": "alice",
        "email": "a@new.example",
        "email_verified": False,
        "scopes": ["account", "email", "profile"],
    }
    assert (response.status_code, response.json()) == (200, me)
    seen = await http.get("/users/me", headers=bearer(own["access_token"]))
    assert seen.json() == me | {"email": None, "email_verified": None}


async def test_the_address_can_be_taken_away(http: httpx2.AsyncClient, own: Tokens) -> None:
    response = await set_email(http, own, email=None, current_password=PASSWORD)
    assert (response.status_code, response.json()["email"]) == (200, None)


async def test_another_address_ends_no_session(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    other = await log_in(http, alice, shop)
    response = await set_email(http, own, email="a@new.example", current_password=PASSWORD)
    assert response.status_code == 200
    await assert_accepted(http, other["access_token"])


async def test_the_address_stays_when_the_current_password_is_wrong(
    http: httpx2.AsyncClient, own: Tokens
) -> None:
    response = await set_email(http, own, email="a@new.example", current_password="wrong")
    assert assert_problem(response, 403)["detail"] == WRONG
    seen = await http.get("/users/me", headers=bearer(own["access_token"]))
    assert seen.json()["email"] == "alice@example.com"


@pytest.mark.parametrize(
    "email",
    [
        pytest.param("", id="empty"),
        pytest.param("alice", id="no_at"),
        pytest.param("@example.com", id="no_name"),
        pytest.param("alice@", id="no_domain"),
        pytest.param("a lice@example.com", id="a_space"),
        pytest.param("alice@example.com\r\nBcc: x@example.com", id="two_lines"),
        pytest.param("a\x00@example.com", id="nul"),
        pytest.param("\ud800@example.com", id="a_lone_surrogate"),
        pytest.param("a" * 320 + "@example.com", id="too_long"),
        pytest.param(7, id="a_number"),
    ],
)
async def test_what_is_no_address_is_refused(
    http: httpx2.AsyncClient, own: Tokens, email: object
) -> None:
    response = await set_email(http, own, email=email, current_password=PASSWORD)
    assert_problem(response, 422)
    seen = await http.get("/users/me", headers=bearer(own["access_token"]))
    assert seen.json()["email"] == "alice@example.com"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"email": "a@new.example"}, "body.current_password", id="no_password"),
        pytest.param({"name": "\u202eecilA"}, "body.name", id="a_name_that_turns_the_page_around"),
        pytest.param({"picture": "javascript:alert(1)"}, "body.picture", id="no_link"),
        pytest.param({"locale": "en_GB; q=1"}, "body.locale", id="no_language_tag"),
        pytest.param(
            {"email": None, "current_password": PASSWORD, "username": "root"},
            "body.username",
            id="something_else",
        ),
        pytest.param(
            {"email": None, "current_password": [PASSWORD]},
            "body.current_password",
            id="a_list_for_a_password",
        ),
    ],
)
async def test_a_body_of_another_form_is_refused_without_repeating_it(
    http: httpx2.AsyncClient, own: Tokens, body: dict[str, object], field: str
) -> None:
    response = await set_email(http, own, **body)
    errors = assert_problem(response, 422)["errors"]
    assert isinstance(errors, list)
    assert [set(error) for error in errors] == [{"field", "reason"}]
    assert errors[0]["field"] == field
    assert PASSWORD not in response.text


# The profile


async def test_the_profile_is_changed_without_the_password(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    changes = {"name": "Alice Liddell", "picture": "https://example.com/a.jpg", "locale": "en-GB"}
    response = await send(http, "PATCH", "/users/me", own, changes)
    seen = await http.get("/users/me", headers=bearer(own["access_token"]))
    assert response.status_code == 200
    assert response.json() == seen.json()
    assert seen.json().items() >= changes.items()
    assert seen.json()["email"] == "alice@example.com"
    (event,) = await events(server, event_type="user.changed")
    assert (event.actor, event.user_id) == (str(alice.id), str(alice.id))
    assert event.client_id == shop.client_id
    assert event.details == dict.fromkeys(changes, "changed")


async def test_null_takes_a_part_of_the_profile_away_and_the_rest_stays(
    http: httpx2.AsyncClient, own: Tokens
) -> None:
    await send(http, "PATCH", "/users/me", own, {"name": "Alice Liddell", "locale": "en-GB"})
    response = await send(http, "PATCH", "/users/me", own, {"locale": None})
    assert response.json()["name"] == "Alice Liddell"
    assert "locale" not in response.json()


async def test_to_set_what_is_set_already_changes_nothing(
    http: httpx2.AsyncClient, server: Server, own: Tokens
) -> None:
    same = {"name": None, "email": "alice@example.com", "current_password": PASSWORD}
    response = await send(http, "PATCH", "/users/me", own, same)
    assert (response.status_code, response.json()["email_verified"]) == (200, True)
    for event_type in ("user.changed", "email.changed"):
        assert await events(server, event_type=event_type) == []


async def test_nothing_is_changed_where_an_address_comes_with_a_wrong_password(
    http: httpx2.AsyncClient, own: Tokens
) -> None:
    changes = {"name": "Mallory", "email": "a@new.example", "current_password": "wrong"}
    assert_problem(await send(http, "PATCH", "/users/me", own, changes), 403)
    seen = await http.get("/users/me", headers=bearer(own["access_token"]))
    assert (seen.json()["email"], "name" in seen.json()) == ("alice@example.com", False)


# The password


async def test_a_new_password_logs_in_and_the_old_one_does_not(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    response = await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert (response.status_code, response.content) == (204, b"")
    assert await logs_in(http, alice, shop, NEW_PASSWORD)
    assert not await logs_in(http, alice, shop, PASSWORD)


async def test_a_new_password_ends_the_other_sessions_of_every_client(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    store = await add_refreshing(server, "store", scopes=SCOPES)
    here, there = await log_in(http, alice, shop), await log_in(http, alice, store)
    await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    await assert_dead(http, shop, here)
    await assert_dead(http, store, there)


async def test_a_new_password_leaves_the_own_session(
    http: httpx2.AsyncClient, shop: TestClient, own: Tokens
) -> None:
    await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    await assert_accepted(http, own["access_token"])
    second = await refreshed(http, shop, own["refresh_token"])
    await assert_accepted(http, second["access_token"])


async def test_a_new_password_leaves_the_sessions_of_other_users(
    http: httpx2.AsyncClient, bob: TestUser, shop: TestClient, own: Tokens
) -> None:
    bobs = await log_in(http, bob, shop)
    await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    await refreshed(http, shop, bobs["refresh_token"])


async def test_the_password_stays_when_the_current_one_is_wrong(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    other = await log_in(http, alice, shop, "profile")
    response = await set_password(http, own, current_password="wrong", new_password=NEW_PASSWORD)
    assert assert_problem(response, 403)["detail"] == WRONG
    assert await logs_in(http, alice, shop, PASSWORD)
    await assert_accepted(http, other["access_token"])


@pytest.mark.parametrize(
    ("new_password", "detail"),
    [
        pytest.param(
            "fourteen chars", "a password must have at least 15 characters", id="too_short"
        ),
        pytest.param("", "a password must have at least 15 characters", id="empty"),
        pytest.param("x" * 1025, "a password can have at most 1024 characters", id="too_long"),
        pytest.param(
            "fifteen\x00characters", "a password cannot contain the NUL character", id="nul"
        ),
        pytest.param(
            "\ud800" * 15,
            "a password can contain only valid Unicode characters",
            id="lone_surrogates",
        ),
    ],
)
async def test_a_password_that_breaks_a_rule_is_refused_with_the_rule(
    http: httpx2.AsyncClient,
    alice: TestUser,
    shop: TestClient,
    own: Tokens,
    new_password: str,
    detail: str,
) -> None:
    other = await log_in(http, alice, shop, "profile")
    response = await set_password(http, own, current_password=PASSWORD, new_password=new_password)
    assert assert_problem(response, 422)["detail"] == detail
    assert await logs_in(http, alice, shop, PASSWORD)
    await assert_accepted(http, other["access_token"])


async def test_a_password_that_is_the_users_name_is_refused(
    http: httpx2.AsyncClient, server: Server, shop: TestClient
) -> None:
    user = await add_user(server, "a-rather-long-user-name", scopes=SCOPES)
    tokens = await log_in(http, user, shop, SCOPE)
    response = await set_password(
        http, tokens, current_password=PASSWORD, new_password="A-Rather-Long-User-Name"
    )
    problem = assert_problem(response, 422)
    assert problem["detail"] == "a password must differ from the user name"


async def test_the_current_password_is_judged_before_the_new_one(
    http: httpx2.AsyncClient, own: Tokens
) -> None:
    response = await set_password(http, own, current_password="wrong", new_password="short")
    assert_problem(response, 403)


@pytest.mark.parametrize(
    ("new_password", "typed"),
    [
        pytest.param("\u00e9" * 15, "e\u0301" * 15, id="composed_and_decomposed"),
        pytest.param("\u4e2d" * 64, "\u4e2d" * 64, id="sixty_four_of_another_script"),
        pytest.param("  spaces at both ends  ", "  spaces at both ends  ", id="spaces"),
    ],
)
async def test_a_password_of_any_characters_logs_in(
    http: httpx2.AsyncClient,
    alice: TestUser,
    shop: TestClient,
    own: Tokens,
    new_password: str,
    typed: str,
) -> None:
    response = await set_password(http, own, current_password=PASSWORD, new_password=new_password)
    assert response.status_code == 204
    assert await logs_in(http, alice, shop, typed)


@pytest.mark.parametrize(
    ("body", "field"),
    [
        pytest.param({"current_password": PASSWORD}, "body.new_password", id="no_new_one"),
        pytest.param({"new_password": NEW_PASSWORD}, "body.current_password", id="no_current_one"),
        pytest.param(
            {"current_password": PASSWORD, "new_password": NEW_PASSWORD, "user": "bob"},
            "body.user",
            id="something_else",
        ),
    ],
)
async def test_a_change_of_another_form_is_refused_without_repeating_it(
    http: httpx2.AsyncClient, own: Tokens, body: dict[str, object], field: str
) -> None:
    response = await set_password(http, own, **body)
    errors = assert_problem(response, 422)["errors"]
    assert isinstance(errors, list)
    assert [set(error) for error in errors] == [{"field", "reason"}]
    assert errors[0]["field"] == field
    assert PASSWORD not in response.text
    assert NEW_PASSWORD not in response.text


async def test_a_password_that_was_changed_meanwhile_is_not_overwritten(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, own: Tokens, meanwhile: Meanwhile
) -> None:
    async def change() -> None:
        async with server.database.transaction() as connection:
            account = await users.get_account(connection, alice.id)
            now = server.clock.now()
            assert await users.change_password(connection, account, "somebody faster's", now)

    meanwhile(server, change)
    response = await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    assert_problem(response, 403)
    assert response.json()["detail"] == WRONG
    async with server.database.read() as connection:
        account = await users.get_account(connection, alice.id)
    assert account.password_hash == "somebody faster's"


async def test_every_new_password_has_another_stamp(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, own: Tokens
) -> None:
    async with server.database.read() as connection:
        before = await users.get_account(connection, alice.id)
    await set_password(http, own, current_password=PASSWORD, new_password=NEW_PASSWORD)
    async with server.database.read() as connection:
        after = await users.get_account(connection, alice.id)
    assert before.security_stamp != after.security_stamp


# The sessions


async def test_a_session_is_listed_with_all_that_its_user_may_know(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    response = await http.post(
        "/token",
        data=form | {"scope": SCOPE},
        auth=shop.basic,
        headers={"User-Agent": "Browser/1.0"},
    )
    own = response.json()
    (session,) = await sessions(http, own)
    assert session == {
        "id": str(login_of(own)),
        "client_id": "shop",
        "client_name": "shop",
        "created_at": session["created_at"],
        "last_refreshed_at": None,
        "expires_at": session["expires_at"],
        "address": "127.0.0.1",
        "user_agent": "Browser/1.0",
        "current": True,
    }
    assert at(session["created_at"]) == clock.now()
    assert (at(session["expires_at"]) - clock.now()).total_seconds() == FAMILY


async def test_the_time_of_the_last_refresh_is_told(
    http: httpx2.AsyncClient, shop: TestClient, own: Tokens, clock: TestClock
) -> None:
    began = clock.now()
    clock.advance(100)
    second = await refreshed(http, shop, own["refresh_token"])
    clock.advance(100)
    third = await refreshed(http, shop, second["refresh_token"])
    refreshed_at = clock.now()
    clock.advance(100)
    (session,) = await sessions(http, third)
    assert at(session["last_refreshed_at"]) == refreshed_at
    assert at(session["created_at"]) == began
    assert (at(session["expires_at"]) - began).total_seconds() == FAMILY


async def test_a_request_is_not_written_down(
    http: httpx2.AsyncClient, own: Tokens, clock: TestClock
) -> None:
    before = await sessions(http, own)
    clock.advance(100)
    await assert_accepted(http, own["access_token"])
    assert await sessions(http, own) == before


async def test_the_sessions_are_listed_newest_first_and_the_current_one_is_marked(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, own: Tokens, clock: TestClock
) -> None:
    store = await add_refreshing(server, "store", scopes=SCOPES)
    clock.advance(1)
    second = await log_in(http, alice, store, SCOPE)
    clock.advance(1)
    third = await log_in(http, alice, store, SCOPE)
    ids = [str(login_of(tokens)) for tokens in (third, second, own)]
    for asking in (own, second, third):
        listed = await sessions(http, asking)
        assert [session["id"] for session in listed] == ids
        current = [session["id"] for session in listed if session["current"]]
        assert current == [str(login_of(asking))]
    assert [session["client_id"] for session in listed] == ["store", "store", "shop"]


async def test_a_session_that_was_ended_is_not_listed(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    await end(server, await log_in(http, alice, shop))
    assert [session["id"] for session in await sessions(http, own)] == [str(login_of(own))]


async def test_a_session_that_has_expired_is_not_listed(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens, clock: TestClock
) -> None:
    clock.advance(FAMILY - 1)
    new = await log_in(http, alice, shop, SCOPE)
    ids = [str(login_of(tokens)) for tokens in (new, own)]
    assert [session["id"] for session in await sessions(http, new)] == ids
    clock.advance(1)
    assert [session["id"] for session in await sessions(http, new)] == ids[:1]


async def test_a_session_without_refresh_tokens_ends_with_its_access_token(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, own: Tokens, clock: TestClock
) -> None:
    await log_in(http, alice, web, "profile")
    assert len(await sessions(http, own)) == 2
    clock.advance(899)
    assert len(await sessions(http, own)) == 2


async def test_the_sessions_of_other_users_are_not_listed(
    http: httpx2.AsyncClient, bob: TestUser, shop: TestClient, own: Tokens
) -> None:
    bobs = await log_in(http, bob, shop, SCOPE)
    assert [session["id"] for session in await sessions(http, own)] == [str(login_of(own))]
    assert [session["id"] for session in await sessions(http, bobs)] == [str(login_of(bobs))]


async def test_a_very_long_name_of_a_browser_is_cut(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient
) -> None:
    form = {"grant_type": "password", "username": alice.username, "password": alice.password}
    response = await http.post(
        "/token",
        data=form | {"scope": SCOPE},
        auth=shop.basic,
        headers={"User-Agent": "x" * 4000},
    )
    (session,) = await sessions(http, response.json())
    assert session["user_agent"] == "x" * 255


async def listed_at(
    http: httpx2.AsyncClient, tokens: Tokens, address: str
) -> tuple[list[str], str | None]:
    """The ids on a page, and the address of the next one."""
    response = await http.get(address, headers=bearer(tokens["access_token"]))
    assert response.status_code == 200, response.text
    link = response.headers.get("link")
    ids = [session["id"] for session in response.json()]
    if link is None:
        return ids, None
    address, relation = link.split("; ")
    assert relation == 'rel="next"'
    return ids, address.removeprefix("<").removesuffix(">")


async def test_a_long_list_is_read_in_pages_newest_first(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens, clock: TestClock
) -> None:
    expected = [str(login_of(own))]
    for seconds in (1, 0, 1, 0):
        clock.advance(seconds)
        expected.append(str(login_of(await log_in(http, alice, shop, SCOPE))))
    whole, _ = await listed_at(http, own, "/users/me/sessions")
    found, address = await listed_at(http, own, "/users/me/sessions?limit=2")
    while address is not None:
        assert address.startswith(f"{ISSUER}/users/me/sessions?limit=2&cursor=")
        more, address = await listed_at(http, own, address)
        assert len(more) in (1, 2)
        found += more
    assert found == whole
    assert set(found) == set(expected)
    assert found[-1] == str(login_of(own))


async def test_a_page_holds_fifty_unless_it_is_asked_for_more(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    async with server.database.transaction() as connection:
        for _ in range(60):
            await connection.execute(
                insert(Login).values(
                    user_id=alice.id,
                    client_id=shop.client_id,
                    scope="profile",
                    created_at=server.clock.now(),
                    expires_at=server.clock.now() + timedelta(days=1),
                )
            )
    shown, address = await listed_at(http, own, "/users/me/sessions")
    assert (len(shown), address is None) == (50, False)
    shown, address = await listed_at(http, own, "/users/me/sessions?limit=200")
    assert (len(shown), address) == (61, None)


async def test_a_page_after_sessions_that_are_over_goes_on_where_it_was(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens, clock: TestClock
) -> None:
    clock.advance(1)
    second = await log_in(http, alice, shop, SCOPE)
    (first_shown,), address = await listed_at(http, own, "/users/me/sessions?limit=1")
    assert first_shown == str(login_of(second))
    assert (await end_session(http, own, login_of(second))).status_code == 204
    assert address is not None
    assert await listed_at(http, own, address) == ([str(login_of(own))], None)


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=201",
        "cursor=",
        "cursor=x",
        "cursor=1.2",
        "cursor=" + "9" * 18 + "." + "a" * 32,
    ],
)
async def test_a_page_that_there_cannot_be_is_refused(
    http: httpx2.AsyncClient, own: Tokens, query: str
) -> None:
    headers = bearer(own["access_token"])
    assert_problem(await http.get(f"/users/me/sessions?{query}", headers=headers), 422)


# Ending a session


async def test_a_session_that_is_ended_is_dead_with_all_its_tokens(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    other = await log_in(http, alice, shop, "profile")
    response = await end_session(http, own, login_of(other))
    assert (response.status_code, response.content) == (204, b"")
    await assert_dead(http, shop, other)
    assert [session["id"] for session in await sessions(http, own)] == [str(login_of(own))]
    await refreshed(http, shop, own["refresh_token"])


async def test_a_refreshed_session_is_ended_with_its_newest_tokens(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    other = await log_in(http, alice, shop, "profile")
    newest = await refreshed(http, shop, other["refresh_token"])
    assert (await end_session(http, own, login_of(other))).status_code == 204
    await assert_dead(http, shop, newest)


async def test_the_own_session_can_be_ended(
    http: httpx2.AsyncClient, shop: TestClient, own: Tokens
) -> None:
    assert (await end_session(http, own, login_of(own))).status_code == 204
    await assert_dead(http, shop, own)


async def test_the_session_of_another_user_is_not_found_and_goes_on(
    http: httpx2.AsyncClient, bob: TestUser, shop: TestClient, own: Tokens
) -> None:
    bobs = await log_in(http, bob, shop, "profile")
    response = await end_session(http, own, login_of(bobs))
    assert assert_problem(response, 404)["detail"] == NO_SESSION
    assert await is_active(http, shop, bobs["access_token"])
    await refreshed(http, shop, bobs["refresh_token"])


async def test_an_unknown_session_is_not_found(http: httpx2.AsyncClient, own: Tokens) -> None:
    response = await end_session(http, own, NOBODYS)
    assert assert_problem(response, 404)["detail"] == NO_SESSION


async def test_a_session_is_not_ended_twice(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens
) -> None:
    other = await log_in(http, alice, shop)
    assert (await end_session(http, own, login_of(other))).status_code == 204
    response = await end_session(http, own, login_of(other))
    assert assert_problem(response, 404)["detail"] == NO_SESSION


async def test_a_session_that_has_expired_is_not_found(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, own: Tokens, clock: TestClock
) -> None:
    clock.advance(FAMILY)
    new = await log_in(http, alice, shop, SCOPE)
    response = await end_session(http, new, login_of(own))
    assert assert_problem(response, 404)["detail"] == NO_SESSION


@pytest.mark.parametrize("session_id", ["1", "current", "%00"], ids=["number", "word", "nul"])
async def test_what_is_no_id_of_a_session_is_refused(
    http: httpx2.AsyncClient, own: Tokens, session_id: str
) -> None:
    assert_problem(await end_session(http, own, session_id), 422)
