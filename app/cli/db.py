"""``latchkey db``: migrations."""

from collections.abc import Sequence
from typing import Annotated

import typer

from app.cli.command import (
    Deployment,
    FailingInOneLine,
    Json,
    run_without_server,
    settings,
)
from app.cli.output import show
from app.database.faults import NOT_MIGRATED
from app.database.migrations import (
    downgrade,
    downgrade_script,
    refuse_overlap,
    revision_before,
    upgrade,
    upgrade_script,
)
from app.database.schema import find_revisions, state_of
from app.errors import ConflictError, Problem

cli = typer.Typer(no_args_is_help=True, help="Migrate the database, or check its schema.")

Sql = Annotated[
    bool, typer.Option("--sql", help="Print SQL for PostgreSQL to apply by hand, and do nothing.")
]

NEWER = "The schema is newer than this release, which runs on it. Nothing was changed."
NEWER_GOES_DOWN_ELSEWHERE = (
    "the schema is newer than this release: take it back with the release that made it"
)
NOTHING_TO_TAKE_BACK = "there is no migration to take back"


@cli.command("upgrade")
def upgrade_database(sql: Sql = False, json: Json = False) -> None:
    """Migrate the database to the newest schema. Safe to run repeatedly and concurrently.

    A schema that is newer than this release, as after a rollback, stays as it is.
    """
    recorded = run_without_server(_recorded)
    if state_of(recorded) == "newer":
        show({"schema_state": "newer"}, json, NEWER)
        return
    with FailingInOneLine():
        if sql:
            revision = next(iter(recorded), None)
            _print_script(upgrade_script(settings().database_url, revision), revision, json)
            return
        upgrade(settings().database_url)
    show({"schema_state": _state()}, json)


@cli.command("downgrade")
def downgrade_database(
    revision: Annotated[
        str | None, typer.Argument(help="The last one that stays; base takes all back.")
    ] = None,
    sql: Sql = False,
    json: Json = False,
) -> None:
    """Take migrations back, the newest alone unless REVISION is given. Back up first.

    What only the newer schema can hold is lost, and this release no longer runs on the older one:
    stop it first. To go back to an earlier release this is not needed, for that runs on the newer
    schema.
    """
    recorded = run_without_server(_recorded)
    with FailingInOneLine():
        if not recorded:
            raise ConflictError(told=NOTHING_TO_TAKE_BACK)
        if state_of(recorded) == "newer":
            raise ConflictError(told=NEWER_GOES_DOWN_ELSEWHERE)
        current = recorded[0]
        target = revision or revision_before(current)
        if sql:
            script = downgrade_script(settings().database_url, current, target)
            _print_script(script, current, json)
            return
        downgrade(settings().database_url, target)
    recorded = run_without_server(_recorded)
    told = {"schema_state": state_of(recorded), "revision": next(iter(recorded), None)}
    show(told, json)


@cli.command("check")
def check(json: Json = False) -> None:
    """Check whether the schema is current; exit code 1 if it is older than this code."""
    state = _state()
    show({"schema_state": state}, json)
    if state in ("older", "missing"):
        with FailingInOneLine():
            raise Problem(told=NOT_MIGRATED)


def _print_script(script: str, revision: str | None, as_json: bool) -> None:
    if as_json:
        show({"from": revision, "sql": script}, as_json)
    else:
        print(script, end="")


def _state() -> str:
    return state_of(run_without_server(_recorded))


async def _recorded(deployment: Deployment) -> Sequence[str]:
    """What the database has recorded. Raises :class:`ConflictError` if one follows another."""
    recorded = await find_revisions(deployment.database)
    if len(recorded) > 1:
        refuse_overlap(recorded)
    return recorded
