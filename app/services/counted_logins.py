"""Checking names and passwords, and counting what comes of it."""

from typing import TYPE_CHECKING

from app.clock import Clock
from app.database import Database
from app.security.passwords import PasswordHasher
from app.services.authentication import AuthenticationError, Authenticator, Door, Visitor
from app.services.throttle import LoginThrottle, TooManyFailuresError

if TYPE_CHECKING:
    from app.metrics import Metrics


class CountedAuthenticator(Authenticator):
    """An :class:`Authenticator` whose every visitor is counted once, by door and outcome."""

    def __init__(
        self,
        database: Database,
        passwords: PasswordHasher,
        throttle: LoginThrottle,
        clock: Clock,
        metrics: "Metrics",
    ) -> None:
        """Nothing is read yet."""
        super().__init__(database, passwords, throttle, clock)
        self._metrics = metrics

    async def admit(self, username: str, door: Door) -> Visitor:
        """Count who is not let in."""
        try:
            return await super().admit(username, door)
        except TooManyFailuresError:
            self._metrics.login(door.name, "throttled")
            raise
        except AuthenticationError:
            self._metrics.login(door.name, "impossible name")
            raise

    async def succeed(self, visitor: Visitor, new_hash: str | None = None) -> None:
        """Count a success."""
        await super().succeed(visitor, new_hash)
        self._metrics.login(visitor.door.name, "succeeded")

    async def fail(self, visitor: Visitor, reason: str) -> None:
        """Count a failure by its reason, which is one of a few sentences of this server."""
        await super().fail(visitor, reason)
        self._metrics.login(visitor.door.name, reason)

    async def turn_away(self, visitor: Visitor) -> None:
        """Count whose password nobody looked at."""
        await super().turn_away(visitor)
        self._metrics.login(visitor.door.name, "queue full")
