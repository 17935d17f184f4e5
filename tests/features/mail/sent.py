"""Mails as tests queue and read them."""

import re
from collections.abc import Sequence
from typing import Any

import httpx2

from app.database.engines import Database
from app.features.mail.letter import Letter, Link
from app.features.mail.queue import QueuedMail, list_mails, queue_mail
from app.features.mail.sending import Sender
from app.server import Server
from tests.support.flow import Page

DEAD = "This link is no longer valid"


def letter(subject: str = "A subject", **more: Any) -> Letter:
    """One that says something of everything."""
    values: dict[str, Any] = {
        "kind": "test",
        "subject": subject,
        "paragraphs": ["Something has happened."],
        "link": Link(label="Look at it", url="https://auth.example.com/it?token=the-token"),
        "code": "1234 5678",
        "code_hint": "Or type this code:",
        "facts": {"When": "now", "Where": "here"},
        "closing": ["If it was you, there is nothing to do."],
    }
    return Letter(**(values | more))


async def queue(server: Server, to: str = "alice@example.com", **more: Any) -> None:
    """Queue a mail and commit."""
    subject = more.pop("subject", "A subject")
    async with server.database.transaction() as connection:
        assert await queue_mail(
            connection,
            server.settings,
            letter(subject),
            to=to,
            now=server.clock.now(),
            **more,
        )


def sender_of(server: Server) -> Sender:
    """What sends the mail of that server."""
    return Sender(server.settings, server.database, server.clock)


async def mails(server: Server, to: str | None = None) -> Sequence[QueuedMail]:
    """What is in the queue, the oldest first."""
    return [
        mail for mail in await _all(server.database, server) if to is None or mail.recipient == to
    ]


async def _all(database: Database, server: Server) -> list[QueuedMail]:
    async with database.read() as connection:
        return (await list_mails(connection, server.encryption, 1000))[::-1]


def link_in(mail: QueuedMail) -> str:
    """The address in the mail, without the server."""
    (found,) = re.findall(r"^https?://[^/\s]+(/\S+)$", mail.text, re.MULTILINE)
    return str(found)


def assert_dead_link(response: httpx2.Response, *, onward: str) -> None:
    """An error page for a link that is no longer good, with one way on."""
    page = Page(response)
    assert response.status_code == 400
    assert (page.heading, page.tags["form"]) == (DEAD, 0)
    assert page.all("a") == [onward]
