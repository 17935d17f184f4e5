"""Closing an account, keeping it after all, and deleting those whose time is over.

The account is disabled in between, which ends all its logins, sessions and keys at once, and is
deleted as management deletes users.
"""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import NOWHERE, FeatureEventType
from app.clock import Clock
from app.database.engines import Database
from app.database.expired import BATCH, Progress
from app.errors import NotFoundError
from app.features.deletion.model import AccountDeletion
from app.login.notices import AccountEnds, Notify
from app.management.authority import Actor, operating
from app.management.users import change_user, delete_user
from app.message import Message
from app.models import User

REQUESTED = FeatureEventType("account.deletion_requested")
KEPT = FeatureEventType("account.kept")

WAY_BACK = "keep-account"
"""The page for whoever logs in while the account can be kept."""

_PENDING = (
    select(AccountDeletion.ends_at)
    .join(User, User.id == AccountDeletion.user_id)
    .where(User.disabled_at == AccountDeletion.disabled_at)
)


async def close_account(actor: Actor, grace: timedelta, notify: Notify) -> datetime:
    """Delete the account of the user who acts, after ``grace``; return when.

    Without any it is gone now. Raises :class:`~app.errors.ConflictError` for the last
    administrator.
    """
    user_id, connection, now = uuid.UUID(actor.subject), actor.connection, actor.now
    ends_at = now + grace
    notice = AccountEnds(user_id=user_id, at=now, origin=actor.origin, ends_at=ends_at)
    await notify(connection, notice)
    if not grace:
        await delete_user(actor, user_id)
        return ends_at
    closed = await change_user(actor, user_id, {"disabled": True})
    await forget_request(connection, user_id)
    row = {"user_id": user_id, "disabled_at": closed.disabled_at, "ends_at": ends_at}
    await connection.execute(insert(AccountDeletion).values(row))
    await actor.record(REQUESTED, user_id=user_id, ends_at=ends_at.isoformat())
    return ends_at


async def find_end(
    connection: AsyncConnection, user_id: uuid.UUID, now: datetime
) -> datetime | None:
    """When the account will be deleted; None if it will not be, or it is too late to keep it."""
    ends_at = await connection.scalar(_PENDING.where(AccountDeletion.user_id == user_id))
    return ends_at if ends_at is not None and ends_at > now else None


async def keep_account(actor: Actor) -> None:
    """Enable the user who acts again. Raises :class:`NotFoundError` if it is too late."""
    user_id = uuid.UUID(actor.subject)
    if await find_end(actor.connection, user_id, actor.now) is None:
        raise NotFoundError(told=Message("There is no account to keep."))
    await change_user(actor, user_id, {"disabled": False})
    await forget_request(actor.connection, user_id)
    await actor.record(KEPT, user_id=user_id)


async def purge_accounts(
    database: Database, clock: Clock, notify: Notify, progress: Progress
) -> Mapping[str, int]:
    """Delete the accounts whose time is over, each in a transaction of its own."""
    due = select(AccountDeletion.user_id).where(AccountDeletion.ends_at <= clock.now())
    deleted = 0
    while True:
        async with database.read() as connection:
            users = (await connection.scalars(due.limit(BATCH))).all()
        for user_id in users:
            async with operating(database, clock) as operator:
                deleted += await _delete(operator, user_id, notify)
            await progress()
        if len(users) < BATCH:
            return {User.__tablename__: deleted}


async def _delete(operator: Actor, user_id: uuid.UUID, notify: Notify) -> bool:
    """False if the user was enabled in the meantime."""
    connection, now = operator.connection, operator.now
    ends_at = await connection.scalar(_PENDING.where(AccountDeletion.user_id == user_id))
    if ends_at is None:
        await forget_request(connection, user_id)
        return False
    notice = AccountEnds(user_id=user_id, at=now, origin=NOWHERE, ends_at=ends_at)
    await notify(connection, notice)
    await delete_user(operator, user_id)
    return True


async def forget_request(connection: AsyncConnection, user_id: uuid.UUID) -> None:
    """Let the account not be deleted, nor its user keep it: somebody else decides from now on."""
    await connection.execute(delete(AccountDeletion).where(AccountDeletion.user_id == user_id))
