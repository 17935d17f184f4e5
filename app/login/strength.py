"""How strongly somebody has proven who they are: ``amr``, and the ``acr`` that follows from it.

A session and a login keep the methods that were used, by their names of RFC 8176. What is asked for
is a level, and the levels are a ladder: whoever reached one reached those below it.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from enum import IntEnum

PASSWORD_ALONE = ("pwd",)


class Level(IntEnum):
    """How strong a login is, or has to be."""

    ANY = 1
    FACTOR = 2
    """Two factors."""
    PASSKEY = 3
    """With a key that no other site can ask for."""


ACR: Mapping[Level, str] = {
    Level.ANY: "urn:latchkey:acr:any",
    Level.FACTOR: "urn:latchkey:acr:mfa",
    Level.PASSKEY: "phr",  # OpenID Connect Extended Authentication Profile ACR Values 1.0
}
"""What ``acr`` calls the levels."""

_KEYS = frozenset({"hwk", "swk"})


def level_of(amr: Collection[str]) -> Level:
    """The level that these methods (RFC 8176, section 2) reach."""
    if "mfa" not in amr:
        return Level.ANY
    return Level.FACTOR if _KEYS.isdisjoint(amr) else Level.PASSKEY


def acr_of(amr: Collection[str]) -> str:
    """The ``acr`` of a login with these methods."""
    return ACR[level_of(amr)]


def level_called(acr: str, offered: Collection[str]) -> Level | None:
    """The level of that name; None for one that is not among the ``offered``."""
    return next((level for level, name in ACR.items() if name == acr and acr in offered), None)


def least_of(values: Iterable[str], offered: Collection[str]) -> Level | None:
    """The least level of which a value speaks; None if none does."""
    levels = [level_called(value, offered) for value in values]
    return min((level for level in levels if level is not None), default=None)


def acrs_up_to(level: Level) -> Sequence[str]:
    """The names of the levels that can be reached where ``level`` can."""
    return [name for each, name in ACR.items() if each <= level]
