"""The scopes of a request: RFC 6749, section 3.3."""

from collections.abc import Collection

from app.errors import InvalidScopeError
from app.identity.clients import RegisteredClient

MAX_SCOPES = 100
MAX_LENGTH = 2000
"""Characters of all scopes together: they travel in every access token."""


def split_scope(scope: str) -> list[str]:
    """The scopes of the parameter, each once. Raises :class:`InvalidScopeError` for too many."""
    names = list(dict.fromkeys(name for name in scope.split(" ") if name))
    if len(names) > MAX_SCOPES or len(scope) > MAX_LENGTH:
        raise InvalidScopeError(reason="the scope parameter is too long")
    return names


def requested_scopes(scope: str, client: RegisteredClient) -> list[str]:
    """What ``client`` asks for, each scope once, or its default scopes.

    Raises :class:`InvalidScopeError` for a scope that is malformed, unknown, or not allowed to
    the client: dropping one in silence would surprise client libraries.
    """
    names = split_scope(scope) or list(client.default_scopes)
    if not names:
        raise InvalidScopeError(
            told="The scope parameter is required: this client has no default scope."
        )
    if not client.scopes.issuperset(names):
        raise InvalidScopeError(reason="a scope is not allowed to this client")
    return names


def granted_scope(requested: Collection[str], allowed: Collection[str]) -> str:
    """Those of ``requested`` that are ``allowed``, separated by spaces.

    Raises :class:`InvalidScopeError` when none is left.
    """
    granted = [name for name in requested if name in allowed]
    if not granted:
        raise InvalidScopeError(told="The user has none of the requested scopes.")
    return " ".join(granted)
