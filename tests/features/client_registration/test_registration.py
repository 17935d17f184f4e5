"""Dynamic client registration: RFC 7591, and RFC 7592."""

import asyncio
import json
import uuid
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from app.features.client_registration import service
from app.features.client_registration.statement import Statement
from app.features.resources.records import NewResource, find_resource
from app.features.resources.service import change_resource, create_resource
from app.identity.clients import find_client
from app.management.authority import operating
from app.operations.purge import purge
from app.server import Server
from tests.conftest import ISSUER
from tests.features.client_registration.registering import (
    CALLBACK,
    PATH,
    an_hour_later,
    app,
    changes,
    register,
    registered,
    settings,
)
from tests.support.assertions import assert_bearer_error, assert_no_token_sent, assert_oauth2_error
from tests.support.clock import TestClock
from tests.support.factories import TestClient, TestUser, add_user, bearer
from tests.support.flow import CodeFlow, Page, open_browser, read_answer
from tests.support.forger import read_claims
from tests.support.started import clock, http, server

__all__ = ["an_hour_later", "app", "changes", "clock", "http", "server", "settings"]

DAY = 24 * 3600


@pytest.fixture
async def alice(server: Server) -> TestUser:
    scopes = ("openid", "profile", "email", "offline_access", "account", "items:read")
    return await add_user(server, f"alice {uuid.uuid4()}", scopes=scopes)


def flow_of(app: FastAPI, user: TestUser, client_id: str, scope: str = "openid") -> CodeFlow:
    client = TestClient(client_id, "")
    return CodeFlow(open_browser(app), user, client, redirect_uri=CALLBACK, scope=scope)


async def is_there(server: Server, client_id: str) -> bool:
    async with server.database.read() as connection:
        return await find_client(connection, client_id) is not None


@pytest.mark.rfc("7591", "1.2")
@pytest.mark.rfc("7591", "3", 3, 5)
@pytest.mark.rfc("7591", "3.1", 3)
@pytest.mark.rfc("7591", "3.2", 1)
@pytest.mark.rfc("7591", "3.2.1", 1, 2, 4, 6)
@pytest.mark.rfc("7592", "3", 1, 2, 3)
@pytest.mark.rfc("7592", "5", 3)
async def test_a_client_registers_and_is_told_as_what(
    http: httpx2.AsyncClient, clock: TestClock
) -> None:
    response = await register(http, client_uri="https://editor.example", scope="profile items:read")
    made = response.json()
    assert response.status_code == 201
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert made == {
        "client_id": made["client_id"],
        "client_id_issued_at": int(clock.now().timestamp()),
        "client_name": "Editor",
        "redirect_uris": [CALLBACK],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "scope": "profile",  # items:read is not for clients that nobody has checked
        "client_uri": "https://editor.example",
        "registration_access_token": made["registration_access_token"],
        "registration_client_uri": f"{ISSUER}{PATH}/{made['client_id']}",
    }
    assert (len(made["client_id"]), len(made["registration_access_token"])) == (22, 43)


@pytest.mark.rfc("7591", "5", 2)
async def test_it_logs_a_user_in_with_pkce_after_a_warning(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser
) -> None:
    flow = flow_of(app, alice, (await registered(http))["client_id"])
    page = await flow.consent_page()
    assert "it registered itself, and nobody has checked its name" in Page(page).text
    answer = await flow.allow(page)
    code = httpx2.URL(answer.headers["location"]).params["code"]
    tokens = (await flow.exchange(code)).json()
    assert set(tokens) >= {"access_token", "refresh_token", "id_token"}


@pytest.mark.rfc("7591", "2.2", 2)
@pytest.mark.rfc("7591", "5", 7)
@pytest.mark.parametrize(
    "link",
    ["javascript:alert(1)", "data:text/html,<script>alert(1)</script>", "https://evil.example/x"],
)
async def test_nothing_but_the_name_that_it_told_is_on_a_page_and_that_as_text(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser, link: str
) -> None:
    links = dict.fromkeys(("logo_uri", "client_uri", "tos_uri", "policy_uri"), link)
    made = await registered(http, client_name="<img src=x onerror=alert(1)>", **links)
    flow = flow_of(app, alice, made["client_id"])
    login = await flow.follow(await flow.start())
    for page in (login, await flow.consent_page()):
        assert "&lt;img src=x onerror=alert(1)&gt;" in page.text
        assert "<img src=x" not in page.text
        assert link not in page.text
        assert "evil.example" not in page.text


