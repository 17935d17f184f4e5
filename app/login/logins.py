"""Logins: the row behind a token's ``sid``, which ends all that was issued from it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Select, Update, and_, bindparam, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import USER_AGENT_MAX_LENGTH, Origin
from app.database.batched import Batched
from app.database.engines import Database
from app.database.paging import Place, newest_first
from app.errors import InvalidClientError, InvalidGrantError, NotFoundError
from app.identity.clients import RegisteredClient, find_client
from app.identity.profile import Person
from app.identity.users import PROFILE, SCOPES_OF_USER, hold_user, holding, profile_of
from app.login.strength import PASSWORD_ALONE
from app.models import Client, Login, RefreshToken, User


@dataclass(frozen=True)
class HeldParties:
    """What is true of a user and a client until the transaction ends."""

    user_enabled: bool
    user_stamp: str
    client_enabled: bool
    client_stamp: str


# A change of the user waits for this, and so does whoever disables or deletes the client: see
# app.management.clients.
_HOLD_PARTIES = (
    select(
        User.disabled_at.label("user_disabled_at"),
        User.security_stamp.label("user_stamp"),
        Client.disabled_at.label("client_disabled_at"),
        Client.security_stamp.label("client_stamp"),
    )
    .join_from(User, Client, Client.client_id == bindparam("client_id"))
    .where(User.id == bindparam("user_id"))
    .with_for_update(key_share=True, of=User)
    .suffix_with("FOR KEY SHARE OF clients", dialect="postgresql")
)


async def hold_parties(
    connection: AsyncConnection, user_id: uuid.UUID, client_id: str
) -> HeldParties | None:
    """Keep a user and a client as they are until the transaction ends; None if one is gone.

    See :func:`~app.identity.users.hold_user`.
    """
    parameters = {"user_id": user_id, "client_id": client_id}
    row = (await connection.execute(_HOLD_PARTIES, parameters)).one_or_none()
    if row is None:
        return None
    return HeldParties(
        user_enabled=row.user_disabled_at is None,
        user_stamp=row.user_stamp,
        client_enabled=row.client_disabled_at is None,
        client_stamp=row.client_stamp,
    )


async def require_parties(
    connection: AsyncConnection,
    client: RegisteredClient,
    user_id: uuid.UUID,
    security_stamp: str | None,
) -> None:
    """Keep a user and a client as :func:`hold_parties` does, if a login may begin with them.

    Raises :class:`InvalidGrantError` if the user is disabled or gone, or has another stamp by now
    than ``security_stamp``, and :class:`InvalidClientError` if the client is.
    """
    held = await hold_parties(connection, user_id, client.client_id)
    if held is None:
        if await find_client(connection, client.client_id) is None:
            raise InvalidClientError(reason="the client was deleted in the meantime")
        raise InvalidGrantError(reason="the user was deleted in the meantime")
    if not held.client_enabled or held.client_stamp != client.security_stamp:
        raise InvalidClientError(
            reason="the client was disabled or its secret leaked in the meantime"
        )
    if not held.user_enabled or security_stamp not in (None, held.user_stamp):
        raise InvalidGrantError(
            reason="the user was disabled or given another password in the meantime"
        )


def login_row(
    *,
    user_id: uuid.UUID,
    client_id: str,
    scope: str,
    origin: Origin,
    now: datetime,
    expires_at: datetime,
    session_id: uuid.UUID | None = None,
    auth_time: datetime | None = None,
    amr: Sequence[str] = PASSWORD_ALONE,
    resources: Sequence[str] = (),
    id_token_claims: Sequence[str] = (),
) -> dict[str, Any]:
    """The row of a login that begins, whose ``id`` is the ``sid`` of its tokens.

    ``session_id`` and ``auth_time`` are those of the browser session that it came through, ``amr``
    the methods of RFC 8176 with which the user logged in, and ``resources`` what its tokens are
    for, if that is not as usual; ``id_token_claims`` are what its client asked to be told by name.
    """
    agent = origin.user_agent
    return {
        "id": uuid.uuid4(),
        "user_id": user_id,
        "client_id": client_id,
        "session_id": session_id,
        "auth_time": auth_time,
        "amr": list(amr),
        "resources": list(resources),
        "scope": scope,
        "id_token_claims": list(id_token_claims) or None,
        "created_at": now,
        "expires_at": expires_at,
        "address": origin.address,
        "user_agent": agent[:USER_AGENT_MAX_LENGTH] if agent else None,
    }


_HOLD_USER_OF_LOGIN = holding(
    select(Login.user_id).where(Login.id == bindparam("login_id")).scalar_subquery()
)


def _ending(now: datetime, *which: ColumnElement[bool]) -> Update:
    """The statement that ends logins, apart from those that have ended."""
    return update(Login).where(*which, Login.ended_at.is_(None)).values(ended_at=now)


async def end_login(connection: AsyncConnection, login_id: uuid.UUID, now: datetime) -> bool:
    """End a login: from the commit on, none of its tokens works anywhere on this server.

    False if it was ended before.
    """
    await connection.execute(_HOLD_USER_OF_LOGIN, {"login_id": login_id})
    ended = await connection.execute(_ending(now, Login.id == login_id).returning(Login.id))
    return ended.one_or_none() is not None


async def end_own_login(
    connection: AsyncConnection, user_id: uuid.UUID, login_id: uuid.UUID, now: datetime
) -> None:
    """End one of a user's logins. Raises :class:`NotFoundError` if it is not theirs or over."""
    await hold_user(connection, user_id)
    own = _ending(now, Login.id == login_id, Login.user_id == user_id, Login.expires_at > now)
    ended = await connection.execute(own.returning(Login.id))
    if ended.one_or_none() is None:
        raise NotFoundError(told="There is no such login.")


