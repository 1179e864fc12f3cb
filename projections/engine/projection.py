"""What a read model is: its tables, how one stream folds into its row, and what that adds to the sums.

Most rows add to the sums what they are: a changed row's old parts are taken away and its new ones added. Where the sums
are of what happened rather than of what is, each event adds its own parts (`Additions`); those of a stream are found
again by going through its events.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import date
from typing import Any, NamedTuple, Protocol

import msgspec
import psycopg

from ledger.event_registry import Event
from projections.engine.log import Streams
from projections.engine.tables import RowTable, SumKey, SumTable


class Row(Protocol):
    """A row as it is folded: a mutable struct with the fields of its table's columns, in their order.

    A new stream's row is made of its key alone; `version` is 0 until an event was folded into it.
    """

    version: int
    tenant_seq: int


class Part(msgspec.Struct, frozen=True, gc=False):
    """What a row adds to one line of a sum table: which table (its place in `Projection.sums`), where, how much."""

    table: int
    key: SumKey
    amounts: tuple[int, ...]


class Additions(NamedTuple):
    """What single events add to the sums.

    load   finds what the events of some tenants need to know besides their streams' rows
    parts  what an event adds, given its stream's row before it, the event, its effective date, its tenant_seq and what
           was loaded; the same at any time; may raise, then the stream is parked
    """

    load: Callable[[psycopg.Cursor[Any], Collection[bytes]], Any]
    parts: Callable[[Any, Event, date, int, Any], Iterable[Part]]


class Projection(NamedTuple):
    """A read model.

    name      as `duebook projections` lists it
    version   raised whenever `fold`, `parts`, `adds` or a table changes: the tables must then be rebuilt
    streams   the kinds of stream it is folded from
    table     one row per stream
    sums      sums over those rows, or over their streams' events
    row       the row's struct
    fold      changes a row by one event, given the event's effective date; may raise, then the stream is parked
    parts     what a row adds to the sums; equal rows add the same
    adds      what each event adds to the sums, where rows add nothing
    shortcut  applies those streams of a page that it can to the tables with a suffix, and returns the others
    reads     the tags of the events it is folded from, where those are few; None for every event of its streams. Others
              are passed over, and a row's `version` is that of the last event that was read
    """

    name: str
    version: int
    streams: tuple[str, ...]
    table: RowTable
    sums: tuple[SumTable, ...]
    row: Callable[..., Any]
    fold: Callable[[Any, Event, date], None]
    parts: Callable[[Any], Iterable[Part]] = lambda row: ()
    adds: Additions | None = None
    shortcut: Callable[[psycopg.Cursor[Any], str, Streams], Streams] | None = None
    reads: frozenset[str] | None = None

    @property
    def tables(self) -> tuple[RowTable | SumTable, ...]:
        """Every table, that of the rows first."""
        return (self.table, *self.sums)

    def follows(self, version: int, before: int) -> bool:
        """Whether an event is the next one, after that of version `before`, among those that are read."""
        return version == before + 1 if self.reads is None else version > before

    def read_of(self, streams: Streams) -> Streams:
        """The events of these streams that are read."""
        reads = self.reads
        if reads is None:
            return streams
        kept = {key: [one for one in events if one[5] in reads] for key, events in streams.items()}
        return {key: events for key, events in kept.items() if events}


class Totals:
    """Parts gathered by key, to be added to the sum tables together."""

    def __init__(self, projection: Projection) -> None:
        self._tables = projection.sums
        self._totals: list[dict[SumKey, list[int]]] = [{} for _ in projection.sums]

    def __len__(self) -> int:
        return sum(map(len, self._totals))

    def add(self, parts: Iterable[Part], sign: int = 1) -> None:
        for part in parts:
            totals = self._totals[part.table]
            found = totals.get(part.key)
            if found is None:
                totals[part.key] = [sign * amount for amount in part.amounts]
            else:
                for at, amount in enumerate(part.amounts):
                    if amount:
                        found[at] += sign * amount

    def write(self, cursor: psycopg.Cursor[Any], suffix: str) -> None:
        """Adds what was gathered to the sum tables with that suffix."""
        for table, totals in zip(self._tables, self._totals, strict=True):
            table.add(cursor, suffix, totals)

    def clear(self) -> None:
        for totals in self._totals:
            totals.clear()
