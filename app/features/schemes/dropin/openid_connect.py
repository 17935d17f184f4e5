"""OpenID Connect for a resource server: a drop-in for ``fastapi.security.OpenIdConnect``.

FastAPI's class is a stub: it hands the whole header over, whatever is in it. This one reads the
discovery document of the issuer and its keys, and accepts an access token that the issuer signed
for this audience. It needs ``PyJWT[crypto]``.

    oidc = OpenIdConnectBearer(
        openIdConnectUrl="https://login.example.com/.well-known/openid-configuration",
        issuer="https://login.example.com",
        audience="https://api.example.com",
    )

    @app.get("/private")
    async def private(claims: Annotated[Claims, Depends(oidc)]) -> str:
        return claims["sub"]

The issuer may be any. Its documents are read in a thread, one reading at a time, and kept: an
unknown key makes it look again, at most every half minute; keys that are getting old serve on
while they are read anew, and for a day while the issuer does not answer.

An access token says that it is one, by its type ``at+jwt`` (RFC 9068, section 2.1), so that an ID
token, which the same key signs, is not taken for one. Some issuers leave the type out:
``require_type=False`` takes their tokens for what they say.
"""

import asyncio
import json
import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException as HTTPError
from http.client import HTTPMessage
from typing import IO, Any
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, build_opener
from urllib.request import Request as UrlRequest

import jwt
from fastapi import HTTPException
from fastapi.security import OpenIdConnect
from jwt.algorithms import has_crypto
from starlette.requests import HTTPConnection

log = logging.getLogger(__name__)

Claims = Mapping[str, Any]

FITTING: Mapping[tuple[str, str | None], Sequence[str]] = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""The algorithms of each type and curve of keys that are accepted (RFC 7518, RFC 8037).

Asymmetric ones alone: a public key must never serve as a shared secret.
"""

ALGORITHMS = frozenset(algorithm for fitting in FITTING.values() for algorithm in fitting)

MAX_DOCUMENT = 1_000_000
"""Bytes that a document may have."""

_CHUNK = 65_536

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

_DATES = ("exp", "iat", "nbf")

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
        trusted_for: float = 86_400,
        leeway: float = 30,
        require_type: bool = True,
        monotonic: Callable[[], float] = time.monotonic,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """Fetch nothing yet.

        ``openIdConnectUrl`` is what OpenAPI tells; ``discovery_url`` is what is read, the
        issuer's well-known address unless given. With ``require_type=False`` a token whose type
        is ``JWT``, or that has none, is taken too, if it has a scope and no claim that only ID
        tokens have.

        Times are in seconds: ``timeout`` is how long reading both documents may take and a
        request waits for it; keys are read anew after ``lifetime``; after a reading the next one
        begins no sooner than ``cooldown``; without a reading that succeeds, keys are trusted no
        longer than ``trusted_for``. Raises :class:`ValueError` for a realm that is not printable
        ASCII, and :class:`RuntimeError` without ``cryptography``.
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
        self._issuer = issuer
        self._audience = audience
        self._realm = re.sub(r'(["\\])', r"\\\1", realm)  # RFC 9110, section 5.6.4
        self._leeway = leeway
        self._require_type = require_type
        self._keys = IssuerKeys(
            issuer=issuer,
            # Discovery 1.0, section 4.1
            discovery_url=discovery_url
            or issuer.removesuffix("/") + "/.well-known/openid-configuration",
            timeout=timeout,
            lifetime=lifetime,
            cooldown=cooldown,
            trusted_for=trusted_for,
            monotonic=monotonic,
        )

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
            algorithm = header.get("alg")
            if algorithm not in ALGORITHMS:
                raise self._invalid_token()
            key = await self._keys.find(header.get("kid"), algorithm)
            if key is None:
                raise self._invalid_token()
            claims: Claims = jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                issuer=self._issuer,
                audience=self._audience,
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


class IssuerUnavailableError(Exception):
    """There are no keys that may be trusted."""

    def __init__(self, retry_after: int) -> None:
        """``retry_after`` is in seconds."""
        super().__init__("the keys of the issuer cannot be read")
        self.retry_after = retry_after


@dataclass(frozen=True)
class _Key:
    """A public key of the issuer."""

    kid: str | None
    algorithms: Sequence[str]
    public: Any


