"""What a mail says, and how it looks: the same sentences as text and as HTML."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

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

    def text(self, service_name: str) -> str:
        """The letter for programs that show no HTML."""
        return _render("letter.txt", self, service_name)

    def html(self, service_name: str) -> str:
        """The letter in the look of the pages; nothing in it is loaded from anywhere."""
        return _render("letter.html", self, service_name)


@cache
def _templates() -> "Environment":
    # Imported only now: most commands write no letter.
    from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

    return Environment(
        loader=PackageLoader("app.features.mail"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _render(template: str, letter: Letter, service_name: str) -> str:
    return _templates().get_template(template).render(letter=letter, service_name=service_name)


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
