"""Served under a prefix: ``https://example.com/auth``, where the issuer ends in ``/auth``."""

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)


class AtRoot:
    """Takes the prefix away, whether or not a proxy has done so before.

    Servers call it the root path and put it in front of what arrives. Nothing inside needs to know:
    every URL that is told begins with the issuer.
    """

    def __init__(self, app: ASGI3Application) -> None:
        """``app`` sees each request as if it had come to the root."""
        self._app = app

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Handle one request."""
        if scope["type"] == "http" and scope["root_path"]:
            scope = _at_root(scope)
        await self._app(scope, receive, send)


def _at_root(scope: HTTPScope) -> HTTPScope:
    prefix = scope["root_path"].rstrip("/")
    path = scope["path"]
    for _ in range(2):  # the server's, and the proxy's
        if path.startswith(f"{prefix}/"):
            path = path[len(prefix) :]
    at_root = scope.copy()
    at_root["path"], at_root["root_path"] = path, ""
    return at_root
