"""The tables of a read model, described once; every statement that loads and writes them is made here.

A `RowTable` holds one row per stream, folded from its events. A `SumTable` holds sums to which each stream adds its
part. Statements take a suffix to the table's name, so that the code that keeps `invoices` up to date also fills
`invoices__shadow`. Ids are their 16 bytes, in keys, rows and sums.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

import psycopg
from psycopg.sql import SQL, Composed, Identifier

from projections.engine.postgres_binary import (
    COPY_HEADER,
    COPY_TRAILER,
    FORMATS,
    Array,
    Kind,
    array,
    copy_packer,
)

StreamKey = tuple[bytes, bytes]
"""(tenant, stream)"""
SumKey = tuple[Any, ...]
"""Values of a sum table's key columns, the tenant first."""

_LOAD = SQL("""
SELECT {values}
  FROM {table} AS found
  JOIN unnest(%s::uuid[], %s::uuid[]) AS wanted (tenant_id, stream_id)
    ON found.tenant_id = wanted.tenant_id AND found.{stream_id} = wanted.stream_id
""")
_STORE = SQL("""
INSERT INTO {table} ({columns})
SELECT {columns} FROM unnest({arrays}) AS new ({columns})
ON CONFLICT (tenant_id, {stream_id}) DO UPDATE SET {changes}
""")
_COPY = SQL("COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)")
_DELETE = SQL("DELETE FROM {table} WHERE tenant_id = %s AND {stream_id} = %s")
_ADD = SQL("""
INSERT INTO {table} AS total ({columns})
SELECT {values} FROM unnest({arrays}) AS part ({columns})
ON CONFLICT ({key}) DO UPDATE SET {changes}
""")


class Column(NamedTuple):
    name: str
    kind: Kind


class RowTable:
    """A table with one row per stream: tenant_id, the stream's id, `version` and `tenant_seq` of its last event,
    and what is folded from its events."""

    def __init__(self, name: str, stream_id: str, /, **folded: Kind) -> None:
        self.name = name
        self.stream_id = stream_id
        self.key = ("tenant_id", stream_id)
        front: dict[str, Kind] = {
            "tenant_id": "uuid",
            stream_id: "uuid",
            "version": "integer",
            "tenant_seq": "bigint",
        }
        self.columns = _columns(front | folded)
        self.pack = copy_packer([column.kind for column in self.columns])

    def load(
        self, cursor: psycopg.Cursor[Any], suffix: str, keys: Sequence[StreamKey]
    ) -> list[tuple[Any, ...]]:
        """The rows of those streams that have one, in the order of the columns."""
        tenants, streams = zip(*keys, strict=True)
        wanted = (array("uuid", tenants), array("uuid", streams))
        return cursor.execute(_load(self, suffix), wanted, binary=True).fetchall()

    def store(
        self, cursor: psycopg.Cursor[Any], suffix: str, rows: Sequence[tuple[Any, ...]]
    ) -> None:
        """Writes rows, whether or not their streams have one."""
        cursor.execute(_store(self, suffix), _arrays(self.columns, rows))

    def copy(self, cursor: psycopg.Cursor[Any], suffix: str, packed: Iterable[bytes]) -> None:
        """Adds packed rows of streams that have none."""
        with cursor.copy(_copy(self, suffix)) as copy:
            copy.write(b"".join((COPY_HEADER, *packed, COPY_TRAILER)))

    def delete(self, cursor: psycopg.Cursor[Any], suffix: str, key: StreamKey) -> None:
        """Removes the row of a stream, if it has one."""
        statement = _DELETE.format(
            table=Identifier(self.name + suffix), stream_id=Identifier(self.stream_id)
        )
        cursor.execute(statement, [part.hex() for part in key])


class SumTable:
    """A table of sums, by key columns of which the first is tenant_id."""

    def __init__(self, name: str, key: dict[str, Kind], sums: Sequence[str]) -> None:
        self.name = name
        self.key = ("tenant_id", *key)
        self.sums = tuple(sums)
        kinds: dict[str, Kind] = {"tenant_id": "uuid"}
        self.columns = _columns(kinds | key | dict.fromkeys(sums, "numeric"))

    def add(self, cursor: psycopg.Cursor[Any], suffix: str, parts: dict[SumKey, list[int]]) -> None:
        """Adds to the sums."""
        rows = [(*key, *part) for key, part in sorted(parts.items()) if any(part)]
        if rows:
            cursor.execute(_add(self, suffix), _arrays(self.columns, rows))


def _columns(kinds: dict[str, Kind]) -> tuple[Column, ...]:
    return tuple(Column(name, kind) for name, kind in kinds.items())


def _arrays(columns: Sequence[Column], rows: Sequence[tuple[Any, ...]]) -> list[Array]:
    """The rows turned into one array for each column."""
    by_column = zip(*rows, strict=True)
    return [array(column.kind, values) for column, values in zip(columns, by_column, strict=True)]


@cache
def _load(table: RowTable, suffix: str) -> bytes:
    values = [
        SQL("uuid_send(found.{})" if column.kind == "uuid" else "found.{}").format(
            Identifier(column.name)
        )
        for column in table.columns
    ]
    return _LOAD.format(
        table=Identifier(table.name + suffix),
        stream_id=Identifier(table.stream_id),
        values=SQL(", ").join(values),
    ).as_bytes()


@cache
def _store(table: RowTable, suffix: str) -> bytes:
    changes = [
        SQL("{0} = excluded.{0}").format(Identifier(column.name))
        for column in table.columns
        if column.name not in table.key
    ]
    return _STORE.format(
        table=Identifier(table.name + suffix),
        columns=_names(table.columns),
        arrays=_placeholders(table.columns),
        stream_id=Identifier(table.stream_id),
        changes=SQL(", ").join(changes),
    ).as_bytes()


@cache
def _copy(table: RowTable, suffix: str) -> bytes:
    return _COPY.format(
        table=Identifier(table.name + suffix), columns=_names(table.columns)
    ).as_bytes()


@cache
def _add(table: SumTable, suffix: str) -> bytes:
    values = [
        SQL("{}::numeric" if column.kind == "numeric" else "{}").format(Identifier(column.name))
        for column in table.columns
    ]
    changes = [
        SQL("{0} = total.{0} + excluded.{0}").format(Identifier(name)) for name in table.sums
    ]
    return _ADD.format(
        table=Identifier(table.name + suffix),
        columns=_names(table.columns),
        values=SQL(", ").join(values),
        arrays=_placeholders(table.columns),
        key=SQL(", ").join(map(Identifier, table.key)),
        changes=SQL(", ").join(changes),
    ).as_bytes()


def _names(columns: Sequence[Column]) -> Composed:
    return SQL(", ").join(Identifier(column.name) for column in columns)


def _placeholders(columns: Sequence[Column]) -> Composed:
    """`%s::uuid[], %s::bigint[], ...`"""
    return SQL(", ").join(SQL("%s::" + FORMATS[column.kind].array) for column in columns)
