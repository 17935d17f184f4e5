"""Groups: who belongs to what, what that is worth, and what is gone at once when it ends."""

import uuid
from typing import Any

import httpx2
import pytest
from sqlalchemy import delete, insert, select

from app.features.groups.model import GroupClient, GroupMember
from app.features.groups.service import get_group_by_name
from app.models import UserScope
from app.server import Server
from tests.support.assertions import assert_oauth2_error, assert_problem
from tests.support.factories import (
    TestClient,
    TestUser,
    add_client,
    add_user,
    bearer,
    log_in,
)
from tests.support.lifecycle import INACTIVE, add_refreshing, introspected, refresh
from tests.support.operators import (
    NOT_YOURS,
    THE_LAST,
    TOO_GREAT,
    add_console,
    add_somebody,
    assert_refused,
    events,
    token_of,
)

Headers = dict[str, str]

NO_GROUP = "There is no such group."


@pytest.fixture
async def manager(server: Server) -> TestUser:
    return await add_somebody(
        server, "groups:read", "groups:write", "profile", "email", "items:read", "items:write"
    )


@pytest.fixture
async def as_manager(server: Server, manager: TestUser) -> Headers:
    await add_console(server)
    return await token_of(server, manager, "groups:read", "groups:write")


async def create(
    http: httpx2.AsyncClient, headers: Headers, name: str = "staff", *scopes: str
) -> dict[str, Any]:
    response = await http.post(
        "/groups", json={"name": name, "scopes": list(scopes)}, headers=headers
    )
    assert response.status_code == 201, response.text
    group: dict[str, Any] = response.json()
    return group


async def put(http: httpx2.AsyncClient, headers: Headers, group: dict[str, Any], what: str) -> None:
    response = await http.put(f"/groups/{group['id']}/{what}", headers=headers)
    assert response.status_code == 204, response.text


async def take(
    http: httpx2.AsyncClient, headers: Headers, group: dict[str, Any], what: str
) -> None:
    response = await http.delete(f"/groups/{group['id']}/{what}", headers=headers)
    assert response.status_code == 204, response.text


async def inherited(server: Server, user: TestUser) -> set[str]:
    async with server.database.read() as connection:
        by_groups = (UserScope.user_id == user.id) & (UserScope.via == "groups")
        return set(await connection.scalars(select(UserScope.scope).where(by_groups)))


# Managing them


async def test_a_group_is_created_looked_at_changed_and_deleted(
    http: httpx2.AsyncClient, as_manager: Headers
) -> None:
    wanted = {"name": "Staff in Köln", "description": "Everybody there", "scopes": ["profile"]}
    created = await http.post("/groups", json=wanted, headers=as_manager)
    group = created.json()
    assert created.status_code == 201
    assert group == {
        "id": str(uuid.UUID(group["id"])),
        **wanted,
        "clients": [],
        "member_count": 0,
        "created_at": group["created_at"],
        "updated_at": group["created_at"],
    }
    assert created.headers["location"].endswith(f"/groups/{group['id']}")
    path = f"/groups/{group['id']}"
    assert (await http.get(path, headers=as_manager)).json() == group
    renamed = await http.patch(path, json={"name": "staff"}, headers=as_manager)
    assert (renamed.json()["name"], renamed.json()["scopes"]) == ("staff", ["profile"])
    listed = await http.get("/groups", headers=as_manager)
    assert [each["name"] for each in listed.json()["groups"]] == ["staff"]
    assert (await http.delete(path, headers=as_manager)).status_code == 204
    assert_refused(await http.get(path, headers=as_manager), 404, NO_GROUP)


