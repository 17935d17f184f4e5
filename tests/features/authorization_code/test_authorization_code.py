"""The authorization code grant: RFC 6749, section 4.1.3; RFC 7636, section 4.6."""

import asyncio
from collections.abc import AsyncGenerator

import httpx2
import pytest
from fastapi import FastAPI
from sqlalchemy import select

from app.features.authorization_code.model import AuthorizationCode
from app.operations.purge import purge
from app.server import Server
from app.settings import Settings
from tests.conftest import make_settings
from tests.support.assertions import assert_bearer_error, assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import (
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    disable_user,
    other_secret,
)
from tests.support.flow import (
    CALLBACK,
    LOOPBACK,
    USER_SCOPES,
    VERIFIER,
    CodeFlow,
    Page,
    add_native_client,
    add_web_client,
    assert_logged_in,
    challenge_of,
    dump,
    open_browser,
    read_answer,
    submit,
)
from tests.support.lifecycle import (
    INACTIVE,
    KNOWN_EVERYWHERE,
    Tokens,
    disable_client,
    end,
    ended_at,
    introspected,
    is_active,
    refresh,
    refreshed,
    revoked,
    set_grants,
    take_from_client,
    take_from_user,
)

REFUSED = "The authorization code is invalid, expired, already used, or not for this request."
REFRESH_REFUSED = "The refresh token is expired, revoked or invalid."
USES = 24


@pytest.fixture
def changes() -> dict[str, object]:
    """The settings that a test changes."""
    return {}


@pytest.fixture
def settings(database_url: str, changes: dict[str, object]) -> Settings:
    return make_settings(database_url=database_url, **changes)


@pytest.fixture
async def alice(server: Server) -> TestUser:
    """A user with the scopes that the clients ask for."""
    return await add_user(server, scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    """A confidential client of the code flow."""
    return await add_web_client(server)


@pytest.fixture
def flow(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> CodeFlow:
    """Alice at the confidential client."""
    return CodeFlow(http, alice, shop)


@pytest.fixture
async def native_flow(http: httpx2.AsyncClient, alice: TestUser, server: Server) -> CodeFlow:
    """Alice at a public client on the loopback interface."""
    return CodeFlow(http, alice, await add_native_client(server), LOOPBACK)


@pytest.fixture
async def old_flow(http: httpx2.AsyncClient, alice: TestUser, server: Server) -> CodeFlow:
    """Alice at a confidential client that may do without PKCE."""
    return CodeFlow(http, alice, await add_web_client(server, "old", require_pkce=False))


@pytest.fixture
async def other_browser(
    app: FastAPI, http: httpx2.AsyncClient
) -> AsyncGenerator[httpx2.AsyncClient]:
    """A second browser, at the started application."""
    async with open_browser(app) as browser:
        yield browser


def assert_refused(response: httpx2.Response) -> None:
    assert_oauth2_error(response, "invalid_grant", 400, REFUSED)


async def assert_dead(flow: CodeFlow, *family: Tokens) -> None:
    """No token of any of these answers works, wherever it is presented."""
    for tokens in family:
        for method in ("GET", "POST"):
            response = await flow.browser.request(
                method, "/userinfo", headers=bearer(tokens["access_token"])
            )
            assert_bearer_error(response, "invalid_token", 401)
        assert await introspected(flow.browser, flow.client, tokens["access_token"]) == INACTIVE
        assert await introspected(flow.browser, flow.client, tokens["refresh_token"]) == INACTIVE
        response = await refresh(flow.browser, flow.client, tokens["refresh_token"])
        assert_oauth2_error(response, "invalid_grant", 400, REFRESH_REFUSED)


async def assert_alive(flow: CodeFlow, tokens: Tokens) -> None:
    response = await flow.browser.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert response.status_code == 200
    assert await is_active(flow.browser, flow.client, tokens["access_token"])
    assert await is_active(flow.browser, flow.client, tokens["refresh_token"])


# A code is exchanged for tokens


@pytest.mark.rfc("6749", "4.1.3", 1)
@pytest.mark.rfc("6749", "4.1.4", 1, 2)
@pytest.mark.rfc("openid-connect-core", "3.1.3.3", 1, 2)
async def test_a_code_is_exchanged_for_tokens(flow: CodeFlow) -> None:
    response = await flow.exchange(await flow.code())
    body = response.json()
    assert (response.status_code, body) == (
        200,
        {
            "access_token": body["access_token"],
            "token_type": "Bearer",
            "expires_in": 900,
            "scope": "openid profile",
            "refresh_token": body["refresh_token"],
            "id_token": body["id_token"],
        },
    )
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["pragma"] == "no-cache"
    await assert_alive(flow, body)


@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 5)
async def test_without_openid_there_is_no_id_token(flow: CodeFlow) -> None:
    assert "id_token" not in await flow.tokens(scope="profile")


@pytest.mark.rfc("6749", "4.1.4", 2)
async def test_a_client_that_may_not_refresh_gets_no_refresh_token(
    flow: CodeFlow, server: Server, shop: TestClient
) -> None:
    await set_grants(server, shop, "authorization_code")
    assert "refresh_token" not in await flow.tokens()


@pytest.mark.rfc("6749", "4.1.3", 4)
async def test_a_public_client_only_names_itself(native_flow: CodeFlow) -> None:
    assert (await native_flow.tokens())["scope"] == "openid profile"


async def test_a_client_may_use_basic(flow: CodeFlow, shop: TestClient) -> None:
    form = {
        "grant_type": "authorization_code",
        "code": await flow.code(),
        "redirect_uri": CALLBACK,
        "code_verifier": VERIFIER,
    }
    response = await flow.browser.post("/token", data=form, auth=shop.basic)
    assert response.status_code == 200


async def test_a_scope_parameter_has_no_meaning_for_a_code(flow: CodeFlow) -> None:
    response = await flow.exchange(await flow.code(), scope="email items:write")
    assert response.json()["scope"] == "openid profile"


@pytest.mark.rfc("7636", "4.1", 1)
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param("x" * 43, id="the_shortest"),
        pytest.param("x" * 128, id="the_longest"),
        pytest.param("-._~" * 11, id="every_sign"),
    ],
)
async def test_every_verifier_of_the_rfc_is_good(flow: CodeFlow, verifier: str) -> None:
    code = await flow.code(code_challenge=challenge_of(verifier))
    assert (await flow.exchange(code, code_verifier=verifier)).status_code == 200


