"""The section of the account page in which people see and revoke their app passwords."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import NotFoundError
from app.feature import AccountAction, AccountSection
from app.features.app_passwords.service import (
    MAY_TAKE_ONE,
    list_app_passwords,
    revoke_app_password,
)
from app.management.authority import Actor
from app.message import Message
from app.settings import Settings


async def _load(
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, now: datetime
) -> Mapping[str, Any]:
    possible = await connection.scalar(select(exists().where(MAY_TAKE_ONE)))
    own = await list_app_passwords(connection, user_id, good_at=now)
    return {"app_passwords_possible": possible, "app_passwords": own}


async def _revoke(actor: Actor, _settings: Settings, form: Mapping[str, str]) -> Mapping[str, Any]:
    try:
        password_id = uuid.UUID(form.get("app_password", ""))
    except ValueError:
        raise NotFoundError(told=Message("There is no such app password.")) from None
    await revoke_app_password(actor, uuid.UUID(actor.subject), password_id)
    return {}


SECTION = AccountSection(
    template="app_passwords/account.html",
    load=_load,
    actions={
        "revoke-app-password": AccountAction(
            act=_revoke, notice=Message("The app password has been revoked.")
        )
    },
)
