"""Browser sessions: who is logged in at this server's own pages."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import USER_AGENT_MAX_LENGTH, Origin
from app.errors import NotFoundError
from app.login.logins import end_logins_outside
from app.models import AuthorizationCode, BrowserSession, Login, User
from app.security.opaque import generate_secret, hash_secret


@dataclass(frozen=True)
class Session:
    """A session that goes on, and its user."""

    id: uuid.UUID
    user_id: uuid.UUID
    username: str
    email: str | None
    authenticated_at: datetime


async def start_session(
    connection: AsyncConnection,
    *,
    user_id: uuid.UUID,
    origin: Origin,
    now: datetime,
    expires_at: datetime,
) -> str:
    """Begin a session; return the secret for its cookie, which is never one that was there."""
    secret = generate_secret()
    agent = origin.user_agent
    await connection.execute(
        insert(BrowserSession).values(
            secret_hash=hash_secret(secret),
            user_id=user_id,
            created_at=now,
            expires_at=expires_at,
            address=origin.address,
            user_agent=agent[:USER_AGENT_MAX_LENGTH] if agent else None,
        )
    )
    return secret


async def find_session(connection: AsyncConnection, secret: str, now: datetime) -> Session | None:
    """The session of a cookie, unless it is over or its user disabled."""
    row = (
        await connection.execute(
            select(
                BrowserSession.id,
                User.id.label("user_id"),
                User.username,
                User.email,
                BrowserSession.created_at,
            )
            .join(User, User.id == BrowserSession.user_id)
            .where(
                BrowserSession.secret_hash == hash_secret(secret),
                _goes_on(now),
                User.disabled_at.is_(None),
            )
        )
    ).one_or_none()
    return None if row is None else Session(*row)


def _goes_on(now: datetime) -> ColumnElement[bool]:
    return BrowserSession.ended_at.is_(None) & (BrowserSession.expires_at > now)


@dataclass(frozen=True)
class LiveSession:
    """A session that goes on, as its user sees it."""

    id: uuid.UUID
    created_at: datetime
    address: str | None
    user_agent: str | None


async def list_sessions(
    connection: AsyncConnection, user_id: uuid.UUID, now: datetime
) -> list[LiveSession]:
    """The browser sessions of a user that go on, newest first."""
    rows = await connection.execute(
        select(
            BrowserSession.id,
            BrowserSession.created_at,
            BrowserSession.address,
            BrowserSession.user_agent,
        )
        .where(BrowserSession.user_id == user_id, _goes_on(now))
        .order_by(BrowserSession.created_at.desc(), BrowserSession.id)
    )
    return [LiveSession(*row) for row in rows]


async def end_session(connection: AsyncConnection, session_id: uuid.UUID, now: datetime) -> None:
    """End a session, and the logins through it that were not granted ``offline_access``."""
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
    found = await connection.scalar(
        select(BrowserSession.id).where(
            BrowserSession.id == session_id, BrowserSession.user_id == user_id, _goes_on(now)
        )
    )
    if found is None:
        raise NotFoundError("There is no such session.")
    await end_session(connection, session_id, now)


async def replace_session(
    connection: AsyncConnection, old: uuid.UUID, new: uuid.UUID, now: datetime
) -> None:
    """Let the same user's new session take the old one's place: what came through it goes on."""
    for table in (Login, AuthorizationCode):
        await connection.execute(
            update(table).where(table.session_id == old).values(session_id=new)
        )
    await connection.execute(
        update(BrowserSession).where(BrowserSession.id == old).values(ended_at=now)
    )


async def end_other_sessions(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID | None, now: datetime
) -> None:
    """End every browser session of a user but one; their logins are for the caller to end."""
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
    await end_logins_outside(connection, user_id, kept, now)
