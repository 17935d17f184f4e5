"""Importing users, clients and scopes: what :mod:`.exporting` exported, or the like.

It is idempotent: what the document names is brought to what it says, and nothing else is touched.
"""

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import ConflictError, InvalidError
from app.features.apply.documents import Once, naming
from app.features.apply.scopes import DeclaredScope
from app.features.transfer.exporting import (
    TransferDocument,
    TransferredClient,
    TransferredSecret,
    TransferredUser,
    transferred,
)
from app.identity.clients import find_client
from app.identity.definition import validated
from app.identity.profile import NewUser, username_key
from app.identity.registration import Registration, add_client
from app.identity.scopes import list_scopes
from app.identity.users import hold_user
from app.management.administration import find_administered, require_administered
from app.management.authority import Actor
from app.management.clients import (
    change_client,
    get_client,
    note_creation,
)
from app.management.kinds import Kind
from app.management.scopes import create_scope, describe_scope
from app.management.users import (
    Revoke,
    apply_changes,
    get_user,
    register_user,
    set_password,
)
from app.models import Client, ClientSecret, User
from app.models.base import generate_stamp
from app.security.passwords import check_imported_hash


async def import_document(
    operator: Actor,
    document: TransferDocument,
    revoke: Sequence[Revoke],
    kinds: Sequence[Kind[Any]] = (),
) -> dict[str, int]:
    """Bring the database to what ``document`` says, as the operator would by hand.

    Whoever is disabled or given another password is logged out. What is as the document says is
    not touched. ``revoke`` ends what else a user has whose password is another, and ``kinds`` are
    those of features. Returns how many of each kind the document has. Raises a
    :class:`~app.errors.Problem`.
    """
    await _import_scopes(operator, document.scopes)
    administered = await find_administered(operator.connection)
    users = Once()
    for index, user in enumerate(document.users):
        with naming(f"users.{index} {user.username!r}"):
            users.add(await _import_user(operator, user, revoke))
    await require_administered(operator.connection, administered)
    clients = Once()
    for index, client in enumerate(document.clients):
        with naming(f"clients.{index} {client.client_id!r}"):
            clients.add(client.client_id)
            await _import_client(operator, client)
    counts: dict[str, Any] = {
        "scopes": len(document.scopes),
        "users": len(document.users),
        "clients": len(document.clients),
    }
    for kind in kinds:
        entries = getattr(document, kind.section)
        counts[kind.section] = len(entries)
        names = Once()
        for index, entry in enumerate(entries):
            name = getattr(entry, kind.key)
            with naming(f"{kind.section}.{index} {name!r}"):
                names.add(kind.same(name))
                there = await kind.find(operator.connection, name)
                await (kind.create if there is None else kind.change)(operator, entry)
    await operator.record("records.imported", **counts)
    return counts


async def _import_scopes(operator: Actor, scopes: Sequence[DeclaredScope]) -> None:
    known = await list_scopes(operator.connection)
    names = Once()
    for index, scope in enumerate(scopes):
        with naming(f"scopes.{index} {scope.name!r}"):
            names.add(scope.name)
            if scope.name not in known:
                await create_scope(operator, name=scope.name, description=scope.description)
            elif known[scope.name] != scope.description:
                await describe_scope(operator, scope.name, scope.description)


async def _import_user(
    operator: Actor, user: TransferredUser, revoke: Sequence[Revoke]
) -> uuid.UUID:
    """Who it is: the same user may be named in several ways."""
    connection = operator.connection
    password_hash = None if user.password_hash is None else _checked(user.password_hash)
    found = await _find_user(connection, user.id, user.username)
    if found is None:
        if user.id is not None:
            await _check_new_id(connection, user.id, user.username)
        new = NewUser.model_validate(user.model_dump(include=set(NewUser.model_fields)))
        before = await register_user(operator, new, password_hash=password_hash, user_id=user.id)
    else:
        user_id, stored_hash = found
        await hold_user(connection, user_id)
        before = await get_user(connection, user_id)
        if password_hash not in (None, stored_hash):
            await set_password(operator, user_id, password_hash, revoke=revoke)
    wanted = user.model_dump(exclude={"id", "password_hash"})
    wanted["scopes"] = sorted(set(user.scopes))
    as_it_is = before.model_dump(include=set(wanted))
    if wanted != {**as_it_is, "disabled": before.disabled_at is not None}:
        await apply_changes(operator, before, wanted)
    return before.id


