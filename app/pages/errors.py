"""The page that says what went wrong, and what to do next."""

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute

from app.database import OUTAGES, is_outage
from app.errors import RETRY_AFTER
from app.log import get_logger
from app.pages.rendering import render

log = get_logger("latchkey")


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


def add_page_error_handler(app: FastAPI) -> None:
    """Teach ``app`` to show :class:`PageError`."""

    @app.exception_handler(PageError)
    async def show(request: Request, error: PageError) -> Response:
        page = render(
            "error.html",
            status=error.status,
            popup=True,
            title=error.title,
            advice=error.advice,
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        )
        if error.retry_after is not None:
            page.headers["Retry-After"] = str(error.retry_after)
        return page
