"""The schema: its migrations, and whether a database has them. Alembic is known here alone."""

from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import driver_url

ROOT = Path(__file__).parents[2]


def alembic_config(url: str) -> Config:
    """Alembic's configuration for the database at ``url``, wherever the process was started."""
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("script_location", str(ROOT / "migrations"))
    config.attributes["url"] = driver_url(url)
    return config


def upgrade(url: str) -> None:
    """Migrate the database to the newest schema. Not to be called inside an event loop."""
    command.upgrade(alembic_config(url), "head")


@cache
def _revisions() -> tuple[str | None, frozenset[str]]:
    """The newest revision that this code knows, and all of them."""
    scripts = ScriptDirectory(str(ROOT / "migrations"))
    known = frozenset(script.revision for script in scripts.walk_revisions())
    return scripts.get_current_head(), known


async def schema_state(connection: AsyncConnection) -> str:
    """``current``, ``older`` or ``newer`` than this code, or ``missing``.

    Code runs on a newer schema: migrations expand first and contract a release later.
    """
    head, known = _revisions()
    try:
        revision = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if "alembic_version" in str(error.orig):
            return "missing"
        raise
    if revision is None:
        return "missing"
    if revision == head:
        return "current"
    return "older" if revision in known else "newer"
