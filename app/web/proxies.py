"""Whose word is taken for where a request comes from: that of the proxies in front."""

from uvicorn._types import (
    ASGI3Application,
    ASGIReceiveCallable,
    ASGISendCallable,
    HTTPScope,
    Scope,
)
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from app import NAME
from app.log import get_logger

log = get_logger(NAME)

FORWARDING = frozenset({b"x-forwarded-for", b"x-forwarded-proto", b"forwarded"})


class TrustedProxies(ProxyHeadersMiddleware):
    """uvicorn's, which also notices a proxy that it was not told of.

    Behind one of those, everybody has its address: they share one count of failed logins.
    """

    _noticed = False

    def __init__(self, app: ASGI3Application, trusted_hosts: str) -> None:
        """``trusted_hosts`` is ``LATCHKEY_FORWARDED_ALLOW_IPS``, in its one spelling."""
        super().__init__(app, trusted_hosts)
        self._local = (trusted_hosts.partition(",")[0].partition("/")[0], 0)

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Handle one request; say once what is not believed, never what it said."""
        if scope["type"] == "http" and _came_by_unix_socket(scope):
            # Whoever may open the socket is a proxy of this machine.
            scope["client"] = self._local
        elif scope["type"] == "http" and not self._noticed:
            peer = scope["client"][0] if scope["client"] else None
            forwarded = any(name in FORWARDING for name, _ in scope["headers"])
            if forwarded and peer not in self.trusted_hosts:
                self._noticed = True
                log.warning(
                    "a request was forwarded by a proxy that LATCHKEY_FORWARDED_ALLOW_IPS does "
                    "not name, or pretends to be; its address is taken for that of the client",
                    address=peer,
                )
        await super().__call__(scope, receive, send)


def _came_by_unix_socket(scope: HTTPScope) -> bool:
    """The server is then a path without a port (the HTTP part of ASGI), and no client is known."""
    client, server = scope["client"], scope["server"]
    return not (client and client[0]) and server is not None and server[1] is None