def _checked(password_hash: str) -> str:
    try:
        return check_imported_hash(password_hash)
    except ValueError as malformed:
        raise InvalidError(told=f"the password hash is {malformed}") from None


async def _check_new_id(connection: AsyncConnection, user_id: uuid.UUID, username: str) -> None:
    if await find_client(connection, str(user_id)) is not None:
        raise ConflictError(told="this id belongs to a client")
    if await _find_user(connection, None, username) is not None:
        raise ConflictError(
            told="a user with this name exists under another id: remove the id from the document "
            "to change that user"
        )


async def _find_user(
    connection: AsyncConnection, user_id: uuid.UUID | None, username: str
) -> tuple[uuid.UUID, str | None] | None:
    """Found by id, if there is one, else by name."""
    by = User.id == user_id if user_id else User.username_key == username_key(username)
    row = (await connection.execute(select(User.id, User.password_hash).where(by))).one_or_none()
    return None if row is None else (row.id, row.password_hash)


async def _import_client(operator: Actor, client: TransferredClient) -> None:
    connection = operator.connection
    if client.public and client.secrets:
        raise InvalidError(told="a public client cannot have a secret or an authentication method")
    policy = client.model_dump(exclude={"client_id", "every_scope", "disabled", "secrets"})
    registration = validated(Registration, {"client_id": client.client_id, **policy})
    if await find_client(connection, client.client_id) is None:
        every_scope = client.every_scope
        await add_client(connection, registration, operator.now, every_scope=every_scope)
        before = await get_client(connection, client.client_id)
        await note_creation(operator, before)
    else:
        before = await get_client(connection, client.client_id)
    as_exported = {
        "auth_methods": [] if client.public else registration.stored_auth_methods,
        "scopes": before.scopes
        if client.every_scope
        else sorted({*client.scopes, *client.default_scopes}),
        "default_scopes": sorted(set(client.default_scopes)),
        "secrets": None,
    }
    if transferred(before, None) != client.model_copy(update=as_exported):
        rest = {"every_scope": client.every_scope, "disabled": client.disabled}
        await change_client(operator, client.client_id, policy | rest)
    if client.secrets is not None:
        await _import_secrets(operator, client.client_id, client.secrets)


async def _import_secrets(
    operator: Actor, client_id: str, secrets: list[TransferredSecret]
) -> None:
    connection = operator.connection
    of_client = ClientSecret.client_id == client_id
    rows = await connection.execute(
        select(ClientSecret.secret_hash, ClientSecret.expires_at).where(of_client)
    )
    wanted = {(secret.secret_hash, secret.expires_at) for secret in secrets}
    stored = {(row.secret_hash, row.expires_at) for row in rows}
    if stored == wanted:
        return
    good = {secret for secret, end in stored if end is None or end > operator.now}
    if not good.issubset(secret for secret, _ in wanted):
        # One that is gone at once may have leaked: what it got is void, as after `rotate-secret`.
        stamped = update(Client).where(Client.client_id == client_id)
        await connection.execute(stamped.values(security_stamp=generate_stamp()))
    await connection.execute(delete(ClientSecret).where(of_client))
    if secrets:
        await connection.execute(
            insert(ClientSecret),
            [
                {"client_id": client_id, "created_at": operator.now, **secret.model_dump()}
                for secret in secrets
            ],
        )
    await operator.record("client.secret_rotated", client_id=client_id)
