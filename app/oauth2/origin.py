"""Where a request came from."""

from starlette.requests import HTTPConnection

from app.services.logins import Origin


def origin_of(request: HTTPConnection) -> Origin:
    """The address, as far as the trusted proxies say, and the user agent."""
    address = request.client.host if request.client else None
    return Origin(address, request.headers.get("user-agent"))
