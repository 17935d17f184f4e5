"""The refresh token grant: RFC 6749, section 6, and RFC 9700, section 4.14."""

import asyncio
from collections import Counter
from collections.abc import Callable

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.database.engines import Database
from app.models import Base, Login, RefreshToken
from app.server import Server
from app.settings import Settings
from app.tokens.refresh_tokens import MAX_SUCCESSORS
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_user,
    bearer,
    disable_user,
    log_in,
)
from tests.support.forger import assert_accepted, assert_refused, read_claims
from tests.support.lifecycle import (
    INACTIVE,
    KNOWN_EVERYWHERE,
    Tokens,
    add_refreshing,
    credentials,
    delete_user,
    disable_client,
    end,
    ended_at,
    give_to_client,
    give_to_user,
    introspected,
    is_active,
    login_of,
    refresh,
    refreshed,
    revoked,
    set_grants,
    take_from_client,
    take_from_user,
)
from tests.support.sample import PATH, add_sample
from tests.support.shared import of_this_module_alone as of_this_module_alone  # a fixture

REFUSED = "The refresh token is expired, revoked or invalid."
MISSING = "The request needs a refresh_token."
NOT_GRANTED = "A requested scope was not granted at login."
NOTHING_LEFT = "The user has none of the requested scopes."
GRANTED = "profile items:read"
USES = 24

Change = Callable[[str], str]


@pytest.fixture(autouse=True)
def _sample(app: FastAPI) -> None:
    add_sample(app)


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A confidential client that may refresh."""
    return await add_refreshing(server)


@pytest.fixture
async def spa(server: Server) -> TestClient:
    """A public client that may refresh."""
    return await add_refreshing(server, "spa", is_public=True)


@pytest.fixture
async def first(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> Tokens:
    """What alice's login through the shop answered."""
    return await log_in(http, alice, shop, GRANTED)


def assert_invalid_grant(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)


async def assert_dead(http: httpx2.AsyncClient, client: TestClient, *family: Tokens) -> None:
    """No token of any of these answers works, wherever it is presented."""
    for tokens in family:
        await assert_refused(http, tokens["access_token"])
        assert await introspected(http, client, tokens["access_token"]) == INACTIVE
        assert await introspected(http, client, tokens["refresh_token"]) == INACTIVE
        assert_invalid_grant(await refresh(http, client, tokens["refresh_token"]))


# Rotation


