"""Resource indicators: RFC 8707. What a client asks tokens for decides their ``aud``.

Each test has a client of its own, so all share one application per database.
"""

import uuid
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.features.resources.records import find_resource
from app.features.resources.service import change_resource
from app.management.authority import operating
from app.server import Server
from tests.conftest import ISSUER
from tests.features.resources.managed import (
    add_resource,
    assert_invalid_target,
    audience,
    change,
    delete,
    refresh,
)
from tests.support.assertions import assert_bearer_error, assert_oauth2_error
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer
from tests.support.flow import (
    CALLBACK,
    USER_SCOPES,
    CodeFlow,
    Page,
    add_web_client,
    assert_asks_to_allow,
    assert_error_answer,
    assert_error_page,
    open_browser,
    read_answer,
)
from tests.support.forger import read_claims
from tests.support.lifecycle import Tokens, introspected, is_active, revoked
from tests.support.meanwhile import Meanwhile
from tests.support.started import app, clock, http, server, settings

__all__ = ["app", "clock", "http", "server", "settings"]

NOT_ALLOWED = "A requested resource is unknown or not allowed for this client."
NOT_GRANTED = "A requested resource was not granted at login."


@pytest.fixture
async def alice(server: Server) -> TestUser:
    return await add_user(server, f"alice {uuid.uuid4()}", scopes=USER_SCOPES)


@pytest.fixture
async def shop(server: Server) -> TestClient:
    grants = ("password", "authorization_code", "refresh_token")
    return await add_web_client(server, f"shop-{uuid.uuid4()}", grant_types=grants)


@pytest.fixture
async def orders(server: Server, shop: TestClient) -> str:
    """A resource of the shop that understands one scope."""
    uri = f"https://api.example.com/orders/{uuid.uuid4()}"
    await add_resource(server, uri, name="Orders", scopes=["items:read"], clients=[shop.client_id])
    return uri


@pytest.fixture
async def billing(server: Server, shop: TestClient, orders: str) -> str:
    """Another one, that understands another."""
    uri = f"https://api.example.com/billing/{uuid.uuid4()}"
    await add_resource(server, uri, scopes=["items:write"], clients=[shop.client_id])
    return uri


@pytest.fixture
def flow(app: FastAPI, alice: TestUser, shop: TestClient) -> CodeFlow:
    return CodeFlow(open_browser(app), alice, shop, scope="openid items:read items:write")


async def log_in(
    http: httpx2.AsyncClient, user: TestUser, client: TestClient, *resources: str, **more: str
) -> httpx2.Response:
    form: dict[str, Any] = {
        "grant_type": "password",
        "username": user.username,
        "password": user.password,
        "scope": "profile items:read items:write",
        "resource": list(resources),
        "client_id": client.client_id,
        "client_secret": client.secret,
    }
    return await http.post("/token", data=form | more)