class IssuerKeys:
    """The keys of an issuer, as its discovery document leads to them."""

    def __init__(
        self,
        *,
        issuer: str,
        discovery_url: str,
        timeout: float,
        lifetime: float,
        cooldown: float,
        trusted_for: float,
        monotonic: Callable[[], float],
    ) -> None:
        """See :class:`OpenIdConnectBearer`."""
        self._issuer = issuer
        self._discovery_url = discovery_url
        self._timeout = timeout
        self._lifetime = lifetime
        self._cooldown = cooldown
        self._trusted_for = trusted_for
        self._monotonic = monotonic
        self._known: Sequence[_Key] = ()
        self._read_at = -math.inf
        self._tried_at = -math.inf
        # One thread: an issuer that hangs can hold no more than that.
        self._reader = ThreadPoolExecutor(1, "issuer-keys")
        self._reading: Future[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Any:
        """The public key for a token's header, or None.

        Raises :class:`IssuerUnavailableError`.
        """
        key = self._pick(kid, algorithm)
        if key is None or self._age() >= self._lifetime:
            self._begin_reading()
        if key is None and self._reading is not None:
            await asyncio.wait([asyncio.wrap_future(self._reading)], timeout=self._timeout)
            key = self._pick(kid, algorithm)
        if self._age() >= self._trusted_for:
            left = self._tried_at + self._cooldown - self._monotonic()
            raise IssuerUnavailableError(max(1, math.ceil(left)))
        return key

    def _age(self) -> float:
        return self._monotonic() - self._read_at

    def _pick(self, kid: str | None, algorithm: str) -> Any:
        """The key of that id; without one, on either side, the only key that fits."""
        if self._age() >= self._trusted_for:
            return None
        fitting = [key for key in self._known if algorithm in key.algorithms]
        named = [key for key in fitting if key.kid == kid]
        if kid is not None and named:
            return named[0].public
        only = fitting[0] if len(fitting) == 1 else None
        return only.public if only and (kid is None or only.kid is None) else None

    def _begin_reading(self) -> None:
        """In the thread, unless a reading is under way or has just been."""
        under_way = self._reading is not None and not self._reading.done()
        if not under_way and self._monotonic() - self._tried_at >= self._cooldown:
            self._tried_at = self._monotonic()
            self._reading = self._reader.submit(self._read)

    def _read(self) -> None:
        try:
            deadline = time.monotonic() + self._timeout
            discovery = _fetch(self._discovery_url, deadline)
            if discovery["issuer"] != self._issuer:  # Discovery 1.0, section 4.3
                raise ValueError(f"the document is of another issuer, {discovery['issuer']!r}")
            _refuse_other_than_http(discovery["jwks_uri"], self._discovery_url)
            self._known = _usable(_fetch(discovery["jwks_uri"], deadline)["keys"])
            self._read_at = self._monotonic()
        except _UNREADABLE as error:
            # The keys that are known serve on.
            log.error("cannot read the keys of the issuer %s: %r", self._issuer, error)
        finally:
            self._tried_at = self._monotonic()


class CarefulRedirects(HTTPRedirectHandler):
    """Follows a redirect within HTTP that is no less safe."""

    def redirect_request(
        self, req: UrlRequest, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> UrlRequest | None:
        """Raise :class:`ValueError` for another redirect."""
        _refuse_other_than_http(newurl, req.full_url)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_open = build_opener(CarefulRedirects).open


def _refuse_other_than_http(url: str, found_at: str) -> None:
    """Raise :class:`ValueError` for what leads out of HTTP, or from https to http."""
    allowed = ["https"] if urlsplit(found_at).scheme == "https" else ["https", "http"]
    if urlsplit(url).scheme not in allowed:
        raise ValueError("a document is read by http, and never less safely than what led to it")


def _fetch(url: str, deadline: float) -> Any:
    """The JSON at ``url``, read before ``deadline`` on the clock of ``time.monotonic``."""
    _refuse_other_than_http(url, url)
    request = UrlRequest(url, headers={"Accept": "application/json"})  # noqa: S310 - just checked
    body = bytearray()
    # The timeout is of each step, so a body that trickles needs the deadline as well.
    with _open(request, timeout=max(0.001, deadline - time.monotonic())) as response:
        while chunk := response.read1(_CHUNK):
            body += chunk
            if len(body) > MAX_DOCUMENT or time.monotonic() > deadline:
                raise ValueError("a document is too large, or takes too long")
    return json.loads(body)


def _usable(keys: Sequence[Any]) -> Sequence[_Key]:
    """The keys for signatures that this library knows; one that is odd spoils no other."""
    usable = []
    for key in keys:
        try:
            if key.get("use", "sig") == "sig":
                usable.append(_make_key(key))
        except (jwt.PyJWTError, *_UNREADABLE) as error:
            log.debug("a key of the issuer is not used: %r", error)
    return usable


def _make_key(jwk: Mapping[str, Any]) -> _Key:
    """A key with the algorithms that it says or, if it does not, that fit it (RFC 7517, 4.4)."""
    fitting = FITTING[jwk["kty"], jwk.get("crv")]
    algorithms = [name for name in fitting if jwk.get("alg") in (None, name)]
    kid = jwk.get("kid")
    if not algorithms or not isinstance(kid, str | None):
        raise ValueError("a key of another kind")
    return _Key(kid, algorithms, jwt.PyJWK(dict(jwk), algorithms[0]).key)
