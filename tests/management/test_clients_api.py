"""Managing clients over HTTP.

Each test has clients of its own, so all share one application.
"""

import uuid
from datetime import timedelta
from typing import Any

import httpx2
import pytest

from app.identity.grant_types import grant_types
from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import NO_METADATA, SCOPES, TestClient, TestUser, bearer, log_in
from tests.support.grants import NAMES, ONE_OF_THEM
from tests.support.lifecycle import (
    INACTIVE,
    KNOWN_EVERYWHERE,
    act_for_itself,
    add_refreshing,
    add_resource_server,
    add_service,
    introspected,
    own_token,
    refresh,
)
from tests.support.operators import (
    NO_CLIENT,
    SENTINEL,
    assert_invalid,
    assert_refused,
    walk,
    written,
)

CALLBACK = "https://app.example.com/callback"
GIVEN_SECRET = "a-client-secret-of-40-characters-or-more"
CHANGED = "Someone else changed this in the meantime."
NO_ETAG = CHANGED
WEEK = 7 * 24 * 3600


def id_of_its_own() -> str:
    return f"client-{uuid.uuid4()}"


async def create(
    http: httpx2.AsyncClient, headers: dict[str, str], **body: Any
) -> tuple[dict[str, Any], str]:
    """A new client as it was answered, with its secret, and its ETag."""
    body = {"name": "App", "client_id": id_of_its_own(), "grant_types": ["password"]} | body
    response = await http.post("/clients", json=body, headers=headers)
    assert response.status_code == 201, response.text
    created: dict[str, Any] = response.json()
    return created, response.headers["etag"]


async def get(http: httpx2.AsyncClient, headers: dict[str, str], client_id: str) -> dict[str, Any]:
    response = await http.get(f"/clients/{client_id}", headers=headers)
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def change(
    http: httpx2.AsyncClient,
    headers: dict[str, str],
    client_id: str,
    changes: dict[str, Any],
    if_match: str | None = None,
) -> httpx2.Response:
    condition = {} if if_match is None else {"If-Match": if_match}
    return await http.patch(f"/clients/{client_id}", json=changes, headers=headers | condition)


async def changed(
    http: httpx2.AsyncClient, headers: dict[str, str], client_id: str, **changes: Any
) -> dict[str, Any]:
    response = await change(http, headers, client_id, changes)
    assert response.status_code == 200, response.text
    body: dict[str, Any] = response.json()
    return body


async def rotate(
    http: httpx2.AsyncClient, headers: dict[str, str], client_id: str, **body: Any
) -> str:
    """The new secret."""
    response = await http.post(f"/clients/{client_id}/secret", json=body, headers=headers)
    assert response.status_code == 200, response.text
    secret: str = response.json()["client_secret"]
    return secret


# Creating


