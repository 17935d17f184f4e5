"""An e-mail address counts only once it is verified, and for one account at a time."""

from typing import Any

import httpx2
import pytest

from app.errors import ConflictError
from app.identity.addresses import email_key
from app.management.authority import operating
from app.management.users import change_user, get_user
from app.server import Server
from tests.support.factories import (
    PASSWORD,
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    log_in,
)

SCOPES = ("openid", "profile", "email", "account")


@pytest.fixture
async def app_client(server: Server) -> TestClient:
    return await add_client(server, "app", scopes=SCOPES)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """Whose address is verified."""
    return await add_user(server, scopes=SCOPES)


@pytest.fixture
async def mallory(server: Server) -> TestUser:
    return await add_user(server, "mallory", scopes=SCOPES, email=None)


async def take_address(
    http: httpx2.AsyncClient, token: str, email: str = "alice@example.com"
) -> httpx2.Response:
    change = {"email": email, "current_password": PASSWORD}
    return await http.patch("/users/me", json=change, headers=bearer(token))


async def token_of(http: httpx2.AsyncClient, user: TestUser, client: TestClient) -> str:
    token: str = (await log_in(http, user, client, " ".join(SCOPES)))["access_token"]
    return token


async def told(http: httpx2.AsyncClient, token: str, path: str) -> tuple[Any, Any]:
    """The address, and whether it is verified."""
    answer = (await http.get(path, headers=bearer(token))).json()
    return answer.get("email"), answer.get("email_verified")


async def change(server: Server, user: TestUser, **changes: Any) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, user.id, changes)


@pytest.mark.rfc("openid-connect-core", "5.1", 5)
@pytest.mark.parametrize("path", ["/userinfo", "/users/me"])
async def test_an_address_of_somebody_else_is_told_to_no_client(
    http: httpx2.AsyncClient, alice: TestUser, mallory: TestUser, app_client: TestClient, path: str
) -> None:
    token = await token_of(http, mallory, app_client)
    await take_address(http, token)
    assert await told(http, token, path) == (None, None)
    of_alice = await token_of(http, alice, app_client)
    assert await told(http, of_alice, path) == ("alice@example.com", True)


async def test_nobody_learns_from_the_answer_whether_somebody_has_an_address(
    http: httpx2.AsyncClient, alice: TestUser, mallory: TestUser, app_client: TestClient
) -> None:
    token = await token_of(http, mallory, app_client)
    taken = await take_address(http, token)
    free = await take_address(http, token, "nobody@example.com")
    assert (taken.status_code, free.status_code) == (200, 200)
    assert taken.json() == free.json() | {"email": "alice@example.com"}


@pytest.mark.parametrize("changes", [{"unverified_email": True}])
async def test_a_setting_tells_clients_addresses_that_nobody_verified(
    http: httpx2.AsyncClient, mallory: TestUser, app_client: TestClient
) -> None:
    token = await token_of(http, mallory, app_client)
    await take_address(http, token)
    assert await told(http, token, "/userinfo") == ("alice@example.com", False)


@pytest.mark.parametrize(
    "spelling",
    [
        "alice@example.com",
        pytest.param("alice@EXAMPLE.com", id="domain"),
        pytest.param("\uff41lice@example.com", id="fullwidth"),
    ],
)
async def test_an_address_is_verified_for_one_user_at_a_time(
    server: Server, alice: TestUser, mallory: TestUser, spelling: str
) -> None:
    with pytest.raises(ConflictError) as refused:
        await change(server, mallory, email=spelling, email_verified=True)
    assert refused.value.told == "another user has this e-mail address verified"
    await change(server, alice, email=None)
    await change(server, mallory, email=spelling, email_verified=True)


async def test_what_is_in_front_of_the_at_sign_is_compared_as_it_is_written(
    server: Server, alice: TestUser, mallory: TestUser
) -> None:
    await change(server, mallory, email="Alice@example.com", email_verified=True)
    async with server.database.read() as connection:
        assert (await get_user(connection, mallory.id)).email_verified
    assert email_key("Alice@EXAMPLE.com") == "Alice@example.com"


async def test_several_users_may_have_an_address_that_none_has_verified(
    server: Server, mallory: TestUser
) -> None:
    eve = await add_user(server, "eve", email="new@example.com", email_verified=False)
    await change(server, mallory, email="new@example.com")
    await change(server, eve, email_verified=True)
    with pytest.raises(ConflictError):
        await change(server, mallory, email_verified=True)


async def test_another_address_has_to_be_verified_anew(server: Server, alice: TestUser) -> None:
    await change(server, alice, email="a@new.example")
    async with server.database.read() as connection:
        assert not (await get_user(connection, alice.id)).email_verified
