"""The audit trail: written in the transaction of what it tells. docs/audit.md describes it."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network
from typing import Any, Literal, NewType

from sqlalchemy import BigInteger, bindparam, insert, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import AuditEvent
from app.models.base import UtcDateTime

OPERATOR = "operator"
"""The actor of the command line."""

ADMINISTRATOR = "administrator"
"""Whom users see as the actor where it was neither they nor an application by itself."""

USER_AGENT_MAX_LENGTH = 255


@dataclass(frozen=True)
class Origin:
    """Where a request came from."""

    address: str | None
    user_agent: str | None
    request_id: str | None = None
    """What the lines of the log about this request have."""


NOWHERE = Origin(None, None)


@lru_cache(maxsize=4096)
def network_of(address: str | None) -> str:
    """IPv6 by /64, which is what one household or one attacker has."""
    try:
        parsed = ip_address(address or "")
    except ValueError:
        return address or ""
    if isinstance(parsed, IPv6Address):
        return str(ip_network((parsed, 64), strict=False))
    return str(parsed)


EventType = Literal[
    "client.changed",
    "client.created",
    "client.deleted",
    "client.refused",
    "client.secret_rotated",
    "code.refused",
    "code.reused",
    "consent.denied",
    "consent.granted",
    "consent.withdrawn",
    "email.changed",
    "key.imported",
    "key.retired",
    "key.rotated",
    "login.failed",
    "login.locked",
    "login.succeeded",
    "login.unlocked",
    "password.changed",
    "records.applied",
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
"""Everything that can happen in the core. docs/audit.md has a row for each."""

FeatureEventType = NewType("FeatureEventType", str)
"""What can happen in a feature: a constant beside what writes it, which its object lists."""


@dataclass(frozen=True, kw_only=True)
class Event:
    """Something that happened. ``details`` never hold a credential."""

    type: EventType | FeatureEventType
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
            "request_id": self.origin.request_id,
            "details": dict(self.details),
        }


# Built once, as all that a login runs: its key in the cache of compiled statements stays with it.
INSERT_EVENT = insert(AuditEvent)


async def record(connection: AsyncConnection, now: datetime, *events: Event) -> None:
    """Add ``events`` to the trail, in the caller's transaction."""
    await connection.execute(INSERT_EVENT, [event.row(now) for event in events])


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
    request_id: str | None
    details: Mapping[str, Any]


def as_seen_by(user_id: uuid.UUID, event: RecordedEvent) -> RecordedEvent:
    """What its user may see of ``event``: not who else it was, nor from where."""
    if event.actor in (None, str(user_id)):
        return event
    actor = event.actor if event.actor == event.client_id else ADMINISTRATOR
    return replace(event, actor=actor, address=None, user_agent=None, request_id=None)


EVENT_COLUMNS = [getattr(AuditEvent, each.name) for each in fields(RecordedEvent)]

NEWEST_FIRST = AuditEvent.at.desc(), AuditEvent.id.desc()

IS_BEHIND = tuple_(AuditEvent.at, AuditEvent.id) < tuple_(
    bindparam("before_at", type_=UtcDateTime()), bindparam("before_id", type_=BigInteger())
)


def behind(before: tuple[datetime, int] | None) -> dict[str, Any]:
    """What :data:`IS_BEHIND` compares with."""
    return {} if before is None else {"before_at": before[0], "before_id": before[1]}


async def list_events(
    connection: AsyncConnection,
    *,
    limit: int,
    before: tuple[datetime, int] | None = None,
    actor: str | None = None,
    user_id: str | None = None,
    client_id: str | None = None,
    event_type: str | None = None,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Sequence[RecordedEvent]:
    """At most ``limit`` events that match, newest first, behind the time and id ``before``.

    From ``since`` on and before ``until``.
    """
    query = select(*EVENT_COLUMNS)
    if before is not None:
        query = query.where(IS_BEHIND)
    if actor is not None:
        query = query.where(AuditEvent.actor == actor)
    if user_id is not None:
        query = query.where(AuditEvent.user_id == user_id)
    if client_id is not None:
        query = query.where(AuditEvent.client_id == client_id)
    if event_type is not None:
        query = query.where(AuditEvent.type == event_type)
    if since is not None:
        query = query.where(AuditEvent.at >= since)
    if until is not None:
        query = query.where(AuditEvent.at < until)
    newest_first = query.order_by(*NEWEST_FIRST).limit(limit)
    return [RecordedEvent(*row) for row in await connection.execute(newest_first, behind(before))]
