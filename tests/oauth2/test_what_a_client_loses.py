"""What a client loses does not come back: by being disabled, deleted, or given another secret."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import httpx2
import pytest

from app.management.authority import operating
from app.management.clients import (
    change_client,
    delete_client,
    rotate_secret,
)
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.forger import assert_accepted, assert_refused
from tests.support.lifecycle import (
    KNOWN_EVERYWHERE,
    add_resource_server,
    is_active,
    own_token,
    refresh,
)

Loss = Callable[[Server, TestClient], Awaitable[TestClient]]

GRANTS = ("password", "refresh_token", "client_credentials")


async def add_shop(server: Server) -> TestClient:
    return await add_client(
        server, "shop", grant_types=GRANTS, default_scopes=("profile", "items:read")
    )


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_shop(server)


async def disable_and_enable(server: Server, client: TestClient) -> TestClient:
    for disabled in (True, False):
        async with operating(server.database, server.clock) as operator:
            await change_client(operator, client.client_id, {"disabled": disabled})
    return client


async def delete_and_register(server: Server, client: TestClient) -> TestClient:
    async with operating(server.database, server.clock) as operator:
        await delete_client(operator, client.client_id)
    return await add_shop(server)


LOSSES = pytest.mark.parametrize("lose", [disable_and_enable, delete_and_register])


@LOSSES
async def test_the_logins_through_it_stay_ended(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    shop: TestClient,
    lose: Loss,
) -> None:
    api = await add_resource_server(server)
    tokens = await log_in(http, alice, shop, "profile")
    await assert_accepted(http, tokens["access_token"])
    shop = await lose(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_refused(http, tokens["access_token"])
    assert not await is_active(http, api, tokens["access_token"])
    answer = await refresh(http, shop, tokens["refresh_token"])
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")


@LOSSES
async def test_the_tokens_that_it_has_for_itself_stay_void(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient, lose: Loss
) -> None:
    api = await add_resource_server(server)
    token = await own_token(http, shop)
    assert await is_active(http, api, token)
    shop = await lose(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    assert not await is_active(http, api, token)
    assert await is_active(http, api, await own_token(http, shop))


async def rotate(server: Server, client: TestClient, overlap: timedelta) -> TestClient:
    async with operating(server.database, server.clock) as operator:
        secret, _ = await rotate_secret(operator, client.client_id, overlap)
    return TestClient(client.client_id, secret)


async def test_its_own_tokens_are_void_when_its_secret_has_leaked(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient
) -> None:
    api = await add_resource_server(server)
    token = await own_token(http, shop)
    shop = await rotate(server, shop, timedelta(0))
    clock.advance(KNOWN_EVERYWHERE)
    assert not await is_active(http, api, token)
    assert await is_active(http, api, await own_token(http, shop))


async def test_its_own_tokens_are_void_when_it_was_public_meanwhile(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient
) -> None:
    api = await add_resource_server(server)
    token = await own_token(http, shop)
    as_public = {"public": True, "grant_types": ["password"], "auth_methods": []}
    as_before = {"public": False, "grant_types": list(GRANTS)}
    for changes in (as_public, as_before):
        async with operating(server.database, server.clock) as operator:
            await change_client(operator, "shop", changes)
    clock.advance(KNOWN_EVERYWHERE)
    assert not await is_active(http, api, token)


async def test_its_own_tokens_stay_good_while_a_secret_is_rotated_out(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, shop: TestClient
) -> None:
    api = await add_resource_server(server)
    token = await own_token(http, shop)
    await rotate(server, shop, timedelta(days=1))
    clock.advance(KNOWN_EVERYWHERE)
    assert await is_active(http, api, token)


async def test_the_logins_of_users_go_on_when_its_secret_has_leaked(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, alice: TestUser, shop: TestClient
) -> None:
    tokens = await log_in(http, alice, shop, "profile")
    await rotate(server, shop, timedelta(0))
    clock.advance(KNOWN_EVERYWHERE)
    await assert_accepted(http, tokens["access_token"])
