"""A code behind the password, for old software that has one field for both: by client.

Whether what was typed is divided depends on the client and on whether the user has an app, which
one query finds out, whoever is named: so the time of a failed login tells nothing. The password
alone decides what comes next, as for anybody else.
"""

import re
import uuid
from collections.abc import Sequence

from sqlalchemy import or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Origin
from app.clock import Clock
from app.database.engines import Database
from app.errors import LoginRefused
from app.features.mfa.challenges import count_try_of, forget_tries_of
from app.features.mfa.factors import OTP
from app.features.mfa.model import AppendingClient, TotpSecret
from app.features.mfa.showing import WRONG
from app.features.mfa.totp import DIGITS
from app.identity.addresses import email_key
from app.identity.profile import EMAIL_MAX_LENGTH, username_key
from app.login.notices import Notify
from app.login.second_step import Appended, Divide, Prove, Shown
from app.login.strength import PASSWORD_ALONE
from app.models import User
from app.settings import Settings

_DIVIDED = re.compile(rf"(?s)(.+)([0-9]{{{DIGITS}}})")


def dividing(database: Database, settings: Settings, clock: Clock, notify: Notify) -> Divide:
    """How a code behind the password is taken."""

    async def divide(client_id: str, username: str, typed: str, origin: Origin) -> Appended | None:
        divided = _DIVIDED.fullmatch(typed)
        if divided is None or len(username) > EMAIL_MAX_LENGTH:
            return None
        named = User.username_key == username_key(username)
        if settings.login_by_email:
            named = or_(named, User.email_verified & (User.email_key == email_key(username)))
        expected = (
            select(TotpSecret.user_id)
            .join(User, User.id == TotpSecret.user_id)
            .join(AppendingClient, AppendingClient.client_id == client_id)
            .where(named, TotpSecret.confirmed_at.is_not(None))
        )
        async with database.read() as connection:
            if await connection.scalar(expected) is None:
                return None

        async def show(user_id: uuid.UUID) -> Prove:
            await database.transact(
                lambda connection: count_try_of(connection, settings, user_id, clock.now())
            )

            async def prove(connection: AsyncConnection) -> Sequence[str]:
                shown = Shown(
                    connection=connection,
                    settings=settings,
                    user_id=user_id,
                    fields={OTP.method: divided[2]},
                    client_id=client_id,
                    origin=origin,
                    clock=clock,
                    notify=notify,
                )
                added = await OTP.prove(shown)
                if added is None:
                    raise LoginRefused("wrong", reason=WRONG)
                await forget_tries_of(connection, user_id)
                return (*PASSWORD_ALONE, *added)

            return prove

        return Appended(password=divided[1], show=show)

    return divide
