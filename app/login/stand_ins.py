"""Stand-ins: what is taken at ``/token`` where a user's password is, from one client alone.

They are for software that can send nothing but a name and a password. The core knows none. A
feature brings a kind of them, by ``stand_in`` of :class:`~app.feature.Feature`.
"""

import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection


@dataclass(frozen=True)
class StandIn:
    """A good one: what a login with it can have, and until when."""

    scopes: frozenset[str]
    """What it permits, whether or not its user still has it."""
    expires_at: datetime
    """When what is begun with it is over, too."""
    begin: Callable[[AsyncConnection, uuid.UUID, datetime], Awaitable[None]] = field(
        repr=False, compare=False
    )
    """Bind the login of that id to it, in the transaction that begins it and holds its user.

    Raises :class:`~app.errors.InvalidGrantError` if it is no longer good.
    """
    details: Mapping[str, str]
    """What the audit trail says of it."""


FindStandIn = Callable[
    [AsyncConnection, str, uuid.UUID | None, str, datetime], Awaitable[StandIn | str]
]
"""The stand-in that was typed by the user of that id, at the client of that id, at that time.

Else why it is not good, as a fixed phrase. The id is None where nobody has the name that was typed:
what is asked of the database must not depend on that.
"""


@dataclass(frozen=True)
class StandInKind:
    """How stand-ins of a kind are told from passwords, and looked up."""

    has_form: Callable[[str], bool]
    """Whether a text may be one. A password that somebody has chosen hardly ever may."""
    find: FindStandIn
