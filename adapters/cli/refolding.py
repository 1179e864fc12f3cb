"""What is written beside the events, worked out again from the events alone: heads, names and number series.

All of it is read in one snapshot, while commands go on, page by page. A head of another fold version is compared by
its version only: it is folded anew when it is next loaded.
"""

import time
from collections.abc import Callable, Iterator
from datetime import date
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg

from adapters.cli.numbering import check_series
from ledger import streams
from ledger.customer import Customer
from ledger.events import decode, stream_of
from ledger.invoice.state import Invoice
from ledger.streams import STREAMS, State

Connection = psycopg.Connection[Any]
Progress = Callable[[int, int], None]

HEADS, NAMES, SERIES = "heads", "names", "number_series"
FETCH = 2_000
TELL_EVERY = 10_000
SHOWN_CHARACTERS = 120

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
SELECT_END = "SELECT position FROM log_head WHERE shard = 1"
SELECT_EVENTS = """
SELECT tenant_id, stream_id, version, tag, data, effective_on FROM events
 ORDER BY tenant_id, stream_id, version
"""
SELECT_HEADS = """
SELECT tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state
  FROM heads
 ORDER BY tenant_id, stream_id
"""
SELECT_NAMES = """
SELECT tenant_id, stream_id, kind, name FROM unique_names
 WHERE kind IN ('invoice_number', 'customer_reference')
 ORDER BY tenant_id, stream_id, kind, name
"""

Stream = tuple[UUID, UUID]
"""(tenant, stream)"""


class Refolded(msgspec.Struct, frozen=True):
    """What was compared: how many rows, and the first difference; empty when there is none."""

    name: str
    compared: int
    difference: str
    seconds: float


class Folded(NamedTuple):
    """A stream as its events say it is; `fault` is the event that could not be folded, and why."""

    stream: Stream
    kind: str
    version: int
    state: State | None
    fault: str = ""


def refold(connection: Connection, progress: Progress) -> list[Refolded]:
    """Compares heads and names with every stream folded anew, and number series with the numbers given out.

    `connection` is the writer's, which sees every tenant, outside a transaction.
    """
    with connection.transaction():
        connection.execute(SNAPSHOT)
        row = connection.execute(SELECT_END).fetchone()
        assert row is not None, "the shard has no log head"
        began = time.monotonic()
        heads = _Stored(HEADS, pages(connection, "heads", SELECT_HEADS))
        names = _Stored(NAMES, pages(connection, "names", SELECT_NAMES))
        for folded in _folded(connection, row[0], progress):
            heads.compare(folded, _head_difference)
            names.compare(folded, _names_difference)
        seconds = time.monotonic() - began
        found = [heads.done(seconds), names.done(seconds)]
        began = time.monotonic()
        compared, difference = check_series(connection)
        return [*found, Refolded(SERIES, compared, difference, time.monotonic() - began)]


def pages(
    connection: Connection, name: str, query: str, values: tuple[Any, ...] = ()
) -> Iterator[tuple[Any, ...]]:
    """A query's rows through a server-side cursor: memory is set by the page."""
    with connection.cursor(name) as cursor:
        cursor.itersize = FETCH
        cursor.execute(query.encode(), values, binary=True)
        yield from cursor


class _Stored:
    """Rows in the order of their streams, compared with what the streams' events say."""

    def __init__(self, name: str, rows: Iterator[tuple[Any, ...]]) -> None:
        self._name = name
        self._rows = rows
        self._row = next(rows, None)
        self._compared = 0
        self._difference = ""

    def compare(
        self, folded: Folded, difference: Callable[[Folded, list[tuple[Any, ...]]], str]
    ) -> None:
        """Compares the rows of a stream; streams come in order."""
        self._pass_over(folded.stream)
        rows: list[tuple[Any, ...]] = []
        while self._row is not None and self._row[:2] == folded.stream:
            rows.append(self._row)
            self._row = next(self._rows, None)
        self._compared += len(rows)
        if not self._difference:
            self._note(folded.stream, difference(folded, rows))

    def done(self, seconds: float) -> Refolded:
        self._pass_over(None)
        return Refolded(self._name, self._compared, self._difference, seconds)

    def _pass_over(self, stream: Stream | None) -> None:
        """Rows of streams that have no events."""
        while self._row is not None and (stream is None or self._row[:2] < stream):
            self._note(self._row[:2], "is stored, and no event tells of it")
            self._row = next(self._rows, None)

    def _note(self, stream: Stream, how: str) -> None:
        if how and not self._difference:
            self._difference = f"tenant {stream[0]}, stream {stream[1]} {how}"


def _folded(connection: Connection, end: int, progress: Progress) -> Iterator[Folded]:
    done = 0
    events = pages(connection, "events", SELECT_EVENTS)
    for stream, of_stream in groupby(events, key=itemgetter(0, 1)):
        folded = Folded(stream, "", 0, None)
        for event in of_stream:
            folded = _after(folded, event)
            done += 1
            if done % TELL_EVERY == 0:
                progress(done, end)
        yield folded


def _after(folded: Folded, event: tuple[Any, ...]) -> Folded:
    """The stream after one more event; one that cannot be folded stays where it was, and says so."""
    _, _, version, tag, data, effective_on = event
    if folded.fault:
        return folded
    kind = folded.kind or stream_of(tag)
    try:
        state = STREAMS[kind].evolve(folded.state, decode(tag, data), effective_on)
    except Exception as error:  # whatever an event holds, the others are still compared
        return folded._replace(fault=f"{tag} at version {version}: {type(error).__name__}")
    return Folded(folded.stream, kind, version, state)


def _head_difference(folded: Folded, rows: list[tuple[Any, ...]]) -> str:
    if folded.fault:
        return f"cannot be folded: {folded.fault}"
    if not rows:
        return "has events and no head"
    assert folded.state is not None
    _, _, kind, version, fold_version, wakes_on, accrues, payer_id, data = rows[0]
    stream = STREAMS[folded.kind]
    pairs: list[tuple[str, Any, Any]] = [
        ("kind", kind, folded.kind),
        ("version", version, folded.version),
    ]
    if kind == folded.kind and fold_version == stream.fold_version:
        facts = stream.facts(folded.state)
        pairs += [
            ("wakes_on", wakes_on, facts.wakes_on),
            ("accrues", accrues, facts.accrues),
            ("payer_id", payer_id, facts.payer_id),
        ]
        state = streams.decode_state(kind, data)
        pairs += [
            (field, getattr(state, field), getattr(folded.state, field))
            for field in folded.state.__struct_fields__
        ]
    return next((_told(*pair) for pair in pairs if pair[1] != pair[2]), "")


def _names_difference(folded: Folded, rows: list[tuple[Any, ...]]) -> str:
    if folded.fault:
        return ""  # told of the head
    expected: list[tuple[str, str]] = []
    match folded.state:
        case Invoice(number=number) if number:
            expected = [("invoice_number", number)]
        case Customer(reference=reference) if reference:
            expected = [("customer_reference", reference)]
    found = [(row[2], row[3]) for row in rows]
    return "" if found == expected else _told("names", found, expected)


def _told(what: str, stored: object, by_events: object) -> str:
    return f"differs in {what}: stored {_shown(stored)}, by its events {_shown(by_events)}"


def _shown(value: object) -> str:
    text = value.isoformat() if isinstance(value, date) else repr(value)
    return text if len(text) <= SHOWN_CHARACTERS else text[:SHOWN_CHARACTERS] + "…"
