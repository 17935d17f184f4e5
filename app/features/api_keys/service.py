"""API keys: made once, shown once, checked at every use."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    and_,
    bindparam,
    func,
    insert,
    literal,
    or_,
    select,
    true,
    tuple_,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.database.engines import Database, insert_new
from app.errors import InvalidError, NotFoundError
from app.features.api_keys.form import generate_key, is_mistyped
from app.features.api_keys.model import ApiKey, ApiKeyScope
from app.identity.names import has_unseen
from app.identity.scopes import ScopeRefusedError, require_known
from app.identity.users import PROFILE, SCOPES_OF_USER, Account, holding, profile_of
from app.login.logins import LiveUser
from app.login.user_keys import UserKey
from app.management.authority import Actor
from app.message import Message
from app.models import User
from app.models.base import UtcDateTime
from app.security.opaque import hash_secret

CREATED = FeatureEventType("api_key.created")
REVOKED = FeatureEventType("api_key.revoked")

SHOWN_LENGTH = 11
"""Characters of a key that stay readable, so that its owner recognises it."""

NAME_MAX_LENGTH = 100

LAST_USE_PRECISION = timedelta(hours=1)
"""A use is written down when the last one that was is so long ago."""

_SCOPES_OF_KEY = (
    select(func.aggregate_strings(ApiKeyScope.scope, " "))
    .where(ApiKeyScope.api_key_id == ApiKey.id)
    .scalar_subquery()
)


_KEY_OF_USER = (
    select(
        ApiKey.id.label("key_id"),
        _SCOPES_OF_KEY.label("key_scopes"),
        ApiKey.created_at,
        ApiKey.expires_at,
        ApiKey.last_used_at,
        User.id,
        User.username,
        User.updated_at,
        *PROFILE,
        SCOPES_OF_USER,
    )
    .join(User, User.id == ApiKey.owner_id)
    .where(
        ApiKey.revoked_at.is_(None),
        or_(
            ApiKey.expires_at.is_(None),
            ApiKey.expires_at > bindparam("now", type_=ApiKey.expires_at.type),
        ),
        User.disabled_at.is_(None),
    )
)
_FIND_KEY = _KEY_OF_USER.where(ApiKey.key_hash == bindparam("key_hash"))
_FIND_KEY_AGAIN = _KEY_OF_USER.where(ApiKey.id == bindparam("key_id"))


async def use_api_key(database: Database, key: str, now: datetime) -> UserKey | None:
    """The key, with its owner; None if it is unknown, expired or revoked, or its owner disabled.

    That it was used is written down, at most once in :data:`LAST_USE_PRECISION`.
    """
    if is_mistyped(key):
        return None
    parameters = {"key_hash": hash_secret(key), "now": now}
    async with database.read() as connection:
        row = (await connection.execute(_FIND_KEY, parameters)).one_or_none()
    if row is None:
        return None
    used_up_to = now - LAST_USE_PRECISION
    if row.last_used_at is None or row.last_used_at <= used_up_to:
        unwritten = or_(ApiKey.last_used_at.is_(None), ApiKey.last_used_at <= used_up_to)
        async with database.statement() as connection:
            await connection.execute(
                update(ApiKey).where(ApiKey.id == row.key_id, unwritten).values(last_used_at=now)
            )
    return _user_key(row)


def _user_key(row: Row[Any]) -> UserKey:
    return UserKey(
        id=row.key_id,
        user=LiveUser(row.id, row.username, profile_of(row), row.updated_at, row.scopes),
        scopes=frozenset((row.key_scopes or "").split()),
        created_at=row.created_at,
        expires_at=row.expires_at,
        again=partial(_find_again, row.key_id),
    )


async def _find_again(
    key_id: uuid.UUID, connection: AsyncConnection, now: datetime
) -> UserKey | None:
    parameters = {"key_id": key_id, "now": now}
    row = (await connection.execute(_FIND_KEY_AGAIN, parameters)).one_or_none()
    return None if row is None else _user_key(row)


@dataclass(frozen=True)
class KeyRecord:
    """An API key as its owner sees it again; the key itself is gone."""

    id: uuid.UUID
    owner: str
    name: str
    prefix: str
    scopes: tuple[str, ...]
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


async def create_api_key(
    actor: Actor,
    *,
    owner: Account,
    permitted: Collection[str],
    name: str,
    scopes: Sequence[str],
    lifetime: timedelta,
    key: str | None = None,
    key_id: uuid.UUID | None = None,
) -> tuple[KeyRecord, str]:
    """Add a key; return its record and the key, which cannot be shown again.

    Its scopes are among those that the owner has and that are ``permitted`` to whoever asks: a
    token cannot make a key that opens more than the token. ``key`` brings a known one instead of
    a random one (demo data), and with a ``key_id`` there is only one, however often a form is sent.
    Raises :class:`InvalidError`, or :class:`ConflictError` for an id that there is already.
    """
    connection, now = actor.connection, actor.now
    if not 1 <= len(name.strip()) <= NAME_MAX_LENGTH:
        raise InvalidError(
            told=Message("an API key has a name of 1 to {most} characters", most=NAME_MAX_LENGTH)
        )
    if has_unseen(name):
        raise InvalidError(told=Message("an API key has no control characters in its name"))
    names = await require_known(connection, scopes)
    for scope in names:
        if scope not in owner.scopes:
            raise ScopeRefusedError(
                told=Message("the owner does not have the scope"),
                line=f"the owner does not have the scope {scope!r}",
            )
        if scope not in permitted:
            raise ScopeRefusedError(
                told="the access token does not have the scope",
                line=f"the access token does not have the scope {scope!r}",
            )
    expires_at = now + lifetime
    key = key or generate_key()
    record = KeyRecord(
        key_id or uuid.uuid4(),
        owner.username,
        name,
        key[:SHOWN_LENGTH],
        tuple(sorted(names)),
        now,
        expires_at,
        None,
        None,
    )
    await insert_new(
        connection,
        "this key was created before: if you have not copied it, revoke it and create another one",
        insert(ApiKey).values(
            id=record.id,
            owner_id=owner.id,
            name=name,
            prefix=record.prefix,
            key_hash=hash_secret(key),
            created_at=now,
            expires_at=expires_at,
        ),
    )
    if names:
        await connection.execute(
            insert(ApiKeyScope), [{"api_key_id": record.id, "scope": scope} for scope in names]
        )
    await actor.record(
        CREATED,
        user_id=owner.id,
        client_id=actor.client_id,
        key=str(record.id),
        scopes=list(record.scopes),
    )
    return record, key


async def _select(
    connection: AsyncConnection, *conditions: ColumnElement[bool], limit: int | None = None
) -> list[KeyRecord]:
    rows = await connection.execute(
        select(
            ApiKey.id,
            User.username,
            ApiKey.name,
            ApiKey.prefix,
            _SCOPES_OF_KEY,
            ApiKey.created_at,
            ApiKey.expires_at,
            ApiKey.last_used_at,
            ApiKey.revoked_at,
        )
        .join(User, User.id == ApiKey.owner_id)
        .where(*conditions)
        .order_by(ApiKey.created_at.desc(), ApiKey.id.desc())
        .limit(limit)
    )
    return [
        KeyRecord(key_id, owner, name, prefix, tuple(sorted((scopes or "").split())), *times)
        for key_id, owner, name, prefix, scopes, *times in rows
    ]


def _belonging_to(owner_id: uuid.UUID | None) -> ColumnElement[bool]:
    return true() if owner_id is None else ApiKey.owner_id == owner_id


async def list_api_keys(
    connection: AsyncConnection,
    owner_id: uuid.UUID | None,
    *,
    limit: int | None = None,
    before: tuple[datetime, uuid.UUID] | None = None,
    good_at: datetime | None = None,
) -> list[KeyRecord]:
    """The keys of a user, or of all users, newest first, revoked ones among them.

    At most ``limit``, beginning behind the key of the time and id ``before``; only those that are
    good at the time ``good_at``, if it is given.
    """
    of_owner = _belonging_to(owner_id)
    if good_at is not None:
        lasting = or_(ApiKey.expires_at.is_(None), ApiKey.expires_at > good_at)
        of_owner = and_(of_owner, ApiKey.revoked_at.is_(None), lasting)
    if before is None:
        return await _select(connection, of_owner, limit=limit)
    made_at, key_id = before
    place = tuple_(ApiKey.created_at, ApiKey.id)
    cursor = tuple_(literal(made_at, UtcDateTime), literal(key_id, ApiKey.id.type))
    return await _select(connection, of_owner, place < cursor, limit=limit)


async def get_api_key(
    connection: AsyncConnection, owner_id: uuid.UUID, key_id: uuid.UUID
) -> KeyRecord:
    """One key of a user. Raises :class:`NotFoundError`."""
    found = await _select(connection, ApiKey.owner_id == owner_id, ApiKey.id == key_id)
    if not found:
        raise NotFoundError(told=Message("There is no such API key."))
    return found[0]


_HOLD_OWNER = holding(
    select(ApiKey.owner_id).where(ApiKey.id == bindparam("key_id")).scalar_subquery()
)


async def revoke_api_key(actor: Actor, owner_id: uuid.UUID | None, key_id: uuid.UUID) -> None:
    """Make a key useless, at once: of that owner, or of anybody.

    Its owner is held, as by whoever acts with it: what was begun with the key is committed before,
    or never. Raises :class:`NotFoundError` if it is not there, or useless already.
    """
    await actor.connection.execute(_HOLD_OWNER, {"key_id": key_id})
    revoked = await actor.connection.execute(
        update(ApiKey)
        .where(_belonging_to(owner_id), ApiKey.id == key_id, ApiKey.revoked_at.is_(None))
        .values(revoked_at=actor.now)
        .returning(ApiKey.owner_id)
    )
    owner = revoked.one_or_none()
    if owner is None:
        raise NotFoundError(told=Message("There is no such API key."))
    await actor.record(REVOKED, user_id=owner.owner_id, client_id=actor.client_id, key=str(key_id))
