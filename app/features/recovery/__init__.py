"""Recovery: who forgot the password gets a link by mail, and chooses a new one."""

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from app.clock import Clock
from app.database.engines import Database
from app.feature import Feature, LoginLink
from app.features.authorization_code import feature as authorization_code
from app.features.mail import feature as mail
from app.features.mail.queue import mail_is_on
from app.features.recovery.answer import PURPOSE, REQUESTED, answer
from app.features.recovery.service import RECOVERED
from app.message import Message
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if not mail_is_on(settings):
        return []
    from app.features.recovery.pages import router  # the command line needs no routes

    return [router]


def _login_links(settings: Settings) -> Sequence[LoginLink]:
    if not mail_is_on(settings):
        return []
    return [LoginLink(text=Message("Forgot password?"), path="forgot-password")]


def _background(
    settings: Settings, database: Database, clock: Clock
) -> AbstractAsyncContextManager[None]:
    from app.features.mail.answering import Answering  # the command line sends nothing
    from app.features.mail.sending import looking

    return looking(settings, Answering(settings, database, clock, PURPOSE.name, answer))


feature = Feature(
    name="recovery",
    requires=[authorization_code, mail],
    event_types=[REQUESTED, RECOVERED],
    activity={
        REQUESTED: Message("A link for a new password was asked for"),
        RECOVERED: Message("New password set with the link from a mail"),
    },
    routers=_routers,
    login_links=_login_links,
    background=_background,
)
