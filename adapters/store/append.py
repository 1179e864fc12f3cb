"""Appending to the log: the one piece of code that writes events, for single commands, groups and the clock.

It runs inside the caller's transaction and takes the shard's `log_head` row first. That row's lock puts writers in
line until they commit, so commit order is position order and recorded time never runs backwards.
"""

import contextlib
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from projections.engine import postgres_binary
from projections.engine.postgres_binary import (
    boolean_field,
    date_field,
    field,
    int4_field,
    uuid_field,
)

_FRONT = struct.Struct(">hiqi16siqiq")
_STREAM = struct.Struct(">i16sii")
_COLUMNS = 13
_SNAPSHOT = struct.Struct(">hi16si16s")
_VERSIONS = struct.Struct(">iiih")
_SNAPSHOT_COLUMNS = 9
MAX_AT_ONCE = 2_000
COPIED_FROM = 500
"""From so many new streams on their snapshots are copied in, which takes two thirds of the time."""
UNCOUNTED = -1

LOCK_LOG = """
UPDATE log_head
   SET position = position + %s, recorded_at = greatest(recorded_at, %s)
 WHERE shard = 1
RETURNING position, recorded_at
"""

COUNT_UP = """
INSERT INTO tenant_log AS log (tenant_id, tenant_seq)
SELECT tenant_id, events FROM unnest(%s::uuid[], %s::int4[]) AS more (tenant_id, events)
ON CONFLICT (tenant_id) DO UPDATE SET tenant_seq = log.tenant_seq + excluded.tenant_seq
RETURNING uuid_send(tenant_id), tenant_seq
"""

COPY_EVENTS = """
COPY events (position, tenant_id, tenant_seq, recorded_at, stream_id, version, tag, effective_on,
             actor, command_id, correlation_id, causation_id, data)
FROM STDIN (FORMAT BINARY)
"""

UPDATE_SNAPSHOTS = """
UPDATE snapshots
   SET version = new.version, fold_version = new.fold_version, wakes_on = new.wakes_on,
       accrues = new.accrues, payer_id = new.payer_id, state = new.state
  FROM unnest(%s::uuid[], %s::uuid[], %s::int4[], %s::int4[], %s::int4[], %s::date[], %s::bool[],
              %s::uuid[], %s::bytea[])
    AS new (tenant_id, stream_id, expected, version, fold_version, wakes_on, accrues, payer_id, state)
 WHERE snapshots.tenant_id = new.tenant_id
   AND snapshots.stream_id = new.stream_id
   AND snapshots.version = new.expected
"""

INSERT_SNAPSHOTS = """
INSERT INTO snapshots
       (tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state)
SELECT tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int4[], %s::int4[], %s::date[], %s::bool[],
              %s::uuid[], %s::bytea[])
    AS new (tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state)
ON CONFLICT (tenant_id, stream_id) DO NOTHING
"""

COPY_SNAPSHOTS = """
COPY snapshots (tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state)
FROM STDIN (FORMAT BINARY)
"""


class StaleSnapshots(Exception):
    """A stream has moved on since it was loaded; decide again."""


class Row(NamedTuple):
    """An event ready to be copied: its tenant's 16 bytes and every field after `recorded_at`, packed."""

    tenant: bytes
    rest: bytes


class Snapshot(NamedTuple):
    """A stream's snapshot after an append. `expected` is the version it must have now, 0 for a new stream."""

    tenant: bytes
    stream_id: bytes
    stream: str
    expected: int
    version: int
    fold_version: int
    wakes_on: date | None
    accrues: bool
    payer: bytes | None
    state: bytes


class Appended(NamedTuple):
    """Where a batch came to stand: its first position, each row's tenant_seq, and the recorded instant."""

    first_position: int
    tenant_seqs: list[int]
    recorded_at: datetime


class Origin(NamedTuple):
    """Who asked for events and why: four fields, packed once for all events of a command."""

    fields: bytes

    @classmethod
    def of(
        cls, actor: str, command_id: UUID, correlation_id: str, causation_id: UUID | None
    ) -> "Origin":
        return cls(
            field(actor.encode())
            + uuid_field(command_id.bytes)
            + field(correlation_id.encode())
            + uuid_field(causation_id.bytes if causation_id else None)
        )


def pack_row(
    tenant: bytes,
    stream_id: bytes,
    version: int,
    tag: bytes,
    effective_on: date,
    origin: Origin,
    data: bytes,
) -> Row:
    """Packs an event's fields. `tenant` and `stream_id` are 16 bytes, `tag` a packed text field."""
    rest = (
        _STREAM.pack(16, stream_id, 4, version)
        + tag
        + int4_field(postgres_binary.days(effective_on))
        + origin.fields
        + field(data)
    )
    return Row(tenant, rest)


class Statement(NamedTuple):
    """A write beside events: it must touch exactly `rows` rows (or `UNCOUNTED`), or `what` has happened meanwhile."""

    query: str
    values: tuple[Any, ...]
    rows: int
    what: str


Beside = Callable[[Appended], Sequence[Statement]]
"""What is to be written beside events, once it is known where they came to stand."""


def append(
    connection: psycopg.Connection[Any],
    rows: Sequence[Row],
    snapshots: Sequence[Snapshot],
    now: datetime,
    beside: Beside | None = None,
) -> Appended:
    """Appends events, moves their snapshots and writes what belongs beside them, inside the caller's transaction.

    Raises StaleSnapshots when a stream is not at its expected version, or something else is not as it was; the caller
    must roll back.
    """
    counts = Counter([row.tenant for row in rows])
    with connection.cursor() as locking, connection.cursor() as counting:
        with connection.pipeline():
            locking.execute(LOCK_LOG, (len(rows), now))
            counting.execute(COUNT_UP, _counted(counts))
        snapshot = locking.fetchone()
        assert snapshot is not None, "the shard has no log head"
        last_position, recorded_at = snapshot
        seqs = _numbered(rows, counts, counting.fetchall())
        first_position = last_position - len(rows) + 1
        _copy(locking, rows, first_position, seqs, recorded_at)
        snapshots = _copy_new(locking, snapshots)
    appended = Appended(first_position, seqs, recorded_at)
    write_all(connection, [*moved(snapshots), *(beside(appended) if beside is not None else ())])
    return appended


