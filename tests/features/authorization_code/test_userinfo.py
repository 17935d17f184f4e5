"""The UserInfo endpoint: OpenID Connect Core 1.0, sections 5.3 and 5.4."""

import httpx2
import pytest

from app.server import Server
from tests.support.assertions import (
    assert_bearer_error,
    assert_no_token_sent,
    assert_problem,
)
from tests.support.clock import TestClock
from tests.support.factories import (
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    disable_user,
    log_in,
)
from tests.support.flow import FORM, USER_SCOPES, CodeFlow
from tests.support.forger import read_claims
from tests.support.lifecycle import (
    add_service,
    delete_user,
    end,
    own_token,
    take_from_user,
)
from tests.support.on_sqlite import backend as backend

USERINFO = "/userinfo"

METHODS = pytest.mark.parametrize("method", ["GET", "POST"])


@pytest.fixture
async def app_client(server: Server) -> TestClient:
    """A client that gets tokens without a browser, for what does not depend on the flow."""
    return await add_client(server, "app", scopes=USER_SCOPES)


async def token_for(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, scope: str = "openid"
) -> str:
    token: str = (await log_in(http, user, client, scope))["access_token"]
    return token


async def ask(http: httpx2.AsyncClient, token: str, method: str = "GET") -> httpx2.Response:
    return await http.request(method, USERINFO, headers=bearer(token))


# Claims by scope


@pytest.mark.rfc("openid-connect-core", "5.3", 2, 3)
@pytest.mark.rfc("openid-connect-core", "5.3.1")
@pytest.mark.rfc("openid-connect-core", "5.3.2", 3, 5)
@pytest.mark.rfc("openid-connect-core", "5.4", 1)
@pytest.mark.parametrize(
    ("scope", "claims"),
    [
        pytest.param("openid", set(), id="openid"),
        pytest.param("openid profile", {"name", "preferred_username", "updated_at"}, id="profile"),
        pytest.param("openid email", {"email", "email_verified"}, id="email"),
        pytest.param(
            "openid email profile offline_access items:read",
            {"name", "preferred_username", "updated_at", "email", "email_verified"},
            id="all",
        ),
    ],
)
async def test_the_scopes_decide_which_claims_there_are(
    http: httpx2.AsyncClient,
    alice: TestUser,
    app_client: TestClient,
    scope: str,
    claims: set[str],
) -> None:
    token = await token_for(http, alice, app_client, scope)
    for method in ("GET", "POST"):
        response = await ask(http, token, method)
        assert (response.status_code, set(response.json())) == (200, {"sub", *claims})


@pytest.mark.rfc("openid-connect-core", "5.3.2", 2)
@pytest.mark.rfc("openid-connect-core", "13.3", 2)
async def test_a_claim_without_a_value_is_left_out(
    http: httpx2.AsyncClient, server: Server, app_client: TestClient
) -> None:
    bob = await add_user(server, "bob", scopes=USER_SCOPES, email=None)
    token = await token_for(http, bob, app_client, "openid profile email")
    claims = (await ask(http, token)).json()
    assert (claims["sub"], claims["preferred_username"]) == (str(bob.id), "bob")
    assert not claims.keys() & {"email", "email_verified"}


@pytest.mark.rfc("openid-connect-core", "5.1", 5)
async def test_a_verified_address_is_said_to_be_verified(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client, "openid email")
    assert (await ask(http, token)).json()["email_verified"] is True


@pytest.mark.rfc("openid-connect-core", "5.3.2", 6)
async def test_the_name_is_as_the_user_writes_it(
    http: httpx2.AsyncClient, server: Server, app_client: TestClient
) -> None:
    user = await add_user(server, "Zo\u00eb \u00dcnl\u00fc", scopes=USER_SCOPES)
    token = await token_for(http, user, app_client, "openid profile")
    assert (await ask(http, token)).json()["preferred_username"] == "Zo\u00eb \u00dcnl\u00fc"


@pytest.mark.rfc("openid-connect-core", "5.3.2", 1)
async def test_the_subject_is_that_of_the_id_token(flow: CodeFlow) -> None:
    tokens = await flow.tokens()
    subject = read_claims(tokens["id_token"])["sub"]
    assert (await ask(flow.browser, tokens["access_token"])).json()["sub"] == subject


@pytest.mark.rfc("openid-connect-core", "5.3.2", 7)
async def test_a_claim_goes_with_the_scope_that_the_user_loses(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client, "openid profile email")
    await take_from_user(server, alice, "email")
    claims = (await ask(http, token)).json()
    assert (claims["sub"], claims["preferred_username"]) == (str(alice.id), "alice")
    assert not claims.keys() & {"email", "email_verified"}


# How the token comes


