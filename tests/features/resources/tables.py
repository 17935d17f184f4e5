"""What resources add to the tables of the core's tests."""

import uuid
from collections.abc import Mapping

from app.features.resources.records import NewResource, find_resource
from app.features.resources.service import create_resource, delete_resource
from app.management.authority import Actor
from app.server import Server
from tests.support.commands import Case
from tests.support.no_secrets_story import Story
from tests.support.shell import Shell
from tests.support.writes import Scene, write

URI = "https://api.example.com/orders"


async def have_a_resource(scene: Scene) -> None:
    made = await scene.ask("POST", "/resources", {"identifier": URI})
    scene.known["resource"] = made.json()["id"]


WRITES = {
    "POST /resources": write("resources:write", "POST", "/resources", {"identifier": URI}),
    "PATCH /resources/{resource_id}": write(
        "resources:write", "PATCH", "/resources/{resource}", {"name": "Orders"}, have_a_resource
    ),
    "DELETE /resources/{resource_id}": write(
        "resources:write", "DELETE", "/resources/{resource}", prepare=have_a_resource
    ),
}

WRITING_REQUESTS = {
    "a new resource": ("POST", "/resources", {"identifier": URI}),
    "a resource": ("PATCH", f"/resources/{uuid.uuid4()}", {"name": "Orders"}),
}

MANAGED = {
    "/resources": [
        "DELETE /resources/{resource_id}",
        "GET /resources",
        "GET /resources/{resource_id}",
        "PATCH /resources/{resource_id}",
        "POST /resources",
    ]
}


def have_a_resource_at_the_shell(shell: Shell) -> Mapping[str, str]:
    shell.json("resources", "create", URI)
    return {}


async def add_it(operator: Actor, server: Server) -> None:
    await create_resource(operator, NewResource(identifier=URI))


async def delete_it(operator: Actor, server: Server) -> None:
    resource = await find_resource(operator.connection, URI)
    await delete_resource(operator, resource.id)


GONE = "There is no such resource."

COMMANDS = {
    "resources create": Case(URI, add_it, "a resource with this identifier already exists"),
    "resources update": Case(
        f"{URI} --name Orders", delete_it, GONE, prepare=have_a_resource_at_the_shell
    ),
    "resources delete": Case(URI, delete_it, GONE, prepare=have_a_resource_at_the_shell),
}

COMMANDS_OTHERWISE = {"resources list": "reads", "resources show": "reads"}

TO_LOSE = {"resource_id": ("/resources", {"identifier": URI}, "id")}


async def resources(story: Story) -> None:
    made = await story.ask("POST", "/resources", {"identifier": URI})
    resource = f"/resources/{made['id']}"
    await story.ask("GET", resource)
    await story.ask("PATCH", resource, {"name": "Orders"})
    await story.ask("DELETE", resource)


STORIES = {"resources": resources}
