"""What verification adds to the tables of the core's tests."""

from app.audit.trail import NOWHERE
from app.features.verification.service import send_verification
from app.pages.errors import PageRoute
from tests.features.mail.sent import link_in, mails
from tests.support.factories import add_user
from tests.support.flow import Page, submit
from tests.support.no_secrets_story import Story

PAGES = {"/verify-email": PageRoute}

PAGES_OF_POPUPS = {
    "GET /verify-email": "an error page, as there is no link",
    "POST /verify-email": "an error page, as there is no form",
}

WRITES_OTHERWISE = {"POST /verify-email": "tests/features/verification/test_verification.py"}

OPEN = {"(GET|HEAD|POST) /verify-email": "whoever has the link reads the mail of the address"}


async def verified_address(story: Story) -> None:
    server = story.server
    user = await add_user(server, "verifying", email_verified=False)
    async with server.database.transaction() as connection:
        now = server.clock.now()
        await send_verification(connection, server.settings, user.id, NOWHERE, now)
    (mail,) = await mails(server, "verifying@example.com")
    story.http.cookies.clear()  # it is another user's
    await story.http.head(link_in(mail))
    page = Page(await story.http.get(link_in(mail)))
    await submit(story.http, page.form)


STORIES = {"verification": verified_address}
