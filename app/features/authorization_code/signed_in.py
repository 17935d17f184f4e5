"""The applications where a user is logged in: each once, however many of its logins go on."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.paging import Place, newest_first
from app.identity.users import hold_user
from app.login.logins import LiveLogin, describe_logins, is_live
from app.models import Login

SHOWN_EACH = 10
"""Logins of one application."""


@dataclass(frozen=True)
class SignedIn:
    """An application where a user is logged in."""

    client_id: str
    client_name: str
    count: int
    """How many logins go on."""
    logins: Sequence[LiveLogin]
    """The newest of them, newest first."""

    @property
    def newest(self) -> LiveLogin:
        """The login by which the application has its place among others."""
        return self.logins[0]


async def list_signed_in(
    connection: AsyncConnection,
    user_id: uuid.UUID,
    now: datetime,
    *,
    limit: int,
    before: Place | None = None,
) -> list[SignedIn]:
    """At most ``limit`` applications, that of the newest login first, behind the place ``before``.

    The place of an application is that of its newest login.
    """
    ranked = (
        select(
            Login.id,
            Login.client_id,
            Login.created_at,
            func.row_number()
            .over(partition_by=Login.client_id, order_by=[Login.created_at.desc(), Login.id.desc()])
            .label("rank"),
            func.count().over(partition_by=Login.client_id).label("count"),
        )
        .where(is_live(user_id, now))
        .subquery()
    )
    newest = select(ranked.c.client_id, ranked.c.count).where(ranked.c.rank == 1)
    page = newest_first(newest, ranked.c.created_at, ranked.c.id, limit=limit, before=before)
    counts = {row.client_id: row[1] for row in await connection.execute(page)}
    of_each = (
        select(Login)
        .join(ranked, ranked.c.id == Login.id)
        .where(ranked.c.client_id.in_(counts), ranked.c.rank <= SHOWN_EACH)
    )
    logins: dict[str, list[LiveLogin]] = {client_id: [] for client_id in counts}
    for login in await describe_logins(connection, of_each):
        logins[login.client_id].append(login)
    return [
        SignedIn(client_id, of_client[0].client_name, counts[client_id], of_client)
        for client_id, of_client in logins.items()
        if of_client  # they may have ended between the two queries
    ]


async def end_logins_at(
    connection: AsyncConnection, user_id: uuid.UUID, client_id: str, now: datetime
) -> bool:
    """End every login of a user at one client; False if there was none."""
    await hold_user(connection, user_id)
    ended = await connection.execute(
        update(Login)
        .where(is_live(user_id, now), Login.client_id == client_id)
        .values(ended_at=now)
        .returning(Login.id)
    )
    return bool(ended.all())
