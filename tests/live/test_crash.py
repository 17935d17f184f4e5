"""Crashes in the middle of a storm of refreshes: of a server, and of PostgreSQL itself.

What was acknowledged holds, and no token is half used. A request that was under way at the crash
may or may not have happened, but never both.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator, Sequence
from dataclasses import dataclass, field

import httpx2
import pytest
from sqlalchemy import select

from app.database.engines import Database
from app.models import RefreshToken
from tests.support.databases import Backend, Postgresql
from tests.support.live_server import LiveServer, live_server, serving
from tests.support.live_tokens import (
    REFUSED,
    Tokens,
    http_client,
    log_in,
    outcome,
    received,
    refresh,
    revoke,
    use,
)
from tests.support.postgresql import Cluster, running_cluster
from tests.support.rounds import rounds_of_race

CRASHES = rounds_of_race(3)
CLIENTS = 6
RESTING = 2
STORM_TIMEOUT = 20
"""Seconds."""

UNAVAILABLE = (503, "temporarily_unavailable")


# The storm


@dataclass
class Chain:
    """A client's tokens, as far as answers told it."""

    last: Tokens
    used: list[str] = field(default_factory=list)
    under_way: bool = False
    """The last token was sent, and no good answer came."""
    refused: tuple[int, str | None] | None = None
    """The answer other than 200 that ended the chain."""


@dataclass
class Storm:
    """What the clients were told until the crash."""

    chains: list[Chain]
    resting: list[Chain]
    """Refreshed some times, and idle at the crash."""
    revoked: list[Tokens] = field(default_factory=list)
    revocation_under_way: Tokens | None = None
    answers: int = 0


async def _storm(http: httpx2.AsyncClient, url: str, crash: Callable[[], None], at: int) -> Storm:
    """Refresh and revoke until ``crash``, which comes after ``at`` answers."""
    storm = Storm(
        [Chain(await log_in(http, url)) for _ in range(CLIENTS)],
        [Chain(await log_in(http, url)) for _ in range(RESTING)],
    )
    for chain in storm.resting:
        for _ in range(2):
            await _advance(http, url, chain)
    enough = asyncio.Event()

    def count() -> None:
        storm.answers += 1
        if storm.answers >= at:
            enough.set()

    clients = [asyncio.create_task(_keep_refreshing(http, url, c, count)) for c in storm.chains]
    clients.append(asyncio.create_task(_keep_revoking(http, url, storm, count)))
    await asyncio.wait_for(enough.wait(), STORM_TIMEOUT)
    await asyncio.to_thread(crash)
    await asyncio.wait_for(asyncio.gather(*clients), STORM_TIMEOUT)
    return storm


async def _advance(http: httpx2.AsyncClient, url: str, chain: Chain) -> bool:
    chain.under_way = True
    try:
        answer = await refresh(http, url, chain.last.refresh)
    except httpx2.TransportError:
        return False
    if answer.status_code != 200:
        chain.refused = outcome(answer)
        return False
    chain.used.append(chain.last.refresh)
    chain.last = received(answer)
    chain.under_way = False
    return True


async def _keep_refreshing(
    http: httpx2.AsyncClient, url: str, chain: Chain, count: Callable[[], None]
) -> None:
    deadline = time.monotonic() + STORM_TIMEOUT
    while time.monotonic() < deadline and await _advance(http, url, chain):
        count()


async def _keep_revoking(
    http: httpx2.AsyncClient, url: str, storm: Storm, count: Callable[[], None]
) -> None:
    deadline = time.monotonic() + STORM_TIMEOUT
    while time.monotonic() < deadline:
        try:
            tokens = await log_in(http, url)
            answer = await revoke(http, url, tokens.refresh)
        except (httpx2.TransportError, AssertionError):
            return
        if answer.status_code != 200:
            return
        storm.revoked.append(tokens)
        count()


# What is left of it


