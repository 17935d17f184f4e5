"""The client credentials grant: RFC 6749, section 4.4. A client acts for itself."""

import uuid
from collections.abc import Callable

import httpx2
import jwt
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.errors import InvalidFieldsError
from app.identity.clients import find_client
from app.identity.scopes import SPEAK_OF_A_USER
from app.models import Login, RefreshToken
from app.server import Server
from app.settings import Settings
from tests.conftest import ISSUER, make_settings
from tests.support.assertions import assert_bearer_error, assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer
from tests.support.forger import get_me, read_claims
from tests.support.lifecycle import (
    KNOWN_EVERYWHERE,
    act_for_itself,
    add_service,
    disable_client,
    own_token,
    set_grants,
)
from tests.support.on_sqlite import backend as backend
from tests.support.sample import PATH, add_sample
from tests.support.shared import of_this_module_alone

__all__ = ["of_this_module_alone"]  # a fixture

NOT_ALLOWED = "A requested scope is unknown or not allowed for this client."
NO_DEFAULT = "The scope parameter is required: this client has no default scope."


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
async def service(server: Server) -> TestClient:
    """A client that acts for itself, and was given scopes that speak of a user too."""
    return await add_service(
        server,
        scopes=("items:read", "items:write", *SPEAK_OF_A_USER),
        default_scopes=("items:read", "profile"),
    )


# The answer


