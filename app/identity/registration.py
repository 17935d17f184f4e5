"""Registering clients: the rules of what a client may be (RFC 6749, section 2; RFC 7591).

A field of a client is defined here and has its column in ``app/models/client.py``; what the
protocol needs of it is also in :class:`~app.identity.clients.RegisteredClient`.
"""

import re
import uuid
from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from sqlalchemy import delete, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import OPERATOR
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError
from app.identity.definition import STRICT, broken, rule
from app.identity.grant_types import GrantType, grant_types
from app.identity.names import has_unseen
from app.identity.scopes import SPEAK_OF_A_USER, list_scopes, require_known
from app.models import Client, ClientScope, ClientSecret
from app.security.opaque import generate_secret, hash_secret
from app.settings import TEN_YEARS, UNSAFE_SCHEMES

AuthMethod = Literal["client_secret_basic", "client_secret_post"]
SECRET_METHODS = get_args(AuthMethod)
IdTokenAlgorithm = Literal["RS256", "ES256", "EdDSA"]
ID_TOKEN_ALGORITHMS = get_args(IdTokenAlgorithm)
SECRET_MIN_LENGTH = 32

_CLIENT_ID = re.compile(r"[\x21-\x7E]{1,255}")  # RFC 6749, appendix A.1, without the space
_SECRET = re.compile(r"[\x21-\x7E]+")
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def _check_name(name: str) -> None:
    if not name.strip():
        raise InvalidError(told="a client name must have 1 to 255 characters")
    if has_unseen(name):
        raise InvalidError(told="a client name cannot contain control characters")


def _check_client_id(client_id: str) -> None:
    """Raise :class:`InvalidError` for what no client is called.

    Client ids and users' ids both become a ``sub`` and must not meet (RFC 9068, section 5), nor
    may a client take the place of a user who was deleted: so no client id has their form.
    """
    if client_id == OPERATOR:
        raise InvalidError(
            told="this client id is reserved: the audit trail uses it for the command line"
        )
    if not _CLIENT_ID.fullmatch(client_id):
        raise InvalidError(
            told="a client id must have 1 to 255 printable ASCII characters and no spaces"
        )
    if not {"", ".", ".."}.isdisjoint(client_id.split("/")):
        # Whoever asks for /clients/{client_id} would ask for another path (RFC 3986, 6.2.2.3).
        raise InvalidError(told="a client id cannot contain an empty, . or .. path segment")
    if client_id.endswith("/secret"):
        raise InvalidError(told="a client id cannot end in /secret: that is the path of its secret")
    if _looks_like_a_user_id(client_id):
        raise InvalidError(told="a client id cannot have the form of a user id")


def _looks_like_a_user_id(client_id: str) -> bool:
    try:
        uuid.UUID(client_id)
    except ValueError:
        return False
    return True


def _check_secret(secret: SecretStr) -> None:
    plain = secret.get_secret_value()
    if not SECRET_MIN_LENGTH <= len(plain) <= 1024 or not _SECRET.fullmatch(plain):
        raise InvalidError(
            told=f"a client secret must have {SECRET_MIN_LENGTH} or more printable ASCII characters"
        )


def check_redirect_uri(uri: str) -> None:
    """Raise :class:`InvalidError` unless ``uri`` may be registered.

    Absolute and without fragment (RFC 6749, section 3.1.2); https, except for loopback and for
    the private schemes of native applications (RFC 8252, section 7).
    """
    try:
        parts = urlsplit(uri)
        host = parts.hostname
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        raise InvalidError(told="a redirect URI must be an absolute URI") from None
    if not parts.scheme or not (host or parts.path) or re.search(r"[^\x21-\x7e]|[\\*]", uri):
        raise InvalidError(told="a redirect URI must be an absolute URI without wildcards")
    if re.search(r"[;,'\"]", parts.netloc):
        raise InvalidError(told="a redirect URI cannot contain ; , ' \" in its host")
    if "#" in uri:
        raise InvalidError(told="a redirect URI cannot have a fragment")
    if parts.username is not None or parts.password is not None:
        raise InvalidError(told="a redirect URI cannot contain a user name")
    if parts.scheme in UNSAFE_SCHEMES:
        raise InvalidError(told="a redirect URI cannot use this scheme")
    if parts.scheme in ("http", "https"):
        if not host:
            raise InvalidError(told="a redirect URI must have a host")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise InvalidError(
                told="a redirect URI must use https, except on the loopback interface"
            )


