"""OpenID Connect for a resource server: a drop-in for ``fastapi.security.OpenIdConnect``.

FastAPI's class is a stub: it hands the whole header over, whatever is in it. This one reads the
discovery document of the issuer and its keys, and accepts an access token that the issuer signed
for this audience, if it has the scopes of the route. It needs ``PyJWT[crypto]``, and the file
``issuer_keys.py`` beside it.

    oidc = OpenIdConnectBearer(
        openIdConnectUrl="https://login.example.com/.well-known/openid-configuration",
        issuer="https://login.example.com",
        audience="https://api.example.com",
    )

    @app.get("/reports")
    async def reports(claims: Annotated[Claims, Security(oidc, scopes=["reports:read"])]) -> str:
        return claims["sub"]

The issuer may be any, and there may be several: then ``issuer`` is a list, and a user is known by
``iss`` and ``sub`` together. Where the issuer is not reached under its name, as between containers,
say where its keys are::

    issuer=[Issuer("https://login.example.com", jwks_url="http://login:8000/.well-known/jwks.json")]

In a test, ``with oidc.pretending(app, sub="alice", scope="reports:read")`` logs alice in: no token
and no issuer is needed, and the scopes of a route are checked all the same.

An access token says that it is one, by its type ``at+jwt`` (RFC 9068, section 2.1), so that an ID
token, which the same key signs, is not taken for one. Some issuers leave the type out:
``require_type=False`` takes their tokens for what they say.
"""

import re
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import jwt
from fastapi import FastAPI, HTTPException
from fastapi.security import OpenIdConnect, SecurityScopes
from jwt.algorithms import has_crypto
from starlette.requests import HTTPConnection

from .issuer_keys import ALGORITHMS, IssuerKeys, IssuerUnavailableError

Claims = Mapping[str, Any]

_DATES = ("exp", "iat", "nbf")

_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
"""Claims that an access token has no use for (OpenID Connect Core, sections 2 and 3.3.2.11)."""

_OF_ACCESS_TOKENS = ("scope", "scp")
"""RFC 9068, section 2.2.3, and the word of issuers that are older than it."""

_TOKEN = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


@dataclass(frozen=True)
class Issuer:
    """An issuer whose tokens are accepted."""

    name: str
    """Its ``iss``."""
    discovery_url: str | None = None
    """Where its discovery document is; at the well-known address under its name unless given."""
    jwks_url: str | None = None
    """Where its keys are: then no discovery document is read."""
    audience: str | None = None
    """The ``aud`` of its tokens, if it is another one than that of the other issuers."""


