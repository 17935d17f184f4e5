"""Guessing at ``/token`` where there are app passwords: none of them weakens the password."""

import httpx2
import pytest
from sqlalchemy import select

from app.features.app_passwords.service import FORM
from app.models import FailedLogins, KnownOrigin
from app.server import Server
from app.settings import Settings
from tests.features.app_passwords.given import (
    TestAppPassword,
    ask_for_tokens,
    give_app_password,
)
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client
from tests.support.throttled import LIMIT, throttled


@pytest.fixture
def settings(database_url: str) -> Settings:
    return throttled(database_url)


@pytest.fixture
async def mail(server: Server) -> TestClient:
    return await add_client(server, "mail")


@pytest.fixture
async def given(server: Server, alice: TestUser, mail: TestClient) -> TestAppPassword:
    return await give_app_password(server, alice, mail)


async def status(http: httpx2.AsyncClient, user: TestUser, client: TestClient, secret: str) -> int:
    return (await ask_for_tokens(http, user, client, secret)).status_code


async def test_guesses_of_them_count_as_guesses_of_the_password(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, mail: TestClient
) -> None:
    guesses = [FORM.generate() for _ in range(LIMIT + 1)]
    answers = [await status(http, alice, mail, guess) for guess in (*guesses, PASSWORD)]
    assert answers == [400] * LIMIT + [429, 429]


async def test_one_that_is_right_forgives_no_guesses_of_the_password(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    """Or whoever has one could guess the password for ever."""
    typed = ["a guess", given.secret] * LIMIT
    assert [await status(http, alice, mail, each) for each in typed] == [400, 200] * LIMIT
    assert await status(http, alice, mail, PASSWORD) == 429


async def test_strangers_who_guess_the_password_do_not_shut_out_one_that_was_used_before(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    typed = [given.secret, *["a guess"] * LIMIT, PASSWORD, given.secret]
    answers = [await status(http, alice, mail, each) for each in typed]
    assert answers == [200, *[400] * LIMIT, 429, 200]


async def test_a_login_with_one_that_was_used_before_writes_nothing_for_the_throttle(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await status(http, alice, mail, given.secret) == 200
    async with server.database.read() as connection:
        assert len((await connection.scalars(select(KnownOrigin.key_hash))).all()) == 1
        counts = (await connection.scalars(select(FailedLogins.count))).all()
    assert set(counts) <= {0}
    monkeypatch.delattr("app.login.throttle.hold_counts")
    assert await status(http, alice, mail, given.secret) == 200
