"""The communication log: what was sent to a customer, and its calls and visits, the latest first."""

from datetime import date
from typing import Any
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from projections.pagination import Page, checked, decoded, page_of

LOG = """
SELECT * FROM (
    SELECT queued_on AS happened_on, message_id AS id, kind, channel, state AS result, purpose, step, '' AS note,
           invoice_ids
      FROM messages
     WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
    UNION ALL
    SELECT happened_on, activity_id, kind, '', result, '', '', note, invoice_ids
      FROM activities
     WHERE tenant_id = %(tenant_id)s AND customer_id = %(customer_id)s
) AS found
 WHERE (%(invoice)s::text IS NULL OR invoice_ids LIKE '%%' || %(invoice)s || '%%')
   AND (%(after_on)s::date IS NULL OR (happened_on, id) < (%(after_on)s, %(after_id)s::uuid))
 ORDER BY happened_on DESC, id DESC
 LIMIT %(limit)s
"""


class Communication(msgspec.Struct, frozen=True):
    """A message, a call or a visit.

    kind     of a message what it is, such as `dunning`; else `call` or `visit`
    result   the message's state, or what came of the call or visit
    """

    happened_on: date
    id: UUID
    kind: str
    channel: str
    result: str
    purpose: str
    step: str
    note: str
    invoice_ids: tuple[UUID, ...]


class _Found(msgspec.Struct):
    happened_on: date
    id: UUID
    kind: str
    channel: str
    result: str
    purpose: str
    step: str
    note: str
    invoice_ids: str


def list_communications(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    customer_id: UUID,
    invoice_id: UUID | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
) -> Page[Communication]:
    """A page of a customer's communications, or of those about one of its invoices. An activity about no invoice in
    particular is about none here. Raises MalformedCursor, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = {
        "tenant_id": tenant_id,
        "customer_id": customer_id,
        "invoice": str(invoice_id) if invoice_id is not None else None,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(LOG, values, prepare=False).fetchall()
    items = [_item(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.happened_on, last.id))


def _item(found: _Found) -> Communication:
    fields = {name: getattr(found, name) for name in Communication.__struct_fields__}
    ids = msgspec.json.decode(found.invoice_ids, type=tuple[UUID, ...])
    return Communication(**(fields | {"invoice_ids": ids}))
