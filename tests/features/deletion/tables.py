"""What deletion adds to the tables of the core's tests."""

from app.pages.errors import PageRoute
from tests.features.deletion.closing import close
from tests.support.factories import add_user
from tests.support.flow import Page, submit
from tests.support.no_secrets_story import Story

PAGES = {"/keep-account": PageRoute}

PAGES_OF_POPUPS = {
    "GET /keep-account": "an error page, as nobody was led there",
    "POST /keep-account": "an error page, as there is no form",
}

WRITES_OTHERWISE = {"POST /keep-account": "tests/features/deletion/test_deletion.py"}

OPEN = {"(GET|HEAD|POST) /keep-account": "whoever has typed the right password in that browser"}


async def change_of_mind(story: Story) -> None:
    http = story.http
    user = await add_user(story.server, "leaving")
    await close(story.server, user)
    http.cookies.clear()  # it is another user's
    form = Page(await http.get("/login")).form
    response = await submit(http, form, {"username": "leaving", "password": user.password})
    offer = response.headers["location"]
    await http.head(offer)
    await submit(http, Page(await http.get(offer)).form)


STORIES = {"deletion": change_of_mind}
