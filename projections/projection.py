"""What a read model is: its tables, how one stream folds into its row, and what that row adds to the sums."""

from collections.abc import Callable, Iterable
from datetime import date
from typing import Any, NamedTuple, Protocol

import psycopg

from ledger.events import Event
from projections.log import Streams
from projections.tables import RowTable, SumKey, SumTable


class Row(Protocol):
    """A row as it is folded: a mutable struct with the fields of its table's columns, in their order.

    A new stream's row is made of its key alone; `version` is 0 until an event was folded into it.
    """

    version: int
    tenant_seq: int


class Part(NamedTuple):
    """What a row adds to one line of a sum table: which table (its place in `Projection.sums`), where, how much."""

    table: int
    key: SumKey
    amounts: tuple[int, ...]


class Projection(NamedTuple):
    """A read model.

    name      as `duebook projections` lists it
    version   raised whenever `fold`, `parts` or a table changes: the tables must then be rebuilt
    stream    the kind of stream it is folded from
    table     one row per stream
    sums      sums over those rows
    row       the row's struct
    fold      changes a row by one event, given the event's effective date; may raise, then the stream is parked
    parts     what a row adds to the sums; equal rows add the same
    shortcut  applies those streams of a page that it can to the tables with a suffix, and returns the others
    """

    name: str
    version: int
    stream: str
    table: RowTable
    sums: tuple[SumTable, ...]
    row: Callable[..., Any]
    fold: Callable[[Any, Event, date], None]
    parts: Callable[[Any], Iterable[Part]]
    shortcut: Callable[[psycopg.Cursor[Any], str, Streams], Streams] | None = None

    @property
    def tables(self) -> tuple[RowTable | SumTable, ...]:
        """Every table, that of the rows first."""
        return (self.table, *self.sums)


class Totals:
    """Parts gathered by key, to be added to the sum tables together."""

    def __init__(self, projection: Projection) -> None:
        self._tables = projection.sums
        self._totals: list[dict[SumKey, list[int]]] = [{} for _ in projection.sums]

    def __len__(self) -> int:
        return sum(map(len, self._totals))

    def add(self, parts: Iterable[Part], sign: int = 1) -> None:
        for table, key, amounts in parts:
            totals = self._totals[table]
            found = totals.get(key)
            if found is None:
                totals[key] = [sign * amount for amount in amounts]
            else:
                for at, amount in enumerate(amounts):
                    found[at] += sign * amount

    def write(self, cursor: psycopg.Cursor[Any], suffix: str) -> None:
        """Adds what was gathered to the sum tables with that suffix."""
        for table, totals in zip(self._tables, self._totals, strict=True):
            table.add(cursor, suffix, totals)

    def clear(self) -> None:
        for totals in self._totals:
            totals.clear()
