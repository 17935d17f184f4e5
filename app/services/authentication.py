"""Checking a user's name and password: the one place for every door of the server."""

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass

from app.clock import Clock
from app.database import Database
from app.security.passwords import PasswordHasher, QueueFullError
from app.services.audit import Event, EventType, record
from app.services.logins import Origin
from app.services.throttle import Admission, LoginThrottle, attempt_of
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
    device: str | None = None
    """The secret by which a browser is known again."""


@dataclass(frozen=True)
class Visitor:
    """Somebody at a door who says to be a user, and may try to prove it."""

    door: Door
    account: Account | None
    admission: Admission


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
        visitor = await self.admit(username, door)
        account = visitor.account
        stored = account.password_hash if account else None
        try:
            matches, new_hash = await self._passwords.verify(password, stored)
        except QueueFullError:
            await self.turn_away(visitor)
            raise
        if account is not None and account.enabled and matches:
            await self.succeed(visitor, new_hash)
            return account
        reason = "wrong password"
        if account is None:
            reason = "unknown user"
        elif matches:
            reason = "disabled user"
        await self.fail(visitor, reason)
        raise AuthenticationError(reason)

    async def admit(self, username: str, door: Door) -> Visitor:
        """Let somebody try. Call one of :meth:`succeed`, :meth:`fail`, :meth:`turn_away` after it.

        Raises :class:`AuthenticationError` for a name that nobody can have, and
        :class:`TooManyFailuresError`.
        """
        if len(username) > USERNAME_MAX_LENGTH:
            raise AuthenticationError("the name is too long")
        attempt = attempt_of(username, door.origin.address, door.device)
        async with self._database.read() as connection:
            account = await find_account(connection, username)
            standing = await self._throttle.check(connection, attempt, self._clock.now())
        admission = await self._throttle.admit(standing, self._clock.now())
        return Visitor(door, account, admission)

    async def succeed(self, visitor: Visitor, new_hash: str | None = None) -> None:
        """It is the user. ``new_hash`` replaces a stored hash that is outdated."""
        with self._leaving(visitor):
            if new_hash is None and visitor.admission.leaves_no_trace:
                return
            async with self._database.transaction() as connection:
                await self._throttle.succeeded(connection, visitor.admission, self._clock.now())
                if visitor.account is not None and new_hash is not None:
                    await replace_password_hash(connection, visitor.account, new_hash)

    async def fail(self, visitor: Visitor, reason: str) -> None:
        """It is not the user, or one who may not come in."""
        with self._leaving(visitor):
            async with self._database.transaction() as connection:
                now = self._clock.now()
                locked = await self._throttle.failed(connection, visitor.admission, now)
                events = [_event("login.failed", visitor, reason=reason)]
                events += [_event("login.locked", visitor, by=what) for what in locked]
                await record(connection, now, *events)

    async def turn_away(self, visitor: Visitor) -> None:
        """Nobody looked at what they brought."""
        with self._leaving(visitor):
            await self._throttle.withdraw(visitor.admission)

    @contextmanager
    def _leaving(self, visitor: Visitor) -> Generator[None]:
        try:
            yield
        finally:
            self._throttle.leave(visitor.admission.standing)


def _event(event_type: EventType, visitor: Visitor, **details: str) -> Event:
    # What was typed as a name is not written down: it may be a password.
    return Event(
        type=event_type,
        user_id=visitor.account.id if visitor.account else None,
        client_id=visitor.door.client_id,
        origin=visitor.door.origin,
        details={"door": visitor.door.name, **details},
    )
