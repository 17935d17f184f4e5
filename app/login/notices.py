"""What a user is to hear of, in the transaction in which it happens.

The core tells nobody. A feature does, by ``notify`` of :class:`~app.feature.Feature`.
"""

import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Origin


@dataclass(frozen=True, kw_only=True)
class Notice:
    """Something that happened to an account, whose user the transaction holds."""

    user_id: uuid.UUID
    at: datetime
    origin: Origin


@dataclass(frozen=True, kw_only=True)
class LoggedIn(Notice):
    """A login with a password, in a browser or through a client."""

    client_id: str | None
    device: str | None = None
    """The secret by which a browser is recognised."""


@dataclass(frozen=True, kw_only=True)
class PasswordChanged(Notice):
    """Another password, given by the user or by somebody else."""

    by_user: bool = True


@dataclass(frozen=True, kw_only=True)
class EmailChanged(Notice):
    """Another address, or none, which the user has by now, from them or from somebody else."""

    previous: str | None
    was_verified: bool
    by_user: bool = True


@dataclass(frozen=True, kw_only=True)
class CredentialAdded(Notice):
    """Something more that opens the account, or a part of it, which the user has added."""

    what: str
    """Its kind, as a sentence begins with it: ``An app password``. Nothing that the user typed: a
    mail must not carry a stranger's words."""


@dataclass(frozen=True, kw_only=True)
class Disabled(Notice):
    """Somebody else has disabled the account, which may have been disabled before."""


@dataclass(frozen=True, kw_only=True)
class AccountEnds(Notice):
    """The user has had the account deleted: now, or later."""

    ends_at: datetime
    """When it is deleted; not after ``at`` if that is in this transaction."""


@dataclass(frozen=True, kw_only=True)
class FactorChanged(Notice):
    """Something happened to what the user shows beside the password."""

    what: Literal["added", "removed", "reset", "recovery_code_used", "recovery_codes_replaced"]
    """Reset is by somebody else, who took away all there was."""


Notify = Callable[[AsyncConnection, Notice], Awaitable[None]]


async def notify_nobody(_connection: AsyncConnection, _notice: Notice) -> None:
    """What is done without a feature that tells users anything."""
