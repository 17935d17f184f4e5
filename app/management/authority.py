"""Who acts, and who may change what: no one can gain or give permissions they do not have.

An :class:`Actor` lives in the one transaction in which it was judged, and carries its connection.
Whatever manages takes an actor and no other connection, so it cannot act on an authority that was
looked at earlier: what is taken away before the transaction holds its locks is taken away for it,
and what is taken away later waits until it has committed.

An actor manages users and clients whose scopes they all have themselves, and grants none that
they lack. The scope that a route asks for says what an actor may do; this says to whom.
"""

import uuid
from collections.abc import AsyncGenerator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import (
    NOWHERE,
    OPERATOR,
    Event,
    EventType,
    FeatureEventType,
    Origin,
    record,
)
from app.clock import Clock
from app.database.engines import Database, lock
from app.errors import ForbiddenError
from app.login.notices import Notify, notify_nobody
from app.message import Message

MANAGEMENT_LOCK = "management"
"""Held by whoever manages users, clients or scopes: one after the other."""

SEES_USERS = "users:read"
"""What ``introspect: any`` is worth: its answers name the users of every client's tokens."""


@dataclass(frozen=True, kw_only=True)
class Actor:
    """Whoever acts in a transaction: a user, a client, or the operator at the command line."""

    connection: AsyncConnection = field(repr=False)
    """The transaction in which this is true."""
    clock: Clock = field(repr=False)
    subject: str
    scopes: frozenset[str] | None
    """What they have themselves; None for the operator, who has everything."""
    client_id: str | None = None
    """The client through which a user acts."""
    origin: Origin = NOWHERE
    amr: Sequence[str] = ()
    """With what a user logged in who acts, by the names of RFC 8176; empty for anybody else."""
    login: str = field(default="", repr=False)
    """Which login of theirs a user acts in; empty for anybody else."""
    notify: Notify = field(default=notify_nobody, repr=False)
    """What tells users of what is done."""

    @property
    def now(self) -> datetime:
        """The time, which goes on while a lock is waited for: ask once nothing is waited for."""
        return self.clock.now()

    def require_over(self, scopes: Collection[str]) -> None:
        """Raise :class:`ForbiddenError` unless the actor has all of ``scopes``."""
        if self.scopes is not None and not self.scopes.issuperset(scopes):
            raise ForbiddenError(
                told=Message(
                    "You can only manage users and clients whose scopes you have yourself."
                )
            )

    def require_to_grant(self, scopes: Collection[str]) -> None:
        """Raise :class:`ForbiddenError` unless the actor may give ``scopes`` away."""
        if self.scopes is not None and not self.scopes.issuperset(scopes):
            raise ForbiddenError(told=Message("You can only grant scopes that you have yourself."))

    def grantable(self, scopes: Collection[str]) -> list[str]:
        """Those of ``scopes`` that the actor may give away."""
        return [scope for scope in scopes if self.scopes is None or scope in self.scopes]

    def is_user(self, user_id: uuid.UUID) -> bool:
        """Whether the actor is this very user."""
        return self.subject == str(user_id)

    async def record(
        self,
        event_type: EventType | FeatureEventType,
        *,
        user_id: uuid.UUID | None = None,
        client_id: str | None = None,
        **details: Any,
    ) -> None:
        """Write into the audit trail what the actor did to this user or client."""
        event = Event(
            type=event_type,
            actor=self.subject,
            user_id=user_id,
            client_id=client_id,
            origin=self.origin,
            details=details,
        )
        await record(self.connection, self.now, event)


@asynccontextmanager
async def operating(
    database: Database, clock: Clock, notify: Notify = notify_nobody
) -> AsyncGenerator[Actor]:
    """A transaction of the operator, who is whoever has the shell and the settings."""
    async with database.transaction() as connection:
        await lock(connection, MANAGEMENT_LOCK)
        yield Actor(
            connection=connection, clock=clock, subject=OPERATOR, scopes=None, notify=notify
        )
