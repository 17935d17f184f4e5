"""Reading a document at an address that a stranger has named.

This server must not become the stranger's means to reach what they cannot reach themselves
(server-side request forgery). So only https is spoken, with a host all of whose addresses are
public, and the connection goes to the very address that was looked at; no redirect is followed, no
proxy used, nothing sent that anybody could have chosen but the address; time and size are bounded.
"""

import asyncio
import io
import json
import re
import socket
import ssl
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from http.client import HTTPException, HTTPResponse
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

from app import NAME

DEADLINE = 5.0
"""Seconds for all of it."""

MAX_SIZE = 16_384
"""Bytes of the answer, with its headers; the draft advises 5 kB for the document."""

SHORTEST, USUAL, LONGEST = 300, 3600, 86_400
"""Seconds for which a document is good, whatever its ``Cache-Control`` says."""

RESOLVERS = 4
"""Threads that resolve names. They are apart from those of the loop: a site whose name servers say
nothing holds one for long after the deadline, and holds up documents alone."""

MOST_ADDRESSES = 3
"""Of a host, that are tried: it may have one of IPv6 where there is only IPv4."""

_NAT64 = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))

_MAX_AGE = re.compile(r"max-age=(\d{1,9})")

Address = IPv4Address | IPv6Address


class RefusedDocumentError(Exception):
    """There is no document that would be accepted. The text is for the log."""


class UnreachableDocumentError(Exception):
    """It cannot be had at the moment. The text is for the log."""


@dataclass(frozen=True)
class Fetched:
    """A JSON document, and for how many seconds it is good."""

    document: object
    max_age: int


def is_public(address: Address) -> bool:
    """Whether anybody on the internet could ask there, too."""
    if isinstance(address, IPv6Address):
        inside = address.ipv4_mapped or address.sixtofour
        if inside is not None:
            return is_public(inside)
        if address.teredo or address.is_site_local or any(address in net for net in _NAT64):
            return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_unspecified
    )


class Fetcher:
    """Reads documents, as the top of this module says."""

    def __init__(
        self,
        is_permitted: Callable[[Address], bool] = is_public,
        make_context: Callable[[], ssl.SSLContext] = ssl.create_default_context,
        deadline: float = DEADLINE,
    ) -> None:
        """``deadline`` is in seconds. The rest is for tests, whose servers are on this machine."""
        self._is_permitted = is_permitted
        self._make_context = make_context
        self._deadline = deadline
        self._resolvers = ThreadPoolExecutor(RESOLVERS, "resolver")

    @cached_property
    def _context(self) -> ssl.SSLContext:
        return self._make_context()

    async def fetch(self, url: str) -> Fetched:
        """The document at ``url``, which is https and of printable ASCII.

        Raises :class:`RefusedDocumentError` or :class:`UnreachableDocumentError`.
        """
        try:
            async with asyncio.timeout(self._deadline):
                answer = await self._ask(url)
        except (OSError, TimeoutError) as error:
            raise UnreachableDocumentError(type(error).__name__) from None
        except ValueError:  # an empty label, or one of over 63 characters (RFC 1035, section 2.3.4)
            raise RefusedDocumentError("its host is no name") from None
        return _read(answer)

    async def _ask(self, url: str) -> bytes:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port or 443
        reader, writer = await self._connect(await self._resolve(host, port), host, port)
        try:
            query = f"?{parts.query}" if parts.query else ""
            writer.write(
                f"GET {parts.path}{query} HTTP/1.1\r\n"
                f"Host: {parts.netloc}\r\n"
                "Accept: application/json\r\n"
                "Accept-Encoding: identity\r\n"
                f"User-Agent: {NAME}\r\n"
                "Connection: close\r\n\r\n".encode("ascii")
            )
            answer = b""
            while chunk := await reader.read(MAX_SIZE):
                answer += chunk
                if len(answer) > MAX_SIZE:
                    raise RefusedDocumentError("too large")
            return answer
        finally:
            writer.transport.abort()  # nobody waits for a stranger to say goodbye

    async def _connect(
        self, addresses: Sequence[Address], host: str, port: int
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A connection to the first of a few addresses where somebody listens."""
        *others, last = addresses[:MOST_ADDRESSES]
        connect = partial(
            asyncio.open_connection,
            port=port,
            ssl=self._context,
            server_hostname=host,
            limit=MAX_SIZE,
        )
        for address in others:
            with suppress(OSError):
                return await connect(str(address))
        return await connect(str(last))

    async def _resolve(self, host: str, port: int) -> Sequence[Address]:
        """The host's addresses, if all of them are permitted."""
        resolve = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._resolvers, resolve)
        addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
        if not addresses or not all(map(self._is_permitted, addresses)):
            # Like a name that there is not: no stranger learns which names there are inside.
            raise UnreachableDocumentError("its host is not public")
        return addresses


class _Received:
    """What :class:`HTTPResponse` wants of a socket."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer

    def makefile(self, _mode: str) -> io.BytesIO:
        return io.BytesIO(self._answer)


def _read(answer: bytes) -> Fetched:
    response = HTTPResponse(_Received(answer))  # type: ignore[arg-type]
    try:
        response.begin()
        body = response.read()
    except (HTTPException, ValueError, OSError) as error:
        raise UnreachableDocumentError(f"no whole answer: {type(error).__name__}") from None
    if response.status >= 500 or response.status == 429:
        raise UnreachableDocumentError(f"status {response.status}")
    if response.status != 200:
        raise RefusedDocumentError(f"status {response.status}")
    media_type = response.headers.get_content_type()
    if media_type != "application/json" and not media_type.endswith("+json"):
        raise RefusedDocumentError("not JSON by its type")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise RefusedDocumentError("not JSON") from None
    return Fetched(document, _max_age(response.headers.get("Cache-Control", "")))


def _max_age(cache_control: str) -> int:
    """RFC 9111, section 5.2.2, within bounds."""
    if "no-store" in cache_control or "no-cache" in cache_control:
        return SHORTEST
    match = _MAX_AGE.search(cache_control)
    return min(max(int(match[1]) if match else USUAL, SHORTEST), LONGEST)
