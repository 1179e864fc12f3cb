"""Rebuilding a read model: shadow tables are filled from the log while the live ones serve, then take their names.

A rebuild that is stopped, or killed, goes on where its checkpoint stands when it is asked for again.
"""

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import msgspec
import psycopg

from projections.engine import log, parked, postgres_binary, tracking
from projections.engine.backoff import pause_seconds
from projections.engine.projection import Projection
from projections.engine.tracking import Connect, Connection
from projections.rebuild import checkpoint as checkpoints
from projections.rebuild import shadow_tables
from projections.rebuild.backfill import Progress, Stopped, catch_up, fill
from projections.rebuild.checkpoint import Checkpoint
from projections.rebuild.shadow_tables import SHADOW

OwnerConnect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection of the tables' owner in autocommit."""

NEAR_EVENTS = 2_000  # what is left to apply while the live runner waits for the swap
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '1s'"
SWAP_ATTEMPTS = 60

_REACHED = "UPDATE projection_tracking SET notification_id = %s WHERE application_name = %s"
_BUILT = """
INSERT INTO projection_versions (projection, version) VALUES (%s, %s)
ON CONFLICT (projection) DO UPDATE SET version = excluded.version
"""


class Rebuilt(msgspec.Struct, frozen=True):
    """A rebuild that is done. `events` were read, whatever their kind; `position` is where the tables stand."""

    projection: str
    events: int
    position: int
    parked: int
    seconds: float


class NotSwapped(Exception):
    """Readers kept the live tables locked; the shadow tables are complete, run the rebuild again."""


def rebuild(
    projection: Projection,
    connect: Connect,
    owner: OwnerConnect,
    progress: Progress = lambda done, total: None,
    stop: threading.Event | None = None,
) -> Rebuilt:
    """Rebuilds a projection, or goes on with a rebuild that was stopped.

    `connect` lends two connections of the writer's role at a time. Raises Stopped when told to stop (it can be
    resumed), RebuildTaken when another process rebuilds the same, NotSwapped.
    """
    began = time.monotonic()
    stop = stop or threading.Event()
    at = _begin(projection, connect, owner)
    if not at.filled:
        at = fill(connect, projection, SHADOW, at, progress, stop)
    with owner() as connection:
        shadow_tables.complete(connection, projection, SHADOW)
    with connect() as connection:
        postgres_binary.register(connection)
        while (end := _end(connection)) - at.caught_up_to > NEAR_EVENTS:
            at = catch_up(connection, projection, SHADOW, at, end)
            progress(at.events_read, end)
            if stop.is_set():
                raise Stopped(f"{at.events_read} events are in {at.projection}")
    at, count = _swap(projection, owner, at)
    progress(at.events_read, at.events_read)
    return Rebuilt(
        projection=projection.name,
        events=at.events_read,
        position=at.caught_up_to,
        parked=count,
        seconds=time.monotonic() - began,
    )


def _begin(projection: Projection, connect: Connect, owner: OwnerConnect) -> Checkpoint:
    """The checkpoint of a rebuild that was stopped, or of a new one with empty shadow tables."""
    name = projection.name + SHADOW
    with connect() as connection:
        tracking.start(connection, [projection])
    with owner() as connection, connection.transaction():
        found = checkpoints.find(connection, name)
        if (
            found is not None
            and found.version == projection.version
            and shadow_tables.exist(connection, projection, SHADOW)
        ):
            return found
        shadow_tables.create(connection, projection, SHADOW)
        connection.execute(parked.FREE_ALL, (name,))
        return checkpoints.begin(connection, projection, SHADOW, _end(connection))


def _swap(projection: Projection, owner: OwnerConnect, at: Checkpoint) -> tuple[Checkpoint, int]:
    for attempt in range(1, SWAP_ATTEMPTS + 1):
        try:
            with owner() as connection:
                postgres_binary.register(connection)
                with connection.transaction():
                    return _swap_now(connection, projection, at)
        except psycopg.errors.LockNotAvailable:
            time.sleep(pause_seconds(attempt, max_seconds=2.0))
    raise NotSwapped(
        f"the tables of {projection.name} stay locked by readers; run the rebuild again"
    )


def _swap_now(
    connection: Connection, projection: Projection, at: Checkpoint
) -> tuple[Checkpoint, int]:
    """Brings the shadow tables to the live position and puts them in place, while the live runner waits."""
    name = projection.name
    with connection.cursor() as cursor:
        cursor.execute(LOCK_TIMEOUT)
        live = tracking.lock(cursor, name)
        checkpoints.hold(cursor, at)
        while at.caught_up_to < live:
            at = catch_up(connection, projection, SHADOW, at, live)
        shadow_tables.swap(connection, projection, SHADOW)
        cursor.execute(_REACHED, (at.caught_up_to, name))
        cursor.execute(_BUILT, (name, projection.version))
        cursor.execute(parked.FREE_ALL, (name,))
        count = cursor.execute(parked.RENAME, (name, name + SHADOW)).rowcount
        checkpoints.end(cursor, at)
    return at, count


def _end(connection: Connection) -> int:
    with connection.cursor() as cursor:
        return log.end(cursor)
