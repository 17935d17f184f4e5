"""Purging: what is over goes, in small batches, and nothing that could still be presented."""

from collections.abc import Mapping
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import event, func, select, update

from app.database import expired
from app.models import Login, RefreshToken, RevokedToken, SigningKey
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, log_in
from tests.support.forger import assert_accepted, get_me
from tests.support.lifecycle import (
    INACTIVE,
    add_refreshing,
    add_service,
    end,
    introspected,
    own_token,
    refresh,
    refreshed,
    revoked,
)
from tests.support.purging import MARGIN, purged, purged_ahead

FAMILY = 10_000
"""Seconds that a family of refresh tokens lives here."""

ACCESS = 900
"""Seconds that an access token lives."""


@pytest.fixture
def settings(database_url: str) -> Settings:
    return make_settings(database_url=database_url, refresh_token_ttl=FAMILY)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_refreshing(server)


async def counts(server: Server) -> Mapping[str, int]:
    """Rows of each table that is purged or hangs on one that is."""
    async with server.database.read() as connection:
        return {
            model.__tablename__: await connection.scalar(select(func.count()).select_from(model))
            or 0
            for model in (Login, RefreshToken, RevokedToken, SigningKey)
        }


@pytest.fixture
def commits(server: Server) -> list[str]:
    """The transactions that were committed while the test ran."""
    seen: list[str] = []
    engine = server.database._writer.sync_engine
    event.listen(engine, "commit", lambda _connection: seen.append("commit"))
    return seen


async def test_there_is_nothing_to_delete_in_a_fresh_database(server: Server) -> None:
    assert await purged(server) == {}


# Logins and their refresh tokens


