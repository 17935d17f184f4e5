"""A sample route for each class of ``fastapi.security``. Delete this folder when you fork.

Each file is one class and can be read alone. What they share is in
:mod:`app.features.schemes.answer`. The three classes that FastAPI leaves unfinished are finished in
:mod:`app.features.schemes.dropin`.
"""

from collections.abc import Sequence

from fastapi import APIRouter

from app.features.schemes import (
    any_of,
    api_key_cookie,
    api_key_header,
    api_key_query,
    http_basic,
    http_bearer,
    http_digest,
    oauth2_authorization_code,
    oauth2_flows,
    oauth2_password,
    oauth2_password_form,
    openid_connect,
    optional,
    security_scopes,
)
from app.server import Server


def scheme_routers(server: Server) -> Sequence[APIRouter]:
    """The routers of all samples. Those whose challenge names the realm are made for a server."""
    return [
        api_key_cookie.router,
        api_key_header.router,
        api_key_query.router,
        http_basic.make_router(server.settings),
        http_bearer.router,
        http_digest.make_router(server),
        oauth2_password.router,
        oauth2_password_form.make_router(server.settings),
        oauth2_authorization_code.router,
        oauth2_flows.router,
        openid_connect.make_router(server.settings),
        security_scopes.router,
        optional.router,
        any_of.make_router(server.settings),
    ]
