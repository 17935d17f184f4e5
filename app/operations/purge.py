"""Deleting what has expired, in small batches that no request has to wait for."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, or_, select
from sqlalchemy.orm import InstrumentedAttribute

from app.audit.trail import OPERATOR, Event, record
from app.login.throttle import FORGOTTEN_AFTER, KNOWN_FOR
from app.models import (
    AuditEvent,
    AuthorizationCode,
    BrowserSession,
    FailedLogins,
    KnownOrigin,
    Login,
    PendingAuthorization,
    RevokedToken,
    SigningKey,
)
from app.server import Server

BATCH = 500
"""Rows in one transaction."""

KEPT_LONGER = timedelta(days=1)
"""What keeps something from being good again stays for so long after that is over by itself: a
purge by a clock that is ahead by less brings nothing back."""


async def purge(server: Server, audit_days: int | None = None) -> Mapping[str, int]:
    """Delete expired rows; return how many of each kind.

    Audit events go only when they are older than ``audit_days``, if that is given.

    A login stays until every token issued from it is over, so that a used refresh token is known
    as used for as long as it could be presented.
    """
    now = server.clock.now()
    settings = server.settings
    long_over = now - KEPT_LONGER
    over = long_over - timedelta(seconds=settings.access_token_ttl)
    deleted = {
        "pending_authorizations": await _delete(
            server, PendingAuthorization.key_hash, PendingAuthorization.expires_at < now
        ),
        "authorization_codes": await _delete(
            server, AuthorizationCode.code_hash, AuthorizationCode.expires_at < over
        ),
        "browser_sessions": await _delete(
            server, BrowserSession.id, BrowserSession.expires_at < over
        ),
        "logins": await _delete(server, Login.id, Login.expires_at < over),
        "failed_logins": await _delete(
            server, FailedLogins.key_hash, FailedLogins.last_failed_at < now - FORGOTTEN_AFTER
        ),
        "known_origins": await _delete(
            server, KnownOrigin.key_hash, KnownOrigin.last_login_at < now - KNOWN_FOR
        ),
        "revoked_tokens": await _delete(
            server, RevokedToken.token_id, RevokedToken.expires_at < long_over
        ),
        "signing_keys": await _delete(server, SigningKey.kid, _long_retired(now)),
    }
    for feature in server.features:
        for key, expired in feature.expired(settings, now) if feature.expired else ():
            deleted[key.class_.__tablename__] = await _delete(server, key, expired)
    if audit_days is not None:
        kept_since = now - timedelta(days=audit_days)
        purged = Event(
            type="trail.purged", actor=OPERATOR, details={"before": kept_since.isoformat()}
        )
        async with server.database.transaction() as connection:
            await record(connection, now, purged)
        deleted["audit_events"] = await _delete(server, AuditEvent.id, AuditEvent.at < kept_since)
    return deleted


def _long_retired(now: datetime) -> ColumnElement[bool]:
    hints_over = or_(SigningKey.hints_until.is_(None), SigningKey.hints_until < now)
    return and_(SigningKey.retired_at < now - timedelta(days=90), hints_over)


async def _delete(
    server: Server, key: InstrumentedAttribute[Any], expired: ColumnElement[bool]
) -> int:
    batch = delete(key.class_).where(key.in_(select(key).where(expired).limit(BATCH)))
    deleted = 0
    while True:
        async with server.database.transaction() as connection:
            count = (await connection.execute(batch)).rowcount
        deleted += count
        if count < BATCH:
            return deleted