@pytest.mark.rfc("8707", "2", 6)
@pytest.mark.rfc("8707", "2.2", 3)
@pytest.mark.rfc("9068", "2.2.3", 2)
@pytest.mark.rfc("9068", "3", 1)
@pytest.mark.rfc("9068", "5", 3)
@pytest.mark.rfc("9700", "2.3", 2)
@pytest.mark.rfc("9728", "7.4")
async def test_a_token_for_a_resource_is_for_it_alone_and_has_the_scopes_that_it_understands(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    response = await log_in(http, alice, shop, orders)
    answer = response.json()
    assert (response.status_code, answer["scope"]) == (200, "profile items:read")
    claims = read_claims(answer["access_token"])
    assert (claims["aud"], claims["scope"]) == (orders, "profile items:read")


@pytest.mark.rfc("8707", "2.1", 3)
async def test_without_a_resource_a_token_is_as_it_ever_was(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer = (await log_in(http, alice, shop)).json()
    assert (audience(answer), answer["scope"]) == (ISSUER, "profile items:read items:write")


@pytest.mark.rfc("8707", "2", 3)
async def test_a_resource_may_be_repeated(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str, billing: str
) -> None:
    answer = (await log_in(http, alice, shop, orders, billing)).json()
    assert audience(answer) == [orders, billing]
    assert answer["scope"] == "profile items:read items:write"


async def test_another_spelling_of_the_same_uri_is_the_same_resource(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient
) -> None:
    host = f"api-{uuid.uuid4()}.example"
    await add_resource(server, f"https://{host}", clients=[shop.client_id])
    for spelling in (f"https://{host}/", f"HTTPS://{host.upper()}:443"):
        assert audience((await log_in(http, alice, shop, spelling)).json()) == f"https://{host}"
    assert_invalid_target(await log_in(http, alice, shop, f"https://{host}//"), NOT_ALLOWED)


@pytest.mark.rfc("8707", "2", 4)
@pytest.mark.parametrize(
    "name", ["https://other.example", "https://api.example.com/orders", "orders", "https://a#b"]
)
async def test_a_client_with_resources_is_refused_another_one(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str, name: str
) -> None:
    assert_invalid_target(await log_in(http, alice, shop, orders, name), NOT_ALLOWED)


async def test_a_client_without_resources_may_name_what_it_likes_and_nothing_changes(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient
) -> None:
    answer = (await log_in(http, alice, shop, "https://other.example", "no uri")).json()
    assert (audience(answer), answer["scope"]) == (ISSUER, "profile items:read items:write")


async def test_this_server_can_be_named_beside_a_resource(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer = (await log_in(http, alice, shop, orders, f"{ISSUER}/")).json()
    assert audience(answer) == [orders, ISSUER]
    me = await http.get("/users/me", headers=bearer(answer["access_token"]))
    assert me.status_code == 200


@pytest.mark.rfc("8707", "3", 1)
async def test_a_token_for_a_resource_opens_nothing_here(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer = (await log_in(http, alice, shop, orders)).json()
    response = await http.get("/users/me", headers=bearer(answer["access_token"]))
    assert_bearer_error(response, "invalid_token", 401)


@pytest.mark.rfc("8707", "2.2", 3)
async def test_a_resource_that_understands_none_of_the_scopes_is_invalid_scope(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    response = await log_in(http, alice, shop, orders, scope="items:write")
    assert_oauth2_error(response, "invalid_scope", 400)


@pytest.mark.rfc("8707", "2.2", 5)
async def test_a_client_that_acts_for_itself_names_a_resource_too(
    http: httpx2.AsyncClient, server: Server
) -> None:
    service = await add_client(
        server, f"service-{uuid.uuid4()}", grant_types=("client_credentials",)
    )
    uri = f"https://api.example.com/{uuid.uuid4()}"
    await add_resource(server, uri, scopes=["items:read"], clients=[service.client_id])
    form = {"grant_type": "client_credentials", "scope": "items:read items:write"}
    answer = await http.post("/token", data={**form, "resource": uri}, auth=service.basic)
    assert (audience(answer.json()), answer.json()["scope"]) == (uri, "items:read")


# The code flow


@pytest.mark.rfc("8707", "2.1", 2)
async def test_the_consent_page_says_for_what_and_the_code_is_for_that(
    flow: CodeFlow, orders: str
) -> None:
    page = await flow.consent_page(resource=orders)
    assert f"Orders ({orders})" in Page(page).all("li")
    code = read_answer(await flow.allow(page))["code"]
    answer = (await flow.exchange(code)).json()
    assert (audience(answer), answer["scope"]) == (orders, "openid items:read")
    assert read_claims(answer["id_token"])["aud"] == flow.client.client_id


@pytest.mark.rfc("8707", "2.2", 1, 4, 6)
async def test_a_token_request_takes_one_of_the_resources_and_a_refresh_the_other(
    http: httpx2.AsyncClient, flow: CodeFlow, shop: TestClient, orders: str, billing: str
) -> None:
    pairs = [*flow.parameters().items(), ("resource", orders), ("resource", billing)]
    await flow.finish()  # logs in
    response = await flow.follow(await flow.send("GET", pairs))
    code = read_answer(await flow.allow(response))["code"]
    answer = (await flow.exchange(code, resource=orders)).json()
    assert (audience(answer), answer["scope"]) == (orders, "openid items:read")
    answer = (await refresh(http, shop, answer, resource=billing)).json()
    assert (audience(answer), answer["scope"]) == (billing, "openid items:write")
    answer = (await refresh(http, shop, answer)).json()
    assert audience(answer) == [orders, billing]


@pytest.mark.rfc("8707", "2.2", 2)
async def test_a_code_is_exchanged_for_no_more_than_was_allowed_and_stays_good(
    flow: CodeFlow, orders: str, billing: str
) -> None:
    code = await flow.code(resource=orders)
    assert_invalid_target(await flow.exchange(code, resource=billing), NOT_GRANTED)
    assert (await flow.exchange(code, resource=orders)).status_code == 200


@pytest.mark.rfc("8707", "2", 4)
@pytest.mark.rfc("8707", "2.1", 1)
async def test_an_authorization_request_for_another_resource_goes_back_to_the_client(
    flow: CodeFlow, orders: str
) -> None:
    response = await flow.start(resource="https://other.example")
    assert_error_answer(response, "invalid_target", NOT_ALLOWED)


@pytest.mark.rfc("8707", "2.1", 2)
async def test_what_was_allowed_for_one_resource_is_asked_again_for_another(
    flow: CodeFlow, orders: str, billing: str
) -> None:
    scope = "openid"
    await flow.finish(resource=orders, scope=scope)
    assert "code" in read_answer(await flow.start(resource=orders, scope=scope), CALLBACK)
    assert_asks_to_allow(await flow.start(resource=billing, scope=scope))
    assert_asks_to_allow(await flow.start(scope=scope))


# Refreshing


@pytest.mark.rfc("8707", "2.2", 2)
@pytest.mark.rfc("9700", "4.14.2", 3)
async def test_a_refresh_keeps_the_audience_and_gets_no_other(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str, billing: str
) -> None:
    answer: Tokens = (await log_in(http, alice, shop, orders)).json()
    assert_invalid_target(await refresh(http, shop, answer, resource=billing), NOT_GRANTED)
    assert_invalid_target(await refresh(http, shop, answer, resource=f"{orders}/"), NOT_ALLOWED)
    response = await refresh(http, shop, answer)  # neither used the token up
    assert (audience(response.json()), response.json()["scope"]) == (orders, "profile items:read")


NOT_GRANTED = "A requested resource was not granted at login."


async def test_a_login_that_named_nothing_is_for_this_server_and_names_no_resource_later(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer: Tokens = (await log_in(http, alice, shop)).json()
    assert_oauth2_error(
        await refresh(http, shop, answer, resource=orders), "invalid_target", 400, NOT_GRANTED
    )
    assert audience((await refresh(http, shop, answer, resource=ISSUER)).json()) == ISSUER


async def test_a_refresh_for_scopes_that_the_resource_lacks_uses_nothing_up(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer: Tokens = (await log_in(http, alice, shop, orders)).json()
    response = await refresh(http, shop, answer, scope="items:write")
    assert_oauth2_error(response, "invalid_scope", 400)
    assert (await refresh(http, shop, answer)).status_code == 200


# What is taken away


async def test_a_client_that_loses_a_resource_loses_its_logins_for_it_and_no_others(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, orders: str
) -> None:
    bound: Tokens = (await log_in(http, alice, shop, orders)).json()
    other: Tokens = (await log_in(http, alice, shop)).json()
    await change(server, orders, {"clients": []})
    assert_oauth2_error(await refresh(http, shop, bound), "invalid_grant", 400)
    assert (await refresh(http, shop, other)).status_code == 200


async def test_a_deleted_resource_leaves_no_good_token(
    http: httpx2.AsyncClient, server: Server, alice: TestUser, shop: TestClient, orders: str
) -> None:
    bound: Tokens = (await log_in(http, alice, shop, orders)).json()
    await delete(server, orders)
    assert not await is_active(http, shop, bound["access_token"])
    assert_oauth2_error(await refresh(http, shop, bound), "invalid_grant", 400)


async def test_a_code_for_a_resource_that_was_taken_away_is_not_exchanged(
    server: Server, flow: CodeFlow, orders: str
) -> None:
    code = await flow.code(resource=orders)
    await change(server, orders, {"clients": []})
    assert_invalid_target(await flow.exchange(code), NOT_ALLOWED)


# Introspection and revocation


async def test_introspection_tells_the_audience(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str, billing: str
) -> None:
    one: Tokens = (await log_in(http, alice, shop, orders)).json()
    two: Tokens = (await log_in(http, alice, shop, orders, billing)).json()
    assert (await introspected(http, shop, one["access_token"]))["aud"] == orders
    assert (await introspected(http, shop, two["access_token"]))["aud"] == [orders, billing]


@pytest.mark.rfc("7662", "2.2", 4)
@pytest.mark.rfc("7662", "4", 4)
@pytest.mark.parametrize("introspect", ["own", "any"])
async def test_a_client_that_serves_a_resource_is_told_of_its_tokens_and_of_no_others(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    orders: str,
    billing: str,
    introspect: str,
) -> None:
    serving = await add_client(server, f"orders-{uuid.uuid4()}", introspect=introspect)
    await change(server, orders, {"server": serving.client_id})
    for resources, seen in (([orders], True), ([billing], False), ([], False)):
        answer: Tokens = (await log_in(http, alice, shop, *resources)).json()
        assert await is_active(http, serving, answer["access_token"]) is seen
    both: Tokens = (await log_in(http, alice, shop, orders, billing)).json()
    assert await is_active(http, serving, both["access_token"])


async def test_a_token_for_a_resource_is_revoked_like_any_other(
    http: httpx2.AsyncClient, alice: TestUser, shop: TestClient, orders: str
) -> None:
    answer: Tokens = (await log_in(http, alice, shop, orders)).json()
    await revoked(http, shop, answer["access_token"])
    assert not await is_active(http, shop, answer["access_token"])
    assert_oauth2_error(await refresh(http, shop, answer), "invalid_grant", 400)


# What is taken away while somebody asks


async def test_a_login_does_not_begin_for_a_resource_that_was_taken_away_meanwhile(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    shop: TestClient,
    orders: str,
    meanwhile: Meanwhile,
) -> None:
    assert (await log_in(http, alice, shop, orders)).status_code == 200
    meanwhile(server, lambda: change_unnoticed(server, orders))
    assert_invalid_target(await log_in(http, alice, shop, orders), NOT_ALLOWED)


async def test_no_code_is_issued_for_a_resource_that_was_taken_away_meanwhile(
    server: Server, flow: CodeFlow, orders: str, meanwhile: Meanwhile
) -> None:
    page = await flow.consent_page(resource=orders)
    meanwhile(server, lambda: change_unnoticed(server, orders))
    assert_error_page(await flow.allow(page), "The application changed while you were logging in")


async def change_unnoticed(server: Server, identifier: str) -> None:
    """Take a resource away, of which the worker does not know yet."""
    async with operating(server.database, server.clock) as operator:
        resource = await find_resource(operator.connection, identifier)
        await change_resource(operator, resource.id, {"clients": []})
