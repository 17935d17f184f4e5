"""A database that has been in use: as many logins and refresh tokens as are wanted.

``make bench ARGS="--grown 1000000"`` measures every row on such a one: what is looked up by a key
should not notice.
"""

import asyncio
from datetime import UTC, datetime, timedelta

from sqlalchemy import Integer, String, bindparam, cast, func, insert, literal, select, text
from sqlalchemy.ext.asyncio import create_async_engine

from app.models import Login, RefreshToken, User
from app.models.base import UtcDateTime
from app.settings.database_url import driver_url

CLIENT = "first-party"

_WITHOUT_FOREIGN_KEYS = "SET LOCAL session_replication_role = replica"


def grow(url: str, count: int) -> None:
    """Add logins of alice, each with one refresh token, to a database with the demo data."""
    asyncio.run(_grow(url, count))


async def _grow(url: str, count: int) -> None:
    engine = create_async_engine(driver_url(url))  # without the limits of a server
    on_sqlite = engine.dialect.name == "sqlite"
    first = select(literal(1, Integer).label("number")).cte("numbers", recursive=True)
    numbers = first.union_all(select(first.c.number + 1).where(first.c.number < count))
    now = datetime.now(UTC)
    moments = [
        bindparam("created", now, UtcDateTime()),
        bindparam("expires", now + timedelta(days=30), UtcDateTime()),
    ]
    by_chance = func.lower(func.hex(func.randomblob(16)))
    login_id = by_chance if on_sqlite else func.gen_random_uuid()
    alice = select(User.id).where(User.username == "alice").scalar_subquery()
    logins = insert(Login).from_select(
        ["id", "user_id", "client_id", "scope", "created_at", "expires_at"],
        select(login_id, alice, literal(CLIENT), literal("profile"), *moments).select_from(numbers),
    )
    hashed = literal("of ") + cast(Login.id, String)
    tokens = insert(RefreshToken).from_select(
        ["token_hash", "login_id", "issued_at"], select(hashed, Login.id, Login.created_at)
    )
    async with engine.begin() as connection:
        # Millions of rows take much longer without: room for the pages of indexes, or no look at
        # foreign keys, which SQLite spares itself here anyway.
        hasten = "PRAGMA cache_size = -1000000" if on_sqlite else _WITHOUT_FOREIGN_KEYS
        await connection.execute(text(hasten))
        await connection.execute(logins)
        await connection.execute(tokens)
        await connection.execute(text("ANALYZE"))
    await engine.dispose()
