"""Groups: who belongs to what, what they may do by it, and which clients are open to them."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from app.clock import Clock
from app.feature import Feature
from app.features.groups.claim import GroupsClaim
from app.features.groups.declared import Groups
from app.features.groups.membership import VIA, admits
from app.features.groups.model import Group, GroupClient, GroupMember, GroupScope
from app.features.groups.service import CLAIM_SCOPE, EVENT_TYPES, MEMBER_ADDED, MEMBER_REMOVED
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


feature = Feature(
    name=VIA,
    tables=[Group, GroupMember, GroupScope, GroupClient],
    management_scopes=[CLAIM_SCOPE, "groups:read", "groups:write"],
    event_types=EVENT_TYPES,
    activity={MEMBER_ADDED: "Added to a group", MEMBER_REMOVED: "Removed from a group"},
    routers=_routers,
    commands=_commands,
    kinds=[Groups()],
    scope_holders={"groups": GroupScope.scope},
    admits=admits,
    claims=GroupsClaim,
)
