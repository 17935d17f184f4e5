"""What import and apply share: both go through a document, entry by entry."""

from collections.abc import Generator, Hashable
from contextlib import contextmanager

from app.errors import InvalidError, Problem


class Once:
    """Refuses what comes again: the second would undo the first without a word."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._seen: set[Hashable] = set()

    def add(self, thing: Hashable) -> None:
        """Remember ``thing``. Raises :class:`InvalidError` if it is not new."""
        if thing in self._seen:
            raise InvalidError(told="this appears twice in the document")
        self._seen.add(thing)


@contextmanager
def naming(place: str) -> Generator[None]:
    """Say of what is refused where in the document it is."""
    try:
        yield
    except Problem as refusal:
        raise Problem(told=f"{place}: {refusal.line}", status=refusal.status) from None
