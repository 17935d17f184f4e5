"""Refresh tokens: rotated at every use, and what happens when a used one comes back.

RFC 6749, section 6; RFC 9700, section 4.14. A token is consumed by one conditional UPDATE, so of
any number of simultaneous uses, over any number of processes, one succeeds. Whether the family is
alive is written in one place, its login: revoking it wins against a refresh that runs meanwhile,
because what that refresh still issues hangs on an ended login.

With a grace period a token can have several successors, of which one may be used. That is a rule on
more than one row, so their uses take turns by locking the user's row.
"""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
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
from sqlalchemy.orm import aliased

from app.audit.trail import Event, Origin, record
from app.database.engines import Database
from app.identity.users import holding
from app.models import Login, RefreshToken, User, UserScope
from app.models.base import UtcDateTime
from app.security.opaque import generate_secret, hash_secret
from app.tokens.families import FAMILY, LOGIN_IS_ALIVE, NOW, PERMITTED_SCOPES, Family, family_of

REFRESHED: Final = "token.refreshed"

MAX_SUCCESSORS = 8
"""That one token can have while the grace period shields it."""

NO_GRACE = timedelta(0)


@dataclass(frozen=True)
class PresentedToken:
    """A refresh token that was issued here at some time."""

    family: Family
    issued_at: datetime
    usable: bool
    """The only one of its siblings that can still be used, or shielded by the grace period."""


def first_refresh_token(login_id: uuid.UUID, now: datetime) -> tuple[str, dict[str, Any]]:
    """A refresh token of a login that begins, and its row: only the token's hash is stored."""
    token = generate_secret()
    row = {"token_hash": hash_secret(token), "login_id": login_id, "issued_at": now}
    return token, {**row, "successors": 0}


# The statements are built once: building this one takes longer than running it. What varies are
# parameters, whose names keep clear of those of the columns.

_INSERT_TOKEN = insert(RefreshToken)

TOKEN = bindparam("presented_hash", type_=String())


def _found_by_key(looked_up: Select[Any]) -> Exists:
    """Whether ``looked_up`` has a row, which is asked for each row of the statement around it.

    Without the OFFSET PostgreSQL may make a join of it, and read the whole table for a single row,
    for as long as it has planned with the table empty.
    """
    return looked_up.offset(0).exists()


def _usable(graceful: bool) -> ColumnElement[bool]:
    """Fresh, as all its siblings are; or shielded as the one that was replaced just now."""
    sibling = aliased(RefreshToken)
    sibling_used = _found_by_key(
        select(sibling.token_hash).where(
            sibling.parent_hash == RefreshToken.parent_hash,
            sibling.token_hash != TOKEN,
            sibling.used_at.is_not(None),
        )
    )
    fresh = RefreshToken.used_at.is_(None) & ~sibling_used
    if not graceful:
        return fresh
    successor = aliased(RefreshToken)
    successor_used = _found_by_key(
        select(successor.token_hash).where(
            successor.parent_hash == TOKEN, successor.used_at.is_not(None)
        )
    )
    return fresh | (
        (RefreshToken.used_at > bindparam("shielded_since", type_=UtcDateTime()))
        & (RefreshToken.successors < MAX_SUCCESSORS)
        & ~successor_used
    )


@cache
def _find(graceful: bool) -> Select[Any]:
    return (
        FAMILY.join(RefreshToken, RefreshToken.login_id == Login.id)
        .where(RefreshToken.token_hash == TOKEN)
        .add_columns(RefreshToken.issued_at, _usable(graceful).label("usable"))
    )


async def find_refresh_token(
    connection: AsyncConnection, token: str, now: datetime, grace: timedelta = NO_GRACE
) -> PresentedToken | None:
    """The token, used or not, with its family, alive or not."""
    parameters = {
        "presented_hash": hash_secret(token),
        "at_now": now,
        "shielded_since": now - grace,
    }
    row = (await connection.execute(_find(bool(grace)), parameters)).one_or_none()
    if row is None:
        return None
    return PresentedToken(family_of(row), row.issued_at, bool(row.usable))


_HOLD_USER_OF_TOKEN = holding(
    select(Login.user_id)
    .join_from(RefreshToken, Login, RefreshToken.login_id == Login.id)
    .where(RefreshToken.token_hash == TOKEN)
    .scalar_subquery()
)


