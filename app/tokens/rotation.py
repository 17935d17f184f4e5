"""The rotation of refresh tokens: RFC 6749, section 6; RFC 9700, section 4.14.2.

A token is consumed by one conditional UPDATE, its successor is stored and the event written, in one
transaction.
"""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from sqlalchemy import (
    ColumnElement,
    SQLColumnExpression,
    String,
    Update,
    and_,
    bindparam,
    func,
    insert,
    literal,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, Origin, record
from app.models import Login, RefreshToken, User, UserScope
from app.security.opaque import generate_secret, hash_secret
from app.tokens.families import FAMILY, NOW, PERMITTED_SCOPES, Family, family_of
from app.tokens.refresh_tokens import TOKEN, found_by_key, usable

REFRESHED: Final = "token.refreshed"


@dataclass(frozen=True, eq=False)
class Rotation:
    """A refresh token that a client presents, and the one that is to take its place."""

    token: str = field(repr=False)
    client_id: str
    scopes: Sequence[str]
    """What is asked for; empty for all that was granted."""
    at: datetime
    origin: Origin
    successor: str = field(default_factory=generate_secret, repr=False)


def is_among(
    scope: SQLColumnExpression[str], scopes: SQLColumnExpression[str], *, on_sqlite: bool
) -> ColumnElement[bool]:
    """Whether ``scope`` is one of ``scopes``, which are separated by spaces."""
    position = func.instr if on_sqlite else func.strpos
    in_spaces = literal(" ", String) + scope + " "
    found: ColumnElement[bool] = position(" " + scopes + " ", in_spaces) > 0
    return found


def _grantable(asked: int, on_sqlite: bool) -> ColumnElement[bool]:
    """Whether a refresh for that many scopes, or with 0 for all, would get anything.

    All that is asked for was granted at login, and of that, user and client still have some.
    """
    scopes = [bindparam(f"asked_{number}", type_=String()) for number in range(asked)]
    left = PERMITTED_SCOPES.where(is_among(UserScope.scope, Login.scope, on_sqlite=on_sqlite))
    if scopes:
        left = left.where(UserScope.scope.in_(scopes))
    granted = (is_among(scope, Login.scope, on_sqlite=on_sqlite) for scope in scopes)
    return and_(*granted, left.exists())


@lru_cache(maxsize=64)
def _consuming(asked: int, graceful: bool, on_sqlite: bool) -> Update:
    """The statement that uses a token up, if it may be, and if that gets anything.

    ``asked`` is how many scopes are asked for.
    """
    disabled_at = select(User.disabled_at).where(User.id == Login.user_id).scalar_subquery()
    # While there are few rows, all indexes are equally good to PostgreSQL, and it keeps its choice:
    # so nothing but the key is left to look a login or a user up by.
    alive = select(Login.id).where(
        Login.id == RefreshToken.login_id,
        Login.client_id + "" == bindparam("of_client", type_=String()),
        Login.ended_at.is_(None),
        Login.expires_at > NOW,
        disabled_at.is_(None),
        _grantable(asked, on_sqlite),
    )
    return (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == TOKEN,
            usable(graceful),
            # As IN (SELECT …), SQLite would first list every login of the client.
            found_by_key(alive),
        )
        .values(
            used_at=func.coalesce(RefreshToken.used_at, NOW),
            successors=RefreshToken.successors + 1,
        )
        .returning(RefreshToken.login_id)
    )


_INSERT_TOKEN = insert(RefreshToken)

_FAMILIES = FAMILY.where(Login.id.in_(bindparam("login_ids", expanding=True)))


async def rotate(
    connection: AsyncConnection, rotations: Sequence[Rotation], now: datetime, grace: timedelta
) -> Mapping[Rotation, Family]:
    """Consume tokens and issue their successors; what cannot be rotated is left out.

    A token is never used up for nothing: not where none of what is asked for can be granted.
    ``grace`` is how long a token that was just used may come again, for a client that lost the
    answer: as long as no successor was used, and only a few times. Of the successors one is used.

    This is the reference, for both databases. :mod:`app.tokens.refresh_postgresql` has a faster
    form of it for PostgreSQL.
    """
    on_sqlite = connection.dialect.name == "sqlite"
    consumed: dict[Rotation, uuid.UUID] = {}
    for each in rotations:
        parameters = {
            "presented_hash": hash_secret(each.token),
            "of_client": each.client_id,
            "at_now": now,
            "shielded_since": now - grace,
            **{f"asked_{number}": scope for number, scope in enumerate(each.scopes)},
        }
        consuming = _consuming(len(each.scopes), bool(grace), on_sqlite)
        login_id = await connection.scalar(consuming, parameters)
        if login_id is not None:
            consumed[each] = login_id
    if not consumed:
        return {}
    successors = [
        {
            "login_id": login_id,
            "token_hash": hash_secret(each.successor),
            "parent_hash": hash_secret(each.token),
            "issued_at": now,
        }
        for each, login_id in consumed.items()
    ]
    await connection.execute(_INSERT_TOKEN, successors)
    login_ids = list(set(consumed.values()))
    rows = await connection.execute(_FAMILIES, {"login_ids": login_ids, "at_now": now})
    families = {row.id: family_of(row) for row in rows}
    rotated = {each: families[login_id] for each, login_id in consumed.items()}
    refreshed = [
        Event(
            type=REFRESHED,
            actor=str(family.user_id),
            user_id=family.user_id,
            client_id=family.client_id,
            origin=each.origin,
        )
        for each, family in rotated.items()
    ]
    await record(connection, now, *refreshed)
    return rotated
