"""How Alembic reaches the database: one transaction, one process at a time."""

import asyncio
import sys
from collections.abc import Iterable, Mapping
from graphlib import TopologicalSorter
from typing import Any, Literal

from alembic import context
from alembic.autogenerate.api import AutogenContext
from alembic.operations.ops import DropTableOp, MigrationScript
from alembic.util.exc import CommandError
from sqlalchemy import BLOB, CHAR, DATETIME, Connection, False_, True_, event, make_url, text
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.database.postgresql import UNNAMED
from app.database.sqlite_driver import create_for_owner
from app.features import load_features
from app.models import Base
from app.models.base import UtcDateTime
from app.settings import SettingsError, load_settings
from app.settings.database_url import DRIVERS, driver_url

load_features()  # with the features come their tables

# Any number that every migrating process agrees on.
LOCK = "SELECT pg_advisory_xact_lock(7236544)"
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '10s'"


PLAIN: Mapping[tuple[type[Any], ...], str] = {
    (UtcDateTime, DATETIME): "sa.DateTime(timezone=True)",
    (sqlite.JSON,): "sa.JSON()",
    (CHAR,): "sa.Uuid()",
    (BLOB,): "sa.LargeBinary()",
}
"""What migrations say of types of the application, or of SQLite, where they are written."""


def render_item(kind: str, item: Any, _context: AutogenContext) -> str | Literal[False]:
    """Migrations outlive the application's types: write plain ones.

    And a default as every database has it: on SQLite, where migrations are written, false is 0.
    """
    if kind == "type":
        return next((plain for types, plain in PLAIN.items() if isinstance(item, types)), False)
    if kind == "server_default" and isinstance(item.arg, False_ | True_):
        return f"sa.{str(item.arg).lower()}()"
    return False


def drop_in_order(_context: Any, _revision: Any, scripts: list[MigrationScript]) -> None:
    """Drop tables last, and each after those that refer to it: PostgreSQL drops none before."""
    for script in scripts:
        upgrade, downgrade = script.upgrade_ops, script.downgrade_ops
        if upgrade is not None and downgrade is not None:
            drops = {each.table_name: each for each in upgrade.ops if isinstance(each, DropTableOp)}
            others = [each for each in upgrade.ops if not isinstance(each, DropTableOp)]
            upgrade.ops = [*others, *(drops[name] for name in _referring_first(drops))]
            upgrade.reverse_into(downgrade)


def _referring_first(drops: Mapping[str, DropTableOp]) -> Iterable[str]:
    sorter = TopologicalSorter[str]()
    for name in sorted(drops):
        sorter.add(name)
        for key in drops[name].to_table().foreign_keys:
            referred = key.target_fullname.rpartition(".")[0]
            if referred in drops and referred != name:
                sorter.add(referred, name)
    return sorter.static_order()


def migrate(connection: Connection) -> None:
    """Run the migrations in one transaction; a second process waits, then finds them done."""
    sqlite = connection.dialect.name == "sqlite"
    with connection.begin():
        if not sqlite:
            connection.execute(text(LOCK))
            connection.execute(text(LOCK_TIMEOUT))
        context.configure(
            connection=connection,
            target_metadata=Base.metadata,
            render_item=render_item,
            process_revision_directives=drop_in_order,
            render_as_batch=True,
            compare_type=True,
            transactional_ddl=True,
        )
        context.run_migrations()
        if sqlite and connection.execute(text("PRAGMA foreign_key_check")).first():
            raise RuntimeError("the migration left rows that refer to nothing")


def database_url() -> str:
    """The database of the caller, or of the settings when Alembic's own command line is used."""
    if given := context.config.attributes.get("url"):
        return str(given)
    try:
        return driver_url(load_settings().database_url)
    except SettingsError as error:
        sys.exit(f"alembic: {error}")


def write_script() -> None:
    """Write the same transaction as SQL, for ``--sql``: nothing is connected to.

    Raises :class:`CommandError` on SQLite, where a migration reads the tables that it rebuilds.
    """
    url = make_url(database_url())
    if url.get_backend_name() == "sqlite":
        raise CommandError("SQL scripts are for PostgreSQL: SQLite's tables are rebuilt in Python")
    context.configure(
        url=url,
        target_metadata=Base.metadata,
        literal_binds=True,
        transactional_ddl=True,
    )
    with context.begin_transaction():
        context.get_context().impl.static_output(f"{LOCK};")
        context.get_context().impl.static_output(f"{LOCK_TIMEOUT};")
        context.run_migrations()


async def main() -> None:
    url = database_url()
    # A pooler may be in between, and what is prepared here is used once.
    options = UNNAMED if url.startswith(DRIVERS["postgresql"]) else {}
    engine = create_async_engine(
        url, poolclass=NullPool, hide_parameters=True, connect_args=options
    )
    if engine.dialect.name == "sqlite":
        create_for_owner(str(engine.url.database))

        @event.listens_for(engine.sync_engine, "connect")
        def prepare(connection: Any, _record: object) -> None:
            # Foreign keys stay off: a batch migration drops and renames tables, and with them
            # on that would delete the rows of other tables by cascade.
            connection.isolation_level = None
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")

        @event.listens_for(engine.sync_engine, "begin")
        def begin(connection: Connection) -> None:
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    async with engine.connect() as connection:
        await connection.run_sync(migrate)
    await engine.dispose()


if context.is_offline_mode():
    write_script()
else:
    asyncio.run(main())
