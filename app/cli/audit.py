"""``latchkey audit``: what happened."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from app.cli.command import Json, run, show_list
from app.server import Server
from app.services.audit import list_events
from app.services.users import find_account

cli = typer.Typer(no_args_is_help=True, help="Read the audit trail.")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("such as 2026-11-23 or 2026-11-23T18:00:00+01:00") from None


@cli.callback()
def audit() -> None:
    """Read the audit trail."""


@cli.command("list")
def show_events(
    user: Annotated[str | None, typer.Option(help="The name or the id of a user.")] = None,
    client: Annotated[str | None, typer.Option(help="A client id.")] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Such as login.failed.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment,
            metavar="ISO",
            help="Not older than this date or time; UTC unless it says otherwise.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 100,
    json: Json = False,
) -> None:
    """List what happened, newest first."""

    async def work(server: Server) -> list[dict[str, Any]]:
        async with server.database.read() as connection:
            account = await find_account(connection, user) if user else None
            events = await list_events(
                connection,
                limit=limit,
                user_id=str(account.id) if account else user,
                client_id=client,
                event_type=event_type,
                since=since,
            )
        return [asdict(event) for event in events]

    show_list(run(work), json)
