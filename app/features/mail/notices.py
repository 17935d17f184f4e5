"""What users are told of their accounts: new devices, new credentials, another password or address.

Only a verified address is told: any other may be somebody else's. A new one that is not verified
yet gets the mail that asks to confirm it, which says the same.
"""

import uuid
from dataclasses import replace
from datetime import timedelta

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import network_of
from app.database.engines import insert_unless
from app.features.mail.letter import Letter, Link, account_fact
from app.features.mail.model import KnownDevice, SilencedNotice
from app.features.mail.queue import queue_mail
from app.features.mail.words import what_happened
from app.identity.users import get_person
from app.login.notices import (
    AccountEnds,
    CredentialAdded,
    EmailChanged,
    FactorChanged,
    LoggedIn,
    Notice,
    PasswordChanged,
)
from app.message import Message
from app.security.opaque import hash_secret
from app.settings import Settings

KNOWN_FOR = timedelta(days=180)
"""Since the last login with it."""

KEPT_FOR = timedelta(days=400)
"""As long as a browser keeps the cookie that it is known by."""

PRECISION = timedelta(days=1)
"""Of the last login: most logins write nothing here."""

MOST_IN_AN_HOUR = 5
"""New devices that a user is told of. Whoever has the password can make up any number."""


async def tell(connection: AsyncConnection, settings: Settings, notice: Notice) -> None:
    """Queue what is to be said of ``notice``, if anything is."""
    match notice:
        case LoggedIn():
            if await _is_new(connection, notice) and not await is_silenced(
                connection, notice.user_id
            ):
                await _tell_of_login(connection, settings, notice)
        case PasswordChanged():
            await _tell_of_password(connection, settings, notice)
        case EmailChanged():
            await _tell_of_address(connection, settings, notice)
        case CredentialAdded():
            await _tell_of_credential(connection, settings, notice)
        case FactorChanged():
            await _tell_of_factor(connection, settings, notice)
        case AccountEnds():
            await _tell_of_the_end(connection, settings, notice)


async def _is_new(connection: AsyncConnection, login: LoggedIn) -> bool:
    """Whether the user has other devices and did not log in with this one; notes that they did.

    The very first is taken for their own: with nothing to compare it to, everybody who logs in for
    the first time would be warned of themselves.
    """
    device_hash, now = _device(login), login.at
    this = KnownDevice.device_hash == device_hash
    seen = await connection.scalar(select(KnownDevice.last_seen_at).where(this))
    if seen is not None and now - seen < PRECISION:
        return False
    if seen is not None:
        await connection.execute(update(KnownDevice).where(this).values(last_seen_at=now))
        return now - seen > KNOWN_FOR
    of_user = KnownDevice.user_id == login.user_id
    others = select(
        func.count(), func.count().filter(KnownDevice.first_seen_at > now - timedelta(hours=1))
    ).where(of_user)
    count, of_late = (await connection.execute(others)).one()
    added = insert_unless(connection, KnownDevice).values(
        device_hash=device_hash, user_id=login.user_id, first_seen_at=now, last_seen_at=now
    )
    await connection.execute(added.on_conflict_do_nothing())
    return count > 0 and of_late < MOST_IN_AN_HOUR


def _device(login: LoggedIn) -> str:
    """A browser by its cookie; a client, which has none, by the network it comes from."""
    network = network_of(login.origin.address)
    by = f"browser {login.device}" if login.device else f"client {login.client_id} {network}"
    return hash_secret(f"{login.user_id} {by}")


async def _tell_of_login(connection: AsyncConnection, settings: Settings, login: LoggedIn) -> None:
    service = settings.service_name
    letter = Letter(
        kind="new-login",
        subject=Message("New login at {service}", service=service),
        paragraphs=[
            Message(
                "Someone logged in to your account at {service} with a browser or application that "
                "has not been used with it before.",
                service=service,
            )
        ],
        link=_account(settings),
        closing=[
            Message(
                "If it was you, there is nothing to do. You can turn these mails off at your "
                "account page."
            ),
            Message(
                "If it was not you, change your password there now: that logs out everyone else."
            ),
        ],
    )
    await _send(connection, settings, login, letter)


async def _tell_of_password(
    connection: AsyncConnection, settings: Settings, change: PasswordChanged
) -> None:
    service = settings.service_name
    letter = Letter(
        kind="password-changed",
        subject=Message("Your password at {service} was changed", service=service),
        paragraphs=[
            Message("The password of your account at {service} was changed.", service=service),
            *_by(change.by_user),
        ],
        closing=_what_to_do(settings, change.by_user),
    )
    await _send(connection, settings, change, letter)


