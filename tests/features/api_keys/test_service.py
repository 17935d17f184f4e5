"""API keys: what is stored of them, and when a use is written down."""

import hashlib
import re
import string
import uuid
import zlib
from collections.abc import Awaitable, Callable, Collection
from datetime import datetime, timedelta

import pytest
from sqlalchemy import select

from app.errors import InvalidError, NotFoundError
from app.features.api_keys.form import generate_key
from app.features.api_keys.model import ApiKey, ApiKeyScope
from app.features.api_keys.service import (
    NAME_MAX_LENGTH,
    KeyRecord,
    create_api_key,
    get_api_key,
    list_api_keys,
    revoke_api_key,
    use_api_key,
)
from app.identity.users import get_account
from app.login.user_keys import UserKey
from app.management.authority import operating
from app.security.opaque import generate_secret
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user, disable_user
from tests.support.flow import dump
from tests.support.lifecycle import delete_user, give_to_user, take_from_user
from tests.support.statements import noting

ONE_YEAR = timedelta(days=365)

Create = Callable[..., Awaitable[tuple[KeyRecord, str]]]


@pytest.fixture
def create(server: Server, alice: TestUser) -> Create:
    """Make a key of alice."""

    async def make(
        *scopes: str,
        owner: TestUser = alice,
        name: str = "backup",
        permitted: Collection[str] | None = None,
        lifetime: timedelta = ONE_YEAR,
        key: str | None = None,
    ) -> tuple[KeyRecord, str]:
        async with operating(server.database, server.clock) as operator:
            account = await get_account(operator.connection, owner.id)
            return await create_api_key(
                operator,
                owner=account,
                permitted=account.scopes if permitted is None else permitted,
                name=name,
                scopes=scopes,
                lifetime=lifetime,
                key=key,
            )

    return make


async def find(server: Server, key: str) -> UserKey | None:
    return await use_api_key(server.database, key, server.clock.now())


async def last_use(server: Server, record: KeyRecord) -> datetime | None:
    async with server.database.read() as connection:
        found: datetime | None = await connection.scalar(
            select(ApiKey.last_used_at).where(ApiKey.id == record.id)
        )
    return found


async def listed(server: Server, owner: TestUser | None = None) -> list[KeyRecord]:
    async with server.database.read() as connection:
        return await list_api_keys(connection, None if owner is None else owner.id)


# Making one


@pytest.mark.rfc("6750", "5.2", 2)
async def test_a_new_key_has_a_recognisable_beginning_and_256_random_bits(create: Create) -> None:
    record, key = await create("items:read")
    assert re.fullmatch(r"lk_[A-Za-z0-9]{49}", key)
    assert record.prefix == key[:11]


async def test_two_keys_differ(create: Create) -> None:
    (first, one), (second, other) = await create(), await create()
    assert one != other
    assert first.id != second.id


async def test_the_record_of_a_new_key_says_what_it_is(
    create: Create, server: Server, alice: TestUser
) -> None:
    expires_at = server.clock.now() + timedelta(hours=1)
    record, key = await create("profile", "items:read", "profile", lifetime=timedelta(hours=1))
    assert record == KeyRecord(
        id=record.id,
        owner="alice",
        name="backup",
        prefix=key[:11],
        scopes=("items:read", "profile"),
        created_at=server.clock.now(),
        expires_at=expires_at,
        last_used_at=None,
        revoked_at=None,
    )
    assert await listed(server, alice) == [record]


async def test_only_the_hash_of_a_key_is_stored(create: Create, server: Server) -> None:
    record, key = await create()
    async with server.database.read() as connection:
        stored = await connection.scalar(select(ApiKey.key_hash).where(ApiKey.id == record.id))
    assert stored == hashlib.sha256(key.encode()).hexdigest()
    assert key not in await dump(server)
    assert key[12:] not in await dump(server)


@pytest.mark.parametrize("name", ["", " ", "\t\n", "x" * (NAME_MAX_LENGTH + 1)])
async def test_a_name_has_1_to_100_characters(create: Create, server: Server, name: str) -> None:
    with pytest.raises(InvalidError, match="an API key has a name of 1 to 100 characters"):
        await create(name=name)
    assert await listed(server) == []


