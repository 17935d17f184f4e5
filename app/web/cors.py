"""Cross-origin requests to the endpoints that browsers' clients call; never with cookies."""

from collections.abc import Collection

from sqlalchemy.exc import SQLAlchemyError
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.identity.clients import web_origin
from app.server import Server
from app.web.routes import AnyOriginOAuth2Route, CrossOriginRoute, class_at


def preflight_headers(request_headers: Headers, methods: str) -> dict[str, str]:
    """What an allowed preflight is told: whatever header it asks for is fine.

    Headers that nobody knows are ignored, as without a browser: a tracing library that adds one
    must not keep a client from its token. They are named, since a ``*`` would leave out
    ``Authorization``.
    """
    asked = request_headers.get("access-control-request-headers", "")
    return {
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": asked or "Authorization, Content-Type",
        "Access-Control-Max-Age": "600",
        "Vary": "Access-Control-Request-Headers",
    }


EXPOSED = "WWW-Authenticate, Retry-After"


class CrossOrigin:
    """Answers preflights, and marks answers as readable, for the origins that are allowed.

    Allowed are those of ``LATCHKEY_CORS_ORIGINS`` and the redirect origins of public clients.
    """

    def __init__(self, app: ASGIApp, server: Server) -> None:
        """``server`` knows the settings and the clients."""
        self._app = app
        self._server = server

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http" or not issubclass(class_at(scope), CrossOriginRoute):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        allowed = origin is not None and (
            issubclass(class_at(scope), AnyOriginOAuth2Route) or origin in await self._origins()
        )

        async def send_marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                answer = MutableHeaders(raw=message["headers"])
                answer.add_vary_header("Origin")
                if allowed and origin is not None:
                    answer["Access-Control-Allow-Origin"] = origin
                    answer["Access-Control-Expose-Headers"] = EXPOSED
                message["headers"] = answer.raw
            await send(message)

        if scope["method"] == "OPTIONS" and "access-control-request-method" in headers:
            told = preflight_headers(headers, "GET, POST") if allowed else None
            preflight = Response(status_code=204, headers=told)
            await preflight(scope, receive, send_marked)
        else:
            await self._app(scope, receive, send_marked)

    async def _origins(self) -> Collection[str | None]:
        named = {web_origin(origin) for origin in self._server.settings.cors_origins}
        try:
            return named | await self._server.clients.browser_origins()
        except (SQLAlchemyError, OSError):
            return named  # the endpoint itself will say that the database does not answer
