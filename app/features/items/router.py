"""The routes of items. Reading needs one scope, changing another."""

import uuid
from typing import Annotated, Any

from fastapi import APIRouter, Query, Response, Security

from app.features.items import service
from app.features.items.schemas import ItemChanges, ItemOut, ItemPage, NewItem
from app.oauth2.acting import ActingUser, acting_user
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, current_user
from app.web.dependencies import CurrentServer, Reading
from app.web.problems import problem, with_body

router = APIRouter(
    prefix="/items",
    tags=["items"],
    responses=with_body(BEARER_RESPONSES),
)

Reader = Annotated[CurrentUser, Security(current_user, scopes=["items:read"])]
Writer = Annotated[ActingUser, Security(acting_user, scopes=["items:write"])]

NOT_FOUND: dict[int | str, dict[str, Any]] = {404: problem("The user has no such item.")}


@router.get("", operation_id="list_items", summary="List my items", responses=NOT_FOUND)
async def list_items(
    user: Reader,
    reading: Reading,
    limit: Annotated[int, Query(ge=1, le=100)] = 50,
    cursor: Annotated[uuid.UUID | None, Query(description="`next_cursor` of a page.")] = None,
) -> ItemPage:
    """The user's items, oldest first."""
    rows = await service.list_items(reading, user.id, limit=limit + 1, after=cursor)
    items = [ItemOut.model_validate(row) for row in rows[:limit]]
    return ItemPage(items=items, next_cursor=items[-1].id if len(rows) > limit else None)


@router.post("", status_code=201, operation_id="create_item", summary="Add an item")
async def create_item(
    actor: Writer, server: CurrentServer, item: NewItem, response: Response
) -> ItemOut:
    """Add an item."""
    row = await service.create_item(
        actor.connection,
        actor.user.id,
        title=item.title,
        description=item.description,
        now=actor.now,
    )
    response.headers["Location"] = f"{server.settings.issuer}/items/{row.id}"
    return ItemOut.model_validate(row)


@router.get("/{item_id}", operation_id="get_item", summary="Read an item", responses=NOT_FOUND)
async def get_item(user: Reader, reading: Reading, item_id: uuid.UUID) -> ItemOut:
    """One of the user's items."""
    return ItemOut.model_validate(await service.get_item(reading, user.id, item_id))


@router.patch(
    "/{item_id}", operation_id="update_item", summary="Change an item", responses=NOT_FOUND
)
async def update_item(actor: Writer, item_id: uuid.UUID, changes: ItemChanges) -> ItemOut:
    """Change an item; what is left out stays."""
    row = await service.update_item(
        actor.connection, actor.user.id, item_id, changes.model_dump(exclude_unset=True)
    )
    return ItemOut.model_validate(row)


@router.delete(
    "/{item_id}",
    status_code=204,
    operation_id="delete_item",
    summary="Delete an item",
    responses=NOT_FOUND,
)
async def delete_item(actor: Writer, item_id: uuid.UUID) -> None:
    """Delete an item."""
    await service.delete_item(actor.connection, actor.user.id, item_id)
