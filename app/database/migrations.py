"""Migrating the schema. Alembic is known here alone."""

from collections.abc import Callable, Collection, Generator
from contextlib import contextmanager
from io import StringIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util.exc import CommandError

from app.database.schema import SCRIPTS
from app.errors import ConflictError
from app.settings.database_url import driver_url

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
    """Migrate the database to the newest schema. Not to be called inside an event loop.

    Raises :class:`~app.errors.ConflictError` if there is no way to it from what is there.
    """
    with _refusals():
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


def refuse_overlap(recorded: Collection[str]) -> None:
    """Raise :class:`ConflictError` if a revision is recorded beside one that it follows."""
    scripts = ScriptDirectory(str(SCRIPTS))
    with _refusals():
        for revision in recorded:
            followed = {each.revision for each in scripts.iterate_revisions(revision, BASE)}
            for before in sorted(followed.intersection(recorded) - {revision}):
                raise ConflictError(
                    told=f"the table alembic_version has {before} beside {revision}, which follows "
                    "it: delete the row that is not true"
                )


def revision_before(revision: str) -> str:
    """The one that ``revision`` follows. Raises :class:`ConflictError` if it merges several."""
    before = ScriptDirectory(str(SCRIPTS)).get_revision(revision).down_revision or BASE
    if not isinstance(before, str):
        raise ConflictError(told=f"the revision {revision} follows several: name one of them")
    return before
