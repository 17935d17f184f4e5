"""The resource owner password credentials grant: RFC 6749, section 4.3.

RFC 9700, section 2.4, says not to use it, and OAuth 2.1 leaves it out. It is for first-party
clients that cannot open a browser; a client gets it only if it was registered for it.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any

from fastapi import Depends, FastAPI
from fastapi.security import OAuth2PasswordRequestForm, OAuth2PasswordRequestFormStrict
from sqlalchemy.ext.asyncio import AsyncConnection

from app.audit.trail import Event, record
from app.errors import (
    AccessDeniedError,
    InvalidGrantError,
    InvalidRequestError,
    InvalidScopeError,
)
from app.identity.users import find_enabled_scopes
from app.login.authentication import LoginContext
from app.login.notices import LoggedIn
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.scope import granted_scope, requested_scopes
from app.oauth2.tokens import NewLogin, begin_login, find_signing_keys, user_tokens


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
    """Tokens for a user's name and password.

    Unknown, disabled and passwordless users get the same answer as a wrong password, after the
    same time. Raises an :class:`~app.errors.OAuth2Error` or :class:`~app.errors.LoginRefused`.
    """
    targets, resources = await request.find_targets()
    target = targets.of(resources)
    requested = target.narrow(requested_scopes(request.form.get("scope", ""), request.client))
    keys = await find_signing_keys(request)
    context = LoginContext("token", request.origin, request.client.client_id)
    account = await request.authenticator.authenticate(form.username, form.password, context)
    succeeded = Event(
        type="login.succeeded",
        actor=str(account.id),
        user_id=account.id,
        client_id=request.client.client_id,
        origin=request.origin,
        details={"door": context.door},
    )

    async def note_failure(reason: str) -> None:
        details = {"door": context.door, "reason": reason}
        failed = replace(succeeded, type="login.failed", actor=None, details=details)
        await request.database.transact(
            lambda connection: record(connection, request.clock.now(), failed)
        )

    try:
        scope = granted_scope(requested, account.scopes)
    except InvalidScopeError:
        await note_failure("no scope to grant")
        raise

    async def begin(connection: AsyncConnection) -> NewLogin:
        login = await begin_login(
            connection,
            request,
            account.id,
            scope,
            security_stamp=account.security_stamp,
            resources=resources,
            after=[succeeded],
        )
        # A user who lost a scope while the password was checked gets what is left next time.
        left = await find_enabled_scopes(connection, account.id)
        if not left.issuperset(scope.split()):
            raise InvalidGrantError(
                told="The user's permissions have just changed. Log in again.",
                reason="the user lost a scope in the meantime",
            )
        notice = LoggedIn(
            user_id=account.id,
            at=request.clock.now(),
            origin=request.origin,
            client_id=request.client.client_id,
        )
        await request.notify(connection, notice)
        return login

    try:
        login = await request.database.transact(begin)
    except AccessDeniedError as refusal:
        await note_failure(refusal.reason)
        raise
    more = await request.more_claims(account.id, scope)
    return user_tokens(
        request,
        keys,
        user_id=account.id,
        login_id=login.id,
        login_expires_at=login.expires_at,
        scope=scope,
        refresh_token=login.refresh_token,
        audience=target.audience,
        more=more,
    )


GRANT = password_grant(OAuth2PasswordRequestFormStrict)
"""With the form that insists on ``grant_type``."""

LAX = password_grant(OAuth2PasswordRequestForm)
"""With the form that does not."""
