"""Exporting and importing users, clients and scopes, so that a deployment can be reproduced.

The document is JSON in a stable order: exporting what was imported gives the same again. Importing
is idempotent: what the document names is brought to what it says, and nothing else is touched.
"""

import uuid
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import lock
from app.errors import ConflictError, InvalidError
from app.models import Client, ClientSecret, Scope, User
from app.security.passwords import is_known_hash
from app.services.client_management import ClientRecord, list_clients
from app.services.clients import find_client
from app.services.paging import every
from app.services.registration import (
    Registration,
    allowed_scopes,
    auth_methods_of,
    check_identity,
    check_registration,
    set_client_scopes,
)
from app.services.scopes import create_scope, list_scopes, require_known
from app.services.user_management import (
    USERS_LOCK,
    has_an_administrator,
    list_users,
    require_an_administrator_again,
)
from app.services.users import (
    check_email,
    check_username,
    create_user,
    set_user_scopes,
    username_key,
)

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
    known = await list_scopes(connection)
    return TransferDocument(
        scopes=[TransferredScope(name=n, description=d) for n, d in known.items()],
        users=await _export_users(connection, with_hashes),
        clients=await _export_clients(connection, now, with_hashes),
    )


async def _export_users(connection: AsyncConnection, with_hashes: bool) -> list[TransferredUser]:
    hashes: dict[uuid.UUID, str | None] = {}
    if with_hashes:
        rows = await connection.execute(select(User.id, User.password_hash))
        hashes = {row.id: row.password_hash for row in rows}
    users = await every(
        lambda after, limit: list_users(connection, limit=limit, after=after), lambda user: user.id
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
    exported = []
    for client in clients:
        secrets = await _secrets(connection, client, now) if with_hashes else None
        exported.append(
            TransferredClient(
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
        )
    return exported


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


async def import_document(
    connection: AsyncConnection, document: TransferDocument, now: datetime
) -> None:
    """Bring the database to what ``document`` says. Raises a :class:`~app.errors.Problem`."""
    await lock(connection, USERS_LOCK)
    known = await list_scopes(connection)
    for scope in document.scopes:
        if scope.name not in known:
            await create_scope(connection, name=scope.name, description=scope.description, now=now)
        elif known[scope.name] != scope.description:
            await connection.execute(
                update(Scope).where(Scope.name == scope.name).values(description=scope.description)
            )
    administered = await has_an_administrator(connection)
    for user in document.users:
        await _import_user(connection, user, now)
    await require_an_administrator_again(connection, administered)
    for client in document.clients:
        await _import_client(connection, client, now)


async def _import_user(connection: AsyncConnection, user: TransferredUser, now: datetime) -> None:
    if user.password_hash is not None and not is_known_hash(user.password_hash):
        raise InvalidError(f"the password hash of {user.username!r} is of no known kind")
    check_username(user.username)
    if user.email is not None:
        check_email(user.email)
    by = User.id == user.id if user.id else User.username_key == username_key(user.username)
    found = (await connection.execute(select(User.id, User.disabled_at).where(by))).one_or_none()
    if found is None:
        if user.id is not None and await find_client(connection, str(user.id)) is not None:
            raise ConflictError(f"the id of {user.username!r} is the id of a client")
        user_id = await create_user(
            connection,
            user_id=user.id,
            username=user.username,
            email=user.email,
            password_hash=user.password_hash,
            scopes=[],
            now=now,
        )
        disabled_at = None
    else:
        user_id, disabled_at = found
    values: dict[str, object] = {
        "username": user.username,
        "username_key": username_key(user.username),
        "email": user.email,
        "email_verified": user.email_verified,
        "disabled_at": (disabled_at or now) if user.disabled else None,
        "updated_at": now,
    }
    if user.password_hash is not None:
        values["password_hash"] = user.password_hash
    await connection.execute(update(User).where(User.id == user_id).values(values))
    scopes = await require_known(connection, user.scopes)
    await set_user_scopes(connection, user_id, scopes)


async def _import_client(
    connection: AsyncConnection, client: TransferredClient, now: datetime
) -> None:
    registration = Registration(
        is_public=client.public,
        **client.model_dump(exclude={"public", "disabled", "secrets"}),
    )
    check_registration(registration)
    allowed = await allowed_scopes(connection, registration)
    found = (
        await connection.execute(
            select(Client.client_id, Client.disabled_at).where(Client.client_id == client.client_id)
        )
    ).one_or_none()
    values = client.model_dump(
        exclude={"public", "scopes", "default_scopes", "disabled", "secrets"}
    )
    if found is None:
        await check_identity(connection, client.client_id)
    disabled_at = found.disabled_at if found else None
    values |= {
        "is_public": client.public,
        "auth_methods": auth_methods_of(registration),
        "disabled_at": (disabled_at or now) if client.disabled else None,
        "updated_at": now,
    }
    if found is None:
        await connection.execute(insert(Client).values(**values, created_at=now))
    else:
        await connection.execute(
            update(Client).where(Client.client_id == client.client_id).values(values)
        )
    await set_client_scopes(connection, client.client_id, allowed, client.default_scopes)
    if client.secrets is not None:
        await _import_secrets(connection, client.client_id, client.secrets, now)


async def _import_secrets(
    connection: AsyncConnection, client_id: str, secrets: list[TransferredSecret], now: datetime
) -> None:
    await connection.execute(delete(ClientSecret).where(ClientSecret.client_id == client_id))
    if secrets:
        await connection.execute(
            insert(ClientSecret),
            [
                {"client_id": client_id, "created_at": now, **secret.model_dump()}
                for secret in secrets
            ],
        )
