"""Managing users over HTTP.

Each test has users of its own, so all share one application.
"""

import uuid
from typing import Any

import httpx2
import pytest

from app.server import Server
from tests.conftest import ISSUER
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.clock import TestClock
from tests.support.factories import (
    NO_PROFILE,
    PASSWORD,
    SCOPES,
    TestClient,
    TestUser,
    add_user,
    bearer,
    log_in,
)
from tests.support.lifecycle import (
    INACTIVE,
    Tokens,
    add_refreshing,
    add_resource_server,
    introspected,
    is_active,
    refresh,
)
from tests.support.managed_users import (
    ENDING,
    NEW_PASSWORD,
    change,
    changed,
    create,
    delete,
    disable,
    get,
    name_of_its_own,
    set_password,
)
from tests.support.operators import (
    NO_USER,
    NOBODYS,
    SENTINEL,
    add_somebody,
    assert_invalid,
    assert_refused,
    token_of,
    walk,
    written,
)

CHANGED = "Someone else changed this in the meantime."
NO_ETAG = CHANGED


async def try_to_log_in(
    http: httpx2.AsyncClient, client: TestClient, username: str, password: str
) -> httpx2.Response:
    form = {
        "grant_type": "password",
        "username": username,
        "password": password,
        "client_id": client.client_id,
        "scope": "profile",
    }
    return await http.post("/token", data=form)


def assert_wrong_password(response: httpx2.Response) -> None:
    assert_oauth2_error(
        response, "invalid_grant", description="The user name or the password is wrong."
    )


# Creating


