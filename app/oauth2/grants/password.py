"""The resource owner password credentials grant: RFC 6749, section 4.3.

RFC 9700, section 2.4, says not to use it, and OAuth 2.1 leaves it out. It is for first-party
clients that cannot open a browser; a client gets it only if it was registered for it.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict

from app.errors import InvalidGrantError, InvalidRequestError, TemporarilyUnavailableError
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import grant_scopes, requested_scopes
from app.oauth2.tokens import log_in
from app.security.passwords import QueueFullError
from app.services.users import Account, find_account
from app.settings import Settings


def form_class(settings: Settings) -> type[OAuth2PasswordRequestForm]:
    """FastAPI's form: the strict one insists on ``grant_type``, the other one does not."""
    if settings.strict_password_form:
        return OAuth2PasswordRequestFormStrict
    return OAuth2PasswordRequestForm


def password_form(fields: Mapping[str, str], settings: Settings) -> OAuth2PasswordRequestForm:
    """FastAPI's form object, built from the parsed body.

    Raises :class:`InvalidRequestError` when the name or the password is missing.
    """
    if "username" not in fields or "password" not in fields:
        raise InvalidRequestError(description="The request needs username and password.")
    return form_class(settings)(
        grant_type=fields.get("grant_type", "password"),
        username=fields["username"],
        password=fields["password"],
        scope=fields.get("scope", ""),
        client_id=fields.get("client_id"),
        client_secret=fields.get("client_secret"),
    )


def parameters(settings: Settings) -> Mapping[str, Any]:
    """The schema that FastAPI itself publishes for :func:`form_class`."""
    probe = FastAPI()

    @probe.post("/")
    async def read(
        form: Annotated[OAuth2PasswordRequestForm, Depends(form_class(settings))],
    ) -> None: ...

    (schema,) = (
        schema
        for name, schema in probe.openapi()["components"]["schemas"].items()
        if name.startswith("Body")
    )
    return {**schema["properties"], "password": {"type": "string", "format": "password"}}


async def exchange(request: TokenRequest) -> dict[str, Any]:
    """Tokens for a user's name and password.

    Unknown, disabled and passwordless users cost the same hash and get the same answer as a
    wrong password. Raises an :class:`~app.errors.OAuth2Error`.
    """
    server = request.server
    form = password_form(request.form, server.settings)
    requested = requested_scopes(request.form.get("scope", ""), request.client)
    async with server.database.read() as connection:
        account = await find_account(connection, form.username)
    try:
        matches, new_hash = await server.passwords.verify(
            form.password, account.password_hash if account else None
        )
    except QueueFullError:
        raise TemporarilyUnavailableError("the login queue is full") from None
    if account is None or not matches or not account.enabled:
        raise InvalidGrantError(_reason(account, matches))
    return await log_in(request, account, grant_scopes(requested, account.scopes), new_hash)


def _reason(account: Account | None, matches: bool) -> str:
    if account is None:
        return "unknown user"
    return "disabled user" if matches else "wrong password"


GRANT = Grant("password", parameters, exchange)
