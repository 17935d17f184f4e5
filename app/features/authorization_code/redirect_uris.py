"""Where a client's users may be sent: RFC 6749, section 3.1.2, and RFC 9700, section 2.1."""

import re
from urllib.parse import urlsplit

from app.identity.clients import RegisteredClient
from app.settings import Settings

DOCS_REDIRECT = "/docs/oauth2-redirect"

MAX_PORT = 65_535


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
    section 7.3). With ``localhost`` only one may that has a document: it cannot register the port
    that it happens to get, and browsers know that name to be this machine.
    """
    registered = registered_uris(client, settings)
    if uri in registered:
        return True
    if not client.is_public or (uri.startswith("http://localhost") and not client.described_at):
        return False
    portless = _without_loopback_port(uri)
    return portless is not None and portless in map(_without_loopback_port, registered)


_LOOPBACK = re.compile(
    r"(http://(?:127\.0\.0\.1|\[::1\]|localhost))(?::([0-9]{1,5}))?([/?][\x21\x22\x24-\x7e]*)?"
)


def _without_loopback_port(uri: str) -> tuple[str, str | None] | None:
    """What stands before and behind the port, if ``uri`` is plain http on a loopback address.

    Taken as it is written: rebuilding an address from its parts would forgive other differences.
    """
    match = _LOOPBACK.fullmatch(uri)
    if match is None or int(match[2] or 0) > MAX_PORT:
        return None
    return match[1], match[3]


def is_remembering_safe(client: RegisteredClient, uri: str) -> bool:
    """Whether a consent may be remembered: not where any program could pose as the client.

    RFC 8252, section 8.6: that is a public client on a loopback address or a private scheme.
    """
    return not client.is_public or uri.startswith("https://")


def is_anybodys_page(client: RegisteredClient, uri: str) -> bool:
    """Whether ``uri`` is on the web, and of a client that registered itself.

    Anybody can have one, so that whoever is sent there has logged in before: else this server would
    be an open redirector (RFC 9700, section 4.11.2).
    """
    return client.self_registered and uri.startswith("https://")


def form_targets(uri: str) -> tuple[str, ...]:
    """Where a form may lead whose answer is a redirect to ``uri``, for ``form-action``.

    Schemes and no host: browsers hold the policy against every redirect that follows a form, and
    where the client sends its users on to is its own business.
    """
    scheme = urlsplit(uri).scheme
    return ("http:", "https:") if scheme == "http" else (f"{scheme}:",)


def shown_target(uri: str) -> str:
    """How ``uri`` is named to the person who is sent there: its origin, or a private scheme."""
    parts = urlsplit(uri)
    if parts.scheme in ("http", "https"):
        return f"{parts.scheme}://{parts.netloc}"
    return f"{parts.scheme}:"
