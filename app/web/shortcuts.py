"""Routes with a fixed path, found at once.

FastAPI asks its routers in turn, each of which tries the patterns of its routes, and it prepares
every request for dependencies, forms and files, which most endpoints of the protocol do not have.
For them that is more than half of all the work. Here such a path is looked up in a dictionary, and
an endpoint that only wants the request is called with it: that saves 0.05 ms a request (see
``make bench``). Routes are declared as always; without :func:`add_shortcuts` all answers are the
same, and later.
"""

import inspect
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence

from fastapi import FastAPI
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request], Awaitable[Response]]


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
            shortcut: ASGIApp = _directly(context, route.endpoint) or context.app
            described: Scope = {"route": route, "endpoint": route.endpoint, "path_params": {}}
            for method in (context.methods or set()) - taken:
                yield (method, path), (shortcut, described)
        if path is not None:
            earlier.append(context)


def _directly(context: RouteContext, endpoint: Endpoint) -> ASGIApp | None:
    """An application that calls ``endpoint``, if that wants the request alone and answers it."""
    signature = inspect.signature(endpoint, eval_str=True)
    wanted = [parameter.annotation for parameter in signature.parameters.values()]
    answers = isinstance(signature.return_annotation, type) and issubclass(
        signature.return_annotation, Response
    )
    if wanted != [Request] or not answers or context.dependencies:
        return None

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint(Request(scope, receive, send))
        await response(scope, receive, send)

    return call
