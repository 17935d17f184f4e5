"""The schema: its migrations, and whether a database has them. Alembic is known here alone."""

from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import cache
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import driver_url
from app.errors import ConflictError

ROOT = Path(__file__).parents[2]
"""What holds the package: a checkout, or the folder where it is installed."""

SCRIPTS = ROOT / "app" / "migrations"

BASE = "base"
"""What Alembic calls the schema before the first migration."""


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at ``url``, wherever the process was started."""
    config = Config()  # alembic.ini is for Alembic's own command line, and not installed
    config.set_main_option("script_location", str(SCRIPTS))
    config.set_main_option("path_separator", "os")
    config.attributes["url"] = driver_url(url)
    return config


@contextmanager
def _refusals() -> Generator[None]:
    try:
        yield
    except CommandError as refused:
        raise ConflictError(told=str(refused)) from None


def upgrade(url: str) -> None:
    """Migrate the database to the newest schema. Not to be called inside an event loop."""
    command.upgrade(alembic_config(url), "head")


def downgrade(url: str, revision: str) -> None:
    """Take back the migrations after ``revision``. Not to be called inside an event loop.

    Raises :class:`~app.errors.ConflictError` if it is none that the schema has.
    """
    with _refusals():
        command.downgrade(alembic_config(url), revision)


def upgrade_script(url: str, current: str | None) -> str:
    """The SQL of an upgrade from the revision ``current``, for whoever applies SQL by hand.

    Raises :class:`~app.errors.ConflictError` where SQL alone cannot do it.
    """
    return _script(url, command.upgrade, f"{current or BASE}:head")


def downgrade_script(url: str, current: str, revision: str) -> str:
    """The SQL that takes back the migrations from ``current`` to ``revision``.

    Raises as :func:`upgrade_script`.
    """
    return _script(url, command.downgrade, f"{current}:{revision}")


def _script(url: str, write: Callable[..., None], revisions: str) -> str:
    config = alembic_config(url)
    config.output_buffer = StringIO()
    with _refusals():
        write(config, revisions, sql=True)
    return config.output_buffer.getvalue()


def revision_before(revision: str) -> str:
    """The one that ``revision`` follows."""
    script = ScriptDirectory(str(SCRIPTS)).get_revision(revision)
    return str(script.down_revision or BASE)


@cache
def _revisions() -> tuple[str | None, frozenset[str]]:
    """The newest revision that this code knows, and all of them."""
    scripts = ScriptDirectory(str(SCRIPTS))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return scripts.get_current_head(), known


async def schema_revision(connection: AsyncConnection) -> str | None:
    """The revision of the schema; None if there is none."""
    try:
        found = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if "alembic_version" in str(error.orig):
            return None
        raise
    return None if found is None else str(found)


async def schema_state(connection: AsyncConnection) -> str:
    """``current``, ``older`` or ``newer`` than this code, or ``missing``.

    Code runs on a newer schema: migrations expand first and contract a release later.
    """
    return state_of(await schema_revision(connection))


def state_of(revision: str | None) -> str:
    """The same of a revision that was read before."""
    head, known = _revisions()
    if revision is None:
        return "missing"
    if revision == head:
        return "current"
    return "older" if revision in known else "newer"
