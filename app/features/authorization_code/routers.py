"""The endpoints and the pages, those that are called most first."""

from collections.abc import Mapping, Sequence

from fastapi import APIRouter

from app.features.authorization_code import account, authorize, consent, login, logout, userinfo
from app.features.authorization_code.discovery import discovery_router
from app.oauth2.grant import Grant
from app.pages.assets import serve
from app.server import Server


def routers(server: Server, grants: Mapping[str, Grant]) -> Sequence[APIRouter]:
    """All of them, for a server that has these grants."""
    pages = [each.router for each in (authorize, login, consent, logout, account)]
    files = APIRouter(include_in_schema=False)
    script = "static/form-post.js"
    serve(files, "/assets/form-post.js", __package__, script, "text/javascript")
    return [userinfo.router, discovery_router(server, grants), *pages, files]
