"""Throttling of failed logins, through the doors where passwords are checked."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import func, select

from app.audit.trail import Origin
from app.login import authentication
from app.login.authentication import LoginContext
from app.login.throttle import LoginThrottle, attempt_of
from app.main import create_app
from app.models import FailedLogins
from app.server import Server
from app.settings import Settings
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser
from tests.support.started import started
from tests.support.throttled import (
    LIMIT,
    LOCKOUT,
    assert_must_wait,
    cancelled,
    events,
    fail,
    failures,
    log_in,
    throttled,
)

BURST = 24


@pytest.fixture
def settings(database_url: str) -> Settings:
    return throttled(database_url)


@pytest.mark.rfc("6749", "4.3.2", 5)
@pytest.mark.rfc("6749", "10.10", 2)
async def test_an_account_with_too_many_failures_has_to_wait(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT)
    assert_must_wait(await log_in(http, web, "alice", alice.password), LOCKOUT)


async def test_an_attempt_that_has_to_wait_costs_no_hash(
    http: httpx2.AsyncClient,
    web: TestClient,
    alice: TestUser,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    await fail(http, web, LIMIT)
    monkeypatch.setattr(server.passwords, "verify", None)
    assert_must_wait(await log_in(http, web, "alice", "wrong"), LOCKOUT)


async def test_a_name_that_does_not_exist_is_counted_like_one_that_does(
    http: httpx2.AsyncClient, web: TestClient
) -> None:
    await fail(http, web, LIMIT, "nobody")
    assert_must_wait(await log_in(http, web, "nobody", "wrong"), LOCKOUT)


async def test_names_that_are_the_same_user_are_counted_together(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, 1, "alice")
    await fail(http, web, LIMIT - 1, "ALICE")
    assert_must_wait(await log_in(http, web, "Alice", alice.password), LOCKOUT)


async def test_after_the_wait_the_right_password_is_let_in(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT)
    clock.advance(LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_each_further_failure_doubles_the_wait(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT)
    clock.advance(LOCKOUT)
    await fail(http, web, 1)
    assert_must_wait(await log_in(http, web, "alice", alice.password), 2 * LOCKOUT)


async def test_a_success_clears_the_count(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_failures_are_forgotten_after_a_day(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    await fail(http, web, LIMIT - 1)
    clock.advance(24 * 3600 + 1)
    await fail(http, web, LIMIT - 1)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


@pytest.mark.rfc("6749", "4.3.2", 5)
async def test_an_address_with_too_many_failures_has_to_wait_whatever_the_name(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", "192.0.2.1")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.2")).status_code == 200


async def test_ipv6_addresses_are_counted_by_their_network(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", f"2001:db8::{number:x}")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "2001:db8::ffff"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "2001:db8:0:1::1")).status_code == 200


async def test_ipv4_addresses_are_the_same_as_their_mapped_form_and_each_its_own(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", "::ffff:192.0.2.1")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)
    elsewhere = await log_in(http, web, "alice", alice.password, "::ffff:192.0.2.2")
    assert elsewhere.status_code == 200


@pytest.mark.parametrize("claimed", ["9" * 300, "<b>", "fe80::1%" + "x" * 300])
async def test_what_a_proxy_names_need_not_be_an_address(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, claimed: str
) -> None:
    await fail(http, web, 1, "alice", claimed)
    assert (await log_in(http, web, "alice", alice.password, claimed)).status_code == 200


async def test_a_stranger_cannot_lock_a_user_out_of_where_they_log_in(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, LIMIT, "alice", "203.0.113.9")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "203.0.113.9"), LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200


async def test_a_known_address_has_a_limit_of_its_own(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, LIMIT, "alice", "192.0.2.1")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)


async def test_a_limit_of_zero_is_none(
    http: httpx2.AsyncClient, web: TestClient, server: Server, alice: TestUser
) -> None:
    server.authenticator._throttle._per_account = 0
    server.authenticator._throttle._per_address = 0
    await fail(http, web, 4 * LIMIT)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


# Bursts


async def count_hashes(server: Server, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The passwords that reach the hash of ``server`` from now on."""
    hashed: list[str] = []
    verify = server.passwords.verify

    async def counted(password: str, stored: str | None, **options: Any) -> object:
        hashed.append(password)
        return await verify(password, stored, **options)

    monkeypatch.setattr(server.passwords, "verify", counted)
    return hashed