@dataclass(frozen=True)
class Aftermath:
    """What was found after the server, or the database, was there again."""

    storm: Storm
    unused_tokens: Counter[int]
    """Of how many logins there are so many unused refresh tokens."""
    successors_of_used: Counter[int]
    """How many used refresh tokens have so many successors."""
    resting: list[tuple[int, str | None]]
    """A refresh with the last token of a chain that was idle."""
    under_way: list[tuple[tuple[int, str | None], int]]
    """A refresh with the last token of a chain that was not, and then the access token."""
    again: list[tuple[tuple[int, str | None], int]]
    """A second refresh with a token that worked, and then the newest access token."""
    acknowledged: list[tuple[tuple[int, str | None], tuple[int, str | None], int]]
    """An acknowledged used token, then the last one, then the access token."""
    revoked: list[tuple[tuple[int, str | None], int]]
    """A revoked refresh token, and its access token."""


async def _survey(http: httpx2.AsyncClient, url: str, database_url: str, storm: Storm) -> Aftermath:
    unused_tokens, successors_of_used = await _count_tokens(database_url)
    resting = [outcome(await refresh(http, url, chain.last.refresh)) for chain in storm.resting]
    under_way, again, acknowledged = [], [], []
    for chain in storm.chains[::2]:
        answer = await refresh(http, url, chain.last.refresh)
        under_way.append((outcome(answer), await use(http, url, chain.last.access)))
        if answer.is_success:
            second = await refresh(http, url, chain.last.refresh)
            again.append((outcome(second), await use(http, url, received(answer).access)))
    for chain in storm.chains[1::2]:
        if chain.used:
            acknowledged.append(
                (
                    outcome(await refresh(http, url, chain.used[-1])),
                    outcome(await refresh(http, url, chain.last.refresh)),
                    await use(http, url, chain.last.access),
                )
            )
    revoked = [
        (outcome(await refresh(http, url, each.refresh)), await use(http, url, each.access))
        for each in storm.revoked
    ]
    return Aftermath(
        storm,
        unused_tokens,
        successors_of_used,
        resting,
        under_way,
        again,
        acknowledged,
        revoked,
    )


async def _count_tokens(database_url: str) -> tuple[Counter[int], Counter[int]]:
    database = Database(database_url)
    async with database.read() as connection:
        tokens = (
            await connection.execute(
                select(
                    RefreshToken.login_id,
                    RefreshToken.token_hash,
                    RefreshToken.parent_hash,
                    RefreshToken.used_at,
                )
            )
        ).all()
    await database.close()
    children = Counter(token.parent_hash for token in tokens)
    unused = Counter({token.login_id: 0 for token in tokens})
    unused.update(token.login_id for token in tokens if token.used_at is None)
    used = [token.token_hash for token in tokens if token.used_at is not None]
    return Counter(unused.values()), Counter(children[token_hash] for token_hash in used)


def assert_nothing_is_half_used(aftermath: Aftermath) -> None:
    """Each login has one token that can be used, and each used token one successor."""
    assert set(aftermath.unused_tokens) == {1}
    assert set(aftermath.successors_of_used) == {1}


def assert_works_or_its_login_has_ended(aftermath: Aftermath) -> None:
    """A token under way at the crash; and of two uses that came through one succeeds."""
    assert set(aftermath.under_way) <= {((200, None), 200), (REFUSED, 401)}
    assert set(aftermath.again) <= {(REFUSED, 401)}


# A server is killed


@pytest.fixture(scope="module")
def kills(backend: Backend) -> Generator[list[Aftermath]]:
    """What was left after each time that the server was killed and started again."""
    database_url = backend.seeded()
    with live_server(database_url) as server:
        yield [
            asyncio.run(_kill_in_a_storm(server, database_url, 30 + 17 * n)) for n in range(CRASHES)
        ]
    backend.drop(database_url)


async def _kill_in_a_storm(server: LiveServer, database_url: str, at: int) -> Aftermath:
    async with http_client() as http:
        storm = await _storm(http, server.url, server.kill, at)
    await asyncio.to_thread(server.start)
    async with http_client() as http:
        return await _survey(http, server.url, database_url, storm)