@pytest.mark.rfc("7591", "2", 2, 5, 6, 11)
@pytest.mark.rfc("7591", "3.1", 3)
@pytest.mark.rfc("7591", "3.2.1", 4, 7)
@pytest.mark.rfc("7591", "5", 4, 8)
async def test_what_the_client_wants_beside_that_is_replaced(http: httpx2.AsyncClient) -> None:
    made = await registered(
        http,
        token_endpoint_auth_method="client_secret_basic",
        grant_types=["authorization_code", "client_credentials", "password"],
        unknown={"member": True},
    )
    assert made["token_endpoint_auth_method"] == "none"
    assert made["grant_types"] == ["authorization_code"]
    assert made["scope"] == "email offline_access openid profile"
    assert {"client_secret", "unknown"}.isdisjoint(made)


@pytest.mark.rfc("7591", "2", 1)
@pytest.mark.rfc("7592", "2.2", 1, 4, 5)
async def test_a_member_that_is_null_is_as_good_as_left_out(http: httpx2.AsyncClient) -> None:
    members = dict.fromkeys(set(Statement.model_fields) - {"redirect_uris"})
    made = await registered(http, **members)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    body = {"client_id": made["client_id"], "redirect_uris": [CALLBACK]}
    left_out = (await http.put(address, json=body, headers=headers)).json()
    replaced = await http.put(address, json=members | body, headers=headers)
    assert replaced.json() == left_out == made
    response = await register(http, redirect_uris=None)
    assert_oauth2_error(response, "invalid_redirect_uri", 400)


@pytest.mark.parametrize(
    "uri",
    [
        "http://127.0.0.1/callback",
        "http://[::1]:8080/",
        "http://localhost:3000/callback",
        "cursor://anysphere.cursor-retrieval/callback",
    ],
)
async def test_loopback_and_the_schemes_that_the_operator_allows_are_redirected_to(
    http: httpx2.AsyncClient, uri: str
) -> None:
    assert (await registered(http, redirect_uris=[uri]))["redirect_uris"] == [uri]


@pytest.mark.rfc("7591", "2", 1)
@pytest.mark.rfc("7591", "3.2.2", 1, 2)
@pytest.mark.rfc("7591", "5", 1)
@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["https://editor.example/callback"],
        ["http://editor.example/callback"],
        ["vscode://callback"],
        ["com.example.app:/callback"],
        ["javascript:alert(1)"],
        ["http://127.0.0.1/#fragment"],
        ["cursor:<script>"],
        ["callback"],
        [CALLBACK, "https://editor.example/callback"],
    ],
)
async def test_no_other_address_is(http: httpx2.AsyncClient, uris: list[str]) -> None:
    response = await register(http, redirect_uris=uris)
    assert_oauth2_error(response, "invalid_redirect_uri", 400)


@pytest.mark.rfc("7591", "2", 11)
@pytest.mark.rfc("7591", "2.1")
@pytest.mark.rfc("7591", "3.2.2", 1, 3)
@pytest.mark.parametrize(
    "metadata",
    [
        {"redirect_uris": CALLBACK},
        {"contacts": [None]},
        {"client_name": "a\x07b"},
        {"client_name": 7},
        {"contacts": ["ed@editor.example", "a\x00b"]},
        {"software_id": "a\nb"},
        {"client_name": "x" * 256},
        {"grant_types": ["password"]},
        {"response_types": ["token"]},
    ],
)
async def test_metadata_that_is_malformed_or_wants_another_flow_is_refused(
    http: httpx2.AsyncClient, metadata: dict[str, Any]
) -> None:
    assert_oauth2_error(await register(http, **metadata), "invalid_client_metadata", 400)


@pytest.mark.rfc("7591", "3.2.2", 3)
async def test_half_of_a_character_is_refused(http: httpx2.AsyncClient) -> None:
    body = json.dumps({"redirect_uris": [CALLBACK], "contacts": ["\udfff"]})
    headers = {"Content-Type": "application/json"}
    response = await http.post(PATH, content=body, headers=headers)
    assert_oauth2_error(response, "invalid_client_metadata", 400)


