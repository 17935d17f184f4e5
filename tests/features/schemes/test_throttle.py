"""Throttling of failed logins with Basic and Digest: the counts are those of other logins."""

import base64
import hashlib
import re

import httpx2
import pytest

from app.features.schemes import http_digest
from app.features.schemes.digest_credentials import set_digest_credential
from app.features.schemes.dropin.digest import make_ha1
from app.server import Server
from app.settings import Settings
from tests.conftest import _shared, alice, app, clock, http, server, web
from tests.support.assertions import assert_problem
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser
from tests.support.throttled import (
    LIMIT,
    LOCKOUT,
    assert_must_wait,
    at,
    cancelled,
    events,
    fail,
    failures,
    log_in,
    throttled,
)

# Each test has a database of its own, unlike those of the samples beside it.
__all__ = ["_shared", "alice", "app", "clock", "http", "server", "web"]


@pytest.fixture
def settings(database_url: str) -> Settings:
    return throttled(database_url)


async def test_the_counts_are_shared_with_http_basic(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser
) -> None:
    await fail(http, web, LIMIT)
    response = await http.get("/schemes/http/basic", auth=("alice", alice.password))
    assert_problem(response, 429)
    assert response.headers["retry-after"] == str(LOCKOUT)


@pytest.mark.rfc("7617", "B.2", 2)
async def test_a_wrong_password_that_is_not_utf_8_counts_once(
    http: httpx2.AsyncClient, server: Server, alice: TestUser
) -> None:
    pair = base64.b64encode("alice:müßiggang".encode("iso-8859-1")).decode()
    response = await http.get("/schemes/http/basic", headers={"Authorization": f"Basic {pair}"})
    assert response.status_code == 401
    assert await failures(server) == [1, 1]


def digest(server: Server, challenge: str, username: str, password: str) -> str:
    """The header that answers the first challenge, as RFC 7616, section 3.4.1, has it."""
    parameters = dict(re.findall(r'(\w+)="([^"]*)"', challenge.partition(", Digest ")[0]))
    ha1 = make_ha1(username, parameters["realm"], password, "SHA-256")
    ha2 = hashlib.sha256(b"GET:/schemes/http/digest").hexdigest()
    parts = (ha1, parameters["nonce"], "00000001", "cnonce", "auth", ha2)
    response = hashlib.sha256(":".join(parts).encode()).hexdigest()
    return (
        f'Digest username="{username}", realm="{parameters["realm"]}", algorithm=SHA-256, '
        f'nonce="{parameters["nonce"]}", uri="/schemes/http/digest", response="{response}", '
        f'opaque="{parameters["opaque"]}", qop=auth, nc=00000001, cnonce="cnonce"'
    )


async def present_digest(
    http: httpx2.AsyncClient, server: Server, password: str
) -> httpx2.Response:
    challenged = await http.get("/schemes/http/digest")
    header = digest(server, challenged.headers["www-authenticate"], "alice", password)
    return await present_digest_header(http, header)


@pytest.fixture
async def alices_digest(server: Server, alice: TestUser) -> str:
    """The password of a Digest credential."""
    async with server.database.transaction() as connection:
        await set_digest_credential(
            connection,
            server.encryption,
            user_id=alice.id,
            username=alice.username,
            password="another password for Digest",
            realm=server.settings.realm,
            now=server.clock.now(),
        )
    return "another password for Digest"


async def test_wrong_digests_are_counted_and_have_to_wait(
    http: httpx2.AsyncClient, server: Server, web: TestClient, alice: TestUser, alices_digest: str
) -> None:
    for _ in range(LIMIT):
        assert (await present_digest(http, server, "wrong")).status_code == 401
    response = await present_digest(http, server, alices_digest)
    assert_problem(response, 429)
    assert response.headers["retry-after"] == str(LOCKOUT)
    assert_must_wait(await log_in(http, web, "alice", alice.password), LOCKOUT)


async def test_a_right_digest_clears_the_count(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, alices_digest: str
) -> None:
    for _ in range(2):
        for _ in range(LIMIT - 1):
            assert (await present_digest(http, server, "wrong")).status_code == 401
        assert (await present_digest(http, server, alices_digest)).status_code == 200


@pytest.fixture(params=["replayed", "stale"])
async def copied_digest(
    http: httpx2.AsyncClient,
    server: Server,
    alices_digest: str,
    clock: TestClock,
    request: pytest.FixtureRequest,
) -> str:
    """A header with a right response that proves nothing any more."""
    challenged = await http.get("/schemes/http/digest")
    header = digest(server, challenged.headers["www-authenticate"], "alice", alices_digest)
    if request.param == "replayed":
        await present_digest_header(http, header)
    else:
        clock.advance(server.settings.digest_nonce_ttl)
    return header


async def present_digest_header(http: httpx2.AsyncClient, header: str) -> httpx2.Response:
    return await http.get("/schemes/http/digest", headers={"Authorization": header})


async def test_a_copied_digest_clears_no_count_and_makes_no_place_known(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, copied_digest: str
) -> None:
    await fail(http, web, LIMIT - 1, "alice", "203.0.113.9")
    async with at(http, "203.0.113.9") as thief:
        assert (await present_digest_header(thief, copied_digest)).status_code == 401
    await fail(http, web, 1, "alice", "203.0.113.9")
    assert_must_wait(await log_in(http, web, "alice", "wrong", "203.0.113.9"), LOCKOUT)


async def test_a_copied_digest_is_no_failure(
    http: httpx2.AsyncClient, web: TestClient, alice: TestUser, copied_digest: str
) -> None:
    for _ in range(LIMIT):
        assert (await present_digest_header(http, copied_digest)).status_code == 401
    assert (await log_in(http, web, "alice", alice.password, "203.0.113.9")).status_code == 200


async def test_logins_with_basic_and_digest_are_in_the_audit_trail(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, alices_digest: str
) -> None:
    await http.get("/schemes/http/basic", auth=("alice", alice.password))
    await present_digest(http, server, alices_digest)
    assert await events(server, "login.succeeded") == [
        ("login.succeeded", str(alice.id), {"door": "basic"}),
        ("login.succeeded", str(alice.id), {"door": "digest"}),
    ]


@pytest.mark.rfc("7616", "3.4", 11)
async def test_a_wrong_digest_is_in_the_audit_trail(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, alices_digest: str
) -> None:
    await present_digest(http, server, "wrong")
    assert await events(server, "login.failed") == [
        ("login.failed", str(alice.id), {"door": "digest", "reason": "wrong response"})
    ]


async def test_a_wrong_digest_is_counted_although_its_client_goes_away(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, alices_digest: str
) -> None:
    await cancelled(server, present_digest(http, server, "wrong"), http_digest, "find_digest_user")
    assert await failures(server) == [1, 1]
    assert server.authenticator._throttle._under_way == set()
