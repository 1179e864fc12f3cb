"""Gaps in the log: positions and tenants' numbers are gapless, so a missing one means that an event was deleted."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg

POSITIONS = """
SELECT after, before
  FROM (SELECT position AS before, lag(position, 1, 0::bigint) OVER (ORDER BY position) AS after
          FROM (SELECT position FROM events
                UNION ALL
                SELECT position + 1 FROM log_head WHERE shard = 1) AS every) AS steps
 WHERE before <> after + 1
 ORDER BY after
 LIMIT %s
"""
TENANT_NUMBERS = """
SELECT tenant_id, after, before
  FROM (SELECT tenant_id, tenant_seq AS before,
               lag(tenant_seq, 1, 0::bigint) OVER (PARTITION BY tenant_id ORDER BY tenant_seq) AS after
          FROM (SELECT tenant_id, tenant_seq FROM events
                UNION ALL
                SELECT tenant_id, tenant_seq + 1 FROM tenant_log) AS every) AS steps
 WHERE before <> after + 1
 ORDER BY tenant_id, after
 LIMIT %s
"""
MOST = 20


class Gap(msgspec.Struct, frozen=True):
    """Numbers between `after` and `before`, both excluded, are missing. `tenant_id` is None for positions.

    Equal numbers are one number given twice.
    """

    after: int
    before: int
    tenant_id: UUID | None = None


def position_gaps(connection: psycopg.Connection[Any], most: int = MOST) -> list[Gap]:
    """The first gaps between the log's positions, up to the log head. The writer's role sees every tenant."""
    return [Gap(*row) for row in connection.execute(POSITIONS, (most,)).fetchall()]


def tenant_gaps(connection: psycopg.Connection[Any], most: int = MOST) -> list[Gap]:
    """The first gaps between tenants' numbers, up to each tenant's last."""
    rows = connection.execute(TENANT_NUMBERS, (most,)).fetchall()
    return [Gap(after, before, tenant_id) for tenant_id, after, before in rows]
