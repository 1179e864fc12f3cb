"""The content of a table as a digest, and the first row in which two tables differ.

A digest is SHA-256 over the table's rows in the order of its key, each as PostgreSQL's binary COPY writes it: equal
contents have equal digests, whatever order the rows were written in. A sum of zeros says nothing and is left out.
"""

import hashlib
from collections.abc import Iterator
from typing import Any

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from projections.engine.tables import RowTable, SumTable

Table = RowTable | SumTable

_ROWS = SQL("SELECT {columns} FROM {table} {where} ORDER BY {key}")
_COPY = SQL("COPY ({rows}) TO STDOUT (FORMAT BINARY)")
FETCH = 1_000


class Difference(msgspec.Struct, frozen=True):
    """The first row, in the order of the key, in which a table is not what the log says.

    key      column and value of the row's key
    column   the first column that differs; empty when the row is on one side only
    live     its value in the live table, None when the row is missing there
    rebuilt  its value by the log, None when the log knows no such row
    """

    table: str
    key: dict[str, str]
    column: str
    live: str | None
    rebuilt: str | None


class Differences:
    """Gathers differences, the first so many."""

    def __init__(self, most: int) -> None:
        self._most = most
        self.found: list[Difference] = []

    def add(
        self, table: str, key: dict[str, str], column: str, live: str | None, rebuilt: object
    ) -> None:
        """One more; `rebuilt` is text."""
        if len(self.found) < self._most:
            by_events = None if rebuilt is None else str(rebuilt)
            self.found.append(Difference(table, key, column, live, by_events))


class Content(msgspec.Struct, frozen=True):
    """A table's digest (hexadecimal) and how many rows it is of."""

    table: str
    digest: str
    rows: int


def content(cursor: psycopg.Cursor[Any], table: Table, suffix: str) -> Content:
    """Digests a table, row by row."""
    digest = hashlib.sha256()
    rows = -1  # the trailer comes by itself, the header with the first row or with the trailer
    with cursor.copy(_COPY.format(rows=_rows(table, suffix))) as copy:
        for data in copy:
            digest.update(data)
            rows += 1
    return Content(table.name, digest.hexdigest(), rows)


def first_difference(
    live: psycopg.Connection[Any], shadow: psycopg.Connection[Any], table: Table, suffix: str
) -> Difference | None:
    """Walks a live table and its shadow together, each on its own connection and in its own transaction."""
    width = len(table.key)
    names = [column.name for column in table.columns]
    there, here = _walk(live, table, ""), _walk(shadow, table, suffix)
    one, other = next(there, None), next(here, None)
    while one is not None or other is not None:
        if one is None or (other is not None and other[:width] < one[:width]):
            assert other is not None
            return Difference(table.name, _key(table, other), "", None, "a row")
        if other is None or one[:width] < other[:width]:
            return Difference(table.name, _key(table, one), "", "a row", None)
        for name, lived, rebuilt in zip(names, one, other, strict=True):
            if lived != rebuilt:
                return Difference(table.name, _key(table, one), name, str(lived), str(rebuilt))
        one, other = next(there, None), next(here, None)
    return None


def _walk(
    connection: psycopg.Connection[Any], table: Table, suffix: str
) -> Iterator[tuple[Any, ...]]:
    """A table's rows in the order of its key, key columns first, through a server-side cursor."""
    with connection.cursor(f"walk_{table.name}{suffix}") as cursor:
        cursor.itersize = FETCH
        cursor.execute(_rows(table, suffix))
        yield from cursor


def _key(table: Table, row: tuple[Any, ...]) -> dict[str, str]:
    return {name: str(value) for name, value in zip(table.key, row, strict=False)}


def _rows(table: Table, suffix: str) -> Composed:
    where: SQL | Composed = SQL("")
    if isinstance(table, SumTable):
        where = SQL("WHERE ") + SQL(" OR ").join(
            SQL("{} <> 0").format(Identifier(name)) for name in table.sums
        )
    return _ROWS.format(
        columns=SQL(", ").join(Identifier(column.name) for column in table.columns),
        table=Identifier(table.name + suffix),
        where=where,
        key=SQL(", ").join(map(Identifier, table.key)),
    )
