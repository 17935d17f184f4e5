"""Claims of one's own: declared, given values, and told where they were declared to be."""

from collections.abc import Mapping
from typing import Any

import httpx2
import pytest

from app.server import Server
from tests.support.assertions import assert_problem
from tests.support.factories import TestClient, TestUser, add_client, add_user, bearer, log_in
from tests.support.flow import CodeFlow, add_web_client
from tests.support.forger import read_claims
from tests.support.lifecycle import act_for_itself, add_service
from tests.support.operators import (
    EVERY_SCOPE,
    NOT_YOURS,
    TOO_GREAT,
    add_console,
    add_somebody,
    assert_refused,
    events,
    token_of,
)

Headers = dict[str, str]


@pytest.fixture
async def as_admin(server: Server) -> Headers:
    await add_console(server)
    admin = await add_somebody(server, *EVERY_SCOPE)
    return await token_of(server, admin, "claims:read", "claims:write")


async def declare(http: httpx2.AsyncClient, headers: Headers, name: str, **more: Any) -> None:
    wanted = {"name": name, "type": "string", "scope": "profile"} | more
    response = await http.post("/claims", json=wanted, headers=headers)
    assert response.status_code == 201, response.text


async def give(
    http: httpx2.AsyncClient, headers: Headers, holder: str, **values: Any
) -> Mapping[str, Any]:
    response = await http.patch(f"/claims/{holder}", json={"values": values}, headers=headers)
    assert response.status_code == 200, response.text
    told: Mapping[str, Any] = response.json()["values"]
    return told


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_web_client(server, scopes=("openid", "profile", "email"))


@pytest.fixture
async def carol(server: Server) -> TestUser:
    return await add_user(server, "carol", scopes=("openid", "profile", "email"))


@pytest.mark.rfc("9068", "2.2.2", 2)
@pytest.mark.rfc("openid-connect-core", "5.1.2", 1)
async def test_a_claim_is_told_in_the_places_where_it_was_declared_to_be(
    http: httpx2.AsyncClient, as_admin: Headers, shop: TestClient, carol: TestUser
) -> None:
    await declare(http, as_admin, "department")
    await declare(http, as_admin, "level", type="integer", places=["access_token"])
    await declare(http, as_admin, "https://example.com/tags", type="strings", places=["userinfo"])
    values = {"department": "sales", "level": 3, "https://example.com/tags": ["a", "b"]}
    assert await give(http, as_admin, f"users/{carol.id}", **values) == values
    tokens = await CodeFlow(http, carol, shop, scope="openid profile").tokens()
    userinfo = await http.get("/userinfo", headers=bearer(tokens["access_token"]))
    told = [read_claims(tokens["access_token"]), read_claims(tokens["id_token"]), userinfo.json()]
    assert [{name: each[name] for name in values if name in each} for each in told] == [
        {"level": 3},
        {"department": "sales"},
        {"department": "sales", "https://example.com/tags": ["a", "b"]},
    ]


async def test_a_claim_is_not_told_without_the_scope_that_brings_it(
    http: httpx2.AsyncClient, as_admin: Headers, shop: TestClient, carol: TestUser
) -> None:
    await declare(http, as_admin, "department", scope="email")
    await give(http, as_admin, f"users/{carol.id}", department="sales")
    tokens = await CodeFlow(http, carol, shop, scope="openid profile").tokens()
    assert "department" not in read_claims(tokens["id_token"])


async def test_what_is_fixed_for_a_client_is_told_unless_the_user_has_a_value(
    http: httpx2.AsyncClient, as_admin: Headers, server: Server, carol: TestUser
) -> None:
    await declare(http, as_admin, "tenant", places=["access_token"])
    client = await add_client(server, "app")
    other = await add_client(server, "other")
    await give(http, as_admin, "clients/app", tenant="of the client")
    dave = await add_user(server, "dave", scopes=("profile",), email=None)
    await give(http, as_admin, f"users/{dave.id}", tenant="of dave")
    told = [
        read_claims((await log_in(http, user, through))["access_token"]).get("tenant")
        for user, through in ((carol, client), (dave, client), (carol, other), (dave, other))
    ]
    assert told == ["of the client", "of dave", None, "of dave"]


