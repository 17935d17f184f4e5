"""Refreshes that arrive together: one transaction for all, and each is judged for itself."""

import asyncio
import uuid
from collections.abc import Sequence
from datetime import timedelta

import httpx2
import pytest
from sqlalchemy import event, select
from sqlalchemy.exc import DBAPIError, OperationalError

from app.audit.trail import NOWHERE, Origin
from app.login.logins import end_login
from app.models import Login
from app.server import Server
from app.tokens import refresh_postgresql
from app.tokens.families import Family
from app.tokens.refreshes import Refreshes
from app.tokens.rotation import Rotation
from tests.support.factories import TestClient, TestUser, add_client, log_in
from tests.support.lifecycle import login_of
from tests.support.statements import noting, paused_at

AT_ONCE = 12

ON_POSTGRESQL = pytest.mark.parametrize("backend", ["postgresql"], indirect=True, scope="session")


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_client(server, grant_types=("password", "refresh_token"))


@pytest.fixture
async def logins(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient
) -> Sequence[dict[str, str]]:
    return [await log_in(http, alice, shop) for _ in range(AT_ONCE)]


def of(server: Server, shop: TestClient, token: str, origin: Origin = NOWHERE) -> Rotation:
    return Rotation(token, shop.client_id, [], server.clock.now(), origin)


async def at_once(
    which: Refreshes, rotations: Sequence[Rotation]
) -> Sequence[Family | BaseException | None]:
    return await asyncio.gather(*map(which.rotate, rotations), return_exceptions=True)


def ids(families: Sequence[Family | BaseException | None]) -> list[uuid.UUID]:
    return [each.login_id for each in families if isinstance(each, Family)]


async def test_they_share_a_transaction_and_each_gets_its_own(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    rotations = [of(server, shop, each["refresh_token"]) for each in logins]
    commits: list[object] = []
    event.listen(server.database._writer.sync_engine, "commit", commits.append)
    with noting(server) as asked:
        rotated = await at_once(server.refreshes, rotations)
    assert ids(rotated) == [login_of(each) for each in logins]
    assert len([each for each, _ in asked if "INSERT INTO refresh_tokens" in each]) == 1
    if server.database.is_sqlite:
        assert len(commits) == 1
    else:
        assert len(asked) == 1


async def test_what_each_got_can_be_refreshed_in_turn(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    first = [of(server, shop, each["refresh_token"]) for each in logins]
    await at_once(server.refreshes, first)
    second = [of(server, shop, each.successor) for each in first]
    assert len(ids(await at_once(server.refreshes, second))) == AT_ONCE


async def test_those_of_other_clients_and_with_other_scopes_are_not_mixed_up(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    other = await add_client(server, "other", grant_types=("password", "refresh_token"))
    now = server.clock.now()
    asked = [
        (shop, shop, ["profile"]),
        (shop, other, []),
        (other, other, ["email"]),
        (other, other, ["items:read", "profile"]),
    ]
    logins = [await log_in(http, alice, client, "profile items:read") for client, _, _ in asked]
    rotated = await at_once(
        server.refreshes,
        [
            Rotation(login["refresh_token"], client.client_id, scopes, now, NOWHERE)
            for login, (_, client, scopes) in zip(logins, asked, strict=True)
        ],
    )
    assert rotated[1:3] == [None, None]
    assert ids(rotated) == [login_of(logins[0]), login_of(logins[3])]


async def test_of_one_token_that_comes_twice_one_use_succeeds(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    rotations = [of(server, shop, logins[0]["refresh_token"]) for _ in range(2)]
    rotated = await at_once(server.refreshes, rotations)
    assert len(ids(rotated)) == 1
    assert None in rotated


async def test_of_siblings_at_once_one_succeeds_although_there_is_no_grace_any_more(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    graceful = Refreshes(server.database, timedelta(seconds=60))
    siblings = [of(server, shop, logins[0]["refresh_token"]) for _ in range(4)]
    for each in siblings:
        assert await graceful.rotate(each) is not None
    rotated = await at_once(
        server.refreshes, [of(server, shop, each.successor) for each in siblings]
    )
    assert len(ids(rotated)) == 1


@ON_POSTGRESQL
async def test_of_siblings_one_succeeds_although_the_other_was_issued_and_used_meanwhile(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    """Both since the statement began, which does not see their rows."""
    here = Refreshes(server.database, timedelta(seconds=60))
    elsewhere = Refreshes(server.database, timedelta(seconds=60))
    first, again = (of(server, shop, logins[0]["refresh_token"]) for _ in range(2))
    assert await here.rotate(first) is not None
    rotation = here.rotate(of(server, shop, first.successor))
    async with paused_at(server, "FROM unnest", rotation) as rotated:
        assert await elsewhere.rotate(again) is not None
        assert await elsewhere.rotate(of(server, shop, again.successor)) is not None
        assert not rotated.done()
    assert await rotated is None


@ON_POSTGRESQL
async def test_one_whose_login_has_ended_meanwhile_is_not_rotated(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    rotation = server.refreshes.rotate(of(server, shop, logins[0]["refresh_token"]))
    async with paused_at(server, "FROM unnest", rotation) as rotated:
        async with server.database.transaction() as connection:
            await end_login(connection, login_of(logins[0]), server.clock.now())
        assert not rotated.done()
    assert await rotated is None


@ON_POSTGRESQL
async def test_one_that_has_to_wait_holds_nobody_up(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    held, *free = [of(server, shop, each["refresh_token"]) for each in logins]
    hold = select(Login.id).where(Login.id == login_of(logins[0])).with_for_update()
    async with server.database.transaction() as connection:
        await connection.execute(hold)
        waiting = asyncio.create_task(server.refreshes.rotate(held))
        assert len(ids(await at_once(server.refreshes, free))) == AT_ONCE - 1
        assert not waiting.done()
    family = await waiting
    assert family is not None
    assert family.login_id == login_of(logins[0])


@ON_POSTGRESQL
async def test_one_that_cannot_be_written_fails_alone(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    await assert_fails_alone(server, shop, logins, "an agent with a \0")


async def test_one_that_has_no_encoding_fails_alone(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]]
) -> None:
    """SQLite's driver says so by an error that is not of the database."""
    await assert_fails_alone(server, shop, logins, "an agent with half a \ud83d")


async def assert_fails_alone(
    server: Server, shop: TestClient, logins: Sequence[dict[str, str]], agent: str
) -> None:
    first, *others = [each["refresh_token"] for each in logins]
    rotations = [of(server, shop, each) for each in others]
    unwritable = of(server, shop, first, Origin("127.0.0.1", agent))
    rotated = await at_once(server.refreshes, [unwritable, *rotations])
    assert isinstance(rotated[0], DBAPIError | UnicodeError)
    assert ids(rotated) == [login_of(each) for each in logins[1:]]


async def test_an_outage_is_not_asked_twice(
    server: Server, shop: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    async def be_away(*arguments: object) -> None:
        asked.append(arguments)
        raise OperationalError("", {}, Exception("the database is away"))

    monkeypatch.setattr(refresh_postgresql, "rotate", be_away)
    monkeypatch.setattr(server.database, "transact", be_away)
    with pytest.raises(OperationalError):
        await server.refreshes.rotate(of(server, shop, "a token"))
    assert len(asked) == 1
