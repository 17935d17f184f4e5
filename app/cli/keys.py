"""``latchkey keys``: the keys that sign tokens."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from app.cli.command import Deployment, Record, command, server_command
from app.errors import Problem
from app.management.authority import operating
from app.security.jwt import Algorithm
from app.server import Server
from app.tokens.key_rotation import (
    Succession,
    algorithms_in_use,
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
    alg: Annotated[
        Algorithm | None, typer.Option(help="The only algorithm whose key is replaced.")
    ] = None,
    now: Annotated[
        bool,
        typer.Option(
            "--now", help="Start signing with it after two seconds instead of ten minutes."
        ),
    ] = False,
) -> Record:
    """Create new keys: published at once, used for signing once verifiers can know them.

    One for each algorithm in use: that of access tokens, RS256, and what clients want for their ID
    tokens. The old ones stay published until their last token has expired. Running workers follow
    by themselves. Some verifiers look for new keys only every half minute: use --now only if a key
    has leaked.
    """
    told = alg or server.settings.access_token_alg
    rotated: dict[Algorithm, Record] = {}
    async with operating(server.database, server.clock) as operator:
        needed = server.signing_algorithms
        in_use = [alg] if alg else await algorithms_in_use(operator.connection, needed)
        for each in in_use:
            kid, succession = await rotate_key(
                operator.connection,
                server.encryption,
                each,
                server.clock,
                at_once=now,
                token_ttl=server.settings.longest_token_ttl,
            )
            await operator.record("key.rotated", kid=kid)
            rotated[each] = {"kid": kid, **_told(succession)}
    return {**rotated[told], "kids": [key["kid"] for key in rotated.values()]}


@server_command(cli, "retire")
async def retire(
    server: Server, kid: Annotated[str, typer.Argument(help="From `keys list`.")]
) -> Record:
    """Stop publishing a key at once: every token it signed is rejected from then on."""
    async with operating(server.database, server.clock) as operator:
        await retire_key(operator.connection, kid, operator.now, server.signing_algorithms)
        await operator.record("key.retired", kid=kid)
    return {"kid": kid, "state": "retired"}


@server_command(cli, "import")
async def import_pem(
    server: Server,
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
