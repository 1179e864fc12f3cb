"""Idempotency in the store: the answer of each command that took place is kept under its key.

A repeated key gives the kept answer again. With another request, told apart by its hash, it is refused.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
import psycopg

from adapters.store.requests import Answer, KeyReused
from projections.engine import postgres_binary

SELECT_RECORDS = """
SELECT record.tenant_id, record.key, record.request_hash, record.status, record.answer, record.tenant_seq
  FROM command_records AS record
  JOIN unnest(%s::uuid[], %s::text[]) AS wanted (tenant_id, key)
    ON record.tenant_id = wanted.tenant_id AND record.key = wanted.key
"""
INSERT_RECORDS = """
INSERT INTO command_records
       (tenant_id, key, request_hash, command_id, status, answer, tenant_seq, recorded_at)
SELECT tenant_id, key, request_hash, command_id, status, answer, tenant_seq, %s
  FROM unnest(%s::uuid[], %s::text[], %s::bytea[], %s::uuid[], %s::int4[], %s::bytea[], %s::int8[])
    AS new (tenant_id, key, request_hash, command_id, status, answer, tenant_seq)
ON CONFLICT (tenant_id, key) DO NOTHING
"""

RecordKey = tuple[UUID, str]
"""(tenant, idempotency key)"""


class KeptAnswer(msgspec.Struct):
    """The answer under a key that was used before, and the hash of its request."""

    request_hash: bytes
    answer: Answer


def ask(
    connection: psycopg.Connection[Any], keys: Sequence[RecordKey]
) -> psycopg.Cursor[Any] | None:
    """Asks for the answers kept under these keys; None for no keys. `fetched` reads what came."""
    if not keys:
        return None
    tenants = postgres_binary.uuids([tenant_id.bytes for tenant_id, _ in keys])
    return connection.execute(
        SELECT_RECORDS, (tenants, postgres_binary.texts([key for _, key in keys]))
    )


def fetched(records: psycopg.Cursor[Any] | None) -> dict[RecordKey, KeptAnswer]:
    """The kept answers by their keys."""
    if records is None:
        return {}
    return {
        (tenant_id, key): KeptAnswer(
            bytes(request_hash), Answer(status, bytes(answer), seq, replayed=True)
        )
        for tenant_id, key, request_hash, status, answer, seq in records.fetchall()
    }


def key_reused() -> KeyReused:
    """The refusal of a key that was used for another request."""
    return KeyReused(
        "the idempotency key was used for another request; use a new key for a new request"
    )
