"""Clients that do not prove who they are: how often they may try, and what the trail tells."""

from collections.abc import Generator
from contextlib import contextmanager

import httpx2
import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine import Engine

from app.database.recent import MAX_AGE
from app.models import AuditEvent, FailedLogins
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, add_client, other_secret
from tests.support.throttled import at

LIMIT = 3
LOCKOUT = 300
HERE = "192.0.2.1"
ELSEWHERE = "192.0.2.2"


@pytest.fixture
def limit() -> int:
    return LIMIT


@pytest.fixture
def settings(database_url: str, limit: int) -> Settings:
    return make_settings(
        database_url=database_url,
        login_max_failures_per_address=limit,
        login_lockout_seconds=LOCKOUT,
    )


@pytest.fixture
async def service(server: Server) -> TestClient:
    return await add_client(server, "service", grant_types=("client_credentials",))


@pytest.fixture
async def other(server: Server) -> TestClient:
    return await add_client(server, "other", grant_types=("client_credentials",))


async def ask(
    http: httpx2.AsyncClient,
    client_id: str,
    secret: str,
    path: str = "/token",
    address: str = HERE,
) -> httpx2.Response:
    form = {"grant_type": "client_credentials", "token": "a.b.c"}
    async with at(http, address) as client:
        return await client.post(path, data=form, auth=(client_id, secret))


async def fail(
    http: httpx2.AsyncClient, client_id: str, times: int = LIMIT, address: str = HERE
) -> None:
    for _ in range(times):
        response = await ask(http, client_id, other_secret(), address=address)
        assert_oauth2_error(response, "invalid_client", 401)


def assert_must_wait(response: httpx2.Response, seconds: int = LOCKOUT) -> None:
    assert_oauth2_error(response, "temporarily_unavailable", 429)
    assert response.headers["retry-after"] == str(seconds)


async def assert_granted(http: httpx2.AsyncClient, client: TestClient, address: str = HERE) -> None:
    assert (await ask(http, *client.basic, address=address)).status_code == 200


@pytest.mark.rfc("6749", "2.3.1", 7)
@pytest.mark.rfc("7009", "5", 3)
@pytest.mark.rfc("7662", "4", 2)
@pytest.mark.parametrize("path", ["/token", "/revoke", "/introspect"])
async def test_a_client_with_too_many_wrong_secrets_has_to_wait(
    http: httpx2.AsyncClient, service: TestClient, path: str
) -> None:
    await fail(http, "service")
    assert_must_wait(await ask(http, *service.basic, path))
    assert_must_wait(await ask(http, "service", "wrong", path))


