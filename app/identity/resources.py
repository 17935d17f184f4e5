"""What an access token can be for: resources, each with the URI that names it (RFC 8707).

A feature keeps them. Without one there are none, and every token is for ``LATCHKEY_AUDIENCE``.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from sqlalchemy.ext.asyncio import AsyncConnection

from app.identity.clients import DEFAULT_PORTS, RegisteredClient

_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:[\x21\x24-\x3b\x3d\x3f-\x5b\x5d\x5f\x61-\x7a\x7e]+")
"""RFC 3986, section 4.3: absolute and without fragment, of the characters that a URI may have."""


@dataclass(frozen=True)
class Resource:
    """An API, or whatever else takes access tokens."""

    identifier: str
    """As it was registered: the ``aud`` of its tokens."""
    name: str
    scopes: frozenset[str]
    """Those that it understands; empty if it takes any."""


class Resources:
    """The resources that are registered, as of a moment ago: here none."""

    async def of_client(self, client: RegisteredClient) -> Mapping[str, Resource]:
        """What the client may ask tokens for, by :func:`normal_form`."""
        return {}

    async def is_known(self, audience: str) -> bool:
        """Whether it is the identifier of a resource."""
        return False

    async def served_by(self, client_id: str) -> frozenset[str]:
        """The identifiers of the resources that this client serves: it may ask about their tokens.

        Empty for most clients.
        """
        return frozenset()

    async def find_open_scopes(self, connection: AsyncConnection) -> frozenset[str]:
        """What the resources understand that are open to clients that registered themselves."""
        return frozenset()

    async def hold(
        self, connection: AsyncConnection, client_id: str, identifiers: Collection[str]
    ) -> bool:
        """Whether the client may have tokens for all of them, until the transaction ends.

        Whoever takes one of them away from it waits.
        """
        return not identifiers


def normal_form(uri: str) -> str | None:
    """What two spellings of one URI have in common (RFC 3986, section 6.2); None for no URI.

    The case of scheme and host, the default port, and the slash of an empty path make no
    difference. Everything else does.
    """
    if not _URI.fullmatch(uri):
        return None
    try:
        parts = urlsplit(uri)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS:
        return f"{parts.scheme}:{uri.partition(':')[2]}"
    if not host or parts.username is not None:
        return None
    host = f"[{host}]" if ":" in host else host
    shown_port = "" if port in (None, DEFAULT_PORTS[parts.scheme]) else f":{port}"
    query = f"?{parts.query}" if parts.query else ""
    return f"{parts.scheme}://{host}{shown_port}{parts.path or '/'}{query}"
