"""Classes of routes, which decide the format of the errors at a path.

    router = APIRouter(route_class=OAuth2Route)

The class also applies where no route is entered: to a method that the path does not answer, or to a
body that is too large. So :func:`learn_classes` notes once which class each path has.
"""

import re
from collections.abc import Mapping, Sequence
from typing import ClassVar

from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts
from starlette.routing import compile_path
from starlette.types import Scope

from app.errors import (
    AnsweredError,
    ConflictError,
    ForbiddenError,
    InvalidGrantError,
    InvalidRequestError,
    LoginRefused,
    Problem,
    ServerError,
    SlowDownError,
    TemporarilyUnavailableError,
    TooManyAttemptsError,
    UnavailableError,
)


class ApiRoute(APIRoute):
    """RFC 9457: the format of every route without another class.

    It is that of paths without a route, too, except where a browser asks for a page.
    """

    opened_by: ClassVar[str] = ""
    """What the routes of the class want that no dependency declares."""

    @classmethod
    def http_error(cls, status: int, sentence: str) -> AnsweredError:
        """An error that is known by its status alone."""
        return Problem(told=sentence, status=status)

    @classmethod
    def login_refused(cls, refusal: LoginRefused) -> AnsweredError:
        """A refused password of a user who is already logged in."""
        if refusal.why == "wait":
            return TooManyAttemptsError(refusal.retry_after, reason=refusal.reason)
        if refusal.why == "busy":
            return UnavailableError(told="Too many log in at the moment.", reason=refusal.reason)
        return ForbiddenError(told="The current password is wrong.", reason=refusal.reason)

    @classmethod
    def outage(cls) -> AnsweredError:
        """The database does not answer."""
        return UnavailableError(told="The database is not responding. Try again in a moment.")

    @classmethod
    def lost_reference(cls) -> AnsweredError:
        """Someone else deleted what this request refers to."""
        return ConflictError(told="Someone else changed this in the meantime. Try again.")


class OAuth2Route(ApiRoute):
    """RFC 6749, section 5.2, whatever it is that goes wrong."""

    opened_by = "client authentication"

    @classmethod
    def http_error(cls, status: int, sentence: str) -> AnsweredError:
        """``invalid_request``, or ``server_error``."""
        kind = ServerError if status == ServerError.status else InvalidRequestError
        return kind(told=sentence, status=status)

    @classmethod
    def login_refused(cls, refusal: LoginRefused) -> AnsweredError:
        """``invalid_grant``, or ``temporarily_unavailable``."""
        if refusal.why == "wait":
            return SlowDownError(refusal.retry_after, reason=refusal.reason)
        if refusal.why == "busy":
            return TemporarilyUnavailableError(reason=refusal.reason)
        return InvalidGrantError(reason=refusal.reason)

    @classmethod
    def outage(cls) -> AnsweredError:
        """``temporarily_unavailable``."""
        return TemporarilyUnavailableError()

    @classmethod
    def lost_reference(cls) -> AnsweredError:
        """The same: the next try finds what is left."""
        return TemporarilyUnavailableError()


class CrossOriginRoute(ApiRoute):
    """Also called by programs in browsers, from other origins: see :mod:`app.web.cors`."""


class CrossOriginOAuth2Route(CrossOriginRoute, OAuth2Route):
    """Both."""


class AnyOriginOAuth2Route(CrossOriginOAuth2Route):
    """Called by programs in browsers that nobody knows yet."""


def learn_classes(app: FastAPI, pages: type[ApiRoute] = ApiRoute) -> None:
    """Note the classes of the routes of ``app``, when it has all of them.

    ``pages`` is that of paths without a route, where a browser asks for a page.
    """
    app.state.class_of_pages = pages
    app.state.route_classes = {
        route.path: type(route.original_route)
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, ApiRoute)
    }
    app.state.route_patterns = [
        (compile_path(path)[0], route_class)
        for path, route_class in app.state.route_classes.items()
        if "{" in path
    ]


def class_at(scope: Scope) -> type[ApiRoute]:
    """The class of the routes at the path of a request."""
    state, path = scope["app"].state, scope["path"]
    classes: Mapping[str, type[ApiRoute]] = state.route_classes
    if path in classes:
        return classes[path]
    patterns: Sequence[tuple[re.Pattern[str], type[ApiRoute]]] = state.route_patterns
    found = next((found for pattern, found in patterns if pattern.match(path)), None)
    if found is not None:
        return found
    pages: type[ApiRoute] = state.class_of_pages
    return pages if _asks_for_a_page(scope) else ApiRoute


def _asks_for_a_page(scope: Scope) -> bool:
    """Whether it names HTML: browsers do, and programs take anything or name what they read."""
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
