"""What API keys add to the tables of the core's tests."""

import uuid
from collections.abc import Mapping

from app.features.api_keys import DEMO_API_KEY
from app.features.api_keys.service import list_api_keys, revoke_api_key
from app.management.authority import Actor
from app.server import Server
from tests.support.commands import NO_BOB, Case, delete_bob
from tests.support.no_secrets_story import Story
from tests.support.shell import Shell
from tests.support.writes import Scene, write


async def have_a_key(scene: Scene) -> None:
    made = await scene.ask("POST", "/api-keys", {"name": "backup", "scopes": ["items:read"]})
    scene.known["key"] = made.json()["id"]


WRITES = {
    "POST /api-keys": write(
        "api-keys:write", "POST", "/api-keys", {"name": "backup", "scopes": ["api-keys:write"]}
    ),
    "DELETE /api-keys/{key_id}": write(
        "api-keys:write", "DELETE", "/api-keys/{key}", prepare=have_a_key
    ),
}

WRITING_REQUESTS = {
    "a new key": ("POST", "/api-keys", {"name": "key", "scopes": []}),
    "a key": ("DELETE", f"/api-keys/{uuid.uuid4()}", None),
}

FOR_USERS_ALONE = {
    "/api-keys": [
        "DELETE /api-keys/{key_id}",
        "GET /api-keys",
        "GET /api-keys/{key_id}",
        "POST /api-keys",
    ]
}


def have_a_key_at_the_shell(shell: Shell) -> Mapping[str, str]:
    return {"api_key": shell.json("api-keys", "create", "bob")["id"]}


async def revoke_it(operator: Actor, server: Server) -> None:
    (key,) = await list_api_keys(operator.connection, None)
    await revoke_api_key(operator, None, key.id)


COMMANDS = {
    "api-keys create": Case("bob", delete_bob, NO_BOB),
    "api-keys revoke": Case(
        "{api_key}", revoke_it, "There is no such API key.", prepare=have_a_key_at_the_shell
    ),
}

COMMANDS_OTHERWISE = {"api-keys list": "reads"}

PRINTED = {DEMO_API_KEY: "the key of alice"}

TO_LOSE = {"key_id": ("/api-keys", {"name": "lost", "scopes": ["items:read"]}, "id")}


async def api_keys(story: Story) -> None:
    made = await story.ask("POST", "/api-keys", {"name": "mine", "scopes": ["items:read"]})
    await story.ask("GET", f"/api-keys/{made['id']}")
    await story.ask("DELETE", f"/api-keys/{made['id']}")


STORIES = {"api_keys": api_keys}

SECRET_TABLES = {"api_keys": "hashes"}

SHOWN_ONCE = {"a key": ("/api-keys", {"name": "k", "scopes": []}, "key")}