@pytest.mark.rfc("7591", "3", 5)
@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
async def test_a_body_that_is_no_json_object_is_refused(
    http: httpx2.AsyncClient, body: bytes
) -> None:
    headers = {"Content-Type": "application/json"}
    response = await http.post(PATH, content=body[:60_000], headers=headers)
    assert_oauth2_error(response, "invalid_client_metadata", 400)


@pytest.mark.rfc("8414", "2", 5)
@pytest.mark.rfc("openid-connect-discovery", "3", 4)
async def test_the_metadata_of_the_server_name_the_endpoint(http: httpx2.AsyncClient) -> None:
    for name in ("oauth-authorization-server", "openid-configuration"):
        document = (await http.get(f"/.well-known/{name}")).json()
        assert document["registration_endpoint"] == ISSUER + PATH
        assert "client_id_metadata_document_supported" not in document


async def test_a_page_of_any_origin_may_register(http: httpx2.AsyncClient) -> None:
    origin = "https://inspector.example"
    response = await register(http, {"Origin": origin})
    assert response.headers["access-control-allow-origin"] == origin


# Managing the registration


@pytest.mark.rfc("7592", "2.1", 1, 2, 4)
@pytest.mark.rfc("7592", "2.2", 1)
@pytest.mark.rfc("7592", "2.3", 1)
@pytest.mark.rfc("7592", "3", 3)
@pytest.mark.rfc("7592", "5", 4)
async def test_a_client_reads_replaces_and_deletes_its_registration(
    http: httpx2.AsyncClient, server: Server
) -> None:
    made = await registered(http)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    read = await http.get(address, headers=headers)
    assert (read.status_code, read.json()) == (200, made)
    body = {"client_id": made["client_id"], "client_name": "Ed", "redirect_uris": ["cursor://x"]}
    replaced = await http.put(address, json=body, headers=headers)
    assert replaced.json() == {**made, "client_name": "Ed", "redirect_uris": ["cursor://x"]}
    deleted = await http.delete(address, headers=headers)
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert not await is_there(server, made["client_id"])
    assert_bearer_error(await http.get(address, headers=headers), "invalid_token", 401)


@pytest.mark.rfc("7592", "2.3", 2)
async def test_nothing_works_any_more_of_a_client_that_deleted_itself(
    http: httpx2.AsyncClient, app: FastAPI, alice: TestUser, clock: TestClock
) -> None:
    """RFC 7592, section 2.3."""
    made = await registered(http)
    flow = flow_of(app, alice, made["client_id"])
    tokens, code = await flow.tokens(), await flow.code()
    headers = bearer(made["registration_access_token"])
    await http.delete(f"{PATH}/{made['client_id']}", headers=headers)
    clock.advance(2)
    assert_oauth2_error(await flow.exchange(code), "invalid_client", 401)
    response = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    assert_bearer_error(response, "invalid_token", 401)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    response = await http.post("/token", data=form | {"client_id": made["client_id"]})
    assert_oauth2_error(response, "invalid_client", 401)


@pytest.mark.rfc("7592", "2", 2)
@pytest.mark.rfc("7592", "2.1", 3)
async def test_nobody_else_does(http: httpx2.AsyncClient) -> None:
    made, other = await registered(http), await registered(http)
    address = f"{PATH}/{made['client_id']}"
    assert_no_token_sent(await http.get(address))
    headers = bearer(other["registration_access_token"])
    body = {"client_id": made["client_id"], "redirect_uris": [CALLBACK]}
    for response in (
        await http.get(address, headers=headers),
        await http.put(address, json=body, headers=headers),
        await http.delete(address, headers=headers),
    ):
        assert_bearer_error(response, "invalid_token", 401)
    own = bearer(made["registration_access_token"])
    assert (await http.get(address, headers=own)).json() == made


@pytest.mark.rfc("7592", "2.2", 2)
async def test_a_replacement_names_the_client_that_it_replaces(http: httpx2.AsyncClient) -> None:
    made = await registered(http)
    headers = bearer(made["registration_access_token"])
    body = {"redirect_uris": [CALLBACK]}
    response = await http.put(f"{PATH}/{made['client_id']}", json=body, headers=headers)
    assert_oauth2_error(response, "invalid_request", 400)