@dataclass(frozen=True)
class LiveLogin:
    """A login that goes on, as its user sees it."""

    id: uuid.UUID
    client_id: str
    client_name: str
    created_at: datetime
    last_refreshed_at: datetime | None
    expires_at: datetime
    address: str | None
    user_agent: str | None


async def list_logins(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    now: datetime,
    *,
    limit: int,
    before: Place | None = None,
) -> list[LiveLogin]:
    """At most ``limit`` logins of a user that go on, newest first, behind the place ``before``.

    When one was refreshed last is when its newest refresh token was issued, so that no request
    has to write it down.
    """
    live = select(Login).where(is_live(user_id, now))
    # A page of rows first: what is beside a login is looked up for those that are shown alone.
    shown = newest_first(live, Login.created_at, Login.id, limit=limit, before=before)
    return await describe_logins(connection, shown)


def is_live(user_id: uuid.UUID, now: datetime) -> ColumnElement[bool]:
    """Of a login: whether it is the user's and goes on."""
    return and_(Login.user_id == user_id, Login.ended_at.is_(None), Login.expires_at > now)


async def describe_logins(connection: AsyncConnection, which: Select[Login]) -> list[LiveLogin]:
    """The logins that are selected, newest first, with what is beside them."""
    shown = which.subquery()
    last_refreshed = (
        select(func.max(RefreshToken.issued_at))
        .where(RefreshToken.login_id == shown.c.id, RefreshToken.parent_hash.is_not(None))
        .scalar_subquery()
    )
    rows = await connection.execute(
        select(
            shown.c.id,
            shown.c.client_id,
            Client.name,
            shown.c.created_at,
            last_refreshed,
            shown.c.expires_at,
            shown.c.address,
            shown.c.user_agent,
        )
        .join_from(shown, Client, Client.client_id == shown.c.client_id)
        .order_by(shown.c.created_at.desc(), shown.c.id.desc())
    )
    return [LiveLogin(*row) for row in rows]


@dataclass(frozen=True)
class LiveUser(Person):
    """The user of a login that goes on."""

    scopes: frozenset[str]


_LIVE_USERS = (
    select(
        Login.id.label("login_id"),
        User.id,
        User.username,
        User.updated_at,
        *PROFILE,
        SCOPES_OF_USER,
    )
    .join_from(Login, User, Login.user_id == User.id)
    .where(
        Login.id.in_(bindparam("login_ids", expanding=True)),
        Login.ended_at.is_(None),
        User.disabled_at.is_(None),
    )
)


async def find_live_user(connection: AsyncConnection, login_id: uuid.UUID) -> LiveUser | None:
    """The user of that login, unless the login has ended or the user is disabled or gone."""
    return (await _find_live_users(connection, [login_id])).get(login_id)


async def _find_live_users(
    connection: AsyncConnection, login_ids: Sequence[uuid.UUID]
) -> Mapping[uuid.UUID, LiveUser]:
    rows = (await connection.execute(_LIVE_USERS, {"login_ids": login_ids})).all()
    return {
        row.login_id: LiveUser(
            row.id, row.username, profile_of(row), row.updated_at, scopes=row.scopes
        )
        for row in rows
    }


class LiveLogins:
    """Which logins go on, and whose they are, at this moment: nothing is kept."""

    def __init__(self, database: Database) -> None:
        """Nothing is read yet."""
        self._database = database
        self._batched: Batched[uuid.UUID, LiveUser] = Batched(self._load)

    async def find(self, login_id: uuid.UUID) -> LiveUser | None:
        """The user of that login, unless the login has ended or the user is disabled or gone."""
        return await self._batched.get(login_id)

    async def _load(self, login_ids: Sequence[uuid.UUID]) -> Mapping[uuid.UUID, LiveUser]:
        async with self._database.read() as connection:
            return await _find_live_users(connection, login_ids)
