"""Keys: credentials of users' own programs that are taken where an access token is.

The core knows none. A feature brings a kind of them, by ``bearer_keys`` of
:class:`~app.feature.Feature`.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.engines import Database
from app.login.logins import LiveUser


@dataclass(frozen=True)
class UserKey:
    """A good key, and its user as they are now."""

    id: uuid.UUID
    user: LiveUser
    scopes: frozenset[str]
    """What the key permits, whether or not the user still has it."""
    created_at: datetime
    expires_at: datetime | None
    again: "Callable[[AsyncConnection, datetime], Awaitable[UserKey | None]]" = field(
        repr=False, compare=False
    )
    """The key as it is in a transaction that holds its user; None if it is no longer good."""

    @property
    def permitted(self) -> frozenset[str]:
        """What the key permits and the user still has."""
        return self.scopes & self.user.scopes


@dataclass(frozen=True)
class KeyKind:
    """How keys of a kind are told from tokens, and looked up."""

    has_form: Callable[[str], bool]
    """Whether a text may be such a key. An access token never may."""
    use: Callable[[Database, str, datetime], Awaitable[UserKey | None]]
    """The key, if it is good at that time and its user enabled; that it was used is noted."""
