"""Listing agreements, the latest request first, with what their instalments' invoices come to."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.agreement.events import Kind, Schedule
from ledger.agreement.state import Status
from ledger.money import Money
from projections.pagination import Page, checked, decoded, filters_of, page_of

# The page first: invoices are summed for its agreements only.
LIST = """
WITH page AS MATERIALIZED (
    SELECT agreement_id, customer_id, version, kind, status, currency, schedule, count, principal_minor,
           original_minor, requested_on, activated_on, renegotiates, successor_id
      FROM agreements
     WHERE tenant_id = %(tenant_id)s
       AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
       AND (%(status)s::text IS NULL OR status = %(status)s)
       AND (%(kind)s::text IS NULL OR kind = %(kind)s)
       AND (%(after_on)s::date IS NULL OR (requested_on, agreement_id) < (%(after_on)s, %(after_id)s::uuid))
     ORDER BY requested_on DESC, agreement_id DESC
     LIMIT %(limit)s
)
SELECT page.agreement_id, page.customer_id, page.version, page.kind, page.status, page.currency, page.schedule,
       page.count, page.principal_minor, page.original_minor, page.requested_on, page.activated_on,
       page.renegotiates, page.successor_id,
       coalesce(total.charged_minor, 0) AS charged_minor,
       coalesce(total.paid_minor, 0) AS paid_minor,
       coalesce(total.open_minor, 0) AS open_minor,
       coalesce(total.overdue_minor, 0) AS overdue_minor
  FROM page
  LEFT JOIN LATERAL (
       SELECT sum(part.charged_principal_minor + part.charged_late_fee_minor + part.charged_mora_minor
                  + part.charged_other_minor) AS charged_minor,
              sum(part.paid_principal_minor + part.paid_late_fee_minor + part.paid_mora_minor
                  + part.paid_other_minor) AS paid_minor,
              sum(part.open_minor) AS open_minor,
              sum(part.open_minor) FILTER (WHERE part.late_on <= %(today)s) AS overdue_minor
         FROM invoices AS part
        WHERE part.tenant_id = %(tenant_id)s
          AND part.agreement_id = page.agreement_id
       ) AS total ON true
 ORDER BY page.requested_on DESC, page.agreement_id DESC
"""


class AgreementFilters(msgspec.Struct, frozen=True):
    """Which agreements."""

    status: str | None = None
    kind: str | None = None
    customer_id: UUID | None = None


class AgreementRow(msgspec.Struct, frozen=True):
    """An agreement in a list. What is charged, paid and open is of its instalments, fees and interest with it."""

    id: UUID
    customer_id: UUID
    version: int
    kind: Kind
    status: Status
    currency: str
    schedule: Schedule
    count: int
    principal: Money
    original: Money
    requested_on: date
    activated_on: date | None
    renegotiates: UUID | None
    successor_id: UUID | None
    charged: Money
    paid: Money
    open: Money
    overdue: Money


class _Found(msgspec.Struct):
    agreement_id: UUID
    customer_id: UUID
    version: int
    kind: Kind
    status: Status
    currency: str
    schedule: Schedule
    count: int
    principal_minor: int
    original_minor: int
    requested_on: date
    activated_on: date | None
    renegotiates: UUID | None
    successor_id: UUID | None
    charged_minor: int
    paid_minor: int
    open_minor: int
    overdue_minor: int


def list_agreements(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: AgreementFilters | None = None,
    *,
    today: date,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[AgreementRow]:
    """A page of a tenant's agreements. Raises MalformedCursor, MalformedFilter, LimitOutOfRange.

    `overdue` is what is open on instalments whose first late day has come by `today`.
    """
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or AgreementFilters()) | {
        "tenant_id": tenant_id,
        "today": today,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    items = [_row(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.requested_on, last.id))


def _row(found: _Found) -> AgreementRow:
    def money(minor: int) -> Money:
        return Money.of(int(minor), found.currency)

    return AgreementRow(
        id=found.agreement_id,
        customer_id=found.customer_id,
        version=found.version,
        kind=found.kind,
        status=found.status,
        currency=found.currency,
        schedule=found.schedule,
        count=found.count,
        principal=money(found.principal_minor),
        original=money(found.original_minor),
        requested_on=found.requested_on,
        activated_on=found.activated_on,
        renegotiates=found.renegotiates,
        successor_id=found.successor_id,
        charged=money(found.charged_minor),
        paid=money(found.paid_minor),
        open=money(found.open_minor),
        overdue=money(found.overdue_minor),
    )
