"""Who reads what is being written, and the language that is best for them.

What a client asks for comes first, for it has shown its user a language already (``ui_locales``,
OpenID Connect Core, section 3.1.2.1). Then comes what the user has chosen, and then what their
browser says (RFC 9110, section 12.5.4).
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from pathlib import Path

SOURCE = "en"
"""The language that the code itself is written in."""

FOLDER = Path(__file__).parent

MOST_TAGS = 20
"""Language tags of a list that are looked at; browsers send a handful."""

LONGEST_LIST = 1024
"""Characters of one: whoever sends more is no browser."""

_TAG = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}")


@cache
def languages() -> frozenset[str]:
    """Those that pages and mails can be read in, as language tags."""
    return frozenset({SOURCE, *(path.stem for path in FOLDER.glob("*.po"))})


def best_of(tags: Sequence[str]) -> str | None:
    """The language of the first tag that there is one for (RFC 4647, section 3.4), if any."""
    known = {language.casefold(): language for language in languages()}
    for tag in tags[:MOST_TAGS]:
        wanted = tag.casefold() if _TAG.fullmatch(tag) else ""
        while wanted:
            if wanted in known:
                return known[wanted]
            wanted = wanted.rpartition("-")[0]
    return None


class Reader:
    """What is known of somebody's languages. A request has one, and learns more as it goes on."""

    def __init__(
        self,
        headers: Sequence[tuple[bytes, bytes]] = (),
        *,
        locale: str | None = None,
        ui_locales: str = "",
    ) -> None:
        """``headers`` are those of the request; the rest is as :meth:`note` takes it."""
        self._headers = headers
        self._locale = locale
        self._ui_locales = ui_locales
        self._language: str | None = None

    def note(self, *, locale: str | None = None, ui_locales: str | None = None) -> None:
        """What the user has chosen, or what the client asks for: tags with spaces in between."""
        self._locale = self._locale if locale is None else locale
        self._ui_locales = self._ui_locales if ui_locales is None else ui_locales
        self._language = None

    @property
    def language(self) -> str:
        """One of :func:`languages`."""
        if self._language is None:
            self._language = (
                best_of(self._ui_locales[:LONGEST_LIST].split())
                or best_of([self._locale or ""])
                or best_of(self._accepted())
                or SOURCE
            )
        return self._language

    def _accepted(self) -> Sequence[str]:
        """The tags of ``Accept-Language``, the best first, without those of weight 0."""
        header = b",".join(value for name, value in self._headers if name == b"accept-language")
        weighted = []
        for part in header[:LONGEST_LIST].decode("latin-1").split(","):
            tag, _, weight = part.partition(";")
            try:
                quality = float(weight.strip().lower().removeprefix("q=") or 1)
            except ValueError:
                continue
            if quality > 0:
                weighted.append((tag.strip(), quality))
        return [tag for tag, _ in sorted(weighted, key=lambda each: -each[1])]


_READER: ContextVar[Reader] = ContextVar("reader", default=Reader())  # noqa: B039 - no request, so nobody notes anything


def begin_reading(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Forget who read before, at the beginning of a request with those headers."""
    _READER.set(Reader(headers))


def reader() -> Reader:
    """Who reads the answer to the request under way; of whom more can be noted."""
    return _READER.get()


@contextmanager
def read_by(locale: str | None) -> Iterator[None]:
    """Write what the block writes for somebody else, such as whoever gets a mail.

    Where they have chosen no language that there is, it is that of whoever reads the answer to the
    request.
    """
    token = _READER.set(Reader(locale=best_of([locale or ""]) or _READER.get().language))
    try:
        yield
    finally:
        _READER.reset(token)
