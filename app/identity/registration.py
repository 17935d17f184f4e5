"""Registering clients: the rules of what a client may be (RFC 6749, section 2; RFC 7591)."""

import re
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, exists, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import OPERATOR
from app.database.engines import insert_new
from app.errors import ConflictError, InvalidError
from app.identity.names import has_unseen
from app.identity.scopes import SPEAK_OF_A_USER, list_scopes, require_known
from app.models import Client, ClientScope, ClientSecret
from app.security.opaque import generate_secret, hash_secret

GRANT_TYPES = ("password", "refresh_token", "client_credentials", "authorization_code")
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
ID_TOKEN_ALGORITHMS = ("RS256", "ES256", "EdDSA")
SECRET_MIN_LENGTH = 32

_CLIENT_ID = re.compile(r"[\x21-\x7E]{1,255}")  # RFC 6749, appendix A.1, without the space
_SECRET = re.compile(r"[\x21-\x7E]+")
_UNSAFE_SCHEMES = {"javascript", "data", "vbscript", "file", "blob", "about"}
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


@dataclass(frozen=True, kw_only=True)
class Registration:
    """What an operator says of a new client."""

    name: str
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    is_public: bool = False
    grant_types: Sequence[str] = ()
    auth_methods: Sequence[str] = ()
    redirect_uris: Sequence[str] = ()
    post_logout_redirect_uris: Sequence[str] = ()
    scopes: Sequence[str] = ()
    default_scopes: Sequence[str] = ()
    """They are allowed too, whether ``scopes`` repeats them or not."""
    id_token_alg: str = "RS256"
    require_pkce: bool = True
    introspect: str = "own"
    every_scope: bool = False
    """Every scope is allowed, also those that are still to come."""


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
        raise InvalidError(told="a redirect URI is an absolute URI") from None
    if not parts.scheme or not (host or parts.path) or re.search(r"[^\x21-\x7e]|[\\*]", uri):
        raise InvalidError(told="a redirect URI is an absolute URI, exact, without wildcards")
    if re.search(r"[;,'\"]", parts.netloc):
        raise InvalidError(told="a redirect URI has none of ; , ' \" in its host")
    if "#" in uri:
        raise InvalidError(told="a redirect URI has no fragment")
    if parts.username is not None or parts.password is not None:
        raise InvalidError(told="a redirect URI has no user name")
    if parts.scheme in _UNSAFE_SCHEMES:
        raise InvalidError(told="a redirect URI cannot have this scheme")
    if parts.scheme in ("http", "https"):
        if not host:
            raise InvalidError(told="a redirect URI has a host")
        if parts.scheme == "http" and host not in _LOOPBACK:
            raise InvalidError(told="a redirect URI uses https, except on the loopback interface")
    elif "." not in parts.scheme:
        raise InvalidError(
            told="a private scheme is a reversed domain name (RFC 8252, section 7.1)"
        )


def check_registration(registration: Registration) -> None:
    """Raise :class:`InvalidError` for what no client may be."""
    public = registration.is_public
    name = registration.name
    if not name.strip() or len(name) > 255:
        raise InvalidError(told="a client has a name of 1 to 255 characters")
    if has_unseen(name):
        raise InvalidError(told="a client has no control characters in its name")
    if registration.client_id == OPERATOR:
        raise InvalidError(told="this client id is what the audit trail calls the command line")
    if registration.client_id is not None and not _CLIENT_ID.fullmatch(registration.client_id):
        raise InvalidError(told="a client id has 1 to 255 printable ASCII characters and no space")
    if not registration.grant_types and registration.introspect != "any":
        raise InvalidError(
            told=f"a client has at least one grant ({', '.join(GRANT_TYPES)}) "
            "or introspects any tokens"
        )
    for grant in registration.grant_types:
        if grant not in GRANT_TYPES:
            raise InvalidError(
                told=f"there is no grant {grant!r}: choose of " + ", ".join(GRANT_TYPES)
            )
    if public and "client_credentials" in registration.grant_types:
        raise InvalidError(
            told="client_credentials is for confidential clients (RFC 6749, section 4.4)"
        )
    for uri in [*registration.redirect_uris, *registration.post_logout_redirect_uris]:
        check_redirect_uri(uri)
    needs_redirect_uri = "authorization_code" in registration.grant_types
    # /docs logs in with a public client, whose redirect URI is not stored.
    if needs_redirect_uri and not public and not registration.redirect_uris:
        raise InvalidError(told="authorization_code needs a redirect URI", field="redirect_uris")
    unasked = set(registration.default_scopes)
    acts_for_itself = set(registration.grant_types) == {"client_credentials"}
    if acts_for_itself and unasked and unasked.issubset(SPEAK_OF_A_USER):
        raise InvalidError(
            told="client_credentials never gets what speaks of a user: "
            "give it another default scope",
            field="default_scopes",
        )
    if public and (registration.client_secret or registration.auth_methods):
        raise InvalidError(told="a public client has no secret and no authentication method")
    for method in registration.auth_methods:
        if method not in SECRET_METHODS:
            raise InvalidError(
                told="an authentication method is one of " + ", ".join(SECRET_METHODS)
            )
    if (secret := registration.client_secret) is not None and (
        not SECRET_MIN_LENGTH <= len(secret) <= 1024 or not _SECRET.fullmatch(secret)
    ):
        raise InvalidError(
            told=f"a client secret has at least {SECRET_MIN_LENGTH} printable ASCII characters"
        )
    if public and not registration.require_pkce:
        raise InvalidError(told="only a confidential client can do without PKCE")
    if public and registration.introspect != "own":
        raise InvalidError(told="only a confidential client can introspect")
    if not public and registration.every_scope:
        # One that acts for itself would be granted what nobody has given it.
        raise InvalidError(told="only a public client can have every scope that is still to come")
    if registration.id_token_alg not in ID_TOKEN_ALGORITHMS:
        raise InvalidError(told="an ID token is signed with " + ", ".join(ID_TOKEN_ALGORITHMS))
    if registration.introspect not in ("own", "any"):
        raise InvalidError(told="a client introspects own or any tokens")


