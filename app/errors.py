"""Every error that reaches a caller, and how it is written.

    AnsweredError
    ├── Problem                   the JSON API and the command line      RFC 9457
    │   ├── ForbiddenError        403
    │   ├── NotFoundError         404
    │   ├── ConflictError         409
    │   ├── PreconditionFailedError   412
    │   ├── InvalidError, InvalidFieldsError   422
    │   └── UnavailableError      503, with Retry-After
    │       └── TooManyAttemptsError   429
    ├── OAuth2Error               /token, /revoke, /introspect           RFC 6749, section 5.2
    │   ├── InvalidRequestError   400
    │   ├── InvalidClientError    401, with a challenge
    │   ├── InvalidGrantError     400
    │   ├── UnauthorizedClientError, UnsupportedGrantTypeError, InvalidScopeError   400
    │   ├── InvalidTargetError    400                                RFC 8707
    │   ├── ServerError           500, an unexpected fault
    │   └── TemporarilyUnavailableError   503, with Retry-After
    │       └── SlowDownError     429
    ├── BearerError               routes that want an access token       RFC 6750, section 3
    │   ├── MissingTokenError     401, without an error code
    │   ├── MalformedRequestError 400
    │   ├── InvalidTokenError     401
    │   └── InsufficientScopeError   403, naming the scopes
    │       └── NotAUserError     403, whatever the scopes
    └── LoginRefused              wherever a password is checked: wrong, wait, or busy

Both sentences of an error are keyword arguments, so that they cannot be swapped by mistake:
``told`` is for the caller, ``reason`` only for the log. Neither ever holds a credential or repeats
input. What is refused before or outside a route, and a refused login, is answered in the format of
the route's class: see :mod:`app.web.routes`.
"""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, ClassVar, Literal

if TYPE_CHECKING:
    from starlette.responses import Response

RETRY_AFTER = 2
"""Seconds after which a request refused for load is worth another try."""


class AnsweredError(Exception):
    """An error with an answer of its own."""

    status: int = 400
    media_type: str = "application/json"

    def __init__(self, *, reason: str = "") -> None:
        """``reason`` goes to the log alone."""
        super().__init__(reason)
        self.reason = reason

    def content(self) -> dict[str, Any]:
        """The body of the answer."""
        raise TypeError("answered by its subclasses")

    def headers(self, realm: str) -> dict[str, str]:
        """The headers of the answer; challenges name ``realm``."""
        return {}

    def response(self, realm: str, service_name: str) -> "Response":
        """The answer; a page has ``service_name`` on it."""
        from starlette.responses import JSONResponse  # the command line answers nobody

        return JSONResponse(
            self.content(), self.status, self.headers(realm), media_type=self.media_type
        )


class Problem(AnsweredError):
    """RFC 9457, section 3. What is told is also what the command line prints."""

    media_type = "application/problem+json"

    def __init__(self, *, told: str, status: int | None = None, reason: str = "") -> None:
        """``told`` is read by a person; it names what was refused and why."""
        super().__init__(reason=reason or told)
        self.told = told
        self.status = status or type(self).status

    @property
    def line(self) -> str:
        """What the command line prints, which may name what an answer must not repeat."""
        return self.told

    def content(self) -> dict[str, Any]:
        """The members of RFC 9457, section 3.1."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.told,
        }


class ForbiddenError(Problem):
    """The caller may not do this."""

    status = 403


class NotFoundError(Problem):
    """There is no such thing, or it belongs to someone else."""

    status = 404


class ConflictError(Problem):
    """It already exists, or is in use."""

    status = 409


class PreconditionFailedError(Problem):
    """Someone else changed this in the meantime."""

    status = 412


class InvalidError(Problem):
    """A value breaks a rule."""

    status = 422

    def __init__(self, *, told: str, field: str | None = None) -> None:
        """``field`` of the body is at fault, where it is one."""
        super().__init__(told=told)
        self.field = field

    def content(self) -> dict[str, Any]:
        """With the field, as every other 422 has it."""
        if self.field is None:
            return super().content()
        return {
            **super().content(),
            "errors": [{"field": f"body.{self.field}", "reason": self.told}],
        }


BROKEN_RULE = "broken_rule"
"""The type of pydantic's errors whose sentence says what the rule is, and needs no field."""

_NAME = re.compile(r"[A-Za-z_]{1,40}")

_REASONS = {"uuid_parsing": "Input should be a valid UUID"}
"""Instead of those that would show a character of the input."""


class InvalidFieldsError(Problem):
    """Values break rules: each is told with its field and the reason, and none is repeated."""

    status = 422

    def __init__(self, errors: Sequence[Mapping[str, Any]], inside: str = "body") -> None:
        """``errors`` are those of pydantic, whose places are ``inside`` a part of the request."""
        super().__init__(told="The request does not have the form that is described.")
        self._errors = errors
        self._inside = f"{inside}." if inside else ""

    @property
    def line(self) -> str:
        """The first of them, and how many more there are."""
        first, more = self._errors[0], len(self._errors) - 1
        place = "" if first["type"] == BROKEN_RULE else f"{_place(first)}: "
        return place + _reason(first) + (f" (and {more} more)" if more else "")

    def content(self) -> dict[str, Any]:
        """With every field that is at fault."""
        errors = [
            {"field": self._inside + _place(each), "reason": _reason(each)} for each in self._errors
        ]
        return {**super().content(), "errors": errors}


def _place(error: Mapping[str, Any]) -> str:
    """Where it is. What should not be there is named if it looks like a name: it is input, too."""
    place = [str(part) for part in error["loc"]]
    unnamed = error["type"] == "extra_forbidden" and not _NAME.fullmatch(place[-1])
    return ".".join(place[:-1] if unnamed else place)


def _reason(error: Mapping[str, Any]) -> str:
    return _REASONS.get(error["type"], str(error["msg"]))


class UnavailableError(Problem):
    """Not now; soon."""

    status = 503
    retry_after = RETRY_AFTER

    def headers(self, realm: str) -> dict[str, str]:
        """With ``Retry-After``, in seconds."""
        return {"Retry-After": str(self.retry_after)}


class TooManyAttemptsError(UnavailableError):
    """Too many failed logins."""

    status = 429

    def __init__(self, retry_after: int, *, reason: str = "") -> None:
        """``retry_after`` is in seconds."""
        super().__init__(told="Too many failed attempts. Try again later.", reason=reason)
        self.retry_after = retry_after


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


class NotAUserError(InsufficientScopeError):
    """The token is valid, but belongs to a client where a user is needed."""

    description = "This resource needs the access token of a user, not of a client."


class LoginRefused(AnsweredError):
    """A login was refused, at any endpoint. The class of its route decides what to say."""

    def __init__(
        self, why: Literal["wrong", "wait", "busy"], *, reason: str, retry_after: int = RETRY_AFTER
    ) -> None:
        """``why``: the name or the password is wrong, or too many attempts have failed, or too many
        are waiting already. ``retry_after`` is in seconds.
        """
        super().__init__(reason=reason)
        self.why = why
        self.retry_after = retry_after
