"""Checking a user's name and password: the one place for every door of the server."""

from dataclasses import dataclass

from app.clock import Clock
from app.database import Database
from app.security.passwords import PasswordHasher
from app.services.audit import Event, record
from app.services.logins import Origin
from app.services.throttle import LoginThrottle, attempt_of
from app.services.users import (
    USERNAME_MAX_LENGTH,
    Account,
    find_account,
    replace_password_hash,
)


class AuthenticationError(Exception):
    """The name or the password is wrong, or the user disabled. The text is for the log."""


@dataclass(frozen=True)
class Door:
    """Where somebody tries to come in."""

    name: str
    origin: Origin
    client_id: str | None = None


class Authenticator:
    """Checks names and passwords against the database, and writes down what fails."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHasher,
        throttle: LoginThrottle,
        clock: Clock,
    ) -> None:
        """Nothing is read yet."""
        self._database = database
        self._throttle = throttle
        self._passwords = passwords
        self._clock = clock

    async def authenticate(self, username: str, password: str, door: Door) -> Account:
        """The user of that name, if ``password`` is theirs.

        A stored hash of another kind or cost than is configured now is replaced.

        Unknown, disabled and passwordless users cost the same hash as a wrong password. A name
        that nobody can have costs nothing, and neither does an attempt that comes too soon.
        Raises :class:`AuthenticationError`, :class:`TooManyFailuresError`, or
        :class:`~app.security.passwords.QueueFullError`.
        """
        if len(username) > USERNAME_MAX_LENGTH:
            raise AuthenticationError("the name is too long")
        attempt = attempt_of(username, door.origin.address)
        async with self._database.read() as connection:
            standing = await self._throttle.check(connection, attempt, self._clock.now())
            account = await find_account(connection, username)
        stored = account.password_hash if account else None
        matches, new_hash = await self._passwords.verify(password, stored)
        if account is not None and account.enabled and matches:
            if new_hash is not None or not standing.spotless:
                async with self._database.transaction() as connection:
                    await self._throttle.succeeded(connection, attempt, self._clock.now())
                    if new_hash is not None:
                        await replace_password_hash(connection, account, new_hash)
            return account
        reason = _reason(account, matches)
        # What was typed as a name is not written down: it may be a password.
        event = Event(
            type="login.failed",
            user_id=account.id if account else None,
            client_id=door.client_id,
            origin=door.origin,
            details={"door": door.name, "reason": reason},
        )
        async with self._database.transaction() as connection:
            now = self._clock.now()
            await record(connection, now, event)
            await self._throttle.failed(connection, attempt, standing, now)
        raise AuthenticationError(reason)


def _reason(account: Account | None, matches: bool) -> str:
    if account is None:
        return "unknown user"
    return "disabled user" if matches else "wrong password"
