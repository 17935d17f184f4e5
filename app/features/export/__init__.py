"""Export: users take away what there is of them, as one JSON document."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.clock import Clock
from app.feature import AccountSection, Feature
from app.features.authorization_code import feature as authorization_code
from app.features.export.document import EXPORTED
from app.message import Message
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(_settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    from app.features.export.pages import router  # the command line needs no routes

    return [router]


def _account(_settings: Settings) -> AccountSection:
    from app.features.export.pages import SECTION  # the command line needs no pages

    return SECTION


feature = Feature(
    name="export",
    requires=[authorization_code],
    event_types=[EXPORTED],
    activity={EXPORTED: Message("Data of the account downloaded")},
    routers=_routers,
    account=_account,
)
