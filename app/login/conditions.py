"""What features say of a login in SQL, so that the core asks all of them in one query.

A login waits for the database at every question, while hashes keep all cores busy: asked one by
one, they would cost more than all that is written.
"""

import uuid

from sqlalchemy import ColumnElement, String, Uuid, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

USER_ID = bindparam("user_id", type_=Uuid())
"""The user who logs in."""

CLIENT_ID = bindparam("client_id", type_=String())
"""The client through which they do; NULL for the pages of this server."""

SCOPES = bindparam("scopes", type_=String(), expanding=True)
"""What the login is to be granted: for ``IN``."""


async def holds_for(
    connection: AsyncConnection, condition: ColumnElement[bool], user_id: uuid.UUID
) -> bool:
    """Whether a condition on :data:`USER_ID` holds for the user of that id."""
    return bool(await connection.scalar(select(condition), {USER_ID.key: user_id}))
