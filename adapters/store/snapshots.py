"""Snapshots: the state of each stream at its last event, kept beside the log and written with it.

One of another fold version than this release's is refolded from the stream's events; nobody else has to know.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.store.append import Snapshot
from ledger import event_registry as registry
from ledger import streams
from ledger.streams import STREAMS, State
from ledger.tenant import Tenant

SELECT_SNAPSHOT = """
SELECT version, fold_version, state FROM snapshots
 WHERE tenant_id = %s AND stream_id = %s AND stream = %s
"""
SELECT_SNAPSHOTS = """
SELECT stream_id, fold_version, state FROM snapshots
 WHERE tenant_id = %s AND stream_id = ANY(%s) AND stream = %s
"""
SELECT_TO_FOLD = """
SELECT tag, data, effective_on FROM events
 WHERE tenant_id = %s AND stream_id = %s
 ORDER BY version
"""


class Loaded(msgspec.Struct):
    """A stream as it was loaded (`stored_version`, 0 for none), and with what has been decided on it since."""

    kind: str
    stored_version: int
    version: int
    state: State | None


def state_of(
    connection: psycopg.Connection[Any],
    kind: str,
    tenant_id: UUID,
    stream_id: UUID | bytes,
    fold_version: int,
    data: bytes,
) -> State:
    """The state in a snapshot's row; folded from the stream's events when the row is of another fold version.

    An id of 16 bytes, as a chunk of the clock has it, becomes a UUID only when it is needed.
    """
    if fold_version == STREAMS[kind].fold_version:
        return streams.decode_state(kind, data)
    if isinstance(stream_id, bytes):
        stream_id = UUID(bytes=stream_id)
    events = connection.execute(SELECT_TO_FOLD, (tenant_id, stream_id)).fetchall()
    return streams.fold(
        kind, ((registry.decode(tag, bytes(event)), on) for tag, event, on in events)
    )


def read(
    connection: psycopg.Connection[Any], tenant_id: UUID, kind: str, stream_id: UUID
) -> tuple[int, State] | None:
    """(version, state) of a stream; None when the tenant has no such stream."""
    row = connection.execute(SELECT_SNAPSHOT, (tenant_id, stream_id, kind)).fetchone()
    if row is None:
        return None
    version, fold_version, data = row
    return version, state_of(connection, kind, tenant_id, stream_id, fold_version, data)


def tenant(connection: psycopg.Connection[Any], tenant_id: UUID) -> Tenant:
    """A tenant that is there, with its settings as they are now."""
    found = read(connection, tenant_id, "tenant", tenant_id)
    assert found is not None, f"tenant {tenant_id} has no settings"
    state: Tenant = found[1]
    return state


def read_many(
    connection: psycopg.Connection[Any], tenant_id: UUID, kind: str, stream_ids: Sequence[UUID]
) -> dict[UUID, State]:
    """The states of those of the streams that the tenant has, read together."""
    rows = connection.execute(SELECT_SNAPSHOTS, (tenant_id, list(stream_ids), kind)).fetchall()
    return {
        stream_id: state_of(connection, kind, tenant_id, stream_id, fold_version, data)
        for stream_id, fold_version, data in rows
    }


def snapshot_of(tenant: bytes, stream_id: bytes, loaded: Loaded) -> Snapshot:
    """The row to write for a stream that was loaded and appended to. Ids are 16 bytes."""
    stream = STREAMS[loaded.kind]
    facts = stream.facts(loaded.state)
    payer = facts.payer_id.bytes if facts.payer_id is not None else None
    return Snapshot(
        tenant,
        stream_id,
        loaded.kind,
        loaded.stored_version,
        loaded.version,
        stream.fold_version,
        facts.wakes_on,
        facts.accrues,
        payer,
        streams.encode_state(loaded.state),
    )
