"""Every failed login takes the same hashes, whoever it is about and whatever was typed.

That the times are the same, too, is measured by ``python -m scripts.bench.failures``.
"""

from collections import Counter

import httpx2
import pytest
from argon2 import PasswordHasher as Argon2
from fastapi import FastAPI
from passlib.context import CryptContext
from sqlalchemy import select

from app.audit.trail import Origin
from app.errors import LoginRefused
from app.login.authentication import LoginContext
from app.models import User
from app.security.passwords import PasswordHasher, kind_of
from app.server import Server
from tests.support.factories import PASSWORD, add_user
from tests.support.on_sqlite import settings
from tests.support.started import app, clock, http

__all__ = ["app", "clock", "http", "settings"]

CONTEXT = LoginContext("token", Origin(None, None))

CURRENT = "argon2$memory_cost=8,rounds=1,parallelism=1,type=id"
FORMER = "argon2$memory_cost=16,rounds=2,parallelism=1,type=id"
BCRYPT = "bcrypt$rounds=4"
PBKDF2 = "pbkdf2_sha256$rounds=3"
DJANGO = "django_pbkdf2_sha256$rounds=5"
SCRYPT = "scrypt$block_size=8,rounds=2,parallelism=1"
KINDS = (CURRENT, FORMER, BCRYPT, PBKDF2, DJANGO, SCRYPT)

TYPED = {
    "as_it_is": "a wrong password, in ASCII",
    "changed_by_nfkc": "a\ufb01b-password, with a ligature",
    "over_72_bytes": "x" * 73,
    "over_72_bytes_and_changed_by_nfkc": "\ufb01" * 40,
    "no_unicode": "\udcff",
}


def of_kind(kind: str) -> str:
    """A hash of :data:`PASSWORD`."""
    scheme, _, costs = kind.partition("$")
    numbers = {
        name: int(value)
        for name, value in (cost.split("=") for cost in costs.split(","))
        if name != "type"
    }
    made: str = CryptContext(schemes=[scheme]).handler(scheme).using(**numbers).hash(PASSWORD)
    return made


USERS = {
    "current": of_kind(CURRENT),
    "former": of_kind(FORMER),
    "bcrypt": of_kind(BCRYPT),
    "pbkdf2": of_kind(PBKDF2),
    "django": of_kind(DJANGO),
    "scrypt": of_kind(SCRYPT),
    "passwordless": None,
    "unreadable": "*",
    "cut": "$argon2id$v=19$m=8,t=1,p=1$",
    "lost_pepper": f"$pepper$01234567{of_kind(CURRENT)}",
}


@pytest.fixture(scope="module")
async def server(app: FastAPI, http: httpx2.AsyncClient) -> Server:
    """With a user of each kind, and another one who is disabled."""
    server: Server = app.state.server
    for name, stored in USERS.items():
        await add_user(server, name, password_hash=stored)
        await add_user(server, f"disabled {name}", password_hash=stored, disabled=True)
    return server


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The kinds of the hashes that are computed from now on."""
    computed: list[str] = []
    verify, make = CryptContext.verify, CryptContext.hash

    def spy_on_verify(self: CryptContext, secret: str, hash: str) -> bool:
        matches = verify(self, secret, hash)
        computed.append(kind_of(hash) or "none")
        return matches

    def spy_on_hash(self: CryptContext, secret: str) -> str:
        made = make(self, secret)
        computed.append(kind_of(made) or "none")
        return made

    monkeypatch.setattr(CryptContext, "verify", spy_on_verify)
    monkeypatch.setattr(CryptContext, "hash", spy_on_hash)
    return computed


async def fail(server: Server, username: str, password: str) -> str:
    """The reason."""
    with pytest.raises(LoginRefused) as failed:
        await server.authenticator.authenticate(username, password, CONTEXT)
    assert failed.value.why == "wrong"
    return failed.value.reason


@pytest.mark.parametrize("typed", TYPED)
@pytest.mark.parametrize("username", ["nobody", *USERS, *(f"disabled {name}" for name in USERS)])
async def test_a_failed_login_takes_each_kind_of_hash_as_often_as_any_other(
    server: Server, hashed: list[str], username: str, typed: str
) -> None:
    await fail(server, username, TYPED[typed])
    forms = 2 if typed.endswith("changed_by_nfkc") else 1
    assert Counter(hashed) == dict.fromkeys(KINDS, forms)


@pytest.mark.parametrize("kind", ["current", "former", "bcrypt", "django"])
async def test_the_right_password_of_a_disabled_user_takes_what_a_wrong_one_takes(
    server: Server, hashed: list[str], kind: str
) -> None:
    assert await fail(server, f"disabled {kind}", PASSWORD) == "disabled user"
    assert Counter(hashed) == dict.fromkeys(KINDS, 1)


async def test_the_right_password_of_a_disabled_user_leaves_an_outdated_hash_as_it_is(
    server: Server,
) -> None:
    await fail(server, "disabled bcrypt", PASSWORD)
    async with server.database.read() as connection:
        query = select(User.password_hash).where(User.username == "disabled bcrypt")
        assert await connection.scalar(query) == USERS["bcrypt"]


async def test_a_success_takes_one_hash(server: Server, hashed: list[str]) -> None:
    await server.authenticator.authenticate("current", PASSWORD, CONTEXT)
    assert hashed == [CURRENT]


@pytest.mark.parametrize("stored", USERS.values(), ids=USERS)
async def test_the_kind_of_a_hash_is_stored_with_it(server: Server, stored: str | None) -> None:
    async with server.database.read() as connection:
        query = select(User.password_kind).where(User.password_hash == stored)
        assert set(await connection.scalars(query)) == {kind_of(stored) if stored else None}


def test_the_kind_of_a_new_hash_is_known_before_one_is_made() -> None:
    hasher = PasswordHasher(64, 3, 2, queue=0, peppers=["a pepper"])
    assert kind_of(hasher.hash_now(PASSWORD)) == hasher.kind
    hasher.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_says_what_a_hash_costs(kind: str) -> None:
    assert kind_of(of_kind(kind)) == kind


def test_a_hash_of_argon2_that_passlib_did_not_make_has_a_kind_too() -> None:
    stored = Argon2(time_cost=3, memory_cost=64, parallelism=4).hash(PASSWORD)
    assert kind_of(stored) == "argon2$memory_cost=64,rounds=3,parallelism=4,type=id"
