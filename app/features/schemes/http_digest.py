"""``HTTPDigest``, completed: a full RFC 7616 server on the SQL database.

The protocol is in :mod:`app.features.schemes.dropin.digest`; here is only where the credentials are
and where nonces are counted. No script can do Digest, but the browser can, with its own dialog.
"""

from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Annotated, cast

from fastapi import APIRouter, Request, Response, Security

from app.clock import Clock
from app.errors import LoginRefused
from app.features.schemes.answer import (
    TAG,
    SchemeAnswer,
    challenge_responses,
    make_answer,
    note_login,
)
from app.features.schemes.digest_credentials import count_nonce, find_digest_user
from app.features.schemes.dropin.digest import DigestCredentials, DigestServer
from app.identity.users import find_enabled_scopes
from app.login.authentication import LoginContext
from app.oauth2.responses import demo_hint
from app.security.encryption import UndecryptableError
from app.server import Server
from app.settings import Settings
from app.web.dependencies import CurrentServer
from app.web.origin import origin_of
from app.web.problems import TOO_MANY_ATTEMPTS


class SqlDigest(DigestServer):
    """Digest with the credentials of ``latchkey users set-digest``."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Nonces are protected by ``LATCHKEY_SECRET_KEY``, so that every worker knows them."""
        super().__init__(
            realm=settings.realm,
            secrets=settings.secret_keys,
            nonce_lifetime=settings.digest_nonce_ttl,
            now=lambda: clock.now().timestamp(),
            scheme_name="HTTPDigest",
            description="A Digest password, which is not the login password. The browser asks for "
            "it with its own dialog.",
        )

    async def __call__(  # type: ignore[override]
        self, request: Request, response: Response
    ) -> DigestCredentials | None:
        """The user of the request; what has begun is finished, even if this is cancelled."""
        checked = super().__call__(request, response)
        return await _server_of(request).authenticator.uninterrupted.run(checked)

    async def find_ha1(self, request: Request, username: str, algorithm: str) -> str | None:
        """The user's HA1, decrypted for this one comparison."""
        server = _server_of(request)
        async with server.database.read() as connection:
            user = await find_digest_user(connection, username, self.realm)
        if user is None:
            return None
        encrypted = user.ha1_sha256 if algorithm == "SHA-256" else user.ha1_md5
        try:
            return server.encryption.decrypt(encrypted).decode()
        except UndecryptableError:
            return None  # made under a secret that is gone: as if there were none

    async def admit(self, request: Request, username: str) -> None:
        """Throttled like every other check of a password."""
        context = LoginContext("digest", origin_of(request))
        block = AsyncExitStack()
        try:
            attempt = _server_of(request).authenticator.attempt(username, context)
            request.state.attempt = await block.enter_async_context(attempt), block
        except LoginRefused as refusal:
            if refusal.why == "wrong":
                raise self.make_not_authenticated_error() from None
            raise

    async def judged(self, request: Request, username: str, matches: bool | None) -> None:
        """Count what failed, and neither way what is stale or a replay."""
        attempt, block = request.state.attempt
        if matches:
            attempt.succeed()
        elif matches is not None:
            attempt.fail("wrong response")
        await block.aclose()

    async def accept_count(
        self, request: Request, nonce: str, count: int, expires_at: float
    ) -> bool:
        """Counted in the database, for all workers."""
        until = datetime.fromtimestamp(expires_at, UTC)
        return await count_nonce(_server_of(request).database, nonce, count, until)


def _server_of(request: Request) -> Server:
    return cast(Server, request.app.state.server)


def make_router(settings: Settings, clock: Clock) -> APIRouter:
    """The sample route."""
    router = APIRouter(tags=[TAG])
    digest = SqlDigest(settings, clock)

    @router.get(
        "/schemes/http/digest",
        operation_id="scheme_http_digest",
        summary="HTTPDigest, completed",
        responses={
            **challenge_responses(
                'Digest realm="latchkey", qop="auth", algorithm=SHA-256, nonce="…", opaque="…", '
                'charset=UTF-8, Digest realm="latchkey", qop="auth", algorithm=MD5, nonce="…", '
                'opaque="…", charset=UTF-8'
            ),
            200: {
                "headers": {
                    "Authentication-Info": {
                        "schema": {"type": "string"},
                        "description": "That the server knows the password too (RFC 7616, 3.5).",
                    }
                }
            },
            **TOO_MANY_ATTEMPTS,
        },
        description="Recognise a user by a Digest credential.\n\nThe browser asks with its own "
        "dialog. The password is not the login password; `latchkey users set-digest` makes one."
        + demo_hint(settings, "`alice` and `alice-digest-in-development`"),
    )
    async def http_digest(
        server: CurrentServer,
        request: Request,
        credentials: Annotated[DigestCredentials, Security(digest)],
    ) -> SchemeAnswer:
        """Who proved to know the password."""
        async with server.database.read() as connection:
            user = await find_digest_user(connection, credentials.username, digest.realm)
            if user is None:
                raise digest.make_not_authenticated_error()
            scopes = await find_enabled_scopes(connection, user.user_id)
        note_login(server, user.user_id, LoginContext("digest", origin_of(request)))
        return make_answer("HTTPDigest", str(user.user_id), scopes)

    return router
