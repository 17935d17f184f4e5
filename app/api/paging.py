"""What lists and edits of the JSON API have in common."""

import re
from datetime import datetime
from typing import Annotated, Any, Protocol, TypeVar

from fastapi import Depends, Header, Query, Response
from pydantic import Field

from app.management.versions import ANY_VERSION, Versions, version_of
from app.oauth2.bearer import forbidden
from app.web.problems import problem

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL has no NUL in a text."""

Limit = Annotated[int, Query(ge=1, le=200, description="Maximum number of results.")]

NextCursor = Annotated[str | None, Field(description="Send it as `cursor`; null at the end.")]


def cursor_of_at_most(max_length: int) -> Any:
    """Where a page begins, as the one before it said."""
    return Query(max_length=max_length, pattern=NO_NUL, description="`next_cursor` of a page.")


AUTHORITY_RESPONSES = forbidden("the caller lacks a scope that the record has or would be granted")
"""What a route can answer that changes what another user or client may do."""

CHANGE_RESPONSES: dict[int | str, dict[str, Any]] = {
    **AUTHORITY_RESPONSES,
    409: problem("It already exists, is in use or built in, or is the last administrator."),
}

EDIT_RESPONSES: dict[int | str, dict[str, Any]] = {
    412: problem("It was changed in the meantime (`If-Match`)."),
}
"""What a route can answer as well that takes :data:`ExpectedVersions`."""


class Versioned(Protocol):
    """A record that says when it was changed last."""

    @property
    def updated_at(self) -> datetime:
        """Aware."""


Record = TypeVar("Record", bound=Versioned)


def with_etag(record: Record, response: Response) -> Record:
    """Send the version of a record with it (RFC 9110, section 8.8.3)."""
    response.headers["ETag"] = f'"{version_of(record.updated_at)}"'
    return record


async def _expected_versions(
    if_match: Annotated[
        str | None, Header(description="The `ETag` of the version that the change is based on.")
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
