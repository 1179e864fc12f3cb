"""Listing messages, the latest queued first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.message import State
from ledger.money import Money
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT message_id, customer_id, version, amount_minor, attempts, plan_version, queued_on, business_date, opened_on,
       kind, channel, state, currency, plan, step, purpose, sender, reference, reason, invoice_ids, complaint
  FROM messages
 WHERE tenant_id = %(tenant_id)s
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(state)s::text IS NULL OR state = %(state)s)
   AND (%(after_on)s::date IS NULL OR (queued_on, message_id) < (%(after_on)s, %(after_id)s::uuid))
 ORDER BY queued_on DESC, message_id DESC
 LIMIT %(limit)s
"""


class MessageFilters(msgspec.Struct, frozen=True):
    """Which messages."""

    customer_id: UUID | None = None
    state: State | None = None


class MessageRow(msgspec.Struct, frozen=True):
    """A message in a list. `amount` is what was open on its invoices when it was queued."""

    message_id: UUID
    kind: str
    channel: str
    state: State
    customer_id: UUID
    invoice_ids: tuple[UUID, ...]
    amount: Money
    step: str
    purpose: str
    plan: str
    plan_version: int
    queued_on: date
    business_date: date
    attempts: int
    sender: str
    reference: str
    reason: str
    opened_on: date | None
    complaint: str


class _Found(msgspec.Struct):
    message_id: UUID
    customer_id: UUID
    version: int
    amount_minor: int
    attempts: int
    plan_version: int
    queued_on: date
    business_date: date
    opened_on: date | None
    kind: str
    channel: str
    state: State
    currency: str
    plan: str
    step: str
    purpose: str
    sender: str
    reference: str
    reason: str
    invoice_ids: str
    complaint: str


def list_messages(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: MessageFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[MessageRow]:
    """A page of a tenant's messages, latest first. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or MessageFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LIST, values, prepare=False).fetchall()
    items = [_row(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.queued_on, last.message_id))


def _row(found: _Found) -> MessageRow:
    return MessageRow(
        message_id=found.message_id,
        kind=found.kind,
        channel=found.channel,
        state=found.state,
        customer_id=found.customer_id,
        invoice_ids=msgspec.json.decode(found.invoice_ids, type=tuple[UUID, ...]),
        amount=Money.of(found.amount_minor, found.currency),
        step=found.step,
        purpose=found.purpose,
        plan=found.plan,
        plan_version=found.plan_version,
        queued_on=found.queued_on,
        business_date=found.business_date,
        attempts=found.attempts,
        sender=found.sender,
        reference=found.reference,
        reason=found.reason,
        opened_on=found.opened_on,
        complaint=found.complaint,
    )
