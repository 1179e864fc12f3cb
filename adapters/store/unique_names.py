"""Names that a tenant may give once: an invoice's number, a customer's reference, a payment's, and the like."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import psycopg

from commands.unit_of_work import NameRange
from projections.engine import postgres_binary

SELECT_NAME = """
SELECT stream_id FROM unique_names WHERE tenant_id = %s AND kind = %s AND name = %s
"""
SELECT_NAMES = """
SELECT name FROM unique_names WHERE tenant_id = %s AND kind = %s AND name = ANY(%s)
"""
SELECT_HOLDERS = """
SELECT asked.number, held.name, held.stream_id
  FROM unnest(%s::int4[], %s::uuid[], %s::text[], %s::text[], %s::text[])
    AS asked (number, tenant_id, kind, first_name, last_name)
  JOIN unique_names AS held
    ON held.tenant_id = asked.tenant_id AND held.kind = asked.kind
   AND held.name >= asked.first_name COLLATE "C" AND held.name <= asked.last_name COLLATE "C"
"""
INSERT_NAMES = """
INSERT INTO unique_names (tenant_id, kind, name, stream_id)
SELECT tenant_id, kind, name, stream_id
  FROM unnest(%s::uuid[], %s::text[], %s::text[], %s::uuid[]) AS new (tenant_id, kind, name, stream_id)
ON CONFLICT (tenant_id, kind, name) DO NOTHING
"""

NameKey = tuple[UUID, str, str]
"""(tenant, kind, name)"""
RangeKey = tuple[UUID, NameRange]
"""(tenant, range of names)"""


def holder(connection: psycopg.Connection[Any], key: NameKey) -> UUID | None:
    """The stream that has a name; None when it is free."""
    row = connection.execute(SELECT_NAME, key).fetchone()
    return row[0] if row is not None else None


def in_use(
    connection: psycopg.Connection[Any], tenant_id: UUID, kind: str, names: Sequence[str]
) -> set[str]:
    """Those of the names that are taken."""
    rows = connection.execute(SELECT_NAMES, (tenant_id, kind, list(names))).fetchall()
    return {name for (name,) in rows}


def holders(
    connection: psycopg.Connection[Any], ranges: Sequence[RangeKey]
) -> dict[RangeKey, dict[str, UUID]]:
    """The names taken in each range with the streams that have them, in one query."""
    found: dict[RangeKey, dict[str, UUID]] = {key: {} for key in ranges}
    columns = (
        postgres_binary.int4s(range(len(ranges))),
        postgres_binary.uuids([tenant_id.bytes for tenant_id, _ in ranges]),
        postgres_binary.texts([names.kind for _, names in ranges]),
        postgres_binary.texts([names.first for _, names in ranges]),
        postgres_binary.texts([names.last for _, names in ranges]),
    )
    for number, name, stream_id in connection.execute(SELECT_HOLDERS, columns):
        found[ranges[number]][name] = stream_id
    return found
