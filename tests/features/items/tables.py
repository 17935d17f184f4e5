"""What items add to the tables of the core's tests."""

from tests.support.no_secrets_story import Story
from tests.support.writes import Scene, write


async def have_an_item(scene: Scene) -> None:
    made = await scene.ask("POST", "/items", {"title": "tea"})
    scene.known["item"] = made.json()["id"]


WRITES = {
    "POST /items": write("items:write", "POST", "/items", {"title": "tea"}),
    "PATCH /items/{item_id}": write(
        "items:write", "PATCH", "/items/{item}", {"title": "coffee"}, have_an_item
    ),
    "DELETE /items/{item_id}": write(
        "items:write", "DELETE", "/items/{item}", prepare=have_an_item
    ),
}

WRITING_REQUESTS = {"an item": ("POST", "/items", {"title": "Tea"})}

TO_LOSE = {"item_id": ("/items", {"title": "lost"}, "id")}


async def items(story: Story) -> None:
    made = await story.ask("POST", "/items", {"title": "Buy milk"})
    item = f"/items/{made['id']}"
    await story.ask("GET", item)
    await story.ask("PATCH", item, {"title": "Buy more milk"})
    await story.ask("DELETE", item)


STORIES = {"items": items}
