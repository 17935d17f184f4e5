"""Schemas other than the newest, and statements on any of them, outside an event loop."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database
from app.database.migrations import alembic_config
from app.database.schema import ROOT, revisions, schema_state

Result = TypeVar("Result")

several_migrations = pytest.mark.skipif(
    len(revisions()[1]) == 1, reason="no schema is older than the first, which is the newest"
)
"""For what is about an older schema: a project begins with one migration."""

REBUILD_USERS = """
def upgrade():
    with op.batch_alter_table("users") as users:
        users.alter_column("email", type_=sa.String(length=500))


def downgrade():
    with op.batch_alter_table("users") as users:
        users.alter_column("email", type_=sa.String(length=320))
"""


def in_transaction(url: str, work: Callable[[AsyncConnection], Awaitable[Result]]) -> Result:
    """The result of ``work`` on the database at ``url``, outside any event loop."""

    async def main() -> Result:
        database = Database(url)
        try:
            async with database.transaction() as connection:
                return await work(connection)
        finally:
            await database.close()

    return asyncio.run(main())


def execute(url: str, *statements: str) -> None:
    async def work(connection: AsyncConnection) -> None:
        for statement in statements:
            await connection.execute(text(statement))

    in_transaction(url, work)


def count(url: str, table: str) -> int:
    async def work(connection: AsyncConnection) -> int:
        return int(await connection.scalar(text(f"SELECT count(*) FROM {table}")) or 0)

    return in_transaction(url, work)


def state(url: str) -> str:
    return in_transaction(url, schema_state)


def with_another_migration(url: str, folder: Path, body: str) -> Config:
    """The configuration of ``url`` with one more migration, after the newest."""
    head = ScriptDirectory.from_config(alembic_config(url)).get_current_head()
    (folder / "next.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision = 'ffff'\ndown_revision = {head!r}\n\n{body}"
    )
    config = alembic_config(url)
    versions = f"{ROOT / 'migrations' / 'versions'}{os.pathsep}{folder}"
    config.set_main_option("version_locations", versions)
    return config
