"""OpenID Connect for a resource server: a drop-in for ``fastapi.security.OpenIdConnect``.

FastAPI's class is a stub: it hands the whole header over, whatever is in it. This one reads the
discovery document of the issuer and its keys, and accepts an access token that the issuer signed
for this audience. The issuer may be any: its documents are fetched in a thread, with a timeout,
and kept; an unknown key makes it look again, at most every half minute.

    oidc = OpenIdConnectBearer(
        openIdConnectUrl="https://login.example.com/.well-known/openid-configuration",
        issuer="https://login.example.com",
        audience="https://api.example.com",
    )

    @app.get("/private")
    async def private(claims: Annotated[Claims, Depends(oidc)]) -> str:
        return claims["sub"]

An access token says that it is one, by its type ``at+jwt`` (RFC 9068, section 2.1), so that an ID
token, which the same key signs, is not taken for one. Some issuers leave the type out:
``require_type=False`` takes their tokens for what they say.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from http.client import HTTPException as HTTPError
from typing import Any
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import jwt
from fastapi import HTTPException
from fastapi.security import OpenIdConnect
from starlette.requests import HTTPConnection

Claims = Mapping[str, Any]

ALGORITHMS = ("RS256", "ES256", "EdDSA", "PS256", "ES384", "RS384", "RS512")
"""Asymmetric ones alone: a public key must never serve as a shared secret."""

MAX_DOCUMENT = 1_000_000
"""Bytes of a document that are read."""

_UNREADABLE = (
    HTTPError,
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
)
"""What an issuer that is down, or not what it should be, can bring about."""

_OF_ID_TOKENS = ("nonce", "at_hash", "c_hash", "s_hash")
"""Claims that an access token has no use for (OpenID Connect Core, sections 2 and 3.3.2.11)."""

_OF_ACCESS_TOKENS = ("scope", "scp")
"""RFC 9068, section 2.2.3, and the word of issuers that are older than it."""

_TOKEN = re.compile(r"bearer +([A-Za-z0-9\-._~+/]+=*)", re.IGNORECASE)


class OpenIdConnectBearer(OpenIdConnect):
    """``OpenIdConnect`` that validates the access token (RFC 9068, section 4)."""

    def __init__(
        self,
        *,
        openIdConnectUrl: str,  # noqa: N803 - FastAPI's name
        issuer: str,
        audience: str,
        discovery_url: str | None = None,
        realm: str = "api",
        timeout: float = 5,
        lifetime: float = 300,
        cooldown: float = 30,
        leeway: float = 30,
        require_type: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Fetch nothing yet.

        ``openIdConnectUrl`` is what OpenAPI tells; ``discovery_url`` is what is read, the
        issuer's well-known address unless given. Times are in seconds. With
        ``require_type=False`` a token whose type is ``JWT``, or that has none, is taken too, if
        it has a scope and no claim that only ID tokens have.
        """
        super().__init__(
            openIdConnectUrl=openIdConnectUrl,
            scheme_name=scheme_name,
            description=description,
            auto_error=auto_error,
        )
        self._issuer = issuer
        self._audience = audience
        self._discovery_url = discovery_url or f"{issuer}/.well-known/openid-configuration"
        self._realm = realm
        self._timeout = timeout
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._leeway = leeway
        self._require_type = require_type
        self._monotonic = monotonic
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read_at: float | None = None
        self._tried_at: float | None = None
        self._reading = asyncio.Lock()

    def make_not_authenticated_error(self) -> HTTPException:
        """401 without an error code: nothing was sent (RFC 6750, section 3.1)."""
        challenge = f'Bearer realm="{self._realm}"'
        return HTTPException(401, "An access token is needed.", {"WWW-Authenticate": challenge})

    async def __call__(self, request: HTTPConnection) -> Claims | None:  # type: ignore[override]
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
        return await self._verify(match[1])

    async def _verify(self, token: str) -> Claims:
        try:
            header = jwt.get_unverified_header(token)
            typ = str(header.get("typ", "JWT")).lower().removeprefix("application/")
            typed = typ == "at+jwt"
            if not typed and (self._require_type or typ != "jwt"):
                raise self._invalid_token()
            key = await self._key(str(header.get("kid")))
            if key is None or key.algorithm_name not in ALGORITHMS:
                raise self._invalid_token()
            claims: Claims = jwt.decode(
                token,
                key,
                algorithms=[key.algorithm_name],
                issuer=self._issuer,
                audience=self._audience,
                leeway=self._leeway,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            raise self._invalid_token() from None
        if not typed and not _can_be_access_token(claims):
            raise self._invalid_token()
        return claims

    async def _key(self, kid: str) -> jwt.PyJWK | None:
        now = self._monotonic()
        if self._read_at is None or now - self._read_at >= self._lifetime or kid not in self._keys:
            async with self._reading:
                await self._refresh(kid)
        return self._keys.get(kid)

    async def _refresh(self, kid: str) -> None:
        """Read the keys anew, unless somebody just did or just failed to."""
        now = self._monotonic()
        fresh = self._read_at is not None and now - self._read_at < self._lifetime
        just_tried = self._tried_at is not None and now - self._tried_at < self._cooldown
        if (fresh and kid in self._keys) or just_tried:
            if not self._keys:
                raise self._unavailable()
            return
        try:
            self._keys = await asyncio.to_thread(self._read)
            self._read_at = self._monotonic()
        except _UNREADABLE as error:
            if not self._keys:
                raise self._unavailable() from error
            # The keys that are known serve on.
        finally:
            self._tried_at = self._monotonic()

    def _unavailable(self) -> HTTPException:
        return HTTPException(503, "The issuer does not answer.", {"Retry-After": "5"})

    def _read(self) -> Mapping[str, jwt.PyJWK]:
        discovery = self._fetch(self._discovery_url)
        if discovery["issuer"] != self._issuer:
            raise ValueError("the document is another issuer's")  # Discovery 1.0, section 4.3
        return _usable(self._fetch(discovery["jwks_uri"])["keys"])

    def _fetch(self, url: str) -> Any:
        if not url.startswith(("https://", "http://")):
            raise ValueError("a document is fetched by http alone")
        request = UrlRequest(url, headers={"Accept": "application/json"})  # noqa: S310
        with urlopen(request, timeout=self._timeout) as response:  # noqa: S310 - checked above
            return json.loads(response.read(MAX_DOCUMENT))

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


def _usable(keys: Sequence[dict[str, Any]]) -> Mapping[str, jwt.PyJWK]:
    """The keys for signatures, by their id, that this library knows."""
    usable = {}
    for key in keys:
        if (
            isinstance(key, dict)
            and key.get("use", "sig") == "sig"
            and isinstance(kid := key.get("kid"), str)
        ):
            with suppress(jwt.PyJWTError):
                usable[kid] = jwt.PyJWK(key)
    return usable
