"""``latchkey export`` and ``latchkey import``."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from app.cli.command import Json, failing_in_one_line, note, run, show
from app.errors import InvalidError
from app.server import Server
from app.services.transfer import TransferDocument, export_document, import_document


def export_records(
    with_hashes: Annotated[
        bool, typer.Option("--with-hashes", help="Also of passwords and secrets: keep it safe.")
    ] = False,
    json: Json = False,
) -> None:
    """Print users, clients and scopes as JSON, to be imported elsewhere."""

    async def work(server: Server) -> TransferDocument:
        async with server.database.read() as connection:
            return await export_document(connection, server.clock.now(), with_hashes=with_hashes)

    print(run(work).model_dump_json(indent=None if json else 2))


def import_records(
    file: Annotated[Path, typer.Argument(help="What `export` printed; - reads stdin.")],
    json: Json = False,
) -> None:
    """Bring users, clients and scopes to what a document says. Safe to run again.

    Users can come from another system: password hashes may be Argon2, bcrypt, PBKDF2, scrypt and
    others that passlib knows, and become Argon2 at the next login.
    """
    document = _read(file)

    async def work(server: Server) -> dict[str, Any]:
        counts = {
            "scopes": len(document.scopes),
            "users": len(document.users),
            "clients": len(document.clients),
        }
        async with server.database.transaction() as connection:
            await import_document(connection, document, server.clock.now())
            await note(connection, server, "records.imported", None, **counts)
        return counts

    show(run(work), json)


def _read(file: Path) -> TransferDocument:
    with failing_in_one_line():
        try:
            text = sys.stdin.read() if str(file) == "-" else file.read_text()
            return TransferDocument.model_validate_json(text)
        except OSError as error:
            raise InvalidError(f"{file} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidError(f"{file} is not UTF-8") from None
        except ValidationError as invalid:
            first = invalid.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"])
            raise InvalidError(f"{file}: {place}: {first['msg']}") from None
    raise AssertionError("failing_in_one_line left")
