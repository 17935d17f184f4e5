"""What a mail says, and how it looks: the same sentences as text and as HTML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.look import Look

NAME_MAX_LENGTH = 64
"""Characters of a user name that a mail says."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A button in the HTML, and an address of its own line in the text."""

    label: str
    url: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail without its recipient."""

    kind: str
    """What it is about, as the audit trail names it."""
    subject: str
    paragraphs: Sequence[str]
    link: Link | None = None
    code: str = field(default="", repr=False)
    """What is to be typed, instead of following the link."""
    code_hint: str = ""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Such as when and where something happened."""
    closing: Sequence[str] = ()
    """What to do, or not to do."""

    def text(self, look: Look) -> str:
        """The letter for programs that show no HTML."""
        return _fill("mail/letter.txt", look, self)

    def html(self, look: Look) -> str:
        """The letter in the look of the pages; nothing in it is loaded from anywhere."""
        return _fill("mail/letter.html", look, self)


def _fill(template: str, look: Look, letter: Letter) -> str:
    # Imported only now: most commands write no letter.
    from app.pages.environment import fill

    return fill(template, look, {"letter": letter})


_NAME = re.compile(r"(?!www\.)[\w@+'-]+(\.[\w@+'-]+)*|[\w @+'-]+", re.IGNORECASE)
"""One word, which may have dots, or several without: no sentence with an address to follow."""


def account_called(username: str) -> str:
    """An account by its name, in a sentence that may reach somebody who never made it.

    Anybody can choose a name, and mail programs make links of what looks like one: a name that
    could advertise something is left out.
    """
    if len(username) <= NAME_MAX_LENGTH and _NAME.fullmatch(username):
        return f"the account {username}"
    return "an account"
