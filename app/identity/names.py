"""What people read: names and descriptions."""

import unicodedata


def has_unseen(text: str) -> bool:
    """Whether there are control or format characters in ``text`` (Unicode's category C).

    They can turn the reading direction of a page around, or make two names look alike.
    """
    return any(unicodedata.category(character).startswith("C") for character in text)
