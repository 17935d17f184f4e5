"""Managing resources."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel

from app.api.paging import (
    CHANGE_RESPONSES,
    EDIT_RESPONSES,
    ExpectedVersions,
    Limit,
    NextCursor,
    cursor_of_at_most,
    with_etag,
)
from app.features.resources import records, service
from app.features.resources.records import NewResource, ResourceDefinition, ResourceRecord
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
    next_cursor: NextCursor


@router.get("", operation_id="list_resources", summary="List resources")
async def list_resources(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[str | None, cursor_of_at_most(255)] = None,
) -> ResourcePage:
    """Resources by identifier."""
    found = await records.list_resources(reading, limit=limit + 1, after=cursor)
    shown, next_cursor = page(found, limit, lambda resource: resource.identifier)
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
    service.require_elsewhere(server.settings, record)
    response.headers["Location"] = f"{server.settings.issuer}/resources/{record.id}"
    return with_etag(record, response)


@router.get(
    "/{resource_id}", operation_id="get_resource", summary="Get a resource", responses=NOT_FOUND
)
async def get_resource(
    principal: Reader, reading: Reading, resource_id: uuid.UUID, response: Response
) -> ResourceRecord:
    """One resource, with an `ETag` for `If-Match`."""
    return with_etag(await records.get_resource(reading, resource_id), response)


@router.patch(
    "/{resource_id}",
    operation_id="update_resource",
    summary="Change a resource",
    responses={**NOT_FOUND, **CHANGE_RESPONSES, **EDIT_RESPONSES},
)
async def update_resource(
    actor: Writer,
    server: CurrentServer,
    resource_id: uuid.UUID,
    changes: ResourcePatch,
    expected: ExpectedVersions,
    response: Response,
) -> ResourceRecord:
    """Change a resource. Logins for it end of a client that it is taken away from."""
    record = await service.change_resource(actor, resource_id, changes_of(changes), expected)
    service.require_elsewhere(server.settings, record)
    return with_etag(record, response)


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
