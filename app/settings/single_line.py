"""Values from outside that are one line: from stdin, from a file, from the environment.

Editors, shells and secret stores put an end of line behind them, Windows another one, and some a
byte order mark in front.
"""

import unicodedata


class NotOneLineError(ValueError):
    """What came is more than one value, or something that nobody can have typed."""


def single_line(text: str) -> str:
    """``text`` without the byte order mark and the end of line around it.

    Raises :class:`NotOneLineError` if control characters are left, another end of line among them.
    """
    value = text.removeprefix("\ufeff")
    for end in ("\r\n", "\n", "\r"):
        if value.endswith(end):
            value = value.removesuffix(end)
            break
    if any(unicodedata.category(character) == "Cc" for character in value):
        raise NotOneLineError("there are control characters in it, or more than one line")
    return value
