"""Checking a user's name and password: the one place for every door of the server."""

from dataclasses import dataclass

from app.database import Database
from app.security.passwords import PasswordHasher
from app.services.users import USERNAME_MAX_LENGTH, Account, find_account


class AuthenticationError(Exception):
    """The name or the password is wrong, or the user disabled. The text is for the log."""


@dataclass(frozen=True)
class Authenticated:
    """A user who proved who they are."""

    account: Account
    new_hash: str | None
    """To be stored, if the stored one has another cost than is configured now."""


async def authenticate(
    database: Database, passwords: PasswordHasher, username: str, password: str
) -> Authenticated:
    """The user of that name, if ``password`` is theirs.

    Unknown, disabled and passwordless users cost the same hash as a wrong password. A name that
    nobody can have costs nothing. Raises :class:`AuthenticationError`, or
    :class:`~app.security.passwords.QueueFullError`.
    """
    if len(username) > USERNAME_MAX_LENGTH:
        raise AuthenticationError("the name is too long")
    async with database.read() as connection:
        account = await find_account(connection, username)
    matches, new_hash = await passwords.verify(password, account.password_hash if account else None)
    if account is None:
        raise AuthenticationError("unknown user")
    if not matches:
        raise AuthenticationError("wrong password")
    if not account.enabled:
        raise AuthenticationError("disabled user")
    return Authenticated(account, new_hash)
