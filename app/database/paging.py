"""Reading the whole of a list that is read in pages."""

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

Record = TypeVar("Record")
Cursor = TypeVar("Cursor")

PAGE = 500
"""Records that are read at once."""


async def every(
    read_page: Callable[[Cursor | None, int], Awaitable[Sequence[Record]]],
    cursor_of: Callable[[Record], Cursor],
) -> list[Record]:
    """All records of a list, of which ``read_page`` reads so many behind a cursor."""
    records: list[Record] = []
    cursor = None
    while True:
        page = await read_page(cursor, PAGE)
        records += page
        if len(page) < PAGE:
            return records
        cursor = cursor_of(page[-1])
