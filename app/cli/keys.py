"""``latchkey keys``: the keys that sign tokens."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.command import Deployment, Record, command, server_command
from app.errors import Problem
from app.management.authority import operating
from app.security.jwt import Algorithm
from app.tokens.key_rotation import (
    Succession,
    algorithms_in_use,
    import_key,
    list_keys,
    retire_key,
    rotate_keys,
)

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="List, rotate, retire and import signing keys.")


@command(cli, "list")
async def show_keys(deployment: Deployment) -> list[Record]:
    """List every key: pending, signing, published (it still verifies) or retired."""
    async with deployment.database.read() as connection:
        return [asdict(key) for key in await list_keys(connection, deployment.clock.now())]


@server_command(cli, "rotate")
async def rotate(
    server: "Server",
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="Start signing with them after two seconds instead of ten minutes."
        ),
    ] = False,
    alg: Annotated[
        Algorithm | None, typer.Option(help="Rotate only the key of this algorithm.")
    ] = None,
) -> Record:
    """Create a new key for each algorithm in use, of access tokens and of every client's ID tokens.

    They are published at once, and used for signing once verifiers can know them. The old ones
    stay published until their last token has expired. Running workers pick this up. Some verifiers
    look for new keys only every half minute: use --now only if a key has leaked.
    """
    settings = server.settings
    async with operating(server.database, server.clock) as operator:
        connection = operator.connection
        algs = [alg] if alg else await algorithms_in_use(connection, settings)
        kids, succession = await rotate_keys(
            connection, server.encryption, algs, server.clock, settings, at_once=now
        )
        for kid in kids.values():
            await operator.record("key.rotated", kid=kid)
    main = kids.get(settings.access_token_alg) or next(iter(kids.values()))
    return {"kid": main, **_told(succession), "kids": list(kids.values())}


@server_command(cli, "retire", dashes=True)
async def retire(
    server: "Server", kid: Annotated[str, typer.Argument(help="From `keys list`.")]
) -> Record:
    """Stop publishing a key at once: every token it signed is rejected from then on."""
    async with operating(server.database, server.clock) as operator:
        needed = await algorithms_in_use(operator.connection, server.settings)
        await retire_key(operator.connection, kid, operator.now, needed)
        await operator.record("key.retired", kid=kid)
    return {"kid": kid, "state": "retired"}


@server_command(cli, "import")
async def import_pem(
    server: "Server",
    file: Annotated[Path, typer.Argument(help="An unencrypted private key in PEM format.")],
    activate: Annotated[
        bool,
        typer.Option(
            "--activate", help="Start signing with it after two seconds instead of ten minutes."
        ),
    ] = False,
) -> Record:
    """Import your own key: RSA of 2048 bits or more, P-256, or Ed25519."""
    try:
        pem = file.read_bytes()
    except OSError as error:
        raise Problem(told=f"{file} cannot be read: {error.strerror}") from None
    async with operating(server.database, server.clock) as operator:
        kid, succession = await import_key(
            operator.connection,
            server.encryption,
            pem,
            server.clock,
            server.settings,
            at_once=activate,
        )
        await operator.record("key.imported", kid=kid)
    return {"kid": kid, **_told(succession)}


def _told(succession: Succession) -> Record:
    return {
        "active_from": succession.active_from,
        "older_keys_retire_at": succession.old_retires_at,
    }
