"""Sentences that people read in their own language."""

from typing import Self


class Message(str):
    """A sentence in English, which pages and mails say in the language of whoever reads them.

    As a string it is the English sentence: that is what logs, the command line and the JSON API
    say. ``make messages`` finds what is written in ``Message(...)`` and puts it into the catalogues
    of :mod:`app.languages`, so the sentence stands there as it is, without an f-string.
    """

    template: str
    """With a name in braces for each value."""
    values: dict[str, object]

    def __new__(cls, template: str, **values: object) -> Self:
        """``values`` may be messages and times themselves: a page says these in its language, too.

        Braces stand for themselves where there are no values.
        """
        message = super().__new__(cls, template.format_map(values) if values else template)
        message.template = template
        message.values = values
        return message

    def __str__(self) -> str:
        """Itself: the text of an exception stays a message."""
        return self
