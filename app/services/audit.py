"""The audit trail: written in the transaction of what it tells. docs/audit.md describes it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import AuditEvent
from app.services.logins import USER_AGENT_MAX_LENGTH, Origin

OPERATOR = "operator"
"""The actor of the command line."""

NOWHERE = Origin(None, None)

EventType = Literal[
    "api_key.created",
    "api_key.revoked",
    "client.changed",
    "client.created",
    "client.deleted",
    "client.secret_rotated",
    "code.refused",
    "code.reused",
    "consent.denied",
    "consent.granted",
    "consent.withdrawn",
    "digest.removed",
    "digest.set",
    "email.changed",
    "key.imported",
    "key.retired",
    "key.rotated",
    "login.failed",
    "login.succeeded",
    "password.changed",
    "records.imported",
    "scope.changed",
    "scope.created",
    "scope.deleted",
    "session.ended",
    "token.introspected",
    "token.issued",
    "token.refreshed",
    "token.reused",
    "token.revoked",
    "trail.purged",
    "user.changed",
    "user.created",
    "user.deleted",
    "user.password_reset",
]
"""Everything that can happen. docs/audit.md has a row for each."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. ``details`` never hold a credential."""

    type: EventType
    actor: str | None = None
    user_id: object | None = None
    client_id: str | None = None
    origin: Origin = NOWHERE
    details: Mapping[str, Any] = field(default_factory=dict)

    def row(self, now: datetime) -> dict[str, Any]:
        """The columns of this event."""
        agent = self.origin.user_agent
        return {
            "at": now,
            "type": self.type,
            "actor": self.actor,
            "user_id": None if self.user_id is None else str(self.user_id),
            "client_id": self.client_id,
            "address": self.origin.address,
            "user_agent": agent[:USER_AGENT_MAX_LENGTH] if agent else None,
            "details": dict(self.details),
        }


async def record(connection: AsyncConnection, now: datetime, *events: Event) -> None:
    """Add ``events`` to the trail, in the caller's transaction."""
    await connection.execute(insert(AuditEvent), [event.row(now) for event in events])


@dataclass(frozen=True)
class RecordedEvent:
    """An event as it is read again."""

    id: int
    at: datetime
    type: str
    actor: str | None
    user_id: str | None
    client_id: str | None
    address: str | None
    user_agent: str | None
    details: Mapping[str, Any]


async def list_events(
    connection: AsyncConnection,
    *,
    limit: int,
    before: int | None = None,
    user_id: str | None = None,
    client_id: str | None = None,
    event_type: str | None = None,
    since: datetime | None = None,
) -> Sequence[RecordedEvent]:
    """At most ``limit`` events that match, newest first, older than the event ``before``."""
    query = select(
        AuditEvent.id,
        AuditEvent.at,
        AuditEvent.type,
        AuditEvent.actor,
        AuditEvent.user_id,
        AuditEvent.client_id,
        AuditEvent.address,
        AuditEvent.user_agent,
        AuditEvent.details,
    )
    if before is not None:
        query = query.where(AuditEvent.id < before)
    if user_id is not None:
        query = query.where(AuditEvent.user_id == user_id)
    if client_id is not None:
        query = query.where(AuditEvent.client_id == client_id)
    if event_type is not None:
        query = query.where(AuditEvent.type == event_type)
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    rows = await connection.execute(query.order_by(AuditEvent.id.desc()).limit(limit))
    return [RecordedEvent(*row) for row in rows]
