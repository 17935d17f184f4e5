"""Whether a client is open to a user: what features may refuse (``admits`` in `app/feature.py`)."""

import uuid
from collections.abc import Awaitable, Callable

from sqlalchemy.ext.asyncio import AsyncConnection

Admits = Callable[[AsyncConnection, uuid.UUID, str], Awaitable[bool]]
"""Asked with the ids of a user and a client, in a transaction that holds both where it counts."""


async def admit_everybody(_connection: AsyncConnection, _user_id: uuid.UUID, _client: str) -> bool:
    """What is so without a feature that says otherwise."""
    return True
