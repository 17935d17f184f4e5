"""What a client may say of itself (RFC 7591, section 2), and what becomes of it here.

It becomes a public client with PKCE and the code flow, whatever it asked for beside that: the
server may replace what it does not like (section 3.2.1), and tells what it made of it.
"""

import re
from collections.abc import Collection, Iterator
from typing import Any, ClassVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from app.errors import InvalidError, OAuth2Error
from app.identity.clients import web_origin
from app.identity.names import has_unseen
from app.identity.registration import check_redirect_uri

GRANT_TYPES = ("authorization_code", "refresh_token")

LOOPBACK = {"127.0.0.1", "::1", "localhost"}

_PRIVATE = re.compile(r"[a-z][a-z0-9+.\-]*:[\x21\x24-\x3b\x3d\x3f-\x5a\x5f\x61-\x7a\x7e]+")

_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters, and surrogates, which no UTF-8 has."""


class InvalidRedirectUriError(OAuth2Error):
    """RFC 7591, section 3.2.2."""

    error = "invalid_redirect_uri"
    description = "A redirect URI is missing, malformed or not allowed here."


class InvalidClientMetadataError(OAuth2Error):
    """RFC 7591, section 3.2.2."""

    error = "invalid_client_metadata"
    description = "The client metadata is malformed."


class Statement(BaseModel):
    """What is read of it. Members that are unknown are ignored (RFC 7591, section 2)."""

    model_config = ConfigDict(extra="ignore", strict=True)

    redirect_uris: list[str] = Field(default=[], max_length=20)
    client_name: str = Field(default="", max_length=255)
    grant_types: list[str] = Field(default=[], max_length=20)
    response_types: list[str] = Field(default=[], max_length=20)
    token_endpoint_auth_method: str = Field(default="none", max_length=100)
    scope: str = Field(default="", max_length=2000)

    client_uri: str | None = Field(default=None, max_length=500)
    logo_uri: str | None = Field(default=None, max_length=500)
    tos_uri: str | None = Field(default=None, max_length=500)
    policy_uri: str | None = Field(default=None, max_length=500)
    contacts: list[str] | None = Field(default=None, max_length=10)
    software_id: str | None = Field(default=None, max_length=255)
    software_version: str | None = Field(default=None, max_length=255)

    TOLD: ClassVar = (
        *("client_uri", "logo_uri", "tos_uri", "policy_uri"),
        *("contacts", "software_id", "software_version"),
    )

    @model_validator(mode="before")
    @classmethod
    def _without_null(cls, document: object) -> object:
        """A member that is null is as good as left out (RFC 7592, section 2.2)."""
        if not isinstance(document, dict):
            return document
        return {name: value for name, value in document.items() if value is not None}

    @property
    def told(self) -> dict[str, Any]:
        """What is only kept to be told again."""
        return self.model_dump(include=set(self.TOLD), exclude_none=True)

    @property
    def granted_types(self) -> list[str]:
        """The code flow, with refreshes unless it said that it wants none."""
        wanted = self.grant_types or GRANT_TYPES
        return [name for name in GRANT_TYPES if name == "authorization_code" or name in wanted]

    def name(self, otherwise: str) -> str:
        """What people are shown."""
        return self.client_name.strip() or otherwise

    def default_scopes(self, allowed: Collection[str]) -> list[str]:
        """Those that it named, of what it may have; all of that if it named none."""
        named = self.scope.split()
        return sorted(scope for scope in allowed if not named or scope in named)


def read_statement(document: object, schemes: Collection[str], origin: str = "") -> Statement:
    """What ``document`` says. Its pages, if it has any, run at ``origin``.

    Raises :class:`InvalidClientMetadataError` or :class:`InvalidRedirectUriError`.
    """
    try:
        statement = Statement.model_validate(document)
    except ValidationError as invalid:
        place = ".".join(str(part) for part in invalid.errors()[0]["loc"])
        known = place.partition(".")[0] in Statement.model_fields
        told = f"The member {place} is malformed." if known else None
        raise InvalidClientMetadataError(told=told) from None
    texts = _texts(statement.model_dump())
    if has_unseen(statement.client_name) or any(map(_UNPRINTABLE.search, texts)):
        raise InvalidClientMetadataError(told="A text has control characters.")
    if statement.response_types and "code" not in statement.response_types:
        raise InvalidClientMetadataError(told="The only supported response_type is code.")
    if statement.grant_types and "authorization_code" not in statement.grant_types:
        raise InvalidClientMetadataError(told="A client needs the grant authorization_code.")
    if not statement.redirect_uris:
        raise InvalidRedirectUriError
    for uri in statement.redirect_uris:
        require_redirect_uri(uri, schemes, origin)
    return statement


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from _texts(list(value.values()))
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def require_redirect_uri(uri: str, schemes: Collection[str], origin: str = "") -> None:
    """Raise :class:`InvalidRedirectUriError` unless a client may register ``uri`` by itself.

    On the loopback interface anybody may; else the operator has to allow the scheme, but for pages
    of ``origin``, which is who the client is.
    """
    try:
        check_redirect_uri(uri)
    except InvalidError:
        raise InvalidRedirectUriError from None
    scheme = uri.partition(":")[0]
    if scheme in ("http", "https"):
        if scheme == "http" and urlsplit(uri).hostname in LOOPBACK:
            return
        if scheme == "https" and ("https" in schemes or web_origin(uri) == origin):
            return
    elif scheme in schemes and len(uri) <= 2000 and _PRIVATE.fullmatch(uri):
        return
    raise InvalidRedirectUriError
