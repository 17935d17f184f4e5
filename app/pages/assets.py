"""Style sheets, scripts and icons of the pages."""

from functools import lru_cache
from importlib.resources import files

from fastapi import APIRouter, HTTPException, Response

from app.look import Theme

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


MEDIA_TYPES = {
    "css": "text/css",
    "ico": "image/vnd.microsoft.icon",
    "png": "image/png",
    "svg": "image/svg+xml",
    "woff2": "font/woff2",
}

DRAWING = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; sandbox"
"""The policy of a drawing that is opened by itself: its own styles hold, and nothing in it runs."""


def theme_router(theme: Theme) -> APIRouter:
    """The files of a theme. The part before the name changes when any of them does."""
    router = APIRouter(include_in_schema=False)

    @router.get("/theme/{digest}/{name}")
    async def file(digest: str, name: str) -> Response:
        if name not in theme.files:
            raise HTTPException(404)
        headers = {"Cross-Origin-Resource-Policy": "same-origin"}
        if digest == theme.digest:  # else it is that of another server, of before or after a change
            headers["Cache-Control"] = "public, max-age=31536000, immutable"
        ending = name.rpartition(".")[2]
        if ending == "svg":
            headers["Content-Security-Policy"] = DRAWING
        return Response(theme.files[name], media_type=MEDIA_TYPES[ending], headers=headers)

    return router


serve(router, "/assets/page.css", "app.pages", "static/page.css", "text/css")
serve(router, "/assets/fields.js", "app.pages", "static/fields.js", "text/javascript")
serve(router, "/assets/times.js", "app.pages", "static/times.js", "text/javascript")
serve(router, "/assets/icon.svg", "app.pages", "static/icon.svg", "image/svg+xml")