async def test_what_is_fixed_for_a_client_is_in_the_token_that_it_gets_for_itself(
    http: httpx2.AsyncClient, as_admin: Headers, server: Server
) -> None:
    await declare(http, as_admin, "tenant", scope="items:read", places=["access_token"])
    service = await add_service(server)
    await give(http, as_admin, f"clients/{service.client_id}", tenant="t1")
    token = (await act_for_itself(http, service)).json()["access_token"]
    assert read_claims(token)["tenant"] == "t1"


async def test_a_value_is_changed_and_taken_away_and_others_stay(
    http: httpx2.AsyncClient, as_admin: Headers, carol: TestUser
) -> None:
    for name in ("department", "title"):
        await declare(http, as_admin, name)
    holder = f"users/{carol.id}"
    await give(http, as_admin, holder, department="sales", title="Dr")
    assert await give(http, as_admin, holder, department="research") == {
        "department": "research",
        "title": "Dr",
    }
    assert await give(http, as_admin, holder, department=None) == {"title": "Dr"}
    read = await http.get(f"/claims/{holder}", headers=as_admin)
    assert read.json() == {"values": {"title": "Dr"}}


async def test_the_values_of_a_claim_go_with_it(
    http: httpx2.AsyncClient, as_admin: Headers, carol: TestUser
) -> None:
    await declare(http, as_admin, "department")
    await give(http, as_admin, f"users/{carol.id}", department="sales")
    assert (await http.delete("/claims/declared/department", headers=as_admin)).status_code == 204
    await declare(http, as_admin, "department")
    assert await give(http, as_admin, f"users/{carol.id}") == {}


@pytest.mark.rfc("7519", "4.3")
@pytest.mark.rfc("9068", "2.2.2", 1)
@pytest.mark.rfc("openid-connect-core", "5.1.2", 2)
@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        ({"name": "sub"}, "body.name", "this claim belongs to the protocol"),
        ({"name": "email"}, "body.name", "this claim belongs to the protocol"),
        ({"name": "groups"}, "body.name", "APIs decide by this claim what its bearer may do"),
        ({"name": "roles"}, "body.name", "APIs decide by this claim what its bearer may do"),
        ({"name": "entitlements"}, "body.name", "APIs decide by this claim what its bearer may do"),
        ({"name": "scp"}, "body.name", "APIs decide by this claim what its bearer may do"),
        ({"name": "permissions"}, "body.name", "APIs decide by this claim what its bearer may do"),
        ({"name": "_claim_names"}, "body.name", "this claim belongs to the protocol"),
        ({"name": "_claim_sources"}, "body.name", "this claim belongs to the protocol"),
        (
            {"name": "two words"},
            "body.name",
            'a claim must have 1 to 128 printable ASCII characters, with no space, " or \\',
        ),
        ({"scope": "no-such-scope"}, "body.scope", "there is no scope with that name"),
        ({"places": []}, "body.places", "a claim must be told somewhere"),
    ],
)
async def test_a_claim_that_cannot_be_declared_is_refused(
    http: httpx2.AsyncClient,
    as_admin: Headers,
    changes: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    wanted = {"name": "department", "type": "string", "scope": "profile"} | changes
    response = await http.post("/claims", json=wanted, headers=as_admin)
    assert assert_problem(response, 422)["errors"] == [{"field": field, "reason": reason}]


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        ("string", "x", 1),
        ("integer", 1, True),
        ("number", 1.5, "1.5"),
        ("boolean", False, 0),
        ("strings", ["a"], ["a", 1]),
        ("json", {"a": [None]}, "x" * 2048),
    ],
)
async def test_a_value_is_of_the_type_of_its_claim(
    http: httpx2.AsyncClient,
    as_admin: Headers,
    carol: TestUser,
    kind: str,
    good: Any,
    bad: Any,
) -> None:
    await declare(http, as_admin, "level", type=kind)
    holder = f"users/{carol.id}"
    assert await give(http, as_admin, holder, level=good) == {"level": good}
    response = await http.patch(
        f"/claims/{holder}", json={"values": {"level": bad}}, headers=as_admin
    )
    (error,) = _errors(response)
    assert error["field"] == "body.values"


