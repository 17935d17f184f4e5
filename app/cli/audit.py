"""``latchkey audit``: what happened."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, get_args

import typer
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import EventType, RecordedEvent, list_events
from app.cli.command import Deployment, Json, Record, command
from app.clock import Clock
from app.identity.users import find_user_id, find_usernames

cli = typer.Typer(no_args_is_help=True, help="Read the audit trail.")

_AGO = re.compile(r"(\d{1,6})([mhdw])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def _moment(text: str) -> datetime:
    """A date, a time, or how long ago."""
    try:
        if ago := _AGO.fullmatch(text):
            return Clock().now() - timedelta(**{_UNITS[ago[2]]: int(ago[1])})
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            "such as 12h, 7d, 2026-11-23 or 2026-11-23T18:00:00+01:00"
        ) from None


def _type(text: str) -> str:
    """One of the types that there are: another would find nothing, like one that did not happen."""
    if text not in get_args(EventType):
        raise typer.BadParameter("there is no such event type: docs/audit.md lists them all")
    return text


@cli.callback()
def audit() -> None:
    """Read the audit trail."""


@command(cli, "list")
async def show_events(
    deployment: Deployment,
    user: Annotated[
        str | None,
        typer.Option(help="A user's name, or the id, also of a deleted user."),
    ] = None,
    client: Annotated[str | None, typer.Option(help="A client id.")] = None,
    actor: Annotated[
        str | None,
        typer.Option(help="Who did it: the id of a user or client, or operator."),
    ] = None,
    event_type: Annotated[
        str | None,
        typer.Option(
            "--type",
            parser=_type,
            metavar="TYPE",
            help="An event type such as login.failed: see docs/audit.md.",
        ),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment,
            metavar="TIME",
            help="No older than this: 12h, 7d, a date, or a time; in UTC unless it has an offset.",
        ),
    ] = None,
    until: Annotated[
        datetime | None,
        typer.Option(
            parser=_moment, metavar="TIME", help="Older than this; same format as --since."
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of events.")] = 100,
    json: Json = False,
) -> list[Record]:
    """List what happened, newest first.

    To see who logged in as ada last night: `--user ada --type login.succeeded --since 12h`.
    """
    async with deployment.database.read() as connection:
        events = await list_events(
            connection,
            limit=limit,
            actor=actor,
            user_id=None if user is None else await find_user_id(connection, user),
            client_id=client,
            event_type=event_type,
            since=since,
            until=until,
        )
        if json:
            return [asdict(event) for event in events]
        return await _for_people(connection, events)


async def _for_people(connection: AsyncConnection, events: Sequence[RecordedEvent]) -> list[Record]:
    """With names instead of the ids of users who are still there."""
    ids = {value for event in events for value in (event.actor, event.user_id) if value}
    names = await find_usernames(connection, ids)
    return [
        {
            "at": event.at,
            "type": event.type,
            "user": names.get(event.user_id or "", event.user_id),
            "by": names.get(event.actor or "", event.actor),
            "client": event.client_id,
            "address": event.address,
            "user agent": event.user_agent,
            "details": _in_words(event.details),
        }
        for event in events
    ]


def _in_words(details: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{name}: {' '.join(value) if isinstance(value, list) else value}"
        for name, value in details.items()
    )
