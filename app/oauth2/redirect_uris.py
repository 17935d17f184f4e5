"""Where a client's users may be sent: RFC 6749, section 3.1.2, and RFC 9700, section 2.1."""

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

from app.services.clients import RegisteredClient
from app.settings import Settings

DOCS_REDIRECT = "/docs/oauth2-redirect"

_LOOPBACK_LITERALS = ("127.0.0.1", "::1")


def registered_uris(client: RegisteredClient, settings: Settings) -> tuple[str, ...]:
    """The client's redirect URIs. Those of the client behind ``/docs`` are computed."""
    if not settings.docs or client.client_id != settings.docs_client_id:
        return client.redirect_uris
    uris = [settings.issuer + DOCS_REDIRECT]
    if settings.development:
        port = urlsplit(settings.issuer).port or 80
        uris += [f"http://{host}:{port}{DOCS_REDIRECT}" for host in ("localhost", "127.0.0.1")]
    return (*client.redirect_uris, *dict.fromkeys(uris))


def may_redirect_to(client: RegisteredClient, uri: str, settings: Settings) -> bool:
    """Whether ``uri`` is registered, compared character by character.

    Only a public client that registered a loopback address may vary its port (RFC 8252,
    section 7.3).
    """
    registered = registered_uris(client, settings)
    if uri in registered:
        return True
    if not client.is_public:
        return False
    portless = _without_loopback_port(uri)
    return portless is not None and portless in map(_without_loopback_port, registered)


def _without_loopback_port(uri: str) -> str | None:
    """``uri`` without its port, if it is plain http on a loopback address."""
    try:
        parts = urlsplit(uri)
        parts.port  # noqa: B018 - raises for what is no port
    except ValueError:
        return None
    if parts.scheme != "http" or parts.hostname not in _LOOPBACK_LITERALS or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit(parts._replace(netloc=host))


def is_remembering_safe(client: RegisteredClient, uri: str) -> bool:
    """Whether a consent may be remembered: not where any program could pose as the client.

    RFC 8252, section 8.6: that is a public client on a loopback address or a private scheme.
    """
    return not client.is_public or uri.startswith("https://")


def with_parameters(uri: str, parameters: Mapping[str, str]) -> str:
    """``uri`` with ``parameters`` behind those that it has."""
    return uri + ("&" if "?" in uri else "?") + urlencode(parameters)


def csp_source(uri: str) -> str:
    """How a Content-Security-Policy names the target of ``uri``."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
