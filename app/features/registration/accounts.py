"""Making an account with a link."""

import uuid
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, Origin, record
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.registration.links import Offer, use_link
from app.features.registration.model import Invitation
from app.features.verification.service import send_verification
from app.identity.addresses import email_columns, require_not_verified_elsewhere
from app.identity.profile import NewUser, username_key
from app.identity.scopes import list_scopes
from app.identity.users import create_user, require_free
from app.models import User
from app.settings import Settings

REGISTERED = FeatureEventType("user.registered")

DEAD = "This link is no longer valid."


class NameTakenError(ConflictError):
    """Somebody has the user name, or something may not be one."""

    def __init__(self) -> None:
        """It is told to those alone who have a link."""
        super().__init__(told="This user name is not available. Choose another one.")


class AddressTakenError(ConflictError):
    """Another account has the address, as who reads its mail may know."""

    def __init__(self) -> None:
        """As a page and as JSON."""
        super().__init__(told="An account with this e-mail address exists. Log in to it.")


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """The account that somebody wants."""

    username: str
    name: str | None
    email: str | None
    """Where the link says nothing of an address."""
    password_hash: str = field(repr=False)


async def make_account(
    connection: AsyncConnection,
    settings: Settings,
    token: str,
    wanted: Wanted,
    origin: Origin,
    now: datetime,
) -> tuple[uuid.UUID, Offer]:
    """Add a user, who has what the link says, and use it up.

    An address that the link was sent to is verified by it; any other one gets a mail of its own.
    Raises :class:`NotFoundError` if the link is not good, :class:`NameTakenError`,
    :class:`AddressTakenError`, or :class:`InvalidError`.
    """
    offer = await use_link(connection, token, now)
    if offer is None:
        raise NotFoundError(told=DEAD)
    if offer.email is not None and wanted.email is not None:
        raise InvalidError(told="this link says which address it is", field="email")
    _require_own_name(wanted.username, offer.email)
    user_id = uuid.uuid4()
    if offer.email is not None:  # first: who is told that is not told of names
        try:
            await require_not_verified_elsewhere(connection, offer.email, user_id)
        except ConflictError:
            raise AddressTakenError from None
    known = await list_scopes(connection)
    scopes = settings.registration_scopes if offer.maker is None else offer.scopes
    user = NewUser(
        username=wanted.username,
        name=wanted.name,
        email=offer.email or wanted.email,
        scopes=sorted(scope for scope in scopes if scope in known),
    )
    try:
        await require_free(connection, user.username)
        await create_user(
            connection, user, password_hash=wanted.password_hash, now=now, user_id=user_id
        )
    except ConflictError:
        raise NameTakenError from None
    if offer.email is not None:
        verified = email_columns(offer.email, verified=True)
        await connection.execute(update(User).where(User.id == user_id).values(verified))
    else:
        await send_verification(connection, settings, user_id, origin, now)
    used = update(Invitation).where(Invitation.id == offer.id)
    await connection.execute(used.values(user_id=user_id))
    event = Event(
        type=REGISTERED,
        actor=str(user_id),
        user_id=user_id,
        origin=origin,
        details={
            "username": user.username,
            "scopes": user.scopes,
            **({"invitation": str(offer.id)} if offer.maker is not None else {}),
        },
    )
    await record(connection, now, event)
    return user_id, offer


def _require_own_name(username: str, proven: str | None) -> None:
    """Nobody's address is taken for a user name but one's own, as the server compares names.

    Raises :class:`InvalidError`.
    """
    key = username_key(username)
    if "@" not in key or (proven is not None and key == username_key(proven)):
        return
    told = "a user name with an @ must be the address that this link was sent to"
    raise InvalidError(told=told, field="username")