class OpenIdConnectBearer(OpenIdConnect):
    """``OpenIdConnect`` that validates the access token (RFC 9068, section 4)."""

    def __init__(
        self,
        *,
        openIdConnectUrl: str,  # noqa: N803 - FastAPI's name
        issuer: str | Issuer | Sequence[str | Issuer],
        audience: str,
        discovery_url: str | None = None,
        realm: str = "api",
        timeout: float = 5,
        lifetime: float = 300,
        cooldown: float = 30,
        trusted_for: float = 86_400,
        leeway: float = 30,
        require_type: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Fetch nothing yet.

        ``openIdConnectUrl`` is what OpenAPI tells; ``discovery_url`` is what is read of the issuer
        if it is one that is given by its name alone, its well-known address unless given. With
        ``require_type=False`` a token whose type is ``JWT``, or that has none, is taken too, if it
        has a scope and no claim that only ID tokens have.

        Times are in seconds: ``timeout`` is how long reading an issuer's documents may take and a
        request waits for it; keys are read anew after ``lifetime``; after a reading the next one
        begins no sooner than ``cooldown``; without a reading that succeeds, keys are trusted no
        longer than ``trusted_for``. Raises :class:`ValueError` for a realm that is not printable
        ASCII, without an issuer, for one that is given twice, and for a ``discovery_url`` beside
        issuers that say their own, and :class:`RuntimeError` without ``cryptography``.
        """
        if not has_crypto:
            raise RuntimeError("signatures are checked with PyJWT[crypto]: install cryptography")
        if not (realm.isascii() and realm.isprintable()):
            raise ValueError("the realm is printable ASCII")
        super().__init__(
            openIdConnectUrl=openIdConnectUrl,
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        if discovery_url is not None and not isinstance(issuer, str):
            raise ValueError(
                "discovery_url is of one issuer given as text: give each Issuer its own"
            )
        given = [issuer] if isinstance(issuer, str | Issuer) else issuer
        issuers = [Issuer(each, discovery_url) if isinstance(each, str) else each for each in given]
        if not issuers:
            raise ValueError("there is no issuer")
        if len({each.name for each in issuers}) < len(issuers):
            raise ValueError("an issuer is given once, with one audience")
        self._audiences = {each.name: each.audience or audience for each in issuers}
        self._realm = re.sub(r'(["\\])', r"\\\1", realm)  # RFC 9110, section 5.6.4
        self._leeway = leeway
        self._require_type = require_type
        self._keys = {
            each.name: IssuerKeys(
                issuer=each.name,
                # Discovery 1.0, section 4.1
                discovery_url=each.discovery_url
                or each.name.removesuffix("/") + "/.well-known/openid-configuration",
                jwks_url=each.jwks_url,
                timeout=timeout,
                lifetime=lifetime,
                cooldown=cooldown,
                trusted_for=trusted_for,
                monotonic=monotonic,
            )
            for each in issuers
        }

    def make_not_authenticated_error(self) -> HTTPException:
        """401 without an error code: nothing was sent (RFC 6750, section 3.1)."""
        challenge = f'Bearer realm="{self._realm}"'
        return HTTPException(401, "An access token is needed.", {"WWW-Authenticate": challenge})

    async def __call__(  # type: ignore[override]
        self, request: HTTPConnection, security_scopes: SecurityScopes
    ) -> Claims | None:
        """The claims of the request's access token. Raises :class:`HTTPException`.

        With ``auto_error=False`` None when no bearer token came; one that came and is bad is
        refused all the same.
        """
        headers = request.headers.getlist("authorization")
        if not any(header.partition(" ")[0].lower() == "bearer" for header in headers):
            if self.auto_error:
                raise self.make_not_authenticated_error()
            return None
        match = _TOKEN.fullmatch(headers[0]) if len(headers) == 1 else None
        if match is None:
            raise self._invalid_token()
        return self._permit(await self._verify(match[1]), security_scopes)

    @contextmanager
    def pretending(
        self, app: FastAPI, *, sub: str, scope: str = "", **claims: Any
    ) -> Generator[None]:
        """For tests: whoever asks ``app`` is ``sub`` with ``scope``, and with other ``claims``.

        What a route wants of scopes is checked as ever.
        """
        name = next(iter(self._audiences))
        pretended = {"iss": name, "aud": self._audiences[name], "sub": sub, "scope": scope} | claims

        async def permit(security_scopes: SecurityScopes) -> Claims:
            return self._permit(pretended, security_scopes)

        before = app.dependency_overrides.get(self)
        app.dependency_overrides[self] = permit
        try:
            yield
        finally:
            if before is None:
                del app.dependency_overrides[self]
            else:
                app.dependency_overrides[self] = before

    def _permit(self, claims: Claims, wanted: SecurityScopes) -> Claims:
        """The claims, if they have the scopes that the route wants (RFC 6750, section 3.1)."""
        if _scopes_of(claims).issuperset(wanted.scopes):
            return claims
        description = "The access token does not have the scope."
        challenge = (
            f'Bearer realm="{self._realm}", error="insufficient_scope", '
            f'error_description="{description}", scope="{wanted.scope_str}"'
        )
        raise HTTPException(403, description, {"WWW-Authenticate": challenge})

    async def _verify(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            typ = str(header.get("typ", "JWT")).lower().removeprefix("application/")
            typed = typ == "at+jwt"
            if not typed and (self._require_type or typ != "jwt"):
                raise self._invalid_token()
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise self._invalid_token()
            # Whose keys are asked is what the token says: no issuer signs for another one.
            issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
            if issuer not in self._keys:
                raise self._invalid_token()
            key = await self._keys[issuer].find(header.get("kid"), algorithm)
            if key is None:
                raise self._invalid_token()
            claims: Claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=issuer,
                audience=self._audiences[issuer],
                leeway=self._leeway,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except IssuerUnavailableError as error:
            wait = {"Retry-After": str(error.retry_after)}
            raise HTTPException(503, "The issuer does not answer.", wait) from None
        except (jwt.PyJWTError, ValueError, TypeError):
            raise self._invalid_token() from None
        # PyJWT reads text and booleans as numbers, too (RFC 7519, section 2).
        if not all(type(claims[name]) in (int, float) for name in _DATES if name in claims):
            raise self._invalid_token()
        if not typed and not _can_be_access_token(claims):
            raise self._invalid_token()
        return claims

    def _invalid_token(self) -> HTTPException:
        description = "The access token is expired, malformed or invalid."
        challenge = (
            f'Bearer realm="{self._realm}", error="invalid_token", '
            f'error_description="{description}"'
        )
        return HTTPException(401, description, {"WWW-Authenticate": challenge})


def _can_be_access_token(claims: Claims) -> bool:
    """Whether a token whose type does not say it can be an access token."""
    return any(name in claims for name in _OF_ACCESS_TOKENS) and not any(
        name in claims for name in _OF_ID_TOKENS
    )


def _scopes_of(claims: Claims) -> frozenset[str]:
    """Those of the first claim that has them: separated by spaces, or a list (of some issuers)."""
    value = next((claims[name] for name in _OF_ACCESS_TOKENS if name in claims), "")
    names = value.split() if isinstance(value, str) else value
    if not isinstance(names, list):
        return frozenset()
    return frozenset(name for name in names if isinstance(name, str))