@pytest.mark.rfc("7592", "2.2", 3, 6)
async def test_a_client_chooses_neither_its_token_nor_its_secret(http: httpx2.AsyncClient) -> None:
    made = await registered(http)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    chosen = {
        "registration_access_token": "chosen",
        "registration_client_uri": "https://evil.example",
        "client_secret": "chosen",
        "client_secret_expires_at": 0,
        "client_id_issued_at": 0,
    }
    replaced = await http.put(address, json=made | chosen, headers=headers)
    assert (replaced.status_code, replaced.json()) == (200, made)


@pytest.mark.rfc("7592", "2.2", 7)
async def test_a_replacement_that_is_invalid_changes_nothing(http: httpx2.AsyncClient) -> None:
    made = await registered(http)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    body = made | {"redirect_uris": ["javascript:alert(1)"]}
    response = await http.put(address, json=body, headers=headers)
    assert_oauth2_error(response, "invalid_redirect_uri", 400)
    assert (await http.get(address, headers=headers)).json() == made


@pytest.mark.rfc("7592", "2", 4)
@pytest.mark.parametrize("method", ["POST", "PATCH"])
async def test_a_registration_has_no_other_methods(http: httpx2.AsyncClient, method: str) -> None:
    made = await registered(http)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    response = await http.request(method, address, json=made, headers=headers)
    assert_oauth2_error(response, "invalid_request", 405)


async def test_a_replacement_against_a_deletion_is_done_before_it_or_refused(
    http: httpx2.AsyncClient,
) -> None:
    made = await registered(http)
    address, headers = f"{PATH}/{made['client_id']}", bearer(made["registration_access_token"])
    body = {"client_id": made["client_id"], "redirect_uris": [CALLBACK]}
    *replaced, deleted = await asyncio.gather(
        *(http.put(address, json=body, headers=headers) for _ in range(4)),
        http.delete(address, headers=headers),
    )
    assert deleted.status_code == 204
    assert {response.status_code for response in replaced} <= {200, 401}


# Resources


async def test_a_resource_that_is_open_to_such_clients_is_theirs_with_its_scopes(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, app: FastAPI, alice: TestUser
) -> None:
    before = (await registered(http))["client_id"]
    uri = f"https://mcp.example.com/{uuid.uuid4()}"
    wanted = NewResource(identifier=uri, scopes=["items:read"], self_registered=True)
    async with operating(server.database, server.clock) as operator:
        await create_resource(operator, wanted)
    clock.advance(2)
    after = await registered(http, scope="items:read users:read")
    assert after["scope"] == "items:read"
    for client_id in (before, after["client_id"]):
        flow = flow_of(app, alice, client_id, "openid items:read")
        answer = await flow.allow(await flow.consent_page(resource=uri))
        code = httpx2.URL(answer.headers["location"]).params["code"]
        tokens = (await flow.exchange(code, resource=uri)).json()
        assert read_claims(tokens["access_token"])["aud"] == uri
        assert tokens["scope"] == "openid items:read"
    async with operating(server.database, server.clock) as operator:
        resource = await find_resource(operator.connection, uri)
        await change_resource(operator, resource.id, {"self_registered": False})
    clock.advance(2)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    response = await http.post("/token", data={**refresh, "client_id": after["client_id"]})
    assert_oauth2_error(response, "invalid_grant", 400)
    async with server.database.read() as connection:
        client = await find_client(connection, before)
    assert client is not None
    assert "items:read" not in client.scopes


async def open_resource(server: Server, clock: TestClock, *scopes: str) -> str:
    """The URI of a new resource that is open to clients that registered themselves."""
    uri = f"https://mcp.example.com/{uuid.uuid4()}"
    wanted = NewResource(identifier=uri, scopes=list(scopes), self_registered=True)
    async with operating(server.database, server.clock) as operator:
        await create_resource(operator, wanted)
    clock.advance(2)
    return uri