def test_every_server_was_killed_while_refreshes_were_under_way(kills: list[Aftermath]) -> None:
    for each in kills:
        assert all(chain.under_way and chain.refused is None for chain in each.storm.chains)


def test_after_a_kill_no_refresh_token_is_half_used(kills: list[Aftermath]) -> None:
    for each in kills:
        assert_nothing_is_half_used(each)


def test_after_a_kill_the_last_token_of_an_idle_client_works(kills: list[Aftermath]) -> None:
    assert [each.resting for each in kills] == [[(200, None)] * RESTING] * CRASHES


def test_after_a_kill_a_token_under_way_works_once_or_its_login_has_ended(
    kills: list[Aftermath],
) -> None:
    for each in kills:
        assert len(each.under_way) == CLIENTS // 2
        assert_works_or_its_login_has_ended(each)


def test_after_a_kill_an_acknowledged_use_is_known_and_ends_the_login(
    kills: list[Aftermath],
) -> None:
    found = [outcomes for each in kills for outcomes in each.acknowledged]
    assert found
    assert set(found) == {(REFUSED, REFUSED, 401)}


def test_after_a_kill_acknowledged_revocations_hold(kills: list[Aftermath]) -> None:
    found = [outcomes for each in kills for outcomes in each.revoked]
    assert found
    assert set(found) == {(REFUSED, 401)}


# PostgreSQL is stopped

QUICKLY = 3
"""Seconds in which a server says that the database is absent."""

RECOVERY = 15
"""Seconds in which it serves again when the database is there."""

AT_ONCE = 24
"""Logins while the database is absent: more than there are connections."""


@dataclass(frozen=True)
class Probe:
    """One answer, and how long it took."""

    response: httpx2.Response
    seconds: float


@dataclass(frozen=True)
class Outage:
    """What was seen while PostgreSQL was away, and after."""

    aftermath: Aftermath
    logins: list[Probe]
    refreshing: Probe
    revocation: Probe
    introspection: Probe
    protected: Probe
    alive: Probe
    ready: Probe
    recovery: Sequence[int]
    """The statuses of logins while PostgreSQL started, until one succeeded."""
    ready_afterwards: int
    login_afterwards: int


@pytest.fixture(scope="module")
def outage() -> Generator[Outage]:
    """A PostgreSQL of its own crashes in a storm, stays away for a moment, and comes back."""
    with running_cluster() as cluster:
        database_url = Postgresql(cluster.url("{}")).seeded()
        with serving(database_url) as url:
            yield asyncio.run(_outage(cluster, url, database_url))


async def _probe(request: Awaitable[httpx2.Response]) -> Probe:
    started = time.monotonic()
    response = await request
    return Probe(response, time.monotonic() - started)


async def _outage(cluster: Cluster, url: str, database_url: str) -> Outage:
    login = {"grant_type": "password", "username": "alice", "password": "alice-in-wonderland"}
    service = ("demo-service", "demo-service-secret-for-development-only")
    async with http_client() as http:
        storm = await _storm(http, url, cluster.stop, 60)
        last = storm.resting[0].last
        authorization = {"Authorization": f"Bearer {last.access}"}
        try:
            logins = await asyncio.gather(
                *(_probe(http.post(f"{url}/token", data=login)) for _ in range(AT_ONCE))
            )
            refreshing = await _probe(refresh(http, url, last.refresh))
            revocation = await _probe(revoke(http, url, last.refresh))
            introspection = await _probe(
                http.post(f"{url}/introspect", data={"token": last.access}, auth=service)
            )
            protected = await _probe(http.get(f"{url}/users/me", headers=authorization))
            alive = await _probe(http.get(f"{url}/healthz"))
            ready = await _probe(http.get(f"{url}/readyz"))
        finally:
            starting = asyncio.create_task(asyncio.to_thread(cluster.start))
            recovery = await _recovery(http, url, login)
            await starting
        ready_afterwards = (await http.get(f"{url}/readyz")).status_code
        aftermath = await _survey(http, url, database_url, storm)
        login_afterwards = (await http.post(f"{url}/token", data=login)).status_code
    return Outage(
        aftermath,
        logins,
        refreshing,
        revocation,
        introspection,
        protected,
        alive,
        ready,
        recovery,
        ready_afterwards,
        login_afterwards,
    )


