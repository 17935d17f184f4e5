"""The page that says what went wrong, and what to do next."""

import structlog
from fastapi import FastAPI, Request, Response

from app.pages.rendering import render


class PageError(Exception):
    """An error that only the person at the browser can be told."""

    def __init__(self, title: str, advice: str, status: int = 400) -> None:
        """``title`` says what happened, ``advice`` what to do; neither repeats input."""
        super().__init__(title)
        self.title = title
        self.advice = advice
        self.status = status


def add_page_error_handler(app: FastAPI) -> None:
    """Teach ``app`` to show :class:`PageError`."""

    @app.exception_handler(PageError)
    async def show(request: Request, error: PageError) -> Response:
        return render(
            "error.html",
            status=error.status,
            popup=True,
            title=error.title,
            advice=error.advice,
            request_id=structlog.contextvars.get_contextvars().get("request_id", ""),
        )
