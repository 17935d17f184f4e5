"""Rows of several tables in one statement.

A login writes to three tables. On PostgreSQL that is one trip in place of three: each of them wakes
the worker, while hashes keep all cores busy. SQLite has no such statement, and needs none: nothing
travels.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Insert, bindparam, insert, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection

from app.models import Base

Rows = tuple[type[Base], Sequence[Mapping[str, Any]]]
"""Of one table, all with the same columns, among them every one that has a default in Python."""


async def insert_together(connection: AsyncConnection, *tables: Rows) -> None:
    """Insert rows, those that others refer to before them."""
    if connection.dialect.name != "postgresql":
        for table, rows in tables:
            await connection.execute(_insert(table), list(rows))
        return
    shapes = tuple((table, len(rows), tuple(rows[0])) for table, rows in tables)
    parameters = {
        _name(place, number, column): value
        for place, (_, rows) in enumerate(tables)
        for number, row in enumerate(rows)
        for column, value in row.items()
    }
    await connection.execute(_in_one_statement(shapes), parameters)


# Built once, like every statement of a login: building one can take longer than running it.


@lru_cache
def _insert(table: type[Base]) -> Insert:
    return insert(table)


@lru_cache
def _in_one_statement(shapes: tuple[tuple[type[Base], int, tuple[str, ...]], ...]) -> Insert:
    inserts = []
    for place, (table, count, columns) in enumerate(shapes):
        types = {column: table.__table__.c[column].type for column in columns}
        # As a list of values it would be compiled anew each time.
        rows = [
            select(*(bindparam(_name(place, number, each), type_=types[each]) for each in columns))
            for number in range(count)
        ]
        inserts.append(insert(table).from_select(columns, union_all(*rows)).inline())
    *first, last = inserts
    return last.add_cte(*(each.cte(f"rows_{place}") for place, each in enumerate(first)))


def _name(place: int, number: int, column: str) -> str:
    return f"{column}_{place}_{number}"
