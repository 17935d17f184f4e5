"""Who the user is, for clients: OpenID Connect Core 1.0, sections 5.1, 5.4 and 5.5."""

import json
from typing import Any

import pytest

from app.identity.definition import Changes
from app.management.authority import operating
from app.management.users import change_user
from app.server import Server
from tests.support.clock import TestClock
from tests.support.factories import TestUser, add_user, bearer
from tests.support.flow import (
    CodeFlow,
    Page,
    add_web_client,
    assert_error_answer,
    read_answer,
)
from tests.support.forger import read_claims
from tests.support.lifecycle import refreshed, take_from_user

SCOPE = "openid profile email"

PROFILE: Changes = {
    "name": "Alice Liddell",
    "given_name": "Alice",
    "family_name": "Liddell",
    "picture": "https://wonderland.example/alice.png",
    "locale": "en-GB",
}

ABOUT_USER = {*PROFILE, "preferred_username", "updated_at", "email", "email_verified"}


async def change(server: Server, user: TestUser, changes: Changes) -> None:
    async with operating(server.database, server.clock) as operator:
        await change_user(operator, user.id, changes)


async def told_at_userinfo(flow: CodeFlow, scope: str = SCOPE) -> dict[str, Any]:
    token = (await flow.tokens(scope=scope))["access_token"]
    told: dict[str, Any] = (await flow.browser.get("/userinfo", headers=bearer(token))).json()
    return told


def about_user(tokens: dict[str, Any]) -> dict[str, Any]:
    """What the ID token says of the user beside who it is."""
    claims = read_claims(tokens["id_token"])
    return {name: claims[name] for name in claims if name in ABOUT_USER}


@pytest.fixture
async def speaking(flow: CodeFlow, server: Server) -> CodeFlow:
    """Alice at a client that wants claims in its ID tokens."""
    client = await add_web_client(server, "speaking", id_token_claims=True)
    return CodeFlow(flow.browser, flow.user, client)


# What there is


@pytest.mark.rfc("openid-connect-core", "5.1", 1, 4)
@pytest.mark.rfc("openid-connect-core", "5.6", 1)
@pytest.mark.rfc("openid-connect-core", "13.3", 1)
async def test_the_scope_profile_brings_what_is_known_of_the_user(
    flow: CodeFlow, server: Server, clock: TestClock
) -> None:
    clock.advance(60)
    await change(server, flow.user, PROFILE)
    changed_at = int(clock.now().timestamp())
    clock.advance(60)
    assert await told_at_userinfo(flow, "openid profile") == {
        "sub": str(flow.user.id),
        "preferred_username": "alice",
        "updated_at": changed_at,
        **PROFILE,
    }


@pytest.mark.parametrize(
    ("profile", "name"),
    [
        pytest.param({}, "alice", id="the_user_name"),
        pytest.param({"given_name": "Alice"}, "Alice", id="the_given_name"),
        pytest.param({"given_name": "Alice", "family_name": "L"}, "Alice L", id="both_names"),
        pytest.param({"given_name": "Alice", "name": "Al"}, "Al", id="the_whole_name"),
    ],
)
async def test_there_is_always_a_name(
    flow: CodeFlow, server: Server, profile: Changes, name: str
) -> None:
    await change(server, flow.user, profile)
    assert (await told_at_userinfo(flow))["name"] == name


# In ID tokens


@pytest.mark.rfc("openid-connect-core", "5.4", 3)
async def test_a_client_gets_the_claims_of_its_scopes_in_id_tokens_if_it_is_registered_so(
    speaking: CodeFlow, server: Server
) -> None:
    await change(server, speaking.user, PROFILE)
    tokens = await speaking.tokens(scope=SCOPE)
    told = about_user(tokens)
    assert told.keys() == ABOUT_USER
    assert (told["name"], told["email"]) == ("Alice Liddell", "alice@example.com")


async def test_the_claims_are_those_of_the_scopes_alone(speaking: CodeFlow) -> None:
    assert about_user(await speaking.tokens(scope="openid")) == {}
    told = about_user(await speaking.tokens(scope="openid email"))
    assert told == {"email": "alice@example.com", "email_verified": True}


async def test_a_refresh_tells_what_is_true_by_then(speaking: CodeFlow, server: Server) -> None:
    tokens = await speaking.tokens(scope=SCOPE)
    await change(server, speaking.user, {"name": "Queen Alice"})
    await take_from_user(server, speaking.user, "email")
    tokens = await refreshed(speaking.browser, speaking.client, tokens["refresh_token"])
    told = about_user(tokens)
    assert (told["name"], "email" in told) == ("Queen Alice", False)


@pytest.mark.rfc("openid-connect-core", "5.4", 3)
async def test_other_clients_get_none(flow: CodeFlow) -> None:
    assert about_user(await flow.tokens(scope=SCOPE)) == {}


# The parameter claims


def asking(**claims: Any) -> str:
    return json.dumps(claims)


@pytest.mark.rfc("openid-connect-core", "5.5", 1, 4)
@pytest.mark.rfc("openid-connect-discovery", "3", 22)
async def test_claims_are_in_the_id_token_that_are_asked_for_by_name(flow: CodeFlow) -> None:
    claims = asking(id_token={"email": {"essential": True}, "name": None, "sub": None})
    tokens = await flow.tokens(scope=SCOPE, claims=claims)
    assert about_user(tokens) == {"name": "alice", "email": "alice@example.com"}
    tokens = await refreshed(flow.browser, flow.client, tokens["refresh_token"])
    assert about_user(tokens) == {"name": "alice", "email": "alice@example.com"}


