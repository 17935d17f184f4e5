"""Cursors into lists that are shown in pages: where the next page begins."""

import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from app.database.paging import Place
from app.management.versions import moment_of, version_of

Record = TypeVar("Record")


def page(
    records: Sequence[Record], limit: int, cursor_of: Callable[[Record], object]
) -> tuple[Sequence[Record], str | None]:
    """The first ``limit`` of ``records``, which were read with one more, and the next cursor."""
    shown = records[:limit]
    more = len(records) > limit
    return shown, str(cursor_of(shown[-1])) if more else None


def place_of(at: datetime, row: object) -> str:
    """A cursor into a list by time: it still holds when its row is gone."""
    return f"{version_of(at)}.{row}"


def place_at(cursor: str) -> tuple[datetime, str]:
    """The time and the row of a cursor that has the form of :func:`place_of`."""
    version, _, row = cursor.partition(".")
    return moment_of(version), row


ROW_CURSOR = r"^[0-9]{1,17}\.[0-9a-f]{32}$"
"""The form of a cursor into a list of rows with an id, by time."""


def row_place_of(at: datetime, row_id: uuid.UUID) -> str:
    """A cursor of the form :data:`ROW_CURSOR`."""
    return place_of(at, row_id.hex)


def row_place_at(cursor: str) -> Place:
    """The place of such a cursor."""
    at, row_id = place_at(cursor)
    return at, uuid.UUID(row_id)


EVENT_CURSOR = r"^[0-9]{1,17}\.[0-9]{1,18}$"
"""The form of a cursor into the audit trail."""


def event_place_at(cursor: str) -> tuple[datetime, int]:
    """The place of such a cursor."""
    at, event_id = place_at(cursor)
    return at, int(event_id)
