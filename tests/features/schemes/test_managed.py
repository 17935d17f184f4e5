"""Basic and Digest of users whom somebody manages."""

from typing import Any

import httpx2
import pytest

from app.features.schemes.digest_credentials import set_digest_credential
from app.server import Server
from tests.features.schemes.answers import assert_no_good_password
from tests.support.factories import PASSWORD, TestUser
from tests.support.managed_users import ENDING, SHUTTING_OUT

DIGEST_PASSWORD = "a password for digest alone"


@pytest.mark.parametrize("stop", ENDING)
async def test_http_basic_of_a_user_stops_at_once(
    http: httpx2.AsyncClient, as_admin: dict[str, str], alice: TestUser, stop: Any
) -> None:
    auth = (alice.username, PASSWORD)
    assert (await http.get("/schemes/http/basic", auth=auth)).status_code == 200
    await stop(http, as_admin, alice)
    assert_no_good_password(await http.get("/schemes/http/basic", auth=auth))


@pytest.mark.parametrize("stop", SHUTTING_OUT)
async def test_the_digest_credential_of_a_user_stops_at_once(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    stop: Any,
) -> None:
    async with server.database.transaction() as connection:
        await set_digest_credential(
            connection,
            server.encryption,
            user_id=alice.id,
            username=alice.username,
            password=DIGEST_PASSWORD,
            realm=server.settings.realm,
            now=server.clock.now(),
        )

    async def present() -> int:
        auth = httpx2.DigestAuth(alice.username, DIGEST_PASSWORD)
        return (await http.get("/schemes/http/digest", auth=auth)).status_code

    assert await present() == 200
    await stop(http, as_admin, alice)
    assert await present() == 401
