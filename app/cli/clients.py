"""``latchkey clients``: applications that ask for tokens."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

import typer

from app.audit.password_grant_use import NEVER, PasswordGrantUse, find_password_grant_use
from app.cli.command import Deployment, Noted, Record, command, given, read_secret
from app.database.paging import every
from app.identity.definition import Changes, validated
from app.identity.grant_types import grant_types
from app.identity.registration import SECRET_METHODS, ClientMetadata, Registration
from app.identity.scopes import require_known
from app.management.authority import operating
from app.management.clients import (
    SECRET_OVERLAP,
    ClientRecord,
    change_client,
    delete_client,
    get_client,
    list_clients,
    register_client,
    rotate_secret,
)
from app.settings import TEN_YEARS

cli = typer.Typer(no_args_is_help=True, help="Register and manage clients.")


@cli.callback()
def clients() -> None:
    """Register and manage clients."""


Many = list[str] | None

ClientId = Annotated[str, typer.Argument(help="From `clients list`.")]
Scopes = Annotated[list[str], typer.Argument(help="One or more.")]

Grant = Annotated[Many, typer.Option(help="One of: " + ", ".join(grant_types()))]
RedirectUri = Annotated[Many, typer.Option(help="Compared exactly; may be repeated.")]
PostLogoutRedirectUri = Annotated[
    Many, typer.Option(help="Where users may be sent after logout; may be repeated.")
]
Scope = Annotated[Many, typer.Option(help="A scope it may ask for; may be repeated.")]
DefaultScope = Annotated[
    Many, typer.Option(help="A scope it gets if it asks for none; may be repeated.")
]
AuthMethod = Annotated[
    Many, typer.Option(help="The only method allowed: " + " or ".join(SECRET_METHODS))
]
IdTokenAlg = Annotated[str | None, typer.Option(help="RS256, ES256 or EdDSA.")]
IdTokenClaims = Annotated[
    bool | None,
    typer.Option(
        "--id-token-claims/--no-id-token-claims",
        help="Whether its ID tokens have the user's name, e-mail address and so on.",
    ),
]
ShortSchemes = Annotated[
    bool | None,
    typer.Option(
        "--short-schemes/--no-short-schemes",
        help="Whether its redirect URIs may use a scheme without a dot, such as cursor:// .",
    ),
]
Introspect = Annotated[
    str | None, typer.Option(help="Which access tokens it may introspect: own or any.")
]


def _ttl(token: str, setting: str) -> Any:
    text = f"Seconds that its {token} are good, at most LATCHKEY_{setting}; 0: as long as that."
    return typer.Option(min=0, max=TEN_YEARS, help=text)


AccessTokenTtl = Annotated[int | None, _ttl("access tokens", "ACCESS_TOKEN_TTL")]
IdTokenTtl = Annotated[int | None, _ttl("ID tokens", "ID_TOKEN_TTL")]
RefreshTokenTtl = Annotated[int | None, _ttl("logins", "REFRESH_TOKEN_TTL")]


@command(cli, "create")
async def create(
    deployment: Deployment,
    name: Annotated[str, typer.Argument(help="Shown to users on the consent page.")],
    client_id: Annotated[str | None, typer.Option(help="Used instead of a generated one.")] = None,
    public: Annotated[
        bool,
        typer.Option(
            "--public",
            help="For a client that cannot keep a secret, such as a browser or mobile app.",
        ),
    ] = False,
    grant: Grant = None,
    redirect_uri: RedirectUri = None,
    post_logout_redirect_uri: PostLogoutRedirectUri = None,
    scope: Scope = None,
    default_scope: DefaultScope = None,
    auth_method: AuthMethod = None,
    id_token_alg: IdTokenAlg = None,
    id_token_claims: IdTokenClaims = None,
    short_schemes: ShortSchemes = None,
    no_pkce: Annotated[
        bool, typer.Option("--no-pkce", help="For an old client that sends no code_challenge.")
    ] = False,
    introspect: Introspect = None,
    access_token_ttl: AccessTokenTtl = None,
    id_token_ttl: IdTokenTtl = None,
    refresh_token_ttl: RefreshTokenTtl = None,
    client_secret_stdin: Annotated[
        bool,
        typer.Option(
            "--client-secret-stdin", help="Read it from stdin, or prompt for it on a terminal."
        ),
    ] = False,
) -> Noted:
    """Register a client; print its id and, unless it was given, its secret, which is shown once.

    A web application needs `--grant authorization_code --grant refresh_token --redirect-uri URI
    --default-scope openid`; a browser or mobile app needs `--public` as well.

    A service that acts for itself needs `--grant client_credentials --default-scope SCOPE`. A
    resource server, which only checks others' tokens, needs `--introspect any` and no grant.
    """
    options = _given(
        name=name,
        client_id=client_id,
        client_secret=read_secret("Client secret") if client_secret_stdin else None,
        public=public,
        grant_types=grant or [],
        auth_methods=auth_method,
        redirect_uris=redirect_uri,
        post_logout_redirect_uris=post_logout_redirect_uri,
        scopes=scope,
        default_scopes=default_scope,
        id_token_alg=id_token_alg,
        access_token_ttl=access_token_ttl,
        id_token_ttl=id_token_ttl,
        refresh_token_ttl=refresh_token_ttl,
        id_token_claims=id_token_claims,
        short_schemes=short_schemes,
        require_pkce=not no_pkce,
        introspect=introspect,
    )
    async with operating(deployment.database, deployment.clock) as operator:
        client, secret = await register_client(operator, validated(Registration, options))
    if secret is None or client_secret_stdin:
        return Noted(_plain(client), "")
    once = {"client_id": client.client_id, "client_secret": secret}
    return Noted(once | _plain(client), "The secret is shown only once.")


CAN_BE_ABSENT = {
    name for name, field in ClientMetadata.model_fields.items() if field.default is None
}


def _given(**options: Any) -> Changes:
    """The options that were given; an empty value takes all away, and 0 seconds a lifetime."""
    values = {name: [] if value == [""] else value for name, value in given(**options).items()}
    return {
        name: None if name in CAN_BE_ABSENT and value in ("", 0) else value
        for name, value in values.items()
    }


@command(cli, "list")
async def show_clients(
    deployment: Deployment,
    disabled: Annotated[
        bool | None,
        typer.Option("--disabled/--enabled", help="Only disabled, or only enabled ones."),
    ] = None,
) -> list[Record]:
    """List clients, by id."""
    async with deployment.database.read() as connection:
        clients = await every(
            lambda after, limit: list_clients(
                connection, limit=limit, after=after, disabled=disabled
            ),
            lambda client: client.client_id,
        )
        uses = await find_password_grant_use(connection, deployment.clock.now())
    return [_with_use(client, uses) for client in clients]


@command(cli, "show")
async def show_client(deployment: Deployment, client_id: ClientId) -> Record:
    """Show a client."""
    async with deployment.database.read() as connection:
        client = await get_client(connection, client_id)
        uses = await find_password_grant_use(connection, deployment.clock.now())
    return _with_use(client, uses)


@command(cli, "update")
async def update(
    deployment: Deployment,
    client_id: ClientId,
    name: Annotated[str | None, typer.Option(help="Shown to users.")] = None,
    grant: Grant = None,
    redirect_uri: RedirectUri = None,
    post_logout_redirect_uri: PostLogoutRedirectUri = None,
    scope: Scope = None,
    default_scope: DefaultScope = None,
    auth_method: AuthMethod = None,
    id_token_alg: IdTokenAlg = None,
    id_token_claims: IdTokenClaims = None,
    short_schemes: ShortSchemes = None,
    pkce: Annotated[
        bool | None, typer.Option("--pkce/--no-pkce", help="Whether it must send a code_challenge.")
    ] = None,
    introspect: Introspect = None,
    access_token_ttl: AccessTokenTtl = None,
    id_token_ttl: IdTokenTtl = None,
    refresh_token_ttl: RefreshTokenTtl = None,
) -> Record:
    """Change a client. Options replace the old values; those that are left out change nothing.

    An empty value removes all: `--redirect-uri ''`, `--scope ''`. A removed scope is no longer a
    default either. To add or remove single scopes, use add-scope and remove-scope.
    """
    changes = _given(
        name=name,
        grant_types=grant,
        auth_methods=auth_method,
        redirect_uris=redirect_uri,
        post_logout_redirect_uris=post_logout_redirect_uri,
        scopes=scope,
        default_scopes=default_scope,
        id_token_alg=id_token_alg,
        access_token_ttl=access_token_ttl,
        id_token_ttl=id_token_ttl,
        refresh_token_ttl=refresh_token_ttl,
        id_token_claims=id_token_claims,
        short_schemes=short_schemes,
        require_pkce=pkce,
        introspect=introspect,
    )
    return await _change(deployment, client_id, changes)


@command(cli, "add-scope")
async def add_scope(
    deployment: Deployment,
    client_id: ClientId,
    scopes: Scopes,
    default: Annotated[
        bool, typer.Option("--default", help="Grant them also if it asks for none.")
    ] = False,
) -> Record:
    """Add scopes to a client, which keeps those it has."""
    async with operating(deployment.database, deployment.clock) as operator:
        client = await get_client(operator.connection, client_id)
        changes: dict[str, Any] = {}
        if not set(scopes).issubset(client.scopes):
            changes = {
                "scopes": [*client.scopes, *scopes],
                "default_scopes": client.default_scopes,
            }
        if default:
            changes["default_scopes"] = [*client.default_scopes, *scopes]
        return _plain(await change_client(operator, client_id, changes))


@command(cli, "remove-scope")
async def remove_scope(deployment: Deployment, client_id: ClientId, scopes: Scopes) -> Record:
    """Remove scopes from a client, which keeps the others.

    Logins through it go on. Within two seconds the scopes are left out of what is issued or
    refreshed, and stop working in the client's own tokens. A user's access token that has them
    keeps them until it expires: disable the client to end those, too.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        client = await get_client(operator.connection, client_id)
        removed = await require_known(operator.connection, scopes)
        kept = [scope for scope in client.scopes if scope not in removed]
        changes: Changes = {} if kept == client.scopes else {"scopes": kept}
        return _plain(await change_client(operator, client_id, changes))


