"""Listing payments, the latest value date first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.money import Money
from ledger.payment import Allocated
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT payment_id, customer_id, version, status, currency, amount_minor, unapplied_minor, reversed_minor,
       charged_back_minor, received_on, reference, allocations, suspected_duplicate_of
  FROM payments
 WHERE tenant_id = %(tenant_id)s
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(received_from)s::date IS NULL OR received_on >= %(received_from)s)
   AND (%(received_to)s::date IS NULL OR received_on <= %(received_to)s)
   AND (%(suspected_duplicate)s::boolean IS NULL
        OR (suspected_duplicate_of IS NOT NULL) = %(suspected_duplicate)s)
   AND (%(after_on)s::date IS NULL OR (received_on, payment_id) < (%(after_on)s, %(after_id)s::uuid))
 ORDER BY received_on DESC, payment_id DESC
 LIMIT %(limit)s
"""


class PaymentFilters(msgspec.Struct, frozen=True):
    """Which payments; `received_from` and `received_to` are included.

    suspected_duplicate  those that look like an earlier payment of their customer, or those that do not
    """

    customer_id: UUID | None = None
    status: str | None = None
    received_from: date | None = None
    received_to: date | None = None
    suspected_duplicate: bool | None = None


class AllocationRow(msgspec.Struct, frozen=True):
    """What of a payment an invoice took."""

    invoice_id: UUID
    amount: Money


class PaymentRow(msgspec.Struct, frozen=True):
    """A payment in a list."""

    # The reference is encrypted here; the response decrypts it.

    id: UUID
    customer_id: UUID
    version: int
    status: str
    amount: Money
    received_on: date
    reference: str
    allocations: list[AllocationRow]
    unapplied: Money
    reversed: Money
    charged_back: Money
    suspected_duplicate_of: UUID | None


class _Found(msgspec.Struct):
    payment_id: UUID
    customer_id: UUID
    version: int
    status: str
    currency: str
    amount_minor: int
    unapplied_minor: int
    reversed_minor: int
    charged_back_minor: int
    received_on: date
    reference: str
    allocations: str
    suspected_duplicate_of: UUID | None


def list_payments(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: PaymentFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[PaymentRow]:
    """A page of a tenant's payments, latest first. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or PaymentFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    items = [_row(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.received_on, last.id))


def _row(found: _Found) -> PaymentRow:
    allocations = msgspec.json.decode(found.allocations, type=list[Allocated])
    return PaymentRow(
        id=found.payment_id,
        customer_id=found.customer_id,
        version=found.version,
        status=found.status,
        amount=Money.of(found.amount_minor, found.currency),
        received_on=found.received_on,
        reference=found.reference,
        allocations=[
            AllocationRow(part.invoice_id, Money.of(part.amount_minor, found.currency))
            for part in allocations
        ],
        unapplied=Money.of(found.unapplied_minor, found.currency),
        reversed=Money.of(found.reversed_minor, found.currency),
        charged_back=Money.of(found.charged_back_minor, found.currency),
        suspected_duplicate_of=found.suspected_duplicate_of,
    )
