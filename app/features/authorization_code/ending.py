"""What ends along with logins, and what a purge deletes: see :mod:`app.login.endings`."""

import uuid
from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.expired import KEPT_LONGER, Expired
from app.features.authorization_code.browser_sessions import end_other_sessions
from app.features.authorization_code.model import (
    AuthorizationCode,
    BrowserSession,
    Consent,
    PendingAuthorization,
)
from app.login.endings import Along
from app.models import Login
from app.settings import Settings


async def _end_sessions(
    connection: AsyncConnection, user_id: uuid.UUID, kept: uuid.UUID | None, now: datetime
) -> None:
    """Every browser session of the user ends but the one that the login ``kept`` came through."""
    own = await connection.scalar(select(Login.session_id).where(Login.id == kept))
    await end_other_sessions(connection, user_id, own, now)


async def _end_requests(connection: AsyncConnection, client_id: str, now: datetime) -> None:
    """No code of the client is good any more, and none of its requests waits for its user."""
    await connection.execute(
        update(AuthorizationCode)
        .where(AuthorizationCode.client_id == client_id, AuthorizationCode.used_at.is_(None))
        .values(used_at=now)
    )
    await connection.execute(
        delete(PendingAuthorization).where(PendingAuthorization.client_id == client_id)
    )


async def _forget_scope(connection: AsyncConnection, scope: str) -> None:
    """Nobody has allowed it, should there be another one of its name."""
    await connection.execute(delete(Consent).where(Consent.scope == scope))


ALONG = Along(with_logins=_end_sessions, with_client=_end_requests, with_scope=_forget_scope)


def expired(settings: Settings, now: datetime) -> Sequence[Expired]:
    """What is over at that time. A code stays known as used for as long as its tokens are good."""
    over = now - KEPT_LONGER - timedelta(seconds=settings.access_token_ttl)
    return [
        Expired(PendingAuthorization.key_hash, PendingAuthorization.expires_at, now),
        Expired(AuthorizationCode.code_hash, AuthorizationCode.expires_at, over),
        Expired(BrowserSession.id, BrowserSession.expires_at, over),
    ]
