"""Reading events. Every query names its tenant, under row-level security or not."""

from collections.abc import Iterator
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.store.recorder import EVENT_COLUMNS
from ledger.event_registry import Event, decode, stream_of

SELECT_STREAM = f"""
SELECT {EVENT_COLUMNS} FROM events
 WHERE tenant_id = %s AND stream_id = %s
 ORDER BY version
"""
SELECT_AFTER = f"""
SELECT {EVENT_COLUMNS} FROM events
 WHERE tenant_id = %s AND tenant_seq > %s
 ORDER BY tenant_seq
 LIMIT %s
"""
SELECT_CORRELATED = f"""
SELECT {EVENT_COLUMNS} FROM events
 WHERE tenant_id = %s AND correlation_id = %s
 ORDER BY tenant_seq
"""
SELECT_TENANT_SEQ = "SELECT tenant_seq FROM tenant_log WHERE tenant_id = %s"


class Stored(msgspec.Struct, frozen=True):
    """An event as it stands in the log; `data` is its JSON, personal texts encrypted."""

    position: int
    tenant_id: UUID
    tenant_seq: int
    stream_id: UUID
    version: int
    tag: str
    recorded_at: datetime
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None
    data: bytes

    @property
    def event(self) -> Event:
        return decode(self.tag, self.data)

    @property
    def stream(self) -> str:
        return stream_of(self.tag)


def stream_events(
    connection: psycopg.Connection[Any], tenant_id: UUID, stream_id: UUID
) -> list[Stored]:
    """Every event of a stream, by version."""
    return _stored(connection, SELECT_STREAM, (tenant_id, stream_id))


def tenant_events(
    connection: psycopg.Connection[Any], tenant_id: UUID, after: int, limit: int
) -> list[Stored]:
    """A tenant's events after a tenant_seq, in order."""
    return _stored(connection, SELECT_AFTER, (tenant_id, after, limit))


def every_event(
    connection: psycopg.Connection[Any], tenant_id: UUID, page: int = 5_000
) -> Iterator[Stored]:
    """A tenant's whole log, in order, page by page."""
    after = 0
    while events := tenant_events(connection, tenant_id, after, page):
        yield from events
        after = events[-1].tenant_seq


def correlated(
    connection: psycopg.Connection[Any], tenant_id: UUID, correlation_id: str
) -> list[Stored]:
    """The events of one request, in order."""
    return _stored(connection, SELECT_CORRELATED, (tenant_id, correlation_id))


def tenant_seq(connection: psycopg.Connection[Any], tenant_id: UUID) -> int:
    """The number of the tenant's last event; 0 when it has none."""
    row = connection.execute(SELECT_TENANT_SEQ, (tenant_id,)).fetchone()
    return int(row[0]) if row is not None else 0


def _stored(
    connection: psycopg.Connection[Any], query: str, values: tuple[Any, ...]
) -> list[Stored]:
    rows = connection.execute(query.encode(), values).fetchall()
    return [Stored(*row) for row in rows]