async def check_identity(connection: AsyncConnection, client_id: str) -> None:
    """Raise :class:`InvalidError` or :class:`ConflictError` for what no new client is called.

    Client ids and users' ids both become a ``sub`` and must not meet (RFC 9068, section 5), nor
    may a client take the place of a user who was deleted: so no client id has their form.
    """
    if not {"", ".", ".."}.isdisjoint(client_id.split("/")):
        # Whoever asks for /clients/{client_id} would ask for another path (RFC 3986, 6.2.2.3).
        raise InvalidError(told="between the slashes of a client id is something other than dots")
    if client_id.endswith("/secret"):
        raise InvalidError(told="a client id does not end in /secret: that is where its secret is")
    if _looks_like_a_user_id(client_id):
        raise InvalidError(
            told="a client id does not have the form of a user's id", field="client_id"
        )
    if await connection.scalar(select(exists().where(Client.client_id == client_id))):
        raise ConflictError(told=f"a client with the id {client_id!r} exists already")


def _looks_like_a_user_id(client_id: str) -> bool:
    try:
        uuid.UUID(client_id)
    except ValueError:
        return False
    return True


def auth_methods_of(registration: Registration) -> list[str]:
    """How the client may authenticate: a confidential one by Basic and body, unless it says."""
    if registration.is_public:
        return ["none"]
    return list(dict.fromkeys(registration.auth_methods or SECRET_METHODS))


async def create_client(
    connection: AsyncConnection, registration: Registration, now: datetime
) -> tuple[str, str | None]:
    """Register a client; return its id and, for a confidential one, its secret.

    The secret is not stored and cannot be shown again. Raises :class:`InvalidError` or
    :class:`ConflictError`.
    """
    client_id = await add_client(connection, registration, now)
    if registration.is_public:
        return client_id, None
    secret = registration.client_secret or generate_secret()
    await connection.execute(
        insert(ClientSecret).values(
            client_id=client_id, secret_hash=hash_secret(secret), created_at=now
        )
    )
    return client_id, secret


async def add_client(connection: AsyncConnection, registration: Registration, now: datetime) -> str:
    """Register a client that has no secret yet, and return its id.

    Raises :class:`InvalidError` or :class:`ConflictError`.
    """
    check_registration(registration)
    allowed = await allowed_scopes(connection, registration)
    client_id = registration.client_id or generate_secret()[:22]
    await check_identity(connection, client_id)
    await insert_new(
        connection,
        f"a client with the id {client_id!r} exists already",
        insert(Client).values(
            client_id=client_id,
            name=registration.name,
            is_public=registration.is_public,
            grant_types=list(dict.fromkeys(registration.grant_types)),
            auth_methods=auth_methods_of(registration),
            redirect_uris=list(registration.redirect_uris),
            post_logout_redirect_uris=list(registration.post_logout_redirect_uris),
            id_token_alg=registration.id_token_alg,
            require_pkce=registration.require_pkce,
            introspect=registration.introspect,
            every_scope=registration.every_scope,
            created_at=now,
            updated_at=now,
        ),
    )
    await set_client_scopes(connection, client_id, allowed, registration.default_scopes)
    return client_id


async def allowed_scopes(connection: AsyncConnection, registration: Registration) -> frozenset[str]:
    """What the client may ask for. Raises :class:`InvalidError` for a scope that is unknown."""
    scopes = await require_known(connection, registration.scopes)
    default = await require_known(connection, registration.default_scopes, "default_scopes")
    every = await list_scopes(connection) if registration.every_scope else ()
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
