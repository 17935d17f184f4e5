"""API keys of users, made behind the server's back."""

import uuid
from dataclasses import dataclass
from datetime import timedelta

from app.server import Server
from app.services.api_keys import create_api_key, revoke_api_key
from app.services.users import get_account
from tests.factories import TestUser


@dataclass(frozen=True)
class TestKey:
    __test__ = False

    id: uuid.UUID
    key: str


async def give_key(
    server: Server, user: TestUser, *scopes: str, expires_in: int | None = None
) -> TestKey:
    """A new key of ``user``; ``expires_in`` is in seconds."""
    now = server.clock.now()
    async with server.database.transaction() as connection:
        record, key = await create_api_key(
            connection,
            owner=await get_account(connection, user.id),
            name="test",
            scopes=scopes,
            now=now,
            expires_at=None if expires_in is None else now + timedelta(seconds=expires_in),
        )
    return TestKey(record.id, key)


async def revoke_key(server: Server, key: TestKey) -> None:
    async with server.database.transaction() as connection:
        await revoke_api_key(connection, None, key.id, server.clock.now())
