"""How a document that anybody may read is sent: cacheable, with an ETag, to every origin."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from app.web.cors import preflight_headers


class Published:
    """A document that is rendered once for each of its versions, of which the last one is kept."""

    def __init__(self, render: Callable[[Any], Mapping[str, Any]], max_age: int) -> None:
        """``render`` makes the document of a version; it is good for ``max_age`` seconds."""
        self._render = render
        self._max_age = max_age
        self._version: object = None
        self._body = b""
        self._headers: dict[str, str] = {}

    def answer(self, request: Request, version: object) -> Response:
        """The document of ``version`` as JSON; 304 if the caller has it already.

        Versions that are equal have the same document.
        """
        if version is not self._version and version != self._version:
            self._body = json.dumps(self._render(version)).encode()
            self._headers = {
                "Cache-Control": f"public, max-age={self._max_age}",
                "ETag": f'"{hashlib.sha256(self._body).hexdigest()[:32]}"',
                "Access-Control-Allow-Origin": "*",
            }
        self._version = version
        if self._is_among(",".join(request.headers.getlist("if-none-match"))):
            return Response(status_code=304, headers=self._headers)
        return Response(self._body, media_type="application/json", headers=self._headers)

    def _is_among(self, known: str) -> bool:
        etag = self._headers["ETag"]
        # A proxy that compresses makes the tag a weak one (RFC 9110, section 13.1.2).
        return not {etag, f"W/{etag}", "*"}.isdisjoint(tag.strip() for tag in known.split(","))


def serve_published(
    router: APIRouter, path: str, endpoint: Callable[..., Awaitable[Response]], **described: Any
) -> None:
    """Let ``endpoint`` answer GET and HEAD at ``path`` (RFC 9110, section 9.1), from any page.

    ``described`` is what OpenAPI says of the GET.
    """
    router.get(path, **described)(endpoint)
    router.head(path, include_in_schema=False)(endpoint)
    router.options(path, include_in_schema=False)(_preflight)


async def _preflight(request: Request) -> Response:
    headers = preflight_headers(request.headers, "GET, HEAD")
    headers |= {"Access-Control-Allow-Origin": "*", "Allow": "GET, HEAD, OPTIONS"}
    return Response(status_code=204, headers=headers)
