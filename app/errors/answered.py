"""Errors with answers of their own, and a refused login, whose answer is that of its route."""

from typing import TYPE_CHECKING, Any, Literal

from app.look import Look

if TYPE_CHECKING:
    from starlette.responses import Response

RETRY_AFTER = 2
"""Seconds after which a request refused for load is worth another try."""


class AnsweredError(Exception):
    """An error with an answer of its own."""

    status: int = 400
    media_type: str = "application/json"

    def __init__(self, *, reason: str = "") -> None:
        """``reason`` goes to the log alone."""
        super().__init__(reason)
        self.reason = reason

    def content(self) -> dict[str, Any]:
        """The body of the answer."""
        raise TypeError("answered by its subclasses")

    def headers(self, realm: str) -> dict[str, str]:
        """The headers of the answer; challenges name ``realm``."""
        return {}

    def response(self, realm: str, look: Look) -> "Response":
        """The answer; a page has that ``look``."""
        from starlette.responses import JSONResponse  # the command line answers nobody

        return JSONResponse(
            self.content(), self.status, self.headers(realm), media_type=self.media_type
        )


class LoginRefused(AnsweredError):
    """A login was refused, at any endpoint. The class of its route decides what to say."""

    def __init__(
        self, why: Literal["wrong", "wait", "busy"], *, reason: str, retry_after: int = RETRY_AFTER
    ) -> None:
        """``why``: the name or the password is wrong, or too many attempts have failed, or too many
        are waiting already. ``retry_after`` is in seconds.
        """
        super().__init__(reason=reason)
        self.why = why
        self.retry_after = retry_after
