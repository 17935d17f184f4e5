"""Style sheets, scripts and icons of the pages."""

from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)

HEADERS = {"Cache-Control": "public, max-age=3600", "Cross-Origin-Resource-Policy": "same-origin"}


def serve(router: APIRouter, path: str, package: str, name: str, media_type: str) -> None:
    """Serve the file ``name`` of an installed package at ``path``."""

    @router.get(path)
    async def asset() -> Response:
        return Response(_read(package, name), media_type=media_type, headers=HEADERS)


@lru_cache
def _read(package: str, name: str) -> bytes:
    content: bytes = (files(package) / name).read_bytes()
    return content


serve(router, "/assets/page.css", "app.pages", "static/page.css", "text/css")
serve(router, "/assets/form-post.js", "app.pages", "static/form-post.js", "text/javascript")
serve(router, "/assets/icon.svg", "app.pages", "static/icon.svg", "image/svg+xml")
