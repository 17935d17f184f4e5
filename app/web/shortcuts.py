"""Routes with a fixed path, found at once.

FastAPI asks its routers in turn, each of which tries the patterns of its routes, and it prepares
every request for dependencies, forms and files, which most endpoints of the protocol do not have.
For them that is half of all the work and more. Here such a path is looked up in a dictionary, and
an endpoint that only wants the request, the server or who has sent a bearer token is called with
that: it saves 0.05 ms a request (see ``make bench``). Routes are declared as always; without
:func:`add_shortcuts` all answers are the same, and later. Whatever else a route asks of FastAPI,
such as a handler of its own class, it gets from FastAPI. An endpoint that says that it returns a
``Response`` has to return one.
"""

import inspect
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, TypeGuard

from fastapi import FastAPI
from fastapi.datastructures import DefaultPlaceholder
from fastapi.params import Depends, Security
from fastapi.routing import APIRoute, RouteContext, iter_route_contexts, serialize_response
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount
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
                for method in _methods_of(each, context)
            }
            shortcut: ASGIApp = _directly(context, route) or context.app
            described: Scope = {"route": route, "endpoint": route.endpoint, "path_params": {}}
            for method in (context.methods or set()) - taken:
                yield (method, path), (shortcut, described)
        if path is not None:
            earlier.append(context)


def _methods_of(earlier: RouteContext, context: RouteContext) -> Collection[str]:
    """Those that an earlier route takes from this one: an application that is mounted, all."""
    taking = context if isinstance(earlier.original_route, Mount) else earlier
    return taking.methods or ()


Resolve = Callable[[Request], Awaitable[Any]]


def _directly(context: RouteContext, route: APIRoute) -> ASGIApp | None:
    """An application that calls the endpoint, if what it wants does not take FastAPI."""
    endpoint = route.endpoint
    takes_fastapi = (
        type(route).get_route_handler is not APIRoute.get_route_handler
        or context.dependencies
        or context.max_body_size is not None
        or not inspect.iscoroutinefunction(endpoint)
    )
    signature = None if takes_fastapi else _signature(endpoint)
    if signature is None:
        return None
    wanted = _wanted(signature)
    respond = _responding(context, signature)
    if wanted is None or respond is None:
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


def _signature(endpoint: Callable[..., Any]) -> inspect.Signature | None:
    """What ``endpoint`` takes and returns; None if its types are names for type checkers alone."""
    try:
        return inspect.signature(endpoint, eval_str=True)
    except NameError:
        return None


def _wanted(signature: inspect.Signature) -> Mapping[str, Resolve] | None:
    """How to find what an endpoint takes, by its names; None if something takes FastAPI."""
    wanted: dict[str, Resolve] = {}
    for name, parameter in signature.parameters.items():
        if parameter.annotation is Request:
            wanted[name] = _the_request
            continue
        said: Sequence[object] = getattr(parameter.annotation, "__metadata__", ())
        marked = said[0] if len(said) == 1 and isinstance(said[0], Depends) else None
        if marked is None or not _is_direct(marked.dependency):
            return None
        scopes = tuple(marked.scopes or ()) if isinstance(marked, Security) else ()
        wanted[name] = partial(marked.dependency.find, scopes=scopes)
    return wanted


def _is_direct(dependency: object) -> TypeGuard[DirectDependency[Any]]:
    """Whether ``find`` does what FastAPI's call would: no subclass has changed that call alone."""
    if not isinstance(dependency, DirectDependency):
        return False
    changed = next(
        each for each in type(dependency).__mro__ if {"find", "__call__"} & vars(each).keys()
    )
    return "find" in vars(changed)


async def _the_request(request: Request) -> Request:
    return request


def _responding(
    context: RouteContext, signature: inspect.Signature
) -> Callable[[Any], Awaitable[Response]] | None:
    """What makes a response of what the endpoint returns; None if that takes FastAPI."""
    returned = signature.return_annotation
    if isinstance(returned, type) and issubclass(returned, Response):
        return _as_it_is
    as_usual = (
        isinstance(context.response_class, DefaultPlaceholder) and context.status_code is None
    )
    if context.response_field is None or not as_usual:
        return None
    serialize = partial(
        serialize_response,
        field=context.response_field,
        include=context.response_model_include,
        exclude=context.response_model_exclude,
        by_alias=context.response_model_by_alias,
        exclude_unset=context.response_model_exclude_unset,
        exclude_defaults=context.response_model_exclude_defaults,
        exclude_none=context.response_model_exclude_none,
        dump_json=True,
    )

    async def respond(content: Any) -> Response:
        if isinstance(content, Response):
            return content
        return Response(await serialize(response_content=content), media_type="application/json")

    return respond


async def _as_it_is(response: Response) -> Response:
    return response