async def _tell_of_credential(
    connection: AsyncConnection, settings: Settings, added: CredentialAdded
) -> None:
    values = {"credential": added.what, "service": settings.service_name}
    letter = Letter(
        kind="credential-added",
        subject=Message("{credential} was added to your account at {service}", **values),
        paragraphs=[Message("{credential} was added to your account at {service}.", **values)],
        link=_account(settings),
        closing=[
            Message("If it was you, there is nothing to do."),
            Message(
                "If it was not you, remove it at your account page, and change your password there "
                "now."
            ),
        ],
    )
    await _send(connection, settings, added, letter)


_OF_FACTORS = {
    "added": Message("A second factor was set up for your account at {service}."),
    "removed": Message("A second factor was removed from your account at {service}."),
    "reset": Message("An administrator removed the second factor from your account at {service}."),
    "recovery_code_used": Message(
        "Someone used a recovery code to log in to your account at {service}."
    ),
    "recovery_codes_replaced": Message(
        "The recovery codes of your account at {service} were replaced."
    ),
}


async def _tell_of_factor(
    connection: AsyncConnection, settings: Settings, change: FactorChanged
) -> None:
    letter = Letter(
        kind="second-factor",
        subject=Message("Your second factor at {service}", service=settings.service_name),
        paragraphs=[Message(_OF_FACTORS[change.what], service=settings.service_name)],
        closing=_what_to_do(settings, change.what != "reset"),
    )
    await _send(connection, settings, change, letter)


async def _tell_of_address(
    connection: AsyncConnection, settings: Settings, change: EmailChanged
) -> None:
    person = await get_person(connection, change.user_id)
    profile = person.profile
    told = [change.previous] if change.was_verified else []
    told += [profile.email] if profile.email_verified else []
    service = settings.service_name
    if profile.email:
        subject = Message("Your e-mail address at {service} was changed", service=service)
        what = Message(
            "The e-mail address of your account at {service} was changed.", service=service
        )
    else:
        subject = Message("Your e-mail address at {service} was removed", service=service)
        what = Message(
            "The e-mail address of your account at {service} was removed.", service=service
        )
    letter = Letter(
        kind="email-changed",
        subject=subject,
        paragraphs=[
            what,
            *_by(change.by_user),
            Message("Mail about the account no longer goes to the one that it had before."),
        ],
        facts={**account_fact(person.username), **what_happened(change.at, change.origin)},
        closing=_what_to_do(settings, change.by_user),
    )
    for email in told:
        if email is not None:
            await queue_mail(
                connection, settings, letter, to=email, now=change.at, user_id=change.user_id
            )


async def _tell_of_the_end(
    connection: AsyncConnection, settings: Settings, end: AccountEnds
) -> None:
    service = settings.service_name
    if end.ends_at > end.at:
        subject = Message("Your account at {service} will be deleted", service=service)
        told = Message(
            "Your account at {service} has been closed, and will be deleted on {when}.",
            service=service,
            when=end.ends_at,
        )
        login = f"{settings.issuer}/login"
        closing = Message("To keep it, log in at {address} before that.", address=login)
    else:
        subject = Message("Your account at {service} was deleted", service=service)
        told = Message(
            "Your account at {service} was deleted, and all that belonged to it.", service=service
        )
        closing = Message(
            "If it was not you, tell whoever runs {service} at once.", service=service
        )
    letter = Letter(
        kind="account-ends",
        subject=subject,
        paragraphs=[told],
        closing=[closing],
    )
    await _send(connection, settings, end, letter)


def _account(settings: Settings) -> Link:
    return Link(label=Message("Go to your account"), url=f"{settings.issuer}/account")


def _by(user: bool) -> list[Message]:
    return [] if user else [Message("An administrator has done this.")]


def _what_to_do(settings: Settings, by_user: bool) -> list[Message]:
    login, service = f"{settings.issuer}/login", settings.service_name
    if not by_user:
        return [
            Message(
                "If you did not expect this, ask whoever runs {service} about it.", service=service
            )
        ]
    return [
        Message("If it was you, there is nothing to do."),
        Message(
            "If it was not you, someone else may be using your account. Try to log in at "
            "{address}, and tell whoever runs {service} at once.",
            address=login,
            service=service,
        ),
    ]


async def _send(
    connection: AsyncConnection, settings: Settings, notice: Notice, letter: Letter
) -> None:
    """With when and where it happened, to a user who reads the mail of their address."""
    person = await get_person(connection, notice.user_id)
    email = person.profile.email
    if email is None or not person.profile.email_verified:
        return
    facts = {**account_fact(person.username), **what_happened(notice.at, notice.origin)}
    told = replace(letter, facts=facts)
    await queue_mail(connection, settings, told, to=email, now=notice.at, user_id=notice.user_id)


async def is_silenced(connection: AsyncConnection, user_id: uuid.UUID) -> bool:
    """Whether the user does not want to hear of new devices."""
    query = select(SilencedNotice.user_id).where(SilencedNotice.user_id == user_id)
    return await connection.scalar(query) is not None
