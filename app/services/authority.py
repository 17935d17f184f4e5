"""Who may change what: nobody rises above themselves.

An actor manages users and clients whose scopes they all have themselves, and grants none that
they lack. The scope that a route asks for says what an actor may do; this says to whom.
"""

from collections.abc import Collection
from dataclasses import dataclass

from app.errors import ForbiddenError
from app.services.audit import NOWHERE, OPERATOR
from app.services.logins import Origin


@dataclass(frozen=True)
class Actor:
    """Whoever manages: a user, a client, or the operator at the command line."""

    subject: str
    scopes: frozenset[str] | None
    """What they have themselves; None for the operator, who has everything."""
    origin: Origin = NOWHERE

    def require_over(self, scopes: Collection[str]) -> None:
        """Raise :class:`ForbiddenError` unless the actor has all of ``scopes``."""
        if self.scopes is not None and not self.scopes.issuperset(scopes):
            raise ForbiddenError("It has scopes that you do not have yourself.")

    def require_to_grant(self, scopes: Collection[str]) -> None:
        """Raise :class:`ForbiddenError` unless the actor may give ``scopes`` away."""
        if self.scopes is not None and not self.scopes.issuperset(scopes):
            raise ForbiddenError("Nobody grants a scope that they do not have.")


THE_OPERATOR = Actor(OPERATOR, None)
