"""The newest events of some types that a user has in the audit trail."""

import uuid
from collections.abc import Collection, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Select, String, bindparam, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import EVENT_COLUMNS, IS_BEHIND, NEWEST_FIRST, RecordedEvent, behind
from app.models import AuditEvent


async def list_events_of_types(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    types: Collection[str],
    *,
    limit: int,
    before: tuple[datetime, int] | None = None,
) -> Sequence[RecordedEvent]:
    """At most ``limit`` events of a user that have one of ``types``, newest first.

    The newest of each type are looked up by themselves: however often a client refreshed its
    tokens between two logins, none of that is read.
    """
    newest = _newest_of_types(tuple(types), limit, before is not None)
    parameters = {"of_user": str(user_id), **behind(before)}
    return [RecordedEvent(*row) for row in await connection.execute(newest, parameters)]


@lru_cache(maxsize=8)
def _newest_of_types(types: tuple[str, ...], limit: int, after_others: bool) -> Select[Any]:
    """Built once for each list of types: to build it takes five times as long as to run it."""
    parts = []
    for each in types:
        query = select(*EVENT_COLUMNS).where(
            AuditEvent.user_id == bindparam("of_user", type_=String()), AuditEvent.type == each
        )
        if after_others:
            query = query.where(IS_BEHIND)
        parts.append(select(query.order_by(*NEWEST_FIRST).limit(limit).subquery()))
    found = union_all(*parts).subquery()
    return select(found).order_by(found.c.at.desc(), found.c.id.desc()).limit(limit)
