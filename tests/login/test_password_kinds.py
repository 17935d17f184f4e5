"""Which kinds of hashes are in use, and what is stored of it: app/login/password_kinds.py."""

import pytest
from passlib.context import CryptContext

from app.audit.trail import Origin
from app.database.recent import MAX_AGE
from app.errors import LoginRefused
from app.identity.users import change_password, get_account
from app.login.authentication import LoginContext
from app.login.password_kinds import PasswordKinds, find_kinds
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import PASSWORD, add_user

CURRENT = "argon2$memory_cost=8,rounds=1,parallelism=1,type=id"
BCRYPT = "bcrypt$rounds=4"
PBKDF2 = "pbkdf2_sha256$rounds=1"
HASHES = {
    BCRYPT: CryptContext(schemes=["bcrypt"], bcrypt__rounds=4).hash(PASSWORD),
    PBKDF2: CryptContext(schemes=["pbkdf2_sha256"], pbkdf2_sha256__rounds=1).hash(PASSWORD),
}
CONTEXT = LoginContext("token", Origin(None, None))


async def in_use(server: Server) -> list[str]:
    async with server.database.read() as connection:
        return list(await find_kinds(connection))


async def test_each_kind_is_found_once_however_many_users_have_it(server: Server) -> None:
    assert await in_use(server) == []
    for number in range(3):
        await add_user(server, f"ours {number}")
        for kind, stored in HASHES.items():
            await add_user(server, f"{kind} {number}", password_hash=stored)
    await add_user(server, "passwordless", password_hash=None)
    await add_user(server, "unreadable", password_hash="*")
    assert await in_use(server) == [CURRENT, BCRYPT, PBKDF2]


async def test_a_kind_is_gone_with_the_last_hash_of_it(server: Server) -> None:
    user = await add_user(server, password_hash=HASHES[BCRYPT])
    async with server.database.transaction() as connection:
        account = await get_account(connection, user.id)
        assert await change_password(connection, account, HASHES[PBKDF2], server.clock.now())
    assert await in_use(server) == [PBKDF2]
    await server.authenticator.authenticate("alice", PASSWORD, CONTEXT)
    assert await in_use(server) == [CURRENT]


async def test_a_worker_knows_of_a_new_kind_within_two_seconds(
    server: Server, clock: TestClock
) -> None:
    kinds = PasswordKinds(server.database, server.passwords, clock)
    assert list(await kinds.in_use()) == []
    await add_user(server, password_hash=HASHES[BCRYPT])
    clock.advance(MAX_AGE)
    assert list(await kinds.in_use()) == [BCRYPT]


async def test_a_failed_login_waits_for_no_hash_that_is_only_made_to_compare_with(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_user(server, password_hash=HASHES[BCRYPT])
    made: list[str] = []
    prepare = server.passwords.prepare

    async def spy(kinds: list[str]) -> None:
        await prepare(kinds)
        made.extend(server.passwords._dummies)

    monkeypatch.setattr(server.passwords, "prepare", spy)
    for _ in range(2):
        with pytest.raises(LoginRefused):
            await server.authenticator.authenticate("nobody", PASSWORD, CONTEXT)
    assert made == [CURRENT, BCRYPT]
