"""The scopes of a request: RFC 6749, section 3.3."""

from collections.abc import Collection

from app.errors import InvalidScopeError
from app.services.clients import RegisteredClient
from app.services.scopes import SCOPE_TOKEN

MAX_SCOPES = 100
MAX_LENGTH = 2000
"""Characters of all scopes together: they travel in every access token."""


def _split(scope: str) -> list[str]:
    names = list(dict.fromkeys(name for name in scope.split(" ") if name))
    if (
        len(names) > MAX_SCOPES
        or len(scope) > MAX_LENGTH
        or not all(SCOPE_TOKEN.fullmatch(name) for name in names)
    ):
        raise InvalidScopeError("the scope parameter is malformed")
    return names


def requested_scopes(scope: str, client: RegisteredClient) -> list[str]:
    """What ``client`` asks for, each scope once: its defaults when it does not say.

    Raises :class:`InvalidScopeError` for a scope that is malformed, unknown, or not allowed to
    the client: dropping one in silence would surprise client libraries.
    """
    names = _split(scope) or list(client.default_scopes)
    if not names:
        raise InvalidScopeError(description="Ask for a scope: this client has no default.")
    if not client.scopes.issuperset(names):
        raise InvalidScopeError("a scope is not allowed to this client")
    return names


def narrowed_scopes(scope: str, granted: str) -> list[str]:
    """What a refresh asks for: all that was ``granted``, or less (RFC 6749, section 6).

    Raises :class:`InvalidScopeError` for a scope that is malformed or was not granted.
    """
    names = _split(scope) or granted.split()
    if not set(granted.split()).issuperset(names):
        raise InvalidScopeError(description="A requested scope was not granted at login.")
    return names


def grant_scopes(requested: Collection[str], allowed: Collection[str]) -> str:
    """Those of ``requested`` that the resource owner has, separated by spaces.

    Raises :class:`InvalidScopeError` when none is left.
    """
    granted = [name for name in requested if name in allowed]
    if not granted:
        raise InvalidScopeError(description="The user has none of the requested scopes.")
    return " ".join(granted)