@pytest.mark.rfc("6749", "6", 7)
async def test_a_refresh_token_is_exchanged_for_a_new_pair(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await refresh(http, shop, first["refresh_token"])
    body = response.json()
    assert (response.status_code, body) == (
        200,
        {
            "access_token": body["access_token"],
            "token_type": "Bearer",
            "expires_in": 900,
            "scope": GRANTED,
            "refresh_token": body["refresh_token"],
        },
    )
    assert body["access_token"] != first["access_token"]
    assert body["refresh_token"] != first["refresh_token"]


@pytest.mark.rfc("6749", "5.1", 6)
async def test_the_answer_is_never_stored_by_a_cache(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await refresh(http, shop, first["refresh_token"])
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"


async def test_the_new_access_token_is_good(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    await assert_accepted(http, second["access_token"])


async def test_the_new_access_token_is_of_the_same_login_and_has_a_life_of_its_own(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    clock.advance(100)
    second = await refreshed(http, shop, first["refresh_token"])
    before, after = read_claims(first["access_token"]), read_claims(second["access_token"])
    assert after["jti"] != before["jti"]
    assert after == before | {
        "jti": after["jti"],
        "iat": before["iat"] + 100,
        "exp": before["exp"] + 100,
    }


async def test_the_new_refresh_token_can_be_exchanged_in_turn(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    tokens, seen = first, {first["refresh_token"]}
    for _ in range(10):
        tokens = await refreshed(http, shop, tokens["refresh_token"])
        seen.add(tokens["refresh_token"])
    assert len(seen) == 11
    await assert_accepted(http, tokens["access_token"])


async def test_the_old_access_token_still_works_after_a_refresh(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    await refreshed(http, shop, first["refresh_token"])
    await assert_accepted(http, first["access_token"])
    assert await is_active(http, shop, first["access_token"])


@pytest.mark.rfc("6749", "10.4", 4)
@pytest.mark.rfc("9700", "2.2.2")
@pytest.mark.rfc("9700", "4.14.2", 4, 5)
async def test_the_tokens_of_a_public_client_are_rotated_too(
    http: httpx2.AsyncClient, alice: TestUser, spa: TestClient
) -> None:
    first = await log_in(http, alice, spa)
    second = await refreshed(http, spa, first["refresh_token"])
    assert_invalid_grant(await refresh(http, spa, first["refresh_token"]))
    assert_invalid_grant(await refresh(http, spa, second["refresh_token"]))


@pytest.mark.rfc("6749", "10.4", 5)
async def test_a_refresh_token_is_opaque(first: Tokens) -> None:
    assert len(first["refresh_token"]) == 43  # 256 bits in base64url
    assert "." not in first["refresh_token"]


# A used token comes again


@pytest.mark.rfc("6749", "6", 7)
async def test_a_used_token_is_refused(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    await refreshed(http, shop, first["refresh_token"])
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))


@pytest.mark.rfc("6749", "10.4", 4)
@pytest.mark.rfc("9700", "2.2.2")
@pytest.mark.rfc("9700", "4.14.2", 5)
async def test_a_used_token_ends_its_family_everywhere(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
    await assert_dead(http, shop, first, second)


async def test_a_token_used_long_before_ends_its_family(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    third = await refreshed(http, shop, second["refresh_token"])
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
    await assert_dead(http, shop, first, second, third)


async def test_the_end_of_the_family_is_committed_although_the_answer_is_an_error(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens, settings: Settings
) -> None:
    await refreshed(http, shop, first["refresh_token"])
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
    another = Database(settings.database_url)
    async with another.read() as connection:
        ended = await connection.scalar(select(Login.ended_at).where(Login.id == login_of(first)))
    await another.close()
    assert ended == server.clock.now()


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param(GRANTED, id="equal"),
        pytest.param("profile", id="narrower"),
        pytest.param("profile items:write", id="wider"),
        pytest.param('"', id="malformed"),
    ],
)
async def test_a_used_token_ends_its_family_whatever_scope_is_asked_for(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, scope: str
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    response = await refresh(http, shop, first["refresh_token"], scope)
    assert response.status_code == 400
    await assert_dead(http, shop, second)


async def test_another_login_of_the_same_user_goes_on_when_a_family_ends(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    other = await log_in(http, alice, shop, GRANTED)
    await refreshed(http, shop, first["refresh_token"])
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
    await assert_accepted(http, other["access_token"])
    await refreshed(http, shop, other["refresh_token"])


# Whose token it is


@pytest.mark.rfc("6749", "6", 5)
@pytest.mark.rfc("6749", "10.4", 2)
@pytest.mark.rfc("openid-connect-core", "12.1", 2)
async def test_the_token_of_another_client_is_refused_and_stays_usable_for_its_owner(
    http: httpx2.AsyncClient, shop: TestClient, spa: TestClient, first: Tokens
) -> None:
    assert_invalid_grant(await refresh(http, spa, first["refresh_token"]))
    await refreshed(http, shop, first["refresh_token"])


async def test_another_client_that_presents_a_used_token_does_not_end_the_family(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, spa: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    assert_invalid_grant(await refresh(http, spa, first["refresh_token"]))
    assert await ended_at(server, first) is None
    await refreshed(http, shop, second["refresh_token"])


async def test_another_client_is_not_told_that_the_scope_is_wider(
    http: httpx2.AsyncClient, spa: TestClient, first: Tokens
) -> None:
    assert_invalid_grant(await refresh(http, spa, first["refresh_token"], "items:write"))


@pytest.mark.rfc("6749", "6", 6)
@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda token: token[:-1], id="cut"),
        pytest.param(lambda token: token + "A", id="longer"),
        pytest.param(lambda token: token.swapcase(), id="another_case"),
        pytest.param(lambda token: token[::-1], id="another"),
        pytest.param(lambda token: f" {token}", id="a_space_before"),
        pytest.param(lambda token: "x" * 8_000, id="very_long"),
        pytest.param(lambda token: "\u00e9\u4e2d", id="not_ascii"),
        pytest.param(lambda token: "%", id="a_wildcard"),
    ],
)
async def test_an_unknown_token_is_refused(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, change: Change
) -> None:
    assert_invalid_grant(await refresh(http, shop, change(first["refresh_token"])))
    await refreshed(http, shop, first["refresh_token"])


@pytest.mark.rfc("8725", "3.12")
async def test_an_access_token_is_no_refresh_token(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    assert_invalid_grant(await refresh(http, shop, first["access_token"]))


async def test_a_refresh_token_is_no_access_token(http: httpx2.AsyncClient, first: Tokens) -> None:
    await assert_refused(http, first["refresh_token"])


# The request


@pytest.mark.rfc("6749", "6", 1)
@pytest.mark.parametrize("more", [{}, {"refresh_token": ""}], ids=["left_out", "empty"])
async def test_a_missing_token_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, more: dict[str, str]
) -> None:
    form = {"grant_type": "refresh_token"} | credentials(shop)
    response = await http.post("/token", data=form | more)
    assert_oauth2_error(response, "invalid_request", 400, MISSING)


async def test_a_repeated_token_is_an_invalid_request_and_is_not_used_up(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    token = first["refresh_token"]
    response = await http.post(
        "/token",
        data={"grant_type": "refresh_token", "refresh_token": [token, token]},
        auth=shop.basic,
    )
    assert_oauth2_error(response, "invalid_request", 400, "A parameter is repeated.")
    await refreshed(http, shop, token)


async def test_a_token_in_the_address_is_an_invalid_request(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    response = await http.post(
        "/token",
        params={"refresh_token": first["refresh_token"]},
        data={"grant_type": "refresh_token"},
        auth=shop.basic,
    )
    assert_oauth2_error(response, "invalid_request")


@pytest.mark.rfc("6749", "3.2.1", 1)
@pytest.mark.rfc("6749", "6", 4)
@pytest.mark.rfc("6749", "10.4", 3)
@pytest.mark.rfc("openid-connect-core", "12.1", 1)
@pytest.mark.parametrize("secret", ["", "wrong"], ids=["no_secret", "a_wrong_secret"])
async def test_a_confidential_client_must_authenticate_and_a_failure_costs_nothing(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, secret: str
) -> None:
    impostor = TestClient(shop.client_id, secret)
    response = await refresh(http, impostor, first["refresh_token"])
    assert_oauth2_error(response, "invalid_client", 401)
    await refreshed(http, shop, first["refresh_token"])


async def test_a_confidential_client_may_authenticate_with_basic(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"]}
    response = await http.post("/token", data=form, auth=shop.basic)
    assert (response.status_code, response.json()["scope"]) == (200, GRANTED)


@pytest.mark.rfc("6749", "5.2", 7)
async def test_a_client_without_the_grant_may_not_refresh(
    http: httpx2.AsyncClient, web: TestClient, shop: TestClient, first: Tokens
) -> None:
    response = await refresh(http, web, first["refresh_token"])
    assert_oauth2_error(response, "unauthorized_client")
    await refreshed(http, shop, first["refresh_token"])


async def test_a_client_that_lost_the_grant_may_not_refresh_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    await set_grants(server, shop, "password")
    clock.advance(KNOWN_EVERYWHERE)
    response = await refresh(http, shop, first["refresh_token"])
    assert_oauth2_error(response, "unauthorized_client")


@pytest.mark.rfc("9700", "4.14.2", 1)
async def test_no_refresh_token_is_issued_to_a_client_without_the_grant(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient
) -> None:
    assert set(await log_in(http, alice, web)) == {
        "access_token",
        "token_type",
        "expires_in",
        "scope",
    }
    async with server.database.read() as connection:
        assert (await connection.execute(select(RefreshToken))).all() == []


# Scope


@pytest.mark.rfc("6749", "6", 2)
@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        pytest.param("", {"profile", "items:read"}, id="left_out"),
        pytest.param("profile items:read", {"profile", "items:read"}, id="equal"),
        pytest.param("items:read profile", {"profile", "items:read"}, id="another_order"),
        pytest.param("profile  items:read ", {"profile", "items:read"}, id="more_spaces"),
        pytest.param("profile profile", {"profile"}, id="repeated"),
        pytest.param("items:read", {"items:read"}, id="narrower"),
    ],
)
async def test_the_scope_is_equal_or_narrower(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens, asked: str, granted: set[str]
) -> None:
    second = await refreshed(http, shop, first["refresh_token"], asked)
    assert sorted(second["scope"].split()) == sorted(granted)
    assert read_claims(second["access_token"])["scope"] == second["scope"]


@pytest.mark.rfc("6749", "5.2", 9)
@pytest.mark.rfc("6749", "6", 2)
@pytest.mark.rfc("9700", "4.14.2", 2)
@pytest.mark.parametrize(
    ("asked", "description"),
    [
        pytest.param("profile items:read items:write", NOT_GRANTED, id="the_users_and_clients"),
        pytest.param("items:write", NOT_GRANTED, id="another"),
        pytest.param("users:write", NOT_GRANTED, id="not_the_clients"),
        pytest.param("nothing", NOT_GRANTED, id="unknown"),
        pytest.param("PROFILE", NOT_GRANTED, id="another_case"),
        pytest.param("profile\titems:read", None, id="a_tab"),
        pytest.param('"profile"', None, id="quoted"),
    ],
)
async def test_a_wider_scope_is_refused_and_the_token_is_not_used_up(
    http: httpx2.AsyncClient,
    shop: TestClient,
    first: Tokens,
    asked: str,
    description: str | None,
) -> None:
    response = await refresh(http, shop, first["refresh_token"], asked)
    assert_oauth2_error(response, "invalid_scope", 400, description)
    assert (await refreshed(http, shop, first["refresh_token"]))["scope"] == GRANTED


@pytest.mark.rfc("6749", "6", 3, 8)
async def test_the_family_keeps_its_scope_after_a_narrower_refresh(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"], "profile")
    assert second["scope"] == "profile"
    third = await refreshed(http, shop, second["refresh_token"])
    assert third["scope"] == GRANTED
    fourth = await refreshed(http, shop, third["refresh_token"], GRANTED)
    assert fourth["scope"] == GRANTED


async def test_a_narrower_access_token_does_not_reach_further(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"], "profile")
    response = await http.get(PATH, headers=bearer(second["access_token"]))
    assert (response.status_code, response.json()["scope"]) == (403, "items:read")


async def test_a_scope_that_was_taken_from_the_user_is_no_longer_granted(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await take_from_user(server, alice, "items:read")
    second = await refreshed(http, shop, first["refresh_token"])
    assert second["scope"] == "profile"


async def test_a_scope_that_was_given_back_to_the_user_is_granted_again(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await take_from_user(server, alice, "items:read")
    second = await refreshed(http, shop, first["refresh_token"])
    await give_to_user(server, alice, "items:read")
    third = await refreshed(http, shop, second["refresh_token"])
    assert third["scope"] == GRANTED


async def test_a_scope_that_was_taken_from_the_client_is_no_longer_granted(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    await take_from_client(server, shop, "items:read")
    clock.advance(KNOWN_EVERYWHERE)
    second = await refreshed(http, shop, first["refresh_token"])
    assert second["scope"] == "profile"


async def test_a_scope_that_was_given_back_to_the_client_is_granted_at_once(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    """What a worker remembers of the client is not asked once the token is used up."""
    await take_from_client(server, shop, *GRANTED.split())
    clock.advance(KNOWN_EVERYWHERE)
    refused = await refresh(http, shop, first["refresh_token"])
    assert_oauth2_error(refused, "invalid_scope", 400, NOTHING_LEFT)
    await give_to_client(server, shop, *GRANTED.split())
    assert (await refreshed(http, shop, first["refresh_token"]))["scope"] == GRANTED


async def test_a_refresh_without_any_scope_left_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await take_from_user(server, alice, "profile", "items:read")
    response = await refresh(http, shop, first["refresh_token"])
    assert_oauth2_error(response, "invalid_scope", 400, NOTHING_LEFT)


async def test_a_refresh_without_any_asked_scope_left_does_not_use_the_token_up(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await take_from_user(server, alice, "items:read")
    response = await refresh(http, shop, first["refresh_token"], "items:read")
    assert_oauth2_error(response, "invalid_scope", 400, NOTHING_LEFT)
    assert (await refreshed(http, shop, first["refresh_token"]))["scope"] == "profile"


# How long a family lives


@pytest.mark.parametrize("changes", [{"refresh_token_ttl": 1000}], ids=["1000_seconds"])
class TestLifetime:
    async def test_a_token_works_until_just_before_the_end(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        clock.advance(999)
        await refreshed(http, shop, first["refresh_token"])

    @pytest.mark.rfc("6749", "6", 6)
    @pytest.mark.rfc("9700", "4.14.2", 8)
    async def test_a_token_is_refused_at_the_end(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        clock.advance(1000)
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))

    @pytest.mark.rfc("9700", "4.14.2", 8)
    async def test_refreshing_does_not_extend_the_life_of_the_family(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        clock.advance(600)
        second = await refreshed(http, shop, first["refresh_token"])
        clock.advance(399)
        third = await refreshed(http, shop, second["refresh_token"])
        clock.advance(1)
        assert_invalid_grant(await refresh(http, shop, third["refresh_token"]))

    async def test_the_end_that_introspection_tells_stays_where_it_was(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        before = await introspected(http, shop, first["refresh_token"])
        clock.advance(600)
        second = await refreshed(http, shop, first["refresh_token"])
        after = await introspected(http, shop, second["refresh_token"])
        assert after["exp"] == before["exp"] == before["iat"] + 1000


async def test_a_family_lives_for_thirty_days_unless_configured_otherwise(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    told = await introspected(http, shop, first["refresh_token"])
    assert told["exp"] - told["iat"] == 30 * 24 * 3600


# What ends it sooner


async def test_the_token_of_a_disabled_user_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await disable_user(server, alice)
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))


async def test_the_token_of_a_deleted_user_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, first: Tokens
) -> None:
    await delete_user(server, alice)
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))


async def test_the_token_of_an_ended_login_is_refused(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens
) -> None:
    await end(server, first)
    assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))


async def test_a_disabled_client_cannot_refresh_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens, clock: TestClock
) -> None:
    await disable_client(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    response = await refresh(http, shop, first["refresh_token"])
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("9700", "4.14.2", 7)
async def test_a_changed_password_ends_the_other_families_of_the_user(
    http: httpx2.AsyncClient, server: Server
) -> None:
    user = await add_user(server, scopes=("profile", "account"))
    client = await add_refreshing(server, scopes=("profile", "account"))
    own = await log_in(http, user, client, "profile account")
    other = await log_in(http, user, client, "profile")
    changed = await http.post(
        "/users/me/password",
        json={"current_password": PASSWORD, "new_password": "another horse battery staple"},
        headers=bearer(own["access_token"]),
    )
    assert changed.status_code == 204
    await assert_dead(http, client, other)
    await refreshed(http, client, own["refresh_token"])


# The grace period


@pytest.mark.parametrize("changes", [{"refresh_reuse_grace": 10}], ids=["grace_of_10_seconds"])
class TestGrace:
    async def test_the_preceding_token_may_come_again(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        lost = await refreshed(http, shop, first["refresh_token"])
        clock.advance(9)
        again = await refreshed(http, shop, first["refresh_token"])
        assert again["refresh_token"] != lost["refresh_token"]
        await assert_accepted(http, again["access_token"])

    @pytest.mark.parametrize("which", [0, 1, 2])
    async def test_any_one_of_the_successors_works(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, which: int
    ) -> None:
        successors = [await refreshed(http, shop, first["refresh_token"]) for _ in range(3)]
        third = await refreshed(http, shop, successors[which]["refresh_token"])
        await refreshed(http, shop, third["refresh_token"])

    async def test_a_second_one_of_the_successors_ends_the_family(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        lost = await refreshed(http, shop, first["refresh_token"])
        again = await refreshed(http, shop, first["refresh_token"])
        third = await refreshed(http, shop, again["refresh_token"])
        assert await introspected(http, shop, lost["refresh_token"]) == INACTIVE
        assert_invalid_grant(await refresh(http, shop, lost["refresh_token"]))
        await assert_dead(http, shop, first, lost, again, third)

    async def test_of_all_successors_used_at_once_one_succeeds_and_the_family_is_dead(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        successors = [
            await refreshed(http, shop, first["refresh_token"]) for _ in range(MAX_SUCCESSORS)
        ]
        responses = await asyncio.gather(
            *(refresh(http, shop, each["refresh_token"]) for each in successors)
        )
        statuses = Counter(response.status_code for response in responses)
        assert statuses == {200: 1, 400: MAX_SUCCESSORS - 1}
        (third,) = [response.json() for response in responses if response.status_code == 200]
        await assert_dead(http, shop, *successors, third)

    async def test_the_successors_are_of_one_family(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        lost = await refreshed(http, shop, first["refresh_token"])
        again = await refreshed(http, shop, first["refresh_token"])
        assert login_of(lost) == login_of(again) == login_of(first)
        await revoked(http, shop, lost["refresh_token"])
        await assert_dead(http, shop, first, lost, again)

    async def test_a_token_is_not_shielded_after_its_successor_was_used(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        second = await refreshed(http, shop, first["refresh_token"])
        third = await refreshed(http, shop, second["refresh_token"])
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
        await assert_dead(http, shop, first, second, third)

    async def test_a_token_is_not_shielded_after_one_of_its_successors_was_used(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        lost = await refreshed(http, shop, first["refresh_token"])
        again = await refreshed(http, shop, first["refresh_token"])
        third = await refreshed(http, shop, again["refresh_token"])
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
        await assert_dead(http, shop, lost, again, third)

    async def test_a_token_is_not_shielded_after_the_grace(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        second = await refreshed(http, shop, first["refresh_token"])
        clock.advance(10)
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
        await assert_dead(http, shop, first, second)

    async def test_coming_again_does_not_extend_the_grace(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens, clock: TestClock
    ) -> None:
        await refreshed(http, shop, first["refresh_token"])
        clock.advance(9)
        await refreshed(http, shop, first["refresh_token"])
        clock.advance(1)
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))

    async def test_a_token_is_not_shielded_after_its_revocation(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        second = await refreshed(http, shop, first["refresh_token"])
        await revoked(http, shop, second["refresh_token"])
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))

    async def test_a_token_is_not_shielded_for_another_client(
        self, http: httpx2.AsyncClient, shop: TestClient, spa: TestClient, first: Tokens
    ) -> None:
        await refreshed(http, shop, first["refresh_token"])
        assert_invalid_grant(await refresh(http, spa, first["refresh_token"]))
        await refreshed(http, shop, first["refresh_token"])

    async def test_a_wider_scope_is_refused_of_a_shielded_token_too(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        await refreshed(http, shop, first["refresh_token"])
        response = await refresh(http, shop, first["refresh_token"], "items:write")
        assert_oauth2_error(response, "invalid_scope", 400, NOT_GRANTED)

    async def test_a_token_comes_again_only_a_few_times(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        answers = [
            await refreshed(http, shop, first["refresh_token"]) for _ in range(MAX_SUCCESSORS)
        ]
        assert_invalid_grant(await refresh(http, shop, first["refresh_token"]))
        await assert_dead(http, shop, first, *answers)

    async def test_of_many_simultaneous_uses_a_few_succeed_and_all_in_one_family(
        self, http: httpx2.AsyncClient, shop: TestClient, first: Tokens
    ) -> None:
        responses = await asyncio.gather(
            *(refresh(http, shop, first["refresh_token"]) for _ in range(USES))
        )
        statuses = Counter(response.status_code for response in responses)
        assert statuses == {200: MAX_SUCCESSORS, 400: USES - MAX_SUCCESSORS}
        answers = [response.json() for response in responses if response.status_code == 200]
        assert {login_of(answer) for answer in answers} == {login_of(first)}


# Many at once


@pytest.mark.rfc("9700", "4.14.2", 4)
async def test_of_many_simultaneous_uses_exactly_one_succeeds_and_the_family_is_dead(
    http: httpx2.AsyncClient, shop: TestClient, first: Tokens
) -> None:
    responses = await asyncio.gather(
        *(refresh(http, shop, first["refresh_token"]) for _ in range(USES))
    )
    granted = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code != 200]
    assert (len(granted), len(refused)) == (1, USES - 1)
    for response in refused:
        assert_invalid_grant(response)
    await assert_dead(http, shop, first, granted[0].json())


async def test_simultaneous_refreshes_of_many_logins_all_succeed(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient
) -> None:
    logins = [await log_in(http, alice, shop) for _ in range(USES)]
    answers = await asyncio.gather(
        *(refreshed(http, shop, login["refresh_token"]) for login in logins)
    )
    assert len({answer["refresh_token"] for answer in answers}) == USES


# What is stored


@pytest.mark.rfc("6749", "10.4", 1)
async def test_the_database_holds_no_refresh_token_only_hashes(
    http: httpx2.AsyncClient, server: Server, shop: TestClient, first: Tokens
) -> None:
    second = await refreshed(http, shop, first["refresh_token"])
    rows: list[str] = []
    async with server.database.read() as connection:
        for table in Base.metadata.sorted_tables:
            rows += [repr(row) for row in await connection.execute(select(table))]
        stored = list(await connection.scalars(select(RefreshToken.token_hash)))
    assert len(stored) == 2
    assert all(len(value) == 64 for value in stored)
    dump = "\n".join(rows)
    assert stored[0] in dump
    for tokens in (first, second):
        assert tokens["refresh_token"] not in dump
        assert tokens["access_token"] not in dump
