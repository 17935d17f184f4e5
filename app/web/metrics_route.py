"""Every request measured, and ``GET /metrics``. Only there if ``LATCHKEY_METRICS`` is on."""

import asyncio
import time

from fastapi import APIRouter, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.server import Server
from app.web.dependencies import CurrentServer

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

OTHER = "other"
"""The label of an unknown method, and of an address without a route."""

router = APIRouter(include_in_schema=False)


@router.get("/metrics")
async def metrics(server: CurrentServer) -> Response:
    """What all workers did since the server was started. Not for the public network."""
    assert server.metrics is not None, "else there is no such route"  # noqa: S101
    text = await asyncio.to_thread(server.metrics.text)
    return Response(text, media_type=server.metrics.media_type)


class Measured:
    """Counts every request, and how long it took, by the template of its route."""

    def __init__(self, app: ASGIApp, server: Server) -> None:
        """``server`` has the metrics."""
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        metrics = self._server.metrics
        if scope["type"] != "http" or metrics is None:
            await self._app(scope, receive, send)
            return
        started = time.perf_counter()
        status = 0

        async def send_noting_status(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, send_noting_status)
        finally:
            method = scope["method"] if scope["method"] in METHODS else OTHER
            route = getattr(scope.get("route"), "path", OTHER)
            metrics.request(method, route, status, time.perf_counter() - started)
            metrics.hashes_pending(self._server.passwords.pending)
