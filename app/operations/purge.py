"""Deleting what has expired, in small batches that no request has to wait for."""

from collections.abc import Iterator, Mapping
from datetime import timedelta

from sqlalchemy import or_

from app.audit.trail import OPERATOR, Event, record
from app.database.expired import KEPT_LONGER, Expired, Progress, delete_expired
from app.login.counts import FORGOTTEN_AFTER
from app.login.throttle import KNOWN_FOR
from app.models import (
    AuditEvent,
    FailedLogins,
    KnownOrigin,
    Login,
    RefreshToken,
    RevokedToken,
    SigningKey,
)
from app.server import Server


async def _nothing() -> None:
    """Nobody has to be told of the progress."""


async def purge(
    server: Server, audit_days: int | None = None, progress: Progress = _nothing
) -> Mapping[str, int]:
    """Delete expired rows; return how many of each table.

    Audit events go only when they are older than ``audit_days``, if that is given. ``progress`` is
    told after each transaction.
    """
    deleted = {
        expired.table: await delete_expired(server.database, expired, progress)
        for expired in _all_expired(server)
    }
    for feature in server.features:
        if feature.purge:
            parts = server.database, server.clock, server.notify, progress
            deleted |= await feature.purge(*parts)
    if audit_days is not None:
        now = server.clock.now()
        kept_since = now - timedelta(days=audit_days)
        purged = Event(
            type="trail.purged", actor=OPERATOR, details={"before": kept_since.isoformat()}
        )
        async with server.database.transaction() as connection:
            await record(connection, now, purged)
        old = Expired(AuditEvent.id, AuditEvent.at, kept_since)
        deleted[old.table] = await delete_expired(server.database, old, progress)
    return deleted


def _all_expired(server: Server) -> Iterator[Expired]:
    """What is over now.

    A login stays until every token issued from it is over, so that a used refresh token is known
    as used for as long as it could be presented.
    """
    now, settings = server.clock.now(), server.settings
    long_over = now - KEPT_LONGER
    over = long_over - timedelta(seconds=settings.access_token_ttl)
    # One that is refreshed every quarter of an hour has thousands of tokens after a month.
    tokens = (RefreshToken.token_hash, RefreshToken.login_id)
    yield Expired(Login.id, Login.expires_at, over, children=[tokens])
    yield Expired(FailedLogins.key_hash, FailedLogins.last_failed_at, now - FORGOTTEN_AFTER)
    yield Expired(KnownOrigin.key_hash, KnownOrigin.last_login_at, now - KNOWN_FOR)
    yield Expired(RevokedToken.token_id, RevokedToken.expires_at, long_over)
    hints_over = or_(SigningKey.hints_until.is_(None), SigningKey.hints_until < now)
    retired_long_ago = now - timedelta(days=90)
    yield Expired(SigningKey.kid, SigningKey.retired_at, retired_long_ago, also=hints_over)
    for feature in server.features:
        yield from feature.expired(settings, now) if feature.expired else ()
