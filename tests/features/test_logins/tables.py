"""What the test logins add to the tables of the core's tests."""

from tests.support.no_secrets_story import Story

WRITES_OTHERWISE = {
    "POST /docs/test-logins/token": "writes nothing: it signs what nobody may accept",
    "POST /docs/test-logins/throttled": "counts failures of a name that it makes up",
}

OPEN = {r"POST /docs/test-logins/throttled": "about a name that it makes up"}


async def spoiled_logins(story: Story) -> None:
    await story.ask("POST", "/docs/test-logins/token", {"kind": "expired"})
    settings = story.server.settings
    story.server.settings = settings.model_copy(update={"login_max_failures": 5})
    await story.ask("POST", "/docs/test-logins/throttled")
    story.server.settings = settings


STORIES = {"test_logins": spoiled_logins}
