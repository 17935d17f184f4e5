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

from app.errors.answered import RETRY_AFTER, AnsweredError, LoginRefused
from app.errors.bearer import (
    BearerError,
    InsufficientScopeError,
    InsufficientUserAuthenticationError,
    InvalidTokenError,
    MalformedRequestError,
    MissingTokenError,
    NotAUserError,
)
from app.errors.oauth2 import (
    AccessDeniedError,
    InvalidClientError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
    InvalidTargetError,
    MfaRequiredError,
    OAuth2Error,
    ServerError,
    SlowDownError,
    TemporarilyUnavailableError,
    UnauthorizedClientError,
    UnsupportedGrantTypeError,
)
from app.errors.problem import (
    BROKEN_RULE,
    ConflictError,
    ForbiddenError,
    InvalidError,
    InvalidFieldsError,
    NotFoundError,
    PreconditionFailedError,
    Problem,
    TooManyAttemptsError,
    UnavailableError,
)

__all__ = [
    "BROKEN_RULE",
    "RETRY_AFTER",
    "AccessDeniedError",
    "AnsweredError",
    "BearerError",
    "ConflictError",
    "ForbiddenError",
    "InsufficientScopeError",
    "InsufficientUserAuthenticationError",
    "InvalidClientError",
    "InvalidError",
    "InvalidFieldsError",
    "InvalidGrantError",
    "InvalidRequestError",
    "InvalidScopeError",
    "InvalidTargetError",
    "InvalidTokenError",
    "LoginRefused",
    "MalformedRequestError",
    "MfaRequiredError",
    "MissingTokenError",
    "NotAUserError",
    "NotFoundError",
    "OAuth2Error",
    "PreconditionFailedError",
    "Problem",
    "ServerError",
    "SlowDownError",
    "TemporarilyUnavailableError",
    "TooManyAttemptsError",
    "UnauthorizedClientError",
    "UnavailableError",
    "UnsupportedGrantTypeError",
]