@pytest.mark.rfc("7636", "4.2", 2)
@pytest.mark.rfc("7636", "4.6", 1)
@pytest.mark.rfc("8252", "6")
@pytest.mark.rfc("9700", "2.1", 3)
@pytest.mark.rfc("9700", "2.1.1", 6)
async def test_the_verifier_of_the_rfcs_example_is_good(flow: CodeFlow) -> None:
    """RFC 7636, appendix B."""
    code = await flow.code(code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert (await flow.exchange(code, code_verifier=verifier)).status_code == 200


# A code is not known


@pytest.mark.rfc("6749", "4.1.3", 7)
@pytest.mark.rfc("6749", "5.2", 6)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.3.4")
@pytest.mark.parametrize(
    "code",
    [
        pytest.param("x" * 43, id="another"),
        pytest.param("x", id="short"),
        pytest.param("x" * 8000, id="long"),
        pytest.param("\u00fc", id="not_ascii"),
    ],
)
async def test_an_unknown_code_is_refused(flow: CodeFlow, code: str) -> None:
    assert_refused(await flow.exchange(code))


@pytest.mark.rfc("6749", "4.1.3", 2)
@pytest.mark.rfc("openid-connect-core", "3.1.3.4")
@pytest.mark.parametrize("code", [None, ""], ids=["left_out", "empty"])
async def test_a_request_without_a_code_is_invalid(flow: CodeFlow, code: str | None) -> None:
    response = await flow.exchange(code)
    assert_oauth2_error(response, "invalid_request", 400, "The request needs a code.")


@pytest.mark.rfc("6749", "4.1.3", 7)
async def test_a_code_that_is_cut_is_refused(flow: CodeFlow) -> None:
    code = await flow.code()
    assert_refused(await flow.exchange(code[:-1]))
    assert (await flow.exchange(code)).status_code == 200


async def test_a_code_in_the_address_is_not_taken(flow: CodeFlow, shop: TestClient) -> None:
    code = await flow.code()
    response = await flow.browser.post(
        "/token",
        params={"code": code},
        data={"grant_type": "authorization_code", "code": code},
        auth=shop.basic,
    )
    description = "Credentials must be sent in the body, not in the address."
    assert_oauth2_error(response, "invalid_request", 400, description)


async def test_a_refresh_token_is_no_code(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    assert_refused(await flow.exchange(tokens["refresh_token"]))
    await assert_alive(flow, tokens)


@pytest.mark.rfc("6749", "4.1.3", 1)
async def test_a_code_is_no_refresh_token(flow: CodeFlow) -> None:
    code = await flow.code()
    response = await refresh(flow.browser, flow.client, code)
    assert_oauth2_error(response, "invalid_grant", 400, REFRESH_REFUSED)
    assert (await flow.exchange(code)).status_code == 200


# A code is used once


@pytest.mark.rfc("6749", "4.1.2", 3, 4)
@pytest.mark.rfc("6749", "10.5", 2)
@pytest.mark.rfc("9700", "4.2.4", 3, 4)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 3)
@pytest.mark.rfc("openid-connect-core", "16.9", 2)
async def test_a_second_use_is_refused_and_ends_what_the_first_issued(flow: CodeFlow) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    await assert_alive(flow, tokens)
    assert_refused(await flow.exchange(code))
    await assert_dead(flow, tokens)


@pytest.mark.rfc("6749", "4.1.2", 4)
@pytest.mark.rfc("6749", "10.5", 3)
@pytest.mark.rfc("9700", "4.2.4", 4)
async def test_a_second_use_ends_what_was_refreshed_meanwhile(flow: CodeFlow) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    successor = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert_refused(await flow.exchange(code))
    await assert_dead(flow, successor)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("code_verifier", "y" * 43),
        ("code_verifier", None),
        ("redirect_uri", "https://evil.example.com/"),
        ("redirect_uri", None),
    ],
    ids=["wrong_verifier", "no_verifier", "other_redirect_uri", "no_redirect_uri"],
)
async def test_a_second_use_ends_the_first_also_when_it_would_be_refused_anyway(
    flow: CodeFlow, name: str, value: str | None
) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    assert_refused(await flow.exchange(code, **{name: value}))
    await assert_dead(flow, tokens)


