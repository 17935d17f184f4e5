"""What export adds to the tables of the core's tests."""

from app.pages.errors import PageRoute
from tests.support.no_secrets_story import Story

PAGES = {"/export-account": PageRoute}

PAGES_OF_POPUPS = {"POST /export-account": "the error page, as there is no form"}

WRITES_OTHERWISE = {
    "POST /export-account": "writes that it was done: tests/features/export/test_export.py"
}

OPEN = {"POST /export-account": "asks for a login itself"}


async def export(story: Story) -> None:
    await story.http.post("/export-account", data={"form_token": "x"})


STORIES = {"export": export}
