"""What claims of one's own add to the tables of the core's tests."""

from collections.abc import Mapping

from app.features.claims.service import ClaimDefinition, declare_claim, delete_claim
from app.management.authority import Actor
from app.server import Server
from tests.support.commands import NO_BOB, Case, delete_bob
from tests.support.no_secrets_story import Story
from tests.support.shell import Shell
from tests.support.writes import Scene, write

DEPARTMENT = {"name": "department", "type": "string", "scope": "profile"}


async def have_a_claim(scene: Scene) -> None:
    await scene.ask("POST", "/claims", DEPARTMENT)


WRITES = {
    "POST /claims": write("claims:write", "POST", "/claims", DEPARTMENT, None, True),
    "DELETE /claims/declared/{name}": write(
        "claims:write", "DELETE", "/claims/declared/department", None, have_a_claim, True
    ),
    "PATCH /claims/users/{user_id}": write(
        "claims:write",
        "PATCH",
        "/claims/users/{victim}",
        {"values": {"department": "sales"}},
        have_a_claim,
        True,
    ),
    "PATCH /claims/clients/{client_id}": write(
        "claims:write",
        "PATCH",
        "/claims/clients/{client}",
        {"values": {"department": "sales"}},
        have_a_claim,
        True,
    ),
}

WRITING_REQUESTS = {"a claim": ("POST", "/claims", DEPARTMENT)}

MANAGED = {
    "/claims": [
        "DELETE /claims/declared/{name}",
        "GET /claims",
        "GET /claims/clients/{client_id}",
        "GET /claims/users/{user_id}",
        "PATCH /claims/clients/{client_id}",
        "PATCH /claims/users/{user_id}",
        "POST /claims",
    ]
}


def declare_at_the_shell(shell: Shell) -> Mapping[str, str]:
    shell.json("claims", "create", "department", "--type", "string", "--scope", "profile")
    return {}


async def declare_it(operator: Actor, server: Server) -> None:
    definition = ClaimDefinition(name="department", type="string", scope="profile")
    await declare_claim(operator, definition)


async def delete_it(operator: Actor, server: Server) -> None:
    await delete_claim(operator, "department")


COMMANDS = {
    "claims create": Case(
        "department --type string --scope profile",
        declare_it,
        "the claim department is already declared",
    ),
    "claims delete": Case(
        "department", delete_it, "There is no such claim.", prepare=declare_at_the_shell
    ),
    "claims set": Case(
        "department sales --user bob", delete_bob, NO_BOB, prepare=declare_at_the_shell
    ),
    "claims unset": Case("department --user bob", delete_bob, NO_BOB, prepare=declare_at_the_shell),
}

COMMANDS_OTHERWISE = {"claims list": "reads", "claims show": "reads"}


async def claims(story: Story) -> None:
    await story.ask("POST", "/claims", DEPARTMENT)
    for holder in (f"users/{story.root.id}", f"clients/{story.shop.client_id}"):
        await story.ask("PATCH", f"/claims/{holder}", {"values": {"department": "sales"}})
        await story.ask("GET", f"/claims/{holder}")
    await story.ask("DELETE", "/claims/declared/department")


STORIES = {"claims": claims}