async def test_a_second_use_ends_the_first_although_the_clock_of_a_purge_was_ahead(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    clock.advance(20 * 60)
    assert (await purge(server))["authorization_codes"] == 0
    clock.advance(-20 * 60)
    assert_refused(await flow.exchange(code))
    await assert_dead(flow, tokens)


@pytest.mark.rfc("6749", "10.5", 3)
async def test_a_second_use_after_the_expiry_ends_the_first(
    flow: CodeFlow, clock: TestClock
) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    clock.advance(600)
    assert_refused(await flow.exchange(code))
    await assert_dead(flow, tokens)


async def test_a_third_use_is_refused_like_the_second(flow: CodeFlow) -> None:
    code = await flow.code()
    await flow.exchange(code)
    assert_refused(await flow.exchange(code))
    assert_refused(await flow.exchange(code))


async def test_a_second_use_ends_no_other_login_of_the_user(flow: CodeFlow) -> None:
    other = await flow.tokens()
    code = await flow.code()
    await flow.exchange(code)
    await flow.exchange(code)
    await assert_alive(flow, other)


async def test_a_second_use_leaves_the_browser_logged_in(flow: CodeFlow) -> None:
    code = await flow.code()
    await flow.exchange(code)
    await flow.exchange(code)
    await assert_logged_in(flow.browser)


async def test_a_second_use_says_when_the_login_ended(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    clock.advance(5)
    await flow.exchange(code)
    assert await ended_at(server, tokens) == clock.now()


async def test_a_second_use_after_a_logout_does_not_change_when_it_was(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    await end(server, tokens)
    ended = clock.now()
    clock.advance(5)
    assert_refused(await flow.exchange(code))
    assert await ended_at(server, tokens) == ended


async def test_a_second_use_after_the_tokens_were_revoked_is_refused(flow: CodeFlow) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    await revoked(flow.browser, flow.client, tokens["refresh_token"])
    assert_refused(await flow.exchange(code))
    await assert_dead(flow, tokens)


# Another client


@pytest.mark.rfc("6749", "4.1.2", 5)
@pytest.mark.rfc("6749", "4.1.3", 6)
@pytest.mark.rfc("6749", "10.5", 4)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 2)
@pytest.mark.rfc("openid-connect-core", "16.11")
async def test_another_client_cannot_use_a_code_and_it_stays_good(
    flow: CodeFlow, server: Server
) -> None:
    other = await add_web_client(server, "other")
    code = await flow.code()
    credentials = {"client_id": other.client_id, "client_secret": other.secret}
    assert_refused(await flow.exchange(code, **credentials))
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.rfc("6749", "4.1.3", 6)
async def test_a_public_client_cannot_use_the_code_of_another_one(
    native_flow: CodeFlow, server: Server
) -> None:
    await add_native_client(server, "other")
    code = await native_flow.code()
    assert_refused(await native_flow.exchange(code, client_id="other"))
    assert (await native_flow.exchange(code)).status_code == 200


async def test_another_client_ends_nothing_with_a_used_code(flow: CodeFlow, server: Server) -> None:
    other = await add_web_client(server, "other")
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    credentials = {"client_id": other.client_id, "client_secret": other.secret}
    assert_refused(await flow.exchange(code, **credentials))
    await assert_alive(flow, tokens)


@pytest.mark.rfc("6749", "3.2.1", 1)
@pytest.mark.rfc("6749", "4.1.3", 5)
@pytest.mark.rfc("6749", "10.5", 4)
@pytest.mark.rfc("openid-connect-core", "3.1.3.1", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 1)
@pytest.mark.parametrize(
    "secret", [None, "x" * 43, ""], ids=["no_secret", "wrong_secret", "empty_secret"]
)
async def test_a_confidential_client_must_prove_itself_and_the_code_stays_good(
    flow: CodeFlow, secret: str | None
) -> None:
    code = await flow.code()
    assert_oauth2_error(await flow.exchange(code, client_secret=secret), "invalid_client", 401)
    assert (await flow.exchange(code)).status_code == 200


async def test_a_failed_proof_with_a_used_code_ends_nothing(flow: CodeFlow) -> None:
    code = await flow.code()
    tokens = (await flow.exchange(code)).json()
    response = await flow.exchange(code, client_secret=other_secret())
    assert_oauth2_error(response, "invalid_client", 401)
    await assert_alive(flow, tokens)


@pytest.mark.rfc("6749", "3.2.1", 3)
@pytest.mark.rfc("6749", "4.1.3", 4)
async def test_a_code_without_any_client_is_refused(flow: CodeFlow) -> None:
    response = await flow.exchange(await flow.code(), client_id=None, client_secret=None)
    assert_oauth2_error(response, "invalid_client", 401)


async def test_a_client_that_may_not_use_the_grant_is_told_so(
    flow: CodeFlow, server: Server
) -> None:
    web = await add_client(server)
    credentials = {"client_id": web.client_id, "client_secret": web.secret}
    response = await flow.exchange(await flow.code(), **credentials)
    description = "This client may not use this grant type."
    assert_oauth2_error(response, "unauthorized_client", 400, description)


async def test_a_client_that_may_no_longer_use_the_grant_is_told_so(
    flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    code = await flow.code()
    await set_grants(server, shop, "refresh_token")
    clock.advance(KNOWN_EVERYWHERE)
    assert_oauth2_error(await flow.exchange(code), "unauthorized_client")


async def test_a_client_that_is_disabled_meanwhile_is_refused(
    flow: CodeFlow, server: Server, shop: TestClient, clock: TestClock
) -> None:
    code = await flow.code()
    await disable_client(server, shop)
    clock.advance(KNOWN_EVERYWHERE)
    assert_oauth2_error(await flow.exchange(code), "invalid_client", 401)


# The redirect URI


@pytest.mark.rfc("6749", "4.1.2", 6)
@pytest.mark.rfc("6749", "4.1.3", 3)
@pytest.mark.rfc("6749", "10.6", 1)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 4)
@pytest.mark.parametrize(
    "uri",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("https://shop.example.com/other", id="another_registered_one"),
        pytest.param(CALLBACK + "/", id="a_trailing_slash"),
        pytest.param(CALLBACK + "?", id="an_empty_query"),
        pytest.param("https://SHOP.example.com/callback", id="another_case"),
        pytest.param("https%3A%2F%2Fshop.example.com%2Fcallback", id="encoded"),
    ],
)
async def test_another_redirect_uri_is_refused_and_uses_the_code_up(
    http: httpx2.AsyncClient, alice: TestUser, server: Server, uri: str | None
) -> None:
    uris = [CALLBACK, "https://shop.example.com/other"]
    flow = CodeFlow(http, alice, await add_web_client(server, redirect_uris=uris))
    code = await flow.code()
    assert_refused(await flow.exchange(code, redirect_uri=uri))
    assert_refused(await flow.exchange(code))


@pytest.mark.rfc("6749", "10.6", 1)
async def test_another_port_than_in_the_request_is_refused(native_flow: CodeFlow) -> None:
    native_flow.redirect_uri = "http://127.0.0.1:51004/callback"
    code = await native_flow.code()
    other = "http://127.0.0.1:51005/callback"
    assert_refused(await native_flow.exchange(code, redirect_uri=other))


@pytest.mark.rfc("6749", "4.1.3", 3)
@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 6)
async def test_a_redirect_uri_that_was_not_in_the_request_is_not_needed(flow: CodeFlow) -> None:
    code = await flow.code(redirect_uri=None, scope="profile")
    assert (await flow.exchange(code, redirect_uri=None)).status_code == 200


