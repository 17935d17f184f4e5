"""Errors of the protocol endpoints (RFC 6749, section 5.2)."""

from collections.abc import Sequence
from typing import Any, ClassVar

from app.errors.answered import RETRY_AFTER, AnsweredError


class OAuth2Error(AnsweredError):
    """RFC 6749, section 5.2."""

    error: ClassVar[str]
    description: ClassVar[str]

    def __init__(
        self, *, told: str | None = None, reason: str = "", status: int | None = None
    ) -> None:
        """``told`` may sharpen the class's description; it must not contain input."""
        super().__init__(reason=reason or told or "")
        self.told = told or self.description
        self.status = status or type(self).status

    def content(self) -> dict[str, Any]:
        """``error`` and ``error_description``."""
        return {"error": self.error, "error_description": self.told}

    def headers(self, realm: str) -> dict[str, str]:
        """Nothing that this endpoint says is ever stored (section 5.1)."""
        return {"Cache-Control": "no-store", "Pragma": "no-cache"}


class InvalidRequestError(OAuth2Error):
    """A parameter is missing, malformed or repeated."""

    error = "invalid_request"
    description = "The request is malformed."


class InvalidClientError(OAuth2Error):
    """The client is unknown, or its authentication failed."""

    status = 401
    error = "invalid_client"
    description = "Client authentication failed."

    def headers(self, realm: str) -> dict[str, str]:
        """RFC 9110, section 15.5.2: a 401 carries a challenge."""
        challenge = f'Basic realm="{realm}", charset="UTF-8"'
        return {**super().headers(realm), "WWW-Authenticate": challenge}


class InvalidGrantError(OAuth2Error):
    """The user's name and password, or the token, are not valid."""

    error = "invalid_grant"
    description = "The user name or the password is wrong."


class MfaRequiredError(OAuth2Error):
    """The password was right, and is not enough: an extension code (section 8.5)."""

    error = "mfa_required"
    description = "A second factor is required."

    def __init__(self, *, told: str, token: str, methods: Sequence[str]) -> None:
        """``token`` goes on with one of ``methods``; without any there is none."""
        super().__init__(told=told, reason="a second factor is required")
        self.token = token
        self.methods = methods

    def content(self) -> dict[str, Any]:
        """With what the client goes on with."""
        going_on = {"mfa_token": self.token} if self.token else {}
        return {**super().content(), **going_on, "mfa_methods": list(self.methods)}


class AccessDeniedError(OAuth2Error):
    """Who they are is known, and the client is not open to them (RFC 8628, section 3.5)."""

    error = "access_denied"
    description = "This application is not open to the user."


class UnauthorizedClientError(OAuth2Error):
    """The client is known and may not use this grant."""

    error = "unauthorized_client"
    description = "This client may not use this grant type."


class UnsupportedGrantTypeError(OAuth2Error):
    """No client may use this grant here."""

    error = "unsupported_grant_type"
    description = "This server does not support this grant type."


class InvalidScopeError(OAuth2Error):
    """A scope is unknown, malformed or not allowed, or none is left."""

    error = "invalid_scope"
    description = "A requested scope is unknown or not allowed for this client."


class InvalidTargetError(OAuth2Error):
    """A resource is unknown, malformed, or not one that the client may have tokens for."""

    error = "invalid_target"
    description = "A requested resource is unknown or not allowed for this client."


class TemporarilyUnavailableError(OAuth2Error):
    """Too many are waiting already, or the database is unavailable."""

    status = 503
    error = "temporarily_unavailable"
    description = "The server is busy. Try again in a moment."
    retry_after = RETRY_AFTER

    def headers(self, realm: str) -> dict[str, str]:
        """With ``Retry-After``, in seconds."""
        return {**super().headers(realm), "Retry-After": str(self.retry_after)}


class SlowDownError(TemporarilyUnavailableError):
    """Too many failed logins."""

    status = 429
    description = "Too many failed logins. Try again later."

    def __init__(self, retry_after: int, *, reason: str = "") -> None:
        """``retry_after`` is in seconds."""
        super().__init__(reason=reason)
        self.retry_after = retry_after


class ServerError(OAuth2Error):
    """An unexpected fault. RFC 6749, section 4.1.2.1, has the word for it."""

    status = 500
    error = "server_error"
    description = "An internal server error occurred."