RedirectUri = Annotated[str, rule(check_redirect_uri)]
ClientId = Annotated[str, Field(max_length=255), rule(_check_client_id)]


Lifetime = Annotated[int, Field(strict=True, ge=1, le=TEN_YEARS)]


def _lifetime(setting: str) -> Any:
    description = f"Seconds, at most `LATCHKEY_{setting}`, which is also the default."
    return Field(default=None, description=description)


def _exemplify_grants(schema: dict[str, Any]) -> None:
    first = "authorization_code" if "authorization_code" in grant_types() else "password"
    schema["examples"] = [[first, "refresh_token"]]


class ClientMetadata(BaseModel):
    """What can be said of a client, and said otherwise later (RFC 7591, section 2)."""

    name: Annotated[str, rule(_check_name)] = Field(
        min_length=1, max_length=255, examples=["My application"]
    )
    grant_types: list[GrantType] = Field(json_schema_extra=_exemplify_grants)
    auth_methods: Sequence[str] = []
    redirect_uris: list[RedirectUri] = Field(
        default=[], examples=[["https://app.example.com/callback"]]
    )
    post_logout_redirect_uris: list[RedirectUri] = []
    scopes: list[str] = Field(default=[], examples=[["profile"]])
    default_scopes: list[str] = Field(
        default=[],
        examples=[["profile"]],
        description="Granted if the client asks for none; allowed even if not in `scopes`.",
    )
    id_token_alg: IdTokenAlgorithm = "RS256"
    access_token_ttl: Lifetime | None = _lifetime("ACCESS_TOKEN_TTL")
    id_token_ttl: Lifetime | None = _lifetime("ID_TOKEN_TTL")
    refresh_token_ttl: Lifetime | None = _lifetime("REFRESH_TOKEN_TTL")
    id_token_claims: bool = Field(
        default=False,
        description="Put the claims that its scopes permit into ID tokens too.",
    )
    short_schemes: bool = Field(
        default=False,
        description="Whether its redirect URIs may have a scheme of a native application that is "
        "no reversed domain name, such as `cursor:` or `vscode:`.",
    )
    require_pkce: bool = True
    introspect: Literal["own", "any"] = Field(
        default="own", description="Which access tokens it may introspect."
    )


class Registration(ClientMetadata):
    """A client to register."""

    model_config = STRICT

    client_id: ClientId | None = Field(default=None, description="Generated if left out.")
    client_secret: Annotated[SecretStr, rule(_check_secret)] | None = Field(
        default=None, description="Generated if left out."
    )
    public: bool = Field(
        default=False,
        description="For a client that cannot keep a secret, such as a browser or mobile app.",
    )
    auth_methods: list[AuthMethod] = []

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        errors = [broken(field, sentence) for field, sentence in self._broken_rules()]
        if errors:
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    def _broken_rules(self) -> Iterator[tuple[str, str]]:
        """The field, and the rule that it breaks together with others."""
        grants = set(self.grant_types)
        if not grants and self.introspect != "any":
            names = ", ".join(grant_types())
            yield (
                "grant_types",
                f"a client needs at least one grant ({names}), or to introspect any token",
            )
        # /docs logs in with a public client, whose redirect URI is not stored.
        if "authorization_code" in grants and not self.public and not self.redirect_uris:
            yield "redirect_uris", "authorization_code requires a redirect URI"
        if self.short_schemes and not self.public:
            yield "short_schemes", "only a public client can have a scheme of its own"
        for field in ("redirect_uris", "post_logout_redirect_uris"):
            schemes = {urlsplit(uri).scheme for uri in getattr(self, field)} - {"http", "https"}
            if not self.short_schemes and not all("." in scheme for scheme in schemes):
                yield (
                    field,
                    "a private-use scheme must be a reversed domain name (RFC 8252, section 7.1), "
                    "unless the client has short_schemes",
                )
        unasked = set(self.default_scopes)
        acts_for_itself = grants == {"client_credentials"}
        if acts_for_itself and unasked and unasked.issubset(SPEAK_OF_A_USER):
            yield (
                "default_scopes",
                "client_credentials cannot be granted scopes about a user: "
                "choose another default scope",
            )
        if not self.public:
            return
        if "client_credentials" in grants:
            yield (
                "grant_types",
                "client_credentials is only for confidential clients (RFC 6749, section 4.4)",
            )
        for field in ("client_secret", "auth_methods"):
            if getattr(self, field):
                yield field, "a public client cannot have a secret or an authentication method"
        if not self.require_pkce:
            yield "require_pkce", "only a confidential client can be exempt from PKCE"
        if self.introspect != "own":
            yield "introspect", "only a confidential client can introspect"

    @property
    def stored_auth_methods(self) -> list[str]:
        """How it may authenticate: a confidential client by Basic and body, unless it says."""
        if self.public:
            return ["none"]
        return list(dict.fromkeys(self.auth_methods or SECRET_METHODS))

    def columns(self) -> dict[str, Any]:
        """What is stored of it, but its id, its secret and its scopes."""
        lists = {"grant_types": list(dict.fromkeys(self.grant_types))}
        values = self.model_dump(include=set(COLUMNS)) | lists
        return {**values, "is_public": self.public, "auth_methods": self.stored_auth_methods}