async def test_the_only_redirect_uri_may_be_named_although_it_was_not_in_the_request(
    flow: CodeFlow,
) -> None:
    code = await flow.code(redirect_uri=None, scope="profile")
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.rfc("6749", "4.1.3", 3)
async def test_no_other_may_be_named_where_the_request_had_none(flow: CodeFlow) -> None:
    code = await flow.code(redirect_uri=None, scope="profile")
    assert_refused(await flow.exchange(code, redirect_uri="https://evil.example.com/"))


# The verifier: RFC 7636


@pytest.mark.rfc("7636", "4.4", 1)
@pytest.mark.rfc("7636", "4.6", 2)
@pytest.mark.rfc("9700", "2.1.1", 7)
@pytest.mark.rfc("9700", "4.5.2")
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param(None, id="missing"),
        pytest.param("", id="empty"),
        pytest.param("y" * 43, id="wrong"),
        pytest.param(VERIFIER[:-1] + "E", id="another_last_character"),
        pytest.param(VERIFIER.upper(), id="another_case"),
        pytest.param(VERIFIER + " ", id="a_space_more"),
        pytest.param(VERIFIER + "\n", id="a_newline_more"),
        pytest.param(challenge_of(VERIFIER), id="the_challenge_itself"),
    ],
)
async def test_a_wrong_verifier_is_refused_and_uses_the_code_up(
    flow: CodeFlow, verifier: str | None
) -> None:
    code = await flow.code()
    assert_refused(await flow.exchange(code, code_verifier=verifier))
    assert_refused(await flow.exchange(code))


