"""What becomes of API keys when somebody manages their owners, scopes and settings."""

from typing import Any

import httpx2
import pytest
from sqlalchemy import update

from app.audit.trail import list_events
from app.features.api_keys.model import ApiKey
from app.features.api_keys.service import use_api_key
from app.operations.doctor import diagnose
from app.server import Server
from tests.features.api_keys.keys import TestKey, give_key, revoke_key
from tests.support.factories import TestUser, add_client, add_scope
from tests.support.lifecycle import give_to_user, take_from_user
from tests.support.managed_users import NEW_PASSWORD, SHUTTING_OUT, changed, disable
from tests.support.operators import add_somebody, assert_refused, events, token_of


async def is_good(server: Server, key: TestKey) -> bool:
    return await use_api_key(server.database, key.key, server.clock.now()) is not None


async def test_the_keys_of_a_user_end_when_an_administrator_sets_a_password(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    user = await add_somebody(server, "items:read", name="owner")
    key = await give_key(server, user, "items:read")
    assert await is_good(server, key)
    body = {"password": NEW_PASSWORD}
    reset = await http.post(f"/users/{user.id}/password", json=body, headers=as_admin)
    assert reset.status_code == 204
    assert not await is_good(server, key)
    (event,) = await events(server, user_id=str(user.id), event_type="user.password_reset")
    assert event.details == {"api_keys_revoked": 1}


@pytest.mark.parametrize("stop", SHUTTING_OUT)
async def test_the_api_keys_of_a_user_stop_at_once(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    stop: Any,
) -> None:
    key = await give_key(server, alice, "items:read")
    assert await is_good(server, key)
    await stop(http, as_admin, alice)
    assert not await is_good(server, key)


async def test_the_keys_of_a_user_who_is_enabled_again_work_again(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], alice: TestUser
) -> None:
    key = await give_key(server, alice, "items:read")
    await disable(http, as_admin, alice)
    await changed(http, as_admin, alice.id, disabled=False)
    assert await is_good(server, key)


async def test_what_becomes_of_a_key_is_written_down(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    await add_client(server, "console", scopes=("api-keys:write",), default_scopes=())
    await give_to_user(server, alice, "api-keys:write")
    headers = await token_of(server, alice, "api-keys:write")
    made = await http.post("/api-keys", json={"name": "k", "scopes": []}, headers=headers)
    key = made.json()["id"]
    assert (await http.delete(f"/api-keys/{key}", headers=headers)).status_code == 204
    by_alice = (str(alice.id), str(alice.id), "console")
    assert await told(server, "api_key.created") == [(*by_alice, {"key": key, "scopes": []})]
    assert await told(server, "api_key.revoked") == [(*by_alice, {"key": key})]


async def test_what_the_operator_does_to_a_key_is_in_the_trail_of_its_owner(
    server: Server, alice: TestUser
) -> None:
    key = await give_key(server, alice)
    await revoke_key(server, key)
    by_operator = ("operator", str(alice.id), None)
    details = {"key": str(key.id)}
    assert await told(server, "api_key.created") == [(*by_operator, details | {"scopes": []})]
    assert await told(server, "api_key.revoked") == [(*by_operator, details)]


async def told(server: Server, event_type: str) -> list[tuple[Any, ...]]:
    """Actor, user, client and details of the events of a type."""
    async with server.database.read() as connection:
        events = await list_events(connection, limit=100, event_type=event_type)
    return [(event.actor, event.user_id, event.client_id, event.details) for event in events]


async def test_a_scope_that_a_key_has_is_not_deleted(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    somebody = await add_somebody(server)
    await add_scope(server, "reports", "Read reports")
    await give_to_user(server, somebody, "reports")
    await give_key(server, somebody, "reports")
    await take_from_user(server, somebody, "reports")
    response = await http.delete("/scopes/reports", headers=as_admin)
    assert_refused(response, 409, "API keys have the scope reports: remove it from them first")


async def test_the_doctor_finds_keys_that_never_end(server: Server, alice: TestUser) -> None:
    await give_key(server, alice, "items:read")
    assert "api-keys-without-end" not in {finding.check for finding in await diagnose(server)}
    async with server.database.transaction() as connection:  # as they were made before
        await connection.execute(update(ApiKey).values(expires_at=None))
    found = {finding.check: finding.severity for finding in await diagnose(server)}
    assert found["api-keys-without-end"] == "note"


@pytest.mark.parametrize(
    ("bearer", "samples", "is_found"),
    [(False, False, True), (True, False, False), (False, True, False)],
)
async def test_the_doctor_finds_keys_that_open_nothing(
    server: Server,
    alice: TestUser,
    monkeypatch: pytest.MonkeyPatch,
    bearer: bool,
    samples: bool,
    is_found: bool,
) -> None:
    key = await give_key(server, alice, "items:read")
    monkeypatch.setattr(server.settings, "api_keys_as_bearer", bearer)
    monkeypatch.setattr(server.settings, "demo_routes", samples)
    checks = {finding.check for finding in await diagnose(server)}
    assert ("api-keys-open-nothing" in checks) == is_found
    await revoke_key(server, key)
    assert "api-keys-open-nothing" not in {finding.check for finding in await diagnose(server)}
