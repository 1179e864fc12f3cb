"""Filling tables aside from the log: in stream order up to a fixed position, then in log order.

In stream order each stream is folded once and its row is written once, by COPY. Rows, the sums gathered with them and
the checkpoint are committed together, so filling can stop at any moment and go on from there; memory is set by the
chunk.
"""

import threading
from collections.abc import Callable, Sequence
from contextlib import closing
from typing import Any, NamedTuple

import psycopg
from msgspec.structs import astuple

from ledger.event_registry import decode
from projections.engine import log, postgres_binary
from projections.engine.applying import (
    UNWRITABLE,
    EventsMissing,
    apply,
    by_kind,
    load_for,
    of_kinds,
)
from projections.engine.log import Logged
from projections.engine.projection import Part, Projection, Totals
from projections.engine.tables import StreamKey
from projections.engine.tracking import Connect, Connection
from projections.rebuild import checkpoint as checkpoints
from projections.rebuild.checkpoint import Checkpoint

PAGE_EVENTS = 10_000
CHUNK_EVENTS = 250_000
CHUNK_SUMS = 50_000
COPY_ROWS = 5_000
COPY_PARTS = 20_000

Progress = Callable[[int, int], None]
"""Told how many events are done, and of how many."""


class Stopped(Exception):
    """Filling was told to stop; it goes on from here when it is asked to again."""


def fill(
    connect: Connect,
    projection: Projection,
    suffix: str,
    at: Checkpoint,
    progress: Progress,
    stop: threading.Event,
) -> Checkpoint:
    """Fills tables aside in stream order, from a checkpoint to the end. Raises Stopped, RebuildTaken."""
    after = (at.after_tenant.bytes, at.after_stream.bytes)
    with connect() as connection, connect() as reading:
        postgres_binary.register(connection)
        chunk = _Chunk(connection, projection, suffix)
        events = log.by_stream(reading, projection.streams, after, at.fixed_position)
        with closing(events):
            for piece in events:
                chunk.take(piece)
                chunk.write(at)
                if chunk.is_full or stop.is_set():
                    at = chunk.commit(at)
                    progress(at.events_read, at.fixed_position)
                if stop.is_set():
                    raise Stopped(f"{at.events_read} events are in {at.projection}")
        chunk.close_stream()
        at = chunk.commit(at, caught_up_to=at.fixed_position)
        progress(at.events_read, at.fixed_position)
    return at


def catch_up(
    connection: Connection, projection: Projection, suffix: str, at: Checkpoint, upto: int
) -> Checkpoint:
    """Applies one page in log order to tables aside, in a transaction or in the caller's. Raises RebuildTaken."""
    with connection.transaction(), connection.cursor() as cursor:
        checkpoints.hold(cursor, at)
        page = log.page(cursor, at.caught_up_to, upto, PAGE_EVENTS)
        reached = page[-1][0] if page else upto
        apply(cursor, projection, suffix, of_kinds(by_kind(page), projection.streams))
        return checkpoints.move(cursor, at, len(page), caught_up_to=reached)


class _Done(NamedTuple):
    """A stream that was folded whole: its row, and what its events add to the sums by themselves."""

    row: Any
    added: list[Part]


