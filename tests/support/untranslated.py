"""What a page says in English whoever reads it: a catalogue that marks what it is asked for."""

import re
from collections.abc import Collection
from gettext import NullTranslations
from html.parser import HTMLParser

import httpx2
import pytest

from app.languages import catalogues

BEGIN, END = (
    "\N{MATHEMATICAL LEFT WHITE SQUARE BRACKET}",
    "\N{MATHEMATICAL RIGHT WHITE SQUARE BRACKET}",
)

READ_ALOUD = ("aria-label", "alt", "placeholder")

DATA = ("code", "script", "style", "time")
"""Elements that hold no sentences of ours."""

SERVICE = "Latchkey"


class _Marking(NullTranslations):
    def gettext(self, message: str) -> str:
        return f"{BEGIN}{message}{END}"

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


class _Reader(HTMLParser):
    def __init__(self, data: Collection[str]) -> None:
        super().__init__()
        self.found: list[str] = []
        self._data = data
        self._depth = 0
        """Of sentences that have begun."""
        self._skipped = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._skipped += tag in DATA
        for name, value in attrs:
            if name in READ_ALOUD and value:
                self._read(re.sub(f"{BEGIN}.*{END}", "", value))

    def handle_endtag(self, tag: str) -> None:
        self._skipped -= tag in DATA

    def handle_data(self, data: str) -> None:
        outside = ""
        for character in data:
            self._depth += (character == BEGIN) - (character == END)
            if not self._depth:
                outside += character
        if not self._skipped:
            self._read(outside.replace(END, ""))

    def _read(self, text: str) -> None:
        for known in sorted((*self._data, SERVICE), key=len, reverse=True):
            text = text.replace(known, "")
        if re.search(r"[A-Za-z]{2}", text):
            self.found.append(" ".join(text.split()))


def mark_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every page mark what a catalogue has said."""
    marking = _Marking()
    monkeypatch.setattr(catalogues, "catalogue", lambda _language: marking)


def left_in_english(page: httpx2.Response, *data: str) -> list[str]:
    """What stands on the page without a mark, apart from ``data`` that is the same everywhere."""
    reader = _Reader(data)
    reader.feed(page.text)
    reader.close()
    return reader.found
