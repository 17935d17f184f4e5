"""``latchkey apply``: users, clients and scopes as a file declares them."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.command import Answer, Json, server_command
from app.cli.documents import read_document
from app.cli.output import shown
from app.features.apply.service import Change, apply

if TYPE_CHECKING:
    from app.server import Server

SIGNS = {"created": "+", "changed": "~", "deleted": "-"}

cli = typer.Typer()


@server_command(cli, "apply")
async def apply_file(
    server: "Server",
    file: Annotated[Path, typer.Argument(help="YAML or JSON; - reads stdin.")],
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only show what would be different.")
    ] = False,
    json: Json = False,
) -> Answer:
    """Create, change and delete users, clients and scopes as a file declares. Safe to run again.

    It is applied as a whole or not at all. What the file does not name stays as it is; an entry
    with `absent: true` is deleted. A client is replaced as a whole, except for its secret, and
    whether it is disabled; of a user, what is left out stays as it is. Secrets are not in the
    file: `client_secret` and `initial_password` are {env: NAME} or {file: PATH}.
    """
    folder = Path() if str(file) == "-" else file.parent
    changes = await apply(server, read_document(file), folder=folder, rehearse=dry_run)
    if json:
        return [
            {
                "kind": change.kind,
                "name": change.name,
                "change": change.verb,
                "fields": {name: list(values) for name, values in change.fields.items()},
            }
            for change in changes
        ]
    return "\n".join(_described(changes, dry_run))


def _described(changes: Sequence[Change], dry_run: bool) -> Iterator[str]:
    for change in changes:
        yield f"{SIGNS[change.verb]} {change.kind} {shown(change.name)}"
        for field, (before, after) in change.fields.items():
            yield f"    {field}: {_step(before, after, change.verb)}"
    number = f"{len(changes)} change{'s' * (len(changes) != 1)}"
    if not changes:
        yield "Nothing to change."
    elif dry_run:
        yield f"{number} to make. Nothing was changed."
    else:
        yield f"{number} made."


def _step(before: Any, after: Any, verb: str) -> str:
    if isinstance(after, list):
        old = before or []
        gone = [f"-{shown(each)}" for each in old if each not in after]
        new = [f"+{shown(each)}" for each in after if each not in old]
        return " ".join([*new, *gone]) or " ".join(map(shown, after))
    return shown(after) if verb == "created" else f"{shown(before)} → {shown(after)}"
