"""Resources: what access tokens can be for, beside this server (RFC 8707)."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from app.clock import Clock
from app.feature import Feature
from app.features.resources.declared import Resources
from app.features.resources.model import RegisteredResource, ResourceClient, ResourceScope
from app.features.resources.registry import RegisteredResources
from app.features.resources.service import CHANGED, CREATED, DELETED
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.resources.router import router  # the command line needs no routes

    return [router]


def _commands() -> Mapping[str, "Typer"]:
    from app.features.resources.commands import cli  # a worker needs no commands

    return {"resources": cli}


feature = Feature(
    name="resources",
    tables=[RegisteredResource, ResourceScope, ResourceClient],
    management_scopes=["resources:read", "resources:write"],
    event_types=[CREATED, CHANGED, DELETED],
    routers=_routers,
    commands=_commands,
    scope_holders={"resources": ResourceScope.scope},
    kinds=[Resources()],
    resources=RegisteredResources,
)
