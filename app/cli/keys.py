"""``latchkey keys``: the keys that sign tokens."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.command import Json, run, show, show_list
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


@cli.command("list")
def show_keys(json: Json = False) -> None:
    """List every key: pending, signing, published (it still verifies) or retired."""

    async def work(server: Server) -> list[dict[str, Any]]:
        async with server.database.read() as connection:
            return [asdict(key) for key in await list_keys(connection, server.clock.now())]

    show_list(run(work), json)


@cli.command("rotate")
def rotate(
    now: Annotated[
        bool, typer.Option("--now", help="Sign with it in two seconds, not in ten minutes.")
    ] = False,
    json: Json = False,
) -> None:
    """Make a new key: published now, signing once verifiers can know it.

    The old one stays published until its last token has expired. Running workers follow. Some
    verifiers look for an unknown key only every half minute: --now is for a key that has leaked.
    """

    async def work(server: Server) -> dict[str, Any]:
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

    show(run(work), json)


@cli.command("retire")
def retire(
    kid: Annotated[str, typer.Argument(help="From `keys list`.")], json: Json = False
) -> None:
    """Stop publishing a key at once: every token that it signed is refused from then on."""

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            await retire_key(operator.connection, kid, operator.now, server.signing_algorithms)
            await operator.record("key.retired", kid=kid)
        return {"kid": kid, "state": "retired"}

    show(run(work), json)


@cli.command("import")
def import_pem(
    file: Annotated[Path, typer.Argument(help="An unencrypted private key in PEM.")],
    activate: Annotated[
        bool, typer.Option("--activate", help="Sign with it in two seconds, not in ten minutes.")
    ] = False,
    json: Json = False,
) -> None:
    """Bring a key of your own: RSA of 2048 bits or more, P-256, or Ed25519."""

    async def work(server: Server) -> dict[str, Any]:
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

    show(run(work), json)


def _told(succession: Succession) -> dict[str, Any]:
    return {
        "active_from": succession.active_from,
        "older_keys_retire_at": succession.old_retires_at,
    }
