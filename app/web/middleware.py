"""The envelope of every request: limits, request id, security headers, access log, faults.

One plain ASGI middleware: each layer of Starlette's ``BaseHTTPMiddleware`` would cost more than
all of this together.
"""

import logging
import random
import secrets
import time

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import NAME
from app.errors import AnsweredError
from app.languages.reader import begin_reading
from app.log import ACCESS_LOG, REQUEST_ID, TRACE_ID, get_logger
from app.look import Look
from app.server import Server
from app.telemetry.traces import trace_id_of
from app.web.limits import bounded_body, refusal_of_head
from app.web.routes import class_at

log = get_logger(NAME)
access_log = get_logger(ACCESS_LOG)
_access_log = logging.getLogger(ACCESS_LOG)
"""What writes it: asked first, because most servers leave it off."""

_random_bits = random.Random(secrets.token_bytes(32)).getrandbits  # noqa: S311 - unique is enough

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""On every answer that does not set its own."""

PROBES = frozenset({"/healthz", "/readyz"})
"""What is answered before the server serves."""

HSTS = "max-age=31536000"


class RequestEnvelope:
    """The outermost layer of the application."""

    def __init__(
        self, app: ASGIApp, *, server: Server, body_limit: int, https: bool, look: Look
    ) -> None:
        """``body_limit`` is in bytes; ``https`` says that the issuer is reached through TLS."""
        self._server = server
        self._look = look
        self._app = app
        self._body_limit = body_limit
        headers = {**SECURITY_HEADERS, "Strict-Transport-Security": HSTS}
        if not https:
            del headers["Strict-Transport-Security"]
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request; pass everything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = f"{_random_bits(64):016x}"
        token = REQUEST_ID.set(request_id)
        begin_reading(scope["headers"])
        TRACE_ID.set(trace_id_of(scope))
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = message["headers"]
                own = {name for name, _ in headers}
                headers.append((b"x-request-id", request_id.encode()))
                if self._server.phase == "stopping":
                    headers.append((b"connection", b"close"))
                headers.extend(header for header in self._headers if header[0] not in own)
            await send(message)

        try:
            refusal: Exception | None = refusal_of_head(scope)
            if self._server.phase == "starting" and scope["path"] not in PROBES:
                refusal = class_at(scope).outage()
            if refusal is not None:
                kind = HTTPException if isinstance(refusal, HTTPException) else AnsweredError
                answer = scope["app"].exception_handlers[kind]
                response = await answer(Request(scope), refusal)
                await response(scope, receive, send_with_headers)
            else:
                bounded = bounded_body(scope, receive, self._body_limit)
                await self._app(scope, bounded, send_with_headers)
        except Exception:
            log.exception("unexpected fault")
            if status:
                raise
            fault = server_fault(scope, request_id, self._look)
            await fault(scope, receive, send_with_headers)
        finally:
            if _access_log.isEnabledFor(logging.INFO):
                _note(scope, status, time.perf_counter() - started)
            REQUEST_ID.reset(token)


def _note(scope: Scope, status: int, seconds: float) -> None:
    client = scope.get("client")
    access_log.info(
        "request",
        method=scope["method"],
        path=scope["path"],  # never the query: it may hold a key or a code
        status=status,
        address=client[0] if client else None,
        ms=round(seconds * 1000, 1),
    )


def server_fault(scope: Scope, request_id: str, look: Look) -> Response:
    """The answer to an unexpected fault: nothing but where to find it in the log."""
    sentence = f"An unexpected error occurred. It is logged under request id {request_id}."
    return class_at(scope).http_error(500, sentence).response("", look.seen_from(scope["path"]))
