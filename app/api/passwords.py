"""Passwords that come over the JSON API: the current one, and a new one."""

from typing import Annotated, Any

from fastapi import Request
from pydantic import Field, SecretStr
from sqlalchemy.ext.asyncio import AsyncConnection

from app.errors import InsufficientUserAuthenticationError, InvalidError, LoginRefused
from app.identity.users import Account
from app.login.authentication import LoginContext
from app.login.strength import ACR
from app.oauth2.acting import ActingUser
from app.oauth2.bearer import BEARER_RESPONSES, CurrentUser, forbidden
from app.security.passwords import UnacceptablePasswordError
from app.server import Server
from app.web.origin import origin_of
from app.web.problems import TOO_MANY_ATTEMPTS, with_body

PASSWORD_RESPONSES: dict[int | str, dict[str, Any]] = {
    **with_body(BEARER_RESPONSES),
    **forbidden("the current password is wrong"),
    **TOO_MANY_ATTEMPTS,
}

PasswordToSet = Annotated[
    SecretStr,
    Field(
        description="At least 15 characters of any kind, unless the server is configured "
        "otherwise; not the user name or a common password. An error says which rule was broken."
    ),
]


async def verify_current_password(
    server: Server, user: CurrentUser, password: SecretStr, request: Request
) -> Account:
    """The user, who has sent the current password.

    Raises :class:`LoginRefused`, or :class:`InsufficientUserAuthenticationError` if they have to
    show more than that at a login, and did not at theirs.
    """
    context = LoginContext("account", origin_of(request), user.client_id, known=True)
    account = await server.authenticator.authenticate(
        user.username, password.get_secret_value(), context
    )
    if account.id != user.id:  # the name was given to somebody else meanwhile
        raise LoginRefused("wrong", reason="another user")
    async with server.database.read() as connection:
        await _require_level(server, connection, user)
    return account


async def require_strong_login(server: Server, actor: ActingUser) -> None:
    """Raise :class:`InsufficientUserAuthenticationError` as :func:`verify_current_password` does.

    In the transaction of what is to be changed.
    """
    await _require_level(server, actor.connection, actor.user)


async def _require_level(server: Server, connection: AsyncConnection, user: CurrentUser) -> None:
    missed = await server.second_factors.level_missed(connection, user.id, user.amr)
    if missed is not None:
        raise InsufficientUserAuthenticationError(
            ACR[missed], reason="a login from before the second factor"
        )


async def hash_new_password(server: Server, password: SecretStr, username: str) -> str:
    """What to store of ``password``, if ``username`` may have it.

    Raises :class:`InvalidError`, or :class:`~app.errors.LoginRefused` if too many wait for a hash.
    """
    plain = password.get_secret_value()
    try:
        server.password_rules.check(plain, username)
        return await server.passwords.hash(plain)
    except UnacceptablePasswordError as refusal:
        raise InvalidError(told=str(refusal)) from None
