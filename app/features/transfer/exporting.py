"""Exporting users, clients and scopes, so that a deployment can be reproduced.

The document is JSON in a stable order: exporting what was imported gives the same again.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, Field, create_model
from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.paging import every
from app.features.apply.scopes import DeclaredScope
from app.identity.definition import STRICT
from app.identity.profile import StoredProfile, Username
from app.identity.registration import ClientMetadata
from app.identity.scopes import list_scopes
from app.management.clients import ClientRecord, list_clients
from app.management.kinds import Kind
from app.management.users import list_users
from app.models import ClientSecret, User

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class TransferredUser(StoredProfile):
    """A user; without ``id`` found or made by name, without hash the password stays as it is."""

    model_config = STRICT

    id: uuid.UUID | None = None
    username: Username
    scopes: list[str] = Field(default=[])
    disabled: bool = False
    password_hash: str | None = None


class TransferredSecret(BaseModel):
    """The hash of a client secret, and until when it is good."""

    model_config = STRICT

    secret_hash: Sha256
    expires_at: AwareDatetime | None = None


class TransferredClient(ClientMetadata):
    """A client; without hashes its secrets stay as they are."""

    model_config = STRICT

    client_id: str
    public: bool = False
    every_scope: bool = False
    disabled: bool = False
    secrets: list[TransferredSecret] | None = None


class TransferDocument(BaseModel):
    """All of it."""

    model_config = STRICT

    format: Literal[1] = 1
    scopes: list[DeclaredScope] = []
    users: list[TransferredUser] = []
    clients: list[TransferredClient] = []


def document_with(kinds: Sequence[Kind[Any]]) -> type[TransferDocument]:
    """The form of a document that has ``kinds`` as well."""
    sections: dict[str, Any] = {kind.section: (list[kind.model], []) for kind in kinds}  # type: ignore[name-defined]
    return create_model("TransferDocument", __base__=TransferDocument, **sections)


async def export_document(
    connection: AsyncConnection,
    now: datetime,
    *,
    with_hashes: bool,
    kinds: Sequence[Kind[Any]] = (),
) -> TransferDocument:
    """What is in the database, the ``kinds`` of features too.

    Hashes are secrets of a kind, and only there on request.
    """
    # In the order of code points: that of the database depends on its collation.
    known = sorted((await list_scopes(connection)).items())
    return document_with(kinds)(
        scopes=[DeclaredScope(name=name, description=text) for name, text in known],
        users=await _export_users(connection, with_hashes),
        clients=await _export_clients(connection, now, with_hashes),
        **{kind.section: await _export_kind(connection, kind) for kind in kinds},
    )


async def _export_kind(connection: AsyncConnection, kind: Kind[Any]) -> list[BaseModel]:
    names = await kind.names(connection)
    found = [(name, await kind.find(connection, name)) for name in names]
    return [kind.model.model_validate({kind.key: name, **(has or {})}) for name, has in found]


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
        TransferredUser.model_construct(
            **user.model_dump(include=set(TransferredUser.model_fields)),
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
        if not client.self_registered  # it registers itself elsewhere, too
    ]


def transferred(client: ClientRecord, secrets: list[TransferredSecret] | None) -> TransferredClient:
    """A client as the document has it."""
    values = client.model_dump(include=set(TransferredClient.model_fields))
    if client.public:
        values["auth_methods"] = []  # "none" is implied
    return TransferredClient.model_construct(
        **values, disabled=client.disabled_at is not None, secrets=secrets
    )


async def _secrets(
    connection: AsyncConnection, client: ClientRecord, now: datetime
) -> list[TransferredSecret] | None:
    """Those that are good: a secret that was rotated out is not brought back to life."""
    if client.public:
        return None
    rows = await connection.execute(
        select(ClientSecret.secret_hash, ClientSecret.expires_at)
        .where(
            ClientSecret.client_id == client.client_id,
            or_(ClientSecret.expires_at.is_(None), ClientSecret.expires_at > now),
        )
        .order_by(ClientSecret.secret_hash)
    )
    return [TransferredSecret(**row) for row in rows.mappings()]
