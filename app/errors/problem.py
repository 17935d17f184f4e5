"""Problems: errors of the JSON API and the command line (RFC 9457)."""

import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from app.errors.answered import RETRY_AFTER, AnsweredError
from app.message import Message


class Problem(AnsweredError):
    """RFC 9457, section 3. What is told is also what the command line prints."""

    media_type = "application/problem+json"

    def __init__(self, *, told: str, status: int | None = None, reason: str = "") -> None:
        """``told`` is read by a person; it names what was refused and why."""
        super().__init__(reason=reason or told)
        self.told = told
        self.status = status or type(self).status

    @property
    def line(self) -> str:
        """What the command line prints, which may name what an answer must not repeat."""
        return self.told

    def content(self) -> dict[str, Any]:
        """The members of RFC 9457, section 3.1."""
        return {
            "type": "about:blank",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.told,
        }


class ForbiddenError(Problem):
    """The caller may not do this."""

    status = 403


class NotFoundError(Problem):
    """There is no such thing, or it belongs to someone else."""

    status = 404


class ConflictError(Problem):
    """It already exists, or is in use."""

    status = 409


class PreconditionFailedError(Problem):
    """Someone else changed this in the meantime."""

    status = 412


class InvalidError(Problem):
    """A value breaks a rule."""

    status = 422

    def __init__(self, *, told: str, field: str | None = None) -> None:
        """``field`` of the body is at fault, where it is one."""
        super().__init__(told=told)
        self.field = field

    def content(self) -> dict[str, Any]:
        """With the field, as every other 422 has it."""
        if self.field is None:
            return super().content()
        return {
            **super().content(),
            "errors": [{"field": f"body.{self.field}", "reason": self.told}],
        }


BROKEN_RULE = "broken_rule"
"""The type of pydantic's errors whose sentence says what the rule is, and needs no field."""

_NAME = re.compile(r"[A-Za-z_]{1,40}")

_REASONS = {"uuid_parsing": "Input should be a valid UUID"}
"""Instead of those that would show a character of the input."""

_ON_PAGES = {
    "string_too_long": Message("it should have at most {max_length} characters"),
    "string_too_short": Message("it should have at least {min_length} characters"),
}
"""What pages say instead of what pydantic does: people know no strings."""


class InvalidFieldsError(Problem):
    """Values break rules: each is told with its field and the reason, and none is repeated."""

    status = 422

    def __init__(self, errors: Sequence[Mapping[str, Any]], inside: str = "body") -> None:
        """``errors`` are those of pydantic, whose places are ``inside`` a part of the request."""
        super().__init__(told="The request does not have the form that is described.")
        self._errors = errors
        self._inside = f"{inside}." if inside else ""

    @property
    def faults(self) -> Mapping[str, str]:
        """The reason by the field, for a form: the first of each."""
        return {_place(each): _fault(each) for each in reversed(self._errors)}

    @property
    def line(self) -> str:
        """The first of them, and how many more there are."""
        first, more = self._errors[0], len(self._errors) - 1
        place = "" if first["type"] == BROKEN_RULE else f"{_place(first)}: "
        return place + _reason(first) + (f" (and {more} more)" if more else "")

    def content(self) -> dict[str, Any]:
        """With every field that is at fault."""
        errors = [
            {"field": self._inside + _place(each), "reason": _reason(each)} for each in self._errors
        ]
        return {**super().content(), "errors": errors}


def _place(error: Mapping[str, Any]) -> str:
    """Where it is. What should not be there is named if it looks like a name: it is input, too."""
    place = [str(part) for part in error["loc"]]
    unnamed = error["type"] == "extra_forbidden" and not _NAME.fullmatch(place[-1])
    return ".".join(place[:-1] if unnamed else place)


def _fault(error: Mapping[str, Any]) -> str:
    if error["type"] == BROKEN_RULE:
        return str(error["ctx"]["told"])
    if error["type"] in _ON_PAGES:
        return Message(_ON_PAGES[error["type"]], **error["ctx"])
    return _reason(error)


def _reason(error: Mapping[str, Any]) -> str:
    return _REASONS.get(error["type"], str(error["msg"]))


class UnavailableError(Problem):
    """Not now; soon."""

    status = 503
    retry_after = RETRY_AFTER

    def headers(self, realm: str) -> dict[str, str]:
        """With ``Retry-After``, in seconds."""
        return {"Retry-After": str(self.retry_after)}


class TooManyAttemptsError(UnavailableError):
    """Too many failed logins."""

    status = 429

    def __init__(self, retry_after: int, *, reason: str = "") -> None:
        """``retry_after`` is in seconds."""
        super().__init__(told="Too many failed attempts. Try again later.", reason=reason)
        self.retry_after = retry_after
