"""``latchkey db``: migrations."""

import typer

from app.cli.command import (
    Deployment,
    FailingInOneLine,
    Json,
    run_without_server,
    settings,
    show,
)
from app.database.migrations import schema_state, upgrade
from app.errors import Problem

cli = typer.Typer(no_args_is_help=True, help="Migrate the database, or check its schema.")


@cli.command("upgrade")
def upgrade_database(json: Json = False) -> None:
    """Migrate the database to the newest schema. Safe to run repeatedly and concurrently."""
    with FailingInOneLine():
        upgrade(settings().database_url)
    show({"schema_state": run_without_server(_state)}, json)


@cli.command("check")
def check(json: Json = False) -> None:
    """Check whether the schema is current; exit code 1 if it is older than this code."""
    state = run_without_server(_state)
    show({"schema_state": state}, json)
    if state in ("older", "missing"):
        with FailingInOneLine():
            raise Problem(told="the database is not migrated: run `latchkey db upgrade`")


async def _state(deployment: Deployment) -> str:
    async with deployment.database.read() as connection:
        return await schema_state(connection)
