"""How a document that anybody may read is sent: cacheable, with an ETag, to every origin."""

import hashlib
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response


def publish(request: Request, document: Mapping[str, Any], max_age: int) -> Response:
    """``document`` as JSON, good for ``max_age`` seconds; 304 if the caller has it already."""
    body = json.dumps(document).encode()
    etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {
        "Cache-Control": f"public, max-age={max_age}",
        "ETag": etag,
        "Access-Control-Allow-Origin": "*",
    }
    known = [tag.strip() for tag in request.headers.get("if-none-match", "").split(",")]
    # A proxy that compresses makes the tag a weak one (RFC 9110, section 13.1.2).
    if {etag, f"W/{etag}", "*"}.intersection(known):
        return Response(status_code=304, headers=headers)
    return Response(body, media_type="application/json", headers=headers)


def serve_published(
    router: APIRouter, path: str, endpoint: Callable[..., Awaitable[Response]], **described: Any
) -> None:
    """Let ``endpoint`` answer GET and HEAD at ``path`` (RFC 9110, section 9.1).

    ``described`` is what OpenAPI says of the GET.
    """
    router.get(path, **described)(endpoint)
    router.head(path, include_in_schema=False)(endpoint)
