"""Which addresses cannot work: where browsers are sent, and where the keys are fetched."""

from collections.abc import AsyncIterator, Iterator
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from app.database.paging import every
from app.management.clients import ClientRecord, list_clients
from app.posture import Finding, Severity
from app.server import Server

LOOPBACK = {"127.0.0.1", "::1", "localhost"}


async def examine_addresses(connection: AsyncConnection, server: Server) -> AsyncIterator[Finding]:
    """What reaches the machine of whoever asks, or nobody. In development that is intended."""
    if server.settings.development:
        return
    for finding in _issuer(server.settings.issuer):
        yield finding
    clients = await every(
        lambda after, limit: list_clients(connection, limit=limit, after=after, disabled=False),
        lambda client: client.client_id,
    )
    for client in clients:
        for finding in _redirects(client):
            yield finding


def _issuer(issuer: str) -> Iterator[Finding]:
    host = urlsplit(issuer).hostname or ""
    if host in LOOPBACK:
        yield Finding(
            Severity.WARNING,
            "issuer-loopback",
            f"the issuer {issuer} is each machine's own address",
            "Browsers and resource servers elsewhere look for it on their own machine, so no "
            "redirect reaches this server and nobody can fetch its keys.",
            "Set LATCHKEY_ISSUER to the address that browsers use.",
        )
    elif "." not in host and ":" not in host:
        yield Finding(
            Severity.WARNING,
            "issuer-local-name",
            f"the issuer {issuer} has a name without a dot, such as containers give each other",
            "Browsers do not know such names, so no redirect reaches this server.",
            "Set LATCHKEY_ISSUER to the address that browsers use. Containers can fetch the keys "
            "under another one: see examples/README.md.",
        )


def _redirects(client: ClientRecord) -> Iterator[Finding]:
    """A native application listens on its user's machine; a web application does not."""
    hosts = {uri: urlsplit(uri).hostname for uri in client.redirect_uris}
    local = [uri for uri, host in hosts.items() if host in LOOPBACK]
    if local and not client.public:
        yield Finding(
            Severity.WARNING,
            "redirect-loopback",
            f"the client {client.client_id} is sent to {local[0]}",
            "That is the machine of whoever logs in. A confidential client runs on a server, so "
            "the code reaches nobody, or whatever else listens there.",
            f"Run `latchkey clients update {client.client_id}` with the URIs that it needs.",
        )
