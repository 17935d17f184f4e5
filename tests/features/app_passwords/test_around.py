"""What the rest of the server knows of app passwords: the doctor, mails, the user's data."""

import json

import httpx2
import pytest
from pydantic_core import to_json
from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import NOWHERE
from app.features.app_passwords import UNUSED_FOR, feature
from app.login.notices import CredentialAdded, Notice
from app.models import Client
from app.operations.doctor import diagnose
from app.security.opaque import hash_secret
from app.server import Server
from tests.features.app_passwords.given import TestAppPassword, ask_for_tokens, give_app_password
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_client


@pytest.fixture
async def mail(server: Server) -> TestClient:
    return await add_client(server, "mail")


@pytest.fixture
async def given(server: Server, alice: TestUser, mail: TestClient) -> TestAppPassword:
    return await give_app_password(server, alice, mail)


async def found(server: Server) -> set[str]:
    checks = {finding.check for finding in await diagnose(server)}
    return {check for check in checks if check.startswith("app-passwords")}


async def test_the_doctor_finds_those_that_nobody_has_used_for_long(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    alice: TestUser,
    mail: TestClient,
    given: TestAppPassword,
) -> None:
    clock.advance(UNUSED_FOR.total_seconds())
    assert await found(server) == set()
    clock.advance(1)
    assert await found(server) == {"app-passwords-unused"}
    assert (await ask_for_tokens(http, alice, mail, given.secret)).status_code == 200
    assert await found(server) == set()


@pytest.mark.parametrize("loss", [{"grant_types": ["refresh_token"]}, {"disabled_at": True}])
async def test_the_doctor_finds_those_that_open_nothing(
    server: Server, given: TestAppPassword, loss: dict[str, object]
) -> None:
    values = {name: server.clock.now() if value is True else value for name, value in loss.items()}
    assert await found(server) == set()
    async with server.database.transaction() as connection:
        await connection.execute(update(Client).values(**values))
    assert await found(server) == {"app-passwords-open-nothing"}


async def test_a_new_one_is_told_to_its_user_without_the_words_of_whoever_made_it(
    server: Server, alice: TestUser, mail: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Notice] = []

    async def note(_connection: AsyncConnection, notice: Notice) -> None:
        told.append(notice)

    monkeypatch.setattr(server, "notify", note)
    await give_app_password(server, alice, mail)
    assert told == [
        CredentialAdded(
            user_id=alice.id, at=server.clock.now(), origin=NOWHERE, what="An app password"
        )
    ]


async def test_the_data_of_a_user_has_them_without_a_secret(
    server: Server, alice: TestUser, given: TestAppPassword
) -> None:
    assert feature.export is not None
    async with server.database.read() as connection:
        document = to_json(await feature.export(connection, alice.id, 10)).decode()
        assert await feature.export(connection, alice.id, 0) == {"app_passwords": []}
    (listed,) = json.loads(document)["app_passwords"]
    assert (listed["id"], listed["name"], listed["client_id"]) == (str(given.id), "laptop", "mail")
    assert given.secret not in document
    assert hash_secret(given.secret) not in document