@pytest.mark.parametrize("resource", [None, ISSUER], ids=["none", "this server"])
async def test_what_an_open_resource_understands_opens_no_route_of_this_server(
    http: httpx2.AsyncClient,
    server: Server,
    clock: TestClock,
    app: FastAPI,
    alice: TestUser,
    resource: str | None,
) -> None:
    await open_resource(server, clock, "items:read", "account")
    client_id = (await registered(http))["client_id"]
    scope = "openid profile offline_access items:read account"
    tokens = await flow_of(app, alice, client_id, scope).tokens(resource=resource)
    assert tokens["scope"] == "openid profile offline_access"
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    again = (await http.post("/token", data={**refresh, "client_id": client_id})).json()
    assert again["scope"] == "openid profile offline_access"
    for answer in (tokens, again):
        headers = bearer(answer["access_token"])
        assert (await http.get("/users/me", headers=headers)).status_code == 200
        assert_bearer_error(
            await http.get("/items", headers=headers), "insufficient_scope", 403, "items:read"
        )


async def test_a_scope_of_an_open_resource_alone_is_not_to_be_had_without_it(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, app: FastAPI, alice: TestUser
) -> None:
    await open_resource(server, clock, "items:read")
    client_id = (await registered(http))["client_id"]
    answer = read_answer(await flow_of(app, alice, client_id, "items:read").start(), CALLBACK)
    assert answer["error"] == "invalid_scope"


@pytest.mark.rfc("9068", "5", 2)
async def test_no_token_is_for_an_open_resource_and_this_server_at_once(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, app: FastAPI, alice: TestUser
) -> None:
    uri = await open_resource(server, clock, "items:read")
    client_id = (await registered(http))["client_id"]
    flow = flow_of(app, alice, client_id, "openid items:read")
    pairs = [*flow.parameters().items(), ("resource", uri), ("resource", ISSUER)]
    answer = read_answer(await flow.send("GET", pairs), CALLBACK)
    assert (answer["error"], answer["error_description"]) == (
        "invalid_target",
        "This client gets no token for this server and others.",
    )


# Bounds


async def test_one_that_is_deleted_counts_for_an_hour_too(
    http: httpx2.AsyncClient, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_FROM_ONE_NETWORK", 2)
    for _ in range(2):
        made = await registered(http)
        headers = bearer(made["registration_access_token"])
        deleted = await http.delete(f"{PATH}/{made['client_id']}", headers=headers)
        assert deleted.status_code == 204
    assert_oauth2_error(await register(http), "temporarily_unavailable", 429)
    clock.advance(3600)
    assert (await register(http)).status_code == 201


@pytest.mark.rfc("7591", "3", 4)
async def test_too_many_from_one_network_have_to_wait_an_hour(
    http: httpx2.AsyncClient, clock: TestClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "MOST_FROM_ONE_NETWORK", 1)
    assert (await register(http)).status_code == 201
    response = await register(http)
    assert_oauth2_error(response, "temporarily_unavailable", 429)
    assert response.headers["retry-after"]
    clock.advance(3600)
    assert (await register(http)).status_code == 201


@pytest.mark.rfc("7591", "3", 4)
async def test_when_there_are_as_many_as_may_be_no_more_register(
    http: httpx2.AsyncClient, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    await registered(http)
    monkeypatch.setattr(server.settings, "client_registration_limit", 1)
    assert_oauth2_error(await register(http), "temporarily_unavailable", 503)


@pytest.mark.rfc("7591", "5", 5)
@pytest.mark.rfc("7592", "5", 1)
async def test_one_that_is_not_used_for_a_day_is_purged_and_one_that_is_used_stays(
    http: httpx2.AsyncClient, server: Server, clock: TestClock, app: FastAPI, alice: TestUser
) -> None:
    unused, used = await registered(http), await registered(http)
    await flow_of(app, alice, used["client_id"]).tokens()
    clock.advance(DAY - 1)
    await purge(server)
    assert await is_there(server, unused["client_id"])
    clock.advance(2)
    assert (await purge(server))["clients"] >= 1
    assert not await is_there(server, unused["client_id"])
    clock.advance(88 * DAY)
    await purge(server)
    headers = bearer(used["registration_access_token"])
    assert (await http.get(f"{PATH}/{used['client_id']}", headers=headers)).status_code == 200
    clock.advance(2 * DAY)
    await purge(server)
    assert not await is_there(server, used["client_id"])