async def burst(
    workers: Sequence[httpx2.AsyncClient], web: TestClient, addresses: Sequence[str]
) -> Counter[int]:
    """Many wrong passwords at once, spread over workers and addresses: the status codes."""
    answers = await asyncio.gather(
        *(
            log_in(workers[n % len(workers)], web, "alice", "wrong", addresses[n % len(addresses)])
            for n in range(BURST)
        )
    )
    return Counter(answer.status_code for answer in answers)


@pytest.mark.rfc("6749", "4.3.2", 5)
@pytest.mark.parametrize(
    "addresses",
    [["192.0.2.1"], [f"192.0.2.{number}" for number in range(BURST)]],
    ids=["from_one_address", "from_many_addresses"],
)
async def test_of_a_burst_over_two_workers_no_more_than_the_limit_reach_the_hash(
    app: FastAPI,
    http: httpx2.AsyncClient,
    settings: Settings,
    clock: TestClock,
    web: TestClient,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
    addresses: Sequence[str],
) -> None:
    another = create_app(settings, clock)
    async with started(another) as second:
        hashed = [
            *await asyncio.gather(
                count_hashes(app.state.server, monkeypatch),
                count_hashes(another.state.server, monkeypatch),
            )
        ]
        assert await burst([http, second], web, addresses) == {400: LIMIT, 429: BURST - LIMIT}
    assert sum(map(len, hashed)) == LIMIT


