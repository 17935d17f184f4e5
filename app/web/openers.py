"""What opens each operation: the credentials that its dependencies declare, or its class of routes.

A fork's test of its own routes:

    def test_nothing_is_open_by_mistake() -> None:
        assert_protected(app, except_=["GET /", "GET /status"])
"""

import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts
from fastapi.security.base import SecurityBase

from app.web.routes import ApiRoute

ANYONE = "anyone"


@dataclass(frozen=True)
class Operation:
    """A method of a path."""

    method: str
    path: str
    opened_by: tuple[str, ...]
    """Alternatives: security schemes with the scopes that are asked for, or :data:`ANYONE`."""

    @property
    def name(self) -> str:
        """Such as ``GET /users/me``."""
        return f"{self.method} {self.path}"


def operations_of(app: FastAPI) -> Iterator[Operation]:
    """Every operation of ``app``, also those that OpenAPI does not show."""
    for context in iter_route_contexts(app.routes):
        path = re.sub(r":\w+}", "}", context.path or "")
        for method in sorted(context.methods or ()):
            yield Operation(method, path, _opened_by(context))


def assert_protected(app: FastAPI, except_: Collection[str] = ()) -> None:
    """Raise :class:`AssertionError` if an operation is open to anyone that ``except_`` does not
    name, such as ``GET /status``, or if it names one that is not.
    """
    open_ones = {each.name for each in operations_of(app) if ANYONE in each.opened_by}
    mistakes = sorted(open_ones - set(except_))
    assert not mistakes, f"open to anyone: {', '.join(mistakes)}"  # noqa: S101
    stale = sorted(set(except_) - open_ones)
    assert not stale, f"not open to anyone, and listed: {', '.join(stale)}"  # noqa: S101


def _opened_by(context: RouteContext) -> tuple[str, ...]:
    route = context.original_route
    found: dict[str, dict[str, None]] = {}
    if context.dependant is not None:
        _collect(context.dependant, (), found)
    alternatives = [" ".join([scheme, *scopes]) for scheme, scopes in found.items()]
    # What a route says itself in OpenAPI. An empty alternative: a credential may be left out.
    published = (getattr(route, "openapi_extra", None) or {}).get("security", [])
    for requirement in published:
        named = [" ".join([scheme, *scopes]) for scheme, scopes in requirement.items()]
        alternatives.append(" and ".join(named) or ANYONE)
    if not alternatives and isinstance(route, ApiRoute) and route.opened_by:
        alternatives.append(route.opened_by)
    return tuple(alternatives) or (ANYONE,)


def _collect(
    dependant: Dependant, inherited: Iterable[str], found: dict[str, dict[str, None]]
) -> None:
    """Add each scheme of a dependency, and of all that it depends on, with the scopes it is asked
    for on the way there, in their order.
    """
    scopes = [*inherited, *(dependant.own_oauth_scopes or ())]
    if isinstance(dependant.call, SecurityBase):
        found.setdefault(dependant.call.scheme_name, {}).update(dict.fromkeys(scopes))
    for inner in dependant.dependencies:
        _collect(inner, scopes, found)
