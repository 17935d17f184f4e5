"""The answers of the protocol endpoints, and how they are described in OpenAPI."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, Field

from app.settings import Settings
from app.web.form import FORM

NO_STORE = {"Cache-Control": "no-store", "Pragma": "no-cache"}


class TokenResponse(BaseModel):
    """RFC 6749, section 5.1."""

    access_token: str = Field(description="A signed JWT (RFC 9068).")
    token_type: Literal["Bearer"]
    expires_in: int = Field(description="Seconds.", examples=[900])
    refresh_token: str | None = Field(
        default=None, description="Can be used once; absent unless the client may refresh."
    )
    id_token: str | None = Field(
        default=None, description="With the scope `openid`, in the code flow and its refreshes."
    )
    scope: str = Field(description="What was granted.", examples=["profile email"])


def token_response(access_token: str, scope: str, lifetime: int) -> dict[str, Any]:
    """RFC 6749, section 5.1. The scope is always told, also when it is what was asked for.

    ``lifetime`` is in seconds.
    """
    return {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": lifetime,
        "scope": scope,
    }


class OAuth2ErrorResponse(BaseModel):
    """RFC 6749, section 5.2."""

    error: str = Field(examples=["invalid_request"])
    error_description: str


class TokenErrorResponse(OAuth2ErrorResponse):
    """The same, with what a client goes on with if the error is `mfa_required`."""

    mfa_token: str | None = Field(default=None, description="Good for five minutes.")
    mfa_methods: list[str] | None = Field(default=None, examples=[["otp", "recovery_code"]])


def _error(
    description: str, *headers: str, model: type[OAuth2ErrorResponse] = OAuth2ErrorResponse
) -> dict[str, Any]:
    return {
        "model": model,
        "description": description,
        "headers": {name: {"schema": {"type": "string"}} for name in headers},
    }


PROTOCOL_ERRORS: dict[int | str, dict[str, Any]] = {
    400: _error("The request was refused; `error` says why."),
    401: _error("Client authentication failed (`invalid_client`).", "WWW-Authenticate"),
    413: _error("The body is too large."),
    429: _error(
        "Too many failed logins, of users or clients (`temporarily_unavailable`).", "Retry-After"
    ),
    500: _error("An unexpected error (`server_error`)."),
    503: _error(
        "The server is too busy, or the database is down (`temporarily_unavailable`).",
        "Retry-After",
    ),
}

TOKEN_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"model": TokenResponse, "description": "Tokens."},
    **PROTOCOL_ERRORS,
    400: _error("The request was refused; `error` says why.", model=TokenErrorResponse),
}


def fields(properties: Mapping[str, Any], username: str = "") -> dict[str, Any]:
    """The fields of a form, empty but for ``username``.

    Without an example Swagger UI would fill in "string", and asterisks for a password.
    """
    return {
        name: schema
        if "enum" in schema
        else {**schema, "examples": [username if name == "username" else ""]}
        for name, schema in properties.items()
    }


def demo_username(settings: Settings) -> str:
    """Whose name stands in a form in development; a password never does."""
    return "alice" if settings.development else ""


def demo_hint(settings: Settings, credentials: str) -> str:
    """The end of a description, in development: what to type while the demo data is there."""
    return f"\n\nWith the demo data: {credentials}." if settings.development else ""


def form_body(parameters: dict[str, str]) -> dict[str, Any]:
    """A form whose ``parameters`` are required, with those that name a client."""
    properties = {
        name: {"type": "string", "description": description}
        for name, description in parameters.items()
    } | {
        "token_type_hint": {"type": "string", "enum": ["access_token", "refresh_token"]},
        "client_id": {"type": "string"},
        "client_secret": {"type": "string", "format": "password"},
    }
    schema = {"type": "object", "properties": fields(properties), "required": list(parameters)}
    return {"required": True, "content": {FORM: {"schema": schema}}}
