"""A new password that comes over the JSON API."""

from typing import Annotated

from pydantic import Field, SecretStr

from app.errors import InvalidError
from app.security.passwords import UnacceptablePasswordError
from app.server import Server

PasswordToSet = Annotated[
    SecretStr,
    Field(
        description="At least 15 characters of any kind, unless the server is configured "
        "otherwise; not the user name or a common password. An error says which rule was broken."
    ),
]


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
