"""Who asks for passkeys: this server, by the host in its address (WebAuthn level 2, 5.1.2)."""

from dataclasses import dataclass
from ipaddress import ip_address
from urllib.parse import urlsplit

from app.identity.clients import web_origin
from app.settings import Settings


@dataclass(frozen=True)
class RelyingParty:
    """What browsers and authenticators know of this server."""

    id: str
    """The host of the issuer. A passkey works there and nowhere else, whatever its port."""
    name: str
    origin: str
    """Where its pages are."""


def relying_party(settings: Settings) -> RelyingParty | None:
    """This server, if passkeys are on and it has a name that browsers make passkeys for.

    An address in numbers is none: browsers refuse it.
    """
    host, origin = urlsplit(settings.issuer).hostname, web_origin(settings.issuer)
    if not settings.passkeys or host is None or origin is None or _is_address(host):
        return None
    return RelyingParty(id=host, name=settings.service_name, origin=origin)


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