INTEGER = "an integer must be within ±(2^53 - 1)"
TEXT = "a text must be Unicode without NUL"
DEPTH = "at most 8 lists and objects can be within each other"


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (str(2**53), INTEGER),
        (f'{{"a": [{-(2**53)}]}}', INTEGER),
        (r'"\ud800"', TEXT),
        (r'{"a\udfff": 1}', TEXT),
        (r'"a\u0000"', TEXT),
        ("1e999", "a number must be finite"),
        ("[" * 9 + "]" * 9, DEPTH),
    ],
)
async def test_a_value_is_what_every_reader_of_a_token_understands(
    http: httpx2.AsyncClient, as_admin: Headers, carol: TestUser, text: str, reason: str
) -> None:
    await declare(http, as_admin, "level", type="json")
    response = await http.patch(
        f"/claims/users/{carol.id}",
        content=f'{{"values": {{"level": {text}}}}}',
        headers={**as_admin, "Content-Type": "application/json"},
    )
    assert _errors(response) == [{"field": "body.values", "reason": reason}]


async def test_a_value_at_the_limits_is_told_as_it_was_given(
    http: httpx2.AsyncClient, as_admin: Headers, shop: TestClient, carol: TestUser
) -> None:
    await declare(http, as_admin, "level", type="json")
    value = [[[[[[[[2**53 - 1, -(2**53) + 1, "é😀", 1e300]]]]]]]]
    await give(http, as_admin, f"users/{carol.id}", level=value)
    tokens = await CodeFlow(http, carol, shop, scope="openid profile").tokens()
    assert read_claims(tokens["id_token"])["level"] == value


async def test_all_values_of_a_holder_together_fit_into_a_token(
    http: httpx2.AsyncClient, as_admin: Headers, carol: TestUser
) -> None:
    for name in ("a", "b"):
        await declare(http, as_admin, name)
    # {"a":"","b":""} takes 15 bytes.
    await give(http, as_admin, f"users/{carol.id}", a="x" * (2048 - 15 - 999), b="x" * 999)
    refused = await http.patch(
        f"/claims/users/{carol.id}", json={"values": {"b": "x" * 1000}}, headers=as_admin
    )
    reason = "all values together have at most 2048 bytes as JSON"
    assert _errors(refused) == [{"field": "body.values", "reason": reason}]
    await give(http, as_admin, f"users/{carol.id}", a=None, b="x" * 1000)


def _errors(response: httpx2.Response) -> list[dict[str, str]]:
    errors: Any = assert_problem(response, 422)["errors"]
    found: list[dict[str, str]] = errors
    return found


async def test_nobody_declares_what_is_beyond_their_scopes_or_changes_who_is(
    http: httpx2.AsyncClient, server: Server, as_admin: Headers, carol: TestUser
) -> None:
    await declare(http, as_admin, "department")
    small = await add_somebody(server, "claims:write")
    headers = await token_of(server, small, "claims:write")
    wanted = {"name": "level", "type": "integer", "scope": "profile"}
    assert_refused(await http.post("/claims", json=wanted, headers=headers), 403, NOT_YOURS)
    for holder in (f"users/{carol.id}", "clients/console"):
        changed = await http.patch(
            f"/claims/{holder}", json={"values": {"department": "x"}}, headers=headers
        )
        assert_refused(changed, 403, TOO_GREAT)
    assert_refused(
        await http.delete("/claims/declared/department", headers=headers), 403, TOO_GREAT
    )


async def test_the_trail_has_what_was_changed_and_not_the_values(
    http: httpx2.AsyncClient, server: Server, as_admin: Headers, carol: TestUser
) -> None:
    await declare(http, as_admin, "department")
    await give(http, as_admin, f"users/{carol.id}", department="sales")
    await give(http, as_admin, f"users/{carol.id}", department="sales")
    await http.delete("/claims/declared/department", headers=as_admin)
    told = [
        (event.type, event.user_id, event.details)
        for event in await events(server)
        if event.type.startswith("claim.")
    ]
    assert told == [
        (
            "claim.declared",
            None,
            {"claim": "department", "scope": "profile", "places": ["id_token", "userinfo"]},
        ),
        ("claim.set", str(carol.id), {"claims": ["department"]}),
        ("claim.deleted", None, {"claim": "department"}),
    ]