async def test_of_a_burst_from_a_known_place_one_more_per_process_may_reach_the_hash(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    answers = await burst([http], web, ["192.0.2.1"])
    assert answers[400] in (LIMIT, LIMIT + 1)
    assert answers.total() == answers[400] + answers[429]
    again = await log_in(http, web, "alice", alice.password, "192.0.2.1")
    assert again.status_code == 429


async def test_right_passwords_at_once_all_get_in_and_leave_no_failure_behind(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, server: Server
) -> None:
    answers = await asyncio.gather(
        *(log_in(http, web, "alice", alice.password, f"192.0.2.{n}") for n in range(LIMIT))
    )
    assert [answer.status_code for answer in answers] == [200] * LIMIT
    async with server.database.read() as connection:
        assert await connection.scalar(select(func.sum(FailedLogins.count))) in (0, None)


async def test_an_attempt_whose_turn_comes_after_a_later_one_is_not_made_to_wait(
    server: Server, alice: TestUser
) -> None:
    throttle = LoginThrottle(server.settings, server.database)
    now = server.clock.now()
    later = now + timedelta(milliseconds=10)
    first, second = attempt_of("alice", "192.0.2.1"), attempt_of("alice", "192.0.2.1")
    async with server.database.read() as connection:
        await throttle.look_up(connection, first, now)
        await throttle.look_up(connection, second, later)
    await throttle.count(second, later)
    await throttle.count(first, now)
    assert {count for count, _ in first.counts.values()} == {1}


async def test_a_login_that_found_the_queue_full_is_no_failure(
    http: httpx2.AsyncClient,
    web: TestClient,
    alice: TestUser,
    server: Server,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr(server.passwords, "_limit", 0)
        for _ in range(2 * LIMIT):
            response = await log_in(http, web, "alice", alice.password)
            assert_oauth2_error(response, "temporarily_unavailable", 503)
    assert (await log_in(http, web, "alice", alice.password)).status_code == 200


async def test_a_right_password_does_not_lengthen_the_wait_of_its_address(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", "192.0.2.1")
    clock.advance(LOCKOUT)
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, 1, "somebody", "192.0.2.1")
    assert_must_wait(await log_in(http, web, "somebody", "wrong", "192.0.2.1"), 2 * LOCKOUT)


# Known places


async def test_strangers_at_the_same_address_do_not_lock_a_user_out_through_it(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}", "192.0.2.1")
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200


async def test_a_login_at_a_known_place_gives_strangers_no_new_guesses(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    await fail(http, web, LIMIT, "alice", "203.0.113.9")
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    assert_must_wait(await log_in(http, web, "alice", alice.password, "203.0.113.9"), LOCKOUT)


async def test_a_place_is_known_for_thirty_days(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, clock: TestClock
) -> None:
    assert (await log_in(http, web, "alice", alice.password, "192.0.2.1")).status_code == 200
    clock.advance(30 * 24 * 3600)
    await fail(http, web, LIMIT, "alice", "203.0.113.9")
    assert_must_wait(await log_in(http, web, "alice", alice.password, "192.0.2.1"), LOCKOUT)


# The audit trail


async def test_a_lockout_is_in_the_audit_trail(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, server: Server
) -> None:
    await fail(http, web, LIMIT)
    assert await events(server, "login.locked") == [
        ("login.locked", str(alice.id), {"door": "token", "by": "account"})
    ]


async def test_the_lockout_of_an_address_is_in_the_audit_trail(
    http: httpx2.AsyncClient, web: TestClient, server: Server
) -> None:
    for number in range(2 * LIMIT):
        await fail(http, web, 1, f"user{number}")
    assert await events(server, "login.locked") == [
        ("login.locked", None, {"door": "token", "by": "address"})
    ]


# Logins whose client goes away


WHERE = [
    pytest.param(lambda _: authentication, "find_account", id="the_look_up"),
    pytest.param(lambda server: server.authenticator._throttle, "look_up", id="the_counts"),
    pytest.param(lambda server: server.authenticator._throttle, "count", id="the_counting"),
    pytest.param(lambda server: server.passwords, "verify", id="the_hash"),
]


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *WHERE,
        pytest.param(lambda server: server.authenticator._throttle, "failed", id="the_failure"),
    ],
)
async def test_a_wrong_login_is_counted_whole_although_its_client_goes_away(
    http: httpx2.AsyncClient,
    web: TestClient,
    alice: TestUser,
    server: Server,
    where: Callable[[Server], Any],
    name: str,
) -> None:
    await cancelled(server, log_in(http, web, "alice", "wrong"), where(server), name)
    assert await failures(server) == [1, 1]
    assert await events(server, "login.failed") == [
        ("login.failed", str(alice.id), {"door": "token", "reason": "wrong password"})
    ]
    assert server.authenticator._throttle._under_way == set()


@pytest.mark.parametrize(
    ("where", "name"),
    [
        *WHERE,
        pytest.param(lambda server: server.authenticator._throttle, "succeeded", id="the_success"),
    ],
)
async def test_a_right_login_leaves_no_count_although_its_client_goes_away(
    http: httpx2.AsyncClient,
    web: TestClient,
    alice: TestUser,
    server: Server,
    where: Callable[[Server], Any],
    name: str,
) -> None:
    await cancelled(server, log_in(http, web, "alice", alice.password), where(server), name)
    assert sum(await failures(server)) == 0
    assert server.authenticator._throttle._under_way == set()


@pytest.mark.parametrize("error", [ConnectionError, asyncio.CancelledError])
async def test_an_attempt_that_breaks_off_without_a_verdict_is_taken_back(
    server: Server, alice: TestUser, error: type[BaseException]
) -> None:
    context = LoginContext("token", Origin("192.0.2.1", None))

    async def break_off() -> None:
        async with server.authenticator.attempt("alice", context):
            assert await failures(server) == [1, 1]
            raise error

    with pytest.raises(error):
        await break_off()
    assert await failures(server) == [0, 0]
    assert server.authenticator._throttle._under_way == set()
