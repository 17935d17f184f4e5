"""``latchkey export`` and ``latchkey import``."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from pydantic import ValidationError

from app.cli.command import Deployment, Json, Record, command, server_command
from app.cli.later import features_at_hand
from app.errors import InvalidError
from app.features.transfer.exporting import TransferDocument, document_with, export_document
from app.features.transfer.importing import import_document
from app.management.authority import operating
from app.management.kinds import Kind

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer()


@command(cli, "export")
async def export_records(
    deployment: Deployment,
    with_hashes: Annotated[
        bool,
        typer.Option(
            "--with-hashes",
            help="Include the hashes of passwords and secrets: keep the output safe.",
        ),
    ] = False,
    json: Json = False,
) -> str:
    """Print users, clients and scopes as JSON, for import elsewhere."""
    async with deployment.database.read() as connection:
        now = deployment.clock.now()
        document = await export_document(connection, now, with_hashes=with_hashes, kinds=_kinds())
    return document.model_dump_json(indent=None if json else 2)


@server_command(cli, "import")
async def import_records(
    server: "Server",
    file: Annotated[Path, typer.Argument(help="The output of `export`; - reads stdin.")],
) -> Record:
    """Create or update users, clients and scopes to match a document. Safe to run again.

    Records in the document are replaced as a whole: a field that is absent gets its default (no
    scopes, no e-mail, not disabled), except that passwords and secrets are kept. Records that are
    not in the document stay as they are. A user is matched by id, or by name if there is no id.

    Users can come from another system: password hashes may be in the formats of passlib's argon2,
    bcrypt, bcrypt_sha256, pbkdf2_sha256, pbkdf2_sha512, scrypt, sha256_crypt and sha512_crypt, or
    of Django's Argon2, PBKDF2 and bcrypt with SHA-256. They become Argon2 at the next login. A
    password longer than 72 bytes cannot log in with a bcrypt hash: set a new one.
    """
    document = _read(file)
    async with operating(server.database, server.clock) as operator:
        return await import_document(operator, document, server.at_password_reset, _kinds())


def _kinds() -> Sequence[Kind[Any]]:
    return [kind for feature in features_at_hand.get()() for kind in feature.kinds]


def _read(file: Path) -> TransferDocument:
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text()
        return document_with(_kinds()).model_validate_json(text)
    except OSError as error:
        raise InvalidError(told=f"{file} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InvalidError(told=f"{file} is not UTF-8") from None
    except ValidationError as invalid:
        first = invalid.errors(include_input=False, include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        raise InvalidError(told=f"{file}: {place}: {first['msg']}") from None
