"""Verifying a read model: rebuilt in shadow tables from the log alone, and compared by digest.

The live tables are read in one snapshot, at the position their runner has reached in it, while the runner goes on;
the shadow tables are filled up to that same position. When digests differ, the first row that does is named.
"""

import threading
import time

import msgspec
from psycopg.sql import SQL, Identifier

from projections.engine import parked, postgres_binary, tracking
from projections.engine.projection import Projection
from projections.engine.tracking import Connect, Connection
from projections.rebuild import checkpoint as checkpoints
from projections.rebuild import shadow_tables
from projections.rebuild.backfill import Progress, catch_up, fill
from projections.rebuild.checkpoint import Checkpoint
from projections.rebuild.rebuild import OwnerConnect
from projections.rebuild.shadow_tables import VERIFY
from projections.verify import digests
from projections.verify.digests import Content, Difference

SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
HOLD = SQL("LOCK TABLE {} IN ACCESS SHARE MODE")
POSITION = "SELECT notification_id FROM projection_tracking WHERE application_name = %s"
PARKED = "SELECT count(*) FROM parked_streams WHERE projection = %s"


class Verified(msgspec.Struct, frozen=True):
    """What a verification found. It holds when no table differs.

    position     up to which live and rebuilt were compared
    tables       digest and rows of each live table
    differences  the first difference of each table that differs
    parked       streams that the live projection could not apply, and that this code cannot apply either
    """

    projection: str
    position: int
    tables: list[Content]
    differences: list[Difference]
    parked: int
    seconds: float

    @property
    def holds(self) -> bool:
        return not self.differences


def verify(
    projection: Projection,
    connect: Connect,
    owner: OwnerConnect,
    progress: Progress = lambda done, total: None,
    stop: threading.Event | None = None,
) -> Verified:
    """Rebuilds a projection in shadow tables and compares. `connect` lends two of the writer's connections at a time.

    Raises Stopped when told to stop, RebuildTaken when another verification of the same projection has begun.
    """
    began = time.monotonic()
    at = _begin(projection, connect, owner)
    at = fill(connect, projection, VERIFY, at, progress, stop or threading.Event())
    with connect() as shadow:
        postgres_binary.register(shadow)
        with connect() as live:
            found = _compare(live, shadow, projection, at, progress)
    with owner() as connection:
        _clear(connection, projection)
    return msgspec.structs.replace(found, seconds=time.monotonic() - began)


def _begin(projection: Projection, connect: Connect, owner: OwnerConnect) -> Checkpoint:
    """Empty shadow tables, to be filled up to where the live ones stand now."""
    with connect() as connection:
        tracking.start(connection, [projection])
    with owner() as connection, connection.transaction():
        _clear(connection, projection)
        shadow_tables.create(connection, projection, VERIFY)
        row = connection.execute(POSITION, (projection.name,)).fetchone()
        return checkpoints.begin(connection, projection, VERIFY, row[0] if row else 0)


def _compare(
    live: Connection,
    shadow: Connection,
    projection: Projection,
    at: Checkpoint,
    progress: Progress,
) -> Verified:
    """Brings the shadow tables to the position of a snapshot of the live ones, then compares table by table."""
    with live.transaction(), live.cursor() as cursor:
        cursor.execute(SNAPSHOT)
        for table in (
            projection.tables
        ):  # before the snapshot is taken, so that no rebuild swaps them after it
            cursor.execute(HOLD.format(Identifier(table.name)))
        row = cursor.execute(POSITION, (projection.name,)).fetchone()
        position = int(row[0]) if row else 0
        while at.caught_up_to < position:
            at = catch_up(shadow, projection, VERIFY, at, position)
            progress(at.events_read, position)
        parked_row = cursor.execute(PARKED, (projection.name,)).fetchone()
        tables: list[Content] = []
        differences: list[Difference] = []
        for table in projection.tables:
            found = digests.content(cursor, table, "")
            tables.append(found)
            with shadow.transaction():
                if digests.content(shadow.cursor(), table, VERIFY).digest == found.digest:
                    continue
                difference = digests.first_difference(live, shadow, table, VERIFY)
            assert difference is not None, f"{table.name}: digests differ and no row does"
            differences.append(difference)
    return Verified(
        projection=projection.name,
        position=position,
        tables=tables,
        differences=differences,
        parked=parked_row[0] if parked_row else 0,
        seconds=0.0,
    )


def _clear(connection: Connection, projection: Projection) -> None:
    name = projection.name + VERIFY
    shadow_tables.drop(connection, projection, VERIFY)
    connection.execute(parked.FREE_ALL, (name,))
    connection.execute(checkpoints.FORGET, (name,))
