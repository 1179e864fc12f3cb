"""Appending to the log: the one piece of code that writes events, for single commands, groups and the clock.

It runs inside the caller's transaction and takes the shard's `log_head` row first. That row's lock puts writers in
line until they commit, so commit order is position order and recorded time never runs backwards.
"""

import struct
from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, NamedTuple
from uuid import UUID

import psycopg

from adapters.store import binary
from adapters.store.binary import field, int4_field, uuid_field

_FRONT = struct.Struct(">hiqi16siqiq")
_STREAM = struct.Struct(">i16sii")
_COLUMNS = 13

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

UPDATE_HEADS = """
UPDATE heads
   SET version = new.version, fold_version = new.fold_version, wakes_on = new.wakes_on,
       accrues = new.accrues, payer_id = new.payer_id, state = new.state
  FROM unnest(%s::uuid[], %s::uuid[], %s::int4[], %s::int4[], %s::int4[], %s::date[], %s::bool[],
              %s::uuid[], %s::bytea[])
    AS new (tenant_id, stream_id, expected, version, fold_version, wakes_on, accrues, payer_id, state)
 WHERE heads.tenant_id = new.tenant_id
   AND heads.stream_id = new.stream_id
   AND heads.version = new.expected
"""

INSERT_HEADS = """
INSERT INTO heads
       (tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state)
SELECT tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state
  FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::int4[], %s::int4[], %s::date[], %s::bool[],
              %s::uuid[], %s::bytea[])
    AS new (tenant_id, stream_id, stream, version, fold_version, wakes_on, accrues, payer_id, state)
ON CONFLICT (tenant_id, stream_id) DO NOTHING
"""


class StaleHeads(Exception):
    """A stream has moved on since it was loaded; decide anew."""


class Row(NamedTuple):
    """An event ready to be copied: its tenant's 16 bytes and every field after `recorded_at`, packed."""

    tenant: bytes
    rest: bytes


class Head(NamedTuple):
    """A stream's head after an append. `expected` is the version it must have now, 0 for a new stream."""

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
        + int4_field(binary.days(effective_on))
        + origin.fields
        + field(data)
    )
    return Row(tenant, rest)


def append(
    connection: psycopg.Connection[Any], rows: Sequence[Row], heads: Sequence[Head], now: datetime
) -> Appended:
    """Appends events and moves their heads, inside the caller's transaction.

    Raises StaleHeads when a stream is not at its expected version; the caller must roll back.
    """
    with connection.cursor() as cursor:
        cursor.execute(LOCK_LOG, (len(rows), now))
        head = cursor.fetchone()
        assert head is not None, "the shard has no log head"
        last_position, recorded_at = head
        seqs = _count_up(cursor, rows)
        first_position = last_position - len(rows) + 1
        _copy(cursor, rows, first_position, seqs, recorded_at)
        move_heads(cursor, heads)
    return Appended(first_position, seqs, recorded_at)


def move_heads(cursor: psycopg.Cursor[Any], heads: Sequence[Head]) -> None:
    """Updates and inserts heads at their expected versions. Raises StaleHeads."""
    moved = [head for head in heads if head.expected]
    new = [head for head in heads if not head.expected]
    if moved:
        tenants, ids, _, expected, *columns = _columns(moved)
        cursor.execute(UPDATE_HEADS, (tenants, ids, expected, *columns))
        if cursor.rowcount != len(moved):
            raise StaleHeads(
                f"{len(moved) - cursor.rowcount} of {len(moved)} streams have moved on"
            )
    if new:
        tenants, ids, streams, _, *columns = _columns(new)
        cursor.execute(INSERT_HEADS, (tenants, ids, streams, *columns))
        if cursor.rowcount != len(new):
            raise StaleHeads(
                f"{len(new) - cursor.rowcount} of {len(new)} new streams exist already"
            )


def _columns(heads: Sequence[Head]) -> tuple[binary.Array, ...]:
    tenants, ids, streams, expected, versions, folds, wakes, accrue, payers, states = zip(
        *heads, strict=True
    )
    return (
        binary.uuids(tenants),
        binary.uuids(ids),
        binary.texts(streams),
        binary.int4s(expected),
        binary.int4s(versions),
        binary.int4s(folds),
        binary.dates(wakes),
        binary.bools(accrue),
        binary.nullable_uuids(payers),
        binary.byteas(states),
    )


def _count_up(cursor: psycopg.Cursor[Any], rows: Sequence[Row]) -> list[int]:
    """The gapless number of each event in its tenant's log."""
    counts = Counter([row.tenant for row in rows])
    # In the order of their ids, though the log head's lock already keeps two writers from crossing.
    tenants = sorted(counts)
    cursor.execute(
        COUNT_UP, (binary.uuids(tenants), binary.int4s([counts[tenant] for tenant in tenants]))
    )
    upto = {bytes(tenant): int(seq) - counts[bytes(tenant)] for tenant, seq in cursor.fetchall()}
    if len(upto) == 1:
        first = next(iter(upto.values())) + 1
        return list(range(first, first + len(rows)))
    seqs: list[int] = []
    for row in rows:
        upto[row.tenant] += 1
        seqs.append(upto[row.tenant])
    return seqs


def _copy(
    cursor: psycopg.Cursor[Any],
    rows: Sequence[Row],
    first_position: int,
    seqs: Sequence[int],
    recorded_at: datetime,
) -> None:
    pack = _FRONT.pack
    at = binary.microseconds(recorded_at)
    pieces = [binary.COPY_HEADER]
    for position, (row, seq) in enumerate(zip(rows, seqs, strict=True), first_position):
        pieces.append(pack(_COLUMNS, 8, position, 16, row.tenant, 8, seq, 8, at))
        pieces.append(row.rest)
    pieces.append(binary.COPY_TRAILER)
    with cursor.copy(COPY_EVENTS) as copy:
        copy.write(b"".join(pieces))
