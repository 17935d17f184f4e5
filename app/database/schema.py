"""Whether the schema of a database is that of this code.

The migrations are read as text. Alembic, which runs them (:mod:`app.database.migrations`), would
be a tenth of the memory of a worker that never migrates.
"""

import re
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database
from app.database.faults import is_unmigrated

_PACKAGE = Path(__file__).parents[1]

ROOT = _PACKAGE.parent
"""What holds the package: a checkout, or the folder where it is installed."""

SCRIPTS = next(
    folder / "migrations" for folder in (_PACKAGE, ROOT) if (folder / "migrations").is_dir()
)
"""Where the migrations are: in the package where it is installed, beside it in a checkout."""

_REVISION = re.compile(r"""^revision(?:: str)? = ["'](\w+)["']$""", re.MULTILINE)
_FOLLOWS = re.compile(r"^down_revision(?:: [^=]+)? = (.+)$", re.MULTILINE)
_NAMES = re.compile(r"""["'](\w+)["']""")
"""Of one revision, or of those that a fork has merged with its own."""


@cache
def revisions() -> tuple[str, frozenset[str]]:
    """The newest revision that this code knows, and all of them."""
    texts = [path.read_text() for path in (SCRIPTS / "versions").glob("*.py")]
    known = {revision for text in texts for revision in _REVISION.findall(text)}
    followed = {
        revision
        for text in texts
        for before in _FOLLOWS.findall(text)
        for revision in _NAMES.findall(before)
    }
    (head,) = known - followed
    return head, frozenset(known)


async def recorded_revisions(connection: AsyncConnection) -> Sequence[str]:
    """What the database says of its schema: one revision; none of one that was never migrated.

    There are several where a fork has applied migrations that it has not merged, or by mistake.
    """
    try:
        found = await connection.scalars(text("SELECT version_num FROM alembic_version"))
    except DBAPIError as error:
        if is_unmigrated(error):
            return []
        raise
    return [str(revision) for revision in found]


async def find_revisions(database: Database) -> Sequence[str]:
    """The same of ``database``; none, too, where SQLite has no file: none is made."""
    if database.is_missing:
        return []
    async with database.read() as connection:
        return await recorded_revisions(connection)


async def schema_state(connection: AsyncConnection) -> str:
    """``current``, ``older`` or ``newer`` than this code, or ``missing``.

    Code runs on a newer schema: migrations expand first and contract a release later.
    """
    return state_of(await recorded_revisions(connection))


def state_of(recorded: Collection[str]) -> str:
    """The same of revisions that were read before, whatever others stand beside the newest."""
    head, known = revisions()
    if not recorded:
        return "missing"
    if head in recorded:
        return "current"
    return "newer" if known.isdisjoint(recorded) else "older"
