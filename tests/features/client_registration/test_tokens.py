"""Initial access tokens (RFC 7591, section 3), and ``latchkey registration-tokens``."""

from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from app.features.client_registration.tokens import create_registration_token
from app.management.authority import operating
from app.server import Server
from tests.features.client_registration.registering import (
    an_hour_later,
    app,
    register,
    settings,
)
from tests.support.assertions import assert_bearer_error, assert_no_token_sent
from tests.support.clock import TestClock
from tests.support.factories import bearer
from tests.support.shell import Shell, assert_line
from tests.support.started import clock, http, server

__all__ = ["an_hour_later", "app", "clock", "http", "server", "settings"]


@pytest.fixture(scope="module")
def changes() -> dict[str, object]:
    return {"client_registration": "token"}


async def make_token(server: Server, uses: int | None = None) -> dict[str, str]:
    async with operating(server.database, server.clock) as operator:
        _, token = await create_registration_token(
            operator, name="team", lifetime=timedelta(days=1), uses=uses
        )
    return bearer(token)


@pytest.mark.rfc("7591", "1.2")
@pytest.mark.rfc("7591", "3", 2)
@pytest.mark.rfc("7591", "3.2.2", 4)
async def test_without_a_token_nobody_registers(http: httpx2.AsyncClient) -> None:
    assert_no_token_sent(await register(http))
    refused = await register(http, bearer("lr_of-somebody-else"))
    assert_bearer_error(refused, "invalid_token", 401)


@pytest.mark.rfc("7591", "3", 2)
async def test_a_token_is_good_for_as_many_as_it_says(
    http: httpx2.AsyncClient, server: Server
) -> None:
    headers = await make_token(server, uses=1)
    assert (await register(http, headers, redirect_uris=["no uri"])).status_code == 400
    assert (await register(http, headers)).status_code == 201
    assert (await register(http, headers)).status_code == 401


async def test_a_token_ends(http: httpx2.AsyncClient, server: Server, clock: TestClock) -> None:
    headers = await make_token(server)
    clock.advance(24 * 3600 - 1)
    assert (await register(http, headers)).status_code == 201
    clock.advance(1)
    assert (await register(http, headers)).status_code == 401


def test_a_token_is_made_listed_and_revoked(
    database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    latchkey = Shell(database_url)
    made = latchkey.json("registration-tokens", "create", "team", "--uses", "3")
    token = made.pop("token")
    assert (token[:3], len(token)) == ("lr_", 46)
    assert (made["name"], made["uses_left"]) == ("team", 3)
    assert latchkey.json("registration-tokens", "list") == [made]
    revoked = latchkey.json("registration-tokens", "revoke", made["id"])
    assert revoked == {"id": made["id"], "revoked": True}
    assert latchkey.json("registration-tokens", "list") == []
    told = "There is no such registration token."
    assert_line(latchkey("registration-tokens", "revoke", made["id"]), told)
