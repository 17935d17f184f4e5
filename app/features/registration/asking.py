"""Asking for an account: what comes of the address that somebody typed at ``/register``."""

import re
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, record
from app.errors import InvalidError
from app.features.mail.letter import Letter, Link, account_fact
from app.features.mail.queue import queue_mail
from app.features.mail.requests import Asked
from app.features.mail.words import what_happened
from app.features.registration.links import issue_link, too_many_links
from app.identity.profile import check_email
from app.identity.users import find_account, find_username_by_email
from app.message import Message
from app.settings import Settings

REQUESTED = FeatureEventType("registration.requested")

PURPOSE = "register"

LIFETIME = timedelta(days=1)


def require_acceptable(settings: Settings, email: str) -> None:
    """Raise :class:`InvalidError` unless whoever has this address may register.

    What is said of it is the same whether or not somebody has an account with it.
    """
    check_email(email)
    domain = email.rpartition("@")[2].casefold()
    if settings.registration_domains and domain not in settings.registration_domains:
        allowed = ", ".join(settings.registration_domains)
        raise InvalidError(
            told=Message("only addresses at {allowed} can be registered here", allowed=allowed)
        )


async def answer(
    connection: AsyncConnection, settings: Settings, asked: Asked, now: datetime
) -> None:
    """Send a link to the address; if somebody has an account with it, tell them so instead."""
    try:
        require_acceptable(settings, asked.typed)
    except InvalidError:
        return  # the settings have changed since
    if await too_many_links(connection, asked.typed, now):
        return
    username = await find_username_by_email(connection, asked.typed)
    owner = None if username is None else await find_account(connection, username)
    token = await issue_link(
        connection,
        email=asked.typed,
        maker=None,
        scopes=(),
        lifetime=LIFETIME,
        now=now,
        browser_hash=asked.more.get("browser"),
        request_key=_key(asked.more.get("request", "")),
        good=username is None,
    )
    if username is None:
        letter = _link(settings, token, asked, now)
    else:
        letter = _known(settings, username, asked, now)
    await queue_mail(
        connection,
        settings,
        letter,
        to=asked.typed,
        now=now,
        user_id=owner.id if owner else None,
        expires_at=now + LIFETIME,
    )
    await record(connection, now, Event(type=REQUESTED, origin=asked.origin))


def _key(typed: str) -> str | None:
    """The key of a request, if it has the form of one: it comes from a page."""
    return typed if re.fullmatch(r"[\w-]{43}", typed, re.ASCII) else None


def _link(settings: Settings, token: str, asked: Asked, now: datetime) -> Letter:
    return Letter(
        kind=PURPOSE,
        subject=Message("Create your account at {service}", service=settings.service_name),
        paragraphs=[
            Message(
                "This address was entered to create an account at {service}. If it was you, go on. "
                "The link is good for one day.",
                service=settings.service_name,
            ),
        ],
        link=Link(
            label=Message("Create your account"), url=f"{settings.issuer}/invitation?token={token}"
        ),
        facts=what_happened(now, asked.origin),
        closing=[Message("If it was not you, do nothing. There will be no account.")],
    )


def _known(settings: Settings, username: str, asked: Asked, now: datetime) -> Letter:
    return Letter(
        kind=PURPOSE,
        subject=Message("You already have an account at {service}", service=settings.service_name),
        paragraphs=[
            Message(
                "This address was entered to create an account at {service}. It belongs to your "
                "account already. If it was you, log in; if you forgot the password, you can "
                "choose a new one there.",
                service=settings.service_name,
            ),
        ],
        link=Link(label=Message("Log in"), url=f"{settings.issuer}/login"),
        facts={**account_fact(username), **what_happened(now, asked.origin)},
        closing=[
            Message("If it was not you, do nothing. Nobody was told that you have an account.")
        ],
    )
