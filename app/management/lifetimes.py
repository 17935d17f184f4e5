"""How long a credential lasts that its user chooses a time for."""

import re
from datetime import timedelta

from app.errors import InvalidError
from app.message import Message

USUAL_DAYS = 90
"""What a form proposes, if it may be so many."""

_DAY = 24 * 3600


def lifetime_of(asked: int | None, longest: int) -> timedelta:
    """The lifetime of what is to last ``asked`` seconds; the ``longest`` one allowed if None.

    Raises :class:`InvalidError` for more than ``longest``.
    """
    if asked is not None and asked > longest:
        raise InvalidError(
            told=Message("it can last for at most {longest} seconds", longest=longest),
            field="expires_in",
        )
    return timedelta(seconds=longest if asked is None else asked)


def most_days(longest: int) -> int:
    """How many days a form offers. What is to last for a day ends earlier where nothing may."""
    return max(1, longest // _DAY)


def lifetime_in_days(days: str, longest: int) -> timedelta:
    """The lifetime that was typed into a form. Raises :class:`InvalidError`."""
    most = most_days(longest)
    if not re.fullmatch(r"[0-9]{1,4}", days) or not 1 <= int(days) <= most:
        raise InvalidError(told=Message("it can last for 1 to {most} days", most=most))
    return timedelta(seconds=min(int(days) * _DAY, longest))
