"""What FastAPI leaves out of the OpenAPI document, and programs that read it cannot do without."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from starlette.requests import HTTPConnection

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})

_ADDRESSES = ("authorizationUrl", "tokenUrl", "refreshUrl", "deviceAuthorizationUrl")


def say_what_is_open(document: dict[str, Any]) -> None:
    """Say of each operation that needs no credential that it needs none: an empty ``security``.

    Without it a reader cannot tell an open operation from one that somebody forgot about.
    """
    for path in document["paths"].values():
        for method, operation in path.items():
            if method in _METHODS:
                operation.setdefault("security", [])


def name_the_server(document: dict[str, Any], issuer: str, request: HTTPConnection) -> None:
    """Say where the operations are, and where tokens come from.

    Those are absolute addresses, or a program that was given the document as a file could not use
    it. Whoever asks at another address than the issuer's, as one may in development, is told paths:
    from there, a page could not call the issuer.
    """
    parts = urlsplit(issuer)
    if request.headers.get("host") != parts.netloc:
        document["servers"] = [{"url": request.scope.get("root_path") or "/"}]
        return
    document["servers"] = [{"url": issuer}]
    for scheme, name in _addresses(document):
        address = scheme[name]
        if "://" not in address:
            scheme[name] = f"{issuer}/{address.lstrip('/')}"


def _addresses(document: dict[str, Any]) -> Iterator[tuple[dict[str, Any], str]]:
    """Each scheme, or flow of one, that has an address, and the name of its member."""
    for scheme in document["components"]["securitySchemes"].values():
        if "openIdConnectUrl" in scheme:
            yield scheme, "openIdConnectUrl"
        for flow in scheme.get("flows", {}).values():
            for name in _ADDRESSES:
                if name in flow:
                    yield flow, name
