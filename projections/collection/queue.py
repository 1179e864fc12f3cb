"""Whom to call next: customers with a task that is due, then those who broke a promise, then those who owe most.

What is held, disputed or promised is nobody's turn. A customer who was worked today comes back when a task is due.
"""

from datetime import date
from typing import Any, Final, Literal
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.errors import Rejected
from ledger.money import Money
from projections.pagination import Page

MAX_QUEUE: Final = 200

Reason = Literal["task", "broken_promise", "overdue"]
"""Why it is a customer's turn.

    task            a task about it is due
    broken_promise  it has not paid what it promised
    overdue         it owes what is overdue
"""

# The sums of customers say who comes first; only of those are the invoices looked at, one customer after another, until
# there are enough.
QUEUE = """
WITH due AS (
    SELECT customer_id, min(due_on) AS due_on, (array_agg(task_id ORDER BY due_on, task_id))[1] AS task_id
      FROM tasks
     WHERE tenant_id = %(tenant_id)s AND state = 'open' AND customer_id IS NOT NULL AND due_on <= %(today)s
     GROUP BY customer_id
), broken AS (
    SELECT DISTINCT customer_id
      FROM invoices
     WHERE tenant_id = %(tenant_id)s AND promise = 'broken' AND status = 'overdue' AND open_minor > 0
), worked AS (
    SELECT DISTINCT customer_id
      FROM activities
     WHERE tenant_id = %(tenant_id)s AND happened_on >= %(today)s
), who AS (
    SELECT customer_id, overdue_minor
      FROM customer_balances
     WHERE tenant_id = %(tenant_id)s AND currency = %(currency)s AND overdue_minor > 0
    UNION ALL
    SELECT customer_id, 0 FROM due
     WHERE NOT EXISTS (SELECT FROM customer_balances AS sums
                        WHERE sums.tenant_id = %(tenant_id)s AND sums.customer_id = due.customer_id
                          AND sums.currency = %(currency)s AND sums.overdue_minor > 0)
)
SELECT who.customer_id, customers.reference, customers.name, customers.phone, due.task_id, due.due_on AS task_due_on,
       coalesce(open.minor, 0)::bigint AS overdue_minor, coalesce(open.count, 0)::integer AS invoice_count,
       open.oldest_due_on,
       (SELECT max(happened_on) FROM activities AS last
         WHERE last.tenant_id = %(tenant_id)s AND last.customer_id = who.customer_id) AS last_worked_on,
       CASE WHEN due.customer_id IS NOT NULL THEN 'task'
            WHEN broken.customer_id IS NOT NULL THEN 'broken_promise'
            ELSE 'overdue' END AS reason
  FROM who
  JOIN customers ON customers.tenant_id = %(tenant_id)s AND customers.customer_id = who.customer_id
  LEFT JOIN due ON due.customer_id = who.customer_id
  LEFT JOIN broken ON broken.customer_id = who.customer_id
  LEFT JOIN worked ON worked.customer_id = who.customer_id
  LEFT JOIN LATERAL (
    SELECT sum(open_minor) AS minor, count(*) AS count, min(due_on) AS oldest_due_on
      FROM invoices
     WHERE tenant_id = %(tenant_id)s AND customer_id = who.customer_id AND currency = %(currency)s
       AND status = 'overdue' AND open_minor > 0 AND disputed_minor = 0
       AND NOT (promise = 'pending' AND promised_on >= %(today)s)
       AND NOT (held AND (held_until IS NULL OR held_until >= %(today)s))
  ) AS open ON true
 WHERE due.customer_id IS NOT NULL OR (worked.customer_id IS NULL AND open.minor > 0)
 ORDER BY due.due_on NULLS LAST, broken.customer_id IS NULL, who.overdue_minor DESC, who.customer_id
 LIMIT %(limit)s
"""


class QueueTooLong(Rejected):
    """A queue shows between 1 and 200 customers."""


class QueueRow(msgspec.Struct, frozen=True):
    """A customer whose turn it is. `overdue` is what is overdue and neither held, disputed nor promised."""

    customer_id: UUID
    reference: str
    name: str
    phone: str
    reason: Reason
    overdue: Money
    invoice_count: int
    oldest_due_on: date | None
    days_late: int
    last_worked_on: date | None
    task_id: UUID | None
    task_due_on: date | None


class _Found(msgspec.Struct):
    customer_id: UUID
    reference: str
    name: str
    phone: str
    task_id: UUID | None
    task_due_on: date | None
    overdue_minor: int
    invoice_count: int
    oldest_due_on: date | None
    last_worked_on: date | None
    reason: Reason


def collection_queue(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    currency: str,
    today: date,
    limit: int = 50,
) -> Page[QueueRow]:
    """The first customers of the queue, of what is owed in a currency. Raises QueueTooLong."""
    if not 1 <= limit <= MAX_QUEUE:
        raise QueueTooLong(f"a queue shows 1 to {MAX_QUEUE} customers", field="limit")
    values = {"tenant_id": tenant_id, "currency": currency, "today": today, "limit": limit}
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(QUEUE, values, prepare=False).fetchall()
    return Page([_row(one, currency, today) for one in found])


def _row(found: _Found, currency: str, today: date) -> QueueRow:
    oldest = found.oldest_due_on
    return QueueRow(
        customer_id=found.customer_id,
        reference=found.reference,
        name=found.name,
        phone=found.phone,
        reason=found.reason,
        overdue=Money.of(found.overdue_minor, currency),
        invoice_count=found.invoice_count,
        oldest_due_on=oldest,
        days_late=(today - oldest).days if oldest is not None else 0,
        last_worked_on=found.last_worked_on,
        task_id=found.task_id,
        task_due_on=found.task_due_on,
    )
