"""Making an account with a link."""

import uuid
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, Origin, record
from app.errors import ConflictError, InvalidError, NotFoundError
from app.features.registration.links import Offer, existing, use_link
from app.features.registration.model import Invitation
from app.features.verification.service import send_verification
from app.identity.addresses import email_columns, require_not_verified_elsewhere
from app.identity.profile import NewUser, username_key
from app.identity.users import create_user, require_free
from app.message import Message
from app.models import User
from app.settings import Settings

if TYPE_CHECKING:
    # With it come the routes' types, which the command line needs not.
    from app.features.registration.new_account import NewAccount

REGISTERED = FeatureEventType("user.registered")

DEAD = Message("This link is no longer valid.")

NAME_TAKEN = Message("This user name is not available. Choose another one.")

ADDRESS_TAKEN = Message("An account with this e-mail address exists. Log in to it.")
"""As who has proven that the address is theirs may know."""


async def make_account(
    connection: AsyncConnection,
    settings: Settings,
    wanted: "NewAccount",
    password_hash: str,
    origin: Origin,
    now: datetime,
) -> tuple[uuid.UUID, Offer]:
    """Add a user, who has what the link says, and use it up.

    An address that the link was sent to is verified by it; any other one gets a mail of its own.
    Raises :class:`NotFoundError` if the link is not good, :class:`ConflictError` if the name or the
    address has an account, or :class:`InvalidError`.
    """
    offer = await use_link(connection, wanted.token, now)
    if offer is None:
        raise NotFoundError(told=DEAD)
    if offer.email is not None and wanted.email is not None:
        raise InvalidError(told=Message("this link says which address it is"), field="email")
    _require_own_name(wanted.username, offer.email)
    user_id = uuid.uuid4()
    if offer.email is not None:  # first: who is told that is not told of names
        try:
            await require_not_verified_elsewhere(connection, offer.email, user_id)
        except ConflictError:
            raise ConflictError(told=ADDRESS_TAKEN) from None
    scopes: Collection[str] = offer.scopes
    if offer.maker is None:
        scopes = await existing(connection, settings.registration_scopes)
    user = NewUser(
        username=wanted.username,
        name=wanted.name,
        email=offer.email or wanted.email,
        scopes=sorted(scopes),
    )
    try:
        await require_free(connection, user.username)
        await create_user(connection, user, password_hash=password_hash, now=now, user_id=user_id)
    except ConflictError:
        raise ConflictError(told=NAME_TAKEN) from None
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
    told = Message("a user name with an @ must be the address that this link was sent to")
    raise InvalidError(told=told, field="username")
