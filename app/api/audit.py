"""Reading the audit trail."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from app.api.paging import NO_NUL, Limit, NextCursor
from app.audit.trail import EventType, list_events
from app.errors import InvalidError
from app.identity.profile import USERNAME_MAX_LENGTH
from app.identity.users import find_user_id
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import EVENT_CURSOR, event_place_at, page, place_of
from app.web.dependencies import Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/audit", tags=["audit"], responses=with_body(BEARER_RESPONSES))


class AuditEventOut(BaseModel):
    """Something that happened."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    type: str = Field(examples=["login.failed"])
    actor: str | None = Field(
        description="The `sub` of whoever did it; `operator` for the command line."
    )
    user_id: str | None
    client_id: str | None
    address: str | None
    user_agent: str | None
    request_id: str | None = Field(
        description="Also in the log, and in the answer's `X-Request-ID`."
    )
    details: dict[str, Any]


class AuditPage(BaseModel):
    """Some of the events, and where the older ones begin."""

    events: list[AuditEventOut]
    next_cursor: NextCursor


@router.get(
    "",
    operation_id="list_audit_events",
    summary="Read the audit trail",
    responses={404: problem("There is no such user.")},
)
async def list_audit_events(
    principal: Annotated[Principal, Security(current_principal, scopes=["audit:read"])],
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[
        str | None,
        Query(pattern=EVENT_CURSOR, description="`next_cursor` of a page."),
    ] = None,
    actor: Annotated[
        str | None,
        Query(
            max_length=255,
            pattern=NO_NUL,
            description="Who did it: the id of a user or client, or `operator`.",
        ),
    ] = None,
    user: Annotated[
        str | None,
        Query(
            max_length=USERNAME_MAX_LENGTH,
            pattern=NO_NUL,
            description="A user's name, or the id, also of a deleted user.",
        ),
    ] = None,
    client: Annotated[
        str | None, Query(max_length=255, pattern=NO_NUL, description="A client id.")
    ] = None,
    type: Annotated[EventType | None, Query(examples=["login.failed"])] = None,
    since: Annotated[AwareDatetime | None, Query(description="No older than this.")] = None,
    until: Annotated[AwareDatetime | None, Query(description="Older than this.")] = None,
) -> AuditPage:
    """What happened, newest first. docs/audit.md lists every type of event."""
    before = None if cursor is None else event_place_at(cursor)
    events = await list_events(
        reading,
        limit=limit + 1,
        before=before,
        actor=actor,
        user_id=None if user is None else await find_user_id(reading, user),
        client_id=client,
        event_type=type,
        since=None if since is None else _utc(since),
        until=None if until is None else _utc(until),
    )
    shown, next_cursor = page(events, limit, lambda event: place_of(event.at, event.id))
    return AuditPage(
        events=[AuditEventOut.model_validate(event) for event in shown], next_cursor=next_cursor
    )


def _utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InvalidError(told="a time is out of range") from None
