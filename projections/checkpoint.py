"""How far tables aside have been filled: a guarded row, moved only in the transaction that fills them.

Of two processes that fill the same tables, the one that comes second finds the row moved and stops.
"""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from msgspec.structs import replace

from ledger.errors import Conflict
from projections.projection import Projection

_FIND = """
SELECT projection, version, fixed_position, after_tenant, after_stream, caught_up_to, events_read, started_at
  FROM projection_rebuilds WHERE projection = %s
"""
_BEGIN = """
INSERT INTO projection_rebuilds
       (projection, version, fixed_position, after_tenant, after_stream, caught_up_to, events_read, started_at)
VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
"""
_MOVE = """
UPDATE projection_rebuilds
   SET after_tenant = %s, after_stream = %s, caught_up_to = %s, events_read = %s
 WHERE projection = %s AND started_at = %s AND events_read = %s
"""
_END = "DELETE FROM projection_rebuilds WHERE projection = %s AND started_at = %s"
_FORGET = "DELETE FROM projection_rebuilds WHERE projection = %s"

NOBODY = UUID(int=0)


class RebuildTaken(Conflict):
    """Another process fills the same tables; only one can."""


class Checkpoint(msgspec.Struct, frozen=True):
    """How far tables aside have come.

    projection      the projection's name and the tables' suffix
    fixed_position  events up to here are read in stream order, those after it in log order
    after_tenant, after_stream   the last stream that was filled whole
    caught_up_to    0 while filling in stream order, then the position reached in log order
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
    """The checkpoint of tables aside."""
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
    connection.execute(_FORGET, (name,))
    connection.execute(_BEGIN, msgspec.structs.astuple(begun))
    return begun


def move(
    cursor: psycopg.Cursor[Any],
    checkpoint: Checkpoint,
    events: int,
    *,
    after: tuple[bytes, bytes] | None = None,
    caught_up_to: int = 0,
) -> Checkpoint:
    """The checkpoint after more events, in the transaction that filled them in. Raises RebuildTaken."""
    tenant, stream = (
        (UUID(bytes=part) for part in after)
        if after
        else (
            checkpoint.after_tenant,
            checkpoint.after_stream,
        )
    )
    moved = replace(
        checkpoint,
        after_tenant=tenant,
        after_stream=stream,
        caught_up_to=caught_up_to,
        events_read=checkpoint.events_read + events,
    )
    values = (tenant, stream, caught_up_to, moved.events_read)
    key = (checkpoint.projection, checkpoint.started_at, checkpoint.events_read)
    _require_one(cursor.execute(_MOVE, (*values, *key)).rowcount, checkpoint)
    return moved


def end(cursor: psycopg.Cursor[Any], checkpoint: Checkpoint) -> None:
    """Removes the checkpoint. Raises RebuildTaken."""
    key = (checkpoint.projection, checkpoint.started_at)
    _require_one(cursor.execute(_END, key).rowcount, checkpoint)


def _require_one(found: int, checkpoint: Checkpoint) -> None:
    if found != 1:
        raise RebuildTaken(f"another process is filling {checkpoint.projection}; let it finish")
