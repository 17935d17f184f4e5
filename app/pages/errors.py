"""The page that says what went wrong, and what to do next."""

from collections.abc import Mapping

from starlette.responses import Response

from app.errors import RETRY_AFTER, AnsweredError, InvalidFieldsError, LoginRefused
from app.languages.catalogues import translated
from app.log import REQUEST_ID
from app.look import Look
from app.message import Message
from app.pages.rendering import render
from app.web.routes import ApiRoute

AGAIN = Message("Go back and try again. If the problem persists, clear the cookies for this site.")

SAID = {
    400: (Message("The request could not be read"), AGAIN),
    404: (
        Message("There is no page here"),
        Message("The address may have a mistake in it, or the page is gone."),
    ),
    405: (
        Message("This page cannot be used like that"),
        Message("Go back to where you came from and try again."),
    ),
    408: (Message("The request took too long to arrive"), AGAIN),
    413: (Message("The request is too large"), AGAIN),
    414: (Message("This address is too long"), AGAIN),
    429: (Message("Too many requests"), Message("Wait a few minutes, then try again.")),
    431: (Message("The request headers are too large"), AGAIN),
    500: (Message("Something went wrong on our side"), Message("Try again in a few minutes.")),
}
"""Titles and advice where an error is known by its status alone."""

REFUSALS = {
    "wait": (Message("Too many failed attempts. Wait a few minutes, then try again."), 429),
    "busy": (Message("We're busy right now. Try again in a few seconds."), 503),
}


def sentence(text: str) -> str:
    """What a line of the command line says, as a page says it: whole, in its reader's language."""
    said = translated(text)
    end = "" if said.endswith((".", "\N{IDEOGRAPHIC FULL STOP}")) else "."
    return said[0].upper() + said[1:] + end


def faults_in_words(refusal: InvalidFieldsError) -> Mapping[str, str]:
    """What is wrong with each field of a form, as a page says it."""
    return {name: sentence(reason) for name, reason in refusal.faults.items()}


def say_refused(refusal: LoginRefused, *, wrong: str) -> tuple[str, int]:
    """What a form says when it is shown again, and its status; ``wrong`` is the form's own."""
    return REFUSALS.get(refusal.why, (wrong, 400))


class PageError(AnsweredError):
    """An error that only the person at the browser can be told."""

    def __init__(
        self,
        title: str,
        advice: str,
        status: int = 400,
        *,
        retry_after: int | None = None,
        onward: tuple[str, str] | None = None,
        is_lost: bool = False,
    ) -> None:
        """``title`` says what happened, ``advice`` what to do; neither repeats input.

        ``retry_after`` is in seconds, ``onward`` the text of a link and its path here. Whoever
        ``is_lost`` is led home, if there is one.
        """
        super().__init__()
        self.title = title
        self.advice = advice
        self.status = status
        self.retry_after = retry_after
        self.onward = onward
        self.is_lost = is_lost

    def response(self, realm: str, look: Look) -> Response:
        """The page."""
        page = render(
            "error.html",
            look,
            status=self.status,
            popup=True,
            title=self.title,
            advice=self.advice,
            onward=look.home if self.is_lost else self.onward,
            request_id=REQUEST_ID.get(""),
        )
        if self.retry_after is not None:
            page.headers["Retry-After"] = str(self.retry_after)
        return page


class PageRoute(ApiRoute):
    """A route for people: what was wrong with their request is told on a page, too.

    A login that is refused is told by the page that has the form: see :func:`say_refused`.
    """

    @classmethod
    def http_error(cls, status: int, sentence: str) -> AnsweredError:
        """A page for what a browser can run into."""
        if status not in SAID:
            return super().http_error(status, sentence)
        title, advice = SAID[status]
        return PageError(title, advice, status, is_lost=status in (404, 405))

    @classmethod
    def outage(cls) -> AnsweredError:
        """A page that says so."""
        return PageError(
            Message("The service is temporarily unavailable"),
            Message("Wait a moment, then reload this page."),
            503,
            retry_after=RETRY_AFTER,
        )
