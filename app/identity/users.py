"""Users: creating them, and finding them by name."""

import re
import uuid
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    bindparam,
    delete,
    exists,
    func,
    insert,
    select,
    type_coerce,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database, insert_new
from app.database.paging import PAGE
from app.errors import ConflictError, NotFoundError
from app.identity.addresses import email_columns, email_key
from app.identity.profile import (
    USERNAME_MAX_LENGTH,
    NewUser,
    Person,
    Profile,
    StoredProfile,
    username_key,
)
from app.models import User, UserScope
from app.models.base import ScopeSet, generate_stamp
from app.security.passwords import kind_of


@dataclass(frozen=True)
class Account:
    """What a login needs to know of a user."""

    id: uuid.UUID
    username: str
    password_hash: str | None = field(repr=False)
    enabled: bool
    security_stamp: str
    scopes: frozenset[str]


SCOPES_OF_USER = (
    select(type_coerce(func.aggregate_strings(UserScope.scope, " "), ScopeSet))
    .where(UserScope.user_id == User.id)
    .scalar_subquery()
    .label("scopes")
)
"""In a query on users: the scopes of each, however they have them."""

PROFILE = [getattr(User, name) for name in StoredProfile.model_fields]
"""In a query on users: what :func:`profile_of` reads."""


def profile_of(row: Row[Any]) -> StoredProfile:
    """What a row has of a user's profile."""
    columns = row._mapping
    return StoredProfile.model_construct(
        **{name: columns[name] for name in StoredProfile.model_fields}
    )


async def get_person(connection: AsyncConnection, user_id: uuid.UUID) -> Person:
    """The user of that id, as claims tell of them; they are there."""
    query = select(User.username, User.updated_at, *PROFILE).where(User.id == user_id)
    row = (await connection.execute(query)).one()
    return Person(user_id, row.username, profile_of(row), row.updated_at)


_FIND_ACCOUNT = select(
    User.id,
    User.username,
    User.password_hash,
    User.disabled_at,
    User.security_stamp,
    SCOPES_OF_USER,
)

# Built once, like every statement of a login: building one can take longer than running it.
_FIND_ACCOUNT_BY_NAME = _FIND_ACCOUNT.where(User.username_key == bindparam("key"))


async def find_account(connection: AsyncConnection, username: str) -> Account | None:
    """The user of that name, compared as :func:`username_key` says."""
    if len(username) > USERNAME_MAX_LENGTH:
        return None
    parameters = {"key": username_key(username)}
    row = (await connection.execute(_FIND_ACCOUNT_BY_NAME, parameters)).one_or_none()
    return None if row is None else _account(row)


async def find_username_by_email(connection: AsyncConnection, email: str) -> str | None:
    """The name of the user who has this address verified: of one user at most."""
    having = select(User.username).where(User.email_key == email_key(email), User.email_verified)
    return await connection.scalar(having)


async def get_account(connection: AsyncConnection, user_id: uuid.UUID) -> Account:
    """The user of that id. Raises :class:`NotFoundError`."""
    row = (await connection.execute(_FIND_ACCOUNT.where(User.id == user_id))).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such user.")
    return _account(row)


async def find_usernames(connection: AsyncConnection, ids: Collection[str]) -> Mapping[str, str]:
    """The names of those of ``ids`` that are users."""
    wanted = []
    for each in ids:
        with suppress(ValueError):
            wanted.append(uuid.UUID(each))
    names: dict[str, str] = {}
    for start in range(0, len(wanted), PAGE):  # a statement has room for so many parameters
        some = User.id.in_(wanted[start : start + PAGE])
        rows = await connection.execute(select(User.id, User.username).where(some))
        names |= {str(row.id): row.username for row in rows}
    return names


def _account(row: Row[Any]) -> Account:
    return Account(
        id=row.id,
        username=row.username,
        password_hash=row.password_hash,
        enabled=row.disabled_at is None,
        security_stamp=row.security_stamp,
        scopes=row.scopes,
    )


@dataclass(frozen=True)
class HeldUser:
    """What is true of a user until the transaction ends."""

    enabled: bool
    security_stamp: str


def holding(user_id: ColumnElement[uuid.UUID]) -> Select[datetime | None, str]:
    """The statement of :func:`hold_user`, also for the owner of something that a query finds."""
    return (
        select(User.disabled_at, User.security_stamp)
        .where(User.id == user_id)
        .with_for_update(key_share=True)
    )


_HOLD_USER = holding(bindparam("user_id"))


async def hold_user(connection: AsyncConnection, user_id: uuid.UUID) -> HeldUser | None:
    """Keep a user as they are until the transaction ends; None if there is none.

    Whatever is issued to a user, ended for them or changed about them holds their row first, and
    the rows of clients after it. So of two that meet, the later one sees what the earlier one did.
    A query that is to see it comes after this one: on PostgreSQL each has a snapshot of its own.
    """
    row = (await connection.execute(_HOLD_USER, {"user_id": user_id})).one_or_none()
    return None if row is None else HeldUser(row.disabled_at is None, row.security_stamp)


