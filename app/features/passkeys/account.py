"""The section of the account page that lists passkeys: a page of its own adds and changes them."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.feature import AccountSection
from app.features.passkeys.service import list_passkeys
from app.settings import Settings


async def _load(
    connection: AsyncConnection, _settings: Settings, user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    return {"passkeys": await list_passkeys(connection, user_id)}


SECTION = AccountSection(template="passkeys/account.html", load=_load, actions={})
