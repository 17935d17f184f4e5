"""What a mail says, and how it looks: the same sentences as text and as HTML.

Those that are a :class:`~app.message.Message` are said in the language of whoever gets the mail.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from app.look import Look
from app.message import Message

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
    facts: Mapping[str, object] = field(default_factory=dict)
    """Such as when and where something happened."""
    closing: Sequence[str] = ()
    """What to do, or not to do."""

    def written(self, look: Look) -> Mapping[str, str]:
        """``subject``, ``text`` and ``html``, in the language and the look of the pages.

        Nothing in the HTML is loaded from anywhere; the text is for programs that show none.
        """
        # Imported only now: most commands write no letter.
        from app.languages.catalogues import translated
        from app.pages.environment import fill

        return {
            "subject": translated(self.subject),
            "text": fill("mail/letter.txt", look, {"letter": self}),
            "html": fill("mail/letter.html", look, {"letter": self}),
        }


_NAME = re.compile(r"(?!www\.)[\w@+'-]+(\.[\w@+'-]+)*|[\w @+'-]+", re.IGNORECASE)
"""One word, which may have dots, or several without: no sentence with an address to follow."""


def account_fact(username: str) -> Mapping[str, object]:
    """Which account a mail is about, for its facts: it may reach somebody who never made it.

    Anybody can choose a name, and mail programs make links of what looks like one: a name that
    could advertise something is left out.
    """
    if len(username) <= NAME_MAX_LENGTH and _NAME.fullmatch(username):
        return {Message("Account"): username}
    return {}
