"""What the read models should hold, calculated from snapshots: folded by the ledger itself, not by the projections."""

from typing import Any
from uuid import UUID

import psycopg

from ledger.streams import decode_state
from projections.engine.projection import Projection

SNAPSHOTS = "SELECT tenant_id, stream_id, version, state FROM snapshots WHERE stream = %s"


def snapshots(
    connection: psycopg.Connection[Any], kind: str
) -> dict[tuple[UUID, UUID], tuple[int, Any]]:
    """(version, state) of every stream of a kind."""
    return {
        (tenant_id, stream_id): (version, decode_state(kind, bytes(state)))
        for tenant_id, stream_id, version, state in connection.execute(
            SNAPSHOTS, (kind,)
        ).fetchall()
    }


def contents(connection: psycopg.Connection[Any], projection: Projection) -> dict[str, list[Any]]:
    """Every row of every table of a projection, in the order of the keys, sums of nothing left out."""
    found = {}
    for table in projection.tables:
        key = ", ".join(table.key)
        rows = connection.execute(f"SELECT * FROM {table.name} ORDER BY {key}".encode()).fetchall()
        sums = len(getattr(table, "sums", ()))
        found[table.name] = [row for row in rows if not sums or any(row[-sums:])]
    return found
