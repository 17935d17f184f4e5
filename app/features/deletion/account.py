"""The section of the account page that leads to the deletion."""

import uuid
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.feature import AccountSection
from app.settings import Settings


async def _load(
    _connection: AsyncConnection, _settings: Settings, _user_id: uuid.UUID, _now: datetime
) -> Mapping[str, Any]:
    return {}


SECTION = AccountSection(template="deletion/account.html", load=_load, actions={})
