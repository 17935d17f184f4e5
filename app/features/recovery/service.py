"""Setting the password of a user who has forgotten it."""

import uuid
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, FeatureEventType, Origin, record
from app.identity.users import change_password, get_account
from app.login.endings import end_other_logins
from app.login.notices import Notify, PasswordChanged
from app.login.throttle import forget_failures

RECOVERED = FeatureEventType("password.recovered")


async def set_recovered_password(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    password_hash: str,
    origin: Origin,
    now: datetime,
    notify: Notify,
) -> None:
    """Give a user, who proved that they read their mail, another password.

    Every session and login ends, as with a change of the password; failed logins that strangers
    share with them are forgotten. The link was used up in this transaction, which holds the user.
    """
    account = await get_account(connection, user_id)
    await change_password(connection, account, password_hash, now)
    await end_other_logins(connection, user_id, None, now)
    await forget_failures(connection, account.username)
    event = Event(type=RECOVERED, actor=str(user_id), user_id=user_id, origin=origin)
    await record(connection, now, event)
    await notify(connection, PasswordChanged(user_id=user_id, at=now, origin=origin))
