"""Refresh tokens: rotated at every use, and what happens when a used one comes back.

RFC 6749, section 6; RFC 9700, section 4.14. A token is consumed by one conditional UPDATE, so of
any number of simultaneous uses, over any number of processes, one succeeds. Whether the family is
alive is written in one place, its login: revoking it wins against a refresh that runs meanwhile,
because what that refresh still issues hangs on an ended login.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Row,
    Select,
    SQLColumnExpression,
    String,
    and_,
    cast,
    exists,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased
from sqlalchemy.sql.functions import _FunctionGenerator

from app.database import Database
from app.models import AuditEvent, Base, ClientScope, Login, RefreshToken, User, UserScope
from app.security.opaque import generate_secret, hash_secret
from app.services.audit import Event
from app.services.logins import Origin
from app.services.users import SCOPES_OF_USER

MAX_SUCCESSORS = 8
"""That one token can have while the grace period shields it."""

NO_GRACE = timedelta(0)


@dataclass(frozen=True)
class Family:
    """The login that a refresh token belongs to, and what its user has now."""

    login_id: uuid.UUID
    client_id: str
    user_id: uuid.UUID
    username: str
    scope: str
    """What the login was granted; a refresh cannot exceed it."""
    user_scopes: frozenset[str]
    auth_time: datetime | None
    """When the password was typed, for the ID tokens of the code flow; else None."""
    expires_at: datetime
    alive: bool
    """Neither ended nor expired, and the user is enabled."""


@dataclass(frozen=True)
class PresentedToken:
    """A refresh token that was issued here at some time."""

    family: Family
    issued_at: datetime
    takeable: bool
    """Fresh, or shielded by the grace period."""


async def issue_refresh_token(
    connection: AsyncConnection, login_id: uuid.UUID, now: datetime
) -> str:
    """The first refresh token of a login. Only its hash is stored."""
    token = generate_secret()
    await connection.execute(
        insert(RefreshToken).values(token_hash=hash_secret(token), login_id=login_id, issued_at=now)
    )
    return token


def _family_columns(now: datetime) -> Select[Any]:
    alive = _login_is_alive(now)
    return select(
        Login.id,
        Login.client_id,
        User.id.label("user_id"),
        User.username,
        Login.scope,
        SCOPES_OF_USER.label("user_scopes"),
        Login.auth_time,
        Login.expires_at,
        alive.label("alive"),
    ).join_from(Login, User, Login.user_id == User.id)


def _login_is_alive(now: datetime) -> ColumnElement[bool]:
    return Login.ended_at.is_(None) & (Login.expires_at > now) & User.disabled_at.is_(None)


def _family(row: Row[Any]) -> Family:
    return Family(
        login_id=row.id,
        client_id=row.client_id,
        user_id=row.user_id,
        username=row.username,
        scope=row.scope,
        user_scopes=frozenset((row.user_scopes or "").split()),
        auth_time=row.auth_time,
        expires_at=row.expires_at,
        alive=bool(row.alive),
    )


async def find_refresh_token(
    connection: AsyncConnection, token: str, now: datetime, grace: timedelta = NO_GRACE
) -> PresentedToken | None:
    """The token, used or not, with its family, alive or not."""
    token_hash = hash_secret(token)
    query = (
        _family_columns(now)
        .join(RefreshToken, RefreshToken.login_id == Login.id)
        .where(RefreshToken.token_hash == token_hash)
        .add_columns(RefreshToken.issued_at, _takeable(token_hash, now, grace).label("takeable"))
    )
    row = (await connection.execute(query)).one_or_none()
    if row is None:
        return None
    return PresentedToken(_family(row), row.issued_at, bool(row.takeable))


def _takeable(token_hash: str, now: datetime, grace: timedelta) -> ColumnElement[bool]:
    """Fresh, or shielded as the one that was replaced just now."""
    fresh = RefreshToken.used_at.is_(None)
    if not grace:
        return fresh
    successor = aliased(RefreshToken)
    successor_used = exists().where(
        successor.parent_hash == token_hash, successor.used_at.is_not(None)
    )
    return fresh | (
        (RefreshToken.used_at > now - grace)
        & (RefreshToken.successors < MAX_SUCCESSORS)
        & ~successor_used
    )


def _grantable(scopes: Sequence[str], position: _FunctionGenerator) -> ColumnElement[bool]:
    """Whether a refresh for ``scopes``, or for all, would get anything.

    All that is asked for was granted at login, and of that, user and client still have some.
    """

    def was_granted(name: SQLColumnExpression[str]) -> ColumnElement[bool]:
        in_spaces = literal(" ", String) + name + " "
        found: ColumnElement[bool] = position(" " + Login.scope + " ", in_spaces) > 0
        return found

    left = (
        select(UserScope.scope)
        .join(ClientScope, ClientScope.scope == UserScope.scope)
        .where(
            UserScope.user_id == Login.user_id,
            ClientScope.client_id == Login.client_id,
            was_granted(UserScope.scope),
        )
    )
    if scopes:
        left = left.where(UserScope.scope.in_(scopes))
    return and_(*(was_granted(literal(name, String)) for name in scopes), left.exists())


async def rotate(
    database: Database,
    token: str,
    client_id: str,
    scopes: Sequence[str],
    now: datetime,
    grace: timedelta,
    origin: Origin,
) -> tuple[Family, str] | None:
    """Consume ``token`` and issue its successor; None if that cannot be.

    ``scopes`` are what is asked for, empty for all: a token is never used up for nothing.
    ``grace`` is how long a token that was just used may come again, for a client that lost the
    answer: as long as no successor was used, and only a few times.
    """
    token_hash, successor = hash_secret(token), generate_secret()
    position = func.instr if database.is_sqlite else func.strpos
    alive = (
        select(Login.id)
        .join_from(Login, User, Login.user_id == User.id)
        .where(Login.client_id == client_id, _login_is_alive(now), _grantable(scopes, position))
    )
    consume = (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == token_hash,
            _takeable(token_hash, now, grace),
            RefreshToken.login_id.in_(alive),
        )
        .values(
            used_at=func.coalesce(RefreshToken.used_at, now),
            successors=RefreshToken.successors + 1,
        )
        .returning(RefreshToken.login_id)
    )
    values = {"token_hash": hash_secret(successor), "parent_hash": token_hash, "issued_at": now}
    refreshed = Event(type="token.refreshed", client_id=client_id, origin=origin)
    if database.is_sqlite:
        async with database.transaction() as connection:
            login_id = await connection.scalar(consume)
            if login_id is None:
                return None
            await connection.execute(insert(RefreshToken).values(login_id=login_id, **values))
            row = (await connection.execute(_family_columns(now).where(Login.id == login_id))).one()
        return _family(row), successor
    # On PostgreSQL all of it is one statement: one round trip instead of five.
    consumed = consume.cte("consumed")
    issued = (
        insert(RefreshToken)
        .from_select(
            ["login_id", "successors", *values],
            select(
                consumed.c.login_id,
                literal(0),
                *(_literal(RefreshToken, name, value) for name, value in values.items()),
            ),
        )
        .cte("issued")
    )
    user_id = cast(Login.user_id, String(36))
    columns = refreshed.row(now) | {"actor": user_id, "user_id": user_id}
    recorded = (
        insert(AuditEvent)
        .from_select(
            list(columns),
            select(
                *(
                    value if value is user_id else _literal(AuditEvent, name, value)
                    for name, value in columns.items()
                )
            ).join_from(consumed, Login, consumed.c.login_id == Login.id),
        )
        .cte("recorded")
    )
    query = (
        _family_columns(now)
        .join(consumed, consumed.c.login_id == Login.id)
        .add_cte(issued, recorded)
    )
    async with database.statement() as connection:
        found = (await connection.execute(query)).one_or_none()
    return None if found is None else (_family(found), successor)


def _literal(table: type[Base], column: str, value: object) -> ColumnElement[Any]:
    return literal(value, table.__table__.c[column].type)


async def revoke_family(
    connection: AsyncConnection, token: str, client_id: str, now: datetime
) -> tuple[uuid.UUID, uuid.UUID] | None:
    """End the login of a refresh token, used or not, if it was issued to that client.

    Returns the ids of the login and of its user if it went on until now.
    """
    login_id = (
        select(RefreshToken.login_id)
        .where(RefreshToken.token_hash == hash_secret(token))
        .scalar_subquery()
    )
    row = (
        await connection.execute(
            update(Login)
            .where(Login.id == login_id, Login.client_id == client_id, Login.ended_at.is_(None))
            .values(ended_at=now)
            .returning(Login.id, Login.user_id)
        )
    ).one_or_none()
    return None if row is None else (row.id, row.user_id)