async def test_a_login_goes_with_its_refresh_tokens_when_its_last_token_is_over(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    first = await log_in(http, alice, shop)
    await refreshed(http, shop, first["refresh_token"])
    clock.advance(FAMILY + ACCESS + MARGIN)
    assert await purged(server) == {}
    clock.advance(1)
    assert await purged(server) == {"logins": 1}
    left = await counts(server)
    assert (left["logins"], left["refresh_tokens"]) == (0, 0)


async def test_a_login_without_refresh_tokens_goes_after_its_access_token(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, web: TestClient, clock: TestClock
) -> None:
    await log_in(http, alice, web)
    clock.advance(ACCESS + ACCESS + MARGIN)
    assert await purged(server) == {}
    clock.advance(1)
    assert await purged(server) == {"logins": 1}


async def test_a_live_login_and_its_tokens_stay(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    over = await log_in(http, alice, shop)
    clock.advance(FAMILY + MARGIN)
    live = await log_in(http, alice, shop, "profile")
    clock.advance(ACCESS + 1)
    again = await refreshed(http, shop, live["refresh_token"])
    assert await purged(server) == {"logins": 1}
    await assert_accepted(http, again["access_token"])
    await refreshed(http, shop, again["refresh_token"])
    assert_oauth2_error(await refresh(http, shop, over["refresh_token"]), "invalid_grant")


async def test_an_access_token_from_the_last_second_of_its_family_says_that_it_ends_with_it(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    first = await log_in(http, alice, shop, "profile")
    clock.advance(FAMILY - 1)
    last = await refreshed(http, shop, first["refresh_token"])
    assert last["expires_in"] == 1
    assert await purged(server) == {}
    await assert_accepted(http, last["access_token"])
    clock.advance(1)
    assert (await get_me(http, last["access_token"])).status_code == 401


async def test_a_used_refresh_token_is_known_as_used_while_its_family_lives(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    first = await log_in(http, alice, shop)
    second = await refreshed(http, shop, first["refresh_token"])
    clock.advance(FAMILY - 1)
    assert await purged(server) == {}
    assert_oauth2_error(await refresh(http, shop, first["refresh_token"]), "invalid_grant")
    assert_oauth2_error(await refresh(http, shop, second["refresh_token"]), "invalid_grant")


async def test_a_used_refresh_token_ends_its_family_although_the_clock_of_a_purge_was_ahead(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    first = await log_in(http, alice, shop)
    second = await refreshed(http, shop, first["refresh_token"])
    clock.advance(FAMILY - 1)
    assert await purged_ahead(server, clock) == {}
    assert_oauth2_error(await refresh(http, shop, first["refresh_token"]), "invalid_grant")
    assert_oauth2_error(await refresh(http, shop, second["refresh_token"]), "invalid_grant")


async def test_an_ended_login_stays_as_long_as_its_tokens_could_be_presented(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    tokens = await log_in(http, alice, shop)
    await end(server, tokens)
    clock.advance(FAMILY - 1)
    assert await purged(server) == {}
    assert await introspected(http, shop, tokens["refresh_token"]) == INACTIVE


# Revoked tokens of clients


async def test_a_revoked_token_of_a_client_is_forgotten_after_it_has_expired(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    await revoked(http, service, token)
    clock.advance(ACCESS + MARGIN)
    assert await purged(server) == {}
    clock.advance(1)
    assert await purged(server) == {"revoked_tokens": 1}
    assert await introspected(http, service, token) == INACTIVE


async def test_a_revoked_token_of_a_client_stays_revoked_until_then(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    await revoked(http, service, token)
    clock.advance(ACCESS - 1)
    assert await purged(server) == {}
    assert await introspected(http, service, token) == INACTIVE


async def test_a_revoked_token_of_a_client_stays_revoked_although_the_clock_of_a_purge_was_ahead(
    http: httpx2.AsyncClient, server: Server, clock: TestClock
) -> None:
    service = await add_service(server)
    token = await own_token(http, service)
    await revoked(http, service, token)
    assert await purged_ahead(server, clock) == {}
    assert await introspected(http, service, token) == INACTIVE


"""Seconds that a nonce lives."""


# Signing keys


@pytest.mark.parametrize(
    ("days", "deleted"),
    [
        pytest.param(0, 0, id="just_retired"),
        pytest.param(90, 0, id="retired_90_days_ago"),
        pytest.param(91, 1, id="retired_91_days_ago"),
        pytest.param(-1, 0, id="retires_tomorrow"),
    ],
)
async def test_a_key_goes_long_after_its_retirement(
    server: Server, days: int, deleted: int
) -> None:
    retired_at = server.clock.now() - timedelta(days=days)
    async with server.database.transaction() as connection:
        kid = await connection.scalar(select(SigningKey.kid).limit(1))
        await connection.execute(
            update(SigningKey).where(SigningKey.kid == kid).values(retired_at=retired_at)
        )
    before = (await counts(server))["signing_keys"]
    assert (await purge(server))["signing_keys"] == deleted
    assert (await counts(server))["signing_keys"] == before - deleted


async def test_a_key_that_is_not_retired_stays_however_old(
    server: Server, clock: TestClock
) -> None:
    clock.advance(10 * 365 * 24 * 3600)
    assert await purged(server) == {}


# In batches


@pytest.mark.parametrize(
    ("logins", "transactions"),
    [
        pytest.param(0, 0, id="none"),
        pytest.param(1, 2, id="less_than_a_batch"),
        pytest.param(2, 3, id="a_batch"),
        pytest.param(5, 8, id="two_batches_and_a_half"),
    ],
)
async def test_no_transaction_deletes_more_than_a_batch(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    clock: TestClock,
    commits: list[str],
    monkeypatch: pytest.MonkeyPatch,
    logins: int,
    transactions: int,
) -> None:
    """Every second login has been refreshed once: its two tokens go before it."""
    monkeypatch.setattr(expired, "BATCH", 2)
    for number in range(logins):
        tokens = await log_in(http, alice, shop)
        if number % 2:
            await refreshed(http, shop, tokens["refresh_token"])
    clock.advance(FAMILY + ACCESS + MARGIN + 1)
    live = await log_in(http, alice, shop)
    commits.clear()
    deleted = await purge(server)
    assert (deleted["logins"], len(commits)) == (logins, transactions)
    assert (await counts(server))["logins"] == 1
    await refreshed(http, shop, live["refresh_token"])


async def test_purging_twice_deletes_nothing_more(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, clock: TestClock
) -> None:
    await log_in(http, alice, shop)
    clock.advance(FAMILY + ACCESS + MARGIN + 1)
    assert await purged(server) == {"logins": 1}
    assert await purged(server) == {}