async def test_a_user_is_created_and_its_address_is_told(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    username = name_of_its_own()
    body = {
        "username": username,
        "email": "ada@example.com",
        "password": PASSWORD,
        "scopes": ["profile", "items:read"],
    }
    response = await http.post("/users", json=body, headers=as_admin)
    assert response.status_code == 201, response.text
    user_id = str(uuid.UUID(response.json()["id"]))
    assert response.json() == {
        "id": user_id,
        "username": username,
        "email": "ada@example.com",
        "email_verified": False,
        **NO_PROFILE,
        "has_password": True,
        "scopes": ["items:read", "profile"],
        "inherited_scopes": [],
        "created_at": written(clock.now()),
        "updated_at": written(clock.now()),
        "disabled_at": None,
    }
    assert response.headers["location"] == f"{ISSUER}/users/{user_id}"
    again = await http.get(response.headers["location"], headers=as_admin)
    assert (again.json(), again.headers["etag"]) == (response.json(), response.headers["etag"])


async def test_the_address_of_a_user_is_built_from_the_issuer_whatever_host_was_asked(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    headers = as_admin | {"Host": "evil.example", "X-Forwarded-Host": "evil.example"}
    response = await http.post("/users", json={"username": name_of_its_own()}, headers=headers)
    assert response.headers["location"] == f"{ISSUER}/users/{response.json()['id']}"


async def test_a_user_needs_nothing_but_a_name(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin)
    assert (created["email"], created["has_password"]) == (None, False)


async def test_a_new_user_has_what_speaks_of_a_user_as_at_the_command_line(
    http: httpx2.AsyncClient, as_admin: dict[str, str], console: TestClient
) -> None:
    created, _ = await create(http, as_admin, password=PASSWORD)
    assert created["scopes"] == ["account", "email", "offline_access", "openid", "profile"]
    assert (await try_to_log_in(http, console, created["username"], PASSWORD)).status_code == 200


async def test_a_new_user_for_whom_no_scope_is_asked_has_none(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, scopes=[])
    assert created["scopes"] == []


async def test_a_new_user_has_no_scope_by_default_that_whoever_adds_them_does_not_have(
    http: httpx2.AsyncClient, server: Server
) -> None:
    helpdesk = await add_somebody(server, "users:write", "profile", "account")
    headers = await token_of(server, helpdesk, "users:write")
    created, _ = await create(http, headers)
    assert created["scopes"] == ["account", "profile"]


async def test_a_new_user_logs_in_with_the_password_that_was_given(
    http: httpx2.AsyncClient, as_admin: dict[str, str], console: TestClient
) -> None:
    created, _ = await create(http, as_admin, password=PASSWORD, scopes=["profile"])
    response = await try_to_log_in(http, console, created["username"], PASSWORD)
    assert (response.status_code, response.json()["scope"]) == (200, "profile")


async def test_a_password_is_in_no_answer(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    body = {"username": name_of_its_own(), "password": PASSWORD}
    response = await http.post("/users", json=body, headers=as_admin)
    shown = await http.get(response.headers["location"], headers=as_admin)
    for text in (response.text, shown.text):
        assert PASSWORD not in text
        assert "argon2" not in text


async def test_a_user_without_a_password_logs_in_with_none(
    http: httpx2.AsyncClient, as_admin: dict[str, str], console: TestClient
) -> None:
    created, _ = await create(http, as_admin, scopes=["profile"])
    assert_wrong_password(await try_to_log_in(http, console, created["username"], PASSWORD))


async def test_a_scope_that_is_named_twice_is_given_once(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, scopes=["profile", "profile"])
    assert created["scopes"] == ["profile"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("ada", "ada", id="the same"),
        pytest.param("Ada", "aDA", id="another case"),
        pytest.param("straße", "STRASSE", id="case folding"),
        pytest.param("\uff41da", "ada", id="compatibility form"),
    ],
)
async def test_a_second_user_of_the_same_name_is_a_conflict(
    http: httpx2.AsyncClient, as_admin: dict[str, str], first: str, second: str
) -> None:
    suffix = uuid.uuid4()
    await create(http, as_admin, username=f"{first} {suffix}")
    response = await http.post("/users", json={"username": f"{second} {suffix}"}, headers=as_admin)
    assert_refused(response, 409, f"a user named {f'{second} {suffix}'!r} already exists")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param(
            {"username": None}, "body.username", "Input should be a valid string", id="name null"
        ),
        pytest.param(
            {"username": ""},
            "body.username",
            "String should have at least 1 character",
            id="empty name",
        ),
        pytest.param(
            {"username": SENTINEL * 10},
            "body.username",
            "String should have at most 128 characters",
            id="long name",
        ),
        pytest.param(
            {"username": {"a": SENTINEL}},
            "body.username",
            "Input should be a valid string",
            id="name is an object",
        ),
        pytest.param(
            {"email": SENTINEL * 20},
            "body.email",
            "String should have at most 320 characters",
            id="long address",
        ),
        pytest.param(
            {"password": [SENTINEL]},
            "body.password",
            "Input should be a valid string",
            id="password is a list",
        ),
        pytest.param(
            {"scopes": SENTINEL}, "body.scopes", "Input should be a valid list", id="scopes a word"
        ),
        pytest.param(
            {"scopes": None}, "body.scopes", "Input should be a valid list", id="scopes null"
        ),
        pytest.param(
            {"scopes": [SENTINEL] * 101},
            "body.scopes",
            "List should have at most 100 items after validation, not 101",
            id="too many scopes",
        ),
        pytest.param(
            {"is_admin": SENTINEL},
            "body.is_admin",
            "Extra inputs are not permitted",
            id="unknown field",
        ),
        pytest.param(
            {"id": SENTINEL}, "body.id", "Extra inputs are not permitted", id="an id of one's own"
        ),
    ],
)
async def test_a_new_user_that_breaks_a_rule_is_refused_by_field_and_reason_alone(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    response = await http.post("/users", json={"username": "x"} | body, headers=as_admin)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text


NAME_RULE = "a user name cannot contain control characters, or start or end with a space"
EMAIL_RULE = "an e-mail address must have the form name@domain"


@pytest.mark.parametrize(
    ("body", "detail"),
    [
        pytest.param({"username": f" {SENTINEL}"}, NAME_RULE, id="space before the name"),
        pytest.param({"username": f"{SENTINEL}\n"}, NAME_RULE, id="newline in the name"),
        pytest.param({"username": f"{SENTINEL}\x00"}, NAME_RULE, id="NUL in the name"),
        pytest.param({"username": "   "}, NAME_RULE, id="blank name"),
        pytest.param({"email": SENTINEL}, EMAIL_RULE, id="address without @"),
        pytest.param({"email": f"{SENTINEL}@"}, EMAIL_RULE, id="address without domain"),
        pytest.param({"email": f"a b@{SENTINEL}"}, EMAIL_RULE, id="space in the address"),
        pytest.param({"email": f"{SENTINEL}@a\x00b"}, EMAIL_RULE, id="NUL in the address"),
        pytest.param(
            {"password": "sentinel"},
            "a password must have at least 15 characters",
            id="short password",
        ),
        pytest.param(
            {"password": SENTINEL * 60},
            "a password can have at most 1024 characters",
            id="long password",
        ),
        pytest.param(
            {"username": SENTINEL, "password": SENTINEL.upper()},
            "a password must differ from the user name",
            id="password like the name",
        ),
    ],
)
async def test_a_new_user_that_the_service_refuses_is_not_repeated(
    http: httpx2.AsyncClient, as_admin: dict[str, str], body: dict[str, Any], detail: str
) -> None:
    body = {"username": name_of_its_own()} | body
    response = await http.post("/users", json=body, headers=as_admin)
    if "password" in body:  # which depends on settings
        assert_refused(response, 422, detail)
    else:
        assert_invalid(response, (f"body.{next(reversed(body))}", detail))
    assert SENTINEL not in response.text


async def test_a_user_that_is_refused_is_not_there(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    username = name_of_its_own()
    body = {"username": username, "email": "no address"}
    assert_problem(await http.post("/users", json=body, headers=as_admin), 422)
    assert await walk(http, as_admin, "/users", "users", "username", name=username) == [[]]


# Reading


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_user_is_not_found(
    http: httpx2.AsyncClient, as_admin: dict[str, str], method: str
) -> None:
    body: dict[str, Any] | None = {} if method == "PATCH" else None
    response = await http.request(method, f"/users/{NOBODYS}", json=body, headers=as_admin)
    assert_refused(response, 404, NO_USER)


async def test_no_password_is_set_for_an_unknown_user(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    body = {"password": NEW_PASSWORD}
    response = await http.post(f"/users/{NOBODYS}/password", json=body, headers=as_admin)
    assert_refused(response, 404, NO_USER)


@pytest.mark.parametrize("user_id", ["no-uuid", "1", "%00", "a" * 300])
async def test_a_user_id_that_is_no_uuid_is_refused(
    http: httpx2.AsyncClient, as_admin: dict[str, str], user_id: str
) -> None:
    response = await http.get(f"/users/{user_id}", headers=as_admin)
    problem = assert_problem(response, 422)
    assert problem["errors"] == [
        {"field": "path.user_id", "reason": response.json()["errors"][0]["reason"]}
    ]
    assert f'"{user_id}"' not in response.text


# Listing


@pytest.fixture
async def family(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> str:
    """The beginning of the names of four users that end in a, b, c and d."""
    prefix = f"family-{uuid.uuid4()}-"
    for letter in "cadb":
        await create(http, as_admin, username=prefix + letter)
    return prefix


async def names(
    http: httpx2.AsyncClient, headers: dict[str, str], family: str, **parameters: Any
) -> list[list[str]]:
    """The last letters of the names, page by page."""
    pages = await walk(http, headers, "/users", "users", "username", name=family, **parameters)
    return [[name.removeprefix(family) for name in page] for page in pages]


@pytest.mark.parametrize(
    ("limit", "pages"),
    [
        pytest.param(1, [["a"], ["b"], ["c"], ["d"]], id="one by one"),
        pytest.param(2, [["a", "b"], ["c", "d"]], id="the last page is full"),
        pytest.param(3, [["a", "b", "c"], ["d"]], id="the last page is not full"),
        pytest.param(200, [["a", "b", "c", "d"]], id="the largest page"),
    ],
)
async def test_users_are_listed_by_name_in_pages(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    family: str,
    limit: int,
    pages: list[list[str]],
) -> None:
    assert await names(http, as_admin, family, limit=limit) == pages


async def test_a_list_stays_stable_while_users_are_added(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    first = await http.get("/users", params={"name": family, "limit": 2}, headers=as_admin)
    await create(http, as_admin, username=family + "aa")
    await create(http, as_admin, username=family + "cc")
    cursor = first.json()["next_cursor"]
    assert [user["username"][-1] for user in first.json()["users"]] == ["a", "b"]
    assert await names(http, as_admin, family, limit=2, cursor=cursor) == [["c", "cc"], ["d"]]


async def test_a_listed_user_is_as_one_that_is_looked_at(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    response = await http.get("/users", params={"name": family, "limit": 1}, headers=as_admin)
    (listed,) = response.json()["users"]
    assert listed == await get(http, as_admin, listed["id"])


async def test_names_are_filtered_without_regard_to_case(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    assert await names(http, as_admin, family.upper()) == [[f"{family}{x}" for x in "abcd"]]
    assert await names(http, as_admin, family + "b") == [[""]]
    assert await names(http, as_admin, family + "e") == [[]]


@pytest.mark.parametrize("wildcard", ["%", "_", "*"])
async def test_a_filter_knows_no_wildcards(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str, wildcard: str
) -> None:
    assert await names(http, as_admin, family + wildcard) == [[]]


@pytest.mark.parametrize(
    ("disabled", "expected"),
    [
        pytest.param("true", ["b"], id="only disabled ones"),
        pytest.param("false", ["a", "c", "d"], id="only enabled ones"),
    ],
)
async def test_users_are_filtered_by_their_state(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    family: str,
    disabled: str,
    expected: list[str],
) -> None:
    ((user_id,),) = await walk(http, as_admin, "/users", "users", "id", name=family + "b")
    await changed(http, as_admin, user_id, disabled=True)
    assert await names(http, as_admin, family, disabled=disabled) == [expected]


@pytest.mark.parametrize(
    ("parameter", "value", "reason"),
    [
        pytest.param("limit", "0", "Input should be greater than or equal to 1", id="no limit"),
        pytest.param(
            "limit", "201", "Input should be less than or equal to 200", id="limit too large"
        ),
        pytest.param(
            "limit",
            "many",
            "Input should be a valid integer, unable to parse string as an integer",
            id="limit is a word",
        ),
        pytest.param(
            "name", "x" * 129, "String should have at most 128 characters", id="long name"
        ),
        pytest.param(
            "disabled",
            "perhaps",
            "Input should be a valid boolean, unable to interpret input",
            id="no boolean",
        ),
    ],
)
async def test_a_list_of_users_is_refused_for_a_parameter_out_of_range(
    http: httpx2.AsyncClient, as_admin: dict[str, str], parameter: str, value: str, reason: str
) -> None:
    response = await http.get("/users", params={parameter: value}, headers=as_admin)
    assert_invalid(response, (f"query.{parameter}", reason))


async def test_a_cursor_that_is_no_name_is_refused(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    response = await http.get("/users", params={"cursor": f"{SENTINEL}\x00"}, headers=as_admin)
    assert_problem(response, 422)
    assert [error["field"] for error in response.json()["errors"]] == ["query.cursor"]
    assert SENTINEL not in response.text


async def test_an_id_that_is_none_is_not_repeated(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    """Not even the character of it that is wrong."""
    response = await http.get("/users/zzz", headers=as_admin)
    assert_invalid(response, ("path.user_id", "Input should be a valid UUID"))


async def test_pages_go_on_behind_a_user_who_was_deleted_meanwhile(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    first = await http.get("/users", params={"name": family, "limit": 2}, headers=as_admin)
    last = first.json()["users"][-1]["id"]
    assert (await http.delete(f"/users/{last}", headers=as_admin)).status_code == 204
    cursor = first.json()["next_cursor"]
    assert await names(http, as_admin, family, cursor=cursor) == [["c", "d"]]


# Changing


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"email": "new@example.com"}, {"email": "new@example.com"}, id="address"),
        pytest.param({"email": None}, {"email": None}, id="address null"),
        pytest.param({"email": ""}, {"email": None}, id="address empty"),
        pytest.param({"email_verified": True}, {"email_verified": True}, id="verified"),
        pytest.param({"email_verified": None}, {}, id="verified null"),
        pytest.param({"scopes": ["email"]}, {"scopes": ["email"]}, id="scopes"),
        pytest.param({"scopes": []}, {"scopes": []}, id="scopes empty"),
        pytest.param({"scopes": None}, {}, id="scopes null"),
        pytest.param({"disabled": False}, {}, id="enabled already"),
        pytest.param({"disabled": None}, {}, id="disabled null"),
        pytest.param(
            {"email": "new@example.com", "email_verified": True, "scopes": ["email", "profile"]},
            {"email": "new@example.com", "email_verified": True, "scopes": ["email", "profile"]},
            id="several at once",
        ),
    ],
)
async def test_a_user_is_changed_where_a_change_was_sent(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    clock: TestClock,
    changes: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    created, _ = await create(
        http, as_admin, email="ada@example.com", password=PASSWORD, scopes=["profile"]
    )
    clock.advance(1)
    response = await change(http, as_admin, created["id"], changes)
    wanted = created | expected | {"updated_at": written(clock.now())}
    assert (response.status_code, response.json()) == (200, wanted)
    assert await get(http, as_admin, created["id"]) == wanted


async def test_a_user_is_disabled_and_enabled_again(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    created, _ = await create(http, as_admin)
    disabled = await changed(http, as_admin, created["id"], disabled=True)
    assert disabled == created | {"disabled_at": written(clock.now())}
    clock.advance(1)
    again = await changed(http, as_admin, created["id"], disabled=True)
    assert again["disabled_at"] == disabled["disabled_at"]
    assert (await changed(http, as_admin, created["id"], disabled=False))["disabled_at"] is None


async def test_a_new_address_is_not_verified(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, email="hers@example.com")
    await changed(http, as_admin, created["id"], email_verified=True)
    same = await changed(http, as_admin, created["id"], email="hers@example.com")
    assert same["email_verified"] is True
    other = await changed(http, as_admin, created["id"], email="other@example.com")
    assert other["email_verified"] is False


async def test_the_other_users_stay_when_one_is_changed(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    changes = {"email": "new@example.com", "scopes": ["email"], "disabled": True}
    created, _ = await create(http, as_admin)
    other, _ = await create(http, as_admin, email="ada@example.com", scopes=["profile"])
    await changed(http, as_admin, created["id"], **changes)
    assert await get(http, as_admin, other["id"]) == other


@pytest.mark.parametrize(
    ("changes", "field", "reason"),
    [
        pytest.param(
            {"email": SENTINEL * 20},
            "body.email",
            "String should have at most 320 characters",
            id="long address",
        ),
        pytest.param(
            {"username": SENTINEL},
            "body.username",
            "Extra inputs are not permitted",
            id="a name stays",
        ),
        pytest.param(
            {"password": SENTINEL},
            "body.password",
            "Extra inputs are not permitted",
            id="a password has its own address",
        ),
        pytest.param(
            {"scopes": SENTINEL}, "body.scopes", "Input should be a valid list", id="scopes a word"
        ),
        pytest.param(
            {"disabled": SENTINEL},
            "body.disabled",
            "Input should be a valid boolean, unable to interpret input",
            id="no boolean",
        ),
    ],
)
async def test_a_change_that_breaks_a_rule_is_refused_and_changes_nothing(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    changes: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    created, _ = await create(http, as_admin, scopes=["profile"])
    response = await change(http, as_admin, created["id"], changes)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert await get(http, as_admin, created["id"]) == created


async def test_an_unknown_scope_is_refused_without_being_repeated_and_changes_nothing(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, scopes=["profile"])
    changes = {"email": "new@example.com", "scopes": ["email", SENTINEL]}
    response = await change(http, as_admin, created["id"], changes)
    assert_problem(response, 422)
    assert await get(http, as_admin, created["id"]) == created
    assert SENTINEL not in response.text


async def test_an_address_that_is_none_changes_nothing(
    http: httpx2.AsyncClient, as_admin: dict[str, str]
) -> None:
    created, _ = await create(http, as_admin, email="ada@example.com", scopes=["profile"])
    changes = {"scopes": [], "disabled": True, "email": SENTINEL}
    response = await change(http, as_admin, created["id"], changes)
    assert_invalid(response, ("body.email", EMAIL_RULE))
    assert await get(http, as_admin, created["id"]) == created


async def test_a_scope_that_is_taken_away_stops_at_once(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str]
) -> None:
    alice = await add_user(server, scopes=["profile", "account"])
    as_alice = await token_of(server, alice, "profile", "account")
    sessions = "/users/me/sessions"
    assert (await http.get(sessions, headers=as_alice)).status_code == 200
    await changed(http, as_admin, alice.id, scopes=["profile"])
    assert (await http.get(sessions, headers=as_alice)).status_code == 403
    assert (await http.get("/users/me", headers=as_alice)).status_code == 200


# Concurrent edits


async def test_a_change_that_is_based_on_the_newest_version_succeeds_and_gives_the_next(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    created, etag = await create(http, as_admin)
    for step in ("first", "second"):
        clock.advance(0.000_001)
        email = f"{step}@example.com"
        response = await change(http, as_admin, created["id"], {"email": email}, etag)
        assert (response.status_code, response.json()["email"]) == (200, email)
        assert response.headers["etag"] != etag
        etag = response.headers["etag"]


@pytest.mark.parametrize("meanwhile", ["patch", "password"])
async def test_a_change_that_is_based_on_an_older_version_fails_and_changes_nothing(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock, meanwhile: str
) -> None:
    created, etag = await create(http, as_admin)
    clock.advance(0.000_001)
    if meanwhile == "patch":
        await changed(http, as_admin, created["id"], email="first@example.com")
    else:
        body = {"password": NEW_PASSWORD}
        response = await http.post(f"/users/{created['id']}/password", json=body, headers=as_admin)
        assert response.status_code == 204, response.text
    before = await get(http, as_admin, created["id"])
    changes = {"email": "second@example.com"}
    assert_refused(await change(http, as_admin, created["id"], changes, etag), 412, CHANGED)
    assert await get(http, as_admin, created["id"]) == before


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("*", id="any version"),
        pytest.param('"1", {etag}', id="one of several"),
        pytest.param('{etag} , "other"', id="the first of several"),
    ],
)
async def test_a_condition_that_the_version_fulfils_lets_the_change_pass(
    http: httpx2.AsyncClient, as_admin: dict[str, str], condition: str
) -> None:
    """RFC 9110, section 13.1.1: one of the listed tags, or any with an asterisk."""
    created, etag = await create(http, as_admin)
    condition = condition.replace("{etag}", etag)
    response = await change(http, as_admin, created["id"], {"email": "a@example.com"}, condition)
    assert (response.status_code, response.json().get("email")) == (200, "a@example.com")


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param("W/{etag}", id="weak"),
        pytest.param('"some-other-tag"', id="no number"),
        pytest.param('"99999999999999999999"', id="beyond every date"),
        pytest.param('""', id="empty tag"),
        pytest.param("", id="empty"),
        pytest.param('"٣"', id="digit of another script"),
    ],
)
async def test_a_condition_that_is_no_version_of_a_user_fails(
    http: httpx2.AsyncClient, as_admin: dict[str, str], condition: str
) -> None:
    created, etag = await create(http, as_admin)
    headers = [
        (b"Authorization", as_admin["Authorization"].encode()),
        (b"If-Match", condition.replace("{etag}", etag).encode()),
    ]
    response = await http.patch(
        f"/users/{created['id']}", json={"email": "a@example.com"}, headers=headers
    )
    assert_refused(response, 412, NO_ETAG)
    assert await get(http, as_admin, created["id"]) == created


async def test_a_deletion_that_is_based_on_an_older_version_fails(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    """RFC 9110, section 13.1.1: a method is not performed if its condition is false."""
    created, etag = await create(http, as_admin)
    clock.advance(1)
    await changed(http, as_admin, created["id"], email="first@example.com")
    response = await http.delete(f"/users/{created['id']}", headers=as_admin | {"If-Match": etag})
    assert_problem(response, 412)
    assert (await get(http, as_admin, created["id"]))["email"] == "first@example.com"


async def test_a_new_password_that_is_based_on_an_older_version_is_not_set(
    http: httpx2.AsyncClient, as_admin: dict[str, str], clock: TestClock
) -> None:
    created, etag = await create(http, as_admin)
    path = f"/users/{created['id']}"
    clock.advance(1)
    newer = (await http.patch(path, json={"email": None}, headers=as_admin)).headers["etag"]
    body = {"password": "another horse battery staple"}
    for condition, status in ((etag, 412), (newer, 204)):
        headers = as_admin | {"If-Match": condition}
        response = await http.post(f"{path}/password", json=body, headers=headers)
        assert response.status_code == status, response.text


# Disabling and deleting: everything that the user has stops at once


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_refreshing(server, f"shop-{uuid.uuid4()}", default_scopes=SCOPES)


@pytest.fixture(scope="module")
async def api(server: Server) -> TestClient:
    """A resource server."""
    return await add_resource_server(server)


@pytest.fixture
async def tokens(http: httpx2.AsyncClient, alice: TestUser, shop: TestClient) -> Tokens:
    return await log_in(http, alice, shop)


@pytest.mark.parametrize("stop", ENDING)
async def test_the_tokens_of_a_user_stop_at_once(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    alice: TestUser,
    shop: TestClient,
    api: TestClient,
    tokens: Tokens,
    stop: Any,
) -> None:
    access_token = tokens["access_token"]
    assert (await http.get("/users/me", headers=bearer(access_token))).status_code == 200
    assert await is_active(http, api, access_token)
    await stop(http, as_admin, alice)
    assert (await http.get("/users/me", headers=bearer(access_token))).status_code == 401
    assert await introspected(http, api, access_token) == INACTIVE
    assert_oauth2_error(await refresh(http, shop, tokens["refresh_token"]), "invalid_grant")


@pytest.mark.parametrize("stop", ENDING)
async def test_the_old_password_of_a_user_stops_at_once(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    alice: TestUser,
    console: TestClient,
    stop: Any,
) -> None:
    await stop(http, as_admin, alice)
    assert_wrong_password(await try_to_log_in(http, console, alice.username, PASSWORD))


async def test_a_user_who_is_enabled_again_logs_in_anew_with_the_same_credentials(
    http: httpx2.AsyncClient,
    server: Server,
    as_admin: dict[str, str],
    alice: TestUser,
    console: TestClient,
) -> None:
    await disable(http, as_admin, alice)
    await changed(http, as_admin, alice.id, disabled=False)
    assert (await try_to_log_in(http, console, alice.username, PASSWORD)).status_code == 200


async def test_logins_that_ended_stay_ended_when_the_user_is_enabled_again(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    alice: TestUser,
    shop: TestClient,
    tokens: Tokens,
) -> None:
    await disable(http, as_admin, alice)
    await changed(http, as_admin, alice.id, disabled=False)
    me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
    assert me.status_code == 401
    assert_oauth2_error(await refresh(http, shop, tokens["refresh_token"]), "invalid_grant")


async def test_the_tokens_of_others_go_on_when_a_user_is_disabled(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], alice: TestUser
) -> None:
    bob = await add_somebody(server, *SCOPES)
    as_bob = await token_of(server, bob, "profile")
    await disable(http, as_admin, alice)
    assert (await http.get("/users/me", headers=as_bob)).status_code == 200


async def test_a_deleted_user_is_gone_and_the_others_stay(
    http: httpx2.AsyncClient, as_admin: dict[str, str], family: str
) -> None:
    ((user_id,),) = await walk(http, as_admin, "/users", "users", "id", name=family + "b")
    assert (await http.delete(f"/users/{user_id}", headers=as_admin)).status_code == 204
    assert_refused(await http.get(f"/users/{user_id}", headers=as_admin), 404, NO_USER)
    assert_refused(await http.delete(f"/users/{user_id}", headers=as_admin), 404, NO_USER)
    assert await names(http, as_admin, family) == [["a", "c", "d"]]


async def test_a_new_user_with_the_name_of_a_deleted_one_is_somebody_else(
    http: httpx2.AsyncClient, server: Server, as_admin: dict[str, str], alice: TestUser
) -> None:
    as_alice = await token_of(server, alice, "profile")
    await delete(http, as_admin, alice)
    successor = await add_user(server, alice.username, scopes=SCOPES)
    assert successor.id != alice.id
    assert (await http.get("/users/me", headers=as_alice)).status_code == 401


# Setting a password


async def test_a_user_logs_in_with_the_password_that_was_set(
    http: httpx2.AsyncClient, as_admin: dict[str, str], alice: TestUser, console: TestClient
) -> None:
    await set_password(http, as_admin, alice)
    response = await try_to_log_in(http, console, alice.username, NEW_PASSWORD)
    assert response.status_code == 200, response.text


async def test_a_first_password_is_set(http: httpx2.AsyncClient, as_admin: dict[str, str]) -> None:
    created, _ = await create(http, as_admin)
    body = {"password": NEW_PASSWORD}
    await http.post(f"/users/{created['id']}/password", json=body, headers=as_admin)
    assert (await get(http, as_admin, created["id"]))["has_password"] is True


@pytest.mark.parametrize(
    ("password", "detail"),
    [
        pytest.param("sentinel", "a password must have at least 15 characters", id="short"),
        pytest.param(SENTINEL * 60, "a password can have at most 1024 characters", id="long"),
        pytest.param(
            f"{SENTINEL}\x00", "a password cannot contain the NUL character", id="with NUL"
        ),
        pytest.param(
            "1qaz2wsx3edc4rfv",
            "this password is one of the most common: choose another, such as several words",
            id="common",
        ),
    ],
)
async def test_a_password_that_breaks_a_rule_is_not_set_and_ends_nothing(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    alice: TestUser,
    tokens: Tokens,
    password: str,
    detail: str,
) -> None:
    body = {"password": password}
    response = await http.post(f"/users/{alice.id}/password", json=body, headers=as_admin)
    assert_refused(response, 422, detail)
    me = await http.get("/users/me", headers=bearer(tokens["access_token"]))
    assert me.status_code == 200


async def test_a_password_like_the_name_is_not_set(
    http: httpx2.AsyncClient, as_admin: dict[str, str], alice: TestUser
) -> None:
    body = {"password": alice.username.upper()}
    response = await http.post(f"/users/{alice.id}/password", json=body, headers=as_admin)
    assert_refused(response, 422, "a password must differ from the user name")


@pytest.mark.parametrize(
    ("body", "field", "reason"),
    [
        pytest.param({}, "body.password", "Field required", id="missing"),
        pytest.param(
            {"password": None}, "body.password", "Input should be a valid string", id="null"
        ),
        pytest.param(
            {"password": NEW_PASSWORD, "hash": SENTINEL},
            "body.hash",
            "Extra inputs are not permitted",
            id="unknown field",
        ),
    ],
)
async def test_a_password_body_that_breaks_a_rule_is_refused(
    http: httpx2.AsyncClient,
    as_admin: dict[str, str],
    alice: TestUser,
    body: dict[str, Any],
    field: str,
    reason: str,
) -> None:
    response = await http.post(f"/users/{alice.id}/password", json=body, headers=as_admin)
    assert_invalid(response, (field, reason))
    assert SENTINEL not in response.text
    assert NEW_PASSWORD not in response.text
