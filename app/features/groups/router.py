"""Groups, for those who manage."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel

from app.api.paging import (
    AUTHORITY_RESPONSES,
    CHANGE_RESPONSES,
    EDIT_RESPONSES,
    ExpectedVersions,
    Limit,
    NextCursor,
    cursor_of_at_most,
    with_etag,
)
from app.features.groups import belonging, service
from app.features.groups.service import (
    NAME_MAX_LENGTH,
    GroupChanges,
    GroupDefinition,
    GroupRecord,
    Member,
)
from app.identity.definition import changes_of
from app.management.authority import Actor
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import page
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/groups", tags=["groups"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["groups:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["groups:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such group.")}
NEITHER_FOUND: dict[int | str, dict[str, Any]] = {
    404: problem("There is no such group, or no such user or client.")
}


class GroupPage(BaseModel):
    """Some of the groups, and where the next ones begin."""

    groups: list[GroupRecord]
    next_cursor: NextCursor


class MemberPage(BaseModel):
    """Some of the members, and where the next ones begin."""

    members: list[Member]
    next_cursor: NextCursor


@router.get("", operation_id="list_groups", summary="List groups")
async def list_groups(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[str | None, cursor_of_at_most(NAME_MAX_LENGTH)] = None,
) -> GroupPage:
    """Groups by name."""
    records = await service.list_groups(reading, limit=limit + 1, after=cursor)
    shown, next_cursor = page(records, limit, lambda group: group.name)
    return GroupPage(groups=list(shown), next_cursor=next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="create_group",
    summary="Add a group",
    responses=CHANGE_RESPONSES,
)
async def create_group(
    actor: Writer, server: CurrentServer, wanted: GroupDefinition, response: Response
) -> GroupRecord:
    """Add a group without members, whose scopes the caller has."""
    record = await service.create_group(actor, wanted)
    response.headers["Location"] = f"{server.settings.issuer}/groups/{record.id}"
    return with_etag(record, response)


@router.get("/{group_id}", operation_id="get_group", summary="Get a group", responses=NOT_FOUND)
async def get_group(
    principal: Reader, reading: Reading, group_id: uuid.UUID, response: Response
) -> GroupRecord:
    """One group, with an `ETag` for `If-Match`."""
    return with_etag(await service.get_group(reading, group_id), response)


@router.patch(
    "/{group_id}",
    operation_id="update_group",
    summary="Change a group",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def update_group(
    actor: Writer,
    group_id: uuid.UUID,
    changes: GroupChanges,
    expected: ExpectedVersions,
    response: Response,
) -> GroupRecord:
    """Change the name, description or scopes. What members have by the group follows at once."""
    record = await service.change_group(actor, group_id, changes_of(changes), expected)
    return with_etag(record, response)


@router.delete(
    "/{group_id}",
    status_code=204,
    operation_id="delete_group",
    summary="Delete a group",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def delete_group(actor: Writer, group_id: uuid.UUID, expected: ExpectedVersions) -> None:
    """Delete a group to which no client is bound. Its members lose what they had by it."""
    await service.delete_group(actor, group_id, expected)


@router.get(
    "/{group_id}/members",
    operation_id="list_group_members",
    summary="List the members of a group",
    responses=NOT_FOUND,
)
async def list_members(
    principal: Reader,
    reading: Reading,
    group_id: uuid.UUID,
    limit: Limit = 50,
    cursor: Annotated[uuid.UUID | None, Query(description="`next_cursor` of a page.")] = None,
) -> MemberPage:
    """Members, by id."""
    await service.get_group(reading, group_id)
    members = await service.list_members(reading, group_id, limit=limit + 1, after=cursor)
    shown, next_cursor = page(members, limit, lambda member: member.id)
    return MemberPage(members=list(shown), next_cursor=next_cursor)


@router.put(
    "/{group_id}/members/{user_id}",
    status_code=204,
    operation_id="add_group_member",
    summary="Add a member",
    responses={**NEITHER_FOUND, **AUTHORITY_RESPONSES},
)
async def add_member(actor: Writer, group_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """Put a user into a group, whose scopes the caller has."""
    await belonging.add_member(actor, group_id, user_id)


@router.delete(
    "/{group_id}/members/{user_id}",
    status_code=204,
    operation_id="remove_group_member",
    summary="Remove a member",
    responses={**NEITHER_FOUND, **CHANGE_RESPONSES},
)
async def remove_member(actor: Writer, group_id: uuid.UUID, user_id: uuid.UUID) -> None:
    """Take a user out of a group: what they had by it is gone at once."""
    await belonging.remove_member(actor, group_id, user_id)


@router.put(
    "/{group_id}/clients/{client_id:path}",
    status_code=204,
    operation_id="add_group_client",
    summary="Open a client to a group",
    responses={**NEITHER_FOUND, **AUTHORITY_RESPONSES},
)
async def add_client(actor: Writer, group_id: uuid.UUID, client_id: str) -> None:
    """Let the members of a group use a client, and nobody else but those of its other groups."""
    await belonging.add_client(actor, group_id, client_id)


@router.delete(
    "/{group_id}/clients/{client_id:path}",
    status_code=204,
    operation_id="remove_group_client",
    summary="Close a client to a group",
    responses={**NEITHER_FOUND, **AUTHORITY_RESPONSES},
)
async def remove_client(actor: Writer, group_id: uuid.UUID, client_id: str) -> None:
    """Take a client from a group. One that no group has is open to everybody."""
    await belonging.remove_client(actor, group_id, client_id)