class _Chunk:
    """Streams folded and not yet written, and the one that is being folded."""

    def __init__(self, connection: Connection, projection: Projection, suffix: str) -> None:
        self._connection = connection
        self._projection = projection
        self._suffix = suffix
        self._key: StreamKey = (b"", b"")
        self._row: Any = None
        self._added: list[Part] = []
        self._loaded: Any = None
        self._loaded_for = b""
        self._events_of_stream = 0
        self._events = 0
        self._last: StreamKey | None = None
        self._done: list[_Done] = []
        self._parts = 0
        self._again: list[StreamKey] = []
        self._totals = Totals(projection)
        self._held = False

    @property
    def is_full(self) -> bool:
        """Whether it is time to commit what was written."""
        return self._events >= CHUNK_EVENTS or len(self._totals) >= CHUNK_SUMS

    def take(self, piece: Sequence[Logged]) -> None:
        """Folds a piece of the log; a stream is done when the next one begins."""
        fold, adds = self._projection.fold, self._projection.adds
        reads = self._projection.reads
        (of_tenant, of_stream), row = self._key, self._row
        added, loaded = self._added, self._loaded
        for _, tenant, stream, version, tenant_seq, tag, effective_on, data in piece:
            if stream != of_stream or tenant != of_tenant:
                self.close_stream()
                of_tenant, of_stream = self._key = (tenant, stream)
                row = self._row = self._projection.row(tenant, stream) if data else None
                added, loaded = self._added, self._load(tenant)
            self._events_of_stream += 1
            if row is None:
                continue  # of another kind, or failed before
            if reads is not None and tag not in reads:
                continue
            try:
                event = decode(tag, data)
                if adds is not None:
                    added += adds.parts(row, event, effective_on, tenant_seq, loaded)
                fold(row, event, effective_on)
                # `Projection.follows`, written out: a call for each of millions of events costs a tenth.
                if version != row.version + 1 and (reads is None or version <= row.version):
                    raise EventsMissing(f"version {version} follows version {row.version}")
            except Exception:  # it is folded again with the chunk, and parked there with its reason
                row = self._row = None
                self._again.append(self._key)
                continue
            row.version = version
            row.tenant_seq = tenant_seq

    def close_stream(self) -> None:
        """The stream at hand has no more events."""
        if self._row is not None and self._row.version:
            self._done.append(_Done(self._row, self._added))
            self._parts += len(self._added)
            self._row = None
        self._added = []
        if self._events_of_stream:
            self._last = self._key
            self._events += self._events_of_stream
            self._events_of_stream = 0

    def write(self, at: Checkpoint) -> None:
        """Writes the streams that are done, when they are many, in the transaction that `commit` ends."""
        if len(self._done) >= COPY_ROWS or self._parts >= COPY_PARTS:
            with self._connection.cursor() as cursor:
                self._hold(cursor, at)
                self._write(cursor, self._done)
            self._done.clear()
            self._parts = 0

    def commit(self, at: Checkpoint, caught_up_to: int = 0) -> Checkpoint:
        """Commits the streams that are done, with their sums and the checkpoint."""
        with self._connection.cursor() as cursor:
            self._hold(cursor, at)
            self._write(cursor, self._done)
            for key in self._again:
                events = log.stream(cursor, key, upto=at.fixed_position)
                apply(cursor, self._projection, self._suffix, {key: events})
            self._totals.write(cursor, self._suffix)
            moved = checkpoints.move(
                cursor, at, self._events, after=self._last, caught_up_to=caught_up_to
            )
        self._connection.commit()
        self._done.clear()
        self._parts = 0
        self._again.clear()
        self._totals.clear()
        self._events = 0
        self._held = False
        return moved

    def _hold(self, cursor: psycopg.Cursor[Any], at: Checkpoint) -> None:
        """Holds the checkpoint from the first row of a transaction on."""
        if not self._held:
            checkpoints.hold(cursor, at)
            self._held = True

    def _load(self, tenant: bytes) -> Any:
        """What the events of a tenant need to know besides their streams' rows."""
        if self._projection.adds is not None and tenant != self._loaded_for:
            with self._connection.cursor() as cursor:
                self._loaded = load_for(cursor, self._projection, [(tenant, b"")])
            self._loaded_for = tenant
        return self._loaded

    def _write(self, cursor: psycopg.Cursor[Any], done: Sequence[_Done]) -> None:
        """Copies rows and gathers their parts. A row that its table refuses is found by halves."""
        if not done:
            return
        table, parts = self._projection.table, self._projection.parts
        try:
            with cursor.connection.transaction():
                table.copy(cursor, self._suffix, [table.pack(astuple(row)) for row, _ in done])
        except UNWRITABLE:
            if len(done) == 1:
                self._again.append(astuple(done[0].row)[:2])
                return
            half = len(done) // 2
            self._write(cursor, done[:half])
            self._write(cursor, done[half:])
        else:
            for row, added in done:
                self._totals.add(parts(row))
                self._totals.add(added)
