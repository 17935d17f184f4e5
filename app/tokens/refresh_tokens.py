"""Refresh tokens: which are usable, and whose they are.

RFC 6749, section 6; RFC 9700, section 4.14. A token is consumed by one conditional UPDATE (see
:mod:`app.tokens.rotation`), so of any number of simultaneous uses, over any number of processes,
one succeeds. Whether the family is alive is written in one place, its login: revoking it wins
against a refresh that runs meanwhile, because what that refresh still issues hangs on an ended
login.

With a grace period a token can have several successors, of which one may be used. That is a rule on
more than one row, so their uses take turns by holding the login.
"""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Exists,
    Select,
    String,
    bindparam,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.orm import aliased

from app.identity.users import holding
from app.models import Login, RefreshToken
from app.models.base import UtcDateTime
from app.security.opaque import generate_secret, hash_secret
from app.tokens.families import FAMILY, Family, family_of

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


# The statements are built once: to build one takes longer than to run it. What varies are
# parameters, whose names keep clear of those of the columns.

TOKEN = bindparam("presented_hash", type_=String())


def found_by_key(looked_up: Select[Any]) -> Exists:
    """Whether ``looked_up`` has a row, which is asked for each row of the statement around it.

    Without the OFFSET PostgreSQL may make a join of it, and read the whole table for a single row,
    for as long as it has planned with the table empty.
    """
    return looked_up.offset(0).exists()


def usable(graceful: bool) -> ColumnElement[bool]:
    """Fresh, as all its siblings are; or shielded as the one that was replaced just now."""
    sibling = aliased(RefreshToken)
    sibling_used = found_by_key(
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
    successor_used = found_by_key(
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
        .add_columns(RefreshToken.issued_at, usable(graceful).label("usable"))
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


_HOLD_LOGIN_OF_TOKEN = (
    select(Login.id)
    .where(
        Login.id
        == select(RefreshToken.login_id).where(RefreshToken.token_hash == TOKEN).scalar_subquery()
    )
    .with_for_update(key_share=True)
)


async def hold_login_of_token(connection: AsyncConnection, token: str) -> None:
    """Hold the login of a refresh token: nobody else rotates or ends a token of it meanwhile."""
    await connection.execute(_HOLD_LOGIN_OF_TOKEN, {"presented_hash": hash_secret(token)})


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
