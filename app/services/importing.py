"""Importing users, clients and scopes: what ``app/services/transfer.py`` exported, or the like.

It is idempotent: what the document names is brought to what it says, and nothing else is touched.
"""

import uuid
from collections.abc import Generator, Hashable, Sequence
from contextlib import contextmanager
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database import lock
from app.errors import ConflictError, InvalidError, Problem
from app.models import ClientSecret, User
from app.security.passwords import check_imported_hash
from app.services.audit import OPERATOR, Event, record
from app.services.authority import THE_OPERATOR
from app.services.client_management import (
    ClientChanges,
    change_client,
    get_client,
    note_creation,
)
from app.services.clients import find_client
from app.services.registration import (
    Registration,
    add_client,
    auth_methods_of,
)
from app.services.scope_management import create_scope, describe_scope
from app.services.scopes import ScopeRefusedError, list_scopes
from app.services.transfer import (
    TransferDocument,
    TransferredClient,
    TransferredScope,
    TransferredSecret,
    TransferredUser,
    transferred,
)
from app.services.user_management import (
    USERS_LOCK,
    UserChanges,
    UserRecord,
    apply_changes,
    find_administered,
    get_user,
    register_user,
    require_administered,
    set_password,
)
from app.services.users import username_key


async def import_document(
    connection: AsyncConnection, document: TransferDocument, now: datetime
) -> dict[str, int]:
    """Bring the database to what ``document`` says, as the operator would by hand.

    Whoever is disabled or given another password is logged out. What is as the document says is
    not touched. Returns how many of each kind the document has. Raises a
    :class:`~app.errors.Problem`.
    """
    await lock(connection, USERS_LOCK)
    await _import_scopes(connection, document.scopes, now)
    administered = await find_administered(connection)
    users = _Once()
    for index, user in enumerate(document.users):
        with _naming(f"users.{index} {user.username!r}"):
            users.add(await _import_user(connection, user, now))
    await require_administered(connection, administered)
    clients = _Once()
    for index, client in enumerate(document.clients):
        with _naming(f"clients.{index} {client.client_id!r}"):
            clients.add(client.client_id)
            await _import_client(connection, client, now)
    counts = {
        "scopes": len(document.scopes),
        "users": len(document.users),
        "clients": len(document.clients),
    }
    await record(
        connection, now, Event(type="records.imported", actor=OPERATOR, details={**counts})
    )
    return counts


class _Once:
    """Refuses what comes again: the second would undo the first without a word."""

    def __init__(self) -> None:
        self._seen: set[Hashable] = set()

    def add(self, thing: Hashable) -> None:
        if thing in self._seen:
            raise InvalidError("the document has this one twice")
        self._seen.add(thing)


@contextmanager
def _naming(place: str) -> Generator[None]:
    """Say of what is refused where in the document it is."""
    try:
        yield
    except ScopeRefusedError as refusal:
        raise InvalidError(f"{place}: {refusal.line}") from None
    except Problem as refusal:
        raise Problem(f"{place}: {refusal.detail}", refusal.status) from None


async def _import_scopes(
    connection: AsyncConnection, scopes: Sequence[TransferredScope], now: datetime
) -> None:
    known = await list_scopes(connection)
    names = _Once()
    for index, scope in enumerate(scopes):
        with _naming(f"scopes.{index} {scope.name!r}"):
            names.add(scope.name)
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


async def _import_user(
    connection: AsyncConnection, user: TransferredUser, now: datetime
) -> uuid.UUID:
    """Who it is: the same user may be named in several ways."""
    password_hash = None if user.password_hash is None else _checked(user.password_hash)
    found = await _find_user(connection, user.id, user.username)
    if found is None:
        if user.id is not None:
            await _check_new_id(connection, user.id, user.username)
        before = await register_user(
            connection,
            THE_OPERATOR,
            username=user.username,
            email=user.email,
            password_hash=password_hash,
            scopes=user.scopes,
            now=now,
            user_id=user.id,
        )
    else:
        user_id, stored_hash = found
        before = await get_user(connection, user_id)
        if password_hash not in (None, stored_hash):
            await set_password(connection, THE_OPERATOR, user_id, password_hash, now)
    wanted = UserChanges(
        username=user.username,
        email=user.email or "",
        email_verified=user.email_verified,
        scopes=tuple(sorted(set(user.scopes))),
        disabled=user.disabled,
    )
    if wanted != _as_changes(before):
        await apply_changes(connection, THE_OPERATOR, before, wanted, now)
    return before.id


def _checked(password_hash: str) -> str:
    try:
        return check_imported_hash(password_hash)
    except ValueError as malformed:
        raise InvalidError(f"the password hash is {malformed}") from None


async def _check_new_id(connection: AsyncConnection, user_id: uuid.UUID, username: str) -> None:
    if await find_client(connection, str(user_id)) is not None:
        raise ConflictError("this id is the id of a client")
    if await _find_user(connection, None, username) is not None:
        raise ConflictError(
            "a user of this name exists with another id: take the id out of the document, and "
            "this one is changed"
        )


async def _find_user(
    connection: AsyncConnection, user_id: uuid.UUID | None, username: str
) -> tuple[uuid.UUID, str | None] | None:
    """Found by id, if there is one, else by name."""
    by = User.id == user_id if user_id else User.username_key == username_key(username)
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
    if client.public and client.secrets:
        raise InvalidError("a public client has no secret and no authentication method")
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
    if transferred(before, None) != client.model_copy(update=as_exported):
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