async def create_user(
    connection: AsyncConnection,
    user: NewUser,
    *,
    password_hash: str | None,
    now: datetime,
    user_id: uuid.UUID | None = None,
) -> uuid.UUID:
    """Add a user and return the id, a new one unless one is given.

    The scopes are known ones. Raises :class:`ConflictError`.
    """
    await require_free(connection, user.username)
    user_id = user_id or uuid.uuid4()
    await insert_new(
        connection,
        f"a user named {user.username!r} already exists",
        insert(User).values(
            id=user_id,
            username_key=username_key(user.username),
            created_at=now,
            updated_at=now,
            **user.model_dump(include={"username", *Profile.model_fields} - {"email"}),
            **email_columns(user.email, verified=False),
            **password_columns(password_hash),
        ),
    )
    await set_user_scopes(connection, user_id, user.scopes)
    return user_id


async def require_free(connection: AsyncConnection, username: str) -> None:
    """Raise :class:`ConflictError` if somebody has that name."""
    if await connection.scalar(select(exists().where(User.username_key == username_key(username)))):
        raise ConflictError(told=f"a user named {username!r} already exists")


async def set_user_scopes(
    connection: AsyncConnection, user_id: uuid.UUID, scopes: Collection[str]
) -> None:
    """Give a user exactly these scopes, beside those that they have otherwise."""
    given = (UserScope.user_id == user_id) & (UserScope.via == "")
    await connection.execute(delete(UserScope).where(given))
    if scopes:
        rows = [{"user_id": user_id, "scope": scope} for scope in sorted(set(scopes))]
        await connection.execute(insert(UserScope), rows)


async def forget_scopes_via_others(database: Database, features: Collection[str]) -> None:
    """Take from users what they have by a feature that is none of ``features``: it was deleted."""
    left_behind = UserScope.via.not_in(["", *features])
    async with database.read() as connection:
        if not await connection.scalar(select(exists().where(left_behind))):
            return
    async with database.transaction() as connection:
        await connection.execute(delete(UserScope).where(left_behind))


def password_columns(password_hash: str | None) -> dict[str, str | None]:
    """What is stored for a hash: the one way to write it, so that its kind is always right."""
    kind = None if password_hash is None else kind_of(password_hash)
    return {"password_hash": password_hash, "password_kind": kind}


async def replace_password_hash(
    connection: AsyncConnection, account: Account, password_hash: str
) -> None:
    """Replace a user's hash by one of the same password, unless the password was changed now."""
    await connection.execute(
        update(User)
        .where(User.id == account.id, User.password_hash == account.password_hash)
        .values(password_columns(password_hash))
    )


async def change_password(
    connection: AsyncConnection, account: Account, password_hash: str, now: datetime
) -> bool:
    """Set another password; False if the one that ``account`` was verified with is no longer it.

    Which logins go on is for the caller to say.
    """
    columns = password_columns(password_hash)
    return await _change_own(connection, account, now, security_stamp=generate_stamp(), **columns)


async def change_email(
    connection: AsyncConnection, account: Account, email: str | None, now: datetime
) -> bool:
    """Set another address, which is then not verified; False as :func:`change_password` says."""
    return await _change_own(connection, account, now, **email_columns(email, verified=False))


async def _change_own(
    connection: AsyncConnection, account: Account, now: datetime, **values: Any
) -> bool:
    if not await is_still_proven(connection, account):
        return False
    await connection.execute(
        update(User).where(User.id == account.id).values(**values, updated_at=now)
    )
    return True


async def is_still_proven(connection: AsyncConnection, account: Account) -> bool:
    """Whether the password that ``account`` was verified with is still theirs; holds the user."""
    held = await hold_user(connection, account.id)
    return held is not None and held.enabled and held.security_stamp == account.security_stamp


_FIND_ENABLED_SCOPES = (
    select(UserScope.scope)
    .join(User, User.id == UserScope.user_id)
    .where(UserScope.user_id == bindparam("user_id"), User.disabled_at.is_(None))
)


async def find_enabled_scopes(connection: AsyncConnection, user_id: uuid.UUID) -> frozenset[str]:
    """The scopes of a user; none if the user is disabled."""
    return frozenset(await connection.scalars(_FIND_ENABLED_SCOPES, {"user_id": user_id}))


_ID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


async def find_user_id(connection: AsyncConnection, user: str) -> str:
    """The id under which the trail has a user, by name or by id.

    An id may be that of a user who was deleted, and is never taken for a name: somebody could
    call themselves by the id of somebody else. Raises :class:`NotFoundError`.
    """
    if _ID.fullmatch(user):
        return user.lower()
    account = await find_account(connection, user)
    if account is None:
        raise NotFoundError(told="There is no user with that name. Look up deleted users by id.")
    return str(account.id)
