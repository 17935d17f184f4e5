"""What somebody without an account does: asks for a link, and makes the account with it."""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection

from app.api.passwords import hash_new_password
from app.audit.trail import Origin
from app.errors import InvalidError, NotFoundError
from app.features.mail.requests import Asked, note_request
from app.features.registration.accounts import (
    DEAD,
    make_account,
)
from app.features.registration.asking import PURPOSE, require_acceptable
from app.features.registration.human import is_human
from app.features.registration.links import Offer, find_offer
from app.features.registration.new_account import NewAccount
from app.identity.users import Account, get_account
from app.login.counts import count_try
from app.message import Message
from app.server import Server


async def request_link(
    server: Server, email: str, human: str, origin: Origin, more: Mapping[str, str]
) -> None:
    """Note that somebody asks for a link to this address: the same whoever has it.

    Raises :class:`InvalidError`, or :class:`~app.errors.LoginRefused` after too many.
    """
    require_acceptable(server.settings, email)
    if not await is_human(human, origin):
        raise InvalidError(
            told=Message("this did not look like a person: try again"), field="human"
        )

    async def note(connection: AsyncConnection) -> None:
        asked = Asked(typed=email, origin=origin, more=more)
        await note_request(connection, server.settings, PURPOSE, asked, server.clock.now())

    await server.database.transact(note)


async def join(server: Server, wanted: NewAccount, origin: Origin) -> tuple[Account, Offer]:
    """Make the account. Raises a :class:`~app.errors.Problem`, or :class:`LoginRefused`.

    Each try counts against the link: it is no list of who is here.
    """
    settings = server.settings
    async with server.database.read() as connection:
        found = await find_offer(connection, wanted.token, server.clock.now())
    if found is None:  # before the work of a hash
        raise NotFoundError(told=DEAD)
    password_hash = await hash_new_password(server, wanted.password, wanted.username)

    async def make(connection: AsyncConnection) -> tuple[Account, Offer]:
        user_id, offer = await make_account(
            connection,
            settings,
            wanted,
            password_hash,
            origin,
            server.clock.now(),
        )
        return await get_account(connection, user_id), offer

    await _count_try(server, found)
    return await server.database.transact(make)


async def _count_try(server: Server, offer: Offer) -> None:
    """Whatever comes of it: past the limit nobody learns whether a name is free."""

    async def count(connection: AsyncConnection) -> None:
        what, limit = f"invitation {offer.id}", server.settings.login_max_failures
        await count_try(connection, server.settings, what, limit, server.clock.now())

    await server.database.transact(count)
