"""What groups add to the tables of the core's tests."""

import uuid
from collections.abc import Mapping

from app.features.groups.belonging import add_client, add_member, remove_member
from app.features.groups.service import (
    GroupDefinition,
    create_group,
    delete_group,
    get_group_by_name,
)
from app.management.authority import Actor, operating
from app.management.users import change_user
from app.server import Server
from tests.support.commands import NO_BOB, Case, delete_bob
from tests.support.no_secrets_story import Story
from tests.support.operators import EVERY_SCOPE
from tests.support.shell import Shell
from tests.support.writes import Scene, write


async def have_a_group(scene: Scene) -> None:
    made = await scene.ask("POST", "/groups", {"name": "staff", "scopes": ["profile"]})
    scene.known["group"] = made.json()["id"]


async def have_a_member(scene: Scene) -> None:
    await have_a_group(scene)
    await scene.ask("PUT", f"/groups/{scene.known['group']}/members/{scene.victim.id}")


async def have_a_client(scene: Scene) -> None:
    await have_a_group(scene)
    client_id = scene.other_client.client_id
    await scene.ask("PUT", f"/groups/{scene.known['group']}/clients/{client_id}")


WRITES = {
    "POST /groups": write(
        "groups:write", "POST", "/groups", {"name": "staff", "scopes": ["users:write"]}, None, True
    ),
    "PATCH /groups/{group_id}": write(
        "groups:write",
        "PATCH",
        "/groups/{group}",
        {"scopes": ["users:write"]},
        have_a_group,
        True,
    ),
    "DELETE /groups/{group_id}": write(
        "groups:write", "DELETE", "/groups/{group}", None, have_a_group, True
    ),
    "PUT /groups/{group_id}/members/{user_id}": write(
        "groups:write", "PUT", "/groups/{group}/members/{victim}", None, have_a_group, True
    ),
    "DELETE /groups/{group_id}/members/{user_id}": write(
        "groups:write", "DELETE", "/groups/{group}/members/{victim}", None, have_a_member, True
    ),
    "PUT /groups/{group_id}/clients/{client_id}": write(
        "groups:write", "PUT", "/groups/{group}/clients/{client}", None, have_a_group, True
    ),
    "DELETE /groups/{group_id}/clients/{client_id}": write(
        "groups:write", "DELETE", "/groups/{group}/clients/{client}", None, have_a_client, True
    ),
}


async def leave_the_group(scene: Scene) -> None:
    """All that the actor has is by a group, which they leave."""
    by_groups = [scope for scope in EVERY_SCOPE if scope != "scopes:write"]
    async with operating(scene.server.database, scene.server.clock) as operator:
        group = await create_group(operator, GroupDefinition(name="all", scopes=by_groups))
        await add_member(operator, group.id, scene.actor.id)
        await change_user(operator, scene.actor.id, {"scopes": []})
        await remove_member(operator, group.id, scene.actor.id)


LOSSES = {"leave the group": (leave_the_group, 403)}

WRITING_REQUESTS = {
    "a group": ("POST", "/groups", {"name": "staff"}),
    "a member": ("PUT", f"/groups/{uuid.uuid4()}/members/{uuid.uuid4()}", None),
}

PARAMETERS = {"group_id": "of a group"}

MANAGED = {
    "/groups": [
        "DELETE /groups/{group_id}",
        "DELETE /groups/{group_id}/clients/{client_id}",
        "DELETE /groups/{group_id}/members/{user_id}",
        "GET /groups",
        "GET /groups/{group_id}",
        "GET /groups/{group_id}/members",
        "PATCH /groups/{group_id}",
        "POST /groups",
        "PUT /groups/{group_id}/clients/{client_id}",
        "PUT /groups/{group_id}/members/{user_id}",
    ]
}

NO_GROUP = "there is no group 'staff'"


def have_a_group_at_the_shell(shell: Shell) -> Mapping[str, str]:
    shell.json("groups", "create", "staff", "--scope", "profile")
    return {}


def have_a_member_at_the_shell(shell: Shell) -> Mapping[str, str]:
    have_a_group_at_the_shell(shell)
    shell.json("groups", "add-member", "staff", "bob")
    return {}


async def add_staff(operator: Actor, server: Server) -> None:
    await create_group(operator, GroupDefinition(name="staff"))


async def delete_staff(operator: Actor, server: Server) -> None:
    group = await get_group_by_name(operator.connection, "staff")
    await delete_group(operator, group.id)


async def open_shop_to_staff(operator: Actor, server: Server) -> None:
    group = await get_group_by_name(operator.connection, "staff")
    await add_client(operator, group.id, "shop")


COMMANDS = {
    "groups create": Case("staff", add_staff, "a group named 'staff' already exists"),
    "groups update": Case(
        "staff --name team", delete_staff, NO_GROUP, prepare=have_a_group_at_the_shell
    ),
    "groups require-mfa": Case(
        "staff --stop", delete_staff, NO_GROUP, prepare=have_a_group_at_the_shell
    ),
    "groups delete": Case(
        "staff",
        open_shop_to_staff,
        "Clients are open to this group: remove them from it first.",
        prepare=have_a_group_at_the_shell,
    ),
    "groups add-member": Case("staff bob", delete_bob, NO_BOB, prepare=have_a_group_at_the_shell),
    "groups remove-member": Case(
        "staff bob", delete_bob, NO_BOB, prepare=have_a_member_at_the_shell
    ),
    "groups add-client": Case(
        "staff shop", delete_staff, NO_GROUP, prepare=have_a_group_at_the_shell
    ),
    "groups remove-client": Case(
        "staff shop", delete_staff, NO_GROUP, prepare=have_a_group_at_the_shell
    ),
}

COMMANDS_OTHERWISE = {"groups list": "reads", "groups show": "reads"}

TO_LOSE = {"group_id": ("/groups", {"name": "lost", "scopes": ["profile"]}, "id")}


async def groups(story: Story) -> None:
    made = await story.ask("POST", "/groups", {"name": "staff"})
    group = f"/groups/{made['id']}"
    await story.ask("GET", group)
    await story.ask("GET", f"{group}/members")
    await story.ask("PATCH", group, {"description": "Everybody"})
    for belonging in (f"members/{story.root.id}", f"clients/{story.shop.client_id}"):
        await story.ask("PUT", f"{group}/{belonging}")
        await story.ask("DELETE", f"{group}/{belonging}")
    await story.ask("DELETE", group)


STORIES = {"groups": groups}
