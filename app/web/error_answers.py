"""From an error to its answer."""

from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.responses import Response

from app import NAME
from app.database.engines import OUTAGES, is_outage, lost_a_reference
from app.database.faults import named
from app.errors import AnsweredError, BearerError, InvalidFieldsError, LoginRefused
from app.log import get_logger
from app.look import Look
from app.web.routes import class_at

log = get_logger(NAME)


def add_error_handlers(app: FastAPI, realm: str, look: Look, resource_metadata: str) -> None:
    """Teach ``app`` to answer every error in its caller's format.

    A challenge for an access token says where ``resource_metadata`` is (RFC 9728, section 5.1).
    """

    @app.exception_handler(AnsweredError)
    async def answer(request: Request, error: AnsweredError) -> Response:
        if isinstance(error, LoginRefused):
            error = class_at(request.scope).login_refused(error)
        if error.reason:
            log.info("refused", kind=type(error).__name__, reason=error.reason)
        response = error.response(realm, look.seen_from(request.scope["path"]))
        if isinstance(error, BearerError):
            challenge = response.headers["WWW-Authenticate"]
            response.headers["WWW-Authenticate"] = (
                f'{challenge}, resource_metadata="{resource_metadata}"'
            )
        return response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return await answer(request, InvalidFieldsError(error.errors(), inside=""))

    @app.exception_handler(HTTPException)
    async def http_error(request: Request, error: HTTPException) -> Response:
        sentence = _sentence_of(error)
        told = class_at(request.scope).http_error(error.status_code, sentence)
        response = told.response(realm, look.seen_from(request.scope["path"]))
        for name, value in (error.headers or {}).items():
            if name.lower() != "allow":
                response.headers.append(name, value)  # a Digest answer has two challenges
        if error.status_code == 405:
            response.headers["Allow"] = ", ".join(sorted(_methods_of(request)))
        return response

    async def database_error(request: Request, error: Exception) -> Response:
        if lost_a_reference(error):
            return await answer(request, class_at(request.scope).lost_reference())
        if not is_outage(error):
            raise error
        log.error("the database does not answer", **named(error))
        return await answer(request, class_at(request.scope).outage())

    for outage in OUTAGES:
        app.add_exception_handler(outage, database_error)


def _sentence_of(error: HTTPException) -> str:
    """What a route said itself; in place of Starlette's phrase for a status, a sentence."""
    if error.detail == HTTPStatus(error.status_code).phrase:
        return _SENTENCES.get(error.status_code, error.detail)
    return str(error.detail)


def _methods_of(request: Request) -> set[str]:
    """What the address answers (RFC 9110, section 15.5.6): of all its routes, not of the first."""
    allowed: set[str] = set()
    for route in iter_route_contexts(request.app.routes):
        if route.path_regex.match(request.url.path):
            allowed |= route.methods or set()
    return allowed


_SENTENCES = {
    404: "There is no resource at this address.",
    405: "This method is not allowed at this address.",
    408: "The request body did not arrive in time.",
    413: "The request body is too large.",
    414: "The address is too long.",
    431: "The request headers are too large.",
}
