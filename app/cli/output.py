"""What commands print: JSON, tables that fit the terminal, and lines for a pipe."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

ENDLESS = 1_000_000
"""Columns of a terminal that has room for everything."""


def show(record: Mapping[str, Any], as_json: bool, note: str = "") -> None:
    """Print one record: as JSON, or a line for each of its fields, with ``note`` under them.

    On a terminal the lines are a table; in a pipe, a name, a tab and a value.
    """
    if as_json:
        print(json.dumps(record, default=_plain))
    elif sys.stdout.isatty():
        _draw(_fields(record))
    else:
        for name, value in record.items():
            print(name, shown(value), sep="\t")
    if note and not as_json:
        print(note)


def show_list(records: Sequence[Mapping[str, Any]], as_json: bool) -> None:
    """Print records: as a JSON list, or a line for each, below the names of the columns.

    In a pipe tabs separate the values. On a terminal the lines are a table, of the columns that it
    has room for: no value is cut, and what is left out is named below. Columns that are the same in
    every line go first, and then the last ones.
    """
    if as_json:
        print(json.dumps(records, default=_plain))
        return
    rows = [{name: shown(value) for name, value in record.items()} for record in records]
    if not rows:
        return
    if not sys.stdout.isatty():
        for row in (list(rows[0]), *(row.values() for row in rows)):
            print(*row, sep="\t")
        return
    columns = list(rows[0])
    while len(columns) > 1 and _width(rows, columns) > _terminal_width():
        alike = [name for name in columns[1:] if len({row[name] for row in rows}) == 1]
        columns.remove((alike or columns)[-1])
    if _width(rows, columns) > _terminal_width():
        _draw(*map(_fields, records))
        return
    _draw(_table(rows, columns))
    if missing := [name for name in rows[0] if name not in columns]:
        print(f"Too narrow for: {', '.join(missing)}. A pipe has them, and --json.")


def shown(value: object) -> str:
    """A value as people read it, which cannot steer their terminal."""
    if value is None:
        return "-"
    text = " ".join(value) if isinstance(value, list) else _plain(value)
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)


def _plain(value: object) -> str:
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else str(value)


def _table(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(*columns)
    for row in rows:
        table.add_row(*(row[name] for name in columns))
    return table


def _fields(record: Mapping[str, Any]) -> "Table":
    from rich.table import Column, Table

    table = Table(Column(no_wrap=True), Column(overflow="fold"), show_header=False)
    for name, value in record.items():
        table.add_row(name, shown(value))
    return table


def _width(rows: Sequence[Mapping[str, str]], columns: Sequence[str]) -> int:
    from rich.console import Console

    console = Console(width=ENDLESS, markup=False, emoji=False)
    return console.measure(_table(rows, columns)).maximum


def _terminal_width() -> int:
    from rich.console import Console

    return Console().width


def _draw(*tables: "Table") -> None:
    from rich.console import Console

    # What others named a record is printed as it is, and not read as markup.
    Console(markup=False, emoji=False, highlight=False).print(*tables, sep="\n")
