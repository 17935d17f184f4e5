"""The routers of all samples."""

from collections.abc import Sequence

from fastapi import APIRouter

from app.clock import Clock
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
from app.settings import Settings


def scheme_routers(settings: Settings, clock: Clock) -> Sequence[APIRouter]:
    """The routers of all samples; a challenge names the realm of the settings."""
    return [
        api_key_cookie.router,
        api_key_header.router,
        api_key_query.router,
        http_basic.make_router(settings),
        http_bearer.router,
        http_digest.make_router(settings, clock),
        oauth2_password.router,
        oauth2_password_form.make_router(settings),
        oauth2_authorization_code.router,
        oauth2_flows.router,
        openid_connect.make_router(settings),
        security_scopes.router,
        optional.router,
        any_of.make_router(settings),
    ]
