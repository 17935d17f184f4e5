"""How far the way off the password grant has come: who still uses it, told by the audit trail."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import AuditEvent, Client

RECENT = timedelta(days=30)


@dataclass(frozen=True)
class PasswordGrantUse:
    """How a client uses the password grant."""

    last_used_at: datetime | None
    """None: never, as far as the audit trail goes back."""
    recent_uses: int
    """Logins within the last 30 days."""


NEVER = PasswordGrantUse(None, 0)


async def find_password_grant_use(
    connection: AsyncConnection, now: datetime
) -> Mapping[str, PasswordGrantUse]:
    """How each client, by its id, uses the password grant."""
    # There is an index by client, type and time: of each client only what counts is read.
    logins = (
        (AuditEvent.client_id == Client.client_id)
        & (AuditEvent.type == "token.issued")
        & (AuditEvent.details["grant"].as_string() == "password")
    )
    last = select(AuditEvent.at).where(logins).order_by(AuditEvent.at.desc()).limit(1)
    recent = select(func.count()).where(logins, AuditEvent.at >= now - RECENT)
    rows = await connection.execute(
        select(Client.client_id, last.scalar_subquery(), recent.scalar_subquery())
    )
    return {client_id: PasswordGrantUse(at, uses) for client_id, at, uses in rows}
