"""The public keys of an issuer, read over HTTP and kept: what the drop-in ``openid_connect`` needs.

The documents are read in a thread, one reading at a time, and kept: an unknown key makes it look
again, at most every half minute; keys that are getting old serve on while they are read anew, and
for a day while the issuer does not answer. It needs ``PyJWT[crypto]``.
"""

import asyncio
import json
import logging
import math
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

log = logging.getLogger(__name__)

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
        jwks_url: str | None,
        timeout: float,
        lifetime: float,
        cooldown: float,
        trusted_for: float,
        monotonic: Callable[[], float],
    ) -> None:
        """See ``OpenIdConnectBearer``."""
        self._issuer = issuer
        self._discovery_url = discovery_url
        self._jwks_url = jwks_url
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

    def _discover(self, deadline: float) -> str:
        """Where the discovery document says that the keys are."""
        discovery = _fetch(self._discovery_url, deadline)
        if discovery["issuer"] != self._issuer:  # Discovery 1.0, section 4.3
            raise ValueError(f"the document is of another issuer, {discovery['issuer']!r}")
        jwks_url: str = discovery["jwks_uri"]
        _refuse_other_than_http(jwks_url, self._discovery_url)
        return jwks_url

    def _read(self) -> None:
        try:
            deadline = time.monotonic() + self._timeout
            jwks_url = self._jwks_url or self._discover(deadline)
            self._known = _usable(_fetch(jwks_url, deadline)["keys"])
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
