"""Exporting users, clients and scopes, so that a deployment can be reproduced.

The document is JSON in a stable order: exporting what was imported gives the same again.
"""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.paging import every
from app.identity.scopes import list_scopes
from app.management.clients import (
    ClientRecord,
    list_clients,
)
from app.management.users import (
    list_users,
)
from app.models import ClientSecret, User

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TransferredScope(_Part):
    """A scope."""

    name: str
    description: str


class TransferredUser(_Part):
    """A user; without ``id`` found or made by name, without hash the password stays as it is."""

    id: uuid.UUID | None = None
    username: str
    email: str | None = None
    email_verified: bool = False
    scopes: list[str] = []
    disabled: bool = False
    password_hash: str | None = None


class TransferredSecret(_Part):
    """The hash of a client secret, and until when it is good."""

    secret_hash: Sha256
    expires_at: AwareDatetime | None = None


class TransferredClient(_Part):
    """A client; without hashes its secrets stay as they are."""

    client_id: str
    name: str
    public: bool = False
    grant_types: list[str]
    auth_methods: list[str] = []
    redirect_uris: list[str] = []
    post_logout_redirect_uris: list[str] = []
    scopes: list[str] = []
    default_scopes: list[str] = []
    id_token_alg: str = "RS256"
    require_pkce: bool = True
    introspect: str = "own"
    every_scope: bool = False
    disabled: bool = False
    secrets: list[TransferredSecret] | None = None


class TransferDocument(_Part):
    """All of it."""

    format: Literal[1] = 1
    scopes: list[TransferredScope] = []
    users: list[TransferredUser] = []
    clients: list[TransferredClient] = []


async def export_document(
    connection: AsyncConnection, now: datetime, *, with_hashes: bool
) -> TransferDocument:
    """What is in the database. Hashes are secrets of a kind, and only there on request."""
    # In the order of code points: that of the database depends on its collation.
    known = sorted((await list_scopes(connection)).items())
    return TransferDocument(
        scopes=[TransferredScope(name=name, description=text) for name, text in known],
        users=await _export_users(connection, with_hashes),
        clients=await _export_clients(connection, now, with_hashes),
    )


async def _export_users(connection: AsyncConnection, with_hashes: bool) -> list[TransferredUser]:
    hashes: dict[uuid.UUID, str | None] = {}
    if with_hashes:
        rows = await connection.execute(select(User.id, User.password_hash))
        hashes = {row.id: row.password_hash for row in rows}
    users = await every(
        lambda after, limit: list_users(connection, limit=limit, after=after),
        lambda user: user.username,
    )
    return [
        TransferredUser(
            id=user.id,
            username=user.username,
            email=user.email,
            email_verified=user.email_verified,
            scopes=list(user.scopes),
            disabled=user.disabled_at is not None,
            password_hash=hashes.get(user.id),
        )
        for user in users
    ]


async def _export_clients(
    connection: AsyncConnection, now: datetime, with_hashes: bool
) -> list[TransferredClient]:
    clients = await every(
        lambda after, limit: list_clients(connection, limit=limit, after=after),
        lambda client: client.client_id,
    )
    return [
        transferred(client, await _secrets(connection, client, now) if with_hashes else None)
        for client in sorted(clients, key=lambda client: client.client_id)
    ]


def transferred(client: ClientRecord, secrets: list[TransferredSecret] | None) -> TransferredClient:
    """A client as the document has it."""
    return TransferredClient(
        client_id=client.client_id,
        name=client.name,
        public=client.is_public,
        grant_types=list(client.grant_types),
        auth_methods=[] if client.is_public else list(client.auth_methods),
        redirect_uris=list(client.redirect_uris),
        post_logout_redirect_uris=list(client.post_logout_redirect_uris),
        scopes=list(client.scopes),
        default_scopes=list(client.default_scopes),
        id_token_alg=client.id_token_alg,
        require_pkce=client.require_pkce,
        introspect=client.introspect,
        every_scope=client.every_scope,
        disabled=client.disabled_at is not None,
        secrets=secrets,
    )


async def _secrets(
    connection: AsyncConnection, client: ClientRecord, now: datetime
) -> list[TransferredSecret] | None:
    """Those that are good: a secret that was rotated out is not brought back to life."""
    if client.is_public:
        return None
    rows = await connection.execute(
        select(ClientSecret.secret_hash, ClientSecret.expires_at)
        .where(
            ClientSecret.client_id == client.client_id,
            or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now),
        )
        .order_by(ClientSecret.secret_hash)
    )
    return [TransferredSecret(secret_hash=h, expires_at=until) for h, until in rows]
