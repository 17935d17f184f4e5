"""E-mail addresses: one counts only once it is verified, and for one account at a time.

Until then anybody may have written it into their account. So it is told to no client, which could
take its user for somebody else, and several accounts may have it.
"""

import unicodedata
import uuid
from typing import Any

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import lock
from app.errors import ConflictError
from app.message import Message
from app.models import User
from app.security.opaque import hash_secret


def email_key(email: str) -> str:
    """The form in which addresses are compared: NFKC, and the domain in one case.

    What is in front of the @ is the host's own (RFC 5321, section 2.4): its case counts.
    """
    local, _, domain = unicodedata.normalize("NFKC", email).rpartition("@")
    return f"{local}@{unicodedata.normalize('NFKC', domain.casefold())}"


def email_columns(email: str | None, *, verified: bool) -> dict[str, Any]:
    """What is stored of an address: the one way to write it, so that its key is always right."""
    key = None if email is None else email_key(email)
    return {"email": email, "email_key": key, "email_verified": verified}


async def require_not_verified_elsewhere(
    connection: AsyncConnection, email: str, user_id: uuid.UUID
) -> None:
    """Raise :class:`ConflictError` if another account has that address verified.

    None verifies it then until the transaction ends. The error is for whoever manages users, or
    has proven that the address is theirs: nobody else may learn whether somebody has it.
    """
    key = email_key(email)
    await lock(connection, f"address {hash_secret(key)}")
    elsewhere = exists().where(User.email_key == key, User.email_verified, User.id != user_id)
    if await connection.scalar(select(elsewhere)):
        raise ConflictError(told=Message("another user has this e-mail address verified"))