@pytest.mark.rfc("openid-connect-core", "5.5.1", 1)
@pytest.mark.rfc("openid-connect-core", "17.1")
async def test_a_claim_that_no_granted_scope_permits_is_left_out(flow: CodeFlow) -> None:
    claims = asking(id_token={"email": {"essential": True}, "phone_number": None})
    assert about_user(await flow.tokens(scope="openid profile", claims=claims)) == {}


@pytest.mark.rfc("openid-connect-core", "5.5", 3, 4)
async def test_what_is_asked_for_at_userinfo_is_not_in_the_id_token(flow: CodeFlow) -> None:
    claims = asking(userinfo={"email": None}, unknown={"name": None})
    assert about_user(await flow.tokens(scope=SCOPE, claims=claims)) == {}


async def test_no_claim_can_take_the_place_of_one_of_the_protocol(flow: CodeFlow) -> None:
    claims = asking(id_token={"aud": {"value": "other"}, "exp": {"value": 1}})
    told = read_claims((await flow.tokens(scope=SCOPE, claims=claims))["id_token"])
    assert (told["aud"], told["exp"] - told["iat"]) == ("shop", 900)


@pytest.mark.rfc("openid-connect-core", "3.1.2.2", 3)
@pytest.mark.rfc("openid-connect-core", "5.5.1", 3)
async def test_only_the_user_that_is_named_gets_an_answer(flow: CodeFlow, server: Server) -> None:
    bob = await add_user(server, "bob", scopes=("openid", "profile"))
    wanted = asking(id_token={"sub": {"value": str(bob.id)}})
    await flow.tokens()
    refused = await flow.start(claims=wanted, prompt="none")
    assert_error_answer(refused, "login_required", "A different user is logged in.")
    own = asking(id_token={"sub": {"value": str(flow.user.id)}})
    assert "code" in read_answer(await flow.start(claims=own, prompt="none"))


@pytest.mark.rfc("9470", "5", 1)
@pytest.mark.rfc("openid-connect-core", "5.5.1.1", 1)
@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"essential": True, "values": ["silver", "gold"]}, id="values"),
        pytest.param({"essential": True, "value": "silver"}, id="value"),
    ],
)
async def test_a_kind_of_login_that_is_essential_and_cannot_be_had_is_refused(
    flow: CodeFlow, wanted: dict[str, Any]
) -> None:
    for prompt in ("login", "none"):
        refused = await flow.start(claims=asking(id_token={"acr": wanted}), prompt=prompt)
        assert_error_answer(
            refused, "unmet_authentication_requirements", "This server promises no such acr."
        )


@pytest.mark.rfc("openid-connect-core", "5.5.1", 2)
@pytest.mark.rfc("openid-connect-core", "5.5.1.1", 2)
@pytest.mark.parametrize(
    "claims",
    [
        pytest.param({"id_token": {"acr": None}}, id="voluntary"),
        pytest.param({"id_token": {"acr": {"values": ["silver"]}}}, id="voluntary_values"),
        pytest.param({"id_token": {"acr": {"essential": True}}}, id="any_value"),
        pytest.param({"id_token": {"acr": {"essential": True, "values": []}}}, id="no_value"),
        pytest.param({"id_token": {"acr": {"essential": True, "values": "a"}}}, id="no_list"),
        pytest.param({"id_token": {"acr": {"essential": "1", "values": ["a"]}}}, id="no_boolean"),
        pytest.param({"id_token": {"acr": {"essential": True, "level": 2}}}, id="unknown_member"),
        pytest.param({"userinfo": {"acr": {"essential": True, "value": "a"}}}, id="at_userinfo"),
    ],
)
async def test_a_wish_for_a_kind_of_login_is_ignored(
    flow: CodeFlow, claims: dict[str, Any]
) -> None:
    id_token = read_claims((await flow.tokens(claims=json.dumps(claims)))["id_token"])
    assert (id_token["acr"], id_token["amr"]) == ("urn:latchkey:acr:any", ["pwd"])


async def test_a_kind_of_login_is_of_no_matter_without_an_id_token(flow: CodeFlow) -> None:
    claims = asking(id_token={"acr": {"essential": True, "value": "silver"}})
    assert "id_token" not in await flow.tokens(scope="profile", claims=claims)


@pytest.mark.rfc("openid-connect-core", "5.5", 2)
@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        pytest.param("{", "The claims must be JSON.", id="no_json"),
        pytest.param("[" * 4000, "The claims must be JSON.", id="deep"),
        pytest.param("[]", "The claims must be a JSON object.", id="a_list"),
        pytest.param(
            '{"id_token": []}', "The members of claims must be JSON objects.", id="a_list_in_it"
        ),
        pytest.param(
            '{"id_token": {"email": true}}',
            "Each requested claim must be null or a JSON object.",
            id="a_claim",
        ),
        pytest.param(
            '{"id_token": {"sub": {"value": "a"}}, "userinfo": {"sub": {"value": "b"}}}',
            "The claims name more than one sub.",
            id="two_users",
        ),
    ],
)
async def test_claims_that_cannot_be_read_are_refused(
    flow: CodeFlow, claims: str, problem: str
) -> None:
    assert_error_answer(await flow.start(claims=claims), "invalid_request", problem)


async def test_the_consent_page_is_as_without_them(flow: CodeFlow) -> None:
    plain = Page(await flow.consent_page(scope=SCOPE)).text
    asked = Page(await flow.consent_page(scope=SCOPE, claims=asking(id_token={"name": None}))).text
    assert asked == plain
