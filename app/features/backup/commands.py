"""``latchkey backup`` and ``latchkey restore``."""

from pathlib import Path
from typing import Annotated

import typer

from app.cli.command import Deployment, FailingInOneLine, Json, run_without_server, settings
from app.cli.later import features_at_hand
from app.cli.output import show
from app.database.schema import schema_state
from app.errors import ConflictError
from app.features.backup import service as backup

NOTES = {
    "older": "The schema is older than this release: run `latchkey db upgrade`.",
    "newer": "The schema is newer than this release, which runs on it.",
}

NEWER = "the schema is newer than this release: restore with the release that made it"

cli = typer.Typer()


@cli.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="A new file. Keep it as safe as the database.")],
    json: Json = False,
) -> None:
    """Write the whole database to a file, while it is in use.

    LATCHKEY_SECRET_KEY is not in it, and without it the signing keys in it are lost: keep both, and
    not in the same place. PostgreSQL needs its pg_dump, of the same version or newer.
    """
    with FailingInOneLine():
        backup.back_up(settings().database_url, file)
    show({"file": str(file), "bytes": file.stat().st_size}, json)


@cli.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="What `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace what is in the database now.")
    ] = False,
    json: Json = False,
) -> None:
    """Make the database what it was when the backup was written.

    Stop the servers first. What has happened since is lost. That includes what was taken away:
    users who were disabled since, and logins that were ended, are back.
    """
    with FailingInOneLine():
        if run_without_server(_state) == "newer":
            raise ConflictError(told=NEWER)  # it has tables that this release cannot take away
        features_at_hand.get()()  # with them come their tables, which go as well
        backup.restore(settings().database_url, file, replace=replace)
    state = run_without_server(_state)
    show({"file": str(file), "schema_state": state}, json, NOTES.get(state, ""))


async def _state(deployment: Deployment) -> str:
    async with deployment.database.read() as connection:
        return await schema_state(connection)
