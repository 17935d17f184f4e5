"""What a grant is: a name, the parameters it reads, and the exchange of a request for tokens."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from app.audit.trail import Origin
from app.identity.clients import RegisteredClient
from app.server import Server


@dataclass(frozen=True)
class TokenRequest:
    """A token request whose client is known and may use the grant."""

    grant_type: str
    form: Mapping[str, str] = field(repr=False)
    client: RegisteredClient
    origin: Origin
    server: Server


@dataclass(frozen=True)
class Grant:
    """A way to get tokens (RFC 6749, section 4)."""

    grant_type: str
    parameters: Mapping[str, Any]
    """The JSON schemas of its form's fields, for OpenAPI."""
    exchange: Callable[[TokenRequest], Awaitable[dict[str, Any]]]
    """The answer of RFC 6749, section 5.1. Raises an :class:`~app.errors.OAuth2Error`."""