COLUMNS = [name for name in ClientMetadata.model_fields if not name.endswith("scopes")]
"""The fields that have a column of their own."""


async def create_client(
    connection: AsyncConnection,
    registration: Registration,
    now: datetime,
    *,
    every_scope: bool = False,
) -> tuple[str, str | None]:
    """Register a client; return its id and, for a confidential one, its secret.

    The secret is not stored and cannot be shown again. See :func:`add_client`.
    """
    client_id = await add_client(connection, registration, now, every_scope=every_scope)
    if registration.public:
        return client_id, None
    given = registration.client_secret
    secret = generate_secret() if given is None else given.get_secret_value()
    await connection.execute(
        insert(ClientSecret).values(
            client_id=client_id, secret_hash=hash_secret(secret), created_at=now
        )
    )
    return client_id, secret


async def add_client(
    connection: AsyncConnection,
    registration: Registration,
    now: datetime,
    *,
    every_scope: bool = False,
) -> str:
    """Register a client that has no secret yet, and return its id.

    With ``every_scope`` it has also the scopes that are still to come. Raises
    :class:`InvalidError` or :class:`ConflictError`.
    """
    check_every_scope(registration, every_scope)
    allowed = await allowed_scopes(connection, registration, every_scope)
    client_id = registration.client_id or generate_secret()[:22]
    taken = f"a client with the id {client_id!r} already exists"
    if await connection.scalar(select(exists().where(Client.client_id == client_id))):
        raise ConflictError(told=taken)
    await insert_new(
        connection,
        taken,
        insert(Client).values(
            client_id=client_id,
            every_scope=every_scope,
            created_at=now,
            updated_at=now,
            **registration.columns(),
        ),
    )
    await set_client_scopes(connection, client_id, allowed, registration.default_scopes)
    return client_id


def check_every_scope(registration: Registration, every_scope: bool) -> None:
    """Raise :class:`InvalidError` if the client cannot have every scope."""
    if every_scope and not registration.public:
        # One that acts for itself would be granted what nobody has given it.
        raise InvalidError(told="only a public client can have all future scopes")


async def allowed_scopes(
    connection: AsyncConnection, registration: Registration, every_scope: bool = False
) -> frozenset[str]:
    """What the client may ask for. Raises :class:`InvalidError` for a scope that is unknown."""
    scopes = await require_known(connection, registration.scopes)
    default = await require_known(connection, registration.default_scopes, "default_scopes")
    every = await list_scopes(connection) if every_scope else ()
    return frozenset([*scopes, *default, *every])


async def set_client_scopes(
    connection: AsyncConnection, client_id: str, allowed: Collection[str], default: Collection[str]
) -> None:
    """Let a client have exactly the scopes ``allowed``, of which it gets ``default`` unasked."""
    await connection.execute(delete(ClientScope).where(ClientScope.client_id == client_id))
    if allowed:
        await connection.execute(
            insert(ClientScope),
            [
                {"client_id": client_id, "scope": scope, "is_default": scope in default}
                for scope in sorted(allowed)
            ],
        )
