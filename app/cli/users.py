"""``latchkey users``: people who log in."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.command import (
    Deployment,
    Noted,
    Record,
    command,
    given,
    read_secret,
    server_command,
)
from app.database.paging import every
from app.identity.definition import Changes, validated
from app.identity.profile import NewUser
from app.identity.scopes import SPEAK_OF_A_USER, list_scopes, require_known
from app.login.counts import forget_tries, second_factor_of
from app.login.throttle import forget_failures
from app.management.authority import operating
from app.management.users import (
    UserRecord,
    change_user,
    delete_user,
    get_user_by_name,
    list_users,
    register_user,
    set_password,
)
from app.security.opaque import generate_secret

if TYPE_CHECKING:
    from app.server import Server

cli = typer.Typer(no_args_is_help=True, help="Create and manage users.")


Username = Annotated[str, typer.Argument(help="Case-insensitive.")]
Scopes = Annotated[list[str], typer.Argument(help="One or more.")]
Name = Annotated[
    str | None, typer.Option(help="The whole name, as applications show it. '' removes it.")
]
GivenName = Annotated[str | None, typer.Option(help="'' removes it.")]
FamilyName = Annotated[str | None, typer.Option(help="'' removes it.")]
Picture = Annotated[str | None, typer.Option(help="The URL of an image. '' removes it.")]
Locale = Annotated[str | None, typer.Option(help="A language tag such as en-GB. '' removes it.")]
PasswordStdin = Annotated[
    bool,
    typer.Option("--password-stdin", help="Read it from stdin, or prompt for it on a terminal."),
]


@cli.callback()
def users() -> None:
    """Create and manage users."""


@server_command(cli, "create")
async def create(
    server: "Server",
    username: Username,
    email: Annotated[
        str | None, typer.Option(help="Told to no client before it is verified.")
    ] = None,
    email_verified: Annotated[
        bool, typer.Option("--email-verified", help="It is known to be theirs.")
    ] = False,
    name: Name = None,
    given_name: GivenName = None,
    family_name: FamilyName = None,
    picture: Picture = None,
    locale: Locale = None,
    password_stdin: PasswordStdin = False,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            help="A scope the user has; may be repeated. Without it: " + " ".join(SPEAK_OF_A_USER)
        ),
    ] = None,
    all_scopes: Annotated[
        bool,
        typer.Option(
            "--all-scopes", help="Grant every existing scope, for the first administrator."
        ),
    ] = False,
) -> Noted:
    """Create a user. Without --password-stdin, a password is generated and shown once."""
    if scope and all_scopes:
        raise typer.BadParameter("--scope and --all-scopes cannot be used together")
    typed = read_secret("Password") if password_stdin else None
    password = generate_secret() if typed is None else typed
    server.password_rules.check(password, username)
    password_hash = server.passwords.hash_now(password)
    options = given(
        username=username,
        email=email,
        name=name,
        given_name=given_name,
        family_name=family_name,
        picture=picture,
        locale=locale,
        scopes=scope or None,
    )
    async with operating(server.database, server.clock) as operator:
        if all_scopes:
            options |= {"scopes": list(await list_scopes(operator.connection))}
        new = validated(NewUser, options)
        user = await register_user(operator, new, password_hash=password_hash)
        if email_verified:
            user = await change_user(operator, user.id, {"email_verified": True})
    return _with_password(_plain(user), password, typed)


def _with_password(record: dict[str, Any], password: str, typed: str | None) -> Noted:
    """Show the password, this once, unless it was given."""
    if typed is not None:
        return Noted(record, "")
    return Noted({**record, "password": password}, "The password is shown only once.")


@command(cli, "list")
async def show_users(
    deployment: Deployment,
    name: Annotated[str, typer.Option(help="Only names with this prefix.")] = "",
    disabled: Annotated[
        bool | None,
        typer.Option("--disabled/--enabled", help="Only disabled, or only enabled ones."),
    ] = None,
) -> list[Record]:
    """List users, by name."""
    async with deployment.database.read() as connection:
        users = await every(
            lambda after, limit: list_users(
                connection, limit=limit, after=after, name_starts_with=name, disabled=disabled
            ),
            lambda user: user.username,
        )
    return [_plain(user) for user in users]


@command(cli, "show")
async def show_user(deployment: Deployment, username: Username) -> Record:
    """Show a user."""
    async with deployment.database.read() as connection:
        return _plain(await get_user_by_name(connection, username))


@server_command(cli, "update")
async def update(
    server: "Server",
    username: Username,
    email: Annotated[
        str | None, typer.Option(help="Unverified unless --email-verified is given; '' removes it.")
    ] = None,
    email_verified: Annotated[
        bool | None,
        typer.Option(
            "--email-verified/--no-email-verified", help="Whether it is known to be theirs."
        ),
    ] = None,
    name: Name = None,
    given_name: GivenName = None,
    family_name: FamilyName = None,
    picture: Picture = None,
    locale: Locale = None,
) -> Record:
    """Change a user's details. Options that are left out change nothing."""
    values = given(
        email=email,
        name=name,
        given_name=given_name,
        family_name=family_name,
        picture=picture,
        locale=locale,
    )
    changes = {option: value or None for option, value in values.items()}
    changes |= given(email_verified=email_verified)
    async with operating(server.database, server.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        return _plain(await change_user(operator, user.id, changes, notify=server.notify))


@server_command(cli, "set-password")
async def set_user_password(
    server: "Server", username: Username, password_stdin: PasswordStdin = False
) -> Noted:
    """Set a new password. Everything issued to the user until now is revoked.

    Without --password-stdin, a password is generated and shown once.
    """
    typed = read_secret("Password") if password_stdin else None
    password = generate_secret() if typed is None else typed
    async with server.database.read() as connection:
        user = await get_user_by_name(connection, username)
    server.password_rules.check(password, user.username)
    password_hash = server.passwords.hash_now(password)
    async with operating(server.database, server.clock) as operator:
        await set_password(operator, user.id, password_hash, revoke=server.at_password_reset)
    return _with_password({"id": user.id, "username": user.username}, password, typed)


@command(cli, "set-scopes")
async def set_scopes(
    deployment: Deployment,
    username: Username,
    scope: Annotated[
        list[str] | None, typer.Option(help="A scope the user will have; may be repeated.")
    ] = None,
) -> Record:
    """Replace a user's scopes with exactly these; without --scope, with none."""
    return await _change(deployment, username, {"scopes": scope or []})


@command(cli, "add-scope")
async def add_scope(deployment: Deployment, username: Username, scopes: Scopes) -> Record:
    """Add scopes to a user, who keeps those they have."""
    async with operating(deployment.database, deployment.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        more = {"scopes": [*user.scopes, *scopes]}
        return _plain(await change_user(operator, user.id, more))


@command(cli, "remove-scope")
async def remove_scope(deployment: Deployment, username: Username, scopes: Scopes) -> Record:
    """Remove scopes from a user, who keeps the others.

    Their logins go on. The scopes stop working at once at this server's own routes, also in access
    tokens that there are, and are left out of what is issued or refreshed from now on. An API that
    checks tokens by itself sees them until the tokens expire.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        removed = await require_known(operator.connection, scopes)
        kept = {"scopes": [scope for scope in user.scopes if scope not in removed]}
        return _plain(await change_user(operator, user.id, kept))


@command(cli, "unlock")
async def unlock(deployment: Deployment, username: Username) -> Record:
    """Reset a user's failed logins, so that they need not wait any longer.

    Wrong codes of a second factor are forgiven, too. Failures on devices where they logged in
    recently are counted separately; those counts stay.
    """
    async with operating(deployment.database, deployment.clock) as operator:
        connection = operator.connection
        user = await get_user_by_name(connection, username)
        of_password = await forget_failures(connection, user.username)
        of_factor = await forget_tries(connection, second_factor_of(user.id))
        unlocked = of_password or of_factor
        if unlocked:
            await operator.record("login.unlocked", user_id=user.id)
    return {"id": user.id, "username": user.username, "unlocked": unlocked}


@server_command(cli, "disable")
async def disable(server: "Server", username: Username) -> Record:
    """Disable a user: every credential of theirs stops working at once."""
    async with operating(server.database, server.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        changes = {"disabled": True}
        return _plain(await change_user(operator, user.id, changes, notify=server.notify))


@command(cli, "enable")
async def enable(deployment: Deployment, username: Username) -> Record:
    """Enable a disabled user again. Logins that have ended stay ended."""
    return await _change(deployment, username, {"disabled": False})


@command(cli, "delete")
async def delete(deployment: Deployment, username: Username) -> Record:
    """Delete a user and everything that is theirs, except the audit trail."""
    async with operating(deployment.database, deployment.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        await delete_user(operator, user.id)
    return {"id": user.id, "username": user.username, "deleted": True}


async def _change(deployment: Deployment, username: str, changes: Changes) -> Record:
    async with operating(deployment.database, deployment.clock) as operator:
        user = await get_user_by_name(operator.connection, username)
        return _plain(await change_user(operator, user.id, changes))


def _plain(user: UserRecord) -> dict[str, Any]:
    return {"id": user.id, "username": user.username, **user.model_dump()}
