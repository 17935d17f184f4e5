"""What surrounds every request: limits, request id, security headers, access log, faults.

One plain ASGI middleware: each layer of Starlette's ``BaseHTTPMiddleware`` would cost more than
all of this together.
"""

import secrets
import time
from collections.abc import Collection

import structlog
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import Problem
from app.log import get_logger
from app.web.limits import bounded_body, refusal_of_head

log = get_logger("latchkey")
access_log = get_logger("latchkey.access")

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Cache-Control": "no-store",
}
"""On every answer that does not set its own."""

HSTS = "max-age=31536000"


class Surroundings:
    """The outermost layer of the application."""

    def __init__(
        self, app: ASGIApp, *, body_limit: int, https: bool, protocol_paths: Collection[str]
    ) -> None:
        """``body_limit`` is in bytes; ``https`` says that the issuer is reached through TLS."""
        self._app = app
        self._body_limit = body_limit
        self._protocol_paths = protocol_paths
        self._headers = {**SECURITY_HEADERS}
        if https:
            self._headers["Strict-Transport-Security"] = HSTS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one HTTP request; pass everything else on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id = secrets.token_hex(8)
        structlog.contextvars.bind_contextvars(request_id=request_id)
        started = time.perf_counter()
        status = 0

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                headers["X-Request-Id"] = request_id
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        try:
            if refusal := refusal_of_head(scope):
                answer = scope["app"].exception_handlers[HTTPException]
                response = await answer(Request(scope), refusal)
                await response(scope, receive, send_with_headers)
            else:
                bounded = bounded_body(scope, receive, self._body_limit)
                await self._app(scope, bounded, send_with_headers)
        except Exception:
            log.exception("unexpected fault")
            if status:
                raise
            in_protocol = scope["path"] in self._protocol_paths
            await server_fault(in_protocol, request_id)(scope, receive, send_with_headers)
        finally:
            client = scope.get("client")
            access_log.info(
                "request",
                method=scope["method"],
                path=scope["path"],  # never the query: it may hold a key or a code
                status=status,
                address=client[0] if client else None,
                ms=round((time.perf_counter() - started) * 1000, 1),
            )
            structlog.contextvars.unbind_contextvars("request_id")


PROTOCOL_PATHS = ("/token", "/revoke", "/introspect")
"""Whose errors, all of them, are written as RFC 6749 section 5.2 says."""


def server_fault(in_protocol: bool, request_id: str) -> JSONResponse:
    """The answer to an unexpected fault: nothing but where to find it in the log."""
    detail = f"An unexpected fault. The log has it under the request id {request_id}."
    if in_protocol:
        content = {"error": "server_error", "error_description": detail}
        return JSONResponse(content, 500, {"Pragma": "no-cache"})
    return JSONResponse(Problem(detail, 500).content(), 500, media_type="application/problem+json")
