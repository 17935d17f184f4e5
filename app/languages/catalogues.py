"""What a sentence is in the language of whoever reads it."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cache
from gettext import GNUTranslations, NullTranslations
from io import BytesIO

from babel import Locale
from babel.dates import format_date
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

from app import NAME
from app.languages.reader import FOLDER, SOURCE, reader
from app.log import get_logger
from app.message import Message

log = get_logger(NAME)

DATES = {SOURCE: "en_GB"}
"""Where the dates of a language are written as somewhere in particular."""


@cache
def catalogue(language: str) -> NullTranslations:
    """The sentences of a language. A sentence that it lacks is said in English."""
    if language == SOURCE:
        return NullTranslations()
    compiled = BytesIO()
    with (FOLDER / f"{language}.po").open("rb") as written:
        write_mo(compiled, read_po(written, locale=language.replace("-", "_")))
    compiled.seek(0)
    return GNUTranslations(compiled)


def gettext(sentence: str) -> str:
    """A sentence of a template, as it is in the reader's language."""
    return catalogue(reader().language).gettext(sentence)


def ngettext(one: str, many: str, number: int) -> str:
    """The same for a sentence that depends on a number."""
    return catalogue(reader().language).ngettext(one, many, number)


def translated(sentence: str) -> str:
    """A sentence in the reader's language: a :class:`~app.message.Message`, or one that stands in
    the catalogues as it is."""
    if not isinstance(sentence, Message):
        return gettext(sentence) if sentence else ""
    template = gettext(sentence.template) if sentence.template else ""
    if not sentence.values:
        return template
    values = {name: told(value) for name, value in sentence.values.items()}
    return filled(template.format_map, values, sentence.template.format_map)


def filled(
    fill: Callable[[Mapping[str, object]], str],
    values: Mapping[str, object],
    fill_english: Callable[[Mapping[str, object]], str],
) -> str:
    """A sentence with its values. One whose translation cannot be filled in is said in English.

    A slip of a translator must be no outage of a login.
    """
    try:
        return fill(values)
    except (ValueError, TypeError, LookupError):
        log.error("a translation cannot be filled in", language=reader().language)
        return fill_english(values)


def told(value: object) -> object:
    """What a page says of a value: messages and times in the reader's language, the rest as is."""
    match value:
        case Message():
            return translated(value)
        case datetime():
            return in_words(value)
        case _:
            return value


def in_words(at: datetime) -> str:
    """A time in UTC, such as ``30 November 2026, 14:02 UTC``."""
    language = reader().language
    date = format_date(at, "long", DATES.get(language, language.replace("-", "_")))
    return translated(Message("{date}, {time} UTC", date=date, time=at.strftime("%H:%M")))


def direction() -> str:
    """``ltr`` or ``rtl``: which way the reader's language is written."""
    return Locale.parse(reader().language, sep="-").text_direction
