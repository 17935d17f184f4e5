"""Logins: the row behind a token's ``sid``, which ends all that was issued from it."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import bindparam, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import Login, User

USER_AGENT_MAX_LENGTH = 255


@dataclass(frozen=True)
class Origin:
    """Where a login came from."""

    address: str | None
    user_agent: str | None


async def start_login(
    connection: AsyncConnection,
    *,
    user_id: uuid.UUID,
    client_id: str,
    scope: str,
    origin: Origin,
    now: datetime,
    expires_at: datetime,
) -> uuid.UUID:
    """Record a login and return its id, the ``sid`` of its tokens."""
    login_id = uuid.uuid4()
    agent = origin.user_agent
    await connection.execute(
        insert(Login).values(
            id=login_id,
            user_id=user_id,
            client_id=client_id,
            scope=scope,
            created_at=now,
            expires_at=expires_at,
            address=origin.address,
            user_agent=agent[:USER_AGENT_MAX_LENGTH] if agent else None,
        )
    )
    return login_id


async def end_login(connection: AsyncConnection, login_id: uuid.UUID, now: datetime) -> None:
    """End a login: from the commit on, none of its tokens works anywhere on this server."""
    await connection.execute(
        update(Login).where(Login.id == login_id, Login.ended_at.is_(None)).values(ended_at=now)
    )


@dataclass(frozen=True)
class LiveUser:
    """The user of a login that goes on."""

    id: uuid.UUID
    username: str
    email: str | None
    email_verified: bool


_LIVE_USER = (
    select(User.id, User.username, User.email, User.email_verified)
    .join_from(Login, User, Login.user_id == User.id)
    .where(
        Login.id == bindparam("login_id"),
        Login.ended_at.is_(None),
        User.disabled_at.is_(None),
    )
)


async def find_live_user(connection: AsyncConnection, login_id: uuid.UUID) -> LiveUser | None:
    """The user of that login, unless the login has ended or the user is disabled or gone."""
    row = (await connection.execute(_LIVE_USER, {"login_id": login_id})).one_or_none()
    return None if row is None else LiveUser(*row)
