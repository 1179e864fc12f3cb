"""Listing invoices, by due date."""

from datetime import date
from typing import Any, Literal
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL

from ledger.money import Money
from projections.pagination import Page, checked, decoded, filters_of, page_of

Order = Literal["due_on", "-due_on"]
PromiseState = Literal["pending", "kept", "broken"]

# A filter that is left out is a constant to the planner, which plans each query for the filters it has.
_LIST = SQL("""
SELECT invoice_id, customer_id, version, status, number, currency, issued_on, due_on, payable_until, late_on,
       mora_through, paid_on, promised_on, held_until, agreement_id, held, promise, total_minor, open_minor,
       written_off_minor, disputed_minor, promised_minor,
       charged_late_fee_minor, charged_mora_minor, charged_other_minor,
       paid_principal_minor + paid_late_fee_minor + paid_mora_minor + paid_other_minor AS paid_minor,
       forgiven_principal_minor + forgiven_late_fee_minor + forgiven_mora_minor + forgiven_other_minor
           AS forgiven_minor
  FROM invoices
 WHERE tenant_id = %(tenant_id)s
   AND (%(status)s::text IS NULL OR status = %(status)s)
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(currency)s::text IS NULL OR currency = %(currency)s)
   AND (%(number)s::text IS NULL OR number = %(number)s AND number <> '')
   AND (%(due_from)s::date IS NULL OR due_on >= %(due_from)s)
   AND (%(due_to)s::date IS NULL OR due_on <= %(due_to)s)
   AND (%(agreement_id)s::uuid IS NULL OR agreement_id = %(agreement_id)s)
   AND (%(disputed)s::boolean IS NULL OR (disputed_minor > 0) = %(disputed)s)
   AND (%(held)s::boolean IS NULL OR held = %(held)s)
   AND (%(promise)s::text IS NULL OR promise = %(promise)s)
   AND (%(after_on)s::date IS NULL OR (due_on, invoice_id) {beyond} (%(after_on)s, %(after_id)s::uuid))
 ORDER BY due_on {order}, invoice_id {order}
 LIMIT %(limit)s
""")
_STATEMENTS: dict[Order, bytes] = {
    "due_on": _LIST.format(beyond=SQL(">"), order=SQL("ASC")).as_bytes(),
    "-due_on": _LIST.format(beyond=SQL("<"), order=SQL("DESC")).as_bytes(),
}


class InvoiceFilters(msgspec.Struct, frozen=True):
    """Which invoices; what is left out does not matter. `due_from` and `due_to` are included.

    promise  of the last promise to pay: `pending`, `kept` or `broken`
    """

    status: str | None = None
    customer_id: UUID | None = None
    currency: str | None = None
    number: str | None = None
    due_from: date | None = None
    due_to: date | None = None
    agreement_id: UUID | None = None
    disputed: bool | None = None
    held: bool | None = None
    promise: PromiseState | None = None


class InvoiceRow(msgspec.Struct, frozen=True):
    """An invoice in a list. `total` is what it was written for; the charges are what was asked for on top.

    version      of its last event, as the read model has applied it
    forgiven     what was forgiven in any way; `written_off` is the part that was written off and not recovered
    disputed     the principal under dispute
    promised_on, promised, promise  the last promise to pay: the day, the amount, and what became of it
    held, held_until  dunning leaves the invoice alone, through a day where it says one
    """

    id: UUID
    customer_id: UUID
    version: int
    status: str
    number: str
    currency: str
    issued_on: date | None
    due_on: date
    payable_until: date | None
    late_on: date | None
    mora_through: date | None
    paid_on: date | None
    total: Money
    late_fee: Money
    mora: Money
    other_fees: Money
    paid: Money
    forgiven: Money
    open: Money
    written_off: Money
    disputed: Money
    promised_on: date | None
    promised: Money | None
    promise: str
    held: bool
    held_until: date | None
    agreement_id: UUID | None


class _Found(msgspec.Struct):
    invoice_id: UUID
    customer_id: UUID
    version: int
    status: str
    number: str
    currency: str
    issued_on: date | None
    due_on: date
    payable_until: date | None
    late_on: date | None
    mora_through: date | None
    paid_on: date | None
    promised_on: date | None
    held_until: date | None
    agreement_id: UUID | None
    held: bool
    promise: str
    total_minor: int
    open_minor: int
    written_off_minor: int
    disputed_minor: int
    promised_minor: int
    charged_late_fee_minor: int
    charged_mora_minor: int
    charged_other_minor: int
    paid_minor: int
    forgiven_minor: int


def list_invoices(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: InvoiceFilters | None = None,
    *,
    cursor: str | None = None,
    limit: int = 50,
    order: Order = "due_on",
) -> Page[InvoiceRow]:
    """A page of a tenant's invoices, by due date. Raises MalformedCursor, MalformedFilter, LimitOutOfRange."""
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or InvoiceFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    with connection.cursor(row_factory=class_row(_Found)) as rows:
        found = rows.execute(_STATEMENTS[order], values, prepare=False).fetchall()
    items = [_row(one) for one in found[:limit]]
    return page_of(items, limit, len(found), lambda last: (last.due_on, last.id))


def _row(found: _Found) -> InvoiceRow:
    currency = found.currency
    return InvoiceRow(
        id=found.invoice_id,
        customer_id=found.customer_id,
        version=found.version,
        status=found.status,
        number=found.number,
        currency=currency,
        issued_on=found.issued_on,
        due_on=found.due_on,
        payable_until=found.payable_until,
        late_on=found.late_on,
        mora_through=found.mora_through,
        paid_on=found.paid_on,
        total=Money.of(found.total_minor, currency),
        late_fee=Money.of(found.charged_late_fee_minor, currency),
        mora=Money.of(found.charged_mora_minor, currency),
        other_fees=Money.of(found.charged_other_minor, currency),
        paid=Money.of(found.paid_minor, currency),
        forgiven=Money.of(found.forgiven_minor, currency),
        open=Money.of(found.open_minor, currency),
        written_off=Money.of(found.written_off_minor, currency),
        disputed=Money.of(found.disputed_minor, currency),
        promised_on=found.promised_on,
        promised=Money.of(found.promised_minor, currency) if found.promise else None,
        promise=found.promise,
        held=found.held,
        held_until=found.held_until,
        agreement_id=found.agreement_id,
    )
