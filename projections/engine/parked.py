"""Parked streams: those a projection could not apply an event of. The others go on.

A parked stream keeps the row it had before the failing event, and its part in the sums; later events are passed over
until it is released.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from ledger.errors import NotFound
from projections.engine.log import Logged
from projections.engine.tables import StreamKey

AMONG = """
SELECT uuid_send(tenant_id), uuid_send(stream_id) FROM parked_streams
 WHERE projection = %s AND tenant_id = ANY (%s::uuid[])
"""
PARK = """
INSERT INTO parked_streams (projection, tenant_id, stream_id, position, version, tag, reason, parked_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
ON CONFLICT (projection, tenant_id, stream_id) DO UPDATE
SET position = excluded.position, version = excluded.version, tag = excluded.tag,
    reason = excluded.reason, parked_at = excluded.parked_at
"""
FREE = "DELETE FROM parked_streams WHERE projection = %s AND tenant_id = %s AND stream_id = %s"
FREE_ALL = "DELETE FROM parked_streams WHERE projection = %s"
RENAME = "UPDATE parked_streams SET projection = %s WHERE projection = %s"
LIST = """
SELECT projection, tenant_id, stream_id, position, version, tag, reason, parked_at
  FROM parked_streams
 WHERE projection NOT LIKE '%%\\_\\_%%'
 ORDER BY projection, position
"""
COUNT = "SELECT count(*) FROM parked_streams WHERE projection = %s AND tenant_id = %s"

MAX_REASON = 500


class NotParked(NotFound):
    """The stream is not parked in that projection."""


class Parked(msgspec.Struct, frozen=True):
    """A parked stream: the event at which it failed, why, and when (UTC)."""

    projection: str
    tenant_id: UUID
    stream_id: UUID
    position: int
    version: int
    tag: str
    reason: str
    parked_at: datetime


class Fault(msgspec.Struct, frozen=True):
    """The event at which a stream failed, and why."""

    event: Logged
    error: Exception

    @property
    def reason(self) -> str:
        """The error's kind and its first line, without the characters that a text column refuses."""
        text = f"{type(self.error).__name__}: {self.error}".replace("\0", "")
        return text.splitlines()[0][:MAX_REASON]


def among(
    cursor: psycopg.Cursor[Any], projection: str, keys: Iterable[StreamKey]
) -> set[StreamKey]:
    """The parked streams of the tenants of these streams."""
    tenants = {tenant for tenant, _ in keys}
    found = cursor.execute(AMONG, (projection, [tenant.hex() for tenant in tenants]), binary=True)
    return set(found.fetchall())


def park(cursor: psycopg.Cursor[Any], projection: str, faults: Iterable[Fault]) -> None:
    """Parks the streams of faults."""
    now = datetime.now(UTC)
    for fault in faults:
        position, tenant, stream, version, _, tag, _, _ = fault.event
        values = (projection, tenant.hex(), stream.hex(), position, version, tag, fault.reason, now)
        cursor.execute(PARK, values)


def free(cursor: psycopg.Cursor[Any], projection: str, key: StreamKey) -> bool:
    """Takes a stream off the list; whether it was on it."""
    tenant, stream = key
    return cursor.execute(FREE, (projection, tenant.hex(), stream.hex())).rowcount > 0


def listed(connection: psycopg.Connection[Any]) -> list[Parked]:
    """Every parked stream, by projection and position."""
    return [Parked(*row) for row in connection.execute(LIST).fetchall()]


def count(connection: psycopg.Connection[Any], projection: str, tenant_id: UUID) -> int:
    """How many streams of a tenant are parked."""
    row = connection.execute(COUNT, (projection, tenant_id)).fetchone()
    assert row is not None
    return int(row[0])
