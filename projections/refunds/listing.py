"""Listing refunds, the latest requested first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.money import Money
from ledger.refund import WaitsFor, waits_for
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT refund_id, customer_id, version, amount_minor, attempts, requested_on, settled_on, automatic, status, currency,
       provider, reference, last_error, destination, reason, failed_because
  FROM refunds
 WHERE tenant_id = %(tenant_id)s
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(after_on)s::date IS NULL OR (requested_on, refund_id) < (%(after_on)s, %(after_id)s::uuid))
 ORDER BY requested_on DESC, refund_id DESC
 LIMIT %(limit)s
"""


class RefundFilters(msgspec.Struct, frozen=True):
    """Which refunds."""

    customer_id: UUID | None = None
    status: str | None = None


class RefundRow(msgspec.Struct, frozen=True):
    """A refund in a list."""

    # Destination and reasons are encrypted here; the response decrypts them.

    id: UUID
    customer_id: UUID
    version: int
    status: str
    waits_for: WaitsFor
    amount: Money
    requested_on: date
    settled_on: date | None
    automatic: bool
    destination: str
    reason: str
    attempts: int
    last_error: str
    provider: str
    reference: str
    failed_because: str


class _Found(msgspec.Struct):
    refund_id: UUID
    customer_id: UUID
    version: int
    amount_minor: int
    attempts: int
    requested_on: date
    settled_on: date | None
    automatic: bool
    status: str
    currency: str
    provider: str
    reference: str
    last_error: str
    destination: str
    reason: str
    failed_because: str


def list_refunds(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: RefundFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[RefundRow]:
    """A page of a tenant's refunds, latest first. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or RefundFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    items = [_row(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.requested_on, last.id))


def _row(found: _Found) -> RefundRow:
    return RefundRow(
        id=found.refund_id,
        customer_id=found.customer_id,
        version=found.version,
        status=found.status,
        waits_for=waits_for(found.status, found.attempts),
        amount=Money.of(found.amount_minor, found.currency),
        requested_on=found.requested_on,
        settled_on=found.settled_on,
        automatic=found.automatic,
        destination=found.destination,
        reason=found.reason,
        attempts=found.attempts,
        last_error=found.last_error,
        provider=found.provider,
        reference=found.reference,
        failed_because=found.failed_because,
    )
