"""From an error to its answer."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from app.database.engines import OUTAGES, is_outage, lost_a_reference
from app.errors import (
    ConflictError,
    InvalidRequestError,
    LatchkeyError,
    Problem,
    TemporarilyUnavailableError,
    UnavailableError,
)
from app.log import get_logger

log = get_logger("latchkey")


def add_error_handlers(app: FastAPI, realm: str, protocol_paths: Collection[str]) -> None:
    """Teach ``app`` to answer every error in its caller's format."""

    @app.exception_handler(LatchkeyError)
    async def answer(request: Request, error: LatchkeyError) -> Response:
        if error.reason:
            log.info("refused", kind=type(error).__name__, reason=error.reason)
        return JSONResponse(
            error.content(), error.status, error.headers(realm), media_type=error.media_type
        )

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        problem = Problem("The request does not have the form that is described.", 422)
        errors = [
            {"field": ".".join(_place(each)), "reason": _REASONS.get(each["type"], each["msg"])}
            for each in error.errors()  # the input itself is left out
        ]
        return JSONResponse(
            {**problem.content(), "errors": errors}, 422, media_type=problem.media_type
        )

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        # Pairs, not a dictionary: a Digest answer has two challenges.
        pairs = (error.headers or {}).items()
        headers = MutableHeaders(raw=[(n.lower().encode(), v.encode()) for n, v in pairs])
        if error.status_code == 405:
            headers["Allow"] = ", ".join(sorted(_methods_of(request)))
        sentence = _SENTENCES.get(error.status_code, str(error.detail))
        if request.url.path in protocol_paths:
            protocol_error = InvalidRequestError(description=sentence)
            headers.update(protocol_error.headers(realm))
            return JSONResponse(protocol_error.content(), error.status_code, headers)
        problem = Problem(sentence, error.status_code)
        return JSONResponse(
            problem.content(), problem.status, headers, media_type=problem.media_type
        )

    async def database_error(request: Request, error: Exception) -> Response:
        if lost_a_reference(error) and request.url.path not in protocol_paths:
            return await answer(request, ConflictError("Somebody else was faster. Try again."))
        if not is_outage(error) and not lost_a_reference(error):
            raise error
        log.error("the database does not answer", kind=type(error).__name__)
        if request.url.path in protocol_paths:
            return await answer(request, TemporarilyUnavailableError())
        return await answer(
            request, UnavailableError("The database does not answer. Try again in a moment.")
        )

    for outage in OUTAGES:
        app.add_exception_handler(outage, database_error)


def _place(error: Mapping[str, Any]) -> list[str]:
    """Where it is. What should not be there is named if it looks like a name: it is input, too."""
    place = [str(part) for part in error["loc"]]
    unnamed = error["type"] == "extra_forbidden" and not _NAME.fullmatch(place[-1])
    return place[:-1] if unnamed else place


_REASONS = {"uuid_parsing": "Input should be a valid UUID"}
"""Instead of those that would show a character of the input."""

_NAME = re.compile(r"[A-Za-z_]{1,40}")


def _methods_of(request: Request) -> set[str]:
    """What the address answers (RFC 9110, section 15.5.6): of all its routes, not of the first."""
    allowed: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.url.path):
            allowed |= route.methods or set()
    return allowed


_SENTENCES = {
    404: "There is nothing at this address.",
    405: "This address does not answer this method.",
    408: "The request body did not arrive in time.",
    413: "The request body is too large.",
    414: "The address is too long.",
    431: "The request headers are too large.",
}
