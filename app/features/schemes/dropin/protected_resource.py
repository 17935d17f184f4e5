"""Protected resource metadata (RFC 9728): a drop-in beside any of FastAPI's security classes.

A client that comes without a token, and has never heard of this API, learns from it where to get
one. It needs nothing but FastAPI.

    app = FastAPI()
    ProtectedResource(
        "https://api.example.com/orders",
        authorization_servers=["https://login.example.com"],
        scopes_supported=["orders:read"],
    ).install(app)

The document is at ``/.well-known/oauth-protected-resource/orders``, for any origin to read, and
each challenge for a bearer token names it, whichever class or middleware wrote the challenge.
Tokens still have to be checked: by a class whose ``audience`` is this very resource.
"""

import json
import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response
from starlette.datastructures import MutableHeaders
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

WELL_KNOWN = "/.well-known/oauth-protected-resource"

_BEARER = re.compile(r"bearer(?= |$)", re.IGNORECASE)


class ProtectedResource:
    """What an API says about how to get access tokens for it."""

    def __init__(
        self,
        resource: str,
        *,
        authorization_servers: Sequence[str],
        scopes_supported: Sequence[str] = (),
        max_age: int = 3600,
        **more: Any,
    ) -> None:
        """``resource`` is the URL of the API as its clients have it, and the ``aud`` of its tokens.

        ``authorization_servers`` are issuers, as they write themselves. ``more`` are other members
        of RFC 9728, section 2, such as ``resource_name``. The document may be kept for ``max_age``
        seconds. Raises :class:`ValueError` for a resource that is no http URL, or has a fragment.
        """
        parts = urlsplit(resource)
        if parts.scheme not in ("http", "https") or not parts.hostname or "#" in resource:
            raise ValueError("a protected resource is an http URL without fragment")
        if not re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", resource):
            raise ValueError("the URL stands in a header, between quotes")
        path = parts.path.rstrip("/") if parts.path == "/" else parts.path
        self.path = WELL_KNOWN + path
        """Where the document is (section 3.1)."""
        query = f"?{parts.query}" if parts.query else ""
        self.url = f"{parts.scheme}://{parts.netloc}{self.path}{query}"
        members = {
            "resource": resource,
            "authorization_servers": list(authorization_servers),
            "scopes_supported": list(scopes_supported),
            "bearer_methods_supported": ["header"],
            **more,
        }
        # One without elements is left out (section 3.2).
        self._body = json.dumps({name: value for name, value in members.items() if value != []})
        self._headers = {
            "Cache-Control": f"public, max-age={max_age}",
            "Access-Control-Allow-Origin": "*",
        }

    def install(self, app: FastAPI) -> None:
        """Serve the document, and name it in the challenges of ``app``."""
        # Routes of Starlette: the dependencies of the application, which may ask for the very
        # token that is to be got, are not theirs.
        app.router.routes += [
            Route(self.path, self._document, methods=["GET"], include_in_schema=False),
            Route(self.path, self._preflight, methods=["OPTIONS"], include_in_schema=False),
        ]
        app.add_middleware(NamedInChallenges, url=self.url)

    async def _document(self, _request: Request) -> Response:
        return Response(self._body, media_type="application/json", headers=self._headers)

    async def _preflight(self, request: Request) -> Response:
        """Any page may ask, with any header: MCP clients add ``mcp-protocol-version``."""
        headers = {
            "Allow": "GET, HEAD, OPTIONS",
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Allow-Methods": "GET, HEAD",
            "Access-Control-Max-Age": "600",
            "Vary": "Access-Control-Request-Headers",
        }
        # They are named, since a "*" would leave out Authorization.
        asked = request.headers.get("access-control-request-headers")
        if asked:
            headers["Access-Control-Allow-Headers"] = asked
        return Response(status_code=204, headers=headers)


class NamedInChallenges:
    """Adds ``resource_metadata`` to each challenge for a bearer token (RFC 9728, section 5.1)."""

    def __init__(self, app: ASGIApp, url: str) -> None:
        """``url`` is where the document is."""
        self._app = app
        self._parameter = f'resource_metadata="{url}"'

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_named(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] in (401, 403):
                headers = MutableHeaders(raw=message["headers"])
                challenges = headers.getlist("www-authenticate")
                del headers["www-authenticate"]
                for challenge in challenges:
                    headers.append("www-authenticate", self._named(challenge))
                message["headers"] = headers.raw
            await send(message)

        await self._app(scope, receive, send_named)

    def _named(self, challenge: str) -> str:
        if not _BEARER.match(challenge) or "resource_metadata=" in challenge:
            return challenge
        separator = ", " if "=" in challenge else " "
        return f"{challenge}{separator}{self._parameter}"
