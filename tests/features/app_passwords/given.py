"""App passwords of users, made behind the server's back, and logins with them."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import httpx2
import pytest

from app.features.app_passwords.service import create_app_password, get_client, revoke_app_password
from app.identity.users import get_account
from app.management.authority import operating
from app.management.lifetimes import lifetime_of
from app.server import Server
from tests.support.factories import TestClient, TestUser, add_client, add_user
from tests.support.lifecycle import credentials


@dataclass(frozen=True)
class TestAppPassword:
    __test__ = False

    id: uuid.UUID
    secret: str


async def give_app_password(
    server: Server,
    user: TestUser,
    client: TestClient,
    *,
    scopes: Sequence[str] = ("profile", "items:read"),
    expires_in: int | None = None,
) -> TestAppPassword:
    """A new app password of ``user``; ``expires_in`` is in seconds."""
    async with operating(server.database, server.clock) as operator:
        connection = operator.connection
        account = await get_account(connection, user.id)
        record, secret = await create_app_password(
            operator,
            user=account,
            permitted=account.scopes,
            withheld=(),
            client=await get_client(connection, server.admits, user.id, client.client_id),
            name="laptop",
            scopes=scopes,
            lifetime=lifetime_of(expires_in, server.settings.app_password_ttl),
            notify=server.notify,
        )
    return TestAppPassword(record.id, secret)


async def add_keeper(server: Server) -> tuple[TestUser, TestClient]:
    """A user and a client who may make API keys."""
    pytest.importorskip("app.features.api_keys")
    scopes = ("account", "profile", "api-keys:write")
    keeper = await add_user(server, "keeper", scopes=scopes)
    return keeper, await add_client(server, "mail", scopes=scopes, default_scopes=scopes)


async def take_back(server: Server, given: TestAppPassword) -> None:
    async with operating(server.database, server.clock) as operator:
        await revoke_app_password(operator, None, given.id)


async def ask_for_tokens(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, secret: str, scope: str = ""
) -> httpx2.Response:
    """The answer of ``/token`` to ``secret`` where the password would be."""
    form = {"grant_type": "password", "username": user.username, "password": secret}
    return await http.post("/token", data={**form, "scope": scope, **credentials(client)})
