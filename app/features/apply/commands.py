"""``latchkey apply``: users, clients and scopes as a file declares them."""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from app.cli.command import Answer, Json, server_command
from app.cli.output import shown
from app.errors import InvalidError
from app.operations.applying import Change, apply

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


class StrictLoader(yaml.SafeLoader):  # type: ignore[misc]  # yaml has no types
    """Refuses a key that comes twice: YAML's own loaders drop the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """What the node says. Raises :class:`yaml.constructor.ConstructorError`."""
        keys = [key.value for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.constructor.ConstructorError(
                    problem=f"the key {key!r} appears twice", problem_mark=node.start_mark
                )
        found: dict[Any, Any] = super().construct_mapping(node, deep)
        return found


def read_document(file: Path) -> object:
    """What is in a file of YAML or JSON. Raises :class:`InvalidError`."""
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        return yaml.load(text, StrictLoader)  # noqa: S506 - a SafeLoader
    except OSError as error:
        raise InvalidError(told=f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidError(told=f"{file} is not UTF-8") from None
    except yaml.MarkedYAMLError as malformed:
        line = malformed.problem_mark.line + 1 if malformed.problem_mark else 1
        raise InvalidError(
            told=f"{file}: line {line}: {malformed.problem or malformed.context}"
        ) from None
    except RecursionError:
        raise InvalidError(told=f"{file} is nested too deeply") from None
    except yaml.YAMLError:
        raise InvalidError(told=f"{file} has characters that YAML does not permit") from None
