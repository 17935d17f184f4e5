"""Lists in pages, and edits that notice each other."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Header, Query

from app.errors import PreconditionFailedError
from app.problems import problem

Record = TypeVar("Record")

Limit = Annotated[int, Query(ge=1, le=200, description="How many at most.")]

CHANGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    409: problem("It exists already, is in use, or is the last administrator."),
    412: problem("It was changed meanwhile (`If-Match`)."),
}


def page(
    records: Sequence[Record], limit: int, cursor_of: Callable[[Record], object]
) -> tuple[Sequence[Record], str | None]:
    """The first ``limit`` of ``records``, which were read with one more, and the next cursor."""
    shown = records[:limit]
    more = len(records) > limit
    return shown, str(cursor_of(shown[-1])) if more else None


def etag(updated_at: datetime) -> str:
    """The version of a record: the time of its last change, to the microsecond."""
    return f'"{int(updated_at.timestamp() * 1_000_000)}"'


async def _unchanged_since(
    if_match: Annotated[
        str | None, Header(description="The `ETag` that the change is based on.")
    ] = None,
) -> datetime | None:
    """RFC 9110, section 13.1.1. Raises :class:`PreconditionFailedError` for what is no ETag."""
    if if_match is None or if_match == "*":
        return None
    version = if_match.strip().removeprefix('"').removesuffix('"')
    if not version.isascii() or not version.isdigit() or len(version) > 20:
        raise PreconditionFailedError("If-Match is no ETag of this record.")
    seconds, microseconds = divmod(int(version), 1_000_000)
    try:
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=microseconds)
    except (OverflowError, ValueError, OSError):
        raise PreconditionFailedError("If-Match is no ETag of this record.") from None


UnchangedSince = Annotated[datetime | None, Depends(_unchanged_since)]