async def test_a_change_that_is_based_on_an_older_version_is_refused(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, clock: Any
) -> None:
    group = await create(http, as_manager)
    path = f"/groups/{group['id']}"
    tag = (await http.get(path, headers=as_manager)).headers["etag"]
    clock.advance(1)
    await http.patch(path, json={"description": "a"}, headers=as_manager)
    late = await http.patch(
        path, json={"description": "b"}, headers={**as_manager, "If-Match": tag}
    )
    assert assert_problem(late, 412)["detail"] == "Someone else changed this in the meantime."


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ({}, ("body.name", "Field required")),
        (
            {"name": " staff"},
            (
                "body.name",
                "a group name cannot contain control characters, or start or end with a space",
            ),
        ),
        (
            {"name": "staff", "scopes": ["scopes:write"]},
            (
                "body.scopes",
                "scopes:write cannot come from a group: whoever has it gets every scope that is "
                "added",
            ),
        ),
        (
            {"name": "staff", "scopes": ["no-such-scope"]},
            ("body.scopes", "there is no scope with that name"),
        ),
    ],
)
async def test_a_group_that_breaks_a_rule_is_refused(
    http: httpx2.AsyncClient, as_manager: Headers, body: Any, error: tuple[str, str]
) -> None:
    response = await http.post("/groups", json=body, headers=as_manager)
    field, reason = error
    assert assert_problem(response, 422)["errors"] == [{"field": field, "reason": reason}]


async def test_two_groups_have_different_names(
    http: httpx2.AsyncClient, as_manager: Headers
) -> None:
    await create(http, as_manager, "staff")
    other = await create(http, as_manager, "guests")
    taken = "a group named 'staff' already exists"
    again = await http.post("/groups", json={"name": "staff"}, headers=as_manager)
    assert_refused(again, 409, taken)
    renamed = await http.patch(f"/groups/{other['id']}", json={"name": "staff"}, headers=as_manager)
    assert_refused(renamed, 409, taken)