async def hold_user_of_token(connection: AsyncConnection, token: str) -> None:
    """Hold the user of a refresh token: what is read of it then stays so."""
    await connection.execute(_HOLD_USER_OF_TOKEN, {"presented_hash": hash_secret(token)})


def _grantable(asked: int, on_sqlite: bool) -> ColumnElement[bool]:
    """Whether a refresh for that many scopes, or with 0 for all, would get anything.

    All that is asked for was granted at login, and of that, user and client still have some.
    """
    position = func.instr if on_sqlite else func.strpos

    def was_granted(name: SQLColumnExpression[str]) -> ColumnElement[bool]:
        in_spaces = literal(" ", String) + name + " "
        found: ColumnElement[bool] = position(" " + Login.scope + " ", in_spaces) > 0
        return found

    scopes = [bindparam(f"asked_{number}", type_=String()) for number in range(asked)]
    left = PERMITTED_SCOPES.where(was_granted(UserScope.scope))
    if scopes:
        left = left.where(UserScope.scope.in_(scopes))
    return and_(*(was_granted(scope) for scope in scopes), left.exists())


@lru_cache(maxsize=64)
def consuming(asked: int, graceful: bool, on_sqlite: bool) -> Update:
    """The statement that uses a token up, if it may be, and if that gets anything.

    ``asked`` is how many scopes are asked for.
    """
    alive = (
        select(Login.id)
        .join_from(Login, User, Login.user_id == User.id)
        .where(
            Login.id == RefreshToken.login_id,
            Login.client_id == bindparam("of_client", type_=String()),
            LOGIN_IS_ALIVE,
            _grantable(asked, on_sqlite),
        )
    )
    return (
        update(RefreshToken)
        .where(
            RefreshToken.token_hash == TOKEN,
            _usable(graceful),
            # As IN (SELECT …), SQLite would first list every login of the client.
            _found_by_key(alive),
        )
        .values(
            used_at=func.coalesce(RefreshToken.used_at, NOW),
            successors=RefreshToken.successors + 1,
        )
        .returning(RefreshToken.login_id)
    )


def consuming_parameters(
    token: str, client_id: str, scopes: Sequence[str], now: datetime, grace: timedelta
) -> dict[str, Any]:
    """What the statement of :func:`consuming` takes."""
    return {
        "presented_hash": hash_secret(token),
        "of_client": client_id,
        "at_now": now,
        "shielded_since": now - grace,
        **{f"asked_{number}": scope for number, scope in enumerate(scopes)},
    }


_FAMILY_OF_LOGIN = FAMILY.where(Login.id == bindparam("login_id"))


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
    answer: as long as no successor was used, and only a few times. Of the successors one is used.

    This is the reference, for both databases. :mod:`app.tokens.refresh_postgresql` has a faster
    form of it for PostgreSQL.
    """
    successor = generate_secret()
    consume = consuming(len(scopes), bool(grace), database.is_sqlite)
    parameters = consuming_parameters(token, client_id, scopes, now, grace)

    async def consume_and_issue(connection: AsyncConnection) -> Family | None:
        if not database.is_sqlite:  # whose transaction keeps everybody else out
            await hold_user_of_token(connection, token)
        login_id = await connection.scalar(consume, parameters)
        if login_id is None:
            return None
        await connection.execute(
            _INSERT_TOKEN,
            {
                "login_id": login_id,
                "token_hash": hash_secret(successor),
                "parent_hash": hash_secret(token),
                "issued_at": now,
            },
        )
        rows = await connection.execute(_FAMILY_OF_LOGIN, {"login_id": login_id, "at_now": now})
        family = family_of(rows.one())
        refreshed = Event(
            type=REFRESHED,
            actor=str(family.user_id),
            user_id=family.user_id,
            client_id=client_id,
            origin=origin,
        )
        await record(connection, now, refreshed)
        return family

    family = await database.transact(consume_and_issue)
    return None if family is None else (family, successor)


async def revoke_family(
    connection: AsyncConnection, token: str, client_id: str, now: datetime
) -> tuple[uuid.UUID, uuid.UUID] | None:
    """End the login of a refresh token, used or not, if it was issued to that client.

    Returns the ids of the login and of its user if it went on until now.
    """
    await hold_user_of_token(connection, token)
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
