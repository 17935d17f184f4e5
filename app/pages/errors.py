"""The page that says what went wrong, and what to do next."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from app import NAME
from app.database.engines import OUTAGES, is_outage
from app.errors import RETRY_AFTER
from app.log import get_logger
from app.pages.rendering import render

log = get_logger(NAME)


class PageError(Exception):
    """An error that only the person at the browser can be told."""

    def __init__(
        self, title: str, advice: str, status: int = 400, *, retry_after: int | None = None
    ) -> None:
        """``title`` says what happened, ``advice`` what to do; neither repeats input.

        ``retry_after`` is in seconds.
        """
        super().__init__(title)
        self.title = title
        self.advice = advice
        self.status = status
        self.retry_after = retry_after


class PageRoute(APIRoute):
    """A route for people: what goes wrong behind it is told on a page, too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The handler of the route, with a page for a database that does not answer."""
        handle = super().get_route_handler()

        async def handle_or_explain(request: Request) -> Response:
            try:
                return await handle(request)
            except OUTAGES as error:
                if not is_outage(error):
                    raise
                log.error("the database does not answer", kind=type(error).__name__)
                raise PageError(
                    "This service has an interruption",
                    "It should be over soon. Wait a moment, then load this page again.",
                    503,
                    retry_after=RETRY_AFTER,
                ) from error

        return handle_or_explain


PAGES = frozenset({"/authorize", "/login", "/consent", "/logout", "/account"})
"""Where a person is told what was wrong with the request, too."""

LIMITS = {
    400: "This request cannot be read",
    408: "This took too long to arrive",
    413: "This is more than is read here",
    414: "This address is too long",
    431: "Your browser sends more than is read here",
}
"""By the status of what :mod:`app.web.limits` refuses."""


def add_page_error_handler(app: FastAPI) -> None:
    """Teach ``app`` to show :class:`PageError`, and limits on pages, as a page."""
    answer_otherwise: Any = app.exception_handlers[HTTPException]

    @app.exception_handler(PageError)
    async def show(request: Request, error: PageError) -> Response:
        page = render(
            "error.html",
            app.state.server.settings,
            status=error.status,
            popup=True,
            title=error.title,
            advice=error.advice,
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        )
        if error.retry_after is not None:
            page.headers["Retry-After"] = str(error.retry_after)
        return page

    @app.exception_handler(HTTPException)
    async def show_limit(request: Request, error: HTTPException) -> Response:
        title = LIMITS.get(error.status_code)
        if title is None or request.url.path not in PAGES:
            response: Response = await answer_otherwise(request, error)
            return response
        advice = "Go back, and try again. If it happens again, remove this site's cookies."
        return await show(request, PageError(title, advice, error.status_code))
