"""A code behind the password, from a client that has one field for both."""

import httpx2
import pytest
from sqlalchemy import select

from app.features.mfa.requirements import append_codes
from app.management.authority import operating
from app.models import AuditEvent
from app.server import Server
from tests.features.mfa.phones import STEP, Phone, ask
from tests.support.assertions import assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, TestClient, TestUser, add_client, add_user
from tests.support.forger import read_claims
from tests.support.on_sqlite import backend as backend

REFUSED = "The user name or the password is wrong."


@pytest.fixture
async def old(server: Server) -> TestClient:
    """A client that can send no other."""
    client = await add_client(server, "old")
    async with operating(server.database, server.clock) as operator:
        await append_codes(operator, "old", appended=True)
    return client


async def test_the_code_is_taken_behind_the_password(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone
) -> None:
    response = await ask(http, alice, old, password=PASSWORD + phone.code())
    assert response.status_code == 200, response.text
    assert read_claims(response.json()["access_token"])["amr"] == ["pwd", "otp", "mfa"]


async def test_a_code_is_good_once_there_too(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone, server: Server
) -> None:
    typed = PASSWORD + phone.code()
    assert (await ask(http, alice, old, password=typed)).status_code == 200
    response = await ask(http, alice, old, password=typed)
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)
    async with server.database.read() as connection:
        failed = select(AuditEvent.details).where(AuditEvent.type == "login.failed")
        assert await connection.scalar(failed) == {"door": "token", "reason": "wrong code"}


@pytest.mark.parametrize(
    "typed", [PASSWORD, PASSWORD + "12345", "not the password"], ids=["none", "short", "wrong"]
)
async def test_without_a_code_nobody_is_logged_in(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone, typed: str
) -> None:
    response = await ask(http, alice, old, password=typed)
    assert response.status_code == 400
    assert "access_token" not in response.json()


async def test_with_a_wrong_password_the_code_is_not_used_up(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone
) -> None:
    code = phone.code()
    response = await ask(http, alice, old, password="not the password" + code)
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)
    assert (await ask(http, alice, old, password=PASSWORD + code)).status_code == 200


@pytest.mark.parametrize("changes", [{"login_max_failures": 3}], ids=["three"])
async def test_guesses_wait_as_everywhere(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone, clock: TestClock
) -> None:
    guess = PASSWORD + phone.wrong_code()
    answers = [await ask(http, alice, old, password=guess) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [400, 400, 400, 429]
    clock.advance(10 * STEP + 1)
    assert (await ask(http, alice, old, password=PASSWORD + phone.code())).status_code == 200


async def test_at_another_client_it_is_a_wrong_password(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, old: TestClient, phone: Phone
) -> None:
    response = await ask(http, alice, web, password=PASSWORD + phone.code())
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)


async def test_a_password_that_ends_in_digits_is_whole_for_who_has_no_app(
    http: httpx2.AsyncClient, server: Server, old: TestClient
) -> None:
    bob = await add_user(server, "bob", "a long password of 1234567890")
    assert (await ask(http, bob, old)).status_code == 200


async def test_an_operator_can_take_it_back(
    http: httpx2.AsyncClient, alice: TestUser, old: TestClient, phone: Phone, server: Server
) -> None:
    async with operating(server.database, server.clock) as operator:
        await append_codes(operator, "old", appended=False)
    response = await ask(http, alice, old, password=PASSWORD + phone.code())
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)