async def _recovery(http: httpx2.AsyncClient, url: str, login: dict[str, str]) -> Sequence[int]:
    """The statuses of logins while PostgreSQL starts, until one succeeds or time is over."""
    statuses = []
    deadline = time.monotonic() + RECOVERY
    while time.monotonic() < deadline:
        statuses.append((await http.post(f"{url}/token", data=login)).status_code)
        if statuses[-1] == 200:
            break
        await asyncio.sleep(0.02)
    return statuses


def assert_temporarily_unavailable(probes: Sequence[Probe]) -> None:
    """RFC 6749's error body, a time to come back, and no long wait."""
    assert [outcome(probe.response) for probe in probes] == [UNAVAILABLE] * len(probes)
    assert {probe.response.headers.get("retry-after") for probe in probes} == {"2"}
    assert max(probe.seconds for probe in probes) < QUICKLY


def test_without_postgresql_many_logins_at_once_are_quickly_told_to_come_back(
    outage: Outage,
) -> None:
    assert_temporarily_unavailable(outage.logins)


def test_without_postgresql_a_refresh_is_quickly_told_to_come_back(outage: Outage) -> None:
    assert_temporarily_unavailable([outage.refreshing])


@pytest.mark.rfc("7009", "2.2.1", 3)
def test_without_postgresql_a_revocation_is_quickly_told_to_come_back(outage: Outage) -> None:
    assert_temporarily_unavailable([outage.revocation])


def test_without_postgresql_an_introspection_is_quickly_told_to_come_back(outage: Outage) -> None:
    assert_temporarily_unavailable([outage.introspection])


def test_without_postgresql_a_protected_route_is_quickly_unavailable(outage: Outage) -> None:
    response = outage.protected.response
    assert (response.status_code, response.headers.get("retry-after")) == (503, "2")
    assert outage.protected.seconds < QUICKLY


def test_without_postgresql_the_server_is_alive(outage: Outage) -> None:
    assert (outage.alive.response.status_code, outage.alive.response.json()) == (
        200,
        {"status": "alive"},
    )


def test_without_postgresql_the_server_is_not_ready(outage: Outage) -> None:
    ready = outage.ready.response
    assert (ready.status_code, ready.json()["database"]) == (503, "unreachable")
    assert outage.ready.seconds < QUICKLY


def test_requests_under_way_when_postgresql_stops_get_503_and_nothing_else(
    outage: Outage,
) -> None:
    assert {chain.refused for chain in outage.aftermath.storm.chains} == {UNAVAILABLE}


def test_while_postgresql_starts_logins_get_503_and_nothing_else_until_they_succeed(
    outage: Outage,
) -> None:
    assert set(outage.recovery) == {503, 200}


def test_when_postgresql_is_back_the_server_serves_again_without_a_restart(
    outage: Outage,
) -> None:
    assert outage.recovery[-1] == 200
    assert (outage.ready_afterwards, outage.login_afterwards) == (200, 200)


def test_after_the_outage_no_refresh_token_is_half_used(outage: Outage) -> None:
    assert_nothing_is_half_used(outage.aftermath)


def test_after_the_outage_the_last_token_of_an_idle_client_works(outage: Outage) -> None:
    assert outage.aftermath.resting == [(200, None)] * RESTING


def test_after_the_outage_a_token_under_way_works_once_or_its_login_has_ended(
    outage: Outage,
) -> None:
    assert_works_or_its_login_has_ended(outage.aftermath)


def test_after_the_outage_an_acknowledged_use_is_known_and_ends_the_login(outage: Outage) -> None:
    found = outage.aftermath.acknowledged
    assert found == [(REFUSED, REFUSED, 401)] * (CLIENTS // 2)


def test_after_the_outage_acknowledged_revocations_hold(outage: Outage) -> None:
    found = outage.aftermath.revoked
    assert len(found) >= 1
    assert found == [(REFUSED, 401)] * len(found)
