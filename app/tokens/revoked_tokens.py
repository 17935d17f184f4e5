"""Access tokens that were revoked one by one: those of clients that act for themselves."""

from datetime import datetime

from sqlalchemy import exists, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import insert_unless
from app.models import RevokedToken


async def revoke_token(connection: AsyncConnection, token_id: str, expires_at: datetime) -> bool:
    """Revoke the access token with this ``jti``; False if it was revoked before."""
    revoked = await connection.execute(
        insert_unless(connection, RevokedToken)
        .values(token_id=token_id, expires_at=expires_at)
        .on_conflict_do_nothing()
        .returning(RevokedToken.token_id)
    )
    return revoked.one_or_none() is not None


async def is_revoked(connection: AsyncConnection, token_id: str) -> bool:
    """Whether the access token with this ``jti`` was revoked."""
    found = await connection.scalar(select(exists().where(RevokedToken.token_id == token_id)))
    return bool(found)
