"""What happens while a password is being checked."""

from typing import Any

import pytest

from app.audit.trail import Origin
from app.identity.users import change_password, find_account, get_account
from app.login.authentication import LoginContext
from app.server import Server
from tests.support.factories import PASSWORD, add_user

OUTDATED = "$2b$04$"
"""How bcrypt hashes of the lowest cost begin."""


async def test_a_password_that_is_changed_meanwhile_is_not_overwritten_by_the_old_one(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    from passlib.hash import bcrypt

    outdated = bcrypt.using(rounds=4).hash(PASSWORD)
    assert outdated.startswith(OUTDATED)
    user = await add_user(server, password_hash=outdated)
    verify = server.passwords.verify

    async def change_and_verify(password: str, stored: str | None, **options: Any) -> object:
        async with server.database.transaction() as connection:
            account = await get_account(connection, user.id)
            assert await change_password(connection, account, "the new hash", server.clock.now())
        return await verify(password, stored, **options)

    monkeypatch.setattr(server.passwords, "verify", change_and_verify)
    context = LoginContext("token", Origin(None, None))
    assert (await server.authenticator.authenticate("alice", PASSWORD, context)).id == user.id
    async with server.database.read() as connection:
        account = await find_account(connection, "alice")
    assert account is not None
    assert account.password_hash == "the new hash"
