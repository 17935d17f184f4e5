"""Browser sessions: who is logged in at this server's own pages."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import USER_AGENT_MAX_LENGTH, Origin
from app.database.paging import Place, newest_first
from app.errors import NotFoundError
from app.features.authorization_code.model import AuthorizationCode, BrowserSession
from app.identity.users import hold_user, holding
from app.login.strength import PASSWORD_ALONE
from app.models import Login, User
from app.security.opaque import generate_secret, hash_secret


@dataclass(frozen=True)
class Session:
    """A live session, and its user."""

    id: uuid.UUID
    user_id: uuid.UUID
    username: str
    email: str | None
    authenticated_at: datetime
    origin: Origin
    security_stamp: str = ""
    """Of the user."""
    amr: Sequence[str] = PASSWORD_ALONE
    """With what, by the names of RFC 8176."""
    locale: str | None = None
    """The language that the user has chosen."""


async def start_session(
    connection: AsyncConnection,
    *,
    user_id: uuid.UUID,
    origin: Origin,
    now: datetime,
    expires_at: datetime,
    amr: Sequence[str] = PASSWORD_ALONE,
) -> str:
    """Start a session of a user who logged in with ``amr``.

    Returns the secret for its cookie, which is always a new one.
    """
    secret = generate_secret()
    agent = origin.user_agent
    await connection.execute(
        insert(BrowserSession).values(
            secret_hash=hash_secret(secret),
            user_id=user_id,
            created_at=now,
            amr=list(amr),
            expires_at=expires_at,
            address=origin.address,
            user_agent=agent[:USER_AGENT_MAX_LENGTH] if agent else None,
        )
    )
    return secret


async def find_session(connection: AsyncConnection, secret: str, now: datetime) -> Session | None:
    """The session of a cookie, unless it has ended or its user is disabled."""
    return await _find(connection, BrowserSession.secret_hash == hash_secret(secret), now)


async def find_session_id(connection: AsyncConnection, secret: str) -> uuid.UUID | None:
    """The id of the session of a cookie, also if it is over."""
    query = select(BrowserSession.id).where(BrowserSession.secret_hash == hash_secret(secret))
    return await connection.scalar(query)


_HOLD_USER_OF_SESSION = holding(
    select(BrowserSession.user_id)
    .where(BrowserSession.id == bindparam("session_id"))
    .scalar_subquery()
)


async def hold_session(
    connection: AsyncConnection, session_id: uuid.UUID, now: datetime
) -> Session | None:
    """A session as it is now, which stays so until the transaction ends, for its user is held.

    None if it is over, or its user disabled.
    """
    await connection.execute(_HOLD_USER_OF_SESSION, {"session_id": session_id})
    return await _find(connection, BrowserSession.id == session_id, now)


async def _find(
    connection: AsyncConnection, which: ColumnElement[bool], now: datetime
) -> Session | None:
    row = (
        await connection.execute(
            select(
                BrowserSession.id,
                User.id.label("user_id"),
                User.username,
                User.email,
                User.security_stamp,
                User.locale,
                BrowserSession.created_at,
                BrowserSession.address,
                BrowserSession.user_agent,
                BrowserSession.amr,
            )
            .join(User, User.id == BrowserSession.user_id)
            .where(which, _goes_on(now), User.disabled_at.is_(None))
        )
    ).one_or_none()
    if row is None:
        return None
    return Session(
        row.id,
        row.user_id,
        row.username,
        row.email,
        row.created_at,
        Origin(row.address, row.user_agent),
        row.security_stamp,
        tuple(row.amr),
        row.locale,
    )


def _goes_on(now: datetime) -> ColumnElement[bool]:
    return BrowserSession.ended_at.is_(None) & (BrowserSession.expires_at > now)


@dataclass(frozen=True)
class LiveSession:
    """A live session, as its user sees it."""

    id: uuid.UUID
    created_at: datetime
    address: str | None
    user_agent: str | None


async def list_sessions(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    now: datetime,
    *,
    limit: int,
    but: uuid.UUID | None = None,
    before: Place | None = None,
) -> list[LiveSession]:
    """At most ``limit`` browser sessions of a user that go on, all ``but`` that one.

    Newest first, behind the place ``before``.
    """
    query = select(
        BrowserSession.id,
        BrowserSession.created_at,
        BrowserSession.address,
        BrowserSession.user_agent,
    ).where(BrowserSession.user_id == user_id, _goes_on(now))
    if but is not None:
        query = query.where(BrowserSession.id != but)
    rows = await connection.execute(
        newest_first(
            query, BrowserSession.created_at, BrowserSession.id, limit=limit, before=before
        )
    )
    return [LiveSession(*row) for row in rows]


async def end_session(connection: AsyncConnection, session_id: uuid.UUID, now: datetime) -> None:
    """End a session, and the logins through it that were not granted ``offline_access``."""
    await connection.execute(_HOLD_USER_OF_SESSION, {"session_id": session_id})
    await connection.execute(
        update(BrowserSession)
        .where(BrowserSession.id == session_id, BrowserSession.ended_at.is_(None))
        .values(ended_at=now)
    )
    online = ~(" " + Login.scope + " ").contains(" offline_access ")
    await connection.execute(
        update(Login)
        .where(Login.session_id == session_id, Login.ended_at.is_(None), online)
        .values(ended_at=now)
    )


async def end_own_session(
    connection: AsyncConnection, user_id: uuid.UUID, session_id: uuid.UUID, now: datetime
) -> None:
    """End one of a user's sessions, as logging out there would.

    Raises :class:`NotFoundError` if it is not theirs or over.
    """
    await hold_user(connection, user_id)
    found = await connection.scalar(
        select(BrowserSession.id).where(
            BrowserSession.id == session_id, BrowserSession.user_id == user_id, _goes_on(now)
        )
    )
    if found is None:
        raise NotFoundError(told="There is no such session.")
    await end_session(connection, session_id, now)


async def replace_session(
    connection: AsyncConnection, old: uuid.UUID, new: uuid.UUID, now: datetime
) -> None:
    """Let the same user's new session take the old one's place: what came through it goes on.

    No longer than it would have: when a login ends was settled when it began. Nothing goes on of
    an old session that is over by now.
    """
    await connection.execute(_HOLD_USER_OF_SESSION, {"session_id": old})
    replaced = await connection.execute(
        update(BrowserSession)
        .where(BrowserSession.id == old, _goes_on(now))
        .values(ended_at=now)
        .returning(BrowserSession.id)
    )
    if replaced.one_or_none() is None:
        return
    for table in (Login, AuthorizationCode):
        await connection.execute(
            update(table).where(table.session_id == old).values(session_id=new)
        )


async def end_other_sessions(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID | None, now: datetime
) -> None:
    """End every browser session of a user but one; their logins are for the caller to end."""
    await hold_user(connection, user_id)
    query = update(BrowserSession).where(
        BrowserSession.user_id == user_id, BrowserSession.ended_at.is_(None)
    )
    if kept is not None:
        query = query.where(BrowserSession.id != kept)
    await connection.execute(query.values(ended_at=now))


async def log_out_elsewhere(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID, now: datetime
) -> None:
    """End all of a user but one browser session and what came through it.

    Whoever asks for this may have lost a device: ``offline_access`` spares nothing.
    """
    await end_other_sessions(connection, user_id, kept, now)
    outside = Login.session_id.is_distinct_from(kept)
    await connection.execute(
        update(Login)
        .where(Login.user_id == user_id, Login.ended_at.is_(None), outside)
        .values(ended_at=now)
    )
