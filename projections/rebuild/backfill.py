"""Backfill: shadow tables are filled from the log: in stream order up to a fixed position, then in log order.

In stream order each stream is folded once and its row is written once, by COPY. Rows, the sums gathered with them and
the checkpoint are committed together, so it can stop at any moment and go on from there; memory is set by the
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
    """A backfill was told to stop; it goes on from here when it is asked to again."""


def fill(
    connect: Connect,
    projection: Projection,
    suffix: str,
    at: Checkpoint,
    progress: Progress,
    stop: threading.Event,
) -> Checkpoint:
    """Fills shadow tables in stream order, from a checkpoint to the end. Raises Stopped, RebuildTaken."""
    after = (at.after_tenant.bytes, at.after_stream.bytes)
    with connect() as connection, connect() as reading:
        postgres_binary.register(connection)
        folder = StreamFolder(connection, projection)
        writer = ChunkWriter(connection, projection, suffix)
        chunk = Chunk()
        events = log.by_stream(reading, projection.streams, after, at.fixed_position)
        with closing(events):
            for piece in events:
                folder.take(piece, chunk)
                if chunk.is_worth_writing:
                    writer.write(chunk, at)
                if chunk.events >= CHUNK_EVENTS or writer.has_many_sums or stop.is_set():
                    at, chunk = writer.commit(chunk, at), Chunk()
                    progress(at.events_read, at.fixed_position)
                if stop.is_set():
                    raise Stopped(f"{at.events_read} events are in {at.projection}")
        folder.close(chunk)
        at = writer.commit(chunk, at, caught_up_to=at.fixed_position)
        progress(at.events_read, at.fixed_position)
    return at


def catch_up(
    connection: Connection, projection: Projection, suffix: str, at: Checkpoint, upto: int
) -> Checkpoint:
    """Applies one page in log order to shadow tables, in a transaction or in the caller's. Raises RebuildTaken."""
    with connection.transaction(), connection.cursor() as cursor:
        checkpoints.hold(cursor, at)
        page = log.page(cursor, at.caught_up_to, upto, PAGE_EVENTS)
        reached = page[-1][0] if page else upto
        apply(cursor, projection, suffix, of_kinds(by_kind(page), projection.streams))
        return checkpoints.move(cursor, at, len(page), caught_up_to=reached)


class Done(NamedTuple):
    """A stream that was folded whole: its row, and what its events add to the sums by themselves."""

    row: Any
    added: list[Part]


class Chunk:
    """What was folded and is not committed yet.

    done    streams that were folded whole, to be written
    again   streams that could not be; they are applied event by event, and parked where they fail
    events  how many events were read, up to the end of the stream `last`
    """

    def __init__(self) -> None:
        self.done: list[Done] = []
        self.parts = 0
        self.again: list[StreamKey] = []
        self.events = 0
        self.last: StreamKey | None = None

    def add(self, done: Done) -> None:
        self.done.append(done)
        self.parts += len(done.added)

    def read(self, stream: StreamKey, events: int) -> None:
        """A stream has been read to its end."""
        self.last = stream
        self.events += events

    @property
    def is_worth_writing(self) -> bool:
        return len(self.done) >= COPY_ROWS or self.parts >= COPY_PARTS

    def written(self) -> None:
        self.done.clear()
        self.parts = 0


class StreamFolder:
    """Folds the log in stream order, in pieces of any size, into a chunk."""

    def __init__(self, connection: Connection, projection: Projection) -> None:
        self._connection = connection
        self._projection = projection
        self._key: StreamKey = (b"", b"")
        self._row: Any = None
        self._added: list[Part] = []
        self._events = 0
        self._loaded: tuple[bytes, Any] = (b"", None)

    def take(self, piece: Sequence[Logged], chunk: Chunk) -> None:
        """Folds a piece of the log; a stream is done when the next one begins."""
        fold, adds = self._projection.fold, self._projection.adds
        reads = self._projection.reads
        (of_tenant, of_stream), row = self._key, self._row
        added, loaded = self._added, self._loaded[1]
        for _, tenant, stream, version, tenant_seq, tag, effective_on, data in piece:
            if stream != of_stream or tenant != of_tenant:
                self.close(chunk)
                of_tenant, of_stream = self._key = (tenant, stream)
                row = self._row = self._projection.row(tenant, stream) if data else None
                added, loaded = self._added, self._load(tenant)
            self._events += 1
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
                chunk.again.append(self._key)
                continue
            row.version = version
            row.tenant_seq = tenant_seq

    def close(self, chunk: Chunk) -> None:
        """The stream at hand has no more events."""
        if self._row is not None and self._row.version:
            chunk.add(Done(self._row, self._added))
            self._row = None
        self._added = []
        if self._events:
            chunk.read(self._key, self._events)
            self._events = 0

    def _load(self, tenant: bytes) -> Any:
        """What the events of a tenant need to know besides their streams' rows."""
        if self._projection.adds is not None and tenant != self._loaded[0]:
            with self._connection.cursor() as cursor:
                self._loaded = (tenant, load_for(cursor, self._projection, [(tenant, b"")]))
        return self._loaded[1]


class ChunkWriter:
    """Writes chunks to the shadow tables: rows by COPY, then the sums and the checkpoint with the commit."""

    def __init__(self, connection: Connection, projection: Projection, suffix: str) -> None:
        self._connection = connection
        self._projection = projection
        self._suffix = suffix
        self._totals = Totals(projection)
        self._is_held = False

    @property
    def has_many_sums(self) -> bool:
        return len(self._totals) >= CHUNK_SUMS

    def write(self, chunk: Chunk, at: Checkpoint) -> None:
        """Writes the streams that are done, in the transaction that `commit` ends. Where a table refuses one of the
        rows, all of them are applied again at the commit, which finds it."""
        if not chunk.done:
            return
        table, parts = self._projection.table, self._projection.parts
        with self._connection.cursor() as cursor:
            self._hold(cursor, at)
            try:
                with self._connection.transaction():
                    rows = [table.pack(astuple(row)) for row, _ in chunk.done]
                    table.copy(cursor, self._suffix, rows)
            except UNWRITABLE:
                chunk.again += [astuple(row)[:2] for row, _ in chunk.done]
            else:
                for row, added in chunk.done:
                    self._totals.add(parts(row))
                    self._totals.add(added)
        chunk.written()

    def commit(self, chunk: Chunk, at: Checkpoint, caught_up_to: int = 0) -> Checkpoint:
        """Commits what the chunk read, with its sums and the checkpoint."""
        self.write(chunk, at)
        with self._connection.cursor() as cursor:
            self._hold(cursor, at)
            for key in chunk.again:
                events = log.stream(cursor, key, upto=at.fixed_position)
                apply(cursor, self._projection, self._suffix, {key: events})
            self._totals.write(cursor, self._suffix)
            moved = checkpoints.move(
                cursor, at, chunk.events, after=chunk.last, caught_up_to=caught_up_to
            )
        self._connection.commit()
        self._totals.clear()
        self._is_held = False
        return moved

    def _hold(self, cursor: psycopg.Cursor[Any], at: Checkpoint) -> None:
        """Holds the checkpoint from the first row of a transaction on."""
        if not self._is_held:
            checkpoints.hold(cursor, at)
            self._is_held = True
