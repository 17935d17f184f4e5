"""The section of the account page about mails: the one kind that can be turned off."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import delete
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.feature import AccountAction, AccountSection
from app.features.mail.model import SilencedNotice
from app.features.mail.notices import is_silenced
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings


async def _load(
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    return {"new_login_mails": not await is_silenced(connection, user_id)}


async def _choose(actor: Actor, _settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    user_id = uuid.UUID(actor.subject)
    if form.get("new-login") == "on":
        mine = delete(SilencedNotice).where(SilencedNotice.user_id == user_id)
        await actor.connection.execute(mine)
    else:
        silenced = insert_unless(actor.connection, SilencedNotice).values(user_id=user_id)
        await actor.connection.execute(silenced.on_conflict_do_nothing())
    return {}


SECTION = AccountSection(
    template="mail/account.html",
    load=_load,
    actions={"notices": AccountAction(act=_choose, notice=Message("Your choice has been saved."))},
)
