"""Exporting and importing users, clients and scopes, so that a deployment can be reproduced.

The document is JSON in a stable order: exporting what was imported gives the same again. Importing
is idempotent: what the document names is brought to what it says, and nothing else is touched.
"""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field
from sqlalchemy import delete, insert, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import lock
from app.errors import ConflictError, InvalidError
from app.models import ClientSecret, User
from app.security.passwords import is_known_hash
from app.services.audit import OPERATOR, Event, record
from app.services.authority import THE_OPERATOR
from app.services.client_management import (
    ClientChanges,
    ClientRecord,
    change_client,
    get_client,
    list_clients,
    note_creation,
)
from app.services.clients import find_client
from app.services.paging import every
from app.services.registration import (
    Registration,
    add_client,
    auth_methods_of,
)
from app.services.scope_management import create_scope, describe_scope
from app.services.scopes import list_scopes
from app.services.user_management import (
    USERS_LOCK,
    UserChanges,
    UserRecord,
    apply_changes,
    find_administered,
    get_user,
    list_users,
    register_user,
    require_administered,
    set_password,
)
from app.services.users import username_key

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
        _transferred(client, await _secrets(connection, client, now) if with_hashes else None)
        for client in sorted(clients, key=lambda client: client.client_id)
    ]


def _transferred(
    client: ClientRecord, secrets: list[TransferredSecret] | None
) -> TransferredClient:
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


async def import_document(
    connection: AsyncConnection, document: TransferDocument, now: datetime
) -> None:
    """Bring the database to what ``document`` says, as the operator would by hand.

    Whoever is disabled or given another password is logged out. What is as the document says is
    not touched. Raises a :class:`~app.errors.Problem`.
    """
    await lock(connection, USERS_LOCK)
    await _import_scopes(connection, document.scopes, now)
    administered = await find_administered(connection)
    for user in document.users:
        await _import_user(connection, user, now)
    await require_administered(connection, administered)
    for client in document.clients:
        await _import_client(connection, client, now)


async def _import_scopes(
    connection: AsyncConnection, scopes: Sequence[TransferredScope], now: datetime
) -> None:
    known = await list_scopes(connection)
    for scope in scopes:
        if scope.name not in known:
            await create_scope(
                connection,
                THE_OPERATOR,
                name=scope.name,
                description=scope.description,
                now=now,
            )
        elif known[scope.name] != scope.description:
            await describe_scope(connection, THE_OPERATOR, scope.name, scope.description, now)


async def _import_user(connection: AsyncConnection, user: TransferredUser, now: datetime) -> None:
    if user.password_hash is not None and not is_known_hash(user.password_hash):
        raise InvalidError(f"the password hash of {user.username!r} is of no known kind")
    found = await _find_user(connection, user)
    if found is None:
        if user.id is not None and await find_client(connection, str(user.id)) is not None:
            raise ConflictError(f"the id of {user.username!r} is the id of a client")
        before = await register_user(
            connection,
            THE_OPERATOR,
            username=user.username,
            email=user.email,
            password_hash=user.password_hash,
            scopes=user.scopes,
            now=now,
            user_id=user.id,
        )
    else:
        user_id, stored_hash = found
        before = await get_user(connection, user_id)
        if user.password_hash not in (None, stored_hash):
            await set_password(connection, THE_OPERATOR, user_id, user.password_hash, now)
    wanted = UserChanges(
        username=user.username,
        email=user.email or "",
        email_verified=user.email_verified,
        scopes=tuple(sorted(set(user.scopes))),
        disabled=user.disabled,
    )
    if wanted != _as_changes(before):
        await apply_changes(connection, THE_OPERATOR, before, wanted, now)


async def _find_user(
    connection: AsyncConnection, user: TransferredUser
) -> tuple[uuid.UUID, str | None] | None:
    by = User.id == user.id if user.id else User.username_key == username_key(user.username)
    row = (await connection.execute(select(User.id, User.password_hash).where(by))).one_or_none()
    return None if row is None else (row.id, row.password_hash)


def _as_changes(user: UserRecord) -> UserChanges:
    """The changes that would make a user of the same name what this one is."""
    return UserChanges(
        username=user.username,
        email=user.email or "",
        email_verified=user.email_verified,
        scopes=user.scopes,
        disabled=user.disabled_at is not None,
    )


async def _import_client(
    connection: AsyncConnection, client: TransferredClient, now: datetime
) -> None:
    policy = client.model_dump(exclude={"client_id", "public", "disabled", "secrets"})
    registration = Registration(client_id=client.client_id, is_public=client.public, **policy)
    if await find_client(connection, client.client_id) is None:
        await add_client(connection, registration, now)
        before = await get_client(connection, client.client_id)
        await note_creation(connection, THE_OPERATOR, before, now)
    else:
        before = await get_client(connection, client.client_id)
    as_exported = {
        "auth_methods": [] if client.public else auth_methods_of(registration),
        "scopes": list(before.scopes)
        if client.every_scope
        else sorted({*client.scopes, *client.default_scopes}),
        "default_scopes": sorted(set(client.default_scopes)),
        "secrets": None,
    }
    changes = ClientChanges(is_public=client.public, disabled=client.disabled, **policy)
    if _transferred(before, None) != client.model_copy(update=as_exported):
        await change_client(connection, THE_OPERATOR, client.client_id, changes, now)
    if client.secrets is not None:
        await _import_secrets(connection, client.client_id, client.secrets, now)


async def _import_secrets(
    connection: AsyncConnection, client_id: str, secrets: list[TransferredSecret], now: datetime
) -> None:
    of_client = ClientSecret.client_id == client_id
    rows = await connection.execute(
        select(ClientSecret.secret_hash, ClientSecret.expires_at).where(of_client)
    )
    wanted = {(secret.secret_hash, secret.expires_at) for secret in secrets}
    if {tuple(row) for row in rows} == wanted:
        return
    await connection.execute(delete(ClientSecret).where(of_client))
    if secrets:
        await connection.execute(
            insert(ClientSecret),
            [
                {"client_id": client_id, "created_at": now, **secret.model_dump()}
                for secret in secrets
            ],
        )
    await record(
        connection, now, Event(type="client.secret_rotated", actor=OPERATOR, client_id=client_id)
    )