@pytest.mark.rfc("6749", "2", 1)
async def test_a_client_is_registered_with_the_defaults_of_a_confidential_one(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    body = {"name": "App", "grant_types": ["client_credentials"]}
    response = await http.post("/clients", json=body, headers=as_admin)
    assert response.status_code == 201, response.text
    answer = response.json()
    client_id, secret = answer["client_id"], answer["client_secret"]
    assert (len(client_id), len(secret)) == (22, 43)
    assert answer == {
        "client_id": client_id,
        "client_secret": secret,
        "client": {
            **NO_METADATA,
            "client_id": client_id,
            "name": "App",
            "public": False,
            "grant_types": ["client_credentials"],
            "auth_methods": ["client_secret_basic", "client_secret_post"],
            "redirect_uris": [],
            "post_logout_redirect_uris": [],
            "scopes": [],
            "default_scopes": [],
            "id_token_alg": "RS256",
            "access_token_ttl": None,
            "id_token_ttl": None,
            "refresh_token_ttl": None,
            "id_token_claims": False,
            "short_schemes": False,
            "require_pkce": True,
            "introspect": "own",
            "every_scope": False,
            "created_at": written(clock.now()),
            "updated_at": written(clock.now()),
            "disabled_at": None,
            "self_registered": False,
        },
    }
    assert response.headers["location"] == f"{ISSUER}/clients/{client_id}"
    again = await http.get(response.headers["location"], headers=as_admin)
    assert again.json() == answer["client"]
    assert again.headers["etag"] == response.headers["etag"]


async def test_a_client_is_registered_as_it_is_described(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    client_id = id_of_its_own()
    described = {
        "name": "Shop",
        "grant_types": ["password", "refresh_token"],
        "auth_methods": ["client_secret_post"],
        "redirect_uris": [CALLBACK, "http://127.0.0.1:9000/callback"],
        "post_logout_redirect_uris": ["https://app.example.com/bye"],
        "scopes": ["email", "openid", "profile"],
        "default_scopes": ["profile"],
        "id_token_alg": "EdDSA",
        "access_token_ttl": 60,
        "id_token_ttl": 120,
        "refresh_token_ttl": 3600,
        "id_token_claims": False,
        "short_schemes": False,
        "require_pkce": False,
        "introspect": "any",
    }
    created, _ = await create(http, as_admin, client_id=client_id, **described)
    assert created["client"] == NO_METADATA | described | {
        "client_id": client_id,
        "public": False,
        "every_scope": False,
        "created_at": written(clock.now()),
        "updated_at": written(clock.now()),
        "disabled_at": None,
        "self_registered": False,
    }


@pytest.mark.rfc("6749", "2", 1)
@pytest.mark.rfc("6749", "10.1", 1)
@pytest.mark.rfc("8252", "8.4", 1)
@pytest.mark.rfc("8252", "8.5", 1)
async def test_a_public_client_has_no_secret(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, public=True)
    assert created["client_secret"] is None
    assert (created["client"]["public"], created["client"]["auth_methods"]) == (True, ["none"])


async def test_a_default_scope_is_allowed_too(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, scopes=["email"], default_scopes=["profile"])
    assert created["client"]["scopes"] == ["email", "profile"]
    assert created["client"]["default_scopes"] == ["profile"]


async def test_a_new_client_gets_a_token_with_the_secret_that_is_shown(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(
        http, as_admin, grant_types=["client_credentials"], default_scopes=["items:read"]
    )
    client = TestClient(created["client_id"], created["client_secret"])
    response = await act_for_itself(http, client)
    assert (response.status_code, response.json()["scope"]) == (200, "items:read")


async def test_a_secret_can_be_given(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> None:
    created, _ = await create(
        http,
        as_admin,
        client_secret=GIVEN_SECRET,
        grant_types=["client_credentials"],
        default_scopes=["items:read"],
    )
    assert created["client_secret"] == GIVEN_SECRET
    response = await act_for_itself(http, TestClient(created["client_id"], GIVEN_SECRET))
    assert response.status_code == 200


async def test_a_secret_is_shown_once_and_never_again(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin)
    client_id, secret = created["client_id"], created["client_secret"]
    answers = [
        await http.get(f"/clients/{client_id}", headers=as_admin),
        await http.get("/clients", params={"limit": 200}, headers=as_admin),
        await change(http, as_admin, client_id, {"name": "Other"}),
        await http.post(f"/clients/{client_id}/secret", json={}, headers=as_admin),
    ]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert secret not in "".join(answer.text for answer in answers)
    assert "secret" not in "".join(answer.text for answer in answers[:3]).replace(
        "client_secret_", ""
    )


@pytest.mark.parametrize("name", ["team/shop", "a?b#c%2Fd", "a/secret/b", "a:b@c", "~a..b/...c"])
async def test_a_client_of_any_id_is_found_changed_and_deleted_where_the_answer_says(
    http: httpx2.AsyncClient, as_admin: dict[str, str], name: str
) -> None:
    body = {"name": "App", "client_id": f"{name}-{uuid.uuid4()}", "grant_types": ["password"]}
    location = (await http.post("/clients", json=body, headers=as_admin)).headers["location"]
    assert (await http.get(location, headers=as_admin)).json()["client_id"] == body["client_id"]
    answers = [
        await http.patch(location, json={"name": "Other"}, headers=as_admin),
        await http.post(f"{location}/secret", json={}, headers=as_admin),
        await http.delete(location, headers=as_admin),
        await http.get(location, headers=as_admin),
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 204, 404]
    assert answers[1].json()["client_id"] == body["client_id"]


@pytest.mark.rfc("6749", "2.2", 1)
async def test_a_second_client_of_the_same_id_is_a_conflict(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin)
    client_id = created["client_id"]
    body = {"name": "Other", "client_id": client_id, "grant_types": ["password"]}
    response = await http.post("/clients", json=body, headers=as_admin)
    assert_refused(response, 409, f"a client with the id {client_id!r} already exists")
    assert await get(http, as_admin, client_id) == created["client"]


@pytest.mark.rfc("9700", "2.6", 2)
async def test_no_client_has_the_id_of_a_user_not_even_of_one_who_was_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    body = {"name": "App", "client_id": str(uuid.uuid4()), "grant_types": ["password"]}
    response = await http.post("/clients", json=body, headers=as_admin)
    reason = "a client id cannot have the form of a user id"
    problem = assert_problem(response, 422)
    assert problem["errors"] == [{"field": "body.client_id", "reason": reason}]


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param({"name": None}, "body.name", "Input should be a valid string", id="name null"),
        pytest.param(
            {"name": ""}, "body.name", "String should have at least 1 character", id="empty name"
        ),
        pytest.param(
            {"name": SENTINEL * 20},
            "body.name",
            "String should have at most 255 characters",
            id="long name",
        ),
        pytest.param(
            {"client_id": SENTINEL * 20},
            "body.client_id",
            "String should have at most 255 characters",
            id="long id",
        ),
        pytest.param(
            {"grant_types": [SENTINEL]},
            "body.grant_types.0",
            ONE_OF_THEM,
            id="unknown grant",
        ),
        pytest.param(
            {"auth_methods": ["client_secret_basic", SENTINEL]},
            "body.auth_methods.1",
            "Input should be 'client_secret_basic' or 'client_secret_post'",
            id="unknown method",
        ),
        pytest.param(
            {"redirect_uris": SENTINEL},
            "body.redirect_uris",
            "Input should be a valid list",
            id="one redirect URI",
        ),
        pytest.param(
            {"redirect_uris": [f"https://{SENTINEL}/" + "x" * 2000]},
            "body.redirect_uris.0",
            "String should have at most 2000 characters",
            id="long redirect URI",
        ),
        pytest.param(
            {"redirect_uris": [CALLBACK] * 51},
            "body.redirect_uris",
            "List should have at most 50 items after validation, not 51",
            id="too many redirect URIs",
        ),
        pytest.param(
            {"id_token_alg": "none"},
            "body.id_token_alg",
            "Input should be 'RS256', 'ES256' or 'EdDSA'",
            id="unsigned ID tokens",
        ),
        pytest.param(
            {"introspect": SENTINEL},
            "body.introspect",
            "Input should be 'own' or 'any'",
            id="introspects neither",
        ),
        pytest.param(
            {"require_pkce": SENTINEL},
            "body.require_pkce",
            "Input should be a valid boolean, unable to interpret input",
            id="no boolean",
        ),
        pytest.param(
            {"client_secret": [GIVEN_SECRET]},
            "body.client_secret",
            "Input should be a valid string",
            id="secret is a list",
        ),
        pytest.param(
            {"secret_hash": SENTINEL},
            "body.secret_hash",
            "Extra inputs are not permitted",
            id="unknown field",
        ),
    ],
)
async def test_a_new_client_that_breaks_a_rule_is_refused_by_field_and_reason_alone(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    body = {"name": "App", "grant_types": ["password"]} | body
    response = await http.post("/clients", json=body, headers=as_admin)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert GIVEN_SECRET not in response.text


SECRET_RULE = "a client secret must have 32 or more printable ASCII characters"
ID_RULE = "a client id must have 1 to 255 printable ASCII characters and no spaces"
DOTS_RULE = "a client id cannot contain an empty, . or .. path segment"
NO_GRANT = f"a client needs at least one grant ({NAMES}), or to introspect any token"
NAME_RULE = "a client name must have 1 to 255 characters"
UNSEEN_RULE = "a client name cannot contain control characters"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({"name": " \t"}, NAME_RULE, id="blank name"),
        pytest.param({"name": f"{SENTINEL}\x00"}, UNSEEN_RULE, id="NUL in the name"),
        pytest.param({"name": f"{SENTINEL}\n"}, UNSEEN_RULE, id="new line in the name"),
        pytest.param({"name": f"{SENTINEL}\u202e"}, UNSEEN_RULE, id="name turned around"),
        pytest.param(
            {"name": f"{SENTINEL}\u200b"}, UNSEEN_RULE, id="space of no width in the name"
        ),
        pytest.param({"client_id": f"{SENTINEL} {SENTINEL}"}, ID_RULE, id="space in the id"),
        pytest.param({"client_id": f"{SENTINEL}é"}, ID_RULE, id="id not ASCII"),
        pytest.param({"client_id": ""}, ID_RULE, id="empty id"),
        pytest.param({"client_id": "."}, DOTS_RULE, id="this folder"),
        pytest.param({"client_id": f"{SENTINEL}/../a"}, DOTS_RULE, id="folder above"),
        pytest.param({"client_id": f"{SENTINEL}//a"}, DOTS_RULE, id="nothing between slashes"),
        pytest.param(
            {"client_id": f"{SENTINEL}/secret"},
            "a client id cannot end in /secret: that is the path of its secret",
            id="where a secret is",
        ),
        pytest.param({"client_id": f"{SENTINEL}/"}, DOTS_RULE, id="nothing behind a slash"),
        pytest.param({"client_secret": SENTINEL}, SECRET_RULE, id="short secret"),
        pytest.param({"client_secret": ""}, SECRET_RULE, id="empty secret"),
        pytest.param({"client_secret": f"{SENTINEL} " * 4}, SECRET_RULE, id="space in a secret"),
        pytest.param({"client_secret": SENTINEL * 60}, SECRET_RULE, id="long secret"),
        pytest.param(
            {"grant_types": []},
            NO_GRANT,
            id="no grant",
        ),
        pytest.param(
            {"public": True, "client_secret": GIVEN_SECRET},
            "a public client cannot have a secret or an authentication method",
            id="public with a secret",
        ),
        pytest.param(
            {"public": True, "auth_methods": ["client_secret_basic"]},
            "a public client cannot have a secret or an authentication method",
            id="public with a method",
        ),
        pytest.param(
            {"public": True, "grant_types": ["client_credentials"]},
            "client_credentials is only for confidential clients (RFC 6749, section 4.4)",
            id="public that acts for itself",
        ),
        pytest.param(
            {"public": True, "require_pkce": False},
            "only a confidential client can be exempt from PKCE",
            id="public without PKCE",
        ),
        pytest.param(
            {"public": True, "introspect": "any"},
            "only a confidential client can introspect",
            id="public that introspects",
        ),
    ],
)
async def test_a_new_client_that_the_service_refuses_is_not_repeated(
    http: httpx2.AsyncClient, as_admin: dict[str, str], body: dict[str, Any], detail: str
) -> None:
    field = next(reversed(body))
    body = {"name": "App", "grant_types": ["password"]} | body
    response = await http.post("/clients", json=body, headers=as_admin)
    assert_invalid(response, (f"body.{field}", detail))
    assert SENTINEL not in response.text
    assert GIVEN_SECRET not in response.text


async def test_a_client_is_registered_for_each_grant_of_the_token_endpoint_and_for_no_other(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    """The list of grants is written down once."""
    metadata = (await http.get("/.well-known/oauth-authorization-server")).json()
    listed = metadata["grant_types_supported"]
    grants = [each for each in listed if each in grant_types()]  # others go with one of these
    created, _ = await create(http, as_admin, grant_types=grants, redirect_uris=[CALLBACK])
    assert created["client"]["grant_types"] == grants
    schemas = (await http.get("/openapi.json")).json()["components"]["schemas"]
    assert schemas["NewClient"]["properties"]["grant_types"]["items"]["enum"] == grants
    patched = schemas["ClientPatch"]["properties"]["grant_types"]["anyOf"][0]
    assert patched["items"]["enum"] == grants


async def test_a_new_client_is_told_of_all_the_rules_that_it_breaks_at_once(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    body = {
        "name": "App",
        "public": True,
        "grant_types": ["client_credentials"],
        "require_pkce": False,
    }
    assert_invalid(
        await http.post("/clients", json=body, headers=as_admin),
        (
            "body.grant_types",
            "client_credentials is only for confidential clients (RFC 6749, section 4.4)",
        ),
        ("body.require_pkce", "only a confidential client can be exempt from PKCE"),
    )


NOT_EXACT = "a redirect URI must be an absolute URI without wildcards"

BAD_URIS = [
    pytest.param("", NOT_EXACT, id="empty"),
    pytest.param("/callback", NOT_EXACT, id="relative"),
    pytest.param("//app.example.com/callback", NOT_EXACT, id="no scheme"),
    pytest.param("https://*.example.com/callback", NOT_EXACT, id="wildcard host"),
    pytest.param("https://app.example.com/*", NOT_EXACT, id="wildcard path"),
    pytest.param("https://app.example.com/call back", NOT_EXACT, id="space"),
    pytest.param("https://app.example.com/\x00", NOT_EXACT, id="NUL"),
    pytest.param("https://app.example.com\\@evil.example/", NOT_EXACT, id="backslash"),
    pytest.param("https://app.example.com/é", NOT_EXACT, id="not ASCII"),
    pytest.param(
        "https://[::1/", "a redirect URI must be an absolute URI", id="bracket not closed"
    ),
    pytest.param("https://a:b/", "a redirect URI must be an absolute URI", id="port is a word"),
    pytest.param(f"{CALLBACK}#part", "a redirect URI cannot have a fragment", id="fragment"),
    pytest.param(
        "https://a@app.example.com/", "a redirect URI cannot contain a user name", id="user name"
    ),
    pytest.param("https:///callback", "a redirect URI must have a host", id="no host"),
    pytest.param(
        "http://app.example.com/callback",
        "a redirect URI must use https, except on the loopback interface",
        id="http",
    ),
    pytest.param("javascript:alert(1)", "a redirect URI cannot use this scheme", id="javascript"),
    pytest.param("data:text/html,hello", "a redirect URI cannot use this scheme", id="data"),
]

GOOD_URIS = [
    pytest.param(CALLBACK, id="https"),
    pytest.param("https://app.example.com:8443/callback?tenant=1", id="port and query"),
    pytest.param("http://127.0.0.1/callback", id="loopback"),
    pytest.param("http://[::1]:9000/callback", id="loopback of IPv6"),
    pytest.param("http://localhost:9000/callback", id="localhost"),
    pytest.param("com.example.app:/callback", id="private scheme"),
]

URI_FIELDS = ["redirect_uris", "post_logout_redirect_uris"]


@pytest.mark.rfc("6749", "2", 2)
@pytest.mark.rfc("8252", "7", 1)
@pytest.mark.rfc("8252", "7.1", 1)
@pytest.mark.rfc("8252", "8.3", 1)
@pytest.mark.rfc("8252", "8.4", 4)
@pytest.mark.rfc("openid-connect-rp-initiated-logout", "3.1")
@pytest.mark.parametrize("field", URI_FIELDS)
@pytest.mark.parametrize("uri", GOOD_URIS)
async def test_a_client_may_have_an_exact_and_safe_redirect_uri(
    http: httpx2.AsyncClient, as_admin: dict[str, str], field: str, uri: str
) -> None:
    created, _ = await create(http, as_admin, **{field: [uri]})
    assert created["client"][field] == [uri]


@pytest.mark.rfc("6749", "3.1.2", 2, 4)
@pytest.mark.rfc("6749", "3.1.2.1", 1)
@pytest.mark.rfc("6749", "10.5", 1)
@pytest.mark.rfc("9700", "2.6", 4)
@pytest.mark.rfc("openid-connect-core", "3.1.2.1", 28)
@pytest.mark.parametrize("field", URI_FIELDS)
@pytest.mark.parametrize(("uri", "detail"), BAD_URIS)
async def test_a_client_with_any_other_redirect_uri_is_refused(
    http: httpx2.AsyncClient, as_admin: dict[str, str], field: str, uri: str, detail: str
) -> None:
    client_id = id_of_its_own()
    body = {"name": "App", "client_id": client_id, "grant_types": ["password"]}
    response = await http.post("/clients", json=body | {field: [CALLBACK, uri]}, headers=as_admin)
    assert_invalid(response, (f"body.{field}.1", detail))
    assert_refused(await http.get(f"/clients/{client_id}", headers=as_admin), 404, NO_CLIENT)


@pytest.mark.parametrize("field", URI_FIELDS)
@pytest.mark.parametrize(("uri", "detail"), BAD_URIS)
async def test_a_client_is_not_given_any_other_redirect_uri_later(
    http: httpx2.AsyncClient, as_admin: dict[str, str], field: str, uri: str, detail: str
) -> None:
    created, _ = await create(http, as_admin, **{field: [CALLBACK]})
    response = await change(http, as_admin, created["client_id"], {field: [uri]})
    assert_invalid(response, (f"body.{field}.0", detail))
    assert await get(http, as_admin, created["client_id"]) == created["client"]


# Reading and listing


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
@pytest.mark.parametrize("client_id", ["nobody", "x" * 300, "%F0%9F%94%91", "%20"])
async def test_an_unknown_client_is_not_found(
    http: httpx2.AsyncClient, as_admin: dict[str, str], method: str, client_id: str
) -> None:
    body: dict[str, Any] | None = {} if method == "PATCH" else None
    response = await http.request(method, f"/clients/{client_id}", json=body, headers=as_admin)
    assert_refused(response, 404, NO_CLIENT)


async def test_an_unknown_client_gets_no_secret(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    response = await http.post("/clients/nobody/secret", json={}, headers=as_admin)
    assert_refused(response, 404, NO_CLIENT)


@pytest.fixture
async def family(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> str:
    """The beginning of the ids of four clients that end in a, b, c and d."""
    prefix = f"family-{uuid.uuid4()}-"
    for letter in "cadb":
        await create(http, as_admin, client_id=prefix + letter)
    return prefix


async def ids(
    http: httpx2.AsyncClient, headers: dict[str, str], family: str, **parameters: Any
) -> list[str]:
    """The last letters of the ids of the family, in the order of the pages."""
    pages = await walk(http, headers, "/clients", "clients", "client_id", **parameters)
    found = [client_id for page in pages for client_id in page]
    assert len(found) == len(set(found))
    return [name.removeprefix(family) for name in found if name.startswith(family)]


@pytest.mark.parametrize("limit", [1, 2, 3, 200])
async def test_pages_give_every_client_once_and_in_order(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str, limit: int
) -> None:
    found = await ids(http, as_admin, family, limit=limit, cursor=family)
    assert found == ["a", "b", "c", "d"]


async def test_a_page_has_no_more_clients_than_its_limit(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    response = await http.get("/clients", params={"limit": 3, "cursor": family}, headers=as_admin)
    listed = [client["client_id"] for client in response.json()["clients"]]
    assert listed == [family + letter for letter in "abc"]
    assert response.json()["next_cursor"] == family + "c"


async def test_a_list_stays_stable_while_clients_are_added_and_deleted(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    first = await http.get("/clients", params={"limit": 2, "cursor": family}, headers=as_admin)
    await create(http, as_admin, client_id=family + "aa")
    await create(http, as_admin, client_id=family + "cc")
    await http.delete(f"/clients/{family}b", headers=as_admin)
    cursor = first.json()["next_cursor"]
    assert cursor == family + "b"
    assert await ids(http, as_admin, family, limit=2, cursor=cursor) == ["c", "cc", "d"]


async def test_a_listed_client_is_as_one_that_is_looked_at(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    response = await http.get("/clients", params={"cursor": family, "limit": 1}, headers=as_admin)
    (listed,) = response.json()["clients"]
    assert listed == await get(http, as_admin, family + "a")


@pytest.mark.parametrize(
    ("disabled", "expected"),
    [
        pytest.param("true", ["b"], id="only disabled ones"),
        pytest.param("false", ["a", "c", "d"], id="only enabled ones"),
    ],
)
async def test_clients_are_filtered_by_their_state(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    family: str,
    disabled: str,
    expected: list[str],
) -> None:
    await changed(http, as_admin, family + "b", disabled=True)
    assert await ids(http, as_admin, family, disabled=disabled, limit=200) == expected


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        pytest.param("limit", "0", "Input should be greater than or equal to 1", id="no limit"),
        pytest.param(
            "limit", "201", "Input should be less than or equal to 200", id="limit too large"
        ),
        pytest.param(
            "cursor", "x" * 256, "String should have at most 255 characters", id="long cursor"
        ),
        pytest.param(
            "disabled",
            "perhaps",
            "Input should be a valid boolean, unable to interpret input",
            id="no boolean",
        ),
    ],
)
async def test_a_list_of_clients_is_refused_for_a_parameter_out_of_range(
    http: httpx2.AsyncClient, as_admin: dict[str, str], parameter: str, value: str, reason: str
) -> None:
    response = await http.get("/clients", params={parameter: value}, headers=as_admin)
    assert_invalid(response, (f"query.{parameter}", reason))


# Changing


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"name": "Other"}, {"name": "Other"}, id="name"),
        pytest.param({"name": None}, {}, id="name null"),
        pytest.param({"grant_types": ["password"]}, {"grant_types": ["password"]}, id="grants"),
        pytest.param({"grant_types": None}, {}, id="grants null"),
        pytest.param(
            {"auth_methods": ["client_secret_post"]},
            {"auth_methods": ["client_secret_post"]},
            id="methods",
        ),
        pytest.param(
            {"auth_methods": []},
            {"auth_methods": ["client_secret_basic", "client_secret_post"]},
            id="methods empty, which at the registration means both",
        ),
        pytest.param({"auth_methods": None}, {}, id="methods null"),
        pytest.param(
            {"redirect_uris": ["https://other.example/"]},
            {"redirect_uris": ["https://other.example/"]},
            id="redirect URIs",
        ),
        pytest.param(
            {"redirect_uris": [], "grant_types": ["password"]},
            {"redirect_uris": [], "grant_types": ["password"]},
            id="redirect URIs empty",
        ),
        pytest.param(
            {"grant_types": [], "introspect": "any"},
            {"grant_types": [], "introspect": "any"},
            id="no grant any more",
        ),
        pytest.param({"redirect_uris": None}, {}, id="redirect URIs null"),
        pytest.param(
            {"post_logout_redirect_uris": [CALLBACK]},
            {"post_logout_redirect_uris": [CALLBACK]},
            id="logout URIs",
        ),
        pytest.param({"post_logout_redirect_uris": None}, {}, id="logout URIs null"),
        pytest.param(
            {"scopes": ["items:read"]},
            {"scopes": ["items:read"], "default_scopes": []},
            id="scopes without the default one",
        ),
        pytest.param(
            {"scopes": ["items:read", "profile"]},
            {"scopes": ["items:read", "profile"]},
            id="scopes with the default one",
        ),
        pytest.param({"scopes": []}, {"scopes": [], "default_scopes": []}, id="scopes empty"),
        pytest.param({"scopes": None}, {}, id="scopes null"),
        pytest.param(
            {"default_scopes": ["items:read"]},
            {"scopes": ["email", "items:read", "profile"], "default_scopes": ["items:read"]},
            id="default scopes",
        ),
        pytest.param({"default_scopes": []}, {"default_scopes": []}, id="default scopes empty"),
        pytest.param({"default_scopes": None}, {}, id="default scopes null"),
        pytest.param(
            {"scopes": [], "default_scopes": []},
            {"scopes": [], "default_scopes": []},
            id="no scope at all",
        ),
        pytest.param({"id_token_alg": "ES256"}, {"id_token_alg": "ES256"}, id="algorithm"),
        pytest.param({"id_token_alg": None}, {}, id="algorithm null"),
        pytest.param({"require_pkce": False}, {"require_pkce": False}, id="PKCE"),
        pytest.param({"require_pkce": None}, {}, id="PKCE null"),
        pytest.param({"introspect": "any"}, {"introspect": "any"}, id="introspection"),
        pytest.param({"introspect": None}, {}, id="introspection null"),
        pytest.param({"disabled": False}, {}, id="enabled already"),
        pytest.param({"disabled": None}, {}, id="disabled null"),
    ],
)
async def test_a_client_is_changed_where_a_change_was_sent(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    clock: TestClock,
    changes: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    created, _ = await create(
        http,
        as_admin,
        grant_types=["refresh_token"],
        redirect_uris=[CALLBACK],
        scopes=["email"],
        default_scopes=["profile"],
    )
    clock.advance(1)
    response = await change(http, as_admin, created["client_id"], changes)
    wanted = created["client"] | expected | {"updated_at": written(clock.now())}
    assert (response.status_code, response.json()) == (200, wanted)
    assert await get(http, as_admin, created["client_id"]) == wanted


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        pytest.param(
            {"grant_types": ["client_credentials"]},
            "client_credentials is only for confidential clients (RFC 6749, section 4.4)",
            id="acts for itself",
        ),
        pytest.param(
            {"auth_methods": ["client_secret_post"]},
            "a public client cannot have a secret or an authentication method",
            id="method",
        ),
        pytest.param(
            {"require_pkce": False},
            "only a confidential client can be exempt from PKCE",
            id="without PKCE",
        ),
        pytest.param(
            {"introspect": "any"}, "only a confidential client can introspect", id="introspects"
        ),
    ],
)
async def test_a_public_client_is_given_nothing_that_is_for_confidential_ones(
    http: httpx2.AsyncClient, as_admin: dict[str, str], changes: dict[str, Any], detail: str
) -> None:
    created, _ = await create(http, as_admin, public=True)
    (field,) = changes
    response = await change(http, as_admin, created["client_id"], changes)
    assert_invalid(response, (f"body.{field}", detail))
    assert await get(http, as_admin, created["client_id"]) == created["client"]


@pytest.mark.rfc("6749", "2.1", 1)
@pytest.mark.rfc("8252", "8.4", 1)
@pytest.mark.parametrize(
    "changes", [{"name": "Other"}, {"auth_methods": []}], ids=["name", "no methods"]
)
async def test_a_public_client_stays_public_when_it_is_changed(
    http: httpx2.AsyncClient, as_admin: dict[str, str], changes: dict[str, Any]
) -> None:
    created, _ = await create(http, as_admin, public=True)
    response = await change(http, as_admin, created["client_id"], changes)
    assert response.status_code == 200, response.text
    assert (response.json()["public"], response.json()["auth_methods"]) == (True, ["none"])


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        pytest.param(
            {"name": ""}, "body.name", "String should have at least 1 character", id="empty name"
        ),
        pytest.param(
            {"public": True}, "body.public", "Extra inputs are not permitted", id="kind of client"
        ),
        pytest.param(
            {"client_id": SENTINEL},
            "body.client_id",
            "Extra inputs are not permitted",
            id="another id",
        ),
        pytest.param(
            {"client_secret": SENTINEL},
            "body.client_secret",
            "Extra inputs are not permitted",
            id="a secret",
        ),
        pytest.param(
            {"grant_types": [SENTINEL]},
            "body.grant_types.0",
            ONE_OF_THEM,
            id="unknown grant",
        ),
        *(
            pytest.param(
                {lifetime: True},
                f"body.{lifetime}",
                "Input should be a valid integer",
                id=lifetime,
            )
            for lifetime in ("access_token_ttl", "id_token_ttl", "refresh_token_ttl")
        ),
    ],
)
async def test_a_change_of_a_client_that_breaks_a_rule_is_refused_and_changes_nothing(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    changes: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    created, _ = await create(http, as_admin)
    response = await change(http, as_admin, created["client_id"], changes)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert await get(http, as_admin, created["client_id"]) == created["client"]


@pytest.mark.parametrize(
    ("changes", "detail"),
    [
        pytest.param({"name": " "}, NAME_RULE, id="blank name"),
        pytest.param({"name": "a\x00b"}, UNSEEN_RULE, id="NUL in the name"),
        pytest.param(
            {"name": "Other", "grant_types": []},
            NO_GRANT,
            id="no grant",
        ),
    ],
)
async def test_a_change_of_a_client_that_the_service_refuses_changes_nothing(
    http: httpx2.AsyncClient, as_admin: dict[str, str], changes: dict[str, Any], detail: str
) -> None:
    created, _ = await create(http, as_admin)
    field = next(reversed(changes))
    response = await change(http, as_admin, created["client_id"], changes)
    assert_invalid(response, (f"body.{field}", detail))
    assert await get(http, as_admin, created["client_id"]) == created["client"]


async def test_the_other_clients_stay_when_one_is_changed(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin)
    other, _ = await create(http, as_admin, scopes=["profile"])
    await changed(
        http, as_admin, created["client_id"], name="Other", scopes=["email"], disabled=True
    )
    assert await get(http, as_admin, other["client_id"]) == other["client"]


async def test_a_change_reaches_the_token_endpoint_within_two_seconds(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], clock: TestClock
) -> None:
    service = await add_service(server, id_of_its_own())
    await own_token(http, service, "items:write")
    await changed(http, as_admin, service.client_id, scopes=["items:read"])
    clock.advance(KNOWN_EVERYWHERE)
    assert_oauth2_error(await act_for_itself(http, service, "items:write"), "invalid_scope")