@pytest.mark.rfc("7636", "4.5")
@pytest.mark.rfc("8252", "8.1", 1)
@pytest.mark.rfc("9700", "2.1.1", 1)
@pytest.mark.parametrize("verifier", [None, "y" * 43], ids=["missing", "wrong"])
async def test_a_public_client_needs_its_verifier(
    native_flow: CodeFlow, verifier: str | None
) -> None:
    code = await native_flow.code()
    assert_refused(await native_flow.exchange(code, code_verifier=verifier))


@pytest.mark.rfc("7636", "4.1", 1)
@pytest.mark.parametrize(
    "verifier",
    [
        pytest.param("x" * 42, id="too_short"),
        pytest.param("x" * 129, id="too_long"),
        pytest.param("x" * 42 + "+", id="a_plus"),
        pytest.param("x" * 42 + "/", id="a_slash"),
        pytest.param("x" * 43 + "=", id="padding"),
        pytest.param("x" * 42 + " ", id="a_space"),
        pytest.param("x" * 43 + "\n", id="a_newline"),
        pytest.param("\u00e9" * 43, id="not_ascii"),
    ],
)
async def test_a_malformed_verifier_is_refused_although_its_challenge_fits(
    flow: CodeFlow, verifier: str
) -> None:
    code = await flow.code(code_challenge=challenge_of(verifier))
    assert_refused(await flow.exchange(code, code_verifier=verifier))


