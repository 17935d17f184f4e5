"""What single migrations did with the rows that they found."""

import uuid
from collections.abc import Generator
from datetime import UTC, datetime

import pytest
from alembic import command
from sqlalchemy import Uuid, bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.migrations import alembic_config
from app.models.base import UtcDateTime
from tests.support.databases import Backend
from tests.support.schemas import in_transaction


@pytest.fixture
def empty_url(backend: Backend) -> Generator[str]:
    """A database without tables."""
    url = backend.empty()
    yield url
    backend.drop(url)


def test_the_kinds_of_the_hashes_that_are_there_are_filled_in(empty_url: str) -> None:
    config = alembic_config(empty_url)
    command.upgrade(config, "0010")
    hashes = ["$2b$12$" + "." * 53, "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$" + "A" * 43, "*", None]
    insert = (
        "INSERT INTO users (id, username, username_key, email_verified, password_hash, created_at, "
        "updated_at) VALUES (:id, :name, :name, false, :hash, :now, :now)"
    )
    now = datetime(2026, 11, 29, tzinfo=UTC)

    async def add(connection: AsyncConnection) -> None:
        statement = text(insert).bindparams(
            bindparam("id", type_=Uuid), bindparam("now", type_=UtcDateTime)
        )
        for number in range(2500):
            values = {
                "id": uuid.uuid4(),
                "name": f"user{number}",
                "hash": hashes[number % 4],
                "now": now,
            }
            await connection.execute(statement, values)

    in_transaction(empty_url, add)
    command.upgrade(config, "0011")

    async def kinds(connection: AsyncConnection) -> dict[str | None, str | None]:
        rows = await connection.execute(
            text("SELECT DISTINCT password_hash, password_kind FROM users")
        )
        return {row.password_hash: row.password_kind for row in rows}

    assert in_transaction(empty_url, kinds) == {
        hashes[0]: "bcrypt$rounds=12",
        hashes[1]: "argon2$memory_cost=8,rounds=1,parallelism=1,type=id",
        "*": None,
        None: None,
    }
