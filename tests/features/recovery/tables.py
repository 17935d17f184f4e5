"""What recovery adds to the tables of the core's tests."""

from app.features.mail.answering import Answering
from app.features.recovery.answer import PURPOSE, answer
from app.pages.errors import PageRoute
from app.server import Server
from tests.features.mail.sent import link_in, mails
from tests.support.factories import add_user
from tests.support.flow import Page, submit
from tests.support.no_secrets_story import Story

PAGES = dict.fromkeys(["/forgot-password", "/reset-password"], PageRoute)

PAGES_OF_POPUPS = {
    "GET /forgot-password": "on the way of a login",
    "POST /forgot-password": "on the way of a login",
    "GET /reset-password": "an error page, as there is no link",
    "POST /reset-password": "an error page, as there is no form",
}

WRITES_OTHERWISE = {
    "POST /forgot-password": "writes that it was asked: tests/features/recovery/test_recovery.py",
    "POST /reset-password": "tests/features/recovery/test_recovery.py",
}

OPEN = {
    "(GET|HEAD|POST) /forgot-password": "tells nothing of anybody",
    "(GET|HEAD|POST) /reset-password": "whoever has the link reads the mail of the user",
}


def answering(server: Server) -> Answering:
    """What a worker does beside its requests."""
    return Answering(server.settings, server.database, server.clock, PURPOSE.name, answer)


async def forgotten_password(story: Story) -> None:
    server, http = story.server, story.http
    await add_user(server, "forgetful")
    http.cookies.clear()
    form = Page(await http.get("/forgot-password")).form
    await submit(http, form, {"username": "forgetful"})
    await answering(story.server).look()
    (mail,) = [each for each in await mails(server) if each.kind == "reset-password"]
    await http.head(link_in(mail))
    form = Page(await http.get(link_in(mail))).form
    await submit(http, form, {"new_password": "a password that is easy to remember"})


STORIES = {"recovery": forgotten_password}
