"""Claims of one's own: attributes of users and fixed claims of clients, as an operator declares."""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import Feature
from app.features.claims.declared import Claims
from app.features.claims.model import ClientClaim, DeclaredClaim, UserClaim
from app.features.claims.service import EVENT_TYPES, SET
from app.features.claims.source import DeclaredClaims
from app.message import Message
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.claims.router import router  # the command line needs no routes

    return [router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.claims.commands import cli  # a worker needs no commands

    return {"claims": cli}


async def _export(
    connection: AsyncConnection, user_id: uuid.UUID, _limit: int
) -> Mapping[str, Any]:
    values = select(UserClaim.name, UserClaim.value).where(UserClaim.user_id == user_id)
    return {"claims": {row.name: row.value for row in await connection.execute(values)}}


feature = Feature(
    name="claims",
    tables=[DeclaredClaim, UserClaim, ClientClaim],
    management_scopes=["claims:read", "claims:write"],
    event_types=EVENT_TYPES,
    activity={SET: Message("What applications are told about you changed")},
    routers=_routers,
    export=_export,
    commands=_commands,
    kinds=[Claims()],
    scope_holders={"claims": DeclaredClaim.scope},
    claims=DeclaredClaims,
)
