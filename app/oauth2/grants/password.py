"""The resource owner password credentials grant: RFC 6749, section 4.3.

RFC 9700, section 2.4, says not to use it, and OAuth 2.1 leaves it out. It is for first-party
clients that cannot open a browser; a client gets it only if it was registered for it.
"""

from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict

from app.errors import InvalidRequestError, InvalidScopeError
from app.login.authentication import LoginContext
from app.login.second_step import by_password
from app.oauth2.direct_login import DirectLogin, log_in_directly, note_failure
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import granted_scope, requested_scopes
from app.oauth2.tokens import find_signing_keys


def password_grant(form_class: type[OAuth2PasswordRequestForm]) -> Grant:
    """The grant, with one of FastAPI's two forms: :data:`GRANT` or :data:`LAX`."""

    async def exchange_form(request: TokenRequest) -> dict[str, Any]:
        return await exchange(request, build_form(form_class, request.form))

    return Grant("password", form_properties(form_class), exchange_form)


def build_form(
    form_class: type[OAuth2PasswordRequestForm], fields: Mapping[str, str]
) -> OAuth2PasswordRequestForm:
    """FastAPI's form object, built from the parsed body.

    Raises :class:`InvalidRequestError` when the name or the password is missing.
    """
    if "username" not in fields or "password" not in fields:
        raise InvalidRequestError(told="The request needs username and password.")
    return form_class(
        grant_type=fields.get("grant_type", "password"),
        username=fields["username"],
        password=fields["password"],
        scope=fields.get("scope", ""),
        client_id=fields.get("client_id"),
        client_secret=fields.get("client_secret"),
    )


def form_properties(form_class: type[OAuth2PasswordRequestForm]) -> Mapping[str, Any]:
    """The schemas that FastAPI itself publishes for the fields of ``form_class``."""
    probe = FastAPI()

    @probe.post("/")
    async def read(form: Annotated[OAuth2PasswordRequestForm, Depends(form_class)]) -> None: ...

    (schema,) = (
        schema
        for name, schema in probe.openapi()["components"]["schemas"].items()
        if name.startswith("Body")
    )
    # The strict form forgets to say so, and Swagger UI would show what is typed.
    hidden = {"type": "string", "format": "password"}
    return {**schema["properties"], "password": hidden, "client_secret": hidden}


async def exchange(request: TokenRequest, form: OAuth2PasswordRequestForm) -> dict[str, Any]:
    """Tokens for a user's name and password, or what stands in for it at the client.

    Unknown, disabled and passwordless users get the same answer as a wrong password, after the
    same time. Raises an :class:`~app.errors.OAuth2Error` or :class:`~app.errors.LoginRefused`.
    """
    targets, resources = await request.find_targets()
    target = targets.of(resources)
    requested = target.narrow(requested_scopes(request.form.get("scope", ""), request.client))
    keys = await find_signing_keys(request)
    context = LoginContext("token", request.origin, request.client.client_id)
    client_id = request.client.client_id
    appended = await request.divide(client_id, form.username, form.password, request.origin)
    proof = await request.authenticator.authenticate_at_client(
        form.username, appended.password if appended else form.password, context
    )
    account = proof.account
    try:
        scope = granted_scope(requested, proof.scopes)
    except InvalidScopeError:
        await note_failure(request, account.id, context.door, "no scope to grant")
        raise
    login = DirectLogin(
        user_id=account.id,
        security_stamp=account.security_stamp,
        door=context.door,
        scope=scope,
        requested=request.form.get("scope", ""),
        resources=resources,
        target=target,
        stand_in=proof.stand_in,
    )
    prove = await appended.show(account.id) if appended else by_password
    return await log_in_directly(request, keys, login, prove)


GRANT = password_grant(OAuth2PasswordRequestFormStrict)
"""With the form that insists on ``grant_type``."""

LAX = password_grant(OAuth2PasswordRequestForm)
"""With the form that does not."""