async def test_it_has_to_wait_at_that_address_alone(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    await fail(http, "service")
    await assert_granted(http, service, ELSEWHERE)


async def test_other_clients_at_the_address_are_not_affected(
    http: httpx2.AsyncClient, service: TestClient, other: TestClient
) -> None:
    await fail(http, "service")
    await fail(http, "unknown")
    await assert_granted(http, other)


async def test_after_the_wait_the_right_secret_is_let_in_and_clears_the_count(
    http: httpx2.AsyncClient, service: TestClient, clock: TestClock, server: Server
) -> None:
    await fail(http, "service")
    clock.advance(LOCKOUT)
    await assert_granted(http, service)
    assert await counts(server) == []


@pytest.mark.rfc("6749", "2.3.1", 7)
async def test_each_further_refusal_doubles_the_wait(
    http: httpx2.AsyncClient, service: TestClient, clock: TestClock
) -> None:
    await fail(http, "service")
    clock.advance(LOCKOUT)
    await fail(http, "service", 1)
    assert_must_wait(await ask(http, *service.basic), 2 * LOCKOUT)


async def test_clients_that_do_not_exist_are_counted_together(
    http: httpx2.AsyncClient, service: TestClient
) -> None:
    for number in range(LIMIT):
        await fail(http, f"unknown{number}", 1)
    assert_must_wait(await ask(http, "another", "wrong"))
    await fail(http, "another", 1, ELSEWHERE)
    await assert_granted(http, service)


async def test_a_public_client_is_not_kept_out_by_those_who_name_it(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_client(server, "spa", is_public=True, grant_types=("password",))
    await fail(http, "spa")
    form = {"client_id": "spa", "token": "a.b.c"}
    async with at(http, HERE) as client:
        assert (await client.post("/revoke", data=form)).status_code == 200


async def test_a_count_of_another_worker_is_seen_within_two_seconds(
    http: httpx2.AsyncClient, service: TestClient, server: Server, clock: TestClock
) -> None:
    await fail(http, "service", 1)
    await ask(http, "service", "wrong")
    async with server.database.transaction() as connection:
        await connection.execute(update(FailedLogins).values(count=LIMIT))
    clock.advance(MAX_AGE)
    assert_must_wait(await ask(http, *service.basic), LOCKOUT - 1)


async def counts(server: Server) -> list[int]:
    async with server.database.read() as connection:
        return list(await connection.scalars(select(FailedLogins.count)))


@contextmanager
def statements() -> Generator[list[str]]:
    """What the database is asked from now on."""
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_the_right_secret_asks_for_its_count_once_in_a_while_and_writes_nothing(
    http: httpx2.AsyncClient, service: TestClient, server: Server
) -> None:
    with statements() as seen:
        for _ in range(3):
            await ask(http, *service.basic, "/introspect")
    assert [line.split()[0] for line in seen if "failed_logins" in line] == ["SELECT"]
    assert await counts(server) == []


# The audit trail


async def refusals(server: Server) -> list[tuple[str | None, str | None, dict[str, object]]]:
    await server.audit_batch.write()
    async with server.database.read() as connection:
        found = await connection.execute(
            select(AuditEvent.client_id, AuditEvent.address, AuditEvent.details)
            .where(AuditEvent.type == "client.refused")
            .order_by(AuditEvent.id)
        )
        return [(client_id, address, details) for client_id, address, details in found]


async def test_a_refused_client_is_in_the_audit_trail(
    http: httpx2.AsyncClient, service: TestClient, server: Server
) -> None:
    await fail(http, "service", 1)
    assert await refusals(server) == [
        ("service", HERE, {"reason": "wrong secret", "times": 1}),
    ]


async def test_what_was_sent_as_an_unknown_client_is_not_in_the_trail(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await fail(http, other_secret(), 1)
    assert await refusals(server) == [(None, HERE, {"reason": "unknown or disabled", "times": 1})]


async def test_a_client_that_only_names_itself_is_in_the_trail(
    http: httpx2.AsyncClient, service: TestClient, server: Server
) -> None:
    async with at(http, HERE) as client:
        await client.post("/revoke", data={"client_id": "service", "token": "a.b.c"})
    assert await refusals(server) == [
        ("service", HERE, {"reason": "none is not allowed", "times": 1})
    ]


@pytest.mark.parametrize("limit", [0])
async def test_a_flood_of_refusals_is_one_event_for_each_client_and_address(
    http: httpx2.AsyncClient, service: TestClient, server: Server, limit: int
) -> None:
    await fail(http, "service", 20)
    await fail(http, "service", 5, ELSEWHERE)
    for number in range(7):
        await fail(http, f"unknown{number}", 1)
    wrong = {"reason": "wrong secret"}
    assert await refusals(server) == [
        ("service", HERE, {**wrong, "times": 20}),
        ("service", ELSEWHERE, {**wrong, "times": 5}),
        (None, HERE, {"reason": "unknown or disabled", "times": 7}),
    ]
    await fail(http, "service", 1)
    assert (await refusals(server))[3:] == [("service", HERE, {**wrong, "times": 1})]


async def test_refusals_past_the_limit_are_not_in_the_trail(
    http: httpx2.AsyncClient, service: TestClient, server: Server
) -> None:
    await fail(http, "service")
    for _ in range(10):
        assert_must_wait(await ask(http, "service", "wrong"))
    assert await refusals(server) == [
        ("service", HERE, {"reason": "wrong secret", "times": LIMIT}),
    ]


@pytest.mark.parametrize("limit", [0])
async def test_a_limit_of_zero_is_none(
    http: httpx2.AsyncClient, service: TestClient, server: Server, limit: int
) -> None:
    await fail(http, "service", 4 * LIMIT)
    await assert_granted(http, service)
    assert await counts(server) == []
