"""API keys of users, made behind the server's back."""

import uuid
from dataclasses import dataclass

from app.features.api_keys.service import create_api_key, revoke_api_key
from app.identity.users import get_account
from app.management.authority import operating
from app.management.lifetimes import lifetime_of
from app.server import Server
from tests.support.factories import TestUser


@dataclass(frozen=True)
class TestKey:
    __test__ = False

    id: uuid.UUID
    key: str


async def give_key(
    server: Server, user: TestUser, *scopes: str, expires_in: int | None = None
) -> TestKey:
    """A new key of ``user``; ``expires_in`` is in seconds."""
    async with operating(server.database, server.clock) as operator:
        owner = await get_account(operator.connection, user.id)
        record, key = await create_api_key(
            operator,
            owner=owner,
            permitted=owner.scopes,
            name="test",
            scopes=scopes,
            lifetime=lifetime_of(expires_in, server.settings.api_key_ttl),
        )
    return TestKey(record.id, key)


async def revoke_key(server: Server, key: TestKey) -> None:
    async with operating(server.database, server.clock) as operator:
        await revoke_api_key(operator, None, key.id)
