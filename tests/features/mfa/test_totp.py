"""Codes of an authenticator app: RFC 6238."""

import base64
from datetime import UTC, datetime

import pyotp
import pytest

from app.features.mfa import totp
from app.server import Server
from tests.support.factories import TestUser
from tests.support.on_sqlite import backend as backend


async def enrol(server: Server, user: TestUser, now: datetime) -> str:
    """The secret of a new app."""
    async with server.database.transaction() as connection:
        assert await totp.start(connection, server.settings, user.id, "here", now)
        secret = await totp.waiting_secret(connection, server.settings, user.id, "here", now)
    assert secret is not None
    return secret


@pytest.mark.rfc("6238", "3", 6)
@pytest.mark.rfc("6238", "5.1", 2)
async def test_a_secret_has_160_random_bits(server: Server, alice: TestUser) -> None:
    """As many as the hash has: RFC 6238, section 5.1."""
    secrets = {await enrol(server, alice, server.clock.now()) for _ in range(2)}
    assert len(secrets) == 2
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}


@pytest.mark.rfc("6238", "3", 3, 4)
@pytest.mark.rfc("6238", "4.2")
@pytest.mark.rfc("6238", "5.2", 3)
@pytest.mark.parametrize(
    ("time", "code"),
    [
        (59, "287082"),
        (1111111109, "081804"),
        (1111111111, "050471"),
        (1234567890, "005924"),
        (2000000000, "279037"),
        (20000000000, "353130"),
    ],
)
async def test_a_code_is_that_of_the_rfc(
    server: Server, alice: TestUser, monkeypatch: pytest.MonkeyPatch, time: int, code: str
) -> None:
    """Its test vectors for SHA-1: appendix B, with six digits instead of eight."""
    secret = base64.b32encode(b"12345678901234567890").decode()
    monkeypatch.setattr(pyotp, "random_base32", lambda: secret)
    now = datetime.fromtimestamp(time, UTC)
    await enrol(server, alice, now)
    async with server.database.transaction() as connection:
        assert not await totp.confirm(connection, server.settings, alice.id, "here", "000000", now)
        assert await totp.confirm(connection, server.settings, alice.id, "here", code, now)


async def test_a_secret_waits_for_whom_it_was_shown_to_alone(
    server: Server, alice: TestUser
) -> None:
    now = server.clock.now()
    secret = await enrol(server, alice, now)
    code = pyotp.TOTP(secret).at(now)
    async with server.database.transaction() as connection:
        there = (connection, server.settings, alice.id, "elsewhere")
        assert await totp.waiting_secret(*there, now) is None
        assert not await totp.confirm(*there, code, now)
        assert await totp.confirm(connection, server.settings, alice.id, "here", code, now)
