"""The example feature: a user's own rows behind two scopes. Copy this folder for your own."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.clock import Clock
from app.feature import Demo, Feature
from app.features.items.model import Item
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.items.router import router  # the command line needs no routes

    return [router]


feature = Feature(
    name="items",
    tables=[Item],
    scopes=["items:read", "items:write"],
    routers=_routers,
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
