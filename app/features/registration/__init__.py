"""Registration: people make their own accounts, by themselves or by invitation. Off by default."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sqlalchemy.ext.asyncio import AsyncConnection

from app.clock import Clock
from app.database.engines import Database
from app.database.expired import Expired
from app.feature import AccountSection, Feature, LoginLink
from app.features.authorization_code import feature as authorization_code
from app.features.mail import feature as mail
from app.features.registration.accounts import REGISTERED
from app.features.registration.asking import PURPOSE, REQUESTED, answer
from app.features.registration.model import Invitation
from app.features.registration.service import CREATED, REVOKED
from app.features.verification import feature as verification
from app.identity.scopes import BUILT_IN, SPEAK_OF_A_USER, list_scopes
from app.message import Message
from app.posture import Finding, Severity
from app.settings import Settings

if TYPE_CHECKING:
    from fastapi import APIRouter
    from typer import Typer

KEPT_FOR = timedelta(days=30)
"""After its end, so that whoever manages users sees what became of it."""


def _routers(settings: Settings, _clock: Clock) -> Sequence["APIRouter"]:
    if settings.registration == "closed":
        return []
    from app.features.registration import pages, router  # the command line needs no routes

    routers = [router.joining, router.managing, pages.router]
    if settings.registration == "open":
        routers += [router.registering, pages.asking]
    return routers


def _login_links(settings: Settings) -> Sequence[LoginLink]:
    if settings.registration != "open":
        return []
    return [LoginLink(text=Message("Create an account"), path="register", prompt="create")]


def _account(settings: Settings) -> AccountSection | None:
    if settings.registration == "closed":
        return None
    from app.features.registration.account import SECTION  # the command line needs no pages

    return SECTION


def _background(
    settings: Settings, database: Database, clock: Clock
) -> AbstractAsyncContextManager[None]:
    if settings.registration != "open":
        return nullcontext()
    from app.features.mail.answering import Answering  # the command line sends nothing
    from app.features.mail.sending import looking

    return looking(settings, Answering(settings, database, clock, PURPOSE, answer))


def _commands() -> Mapping[str, "Typer"]:
    from app.features.registration.commands import cli  # a worker needs no commands

    return {"invitations": cli}


def _expired(_settings: Settings, now: datetime) -> Sequence[Expired]:
    asked_for = Invitation.made_by.is_(None) & Invitation.user_id.is_(None)
    return [
        Expired(Invitation.id, Invitation.expires_at, now, also=asked_for),
        Expired(Invitation.id, Invitation.expires_at, now - KEPT_FOR),
    ]


async def _examine(
    connection: AsyncConnection, settings: Settings, _now: datetime
) -> AsyncIterator[Finding]:
    if settings.registration == "closed":
        return
    given = set(settings.registration_scopes)
    managing = given & (BUILT_IN - set(SPEAK_OF_A_USER))
    if managing and settings.registration == "open":
        yield Finding(
            Severity.UNSAFE,
            "registration-gives-management",
            "Anybody can register and manage",
            f"LATCHKEY_REGISTRATION_SCOPES gives {' '.join(sorted(managing))} to whoever "
            "registers.",
            "Take them out, and give them to whom you know.",
        )
    if unknown := given.difference(await list_scopes(connection)):
        yield Finding(
            Severity.WARNING,
            "registration-scopes-unknown",
            "LATCHKEY_REGISTRATION_SCOPES has unknown scopes",
            f"Whoever registers does not get {' '.join(sorted(unknown))}.",
            "Create them with `latchkey scopes create`, or take them out.",
        )


feature = Feature(
    name="registration",
    requires=[authorization_code, mail, verification],
    tables=[Invitation],
    event_types=[REQUESTED, REGISTERED, CREATED, REVOKED],
    activity={REGISTERED: Message("You created this account")},
    routers=_routers,
    login_links=_login_links,
    account=_account,
    commands=_commands,
    background=_background,
    expired=_expired,
    examine=_examine,
)
