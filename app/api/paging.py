"""Lists in pages, and edits that notice each other."""

import re
import uuid
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query

from app.oauth2.bearer import forbidden
from app.problems import problem
from app.services.paging import Place
from app.services.versions import ANY_VERSION, Versions, moment_of, version_of

Record = TypeVar("Record")

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL has no NUL in a text."""

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]

AUTHORITY_RESPONSES = forbidden("whoever asks lacks a scope of whom it is about, or one to grant")
"""What a route can answer that changes what somebody else may do."""

CHANGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **AUTHORITY_RESPONSES,
    409: problem("It exists already, is in use or built in, or is the last administrator."),
}

EDIT_RESPONSES: dict[int | str, dict[str, Any]] = {
    412: problem("It was changed meanwhile (`If-Match`)."),
}
"""What a route can answer as well that takes :data:`ExpectedVersions`."""


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


def etag(updated_at: datetime) -> str:
    """The version of a record, as a header has it."""
    return f'"{version_of(updated_at)}"'


async def _expected_versions(
    if_match: Annotated[
        str | None, Header(description="The `ETag` that the change is based on.")
    ] = None,
) -> Versions:
    """RFC 9110, section 13.1.1: one or several tags, or ``*``."""
    if if_match is None:
        return ANY_VERSION
    tags = {tag.strip() for tag in if_match.split(",")}
    if "*" in tags:
        return ANY_VERSION
    return Versions(frozenset(tag[1:-1] for tag in tags if re.fullmatch(r'"\d+"', tag)))


ExpectedVersions = Annotated[Versions, Depends(_expected_versions)]
