"""Where a request came from."""

from fastapi import Request

from app.services.logins import Origin


def origin_of(request: Request) -> Origin:
    """The address, as far as the trusted proxies say, and the user agent."""
    address = request.client.host if request.client else None
    return Origin(address, request.headers.get("user-agent"))
