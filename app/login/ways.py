"""Ways to log in on the login page with something else than a name and a password.

The core knows none. A feature brings one, by ``login_way`` of :class:`~app.feature.Feature`.
"""

import uuid
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncConnection

from app.login.second_step import Shown


@dataclass(frozen=True, kw_only=True)
class LoginWay:
    """A form of the login page that takes the place of the one for a name and a password."""

    field: str
    """Of the form: what the user shows comes in it."""
    template: str
    """The form, below ``app/features``."""
    find: Callable[[AsyncConnection, str], Awaitable[uuid.UUID]]
    """Whose it is that came, if it says the truth. Raises :class:`~app.errors.LoginRefused`."""
    prove: Callable[[Shown], Awaitable[Sequence[str]]]
    """What it proves, by the names of RFC 8176. Raises :class:`~app.errors.LoginRefused`."""
    wrong: str
    """What the page says when it is refused, in a sentence."""
