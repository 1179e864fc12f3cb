"""Where each projection stands in the log, by which version of its code, and how far behind the log's end.

The tracking row's lock is taken first in every transaction that changes a projection's tables: two runners, a
release and the swap of a rebuild follow one another.
"""

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from projections.engine import log
from projections.engine.projection import Projection

Connection = psycopg.Connection[Any]
Connect = Callable[[], AbstractContextManager[Connection]]
"""Opens a connection of the writer's role outside a transaction, or borrows one."""
Advance = Callable[[psycopg.Cursor[Any], str, int], None]
"""Records that a projection has reached a position; raises unless that is further than before."""

START = """
INSERT INTO projection_tracking (application_name, notification_id) VALUES (%s, 0)
ON CONFLICT (application_name) DO NOTHING
"""
LOCK = "SELECT notification_id FROM projection_tracking WHERE application_name = %s FOR UPDATE"
POSITIONS = "SELECT application_name, notification_id FROM projection_tracking"
FIRST_VERSION = """
INSERT INTO projection_versions (projection, version) VALUES (%s, %s)
ON CONFLICT (projection) DO NOTHING
"""
VERSIONS = "SELECT projection, version FROM projection_versions"
PARKED = "SELECT projection, count(*) FROM parked_streams GROUP BY projection"
REACHED = """
SELECT (SELECT position FROM events WHERE tenant_id = %s AND tenant_seq = %s),
       (SELECT notification_id FROM projection_tracking WHERE application_name = %s)
"""


class Lag(msgspec.Struct, frozen=True):
    """How far a projection is behind the log.

    version, built_by  of the code that runs, and of the code that filled the tables: they must agree
    position, end      of the last event applied, and of the log's last event
    behind             end - position, in events
    parked             streams it could not apply
    """

    projection: str
    version: int
    built_by: int
    position: int
    end: int
    behind: int
    parked: int

    @property
    def outdated(self) -> bool:
        """The tables were filled by another version of the code and wait to be rebuilt."""
        return self.version != self.built_by


def start(connection: Connection, projections: Iterable[Projection]) -> None:
    """Enters projections that have never run: at the log's beginning, with the version of this code."""
    for projection in projections:
        connection.execute(START, (projection.name,))
        connection.execute(FIRST_VERSION, (projection.name, projection.version))


def lock(cursor: psycopg.Cursor[Any], name: str) -> int:
    """Locks a projection's tracking row until the transaction ends; returns its position."""
    row = cursor.execute(LOCK, (name,)).fetchone()
    assert row is not None, f"the projection {name} was never started"
    return int(row[0])


def positions(connection: Connection) -> dict[str, int]:
    """The position of each projection."""
    return dict(connection.execute(POSITIONS).fetchall())


def versions(connection: Connection) -> dict[str, int]:
    """The version of the code that filled each projection's tables."""
    return dict(connection.execute(VERSIONS).fetchall())


def lag(connection: Connection, projections: Iterable[Projection]) -> list[Lag]:
    """How far each projection is behind the log's end. `connection` is the writer's: it counts every tenant's."""
    at, built_by = positions(connection), versions(connection)
    parked: dict[str, int] = dict(connection.execute(PARKED).fetchall())
    with connection.cursor() as cursor:
        end = log.end(cursor)
    found = []
    for projection in projections:
        name = projection.name
        position = at.get(name, 0)
        found.append(
            Lag(
                projection=name,
                version=projection.version,
                built_by=built_by.get(name, projection.version),
                position=position,
                end=end,
                behind=max(0, end - position),
                parked=parked.get(name, 0),
            )
        )
    return found


def has_reached(connection: Connection, name: str, tenant_id: UUID, tenant_seq: int) -> bool:
    """Whether a projection has applied a tenant's event. False for a number the tenant's log has not come to."""
    row = connection.execute(REACHED, (tenant_id, tenant_seq, name)).fetchone()
    assert row is not None
    wanted, position = row
    return wanted is not None and position is not None and position >= wanted