async def test_members_are_listed_in_pages(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    group = await create(http, as_manager)
    names = {f"user {n}" for n in range(3)}
    for name in names:
        user = await add_user(server, name, scopes=["profile"], email=None)
        await put(http, as_manager, group, f"members/{user.id}")
    seen, cursor = [], None
    while True:
        parameters = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = (
            await http.get(f"/groups/{group['id']}/members", params=parameters, headers=as_manager)
        ).json()
        seen.append({member["username"] for member in page["members"]})
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert [len(part) for part in seen] == [2, 1]
    assert set().union(*seen) == names


async def test_what_is_done_to_a_group_is_in_the_trail(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, alice: TestUser, web: TestClient
) -> None:
    group = await create(http, as_manager, "staff", "profile")
    await put(http, as_manager, group, f"members/{alice.id}")
    await put(http, as_manager, group, "clients/web")
    await take(http, as_manager, group, "clients/web")
    await take(http, as_manager, group, f"members/{alice.id}")
    path = f"/groups/{group['id']}"
    await http.patch(path, json={"scopes": []}, headers=as_manager)
    await http.delete(path, headers=as_manager)
    told = [
        (event.type, event.user_id, event.client_id, event.details)
        for event in await events(server)
        if event.type.startswith("group.")
    ]
    assert told == [
        ("group.created", None, None, {"group": "staff", "scopes": ["profile"]}),
        ("group.member_added", str(alice.id), None, {"group": "staff", "scopes": ["profile"]}),
        ("group.client_added", None, "web", {"group": "staff"}),
        ("group.client_removed", None, "web", {"group": "staff"}),
        ("group.member_removed", str(alice.id), None, {"group": "staff", "scopes": ["profile"]}),
        (
            "group.changed",
            None,
            None,
            {"group": "staff", "scopes_added": [], "scopes_removed": ["profile"]},
        ),
        ("group.deleted", None, None, {"group": "staff"}),
    ]


# Who may


async def test_nobody_gives_by_a_group_what_they_do_not_have(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, alice: TestUser
) -> None:
    too_much = {"name": "admins", "scopes": ["users:write"]}
    assert_refused(await http.post("/groups", json=too_much, headers=as_manager), 403, NOT_YOURS)
    group = await create(http, as_manager)
    path = f"/groups/{group['id']}"
    more = await http.patch(path, json={"scopes": ["users:write"]}, headers=as_manager)
    assert_refused(more, 403, NOT_YOURS)
    console = await add_somebody(server, "groups:write", "users:write")
    by_admin = await token_of(server, console, "groups:write")
    admins = await create(http, by_admin, "admins", "users:write")
    into = await http.put(f"/groups/{admins['id']}/members/{alice.id}", headers=as_manager)
    assert_refused(into, 403, NOT_YOURS)
    assert await inherited(server, alice) == set()


async def test_a_user_with_more_scopes_is_nobody_elses_to_move(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    admin = await add_somebody(server, "users:write", "profile")
    group = await create(http, as_manager)
    path = f"/groups/{group['id']}"
    refused = await http.put(f"{path}/members/{admin.id}", headers=as_manager)
    assert_refused(refused, 403, TOO_GREAT)
    async with server.database.transaction() as connection:
        row = {"group_id": uuid.UUID(group["id"]), "user_id": admin.id}
        await connection.execute(insert(GroupMember), [row])
    taken = await http.delete(f"{path}/members/{admin.id}", headers=as_manager)
    assert_refused(taken, 403, TOO_GREAT)
    for changes in ({"scopes": ["items:read"]}, {"name": "admins"}):
        changed = await http.patch(path, json=changes, headers=as_manager)
        assert_refused(changed, 403, TOO_GREAT)
    described = await http.patch(path, json={"description": "Who works"}, headers=as_manager)
    assert described.status_code == 200
    assert_refused(await http.delete(path, headers=as_manager), 403, TOO_GREAT)


async def test_the_name_of_a_group_with_more_scopes_is_nobody_elses_to_take(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    admin = await add_somebody(server, "groups:write", "users:write")
    by_admin = await token_of(server, admin, "groups:write")
    path = f"/groups/{(await create(http, by_admin, 'admins', 'users:write'))['id']}"
    renamed = await http.patch(path, json={"name": "others"}, headers=as_manager)
    assert_refused(renamed, 403, TOO_GREAT)
    assert (await http.get(path, headers=as_manager)).json()["name"] == "admins"
    by_themselves = await http.patch(path, json={"name": "others"}, headers=by_admin)
    assert by_themselves.json()["name"] == "others"


async def test_a_client_with_more_scopes_is_nobody_elses_to_close(
    http: httpx2.AsyncClient, as_manager: Headers
) -> None:
    group = await create(http, as_manager)
    path = f"/groups/{group['id']}/clients/console"
    assert_refused(await http.put(path, headers=as_manager), 403, TOO_GREAT)


async def test_the_last_administrator_is_not_made_another_by_a_group(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_console(server)
    root = await add_user(server, "root", scopes=["groups:write", "users:write", "profile"])
    headers = await token_of(server, root, "groups:write")
    group = await create(http, headers, "admins", "users:write", "groups:write")
    await put(http, headers, group, f"members/{root.id}")
    async with server.database.transaction() as connection:  # by the group alone from now on
        given = (UserScope.user_id == root.id) & (UserScope.via == "")
        await connection.execute(delete(UserScope).where(given, UserScope.scope != "profile"))
    path = f"/groups/{group['id']}"
    for response in (
        await http.delete(f"{path}/members/{root.id}", headers=headers),
        await http.patch(path, json={"scopes": ["groups:write"]}, headers=headers),
        await http.delete(path, headers=headers),
    ):
        assert_refused(response, 409, THE_LAST)


# Scopes by groups


async def test_a_member_has_the_scopes_of_their_groups_and_loses_them_at_once(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    user = await add_user(server, "carol", scopes=["profile"], email=None)
    client = await add_client(
        server,
        scopes=("profile", "groups:read", "groups:write"),
        grant_types=("password", "refresh_token"),
    )
    group = await create(http, as_manager, "readers", "groups:read")
    other = await create(http, as_manager, "writers", "groups:read", "groups:write")
    for each in (group, other):
        await put(http, as_manager, each, f"members/{user.id}")
    asked = "profile groups:read groups:write"
    tokens = await log_in(http, user, client, asked)
    assert tokens["scope"] == asked
    headers = bearer(tokens["access_token"])
    assert (await http.post("/groups", json={"name": "tea"}, headers=headers)).status_code == 201
    await take(http, as_manager, other, f"members/{user.id}")
    refused = await http.post("/groups", json={"name": "tea"}, headers=headers)
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")
    assert (await http.get("/groups", headers=headers)).status_code == 200
    refreshed = await refresh(http, client, tokens["refresh_token"])
    assert refreshed.json()["scope"] == "profile groups:read"
    assert (await log_in(http, user, client, asked))["scope"] == "profile groups:read"


async def test_what_a_user_was_given_stays_when_a_group_with_the_same_scope_goes(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, alice: TestUser
) -> None:
    group = await create(http, as_manager, "readers", "items:read")
    await put(http, as_manager, group, f"members/{alice.id}")
    await http.delete(f"/groups/{group['id']}", headers=as_manager)
    async with server.database.read() as connection:
        scopes = select(UserScope.scope).where(UserScope.user_id == alice.id)
        assert sorted(await connection.scalars(scopes)) == [
            *("email", "items:read", "items:write", "profile")
        ]


async def test_other_scopes_of_a_group_reach_its_members_alone(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    carol, dave = [
        await add_user(server, name, scopes=["profile"], email=None) for name in ("carol", "dave")
    ]
    group = await create(http, as_manager, "readers", "items:read")
    await put(http, as_manager, group, f"members/{carol.id}")
    wanted = {"scopes": ["items:write"]}
    await http.patch(f"/groups/{group['id']}", json=wanted, headers=as_manager)
    assert await inherited(server, carol) == {"items:write"}
    assert await inherited(server, dave) == set()


async def test_the_record_of_a_user_tells_what_was_given_from_what_is_inherited(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    carol = await add_user(server, "carol", scopes=["profile"], email=None)
    group = await create(http, as_manager, "readers", "items:read", "profile")
    await put(http, as_manager, group, f"members/{carol.id}")
    admin = await add_somebody(server, "users:read", "users:write", "items:read", "profile")
    as_admin = await token_of(server, admin, "users:read", "users:write")
    path = f"/users/{carol.id}"
    record = (await http.get(path, headers=as_admin)).json()
    assert (record["scopes"], record["inherited_scopes"]) == (
        ["profile"],
        ["items:read", "profile"],
    )
    changed = await http.patch(path, json={"scopes": []}, headers=as_admin)
    assert (changed.json()["scopes"], changed.json()["inherited_scopes"]) == (
        [],
        ["items:read", "profile"],
    )


async def test_a_user_is_managed_only_by_whoever_has_what_their_groups_give_them(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    carol = await add_user(server, "carol", scopes=["profile"], email=None)
    group = await create(http, as_manager, "readers", "items:read")
    await put(http, as_manager, group, f"members/{carol.id}")
    admin = await add_somebody(server, "users:write", "profile")
    headers = await token_of(server, admin, "users:write")
    response = await http.patch(f"/users/{carol.id}", json={"disabled": True}, headers=headers)
    assert_refused(response, 403, TOO_GREAT)


async def test_a_scope_that_a_group_has_is_not_deleted(
    http: httpx2.AsyncClient, server: Server
) -> None:
    await add_console(server)
    root = await add_user(server, "root", scopes=["groups:write", "scopes:write", "profile"])
    headers = await token_of(server, root, "groups:write", "scopes:write")
    await http.post("/scopes", json={"name": "reports", "description": "R"}, headers=headers)
    group = await create(http, headers, "readers", "reports")
    await put(http, headers, group, f"members/{root.id}")
    response = await http.delete("/scopes/reports", headers=headers)
    assert_refused(response, 409, "groups have the scope reports: remove it from them first")


async def test_what_a_feature_gave_that_is_gone_is_taken_away_at_the_next_start(
    server: Server, alice: TestUser
) -> None:
    async with server.database.transaction() as connection:
        row = {"user_id": alice.id, "scope": "users:write", "via": "a feature of a fork"}
        await connection.execute(insert(UserScope), [row])
    await server.start()
    async with server.database.read() as connection:
        scopes = select(UserScope.scope).where(UserScope.user_id == alice.id)
        assert "users:write" not in set(await connection.scalars(scopes))


# Clients that are open to some groups only


@pytest.fixture
async def shop(server: Server) -> TestClient:
    return await add_refreshing(server, scopes=("openid", "profile", "email", "items:read"))


@pytest.fixture
async def staff(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server, shop: TestClient
) -> dict[str, Any]:
    """A group to whose members alone the shop is open."""
    group = await create(http, as_manager)
    async with server.database.transaction() as connection:  # the manager has not all its scopes
        row = {"group_id": uuid.UUID(group["id"]), "client_id": shop.client_id}
        await connection.execute(insert(GroupClient), [row])
    return group


def ask(http: httpx2.AsyncClient, user: TestUser, client: TestClient) -> Any:
    form = {
        "grant_type": "password",
        "username": user.username,
        "password": user.password,
        "scope": "profile",
    }
    return http.post("/token", data=form, auth=client.basic)


async def test_the_token_endpoint_refuses_who_is_in_no_group_of_the_client(
    http: httpx2.AsyncClient,
    as_manager: Headers,
    staff: dict[str, Any],
    alice: TestUser,
    shop: TestClient,
    server: Server,
) -> None:
    response = await ask(http, alice, shop)
    told = "This application is not open to the user."
    assert_oauth2_error(response, "access_denied", 400, told)
    failed = [event for event in await events(server) if event.type == "login.failed"]
    assert [event.details for event in failed] == [
        {"door": "token", "reason": "the client is not open to this user"}
    ]
    await put(http, as_manager, staff, f"members/{alice.id}")
    assert (await ask(http, alice, shop)).status_code == 200


async def test_a_login_ends_when_its_user_leaves_the_only_group_that_the_client_is_open_to(
    http: httpx2.AsyncClient,
    as_manager: Headers,
    staff: dict[str, Any],
    alice: TestUser,
    shop: TestClient,
    web: TestClient,
) -> None:
    await put(http, as_manager, staff, f"members/{alice.id}")
    tokens = (await ask(http, alice, shop)).json()
    elsewhere = await log_in(http, alice, web)
    await take(http, as_manager, staff, f"members/{alice.id}")
    assert await introspected(http, shop, tokens["access_token"]) == INACTIVE
    assert_oauth2_error(
        await refresh(http, shop, tokens["refresh_token"]),
        "invalid_grant",
        400,
        "The refresh token is expired, revoked or invalid.",
    )
    assert (await introspected(http, web, elsewhere["access_token"]))["active"]


async def test_the_logins_of_all_others_end_when_a_client_is_closed_to_them(
    http: httpx2.AsyncClient,
    server: Server,
    alice: TestUser,
    web: TestClient,
    as_manager: Headers,
) -> None:
    carol = await add_user(server, "carol", email=None)
    tokens = {user.username: await log_in(http, user, web) for user in (alice, carol)}
    group = await create(http, as_manager)
    await put(http, as_manager, group, f"members/{carol.id}")
    await put(http, as_manager, group, "clients/web")
    active = {
        name: (await introspected(http, web, each["access_token"]))["active"]
        for name, each in tokens.items()
    }
    assert active == {"alice": False, "carol": True}
    await take(http, as_manager, group, "clients/web")
    assert (await log_in(http, alice, web))["scope"] == "profile"


async def test_a_group_with_a_client_is_not_deleted_or_the_client_would_be_open_to_all(
    http: httpx2.AsyncClient, as_manager: Headers, staff: dict[str, Any]
) -> None:
    response = await http.delete(f"/groups/{staff['id']}", headers=as_manager)
    assert_refused(response, 409, "Clients are open to this group: remove them from it first.")


async def test_the_group_is_found_by_its_name(
    http: httpx2.AsyncClient, as_manager: Headers, server: Server
) -> None:
    group = await create(http, as_manager, "staff")
    async with server.database.read() as connection:
        found = await get_group_by_name(connection, "staff")
    assert str(found.id) == group["id"]
