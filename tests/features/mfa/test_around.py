"""What goes on around the second factor: secrets that are rotated, purges, the doctor, mails."""

from collections import Counter
from typing import Any

import httpx2
import pytest
from sqlalchemy import Engine, event, func, select

from app.features.mfa.model import MfaChallenge, TotpSecret
from app.features.mfa.service import start_enrolment
from app.identity.users import get_account
from app.management.authority import Actor
from app.operations.doctor import diagnose
from app.operations.purge import purge
from app.security.encryption import Encryption
from app.server import Server
from app.tokens.key_rotation import renew_encryption
from tests.features.mfa.phones import Phone, ask, challenge, go_on
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user
from tests.support.on_sqlite import backend as backend

METADATA = "/.well-known/oauth-authorization-server"


async def count(server: Server, table: type[MfaChallenge] | type[TotpSecret]) -> int:
    async with server.database.read() as connection:
        return await connection.scalar(select(func.count()).select_from(table)) or 0


async def test_the_metadata_lists_the_grant_and_the_levels(http: httpx2.AsyncClient) -> None:
    document = (await http.get(METADATA)).json()
    grant = "urn:latchkey:params:oauth:grant-type:mfa"
    assert grant in document["grant_types_supported"]
    assert document["acr_values_supported"][:2] == ["urn:latchkey:acr:any", "urn:latchkey:acr:mfa"]


@pytest.mark.parametrize("changes", [{"mfa": "off"}], ids=["off"])
async def test_where_it_is_off_the_metadata_list_neither(http: httpx2.AsyncClient) -> None:
    document = (await http.get(METADATA)).json()
    assert not [each for each in document["grant_types_supported"] if each.endswith(":mfa")]
    assert document["acr_values_supported"] == ["urn:latchkey:acr:any"]


async def test_the_secret_is_encrypted_anew_when_the_key_was_rotated(
    server: Server, phone: Phone
) -> None:
    new = "another secret key, of thirty-two bytes or more"
    rotated = Encryption([new, *server.settings.secret_keys])
    renewals = [each.renew for each in server.features if each.renew]
    await renew_encryption(server.database, rotated, renewals)
    async with server.database.read() as connection:
        stored = await connection.scalar(select(TotpSecret.secret))
    assert Encryption([new]).decrypt(str(stored)).decode() == phone.secret


async def test_a_purge_deletes_what_waits_no_longer(
    http: httpx2.AsyncClient,
    alice: TestUser,
    web: TestClient,
    phone: Phone,
    server: Server,
    clock: TestClock,
) -> None:
    await challenge(http, alice, web)
    bob = await add_user(server, "bob")
    async with server.database.transaction() as connection:
        account = await get_account(connection, bob.id)
        actor = Actor(
            connection=connection, clock=clock, subject=str(bob.id), scopes=account.scopes
        )
        await start_enrolment(actor, server.settings)
    await purge(server)
    assert (await count(server, MfaChallenge), await count(server, TotpSecret)) == (1, 2)
    clock.advance(15 * 60 + 1)
    await purge(server)
    assert (await count(server, MfaChallenge), await count(server, TotpSecret)) == (0, 1)


async def test_the_doctor_reminds_of_what_goes_on_without_the_factor(
    server: Server, phone: Phone
) -> None:
    (found,) = [each for each in await diagnose(server) if each.check.startswith("mfa")]
    assert (found.check, found.found) == ("mfa-beside", "1 users have a second factor")


@pytest.mark.parametrize("changes", [{"mfa": "off"}], ids=["off"])
async def test_the_doctor_warns_of_factors_that_nobody_is_asked_for(
    http: httpx2.AsyncClient, server: Server, phone: Phone, alice: TestUser, web: TestClient
) -> None:
    assert (await ask(http, alice, web)).status_code == 200
    (found,) = [each for each in await diagnose(server) if each.check.startswith("mfa")]
    assert found.check == "mfa-off"


async def test_a_failed_login_does_the_same_with_and_without_a_factor(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone, server: Server
) -> None:
    """Of what takes time: hashes and statements. The factor is looked up after the password."""
    bob = await add_user(server, "bob")
    seen: list[Counter[str]] = []
    for user in (bob, alice, bob):  # the first finds out what a worker then remembers
        statements: Counter[str] = Counter()

        def note(*told: Any, statements: Counter[str] = statements) -> None:
            statements[told[2]] += 1

        event.listen(Engine, "before_cursor_execute", note)
        try:
            response = await ask(http, user, web, password="not the password")
        finally:
            event.remove(Engine, "before_cursor_execute", note)
        assert response.json()["error"] == "invalid_grant"
        assert statements
        seen.append(statements)
    assert seen[1] == seen[2]


async def test_what_is_exported_has_no_secret(
    server: Server, phone: Phone, alice: TestUser
) -> None:
    (feature,) = [each for each in server.features if each.name == "mfa"]
    assert feature.export is not None
    async with server.database.read() as connection:
        document = await feature.export(connection, alice.id, 10)
    assert document["second_factor"]["recovery_codes_left"] == 10
    assert phone.secret not in str(document)


@pytest.mark.parametrize("changes", [{"metrics": True}], ids=["metrics"])
async def test_codes_are_counted_by_what_came_of_them(
    http: httpx2.AsyncClient, alice: TestUser, web: TestClient, phone: Phone
) -> None:
    token = await challenge(http, alice, web)
    await go_on(http, web, token, otp=phone.wrong_code())
    assert (await go_on(http, web, token, otp=phone.code())).status_code == 200
    told = (await http.get("/metrics")).text
    for outcome in ("wrong code", "succeeded"):
        assert f'{{door="mfa",outcome="{outcome}"}} 1.0' in told
