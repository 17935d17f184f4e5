"""Test logins in ``/docs``, in development: demo users and refusals, a click each.

A developer sees what their own code will have to handle: each refusal is brought about for real,
and shown with its request, status, challenge and body, and with what the RFC says of it.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.clock import Clock
from app.feature import Feature
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _are_on(settings: Settings) -> bool:
    return settings.development and bool(settings.docs)


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not _are_on(settings):
        return []
    from app.features.test_logins.router import router  # the command line needs no routes

    return [router]


def _docs_scripts(settings: Settings) -> Sequence[str]:
    return ["docs/test-logins.js"] if _are_on(settings) else []


feature = Feature(name="test_logins", routers=_routers, docs_scripts=_docs_scripts)