@pytest.mark.rfc("6749", "4.4.2", 1)
async def test_a_client_gets_an_access_token_for_its_secret(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    response = await act_for_itself(http, service, "items:read items:write")
    body = response.json()
    assert (response.status_code, body) == (
        200,
        {
            "access_token": body["access_token"],
            "token_type": "Bearer",
            "expires_in": 900,
            "scope": "items:read items:write",
        },
    )


@pytest.mark.rfc("6749", "5.1", 6)
async def test_the_answer_is_never_stored_by_a_cache(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    response = await act_for_itself(http, service)
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"


async def test_the_client_may_authenticate_with_basic(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    response = await http.post(
        "/token", data={"grant_type": "client_credentials"}, auth=service.basic
    )
    assert (response.status_code, response.json()["scope"]) == (200, "items:read")


@pytest.mark.rfc("9068", "2.2", 2)
@pytest.mark.rfc("9700", "4.15.1", 2)
async def test_the_subject_is_the_client_and_there_is_no_session(
    http: httpx2.AsyncClient, service: TestClient, clock: TestClock
) -> None:
    token = await own_token(http, service, "items:write")
    claims = read_claims(token)
    now = int(clock.now().timestamp())
    assert claims == {
        "iss": ISSUER,
        "sub": "service",
        "aud": ISSUER,
        "exp": now + 900,
        "iat": now,
        "jti": claims["jti"],
        "client_id": "service",
        "scope": "items:write",
    }
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt"


@pytest.mark.rfc("6749", "4.4.3")
async def test_there_is_no_refresh_token_even_for_a_client_that_may_refresh(
    http: httpx2.AsyncClient, server: Server, service: TestClient
) -> None:
    await set_grants(server, service, "client_credentials", "refresh_token")
    body = (await act_for_itself(http, service)).json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}


async def test_nobody_is_logged_in(
    http: httpx2.AsyncClient, server: Server, service: TestClient
) -> None:
    await own_token(http, service)
    async with server.database.read() as connection:
        assert (await connection.execute(select(Login.id))).all() == []
        assert (await connection.execute(select(RefreshToken.token_hash))).all() == []


# Scope


async def test_the_defaults_are_granted_without_those_that_speak_of_a_user(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    response = await act_for_itself(http, service)
    assert response.json()["scope"] == "items:read"


@pytest.mark.parametrize("scope", SPEAK_OF_A_USER)
async def test_a_scope_that_speaks_of_a_user_is_refused(
    http: httpx2.AsyncClient, service: TestClient, scope: str
) -> None:
    response = await act_for_itself(http, service, scope)
    assert_oauth2_error(response, "invalid_scope", 400, NOT_ALLOWED)


@pytest.mark.parametrize(
    "scope",
    [
        pytest.param("items:read profile", id="with_one_that_speaks_of_a_user"),
        pytest.param("items:read users:read", id="with_one_of_other_clients"),
        pytest.param("items:read nothing", id="with_an_unknown_one"),
        pytest.param("ITEMS:READ", id="in_another_case"),
        pytest.param('items:read "', id="malformed"),
    ],
)
async def test_a_scope_that_is_not_allowed_is_refused_and_not_left_out(
    http: httpx2.AsyncClient, service: TestClient, scope: str
) -> None:
    response = await act_for_itself(http, service, scope)
    assert_oauth2_error(response, "invalid_scope", 400, NOT_ALLOWED)


@pytest.mark.parametrize(
    ("grants", "default_scopes"),
    [((), ()), (("password",), ("profile", "email"))],
    ids=["none", "of_a_user"],
)
async def test_a_client_without_a_default_of_its_own_must_ask(
    http: httpx2.AsyncClient,
    server: Server,
    grants: tuple[str, ...],
    default_scopes: tuple[str, ...],
) -> None:
    client = await add_client(
        server,
        "service",
        grant_types=("client_credentials", *grants),
        scopes=("items:read",),
        default_scopes=default_scopes,
    )
    assert_oauth2_error(await act_for_itself(http, client), "invalid_scope", 400, NO_DEFAULT)
    response = await act_for_itself(http, client, "items:read")
    assert (response.status_code, response.json()["scope"]) == (200, "items:read")


# Who may use it


@pytest.mark.rfc("6749", "4.4")
async def test_a_public_client_cannot_be_registered_for_the_grant(server: Server) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        await add_client(server, is_public=True, grant_types=("client_credentials",))
    assert refused.value.line == (
        "client_credentials is only for confidential clients (RFC 6749, section 4.4)"
    )


@pytest.mark.rfc("6749", "4.4")
async def test_a_public_client_is_refused_even_if_the_database_gives_it_the_grant(
    http: httpx2.AsyncClient, server: Server
) -> None:
    client = await add_client(server, "spa", is_public=True)
    await set_grants(server, client, "client_credentials")
    response = await act_for_itself(http, client, "items:read")
    assert_oauth2_error(response, "unauthorized_client")


@pytest.mark.parametrize("changes", [{"default_client_id": "spa"}], ids=["default_client"])
async def test_the_default_client_is_refused(http: httpx2.AsyncClient, server: Server) -> None:
    await add_client(server, "spa", is_public=True)
    response = await http.post("/token", data={"grant_type": "client_credentials"})
    assert_oauth2_error(response, "unauthorized_client")


@pytest.mark.rfc("6749", "4.4.2", 2)
async def test_a_request_that_names_no_client_is_refused(http: httpx2.AsyncClient) -> None:
    response = await http.post("/token", data={"grant_type": "client_credentials"})
    assert_oauth2_error(response, "invalid_client", 401)


async def test_a_client_that_was_not_given_the_grant_is_refused(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    assert_oauth2_error(await act_for_itself(http, web), "unauthorized_client")


@pytest.mark.rfc("6749", "4.4.2", 2)
@pytest.mark.parametrize("secret", ["", "wrong"], ids=["no_secret", "a_wrong_secret"])
async def test_a_client_that_does_not_authenticate_is_refused(
    http: httpx2.AsyncClient, service: TestClient, secret: str
) -> None:
    response = await act_for_itself(http, TestClient(service.client_id, secret))
    assert_oauth2_error(response, "invalid_client", 401)


async def test_a_disabled_client_is_refused_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, service: TestClient, clock: TestClock
) -> None:
    await own_token(http, service)
    await disable_client(server, service)
    clock.advance(KNOWN_EVERYWHERE)
    assert_oauth2_error(await act_for_itself(http, service), "invalid_client", 401)


# What the token opens


async def test_the_token_does_not_open_the_account_of_a_user(
    http: httpx2.AsyncClient, alice: TestUser, service: TestClient
) -> None:
    response = await get_me(http, await own_token(http, service))
    assert_bearer_error(response, "insufficient_scope", 403, scope="profile")


@pytest.mark.parametrize(
    ("method", "scope"),
    [pytest.param("GET", "items:read", id="read"), pytest.param("POST", "items:write", id="write")],
)
async def test_the_token_does_not_open_the_items_of_users(
    http: httpx2.AsyncClient, alice: TestUser, service: TestClient, method: str, scope: str
) -> None:
    token = await own_token(http, service, scope)
    response = await http.request(method, PATH, json={"title": "one"}, headers=bearer(token))
    assert_bearer_error(response, "insufficient_scope", 403, scope=scope)


@pytest.mark.rfc("9700", "4.15.1", 1)
async def test_the_token_of_a_client_with_a_users_name_does_not_open_that_users_data(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    namesake = await add_service(server, alice.username)
    token = await own_token(http, namesake, "items:read")
    assert_bearer_error(await get_me(http, token), "insufficient_scope", 403, scope="profile")
    items = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(items, "insufficient_scope", 403, scope="items:read")


@pytest.mark.rfc("7519", "4.1.2")
@pytest.mark.rfc("9068", "5", 1)
@pytest.mark.rfc("9700", "2.6", 2)
@pytest.mark.rfc("9700", "4.15.1", 1)
@pytest.mark.parametrize(
    "write",
    [
        pytest.param(str, id="as_it_is"),
        pytest.param(lambda user_id: str(user_id).upper(), id="in_capitals"),
        pytest.param(lambda user_id: user_id.hex, id="without_hyphens"),
        pytest.param(lambda user_id: user_id.urn, id="as_an_urn"),
        pytest.param(lambda user_id: f"{{{user_id}}}", id="in_braces"),
    ],
)
async def test_a_client_id_that_is_the_id_of_a_user_cannot_be_registered(
    server: Server, alice: TestUser, write: Callable[[uuid.UUID], str]
) -> None:
    with pytest.raises(InvalidFieldsError) as refused:
        await add_service(server, write(alice.id))
    assert refused.value.line == "a client id cannot have the form of a user id"
    async with server.database.read() as connection:
        assert await find_client(connection, write(alice.id)) is None


async def test_the_token_of_a_disabled_client_is_refused_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, service: TestClient, clock: TestClock
) -> None:
    await add_user(server)
    token = await own_token(http, service)
    await disable_client(server, service)
    clock.advance(KNOWN_EVERYWHERE)
    response = await http.get(PATH, headers=bearer(token))
    assert_bearer_error(response, "invalid_token", 401)
