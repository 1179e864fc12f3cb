"""Listing a tenant's senders by key."""

from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.sender import Security, State

LIST = """
SELECT sender_id, key, state, reason, host, port, from_address, security, username, has_password, source_address,
       connections, pause_ms, max_per_second, return_domain, receipts, dkim_selector
  FROM senders
 WHERE tenant_id = %s
 ORDER BY key
"""


class SenderRow(msgspec.Struct, frozen=True):
    """A sender in a list. `has_password` says whether one is kept; it is never shown."""

    sender_id: UUID
    key: str
    state: State
    reason: str
    host: str
    port: int
    from_address: str
    security: Security
    username: str
    has_password: bool
    source_address: str
    connections: int
    pause_ms: int
    max_per_second: int
    return_domain: str
    receipts: bool
    dkim_selector: str


def list_senders(connection: psycopg.Connection[Any], tenant_id: UUID) -> list[SenderRow]:
    """Every sender by key."""
    with connection.cursor(row_factory=class_row(SenderRow)) as rows:
        return rows.execute(LIST, (tenant_id,)).fetchall()
