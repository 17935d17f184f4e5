"""What can be done with items: only by their owner."""

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, and_, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFoundError
from app.features.items.model import Item

ItemRow = Row[uuid.UUID, str, str | None, datetime]

_COLUMNS = (Item.id, Item.title, Item.description, Item.created_at)


async def list_items(
    connection: AsyncConnection, owner_id: uuid.UUID, *, limit: int, after: uuid.UUID | None
) -> Sequence[ItemRow]:
    """At most ``limit`` items of the owner, oldest first, beginning behind the item ``after``."""
    query = select(*_COLUMNS).where(Item.owner_id == owner_id)
    if after is not None:
        last = await get_item(connection, owner_id, after)
        query = query.where(
            or_(
                Item.created_at > last.created_at,
                and_(Item.created_at == last.created_at, Item.id > last.id),
            )
        )
    return (await connection.execute(query.order_by(Item.created_at, Item.id).limit(limit))).all()


async def get_item(connection: AsyncConnection, owner_id: uuid.UUID, item_id: uuid.UUID) -> ItemRow:
    """The item. Raises :class:`NotFoundError` if the owner has none of that id."""
    row = (
        await connection.execute(
            select(*_COLUMNS).where(Item.id == item_id, Item.owner_id == owner_id)
        )
    ).one_or_none()
    if row is None:
        raise NotFoundError(told="There is no such item.")
    return row


async def create_item(
    connection: AsyncConnection,
    owner_id: uuid.UUID,
    *,
    title: str,
    description: str | None,
    now: datetime,
) -> ItemRow:
    """Add an item and return it."""
    values = {"owner_id": owner_id, "title": title, "description": description, "created_at": now}
    return (await connection.execute(insert(Item).values(values).returning(*_COLUMNS))).one()


async def update_item(
    connection: AsyncConnection, owner_id: uuid.UUID, item_id: uuid.UUID, changes: dict[str, Any]
) -> ItemRow:
    """Change the given columns and return the item. Raises :class:`NotFoundError`."""
    if changes:
        await connection.execute(
            update(Item).where(Item.id == item_id, Item.owner_id == owner_id).values(changes)
        )
    return await get_item(connection, owner_id, item_id)


async def delete_item(connection: AsyncConnection, owner_id: uuid.UUID, item_id: uuid.UUID) -> None:
    """Delete the item. Raises :class:`NotFoundError`."""
    deleted = await connection.execute(
        delete(Item).where(Item.id == item_id, Item.owner_id == owner_id).returning(Item.id)
    )
    if deleted.one_or_none() is None:
        raise NotFoundError(told="There is no such item.")
