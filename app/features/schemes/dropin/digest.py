"""HTTP Digest as RFC 7616 has it: a drop-in for ``fastapi.security.HTTPDigest``, which is a stub.

Subclass :class:`DigestServer` and say where the credentials are and where nonces are counted:

    class MyDigest(DigestServer):
        async def find_ha1(self, request, username, algorithm): ...
        async def accept_count(self, request, nonce, count, expires_at): ...

    digest = MyDigest(realm="example", secrets=["at least 32 random bytes"])

    @app.get("/private")
    async def private(user: Annotated[DigestCredentials, Depends(digest)]) -> str:
        return user.username

What is stored is H(username:realm:password) for each algorithm (:func:`make_ha1`): keep it as
secret as the password. A nonce proves itself, by its time and an HMAC, so that any worker accepts
what another one issued; only how often it was used needs a shared place.

FastAPI sets ``Authentication-Info`` on what it makes of the value that a route returns. A route
that returns a ``Response`` of its own takes it over:

    async def download(user: ..., response: Response) -> FileResponse:
        return FileResponse(path, headers=dict(response.headers))
"""

import base64
import hashlib
import hmac
import re
import secrets as random
import time
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

from fastapi import HTTPException, Request, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPDigest
from starlette.datastructures import Headers

ALGORITHMS: Mapping[str, Callable[[bytes], str]] = {
    "SHA-256": lambda data: hashlib.sha256(data).hexdigest(),
    "MD5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""In order of preference (RFC 7616, section 3.7). MD5 is there for old clients."""

_PARAMETER = re.compile(
    r'\s*([A-Za-z0-9_*-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))\s*(?:,|$)', re.ASCII
)
_COUNT = re.compile(r"(?!0{8})[0-9a-fA-F]{8}")
"""It counts from 1 (RFC 7616, section 3.4)."""

_REQUIRED = ("realm", "nonce", "uri", "response", "qop", "nc", "cnonce")
_MAX_LENGTH = 4096
_SECRET_LENGTH = 32


def make_ha1(username: str, realm: str, password: str, algorithm: str) -> str:
    """What the server stores of a password (RFC 7616, section 3.4.2).

    In normalization form C, which ``charset`` asks clients for (section 4).
    """
    text = unicodedata.normalize("NFC", f"{username}:{realm}:{password}")
    return ALGORITHMS[algorithm](text.encode())


class DigestCredentials(HTTPAuthorizationCredentials):
    """A user who proved that they know the password."""

    username: str


@dataclass(frozen=True)
class _Answer:
    """The parameters of the ``Authorization`` header (RFC 7616, section 3.4)."""

    username: str
    realm: str
    nonce: str
    uri: str
    response: str
    algorithm: str
    opaque: str
    qop: str
    nc: str
    cnonce: str


class DigestServer(HTTPDigest):
    """``HTTPDigest`` that challenges, verifies, and answers with ``Authentication-Info``."""

    def __init__(
        self,
        *,
        realm: str,
        secrets: Sequence[str],
        nonce_lifetime: int = 300,
        now: Callable[[], float] = time.time,
        scheme_name: str | None = None,
        description: str | None = None,
        auto_error: bool = True,
    ) -> None:
        """``secrets`` protect nonces, newest first; ``nonce_lifetime`` is in seconds.

        Raises :class:`ValueError` for a realm that is not printable ASCII, and for secrets that
        are none, or no sequence, or shorter than 32 bytes.
        """
        if isinstance(secrets, str | bytes) or not secrets:
            raise ValueError("secrets is a sequence of at least one secret")
        if any(len(secret.encode()) < _SECRET_LENGTH for secret in secrets):
            raise ValueError(f"each of the secrets has at least {_SECRET_LENGTH} bytes")
        super().__init__(scheme_name=scheme_name, description=description, auto_error=auto_error)
        self.realm = realm
        self._quoted_realm = _quoted_realm(realm)
        self._secrets = [secret.encode() for secret in secrets]
        self._nonce_lifetime = nonce_lifetime
        self._now = now

    async def find_ha1(self, request: Request, username: str, algorithm: str) -> str | None:
        """The stored :func:`make_ha1` of a user, or None. To be overridden."""
        raise TypeError("find_ha1 is to be overridden")

    async def accept_count(
        self, request: Request, nonce: str, count: int, expires_at: float
    ) -> bool:
        """Whether ``count`` is higher than any seen for ``nonce``, which is then noted.

        To be overridden, with one atomic step in a place that all workers share. After
        ``expires_at``, in seconds since 1970, the nonce need not be remembered.
        """
        raise TypeError("accept_count is to be overridden")

    async def admit(self, request: Request, username: str) -> None:
        """Called before a password is checked: raise, to slow somebody down who is guessing."""

    async def judged(self, request: Request, username: str, matches: bool | None) -> None:
        """Told once after each :meth:`admit` whether it was the user.

        None says neither: the nonce was expired or used before, so that the header may be a copy.
        """

    async def __call__(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> DigestCredentials | None:
        """The user of the request. Raises :class:`HTTPException` with a challenge."""
        headers = request.headers.getlist("authorization")
        digest = [header for header in headers if header.partition(" ")[0].lower() == "digest"]
        if not digest and not self.auto_error:
            return None
        if len(digest) != 1 or len(headers) != 1:
            raise self.make_not_authenticated_error()
        answer = _parse(digest[0].partition(" ")[2])
        if answer is None or not self._fits(answer, request):
            raise self.make_not_authenticated_error()
        issued_at = self._issued_at(answer.nonce)
        if issued_at is None:
            raise self.make_not_authenticated_error()
        await self.admit(request, answer.username)
        verdict: bool | None = None
        try:
            ha1 = await self.find_ha1(request, answer.username, answer.algorithm)
            expected = self._response(ha1 or random.token_hex(), answer, request.method)
            if not _same(expected, answer.response) or ha1 is None:
                verdict = False
                raise self.make_not_authenticated_error()
            expires_at = issued_at + self._nonce_lifetime
            if self._now() >= expires_at:
                # Who knows the password may try again at once with the new nonce.
                raise self._challenge(stale=True)
            if not await self.accept_count(request, answer.nonce, int(answer.nc, 16), expires_at):
                # A replay, or a request that another one of the client has overtaken.
                raise self._challenge(stale=True)
            verdict = True
        finally:
            await self.judged(request, answer.username, verdict)
        response.headers["Authentication-Info"] = self._info(ha1, answer, issued_at)
        return DigestCredentials(
            scheme="Digest", credentials=digest[0].partition(" ")[2], username=answer.username
        )

    def make_not_authenticated_error(self) -> HTTPException:
        """401 with a challenge for each algorithm; the same for every reason."""
        return self._challenge(stale=False)

    def _challenge(self, *, stale: bool) -> HTTPException:
        """RFC 7616, section 3.3. All challenges share one nonce: some clients mix them up."""
        nonce = self._new_nonce()
        end = ", stale=true" if stale else ""
        challenges = [
            f'Digest realm={self._quoted_realm}, qop="auth", algorithm={algorithm}, '
            f'nonce="{nonce}", opaque="{self._opaque()}", charset=UTF-8{end}'
            for algorithm in ALGORITHMS
        ]
        raw = [(b"www-authenticate", challenge.encode()) for challenge in challenges]
        return HTTPException(401, "Digest credentials are needed.", Headers(raw=raw))

    def _fits(self, answer: _Answer, request: Request) -> bool:
        """Whether the answer is to our challenge, for this very request (section 3.4.6)."""
        target = request.scope["raw_path"].decode("latin-1")
        query = request.scope["query_string"].decode("latin-1")
        # ASGI does not tell an empty query from none.
        targets = {f"{target}?{query}"} if query else {target, f"{target}?"}
        return (
            answer.realm == self.realm
            and answer.opaque == self._opaque()
            and answer.qop == "auth"
            and answer.uri in targets
        )

    def _response(self, ha1: str, answer: _Answer, method: str) -> str:
        """RFC 7616, section 3.4.1. Without a method it is the ``rspauth`` of section 3.5."""
        digest = ALGORITHMS[answer.algorithm]
        ha2 = digest(f"{method}:{answer.uri}".encode())
        parts = (ha1, answer.nonce, answer.nc, answer.cnonce, answer.qop, ha2)
        return digest(":".join(parts).encode())

    def _info(self, ha1: str, answer: _Answer, issued_at: int) -> str:
        """RFC 7616, section 3.5; with another nonce in time before this one is stale."""
        rspauth = self._response(ha1, answer, "")
        cnonce = _quoted(answer.cnonce)
        info = f'rspauth="{rspauth}", qop=auth, nc={answer.nc}, cnonce={cnonce}'
        if self._now() - issued_at >= self._nonce_lifetime / 2:
            info += f', nextnonce="{self._new_nonce()}"'
        return info

    def _opaque(self) -> str:
        return _mac(self._secrets[-1], "opaque", self.realm)[:32]

    def _new_nonce(self) -> str:
        stamp = f"{int(self._now())}.{random.token_urlsafe(12)}"
        return f"{stamp}.{_mac(self._secrets[0], 'nonce', self.realm, stamp)}"

    def _issued_at(self, nonce: str) -> int | None:
        """When we issued ``nonce``, in seconds since 1970; None if it is not ours."""
        stamp, _, mac = nonce.rpartition(".")
        for secret in self._secrets:
            if _same(_mac(secret, "nonce", self.realm, stamp), mac):
                return int(stamp.partition(".")[0])
        return None


def _parse(parameters: str) -> _Answer | None:
    """The parameters, each once and none missing; None for anything else."""
    found: dict[str, str] = {}
    position = 0
    while position < len(parameters):
        match = _PARAMETER.match(parameters, position)
        if match is None or match[1].lower() in found or len(parameters) > _MAX_LENGTH:
            return None
        quoted = match[2]
        value = match[3] if quoted is None else re.sub(r"\\(.)", r"\1", quoted)
        found[match[1].lower()] = value
        position = match.end()
    username = _username(found)
    if username is not None and any(ord(c) < 32 or ord(c) == 127 for c in username):
        return None
    algorithm = found.get("algorithm", "MD5")  # what a client means that does not say
    complete = all(found.get(name) for name in _REQUIRED)
    if username is None or not complete or algorithm not in ALGORITHMS:
        return None
    if not _COUNT.fullmatch(found["nc"]) or found.get("userhash", "false").lower() != "false":
        return None
    return _Answer(
        username=username,
        algorithm=algorithm,
        opaque=found.get("opaque", ""),
        **{name: found[name] for name in _REQUIRED},
    )


def _username(found: Mapping[str, str]) -> str | None:
    """``username``, or ``username*`` as RFC 8187 encodes what is not ASCII; never both."""
    if ("username" in found) == ("username*" in found):
        return None
    if "username*" in found:
        charset, _, rest = found["username*"].partition("'")
        if charset.upper() != "UTF-8":
            return None
        try:
            return unquote(rest.partition("'")[2], errors="strict")
        except UnicodeDecodeError:
            return None
    try:
        # Headers are read as ISO-8859-1; with charset=UTF-8 the bytes are UTF-8.
        return found["username"].encode("latin-1").decode()
    except UnicodeError:
        return found["username"]


def _quoted_realm(realm: str) -> str:
    if not (realm.isascii() and realm.isprintable()):
        raise ValueError("the realm is printable ASCII")
    return _quoted(realm)


def _quoted(text: str) -> str:
    """A quoted-string (RFC 9110, section 5.6.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def _mac(secret: bytes, *parts: str) -> str:
    digest = hmac.new(secret, "\0".join(("digest", *parts)).encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