@pytest.mark.rfc("7636", "4.6", 1)
async def test_a_challenge_is_never_compared_as_plain(flow: CodeFlow) -> None:
    code = await flow.code(code_challenge="p" * 43)
    assert_refused(await flow.exchange(code, code_verifier="p" * 43))


@pytest.mark.rfc("7636", "5")
async def test_a_client_that_opted_out_needs_no_verifier(old_flow: CodeFlow) -> None:
    code = await old_flow.code(code_challenge=None, code_challenge_method=None)
    assert (await old_flow.exchange(code, code_verifier=None)).status_code == 200


@pytest.mark.rfc("9700", "2.1.1", 8)
@pytest.mark.rfc("9700", "4.8.2", 2)
async def test_a_verifier_for_a_code_without_a_challenge_is_refused(old_flow: CodeFlow) -> None:
    """RFC 9700, section 4.8.2: somebody took the challenge out of the request."""
    code = await old_flow.code(code_challenge=None, code_challenge_method=None)
    assert_refused(await old_flow.exchange(code))
    assert_refused(await old_flow.exchange(code, code_verifier=None))


@pytest.mark.rfc("7636", "4.5")
@pytest.mark.rfc("9700", "2.1.1", 7)
@pytest.mark.rfc("9700", "4.8.2", 1)
@pytest.mark.parametrize("verifier", [None, "y" * 43], ids=["missing", "wrong"])
async def test_a_client_that_opted_out_and_sent_a_challenge_needs_its_verifier(
    old_flow: CodeFlow, verifier: str | None
) -> None:
    code = await old_flow.code()
    assert_refused(await old_flow.exchange(code, code_verifier=verifier))


# Time


@pytest.mark.rfc("6749", "4.1.2", 2)
async def test_a_code_is_good_for_a_minute(flow: CodeFlow, clock: TestClock) -> None:
    code = await flow.code()
    clock.advance(59)
    assert (await flow.exchange(code)).status_code == 200


@pytest.mark.rfc("6749", "4.1.2", 1)
@pytest.mark.rfc("6749", "10.5", 2)
@pytest.mark.rfc("openid-connect-core", "16.9", 1)
async def test_a_code_is_refused_after_a_minute(flow: CodeFlow, clock: TestClock) -> None:
    code = await flow.code()
    clock.advance(60)
    assert_refused(await flow.exchange(code))


async def test_a_clock_that_is_set_back_revives_no_code_that_was_refused(
    flow: CodeFlow, clock: TestClock
) -> None:
    code = await flow.code()
    clock.advance(60)
    await flow.exchange(code)
    clock.advance(-60)
    assert_refused(await flow.exchange(code))


@pytest.mark.rfc("6749", "4.1.2", 2)
@pytest.mark.parametrize("changes", [{"authorization_code_ttl": 5}], ids=["5_seconds"])
async def test_the_lifetime_of_a_code_can_be_set(flow: CodeFlow, clock: TestClock) -> None:
    first, second = await flow.code(), await flow.code()
    clock.advance(4)
    assert (await flow.exchange(first)).status_code == 200
    clock.advance(1)
    assert_refused(await flow.exchange(second))


# What happened since the code was issued


async def test_a_user_who_is_disabled_meanwhile_gets_no_tokens(
    flow: CodeFlow, server: Server
) -> None:
    code = await flow.code()
    await disable_user(server, flow.user)
    assert_refused(await flow.exchange(code))


async def test_a_user_who_logged_out_meanwhile_gets_no_tokens(flow: CodeFlow) -> None:
    code = await flow.code()
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    assert_refused(await flow.exchange(code))


async def test_a_user_who_logged_out_gets_no_tokens_with_offline_access_either(
    flow: CodeFlow,
) -> None:
    code = await flow.code(scope="openid offline_access")
    await submit(flow.browser, Page(await flow.browser.get("/logout")).form)
    assert_refused(await flow.exchange(code))


async def test_a_password_that_is_changed_elsewhere_meanwhile_ends_the_code(
    flow: CodeFlow, other_browser: httpx2.AsyncClient
) -> None:
    code = await flow.code()
    other = CodeFlow(other_browser, flow.user, flow.client)
    await other.finish()
    form = Page(await other_browser.get("/account")).form_with(action="password")
    new = {"current_password": flow.user.password, "new_password": "another long password"}
    assert (await submit(other_browser, form, new)).status_code == 303
    assert_refused(await flow.exchange(code))


