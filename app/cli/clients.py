"""``latchkey clients``: applications that ask for tokens."""

from collections.abc import Mapping
from dataclasses import asdict
from datetime import timedelta
from typing import Annotated, Any

import typer

from app.audit.password_grant_use import NEVER, PasswordGrantUse, find_password_grant_use
from app.cli.command import Json, read_secret, run, show, show_list
from app.database.paging import every
from app.identity.registration import GRANT_TYPES, SECRET_METHODS, Registration
from app.management.authority import operating
from app.management.clients import (
    SECRET_OVERLAP,
    ClientChanges,
    ClientRecord,
    change_client,
    delete_client,
    get_client,
    list_clients,
    register_client,
    rotate_secret,
)
from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Register and manage clients.")


@cli.callback()
def clients() -> None:
    """Register and manage clients."""


Many = list[str] | None

ClientId = Annotated[str, typer.Argument(help="From `clients list`.")]


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
        bool,
        typer.Option("--client-secret-stdin", help="From stdin; on a terminal it is asked for."),
    ] = False,
    json: Json = False,
) -> None:
    """Register a client and print its id and, once, its secret, unless that was given.

    A web application has `--grant authorization_code --grant refresh_token --redirect-uri URI
    --default-scope openid`; one in a browser or on a telephone has `--public` as well.

    A service that acts for itself has `--grant client_credentials --default-scope SCOPE`. A
    resource server, which only checks the tokens of others, has `--introspect any` and no grant.
    """
    registration = Registration(
        name=name,
        client_id=client_id,
        client_secret=read_secret("Client secret") if client_secret_stdin else None,
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
        async with operating(server.database, server.clock) as operator:
            client, secret = await register_client(operator, registration)
        record: dict[str, Any] = {"client_id": client.client_id}
        if secret is not None and not client_secret_stdin:
            record["client_secret"] = secret
        return record | _plain(client)

    show(run(work), json, "" if public or client_secret_stdin else "The secret is shown this once.")


@cli.command("list")
def show_clients(
    disabled: Annotated[
        bool | None, typer.Option("--disabled/--enabled", help="Only these, or only the others.")
    ] = None,
    json: Json = False,
) -> None:
    """List clients, by id."""

    async def work(server: Server) -> list[dict[str, Any]]:
        async with server.database.read() as connection:
            clients = await every(
                lambda after, limit: list_clients(
                    connection, limit=limit, after=after, disabled=disabled
                ),
                lambda client: client.client_id,
            )
            uses = await find_password_grant_use(connection, server.clock.now())
        return [_with_use(client, uses) for client in clients]

    show_list(run(work), json)


@cli.command("show")
def show_client(client_id: ClientId, json: Json = False) -> None:
    """Show a client."""

    async def work(server: Server) -> dict[str, Any]:
        async with server.database.read() as connection:
            client = await get_client(connection, client_id)
            return _with_use(client, await find_password_grant_use(connection, server.clock.now()))

    show(run(work), json)


@cli.command("update")
def update(
    client_id: ClientId,
    name: Annotated[str | None, typer.Option(help="Shown to users.")] = None,
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
    id_token_alg: Annotated[str | None, typer.Option(help="RS256, ES256 or EdDSA.")] = None,
    pkce: Annotated[
        bool | None, typer.Option("--pkce/--no-pkce", help="Whether it must send a challenge.")
    ] = None,
    introspect: Annotated[str | None, typer.Option(help="Whose access tokens: own or any.")] = None,
    json: Json = False,
) -> None:
    """Change a client. What is named replaces what it had; the rest stays.

    An empty value takes all away: `--redirect-uri ''`, `--scope ''`. A scope that is taken away
    is no default any more either.
    """
    changes = ClientChanges(
        name=name,
        grant_types=_none_if_empty(grant),
        auth_methods=auth_method,
        redirect_uris=_none_if_empty(redirect_uri),
        post_logout_redirect_uris=_none_if_empty(post_logout_redirect_uri),
        scopes=_none_if_empty(scope),
        default_scopes=_none_if_empty(default_scope),
        id_token_alg=id_token_alg,
        require_pkce=pkce,
        introspect=introspect,
    )
    _change(client_id, changes, json)


def _none_if_empty(values: Many) -> Many:
    return [] if values == [""] else values


@cli.command("rotate-secret")
def rotate(
    client_id: ClientId,
    overlap: Annotated[
        int, typer.Option(min=0, help="Seconds that the old secret stays good; 0 if it leaked.")
    ] = int(SECRET_OVERLAP.total_seconds()),
    json: Json = False,
) -> None:
    """Give a client another secret, shown once; the old one stays good for a while.

    With --overlap 0 the old one stops now, and with it the tokens that the client has for itself.
    """

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            secret, until = await rotate_secret(operator, client_id, timedelta(seconds=overlap))
        return {
            "client_id": client_id,
            "client_secret": secret,
            "old_secret_expires_at": until,
        }

    show(run(work), json, "The secret is shown this once.")


@cli.command("disable")
def disable(client_id: ClientId, json: Json = False) -> None:
    """Shut a client out: every login through it ends, and its own tokens stop for good."""
    _change(client_id, ClientChanges(disabled=True), json)


@cli.command("enable")
def enable(client_id: ClientId, json: Json = False) -> None:
    """Let a disabled client in again. What ended stays ended."""
    _change(client_id, ClientChanges(disabled=False), json)


@cli.command("delete")
def delete(client_id: ClientId, json: Json = False) -> None:
    """Delete a client. Every login through it ends."""

    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            await delete_client(operator, client_id)
        return {"client_id": client_id, "deleted": True}

    show(run(work), json)


def _change(client_id: str, changes: ClientChanges, json: bool) -> None:
    async def work(server: Server) -> dict[str, Any]:
        async with operating(server.database, server.clock) as operator:
            return _plain(await change_client(operator, client_id, changes))

    show(run(work), json)


def _with_use(client: ClientRecord, uses: Mapping[str, PasswordGrantUse]) -> dict[str, Any]:
    use = uses.get(client.client_id, NEVER)
    return _plain(client) | {
        "password_grant_last_used_at": use.last_used_at,
        "password_grant_uses_in_30_days": use.recent_uses,
    }


def _plain(client: ClientRecord) -> dict[str, Any]:
    record = asdict(client)
    record["public"] = record.pop("is_public")
    return {
        name: list(value) if isinstance(value, tuple) else value for name, value in record.items()
    }
