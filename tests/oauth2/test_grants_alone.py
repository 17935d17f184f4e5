"""Grants with nothing around them: no application, no worker, no HTTP."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta

import pytest

from app.audit.batch import AuditBatch
from app.audit.trail import Origin
from app.database.engines import Database
from app.errors import InvalidGrantError, InvalidScopeError, UnauthorizedClientError
from app.identity.clients import RegisteredClient
from app.login.authentication import Authenticator
from app.login.throttle import LoginThrottle
from app.oauth2.grant import Grant, TokenRequest
from app.oauth2.grants import client_credentials, refresh_token, supported_grants
from app.security.encryption import Encryption
from app.security.passwords import PasswordHasher
from app.settings import Settings
from app.tokens.access_tokens import AccessTokens
from app.tokens.id_tokens import IdTokens
from app.tokens.key_rotation import ensure_signing_key
from app.tokens.keys import KeyRing
from app.tokens.refreshes import Refreshes
from tests.conftest import make_settings
from tests.support.clock import TestClock

SERVICE = RegisteredClient(
    client_id="service",
    name="A service",
    is_public=False,
    grant_types=frozenset({"client_credentials", "refresh_token"}),
    auth_methods=frozenset({"client_secret_basic"}),
    scopes=frozenset({"items:read", "profile"}),
    default_scopes=("items:read", "profile"),
    redirect_uris=(),
    post_logout_redirect_uris=(),
    id_token_alg="RS256",
    id_token_claims=False,
    require_pkce=True,
    introspect="own",
    enabled=True,
    self_registered=False,
    security_stamp="a stamp",
    secrets=(),
)


@pytest.fixture
async def request_of_service(settings: Settings) -> AsyncGenerator[TokenRequest]:
    clock, database = TestClock(), Database(settings.database_url)
    encryption = Encryption(settings.secret_keys)
    await ensure_signing_key(database, encryption, settings.access_token_alg, clock)
    keys = KeyRing(database, encryption, clock)
    passwords = PasswordHasher(8, 1, 1, 1)
    batch = AuditBatch(database)
    yield TokenRequest(
        grant_type="client_credentials",
        form={},
        client=SERVICE,
        origin=Origin(None, None),
        settings=settings,
        clock=clock,
        database=database,
        authenticator=Authenticator(database, passwords, LoginThrottle(settings, database), clock),
        access_tokens=AccessTokens(settings, keys, clock),
        id_tokens=IdTokens(settings, database, encryption, keys, clock),
        refreshes=Refreshes(database, timedelta(0)),
        audit_batch=batch,
    )
    passwords.close()
    await batch.close()
    await database.close()


async def test_client_credentials_are_exchanged_for_what_does_not_speak_of_a_user(
    request_of_service: TokenRequest,
) -> None:
    answer = await client_credentials.exchange(request_of_service)
    token = await request_of_service.access_tokens.verify(answer.pop("access_token"))
    assert (token.subject, token.client_id, token.scopes) == (
        "service",
        "service",
        frozenset({"items:read"}),
    )
    assert answer == {"token_type": "Bearer", "expires_in": 900, "scope": "items:read"}


async def test_client_credentials_are_refused_to_a_public_client(
    request_of_service: TokenRequest,
) -> None:
    public = replace(request_of_service, client=replace(SERVICE, is_public=True))
    with pytest.raises(UnauthorizedClientError):
        await client_credentials.exchange(public)


async def test_client_credentials_are_refused_for_a_scope_that_the_client_does_not_have(
    request_of_service: TokenRequest,
) -> None:
    asking = replace(request_of_service, form={"scope": "items:write"})
    with pytest.raises(InvalidScopeError) as refused:
        await client_credentials.exchange(asking)
    assert refused.value.reason == "a scope is not allowed to this client"


@pytest.mark.rfc("6749", "5.2", 6)
async def test_an_unknown_refresh_token_is_refused(request_of_service: TokenRequest) -> None:
    refreshing = replace(
        request_of_service, grant_type="refresh_token", form={"refresh_token": "unknown"}
    )
    with pytest.raises(InvalidGrantError) as refused:
        await refresh_token.exchange(refreshing)
    assert refused.value.told == "The refresh token is expired, revoked or invalid."
    assert refused.value.reason == "unknown refresh token"


@pytest.mark.parametrize("goes_with", ["", "urn:acme:missing"])
def test_a_grant_that_no_client_can_be_registered_for_stops_the_server(goes_with: str) -> None:
    grant = Grant("urn:acme:forgotten", {}, client_credentials.exchange, goes_with)
    with pytest.raises(ValueError, match=f"{goes_with or grant.grant_type}: its feature has to"):
        supported_grants(make_settings(), [grant])


def test_the_posture_oauth21_drops_what_goes_with_the_password_grant() -> None:
    grant = Grant("urn:acme:ticket", {}, client_credentials.exchange, goes_with="password")
    assert grant.grant_type in supported_grants(make_settings(), [grant])
    assert grant.grant_type not in supported_grants(make_settings(posture="oauth21"), [grant])
