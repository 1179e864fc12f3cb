"""Reading events. Every query names its tenant, under row-level security or not."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.event_registry import Event, decode, stream_of

COLUMNS = """tenant_seq, stream_id, version, tag, recorded_at, effective_on,
       actor, command_id, correlation_id, causation_id, data"""
SELECT_STREAM = f"""
SELECT {COLUMNS} FROM events
 WHERE tenant_id = %s AND stream_id = %s
 ORDER BY version
"""
SELECT_AFTER = f"""
SELECT {COLUMNS} FROM events
 WHERE tenant_id = %s AND tenant_seq > %s
 ORDER BY tenant_seq
 LIMIT %s
"""
SELECT_CORRELATED = f"""
SELECT {COLUMNS} FROM events
 WHERE tenant_id = %s AND correlation_id = %s
 ORDER BY tenant_seq
"""
SELECT_TENANT_SEQ = "SELECT tenant_seq FROM tenant_log WHERE tenant_id = %s"


class EventView(msgspec.Struct, frozen=True):
    """An event and its envelope: when it was true, when it was known, and who caused it.

    `effective_on` is a business date, `recorded_at` UTC. `data` depends on the tag; its amounts are minor units.
    """

    tenant_seq: int
    stream: str
    stream_id: UUID
    version: int
    tag: str
    recorded_at: datetime
    effective_on: date
    actor: str
    command_id: UUID
    correlation_id: str
    causation_id: UUID | None
    data: msgspec.Raw

    @property
    def event(self) -> Event:
        return decode(self.tag, bytes(self.data))


def stream_events(
    connection: psycopg.Connection[Any], tenant_id: UUID, stream_id: UUID
) -> list[EventView]:
    """Every event of a stream, by version."""
    return _views(connection, SELECT_STREAM, (tenant_id, stream_id))


def tenant_events(
    connection: psycopg.Connection[Any], tenant_id: UUID, after: int, limit: int
) -> list[EventView]:
    """A tenant's events after a tenant_seq, in order."""
    return _views(connection, SELECT_AFTER, (tenant_id, after, limit))


def every_event(
    connection: psycopg.Connection[Any], tenant_id: UUID, page: int = 5_000
) -> Iterator[EventView]:
    """A tenant's whole log, in order, page by page."""
    after = 0
    while events := tenant_events(connection, tenant_id, after, page):
        yield from events
        after = events[-1].tenant_seq


def correlated(
    connection: psycopg.Connection[Any], tenant_id: UUID, correlation_id: str
) -> list[EventView]:
    """The events of one request, in order."""
    return _views(connection, SELECT_CORRELATED, (tenant_id, correlation_id))


def tenant_seq(connection: psycopg.Connection[Any], tenant_id: UUID) -> int:
    """The number of the tenant's last event; 0 when it has none."""
    row = connection.execute(SELECT_TENANT_SEQ, (tenant_id,)).fetchone()
    return int(row[0]) if row is not None else 0


def _views(
    connection: psycopg.Connection[Any], query: str, values: tuple[Any, ...]
) -> list[EventView]:
    rows = connection.execute(query.encode(), values).fetchall()
    return [_view(row) for row in rows]


def _view(row: Sequence[Any]) -> EventView:
    number, stream_id, version, tag, *envelope, data = row
    fields = (number, stream_of(tag), stream_id, version, tag, *envelope, msgspec.Raw(data))
    return EventView(*fields)