@pytest.mark.rfc("6750", "2.2", 1, 5)
@pytest.mark.rfc("openid-connect-core", "5.3", 3)
async def test_the_token_may_come_in_a_form(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    response = await http.post(USERINFO, data={"access_token": token})
    assert (response.status_code, response.json()) == (200, {"sub": str(alice.id)})


@pytest.mark.rfc("6750", "2.2", 6)
async def test_the_token_may_come_in_the_header_beside_another_form(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    response = await http.post(USERINFO, data={"schema": "openid"}, headers=bearer(token))
    assert response.status_code == 200


@pytest.mark.rfc("6750", "2")
@pytest.mark.rfc("6750", "3.1", 1)
async def test_a_token_in_the_header_and_in_the_form_is_an_error(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    response = await http.post(USERINFO, data={"access_token": token}, headers=bearer(token))
    assert_bearer_error(response, "invalid_request", 400)


@pytest.mark.rfc("6750", "3.1", 1)
async def test_a_token_that_comes_twice_in_the_form_is_an_error(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    body = f"access_token={token}&access_token={token}"
    response = await http.post(USERINFO, content=body, headers=FORM)
    assert_bearer_error(response, "invalid_request", 400)


@pytest.mark.rfc("6750", "2.2", 2)
@pytest.mark.parametrize(
    "body", [b"access_token=%00", b"access_token=%ff"], ids=["nul", "no_utf_8"]
)
async def test_a_form_that_cannot_be_read_is_an_error(
    http: httpx2.AsyncClient, body: bytes
) -> None:
    response = await http.post(USERINFO, content=body, headers=FORM)
    assert_bearer_error(response, "invalid_request", 400)


@pytest.mark.rfc("6750", "2.3", 1)
@pytest.mark.rfc("9700", "4.3.2")
@METHODS
async def test_a_token_in_the_address_is_not_looked_at(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient, method: str
) -> None:
    token = await token_for(http, alice, app_client)
    response = await http.request(method, USERINFO, params={"access_token": token})
    assert_no_token_sent(response)


@pytest.mark.rfc("6750", "2.2", 3)
async def test_a_token_in_the_body_of_a_get_is_not_looked_at(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    response = await http.request("GET", USERINFO, content=f"access_token={token}", headers=FORM)
    assert_no_token_sent(response)


@pytest.mark.rfc("6750", "2.2", 2)
async def test_a_token_in_a_json_body_is_not_looked_at(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    assert_no_token_sent(await http.post(USERINFO, json={"access_token": token}))


@pytest.mark.rfc("openid-connect-core", "5.3.3")
@METHODS
async def test_without_a_token_nothing_is_said_to_be_wrong(
    http: httpx2.AsyncClient, method: str
) -> None:
    assert_no_token_sent(await http.request(method, USERINFO))


async def test_an_empty_form_has_no_token(http: httpx2.AsyncClient) -> None:
    assert_no_token_sent(await http.post(USERINFO, data={"access_token": ""}))


@METHODS
async def test_a_cookie_is_no_token(flow: CodeFlow, method: str) -> None:
    await flow.finish()
    assert_no_token_sent(await flow.browser.request(method, USERINFO))


# What is refused


@pytest.mark.rfc("openid-connect-core", "5.3.3")
@METHODS
async def test_a_bad_token_is_refused(http: httpx2.AsyncClient, method: str) -> None:
    assert_bearer_error(await ask(http, "bad", method), "invalid_token", 401)


@pytest.mark.parametrize("token", ["bad", "a b", "\u00fc"], ids=["short", "words", "not_ascii"])
async def test_a_bad_token_in_a_form_is_refused(http: httpx2.AsyncClient, token: str) -> None:
    response = await http.post(USERINFO, data={"access_token": token})
    assert_bearer_error(response, "invalid_token", 401)


async def test_an_expired_token_is_refused(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient, clock: TestClock
) -> None:
    token = await token_for(http, alice, app_client)
    clock.advance(900)
    assert_bearer_error(await ask(http, token), "invalid_token", 401)


@pytest.mark.rfc("openid-connect-core", "5.3.3")
@METHODS
async def test_a_token_without_openid_does_not_reach_here(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient, method: str
) -> None:
    token = await token_for(http, alice, app_client, "profile email")
    response = await ask(http, token, method)
    assert_bearer_error(response, "insufficient_scope", 403, scope="openid")


@METHODS
async def test_a_clients_own_token_does_not_reach_here(
    http: httpx2.AsyncClient, server: Server, method: str
) -> None:
    token = await own_token(http, await add_service(server))
    response = await ask(http, token, method)
    assert_bearer_error(response, "insufficient_scope", 403, scope="openid")


async def test_a_clients_own_token_does_not_reach_here_in_a_form(
    http: httpx2.AsyncClient, server: Server
) -> None:
    token = await own_token(http, await add_service(server))
    response = await http.post(USERINFO, data={"access_token": token})
    assert_bearer_error(response, "insufficient_scope", 403, scope="openid")


async def test_a_user_who_loses_openid_does_not_reach_here(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    await take_from_user(server, alice, "openid")
    response = await ask(http, token)
    assert_bearer_error(response, "insufficient_scope", 403, scope="openid")


@METHODS
async def test_the_token_of_a_login_that_has_ended_is_refused(
    flow: CodeFlow, server: Server, method: str
) -> None:
    tokens = await flow.tokens()
    await end(server, tokens)
    response = await ask(flow.browser, tokens["access_token"], method)
    assert_bearer_error(response, "invalid_token", 401)


async def test_the_token_of_a_disabled_user_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    await disable_user(server, alice)
    assert_bearer_error(await ask(http, token), "invalid_token", 401)


async def test_the_token_of_a_deleted_user_is_refused(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, app_client: TestClient
) -> None:
    token = await token_for(http, alice, app_client)
    await delete_user(server, alice)
    assert_bearer_error(await ask(http, token), "invalid_token", 401)


# How it is sent


@pytest.mark.rfc("openid-connect-core", "5.3.2", 3)
@METHODS
async def test_no_answer_is_stored(
    http: httpx2.AsyncClient, alice: TestUser, app_client: TestClient, method: str
) -> None:
    good = await ask(http, await token_for(http, alice, app_client), method)
    bad = await ask(http, "bad", method)
    assert (good.status_code, bad.status_code) == (200, 401)
    assert good.headers["content-type"] == "application/json"
    assert_problem(bad, 401)
    for response in (good, bad):
        assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
async def test_another_method_is_not_answered(http: httpx2.AsyncClient, method: str) -> None:
    assert (await http.request(method, USERINFO)).status_code == 405
