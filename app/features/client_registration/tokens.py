"""Initial access tokens (RFC 7591, section 3): made by the operator, for whom they choose."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import FeatureEventType
from app.errors import InvalidError, InvalidTokenError, NotFoundError
from app.features.client_registration.model import RegistrationToken
from app.identity.names import has_unseen
from app.management.authority import Actor
from app.security.opaque import generate_secret, hash_secret

CREATED = FeatureEventType("registration_token.created")
REVOKED = FeatureEventType("registration_token.revoked")

PREFIX = "lr_"


@dataclass(frozen=True)
class TokenRecord:
    """A token as the operator sees it again."""

    id: uuid.UUID
    name: str
    created_at: datetime
    expires_at: datetime
    uses_left: int | None


_COLUMNS = (
    RegistrationToken.id,
    RegistrationToken.name,
    RegistrationToken.created_at,
    RegistrationToken.expires_at,
    RegistrationToken.uses_left,
)


async def create_registration_token(
    operator: Actor, *, name: str, lifetime: timedelta, uses: int | None
) -> tuple[TokenRecord, str]:
    """A new token, this once. Raises :class:`InvalidError`."""
    if not 1 <= len(name) <= 100 or has_unseen(name):
        raise InvalidError(told="a name must have 1 to 100 characters, and no control characters")
    token, now = PREFIX + generate_secret(), operator.now
    values = {
        "name": name,
        "token_hash": hash_secret(token),
        "created_at": now,
        "expires_at": now + lifetime,
        "uses_left": uses,
    }
    row = await operator.connection.execute(
        insert(RegistrationToken).values(values).returning(*_COLUMNS)
    )
    record = TokenRecord(*row.one())
    await operator.record(CREATED, token=str(record.id), name=name)
    return record, token


async def list_registration_tokens(connection: AsyncConnection) -> Sequence[TokenRecord]:
    """All that there are, newest first."""
    rows = await connection.execute(
        select(*_COLUMNS).order_by(RegistrationToken.created_at.desc(), RegistrationToken.id)
    )
    return [TokenRecord(*row) for row in rows]


async def revoke_registration_token(operator: Actor, token_id: uuid.UUID) -> None:
    """Take a token away; who registered with it stays. Raises :class:`NotFoundError`."""
    gone = await operator.connection.execute(
        delete(RegistrationToken)
        .where(RegistrationToken.id == token_id)
        .returning(RegistrationToken.name)
    )
    name = gone.scalar_one_or_none()
    if name is None:
        raise NotFoundError(told="There is no such registration token.")
    await operator.record(REVOKED, token=str(token_id), name=name)


async def use_registration_token(connection: AsyncConnection, token: str, now: datetime) -> str:
    """Use a token once, and return its id. Raises :class:`InvalidTokenError`."""
    used = await connection.execute(
        update(RegistrationToken)
        .where(
            RegistrationToken.token_hash == hash_secret(token),
            RegistrationToken.expires_at > now,
            or_(RegistrationToken.uses_left.is_(None), RegistrationToken.uses_left > 0),
        )
        .values(uses_left=RegistrationToken.uses_left - 1)
        .returning(RegistrationToken.id)
    )
    token_id = used.scalar_one_or_none()
    if token_id is None:
        raise InvalidTokenError(reason="no initial access token that is good")
    return str(token_id)