@pytest.mark.parametrize("name", ["x", "x" * NAME_MAX_LENGTH, "ключ 🔑", "' OR '1'='1"])
async def test_a_name_may_be_any_text(create: Create, name: str) -> None:
    record, _ = await create(name=name)
    assert record.name == name


async def test_a_scope_that_the_owner_does_not_have_is_refused(
    create: Create, server: Server
) -> None:
    with pytest.raises(InvalidError, match="the owner does not have the scope 'users:read'"):
        await create("items:read", "users:read")
    assert await listed(server) == []


async def test_an_unknown_scope_is_refused(create: Create, server: Server) -> None:
    with pytest.raises(InvalidError, match="there is no scope 'no-such-scope'"):
        await create("no-such-scope")
    assert await listed(server) == []


async def test_a_scope_that_is_not_permitted_to_whoever_asks_is_refused(
    create: Create, server: Server
) -> None:
    with pytest.raises(InvalidError, match="the access token does not have the scope 'profile'"):
        await create("items:read", "profile", permitted={"items:read"})
    assert await listed(server) == []


# Finding its holder


async def test_the_holder_of_a_key_is_found(
    create: Create, server: Server, alice: TestUser
) -> None:
    record, key = await create("items:read")
    found = await find(server, key)
    assert found is not None
    assert (found.id, found.user.id, found.user.username) == (record.id, alice.id, "alice")
    assert found.permitted == {"items:read"}
    assert (found.created_at, found.expires_at) == (record.created_at, record.expires_at)


