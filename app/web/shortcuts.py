"""Routes with a fixed path, found at once.

FastAPI asks its routers in turn, each of which tries the patterns of its routes, and it prepares
every request for dependencies, forms and files, which most endpoints of the protocol do not have.
For them that is half of all the work and more. Here such a path is looked up in a dictionary, and
an endpoint that only wants the request, the server or who has sent a bearer token is called with
that: it saves 0.05 ms a request (see ``make bench``). Routes are declared as always; without
:func:`add_shortcuts` all answers are the same, and later.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from fastapi import FastAPI
from fastapi.datastructures import DefaultPlaceholder
from fastapi.params import Depends, Security
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts, serialize_response
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

from app.web.dependencies import DirectDependency


class Shortcuts:
    """A middleware of the router, which it need not ask for a path that is here."""

    def __init__(self, router: ASGIApp, routes: Sequence[BaseRoute]) -> None:
        """``routes`` are those of the router, in the order in which it tries them."""
        self._router = router
        self._found = dict(_shortcuts(iter_route_contexts(routes)))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request that has a shortcut, and leave the others to the router."""
        if scope["type"] == "http" and not scope.get("root_path"):
            found = self._found.get((scope["method"], scope["path"]))
            if found is not None:
                shortcut, described = found
                scope.update(described)
                await shortcut(scope, receive, send)
                return
        await self._router(scope, receive, send)


def add_shortcuts(app: FastAPI) -> None:
    """Let ``app`` find its routes at once, when it has all of them."""
    app.router.middleware_stack = Shortcuts(app.router.middleware_stack, app.routes)


Found = tuple[ASGIApp, Scope]
"""The shortcut, and what the router would say of the route."""


def _shortcuts(contexts: Iterable[RouteContext]) -> Iterator[tuple[tuple[str, str], Found]]:
    earlier: list[RouteContext] = []
    for context in contexts:
        route, path = context.original_route, context.path
        if isinstance(route, APIRoute) and path is not None and "{" not in path:
            taken = {
                method
                for each in earlier
                if each.path_regex.match(path)
                for method in each.methods or ()
            }
            shortcut: ASGIApp = _directly(context, route) or context.app
            described: Scope = {"route": route, "endpoint": route.endpoint, "path_params": {}}
            for method in (context.methods or set()) - taken:
                yield (method, path), (shortcut, described)
        if path is not None:
            earlier.append(context)


Resolve = Callable[[Request], Awaitable[Any]]


def _directly(context: RouteContext, route: APIRoute) -> ASGIApp | None:
    """An application that calls the endpoint, if what it wants does not take FastAPI."""
    endpoint = route.endpoint
    wanted = _wanted(endpoint)
    respond = _responding(route)
    if wanted is None or respond is None or context.dependencies:
        return None

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["app"].dependency_overrides:  # FastAPI knows what they stand in for
            await context.app(scope, receive, send)
            return
        request = Request(scope, receive, send)
        values = {name: await resolve(request) for name, resolve in wanted.items()}
        response = await respond(await endpoint(**values))
        await response(scope, receive, send)

    return call


def _wanted(endpoint: Callable[..., Any]) -> Mapping[str, Resolve] | None:
    """How to find what ``endpoint`` takes, by its names; None if something takes FastAPI."""
    wanted: dict[str, Resolve] = {}
    for name, parameter in inspect.signature(endpoint, eval_str=True).parameters.items():
        if parameter.annotation is Request:
            wanted[name] = _the_request
            continue
        said: Sequence[object] = getattr(parameter.annotation, "__metadata__", ())
        marked = said[0] if len(said) == 1 and isinstance(said[0], Depends) else None
        if marked is None or not isinstance(marked.dependency, DirectDependency):
            return None
        scopes = tuple(marked.scopes or ()) if isinstance(marked, Security) else ()
        wanted[name] = partial(marked.dependency.find, scopes=scopes)
    return wanted


async def _the_request(request: Request) -> Request:
    return request


def _responding(route: APIRoute) -> Callable[[Any], Awaitable[Response]] | None:
    """What makes a response of what the endpoint returns; None if that takes FastAPI."""
    returned = inspect.signature(route.endpoint, eval_str=True).return_annotation
    if not inspect.iscoroutinefunction(route.endpoint):
        return None
    if isinstance(returned, type) and issubclass(returned, Response):
        return _as_it_is
    as_usual = isinstance(route.response_class, DefaultPlaceholder) and route.status_code is None
    if route.response_field is None or not as_usual:
        return None
    serialize = partial(
        serialize_response,
        field=route.response_field,
        include=route.response_model_include,
        exclude=route.response_model_exclude,
        by_alias=route.response_model_by_alias,
        exclude_unset=route.response_model_exclude_unset,
        exclude_defaults=route.response_model_exclude_defaults,
        exclude_none=route.response_model_exclude_none,
        dump_json=True,
    )

    async def respond(content: Any) -> Response:
        if isinstance(content, Response):
            return content
        return Response(await serialize(response_content=content), media_type="application/json")

    return respond


async def _as_it_is(response: Response) -> Response:
    return response
