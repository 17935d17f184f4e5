"""Groups: who belongs to what, what they may do by it, and which clients are open to them."""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.feature import Feature
from app.features.groups.claim import GroupsClaim
from app.features.groups.declared import Groups
from app.features.groups.levels import REQUIRED_LEVEL
from app.features.groups.membership import ADMITS, VIA, find_groups
from app.features.groups.model import Group, GroupClient, GroupLevel, GroupMember, GroupScope
from app.features.groups.service import CLAIM_SCOPE, EVENT_TYPES, MEMBER_ADDED, MEMBER_REMOVED
from app.message import Message
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.groups.router import router  # the command line needs no routes

    return [router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.groups.commands import cli  # a worker needs no commands

    return {"groups": cli}


async def _export(
    connection: AsyncConnection, user_id: uuid.UUID, _limit: int
) -> Mapping[str, Any]:
    return {"groups": await find_groups(connection, user_id)}


feature = Feature(
    name=VIA,
    tables=[Group, GroupMember, GroupScope, GroupClient, GroupLevel],
    management_scopes=[CLAIM_SCOPE, "groups:read", "groups:write"],
    event_types=EVENT_TYPES,
    activity={
        MEMBER_ADDED: Message("Added to a group"),
        MEMBER_REMOVED: Message("Removed from a group"),
    },
    routers=_routers,
    export=_export,
    commands=_commands,
    kinds=[Groups()],
    scope_holders={"groups": GroupScope.scope},
    admits=ADMITS,
    required_level=REQUIRED_LEVEL,
    claims=GroupsClaim,
)