async def test_a_key_with_a_wrong_checksum_is_refused_without_asking_the_database(
    create: Create, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, key = await create()
    mistyped = key[:20] + ("A" if key[20] != "A" else "B") + key[21:]
    monkeypatch.delattr("app.database.engines.Database.read")
    assert await find(server, mistyped) is None


async def test_a_key_from_before_there_were_checksums_is_still_good(
    create: Create, server: Server
) -> None:
    older = "lk_" + generate_secret()
    await create(key=older)
    assert await find(server, older) is not None


def test_the_checksum_is_the_crc_32_of_what_is_before_it_in_base_62() -> None:
    digits = string.digits + string.ascii_uppercase + string.ascii_lowercase
    key = generate_key()
    checksum = sum(digits.index(c) * 62**n for n, c in enumerate(reversed(key[-6:])))
    assert checksum == zlib.crc32(key[:-6].encode())


@pytest.mark.parametrize("key", ["", "lk_", "nobodys-key", "%", "\x00", "ключ"])
async def test_nobody_holds_an_unknown_key(create: Create, server: Server, key: str) -> None:
    await create()
    assert await find(server, key) is None


async def test_a_key_is_good_until_the_second_of_its_expiry(
    create: Create, server: Server, clock: TestClock
) -> None:
    _, key = await create(lifetime=timedelta(seconds=60))
    clock.advance(59)
    assert await find(server, key) is not None
    clock.advance(1)
    assert await find(server, key) is None


async def test_nobody_holds_a_revoked_key(create: Create, server: Server) -> None:
    record, key = await create()
    async with operating(server.database, server.clock) as operator:
        await revoke_api_key(operator, None, record.id)
    assert await find(server, key) is None


async def test_a_disabled_user_holds_no_key(
    create: Create, server: Server, alice: TestUser
) -> None:
    _, key = await create()
    await disable_user(server, alice)
    assert await find(server, key) is None


async def test_the_keys_of_a_user_go_with_the_user(
    create: Create, server: Server, alice: TestUser
) -> None:
    _, key = await create("items:read")
    await delete_user(server, alice)
    assert await find(server, key) is None
    async with server.database.read() as connection:
        assert (await connection.execute(select(ApiKey.id))).all() == []
        assert (await connection.execute(select(ApiKeyScope.scope))).all() == []


async def test_a_key_permits_what_it_was_given_and_its_owner_still_has(
    create: Create, server: Server, alice: TestUser
) -> None:
    _, key = await create("items:read", "items:write")
    await take_from_user(server, alice, "items:write")
    await give_to_user(server, alice, "account")
    holder = await find(server, key)
    assert holder is not None
    assert holder.permitted == {"items:read"}


async def test_a_key_whose_owner_has_no_scope_left_permits_nothing(
    create: Create, server: Server, alice: TestUser
) -> None:
    _, key = await create("items:read")
    await take_from_user(server, alice, "items:read", "items:write", "profile", "email")
    holder = await find(server, key)
    assert holder is not None
    assert holder.permitted == frozenset()


# When it was used last


async def test_the_first_use_is_written_down(
    create: Create, server: Server, clock: TestClock
) -> None:
    record, key = await create()
    clock.advance(10)
    await find(server, key)
    assert await last_use(server, record) == clock.now()


async def test_a_use_within_an_hour_writes_nothing(
    create: Create, server: Server, clock: TestClock
) -> None:
    record, key = await create()
    await find(server, key)
    first = clock.now()
    clock.advance(3599)
    with noting(server) as asked:
        await find(server, key)
    written = [statement for statement, _ in asked if not statement.startswith("SELECT")]
    assert written == []
    assert await last_use(server, record) == first


async def test_a_use_after_an_hour_is_written_down(
    create: Create, server: Server, clock: TestClock
) -> None:
    record, key = await create()
    await find(server, key)
    clock.advance(3600)
    await find(server, key)
    assert await last_use(server, record) == clock.now()


async def test_a_refused_use_is_not_written_down(
    create: Create, server: Server, clock: TestClock
) -> None:
    record, key = await create(lifetime=timedelta(seconds=60))
    clock.advance(60)
    await find(server, key)
    assert await last_use(server, record) is None


# Listing, looking at and revoking


async def test_keys_are_listed_newest_first_revoked_and_expired_ones_among_them(
    create: Create, server: Server, alice: TestUser, clock: TestClock
) -> None:
    for name in ("first", "second", "third"):
        await create(name=name, lifetime=timedelta(seconds=5))
        clock.advance(10)
    second = (await listed(server, alice))[1]
    async with operating(server.database, server.clock) as operator:
        await revoke_api_key(operator, alice.id, second.id)
    found = await listed(server, alice)
    assert [record.name for record in found] == ["third", "second", "first"]
    assert [record.revoked_at for record in found] == [None, clock.now(), None]


async def test_the_keys_of_one_user_or_of_all_are_listed(
    create: Create, server: Server, alice: TestUser, clock: TestClock
) -> None:
    bob = await add_user(server, "bob", email=None)
    await create(name="of alice")
    clock.advance(1)
    await create(name="of bob", owner=bob)
    assert [record.name for record in await listed(server, alice)] == ["of alice"]
    assert [record.name for record in await listed(server, bob)] == ["of bob"]
    everything = await listed(server)
    assert [(record.owner, record.name) for record in everything] == [
        ("bob", "of bob"),
        ("alice", "of alice"),
    ]


async def test_a_key_is_looked_at_by_its_owner_alone(
    create: Create, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, "bob", email=None)
    record, _ = await create("profile")
    async with server.database.read() as connection:
        assert await get_api_key(connection, alice.id, record.id) == record
        for owner, key_id in ((bob.id, record.id), (alice.id, uuid.uuid4())):
            with pytest.raises(NotFoundError):
                await get_api_key(connection, owner, key_id)


async def test_a_key_is_revoked_once_and_by_its_owner_or_by_an_operator(
    create: Create, server: Server, alice: TestUser
) -> None:
    bob = await add_user(server, "bob", email=None)
    record, key = await create()
    async with operating(server.database, server.clock) as operator:
        with pytest.raises(NotFoundError):
            await revoke_api_key(operator, bob.id, record.id)
    assert await find(server, key) is not None
    async with operating(server.database, server.clock) as operator:
        await revoke_api_key(operator, alice.id, record.id)
    for owner in (alice.id, None):
        async with operating(server.database, server.clock) as operator:
            with pytest.raises(NotFoundError):
                await revoke_api_key(operator, owner, record.id)
