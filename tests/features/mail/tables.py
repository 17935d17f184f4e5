"""What e-mail adds to the tables of the core's tests."""

import httpx2
import pytest

from app.features.mail.sending import LOOK, Sender
from app.pages.errors import PageRoute
from tests.features.mail.sent import mails, queue
from tests.support.no_secrets_story import Story

PAGES = dict.fromkeys(["/mailbox", "/mailbox/{mail_id}"], PageRoute)

PAGES_OF_POPUPS = {"GET /mailbox/{mail_id}": "an error page, as there is no such mail"}

OPEN = {r"(GET|HEAD) /mailbox(/\{mail_id\})?": "in development, to whoever develops"}

SECRET_TABLES = {
    "mails": "encrypted",
    "mail_requests": "encrypted",
    "mail_proofs": "hashes",
    "known_devices": "hashes",
}


async def a_mailbox(story: Story) -> None:
    await queue(story.server)
    (mail, *_) = await mails(story.server)
    await story.http.get(f"/mailbox/{mail.id}")


STORIES = {"mail": a_mailbox}


async def keep_mails_out_of_the_log(_http: httpx2.AsyncClient, patch: pytest.MonkeyPatch) -> None:
    """Development writes them there, with all that they hold; production never does."""

    async def look_away(_sender: Sender) -> float:
        return LOOK

    patch.setattr(Sender, "look", look_away)


PREPARATIONS = {"mail": keep_mails_out_of_the_log}