def _copy_new(cursor: psycopg.Cursor[Any], snapshots: Sequence[Snapshot]) -> Sequence[Snapshot]:
    """Copies the snapshots of new streams in when they are many; answers those that are left to be written. A stream
    that was begun meanwhile has an event of that version already, which the copied events have run into."""
    new = [snapshot for snapshot in snapshots if not snapshot.expected]
    if len(new) < COPIED_FROM:
        return snapshots
    new.sort(key=lambda snapshot: snapshot.stream_id)
    pieces = [postgres_binary.COPY_HEADER]
    for tenant, stream_id, stream, _, version, fold, wakes_on, accrues, payer, state in new:
        pieces += (
            _SNAPSHOT.pack(_SNAPSHOT_COLUMNS, 16, tenant, 16, stream_id),
            field(stream.encode()),
            _VERSIONS.pack(4, version, 2, fold),
            date_field(wakes_on),
            boolean_field(accrues),
            uuid_field(payer),
            field(state),
        )
    pieces.append(postgres_binary.COPY_TRAILER)
    with cursor.copy(COPY_SNAPSHOTS) as copy:
        copy.write(b"".join(pieces))
    return [snapshot for snapshot in snapshots if snapshot.expected]


def moved(snapshots: Sequence[Snapshot]) -> list[Statement]:
    """The statements that update and insert snapshots at their expected versions."""
    statements: list[Statement] = []
    old = [snapshot for snapshot in snapshots if snapshot.expected]
    new = [snapshot for snapshot in snapshots if not snapshot.expected]
    if old:
        tenants, ids, _, expected, *columns = _columns(old)
        values = (tenants, ids, expected, *columns)
        statements.append(Statement(UPDATE_SNAPSHOTS, values, len(old), "a stream has moved on"))
    if new:
        tenants, ids, streams, _, *columns = _columns(new)
        values = (tenants, ids, streams, *columns)
        statements.append(Statement(INSERT_SNAPSHOTS, values, len(new), "a stream was begun"))
    return statements


def write_all(connection: psycopg.Connection[Any], statements: Sequence[Statement]) -> None:
    """Runs statements in one round trip and checks each. Raises StaleSnapshots.

    Many rows do without the pipeline, which can fill both sides' buffers.
    """
    at_once = sum(statement.rows for statement in statements) <= MAX_AT_ONCE
    with contextlib.ExitStack() as stack:
        cursors = [stack.enter_context(connection.cursor()) for _ in statements]
        with connection.pipeline() if at_once else contextlib.nullcontext():
            for cursor, statement in zip(cursors, statements, strict=True):
                cursor.execute(statement.query.encode(), statement.values)
        for cursor, statement in zip(cursors, statements, strict=True):
            if statement.rows not in (cursor.rowcount, UNCOUNTED):
                raise StaleSnapshots(f"{statement.what} ({cursor.rowcount} of {statement.rows})")


def _columns(snapshots: Sequence[Snapshot]) -> tuple[postgres_binary.Array, ...]:
    tenants, ids, streams, expected, versions, folds, wakes, accrue, payers, states = zip(
        *snapshots, strict=True
    )
    return (
        postgres_binary.uuids(tenants),
        postgres_binary.uuids(ids),
        postgres_binary.texts(streams),
        postgres_binary.int4s(expected),
        postgres_binary.int4s(versions),
        postgres_binary.int4s(folds),
        postgres_binary.dates(wakes),
        postgres_binary.bools(accrue),
        postgres_binary.nullable_uuids(payers),
        postgres_binary.byteas(states),
    )


def _counted(counts: Counter[bytes]) -> tuple[postgres_binary.Array, postgres_binary.Array]:
    # In the order of their ids, though the log head's lock already keeps two writers from crossing.
    tenants = sorted(counts)
    return postgres_binary.uuids(tenants), postgres_binary.int4s(
        [counts[tenant] for tenant in tenants]
    )


def _numbered(
    rows: Sequence[Row], counts: Counter[bytes], upto: Sequence[tuple[Any, ...]]
) -> list[int]:
    """The gapless number of each event in its tenant's log."""
    last = {bytes(tenant): int(seq) - counts[bytes(tenant)] for tenant, seq in upto}
    if len(last) == 1:
        first = next(iter(last.values())) + 1
        return list(range(first, first + len(rows)))
    seqs: list[int] = []
    for row in rows:
        last[row.tenant] += 1
        seqs.append(last[row.tenant])
    return seqs


def _copy(
    cursor: psycopg.Cursor[Any],
    rows: Sequence[Row],
    first_position: int,
    seqs: Sequence[int],
    recorded_at: datetime,
) -> None:
    pack = _FRONT.pack
    at = postgres_binary.microseconds(recorded_at)
    pieces = [postgres_binary.COPY_HEADER]
    for position, (row, seq) in enumerate(zip(rows, seqs, strict=True), first_position):
        pieces.append(pack(_COLUMNS, 8, position, 16, row.tenant, 8, seq, 8, at))
        pieces.append(row.rest)
    pieces.append(postgres_binary.COPY_TRAILER)
    with cursor.copy(COPY_EVENTS) as copy:
        copy.write(b"".join(pieces))
