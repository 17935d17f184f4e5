"""Managing resources."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security
from pydantic import BaseModel, Field

from app.api.paging import (
    CHANGE_RESPONSES,
    EDIT_RESPONSES,
    NO_NUL,
    ExpectedVersions,
    Limit,
    etag,
)
from app.features.resources import service
from app.features.resources.service import NewResource, ResourceDefinition, ResourceRecord
from app.identity.definition import STRICT, changes_of, partial
from app.management.authority import Actor
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import page
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/resources", tags=["resources"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["resources:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["resources:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such resource.")}


@partial
class ResourcePatch(ResourceDefinition):
    """What to change; what is left out stays."""

    model_config = STRICT


class ResourcePage(BaseModel):
    """Some of the resources, and where the next ones begin."""

    resources: list[ResourceRecord]
    next_cursor: str | None = Field(description="Send it as `cursor`; null at the end.")


def _out(record: ResourceRecord, response: Response) -> ResourceRecord:
    response.headers["ETag"] = etag(record.updated_at)
    return record


@router.get("", operation_id="list_resources", summary="List resources")
async def list_resources(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[
        str | None,
        Query(max_length=255, pattern=NO_NUL, description="`next_cursor` of a page."),
    ] = None,
) -> ResourcePage:
    """Resources by identifier."""
    records = await service.list_resources(reading, limit=limit + 1, after=cursor)
    shown, next_cursor = page(records, limit, lambda resource: resource.identifier)
    return ResourcePage(resources=list(shown), next_cursor=next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="create_resource",
    summary="Register a resource",
    responses=CHANGE_RESPONSES,
)
async def create_resource(
    actor: Writer, server: CurrentServer, wanted: NewResource, response: Response
) -> ResourceRecord:
    """Register a resource (RFC 8707), and the clients that may have tokens for it."""
    record = await service.create_resource(actor, wanted)
    response.headers["Location"] = f"{server.settings.issuer}/resources/{record.id}"
    return _out(record, response)


@router.get(
    "/{resource_id}", operation_id="get_resource", summary="Get a resource", responses=NOT_FOUND
)
async def get_resource(
    principal: Reader, reading: Reading, resource_id: uuid.UUID, response: Response
) -> ResourceRecord:
    """One resource, with an `ETag` for `If-Match`."""
    return _out(await service.get_resource(reading, resource_id), response)


@router.patch(
    "/{resource_id}",
    operation_id="update_resource",
    summary="Change a resource",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def update_resource(
    actor: Writer,
    resource_id: uuid.UUID,
    changes: ResourcePatch,
    expected: ExpectedVersions,
    response: Response,
) -> ResourceRecord:
    """Change a resource. Logins for it end of a client that it is taken away from."""
    record = await service.change_resource(actor, resource_id, changes_of(changes), expected)
    return _out(record, response)


@router.delete(
    "/{resource_id}",
    status_code=204,
    operation_id="delete_resource",
    summary="Delete a resource",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def delete_resource(
    actor: Writer, resource_id: uuid.UUID, expected: ExpectedVersions
) -> None:
    """Delete a resource. Every login for it ends."""
    await service.delete_resource(actor, resource_id, expected)
