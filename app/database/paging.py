"""Lists that are read in pages."""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import TypeVar, TypeVarTuple

from sqlalchemy import Select, SQLColumnExpression, Uuid, literal, tuple_

from app.models.base import UtcDateTime

Record = TypeVar("Record")
Cursor = TypeVar("Cursor")
Columns = TypeVarTuple("Columns")

PAGE = 500
"""Records that are read at once."""


Place = tuple[datetime, uuid.UUID]
"""Where a row stands in a list by time."""


def newest_first(
    query: Select[*Columns],
    created_at: SQLColumnExpression[datetime],
    row_id: SQLColumnExpression[uuid.UUID],
    *,
    limit: int,
    before: Place | None,
) -> Select[*Columns]:
    """At most ``limit`` of what ``query`` finds, newest first, behind the place ``before``."""
    if before is not None:
        at, last_id = before
        place = tuple_(literal(at, UtcDateTime), literal(last_id, Uuid))
        query = query.where(tuple_(created_at, row_id) < place)
    return query.order_by(created_at.desc(), row_id.desc()).limit(limit)


async def every(
    read_page: Callable[[Cursor | None, int], Awaitable[Sequence[Record]]],
    cursor_of: Callable[[Record], Cursor],
) -> list[Record]:
    """All records of a list, of which ``read_page`` reads so many behind a cursor."""
    records: list[Record] = []
    cursor = None
    while True:
        page = await read_page(cursor, PAGE)
        records += page
        if len(page) < PAGE:
            return records
        cursor = cursor_of(page[-1])
