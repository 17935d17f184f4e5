"""The example feature: a user's own rows behind two scopes. Copy this folder for your own."""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import Demo, Feature
from app.features.items.model import Item
from app.features.items.service import list_items
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.items.router import router  # the command line needs no routes

    return [router]


async def _export(connection: AsyncConnection, user_id: uuid.UUID, limit: int) -> Mapping[str, Any]:
    items = await list_items(connection, user_id, limit=limit, after=None)
    return {"items": [dict(row._mapping) for row in items]}


feature = Feature(
    name="items",
    tables=[Item],
    scopes=["items:read", "items:write"],
    routers=_routers,
    export=_export,
    demo=Demo(
        client_scopes={
            "demo-web": ["items:read", "items:write"],
            "demo-service": ["items:write"],
            "demo-spa": ["items:read"],
        },
        default_scopes={
            "first-party": ["items:read"],
            "swagger-ui": ["items:read"],
            "demo-service": ["items:read"],
        },
    ),
)
