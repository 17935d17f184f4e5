"""Every route of an application, as the application has it."""

import re
from collections.abc import Iterator

from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

NOBODYS = "00000000-0000-4000-8000-000000000000"


FEATURES = (
    *("api_keys", "app_passwords", "authorization_code", "claims", "client_registration"),
    *("groups", "items", "mail"),
    *("deletion", "export", "recovery", "registration", "resources", "schemes", "test_logins"),
    *("apply", "backup", "mfa", "transfer", "verification"),
)
"""The features that come with the project; a fork has others."""


def every_route(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Method and path of each."""
    for context in iter_route_contexts(app.routes):
        yield from operations_of(context)


def shipped_routes(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Those of :func:`every_route` that come with the project."""
    for context in iter_route_contexts(app.routes):
        if is_shipped(context):
            yield from operations_of(context)


def is_shipped(context: RouteContext) -> bool:
    """Whether a route comes with the project, or from a feature that a fork has added."""
    module = getattr(context.endpoint, "__module__", "").split(".")
    return module[:2] != ["app", "features"] or module[2] in FEATURES


def operations_of(context: RouteContext) -> Iterator[tuple[str, str]]:
    """Each method of a route and its path, with the names of its parameters in braces."""
    for method in sorted(context.methods or ()):
        yield method, re.sub(r":\w+}", "}", context.path or "")


def filled(path: str, value: str = NOBODYS) -> str:
    """``path`` with ``value`` in the place of each parameter."""
    return re.sub(r"{\w+}", value, path)
