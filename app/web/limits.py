"""How much of a request is read, for how long one waits for it, and that it names a host.

Inside these limits each value has one of its own, where it is read: see
:mod:`app.web.form`, :mod:`app.oauth2.scope`, :mod:`app.security.jwt` and
:mod:`app.security.passwords`. The connection itself is bounded in :mod:`app.web.http_protocol`.
"""

import asyncio
import re
from functools import lru_cache
from ipaddress import IPv6Address

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

ADDRESS_LIMIT = 16384
"""Bytes of path and query, twice what RFC 9110, section 4.1, wants understood: an authorization
request has values of up to 4096 characters. Past it 414."""

HEADERS_LIMIT = 32768
"""Bytes of all header names and values together; past it 431."""

HEADER_COUNT_LIMIT = 100
"""Past it 431."""

BODY_TIMEOUT = 30.0
"""Seconds that a body may take to arrive; past it 408."""


_HOST = re.compile(
    r"(?:\[(?P<ipv6>[0-9A-Fa-f:.]+)\]|(?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})+)"
    r"(?::[0-9]{0,5})?"
)
"""RFC 3986, section 3.2.2 and 3.2.3, without user and without the IP versions of the future."""


def refusal_of_head(scope: Scope) -> HTTPException | None:
    """What a request is answered for its address or headers, or None."""
    if len(scope["raw_path"]) + len(scope["query_string"]) > ADDRESS_LIMIT:
        return HTTPException(414)
    headers = scope["headers"]
    size = 0
    hosts = []
    for name, value in headers:
        size += len(name) + len(value)
        if name == b"host":
            hosts.append(value)
    if size > HEADERS_LIMIT or len(headers) > HEADER_COUNT_LIMIT:
        return HTTPException(431)
    # RFC 9112, section 3.2
    optional = scope.get("http_version") == "1.0" and not hosts
    if optional or (len(hosts) == 1 and _is_host(hosts[0].decode("latin-1"))):
        return None
    return HTTPException(400, "The Host header is missing, repeated or malformed.")


@lru_cache(maxsize=256)
def _is_host(text: str) -> bool:
    match = _HOST.fullmatch(text)
    if match is None:
        return False
    try:
        IPv6Address(match["ipv6"] or "::")
    except ValueError:
        return False
    return True


def bounded_body(scope: Scope, receive: Receive, limit: int) -> Receive:
    """``receive``, which raises :class:`HTTPException` for more than ``limit`` bytes (413), for a
    body that is late (408), and for one that ends before it is complete (400)."""
    declared = next((v for k, v in scope["headers"] if k == b"content-length"), b"0")
    too_large = not declared.isdigit() or int(declared) > limit
    deadline = asyncio.get_running_loop().time() + BODY_TIMEOUT
    received = 0
    complete = False

    async def receive_within_limits() -> Message:
        nonlocal received, complete
        if complete:
            return await receive()
        if too_large:
            raise HTTPException(413)
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            raise HTTPException(408, headers={"Connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise HTTPException(400, "The request body is not complete.")
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413)
        complete = not message.get("more_body", False)
        return message

    return receive_within_limits
