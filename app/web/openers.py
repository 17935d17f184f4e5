"""What opens each operation: the credentials that its dependencies declare, or its class of routes.

A fork's test of its own routes:

    def test_nothing_is_open_by_mistake() -> None:
        assert_protected(app, except_=["GET /", "GET /status"])

It judges by what is declared, and what cannot be judged counts as open: routes and applications of
Starlette or another framework, and a function that looks at the request by itself. A scheme with
``auto_error=False`` lets in whoever comes with nothing: where a function refuses them, it is marked
with :func:`guard`. Not seen is whether a credential is checked once it is there, what middleware
does, and what ``app.frontend`` serves.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase
from starlette.applications import Starlette
from starlette.routing import BaseRoute, Host, Mount, Router, WebSocketRoute

from app.web.routes import ApiRoute

ANYONE = "anyone"

_GUARD = "_is_guard"

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(frozen=True)
class Operation:
    """A method of a path, or all that is behind one: a WebSocket, or another application."""

    method: str
    """Of HTTP, or ``WEBSOCKET``, ``MOUNT``, ``HOST``, or ``ANY`` where the route names none."""

    path: str
    """Of a ``HOST``, its name."""

    opened_by: tuple[str, ...]
    """Alternatives: security schemes with the scopes that are asked for, or :data:`ANYONE`."""

    @property
    def name(self) -> str:
        """Such as ``GET /users/me``."""
        return f"{self.method} {self.path}"


def guard(function: Function) -> Function:
    """Mark a dependency, or the function of a route, that refuses whoever brings no good credential
    although no scheme does: because its schemes have ``auto_error=False``, or there are none.
    """
    function.__dict__[_GUARD] = True
    return function


def operations_of(app: FastAPI) -> Iterator[Operation]:
    """Every operation of ``app`` and of the applications of FastAPI or Starlette that are mounted
    in it, also those that OpenAPI does not show.
    """
    yield from _operations(app.routes, "")


def assert_protected(app: FastAPI, except_: Collection[str] = ()) -> None:
    """Raise :class:`AssertionError` if an operation is open to anyone, or cannot be judged, that
    ``except_`` does not name, such as ``GET /status``, ``WEBSOCKET /news``, ``MOUNT /static``,
    ``HOST admin.example.com`` or ``ANY /legacy``; or if it names one that is not.

    FastAPI's own ``/openapi.json`` and ``/docs`` are open like others.
    """
    open_ones = {each.name for each in operations_of(app) if ANYONE in each.opened_by}
    mistakes = sorted(open_ones - set(except_))
    if mistakes:
        raise AssertionError(f"open to anyone: {', '.join(mistakes)}")
    stale = sorted(set(except_) - open_ones)
    if stale:
        raise AssertionError(f"not open to anyone, and listed: {', '.join(stale)}")


def _operations(routes: Iterable[BaseRoute], prefix: str) -> Iterator[Operation]:
    for context in iter_route_contexts(list(routes)):
        route = context.original_route
        path = re.sub(r":\w+}", "}", f"{prefix}{context.path or ''}")
        if isinstance(route, Host):
            yield Operation("HOST", route.host, (ANYONE,))
        elif isinstance(route, Mount):
            # In middleware of the mount it is no longer seen, and counts as open.
            if isinstance(route.app, Starlette | Router):
                yield from _operations(route.app.routes, path)
            else:
                yield Operation("MOUNT", path or "/", (ANYONE,))
        else:
            unnamed = "WEBSOCKET" if isinstance(route, WebSocketRoute) else "ANY"
            for method in sorted(context.methods or (unnamed,)):
                yield Operation(method, path or type(route).__name__, _opened_by(context))


def _opened_by(context: RouteContext) -> tuple[str, ...]:
    route = context.original_route
    found: dict[str, dict[str, None]] = {}
    dependant = getattr(context, "dependant", None)  # Starlette's routes have none
    refuses = dependant is not None and _collect(dependant, (), found)
    alternatives = [" ".join([scheme, *scopes]) for scheme, scopes in found.items()]
    by_class = route.opened_by if isinstance(route, ApiRoute) else ""
    if not refuses and not by_class:
        return (*alternatives, ANYONE)
    # What a route says itself in OpenAPI. An empty alternative: a credential may be left out.
    published = (getattr(route, "openapi_extra", None) or {}).get("security", [])
    for requirement in published:
        named = [" ".join([scheme, *scopes]) for scheme, scopes in requirement.items()]
        alternatives.append(" and ".join(named) or ANYONE)
    return tuple(alternatives) or (by_class or "a guard",)


def _collect(
    dependant: Dependant, inherited: Iterable[str], found: dict[str, dict[str, None]]
) -> bool:
    """Add each scheme of a dependency, and of all that it depends on, with the scopes it is asked
    for on the way there, in their order. Returns whether any refuses who brings no credential.
    """
    scopes = [*inherited, *(dependant.own_oauth_scopes or ())]
    refuses = bool(getattr(dependant.call, _GUARD, False))
    if isinstance(dependant.call, SecurityBase):
        found.setdefault(dependant.call.scheme_name, {}).update(dict.fromkeys(scopes))
        refuses = refuses or getattr(dependant.call, "auto_error", True)
    inner = [_collect(each, scopes, found) for each in dependant.dependencies]
    return refuses or any(inner)
