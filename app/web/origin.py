"""Where a request came from."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from starlette.requests import HTTPConnection

from app.audit.trail import Origin
from app.log import REQUEST_ID


def origin_of(request: HTTPConnection) -> Origin:
    """The address, as far as the trusted proxies say, and the user agent."""
    address = _address(request.client.host) if request.client else None
    return Origin(address, request.headers.get("user-agent"), REQUEST_ID.get(None))


@lru_cache(maxsize=4096)
def _address(host: str) -> str | None:
    """An IP address in its one form: what a header says may be anything."""
    try:
        address = ip_address(host)
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # A socket for both families names an IPv4 address ::ffff:a.b.c.d; a zone means nothing
        # to anybody else.
        return str(address.ipv4_mapped or IPv6Address(int(address)))
    return str(address)
