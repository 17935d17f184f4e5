"""The application: what it is made of, in the order in which it is read."""

import gc
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from logging.config import dictConfig
from typing import cast

from fastapi import FastAPI
from starlette.types import ASGIApp
from uvicorn._types import ASGI3Application

from app import VERSION
from app.api import audit, clients, me, scopes, users
from app.clock import Clock
from app.feature import Feature
from app.features import load_features
from app.log import log_config, write_what_waits
from app.oauth2 import introspection, jwks, revocation
from app.oauth2.grants import supported_grants
from app.oauth2.metadata import metadata_router
from app.oauth2.protected_resource import protected_resource_router
from app.oauth2.token import token_router
from app.operations.demo import refuse_demo_data
from app.operations.housekeeping import keeping_house
from app.pages import assets, docs, landing
from app.pages.errors import PageRoute
from app.server import Server
from app.settings import Settings, SettingsError, load_settings
from app.telemetry.traces import OFF, MissingExtraError, Telemetry
from app.web import health
from app.web import metrics_route as measuring
from app.web.cors import CrossOrigin
from app.web.error_answers import add_error_handlers
from app.web.lifespan import MadeAtStart, lifespan_of
from app.web.middleware import RequestEnvelope
from app.web.prefix import AtRoot
from app.web.proxies import TrustedProxies
from app.web.resource_metadata import metadata_url
from app.web.routes import learn_classes
from app.web.shortcuts import add_shortcuts

DESCRIPTION = """
An OAuth2 authorization server with the password grant, and a resource server behind it. Log in, and
try the operations with a padlock.
"""
"""What the OpenAPI document says of the whole, unless a feature has more to say."""

COLLECTED_AFTER = (10_000, 10, 10)
"""What :func:`gc.set_threshold` takes. A request leaves little garbage behind, and by default every
few requests some of it would be looked for."""


def create_app(
    settings: Settings | None = None,
    clock: Clock | None = None,
    features: Sequence[Feature] | None = None,
    *,
    patient: bool = False,
) -> FastAPI:
    """The ASGI application, with the settings of the environment unless some are given.

    It has all features unless it is told which. ``patient`` is what :func:`lifespan_of` takes.
    """
    settings = settings or load_settings()
    features = load_features() if features is None else features
    server = Server(settings, clock or Clock(), features)
    telemetry = _telemetry(settings)
    look = replace(settings.look, home=server.home)

    async def start() -> None:
        await server.start()
        if not settings.development:
            await refuse_demo_data(server, host="")

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncGenerator[dict[str, Server]]:
        try:
            async with (
                lifespan_of(server, start, patient=patient),
                keeping_house(server),
                AsyncExitStack() as beside,
            ):
                for feature in features:
                    if feature.background:
                        parts = settings, server.database, server.clock
                        await beside.enter_async_context(feature.background(*parts))
                yield {"server": server}
        finally:
            if telemetry is not None:
                await telemetry.close()
            write_what_waits()

    app = FastAPI(
        title=settings.service_name,
        version=VERSION,
        description=next((each.description for each in features if each.description), DESCRIPTION),
        lifespan=lifespan,
        redirect_slashes=False,  # a 307 would send a password on, to whatever Host says
        openapi_url=None,  # app.pages.docs serves it, with the scopes of the database
        telemetry=OFF if telemetry is None else telemetry.config,
    )
    app.state.server = server
    app.add_middleware(CrossOrigin, server=server)
    app.add_middleware(
        RequestEnvelope,
        server=server,
        body_limit=settings.request_body_limit,
        https=settings.issuer.startswith("https:"),
        look=look,
    )
    if settings.metrics:
        app.add_middleware(measuring.Measured, server=server)
    add_error_handlers(app, settings.realm, look, metadata_url(settings.issuer))

    # The ones that are called most come first: a request tries the routers in turn.
    of_features = server.published_by_features
    added = [each.grants(settings) for each in features if each.grants]
    grants = supported_grants(settings, [grant for some in added for grant in some])
    app.include_router(token_router(settings, grants))
    app.include_router(me.router)
    app.include_router(revocation.router)
    app.include_router(introspection.router)
    app.include_router(metadata_router(settings, grants, of_features))
    app.include_router(protected_resource_router(settings))
    app.include_router(jwks.router)
    for feature in features:
        for router in feature.endpoints(server, grants) if feature.endpoints else ():
            app.include_router(router)
    app.include_router(assets.router)
    if settings.look.theme.files:
        app.include_router(assets.theme_router(settings.look.theme))
    for management in (users, clients, scopes, audit):
        app.include_router(management.router)
    app.include_router(health.router)
    if settings.metrics:
        app.include_router(measuring.router)
    for feature in features:
        for router in feature.routers(settings, server.clock) if feature.routers else ():
            app.include_router(router)
    if settings.docs:
        app.include_router(docs.docs_router(settings))
    if settings.development:
        app.include_router(landing.router)
    app.router.lifespan_context = lifespan  # FastAPI has put that of each router around it
    learn_classes(app, pages=PageRoute)
    if telemetry is None:  # which is told of a route by FastAPI's own search for it
        add_shortcuts(app)
    return app


def _telemetry(settings: Settings) -> Telemetry | None:
    """Raises :class:`SettingsError` if what it takes is not installed."""
    if not settings.otlp_endpoint:
        return None
    try:
        return Telemetry(settings.otlp_endpoint)
    except MissingExtraError:
        raise SettingsError(
            "LATCHKEY_OTLP_ENDPOINT needs an extra: pip install 'latchkey[otlp]'"
        ) from None


def create_worker(*, patient: bool = True) -> TrustedProxies:
    """The application for a process that serves nothing else, behind its proxies."""
    settings = load_settings()
    made = cast(ASGI3Application, create_app(settings, patient=patient))
    served = TrustedProxies(AtRoot(made), settings.forwarded_allow_ips)
    # What is imported and built by now stays: no garbage collection has to look at it again.
    gc.freeze()
    gc.set_threshold(*COLLECTED_AFTER)
    gc.enable()
    return served


def _create_for_any() -> ASGIApp:
    """The same where no ``latchkey serve`` has looked at the settings and written the log."""
    dictConfig(log_config(load_settings().log_format or "json", access_log=True))
    return cast(ASGIApp, create_worker(patient=False))


app = MadeAtStart(_create_for_any)
"""For uvicorn, gunicorn, Hypercorn and Granian: ``app.main:app``."""