async def test_a_scope_that_the_user_lost_meanwhile_is_left_out(
    flow: CodeFlow, server: Server
) -> None:
    code = await flow.code(scope="profile email")
    await take_from_user(server, flow.user, "email")
    assert (await flow.exchange(code)).json()["scope"] == "profile"


async def test_a_scope_that_the_client_lost_meanwhile_is_left_out(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    code = await flow.code(scope="profile email")
    await take_from_client(server, flow.client, "email")
    clock.advance(KNOWN_EVERYWHERE)
    assert (await flow.exchange(code)).json()["scope"] == "profile"


@pytest.mark.rfc("openid-connect-core", "3.1.3.2", 5)
async def test_an_openid_that_was_lost_meanwhile_brings_no_id_token(
    flow: CodeFlow, server: Server
) -> None:
    code = await flow.code()
    await take_from_user(server, flow.user, "openid")
    body = (await flow.exchange(code)).json()
    assert (body["scope"], "id_token" in body) == ("profile", False)


async def test_a_user_who_lost_every_scope_meanwhile_gets_no_tokens(
    flow: CodeFlow, server: Server
) -> None:
    code = await flow.code()
    await take_from_user(server, flow.user, *USER_SCOPES)
    assert_refused(await flow.exchange(code))


async def test_a_session_that_is_renewed_keeps_the_logins_of_the_same_user(
    flow: CodeFlow, clock: TestClock
) -> None:
    """To type the password again for another application is no logout."""
    tokens = await flow.tokens()
    clock.advance(1)
    await flow.log_in(await flow.login_page(prompt="login"))
    await assert_alive(flow, tokens)


# Many at once


@pytest.mark.rfc("6749", "4.1.2", 3)
async def test_of_many_simultaneous_uses_exactly_one_succeeds_and_its_tokens_are_dead(
    flow: CodeFlow,
) -> None:
    code = await flow.code()
    responses = await asyncio.gather(*(flow.exchange(code) for _ in range(USES)))
    granted = [response for response in responses if response.status_code == 200]
    refused = [response for response in responses if response.status_code != 200]
    assert (len(granted), len(refused)) == (1, USES - 1)
    for response in refused:
        assert_refused(response)
    await assert_dead(flow, granted[0].json())


async def test_of_many_simultaneous_uses_with_one_right_verifier_at_most_one_succeeds(
    flow: CodeFlow,
) -> None:
    code = await flow.code()
    verifiers = ["y" * 43] * (USES // 2) + [VERIFIER] + ["y" * 43] * (USES // 2)
    responses = await asyncio.gather(
        *(flow.exchange(code, code_verifier=verifier) for verifier in verifiers)
    )
    for verifier, response in zip(verifiers, responses, strict=True):
        if verifier != VERIFIER or response.status_code != 200:
            assert_refused(response)
        else:
            await assert_dead(flow, response.json())


async def test_simultaneous_uses_of_many_codes_all_succeed(flow: CodeFlow) -> None:
    codes = [await flow.code() for _ in range(USES)]
    responses = await asyncio.gather(*(flow.exchange(code) for code in codes))
    assert [response.status_code for response in responses] == [200] * USES
    tokens = {response.json()["refresh_token"] for response in responses}
    assert len(tokens) == USES


# What is stored


async def test_the_database_holds_no_code_and_no_token_only_hashes(
    flow: CodeFlow, server: Server
) -> None:
    unused, used = await flow.code(), await flow.code()
    tokens = (await flow.exchange(used)).json()
    rows = await dump(server)
    async with server.database.read() as connection:
        stored = list(await connection.scalars(select(AuthorizationCode.code_hash)))
    assert [len(value) for value in stored] == [64, 64]
    assert stored[0] in rows
    issued = [tokens[name] for name in ("access_token", "refresh_token", "id_token")]
    for secret in (unused, used, VERIFIER, flow.client.secret, *issued):
        assert secret not in rows


@pytest.mark.rfc("7636", "4.4", 2)
async def test_a_code_says_nothing_about_its_user(flow: CodeFlow) -> None:
    answer = read_answer(await flow.finish())
    assert set(answer) == {"code", "iss", "state"}
    assert str(flow.user.id) not in answer["code"]
