"""Errors of routes that want an access token (RFC 6750, section 3)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from app.errors.answered import AnsweredError
from app.errors.problem import Problem


class BearerError(AnsweredError):
    """RFC 6750, section 3; the body is a problem (RFC 9457) that repeats it."""

    status = 401
    media_type = "application/problem+json"
    error: ClassVar[str]
    description: ClassVar[str]

    def parameters(self) -> dict[str, str]:
        """What the challenge says beside its realm; the body repeats it."""
        return {"error": self.error, "error_description": self.description}

    def content(self) -> dict[str, Any]:
        """The same members for each of them; null is what the challenge does not say."""
        parameters = self.parameters()
        repeated = {name: parameters.get(name) for name in ("error", "error_description", "scope")}
        return {**Problem(told=self.description, status=self.status).content(), **repeated}

    def headers(self, realm: str) -> dict[str, str]:
        """The challenge."""
        pairs = {"realm": realm, **self.parameters()}
        return {
            "WWW-Authenticate": "Bearer "
            + ", ".join(f'{name}="{value}"' for name, value in pairs.items())
        }


class MissingTokenError(BearerError):
    """Nothing was presented, so nothing is said to be wrong (section 3.1)."""

    description = "This resource needs an access token."

    def parameters(self) -> dict[str, str]:
        """None: the challenge has its realm only."""
        return {}


class MalformedRequestError(BearerError):
    """The token came in a way that cannot be read, or in two ways."""

    status = 400
    error = "invalid_request"
    description = "Send one Authorization header with one bearer token."


class InvalidTokenError(BearerError):
    """Expired, revoked, malformed, or not meant for this."""

    error = "invalid_token"
    description = "The access token is expired, revoked, malformed, or otherwise invalid."


class InsufficientScopeError(BearerError):
    """The token is valid but lacks a scope."""

    status = 403
    error = "insufficient_scope"
    description = "This resource needs a scope that the access token does not have."

    def __init__(self, scopes: Sequence[str], *, reason: str = "") -> None:
        """``scopes`` are all that the resource needs."""
        super().__init__(reason=reason)
        self.scopes = scopes

    def parameters(self) -> dict[str, str]:
        """With the scopes that are needed, if any are."""
        needed = {"scope": " ".join(self.scopes)} if self.scopes else {}
        return {**super().parameters(), **needed}


class InsufficientUserAuthenticationError(BearerError):
    """The login behind the token is too weak (RFC 9470, section 3)."""

    error = "insufficient_user_authentication"
    description = "This takes a login with a second factor."

    def __init__(self, acr: str, *, reason: str = "") -> None:
        """``acr`` is what a login has to reach."""
        super().__init__(reason=reason)
        self.acr = acr

    def parameters(self) -> dict[str, str]:
        """With what to ask for at ``/authorize``."""
        return {**super().parameters(), "acr_values": self.acr}


class NotAUserError(InsufficientScopeError):
    """The token is valid, but belongs to a client where a user is needed."""

    description = "This resource needs the access token of a user, not of a client."
