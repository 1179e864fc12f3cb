"""How far shadow tables have been filled: a row that is held, and moved, in the transactions that fill them.

Of two processes that fill the same tables, the one that comes second finds the row moved and stops.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import astuple, replace

from ledger.errors import Conflict
from projections.engine.projection import Projection
from projections.engine.tables import StreamKey

_FIND = """
SELECT projection, version, fixed_position, after_tenant, after_stream, caught_up_to, events_read, started_at
  FROM projection_rebuilds WHERE projection = %s
"""
_BEGIN = """
INSERT INTO projection_rebuilds
       (projection, version, fixed_position, after_tenant, after_stream, caught_up_to, events_read, started_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_HOLD = """
SELECT 1 FROM projection_rebuilds
 WHERE projection = %s AND started_at = %s AND events_read = %s AND caught_up_to = %s
   FOR UPDATE
"""
_MOVE = """
UPDATE projection_rebuilds
   SET after_tenant = %s, after_stream = %s, caught_up_to = %s, events_read = %s
 WHERE projection = %s AND started_at = %s
"""
_END = "DELETE FROM projection_rebuilds WHERE projection = %s AND started_at = %s"
FORGET = "DELETE FROM projection_rebuilds WHERE projection = %s"

NOBODY = UUID(int=0)


class RebuildTaken(Conflict):
    """Another process fills the same tables; only one can."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far shadow tables have come.

    projection      the projection's name and the tables' suffix
    fixed_position  events up to here are read in stream order, those after it in log order
    after_tenant, after_stream   the last stream that was filled whole
    caught_up_to    0 during the backfill in stream order, then the position reached in log order
    events_read     of the log, whatever their kind
    """

    projection: str
    version: int
    fixed_position: int
    after_tenant: UUID
    after_stream: UUID
    caught_up_to: int
    events_read: int
    started_at: datetime

    @property
    def filled(self) -> bool:
        return self.caught_up_to >= self.fixed_position


def find(connection: psycopg.Connection[Any], name: str) -> Checkpoint | None:
    """The checkpoint of shadow tables."""
    row = connection.execute(_FIND, (name,)).fetchone()
    return Checkpoint(*row) if row is not None else None


def begin(
    connection: psycopg.Connection[Any], projection: Projection, suffix: str, fixed_position: int
) -> Checkpoint:
    """A checkpoint at the beginning, in place of any that is left."""
    name = projection.name + suffix
    begun = Checkpoint(
        name, projection.version, fixed_position, NOBODY, NOBODY, 0, 0, datetime.now(UTC)
    )
    connection.execute(FORGET, (name,))
    connection.execute(_BEGIN, astuple(begun))
    return begun


def hold(cursor: psycopg.Cursor[Any], at: Checkpoint) -> None:
    """Keeps the checkpoint from moving until the transaction ends. Raises RebuildTaken when it has moved."""
    key = (at.projection, at.started_at, at.events_read, at.caught_up_to)
    if cursor.execute(_HOLD, key).fetchone() is None:
        raise RebuildTaken(f"another process has filled {at.projection}; ask how far it is")


def move(
    cursor: psycopg.Cursor[Any],
    at: Checkpoint,
    events: int,
    *,
    after: StreamKey | None = None,
    caught_up_to: int = 0,
) -> Checkpoint:
    """The checkpoint after so many more events, in the transaction that holds it and has filled them in."""
    tenant, stream = at.after_tenant, at.after_stream
    if after is not None:
        tenant, stream = UUID(bytes=after[0]), UUID(bytes=after[1])
    moved = replace(
        at,
        after_tenant=tenant,
        after_stream=stream,
        caught_up_to=caught_up_to,
        events_read=at.events_read + events,
    )
    values = (tenant, stream, caught_up_to, moved.events_read)
    cursor.execute(_MOVE, (*values, at.projection, at.started_at))
    return moved


def end(cursor: psycopg.Cursor[Any], at: Checkpoint) -> None:
    """Removes the checkpoint that is held."""
    cursor.execute(_END, (at.projection, at.started_at))
