"""``latchkey keys``: the keys that sign tokens."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.command import Deployment, Record, command, server_command
from app.errors import Problem
from app.management.authority import operating
from app.server import Server
from app.tokens.key_rotation import (
    Succession,
    import_key,
    list_keys,
    retire_key,
    rotate_key,
)

cli = typer.Typer(no_args_is_help=True, help="List, rotate, retire and import signing keys.")


@command(cli, "list")
async def show_keys(deployment: Deployment) -> list[Record]:
    """List every key: pending, signing, published (it still verifies) or retired."""
    async with deployment.database.read() as connection:
        return [asdict(key) for key in await list_keys(connection, deployment.clock.now())]


@server_command(cli, "rotate")
async def rotate(
    server: Server,
    now: Annotated[
        bool, typer.Option("--now", help="Sign with it in two seconds, not in ten minutes.")
    ] = False,
) -> Record:
    """Make a new key: published now, signing once verifiers can know it.

    The old one stays published until its last token has expired. Running workers follow. Some
    verifiers look for an unknown key only every half minute: --now is for a key that has leaked.
    """
    async with operating(server.database, server.clock) as operator:
        kid, succession = await rotate_key(
            operator.connection,
            server.encryption,
            server.settings.access_token_alg,
            server.clock,
            at_once=now,
            token_ttl=server.settings.longest_token_ttl,
        )
        await operator.record("key.rotated", kid=kid)
    return {"kid": kid, **_told(succession)}


@server_command(cli, "retire")
async def retire(
    server: Server, kid: Annotated[str, typer.Argument(help="From `keys list`.")]
) -> Record:
    """Stop publishing a key at once: every token that it signed is refused from then on."""
    async with operating(server.database, server.clock) as operator:
        await retire_key(operator.connection, kid, operator.now, server.signing_algorithms)
        await operator.record("key.retired", kid=kid)
    return {"kid": kid, "state": "retired"}


@server_command(cli, "import")
async def import_pem(
    server: Server,
    file: Annotated[Path, typer.Argument(help="An unencrypted private key in PEM.")],
    activate: Annotated[
        bool, typer.Option("--activate", help="Sign with it in two seconds, not in ten minutes.")
    ] = False,
) -> Record:
    """Bring a key of your own: RSA of 2048 bits or more, P-256, or Ed25519."""
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
            at_once=activate,
            token_ttl=server.settings.longest_token_ttl,
        )
        await operator.record("key.imported", kid=kid)
    return {"kid": kid, **_told(succession)}


def _told(succession: Succession) -> Record:
    return {
        "active_from": succession.active_from,
        "older_keys_retire_at": succession.old_retires_at,
    }