# Concurrent edits


@pytest.mark.rfc("9110", "13.1.1")
async def test_a_change_of_a_client_needs_the_newest_version(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    created, etag = await create(http, as_admin)
    client_id = created["client_id"]
    clock.advance(0.000_001)
    first = await change(http, as_admin, client_id, {"name": "First"}, etag)
    assert first.status_code == 200, first.text
    second = await change(http, as_admin, client_id, {"name": "Second"}, etag)
    assert_refused(second, 412, CHANGED)
    assert await get(http, as_admin, client_id) == first.json()
    clock.advance(0.000_001)
    again = await change(http, as_admin, client_id, {"name": "Second"}, first.headers["etag"])
    assert (again.status_code, again.json()["name"]) == (200, "Second")


async def test_a_new_secret_is_a_new_version_of_a_client_and_needs_the_newest(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    """So that of two who rotate it at once only one does."""
    created, etag = await create(http, as_admin)
    path = f"/clients/{created['client_id']}"
    clock.advance(1)
    headers = as_admin | {"If-Match": etag}
    first = await http.post(f"{path}/secret", json={}, headers=headers)
    assert first.status_code == 200, first.text
    second = await http.post(f"{path}/secret", json={}, headers=headers)
    assert_refused(second, 412, CHANGED)
    assert (await http.get(path, headers=as_admin)).headers["etag"] != etag


@pytest.mark.rfc("9110", "13.1.1")
@pytest.mark.parametrize("condition", ["W/{etag}", '"tag"', ""], ids=["weak", "word", "empty"])
async def test_a_condition_that_is_no_version_of_a_client_fails(
    http: httpx2.AsyncClient, as_admin: dict[str, str], condition: str
) -> None:
    created, etag = await create(http, as_admin)
    condition = condition.replace("{etag}", etag)
    response = await change(http, as_admin, created["client_id"], {"name": "Other"}, condition)
    assert_refused(response, 412, NO_ETAG)
    assert await get(http, as_admin, created["client_id"]) == created["client"]


async def test_any_version_of_a_client_fulfils_an_asterisk(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin)
    response = await change(http, as_admin, created["client_id"], {"name": "Other"}, "*")
    assert (response.status_code, response.json()["name"]) == (200, "Other")


# Secrets


@pytest.fixture
async def service(server: Server) -> TestClient:
    return await add_service(server, id_of_its_own())


async def assert_good(http: httpx2.AsyncClient, client: TestClient, secret: str) -> None:
    response = await act_for_itself(http, TestClient(client.client_id, secret))
    assert response.status_code == 200, response.text


async def assert_bad(http: httpx2.AsyncClient, client: TestClient, secret: str) -> None:
    response = await act_for_itself(http, TestClient(client.client_id, secret))
    assert_oauth2_error(response, "invalid_client", 401, "Client authentication failed.")


async def test_a_new_secret_is_shown_and_the_old_one_stays_good_for_a_week(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    response = await http.post(f"/clients/{service.client_id}/secret", json={}, headers=as_admin)
    secret = response.json()["client_secret"]
    assert len(secret) == 43
    assert (response.status_code, response.json()) == (
        200,
        {
            "client_id": service.client_id,
            "client_secret": secret,
            "old_secret_expires_at": written(clock.now() + timedelta(seconds=WEEK)),
        },
    )
    assert response.headers["cache-control"] == "no-store"


async def test_two_secrets_are_good_while_one_is_rotated_out(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    new = await rotate(http, as_admin, service.client_id, overlap=60)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_good(http, service, service.secret)
    await assert_good(http, service, new)
    clock.advance(57.999)
    await assert_good(http, service, service.secret)
    clock.advance(0.001)
    await assert_bad(http, service, service.secret)
    await assert_good(http, service, new)


async def test_a_leaked_secret_is_good_no_longer(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    await assert_good(http, service, service.secret)
    new = await rotate(http, as_admin, service.client_id, overlap=0)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_bad(http, service, service.secret)
    await assert_good(http, service, new)


async def test_a_third_secret_ends_the_first_one(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    secrets = [service.secret]
    for _ in range(2):
        clock.advance(1)
        secrets.append(await rotate(http, as_admin, service.client_id))
    clock.advance(KNOWN_EVERYWHERE)
    await assert_bad(http, service, secrets[0])
    await assert_good(http, service, secrets[1])
    await assert_good(http, service, secrets[2])


async def test_a_secret_that_leaks_while_another_is_rotated_out_leaves_only_the_newest(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    clock.advance(1)
    second = await rotate(http, as_admin, service.client_id)
    clock.advance(1)
    third = await rotate(http, as_admin, service.client_id, overlap=0)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_bad(http, service, service.secret)
    await assert_bad(http, service, second)
    await assert_good(http, service, third)


async def test_an_expired_secret_stays_expired_when_another_is_made(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    clock.advance(1)
    await rotate(http, as_admin, service.client_id, overlap=0)
    clock.advance(1)
    await rotate(http, as_admin, service.client_id)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_bad(http, service, service.secret)


async def test_the_secrets_of_others_stay_when_one_is_rotated(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    service: TestClient,
    clock: TestClock,
) -> None:
    other = await add_service(server, id_of_its_own())
    await rotate(http, as_admin, service.client_id, overlap=0)
    clock.advance(KNOWN_EVERYWHERE)
    await assert_good(http, other, other.secret)


@pytest.mark.rfc("6749", "10.1", 1)
async def test_a_public_client_gets_no_secret(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, public=True)
    response = await http.post(f"/clients/{created['client_id']}/secret", json={}, headers=as_admin)
    assert_refused(response, 422, "a public client cannot have a secret")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param(
            {"overlap": -1},
            "body.overlap",
            "Input should be greater than or equal to 0",
            id="negative",
        ),
        pytest.param(
            {"overlap": 31 * 24 * 3600 + 1},
            "body.overlap",
            "Input should be less than or equal to 2678400",
            id="beyond a month",
        ),
        pytest.param(
            {"client_secret": SENTINEL},
            "body.client_secret",
            "Extra inputs are not permitted",
            id="a secret of one's own",
        ),
    ],
)
async def test_a_rotation_that_breaks_a_rule_is_refused_and_rotates_nothing(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    service: TestClient,
    clock: TestClock,
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    response = await http.post(f"/clients/{service.client_id}/secret", json=body, headers=as_admin)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    clock.advance(WEEK + 1)
    await assert_good(http, service, service.secret)


# Disabling and deleting


@pytest.fixture(scope="module")
async def api(server: Server) -> TestClient:
    """A resource server."""
    return await add_resource_server(server)


async def disable(http: httpx2.AsyncClient, headers: dict[str, str], client: TestClient) -> None:
    await changed(http, headers, client.client_id, disabled=True)


async def delete(http: httpx2.AsyncClient, headers: dict[str, str], client: TestClient) -> None:
    response = await http.delete(f"/clients/{client.client_id}", headers=headers)
    assert (response.status_code, response.content) == (204, b"")


SHUTTING_OUT = [pytest.param(disable, id="disabled"), pytest.param(delete, id="deleted")]


@pytest.mark.parametrize("stop", SHUTTING_OUT)
async def test_the_tokens_that_users_have_through_a_client_stop_within_two_seconds(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    api: TestClient,
    clock: TestClock,
    stop: Any,
) -> None:
    shop = await add_refreshing(server, id_of_its_own(), default_scopes=SCOPES)
    tokens = await log_in(http, alice, shop)
    headers = bearer(tokens["access_token"])
    assert (await http.get("/users/me", headers=headers)).status_code == 200
    await stop(http, as_admin, shop)
    clock.advance(KNOWN_EVERYWHERE)
    assert (await http.get("/users/me", headers=headers)).status_code == 401
    assert await introspected(http, api, tokens["access_token"]) == INACTIVE
    refused = await refresh(http, shop, tokens["refresh_token"])
    assert_oauth2_error(refused, "invalid_client", 401)


@pytest.mark.parametrize("stop", SHUTTING_OUT)
async def test_a_clients_own_tokens_stop_within_two_seconds(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    api: TestClient,
    clock: TestClock,
    stop: Any,
) -> None:
    service = await add_service(server, id_of_its_own(), scopes=["users:read"], default_scopes=[])
    token = await own_token(http, service, "users:read")
    assert (await http.get("/users", headers=bearer(token))).status_code == 200
    await stop(http, as_admin, service)
    clock.advance(KNOWN_EVERYWHERE)
    assert (await http.get("/users", headers=bearer(token))).status_code == 401
    assert await introspected(http, api, token) == INACTIVE
    await assert_bad(http, service, service.secret)


async def test_a_client_that_is_enabled_again_has_its_secret_still(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    disabled = await changed(http, as_admin, service.client_id, disabled=True)
    assert disabled["disabled_at"] == written(clock.now())
    enabled = await changed(http, as_admin, service.client_id, disabled=False)
    assert enabled["disabled_at"] is None
    clock.advance(KNOWN_EVERYWHERE)
    await assert_good(http, service, service.secret)


async def test_a_client_that_is_disabled_again_was_disabled_the_first_time(
    http: httpx2.AsyncClient, as_admin: dict[str, str], service: TestClient, clock: TestClock
) -> None:
    first = await changed(http, as_admin, service.client_id, disabled=True)
    clock.advance(1)
    again = await changed(http, as_admin, service.client_id, disabled=True)
    assert again["disabled_at"] == first["disabled_at"]


async def test_a_deleted_client_is_gone_and_the_others_stay(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    path = f"/clients/{family}b"
    assert (await http.delete(path, headers=as_admin)).status_code == 204
    assert_refused(await http.get(path, headers=as_admin), 404, NO_CLIENT)
    assert_refused(await http.delete(path, headers=as_admin), 404, NO_CLIENT)
    assert await ids(http, as_admin, family, cursor=family, limit=200) == ["a", "c", "d"]


async def test_a_client_that_users_have_logged_in_through_is_deleted_with_their_logins(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    clock: TestClock,
) -> None:
    shop = await add_refreshing(server, id_of_its_own(), default_scopes=SCOPES)
    tokens = await log_in(http, alice, shop)
    await delete(http, as_admin, shop)
    await create(http, as_admin, client_id=shop.client_id, client_secret=shop.secret)
    clock.advance(KNOWN_EVERYWHERE)
    me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
    assert me.status_code == 401
