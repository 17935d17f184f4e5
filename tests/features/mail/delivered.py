"""A server whose mail a post office of the tests delivers, for the browser tests of features."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping
from typing import TYPE_CHECKING

import pytest

from tests.features.mail.post_office import PostOffice, post_office

if TYPE_CHECKING:
    from playwright.sync_api import Page

LONGEST = 100
"""Times 100 ms that a mail may take."""


@pytest.fixture(scope="package")
def office() -> Generator[PostOffice]:
    with post_office() as office:
        yield office


def mail_through(office: PostOffice) -> Mapping[str, str]:
    """The settings of a server that sends its mail there."""
    return {
        "LATCHKEY_SMTP_URL": f"smtp://127.0.0.1:{office.port}",
        "LATCHKEY_MAIL_FROM": "no-reply@example.com",
    }


def wait_for_link(page: Page, office: PostOffice, path: str) -> str:
    """The first link to ``path`` that a mail has; others tell of what was changed."""
    for _ in range(LONGEST):
        for mail in office.delivered:
            if link := re.search(rf"^http\S+{path}\S+$", mail.text, re.MULTILINE):
                return link[0]
        page.wait_for_timeout(100)
    raise AssertionError("no mail with a link has come")
