"""Whose word is taken for where a request comes from: that of the proxies in front."""

from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope
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

    async def __call__(
        self, scope: Scope, receive: ASGIReceiveCallable, send: ASGISendCallable
    ) -> None:
        """Handle one request; say once what is not believed, never what it said."""
        if scope["type"] == "http" and not self._noticed:
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