@command(cli, "rotate-secret")
async def rotate(
    deployment: Deployment,
    client_id: ClientId,
    overlap: Annotated[
        int, typer.Option(min=0, help="Seconds that the old secret stays valid; 0 if it leaked.")
    ] = int(SECRET_OVERLAP.total_seconds()),
) -> Noted:
    """Issue a new client secret, shown once; the old one stays valid for a while.

    With --overlap 0, the old one and the client's own tokens stop working at once.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        secret, until = await rotate_secret(operator, client_id, timedelta(seconds=overlap))
    record = {"client_id": client_id, "client_secret": secret, "old_secret_expires_at": until}
    return Noted(record, "The secret is shown only once.")


@command(cli, "disable")
async def disable(deployment: Deployment, client_id: ClientId) -> Record:
    """Disable a client: every login through it ends, and its own tokens stop working for good."""
    return await _change(deployment, client_id, {"disabled": True})


@command(cli, "enable")
async def enable(deployment: Deployment, client_id: ClientId) -> Record:
    """Enable a disabled client again. Logins and tokens that have ended stay ended."""
    return await _change(deployment, client_id, {"disabled": False})


@command(cli, "delete")
async def delete(deployment: Deployment, client_id: ClientId) -> Record:
    """Delete a client. Every login through it ends."""
    async with operating(deployment.database, deployment.clock) as operator:
        await delete_client(operator, client_id)
    return {"client_id": client_id, "deleted": True}


async def _change(deployment: Deployment, client_id: str, changes: Changes) -> Record:
    async with operating(deployment.database, deployment.clock) as operator:
        return _plain(await change_client(operator, client_id, changes))


def _with_use(client: ClientRecord, uses: Mapping[str, PasswordGrantUse]) -> dict[str, Any]:
    use = uses.get(client.client_id, NEVER)
    return _plain(client) | {
        "password_grant_last_used_at": use.last_used_at,
        "password_grant_uses_in_30_days": use.recent_uses,
    }


def _plain(client: ClientRecord) -> dict[str, Any]:
    return {"client_id": client.client_id, **client.model_dump()}
