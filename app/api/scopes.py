"""Managing scopes."""

from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Response, Security
from pydantic import BaseModel, ConfigDict, Field

from app.api.paging import (
    AUTHORITY_RESPONSES,
    CHANGE_RESPONSES,
    Limit,
    NextCursor,
    cursor_of_at_most,
)
from app.identity import scopes
from app.management import scopes as scope_management
from app.management.authority import Actor
from app.oauth2.acting import acting_manager
from app.oauth2.bearer import BEARER_RESPONSES
from app.oauth2.principal import Principal, current_principal
from app.web.cursors import page
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(prefix="/scopes", tags=["scopes"], responses=with_body(BEARER_RESPONSES))

Reader = Annotated[Principal, Security(current_principal, scopes=["scopes:read"])]
Writer = Annotated[Actor, Security(acting_manager, scopes=["scopes:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("There is no such scope.")}


class ScopeModel(BaseModel):
    """A scope, with the sentence that people read when they are asked to allow it."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field(min_length=1, max_length=128, examples=["reports:read"])
    description: str = Field(min_length=1, max_length=255, examples=["Read your reports"])


class ScopePatch(BaseModel):
    """What to change; a name stays, for tokens have it."""

    model_config = ConfigDict(extra="forbid")

    description: str | None = Field(default=None, min_length=1, max_length=255)


class ScopePage(BaseModel):
    """Some of the scopes, and where the next ones begin."""

    scopes: list[ScopeModel]
    next_cursor: NextCursor


@router.get("", operation_id="list_scopes", summary="List scopes")
async def list_scopes(
    principal: Reader,
    reading: Reading,
    limit: Limit = 50,
    cursor: Annotated[str | None, cursor_of_at_most(128)] = None,
) -> ScopePage:
    """Scopes by name."""
    found = await scopes.list_some_scopes(reading, limit=limit + 1, after=cursor)
    records = [ScopeModel(name=name, description=text) for name, text in found.items()]
    shown, next_cursor = page(records, limit, lambda scope: scope.name)
    return ScopePage(scopes=list(shown), next_cursor=next_cursor)


@router.post(
    "",
    status_code=201,
    operation_id="create_scope",
    summary="Add a scope",
    responses=CHANGE_RESPONSES,
)
async def create_scope(
    actor: Writer, server: CurrentServer, wanted: ScopeModel, response: Response
) -> ScopeModel:
    """Add a scope, and give it to everyone who has `scopes:write`, so that they can grant it.

    It appears in `/docs` and in the metadata within two seconds.
    """
    await scope_management.create_scope(actor, name=wanted.name, description=wanted.description)
    response.headers["Location"] = f"{server.settings.issuer}/scopes/{quote(wanted.name, safe=':')}"
    return wanted


@router.get("/{name:path}", operation_id="get_scope", summary="Get a scope", responses=NOT_FOUND)
async def get_scope(principal: Reader, reading: Reading, name: str) -> ScopeModel:
    """One scope."""
    return ScopeModel(name=name, description=await scopes.get_scope(reading, name))


@router.patch(
    "/{name:path}",
    operation_id="update_scope",
    summary="Change a scope's description",
    responses={**NOT_FOUND, **AUTHORITY_RESPONSES},
)
async def update_scope(actor: Writer, name: str, changes: ScopePatch) -> ScopeModel:
    """Change the description that users see on the consent page.

    The caller must have the scope: otherwise they could make a broad permission sound narrow.
    """
    before = await scopes.get_scope(actor.connection, name)
    description = before if changes.description is None else changes.description
    await scope_management.describe_scope(actor, name, description)
    return ScopeModel(name=name, description=description)


@router.delete(
    "/{name:path}",
    status_code=204,
    operation_id="delete_scope",
    summary="Delete a scope",
    responses={**NOT_FOUND, **CHANGE_RESPONSES},
)
async def delete_scope(actor: Writer, server: CurrentServer, name: str) -> None:
    """Delete a scope that only holders of `scopes:write` have, including the caller."""
    await scope_management.delete_scope(
        actor, name, built_in=server.built_in_scopes, holders=server.scope_holders
    )
