"""``latchkey clients``: applications that ask for tokens."""

from typing import Annotated, Any

import typer

from app.cli.command import Json, read_stdin, run, show
from app.server import Server
from app.services.clients import GRANT_TYPES, SECRET_METHODS, Registration, create_client

cli = typer.Typer(no_args_is_help=True, help="Register and manage clients.")


@cli.callback()
def clients() -> None:
    """Register and manage clients."""


Many = list[str] | None


@cli.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Shown to users when they are asked to allow it.")],
    client_id: Annotated[str | None, typer.Option(help="Instead of a generated one.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="It runs where a secret cannot be kept.")
    ] = False,
    grant: Annotated[Many, typer.Option(help="One of: " + ", ".join(GRANT_TYPES))] = None,
    redirect_uri: Annotated[Many, typer.Option(help="Compared exactly; may be repeated.")] = None,
    post_logout_redirect_uri: Annotated[
        Many, typer.Option(help="Where to go after logout.")
    ] = None,
    scope: Annotated[Many, typer.Option(help="A scope it may ask for; may be repeated.")] = None,
    default_scope: Annotated[
        Many, typer.Option(help="A scope it gets when it asks for none; may be repeated.")
    ] = None,
    auth_method: Annotated[
        Many, typer.Option(help="Only this: " + " or ".join(SECRET_METHODS))
    ] = None,
    id_token_alg: Annotated[str, typer.Option(help="RS256, ES256 or EdDSA.")] = "RS256",
    no_pkce: Annotated[
        bool, typer.Option("--no-pkce", help="An old client that sends no code_challenge.")
    ] = False,
    introspect: Annotated[str, typer.Option(help="Whose access tokens: own or any.")] = "own",
    client_secret_stdin: Annotated[
        bool, typer.Option("--client-secret-stdin", help="Read the secret from stdin.")
    ] = False,
    json: Json = False,
) -> None:
    """Register a client and print its id and, once, its secret."""
    registration = Registration(
        name=name,
        client_id=client_id,
        client_secret=read_stdin() if client_secret_stdin else None,
        is_public=public,
        grant_types=grant or (),
        auth_methods=auth_method or (),
        redirect_uris=redirect_uri or (),
        post_logout_redirect_uris=post_logout_redirect_uri or (),
        scopes=scope or (),
        default_scopes=default_scope or (),
        id_token_alg=id_token_alg,
        require_pkce=not no_pkce,
        introspect=introspect,
    )

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.transaction() as connection:
            new_id, secret = await create_client(connection, registration, server.clock.now())
        record: dict[str, Any] = {"client_id": new_id}
        if secret is not None:
            record["client_secret"] = secret
        return record | {"name": name, "public": public, "grants": list(grant or ())}

    show(run(work), json, "" if public else "The secret is shown this once.")
