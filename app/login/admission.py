"""Whether a client is open to a user: what features may refuse (``admits`` in `app/feature.py`)."""

import uuid
from collections.abc import Awaitable, Callable, Sequence

from sqlalchemy import ColumnElement, and_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.login.conditions import CLIENT_ID, USER_ID

Admits = Callable[[AsyncConnection, uuid.UUID, str], Awaitable[bool]]
"""Asked with the ids of a user and a client, in a transaction that holds both where it counts."""


async def admit_everybody(_connection: AsyncConnection, _user_id: uuid.UUID, _client: str) -> bool:
    """What is so without a feature that says otherwise."""
    return True


def admitting(conditions: Sequence[ColumnElement[bool]]) -> Admits:
    """Whether all of the ``conditions`` on :data:`USER_ID` and :data:`CLIENT_ID` hold."""
    if not conditions:
        return admit_everybody
    query = select(and_(*conditions))

    async def admits(connection: AsyncConnection, user_id: uuid.UUID, client_id: str) -> bool:
        parameters = {USER_ID.key: user_id, CLIENT_ID.key: client_id}
        return bool(await connection.scalar(query, parameters))

    return admits
