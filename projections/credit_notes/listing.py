"""Listing credit notes, the latest issued first, and showing one, with everything that its document needs."""

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
import psycopg
from psycopg.rows import class_row

from ledger.errors import NotFound
from ledger.event_registry import decode
from ledger.invoice.events import Credited, CreditedLine, InvoiceLine
from ledger.money import Money
from ledger.rates import Rate, format_rate, parse_rate
from ledger.tax import UnitPrice, unit_price_of
from projections.credit_notes.fold import Note, lines_of, notes_of
from projections.pagination import Page, checked, decoded, filters_of, page_of

LIST = """
SELECT credit_note_id, invoice_id
  FROM credit_notes
 WHERE tenant_id = %(tenant_id)s
   AND total_minor <> 0
   AND (%(customer_id)s::uuid IS NULL OR customer_id = %(customer_id)s)
   AND (%(invoice_id)s::uuid IS NULL OR invoice_id = %(invoice_id)s)
   AND (%(issued_from)s::date IS NULL OR issued_on >= %(issued_from)s)
   AND (%(issued_to)s::date IS NULL OR issued_on <= %(issued_to)s)
   AND (%(after_on)s::date IS NULL OR (issued_on, credit_note_id) < (%(after_on)s, %(after_id)s::uuid))
 ORDER BY issued_on DESC, credit_note_id DESC
 LIMIT %(limit)s
"""
ONE = """
SELECT credit_note_id, invoice_id
  FROM credit_notes
 WHERE tenant_id = %s AND credit_note_id = %s AND total_minor <> 0
"""
INVOICES = """
SELECT invoice.invoice_id, invoice.customer_id, invoice.issued_on, invoice.currency, invoice.number, invoice.lines,
       invoice.notes,
       coalesce(customer.reference, '') AS reference,
       coalesce(customer.name, '') AS name,
       coalesce(customer.tax_number, '') AS tax_number,
       coalesce(customer.address, '') AS address,
       coalesce(customer.country, '') AS country
  FROM credit_note_invoices AS invoice
  LEFT JOIN customers AS customer
    ON customer.tenant_id = invoice.tenant_id AND customer.customer_id = invoice.customer_id
 WHERE invoice.tenant_id = %s AND invoice.invoice_id = ANY (%s::uuid[])
"""
CREDITED = """
SELECT tag, data
  FROM events
 WHERE tenant_id = %s AND stream_id = %s AND tag >= 'invoice.credited.' AND tag < 'invoice.credited/'
 ORDER BY version
"""


class UnknownCreditNote(NotFound):
    """There is no such credit note."""


class CreditNoteFilters(msgspec.Struct, frozen=True):
    """Which credit notes; `issued_from` and `issued_to` are included."""

    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    issued_from: date | None = None
    issued_to: date | None = None


class CreditedCustomer(msgspec.Struct, frozen=True):
    """Whom a credit note is for, as the customer's data stand now."""

    id: UUID
    reference: str
    name: str
    tax_number: str
    address: str
    country: str


class CreditNoteLine(msgspec.Struct, frozen=True):
    """What a credit note credits of a line.

    line  the line's place in the invoice, from 0; quantity, unit price and rate are as invoiced
    """

    line: int
    description: str
    quantity: str
    unit_price: UnitPrice
    tax_rate: str
    tax_included: bool
    net: Money
    tax: Money
    gross: Money


class CreditNoteTax(msgspec.Struct, frozen=True):
    """What a credit note credits at one tax rate."""

    tax_rate: str
    net: Money
    tax: Money
    gross: Money


class CreditNoteRow(msgspec.Struct, frozen=True):
    """A credit note, as its document says it."""

    id: UUID
    number: str
    issued_on: date
    invoice_id: UUID
    invoice_number: str
    invoice_issued_on: date
    creditor: str
    customer: CreditedCustomer
    reason: str
    lines: list[CreditNoteLine]
    taxes: list[CreditNoteTax]
    net: Money
    tax: Money
    total: Money


class CreditNoteDocument(CreditNoteRow, frozen=True, kw_only=True):
    """A credit note, as its document says it, and what became of its total when it was issued.

    applied  what came off the invoice's open amount
    credit   what had been paid: it went to the customer's credit
    """

    applied: Money
    credit: Money


class _Invoice(msgspec.Struct):
    invoice_id: UUID
    customer_id: UUID
    issued_on: date
    currency: str
    number: str
    lines: str
    notes: str
    reference: str
    name: str
    tax_number: str
    address: str
    country: str


class _Key(NamedTuple):
    credit_note_id: UUID
    invoice_id: UUID


def list_credit_notes(
    connection: psycopg.Connection[Any],
    tenant_id: UUID,
    filters: CreditNoteFilters | None = None,
    *,
    creditor: str = "",
    cursor: str | None = None,
    limit: int = 50,
) -> Page[CreditNoteRow]:
    """A page of a tenant's credit notes, latest first; `creditor` is the tenant's name.

    Raises MalformedCursor, MalformedFilter, LimitOutOfRange.
    """
    after_on, after_id = decoded(cursor, date, UUID)
    values = filters_of(filters or CreditNoteFilters()) | {
        "tenant_id": tenant_id,
        "after_on": after_on,
        "after_id": after_id,
        "limit": checked(limit) + 1,
    }
    found = [_Key(*row) for row in connection.execute(LIST, values, prepare=False)]
    items = _rows(connection, tenant_id, found[:limit], creditor)
    return page_of(items, limit, len(found), lambda last: (last.issued_on, last.id))


def show_credit_note(
    connection: psycopg.Connection[Any], tenant_id: UUID, credit_note_id: UUID, creditor: str
) -> CreditNoteDocument:
    """A credit note with what became of its total. Raises UnknownCreditNote."""
    found = connection.execute(ONE, (tenant_id, credit_note_id)).fetchone()
    if found is None:
        raise UnknownCreditNote(f"there is no credit note {credit_note_id}")
    key = _Key(*found)
    (row,) = _rows(connection, tenant_id, [key], creditor)
    currency = row.total.currency
    applied_minor = _applied_minor(connection, tenant_id, key)
    return CreditNoteDocument(
        **{name: getattr(row, name) for name in CreditNoteRow.__struct_fields__},
        applied=Money.of(applied_minor, currency),
        credit=Money.of(row.total.minor - applied_minor, currency),
    )


def _applied_minor(connection: psycopg.Connection[Any], tenant_id: UUID, key: _Key) -> int:
    """What of a note came off the open amount when it was issued, by its event."""
    for tag, data in connection.execute(CREDITED, (tenant_id, key.invoice_id)):
        event = decode(tag, bytes(data))
        assert isinstance(event, Credited)
        if event.credit_note_id == key.credit_note_id:
            return event.forgiven.total + event.applied.total
    raise AssertionError(f"the log does not hold the credit note {key.credit_note_id}")


def _rows(
    connection: psycopg.Connection[Any], tenant_id: UUID, keys: Sequence[_Key], creditor: str
) -> list[CreditNoteRow]:
    """The credit notes of these keys, in their order."""
    with connection.cursor(row_factory=class_row(_Invoice)) as rows:
        wanted = list({key.invoice_id for key in keys})
        found = rows.execute(INVOICES, (tenant_id, wanted)).fetchall()
    by_id = {
        note.id: _row(invoice, lines, note, creditor)
        for invoice in found
        for lines in [lines_of(invoice.lines)]
        for note in notes_of(invoice.notes)
    }
    return [by_id[key.credit_note_id] for key in keys]


def _row(
    invoice: _Invoice, lines: Sequence[InvoiceLine], note: Note, creditor: str
) -> CreditNoteRow:
    def money(minor: int) -> Money:
        return Money.of(minor, invoice.currency)

    return CreditNoteRow(
        id=note.id,
        number=note.number,
        issued_on=note.issued_on,
        invoice_id=invoice.invoice_id,
        invoice_number=invoice.number,
        invoice_issued_on=invoice.issued_on,
        creditor=creditor,
        customer=CreditedCustomer(
            id=invoice.customer_id,
            reference=invoice.reference,
            name=invoice.name,
            tax_number=invoice.tax_number,
            address=invoice.address,
            country=invoice.country,
        ),
        reason=note.reason,
        lines=[_line(lines[taken.line], taken, invoice.currency) for taken in note.lines],
        taxes=_taxes(lines, note.lines, invoice.currency),
        net=money(note.net_minor),
        tax=money(note.tax_minor),
        total=money(note.total_minor),
    )


def _line(line: InvoiceLine, taken: CreditedLine, currency: str) -> CreditNoteLine:
    return CreditNoteLine(
        line=taken.line,
        description=line.description,
        quantity=line.quantity,
        unit_price=unit_price_of(line.unit_price, currency),
        tax_rate=line.tax_rate,
        tax_included=line.tax_included,
        net=Money.of(taken.net_minor, currency),
        tax=Money.of(taken.tax_minor, currency),
        gross=Money.of(taken.net_minor + taken.tax_minor, currency),
    )


def _taxes(
    lines: Sequence[InvoiceLine], taken: Sequence[CreditedLine], currency: str
) -> list[CreditNoteTax]:
    """Net and tax by rate, in the order in which the rates first come."""
    sums: dict[Rate, tuple[int, int]] = {}
    for one in taken:
        rate = parse_rate(lines[one.line].tax_rate)
        net_minor, tax_minor = sums.get(rate, (0, 0))
        sums[rate] = (net_minor + one.net_minor, tax_minor + one.tax_minor)
    return [
        CreditNoteTax(
            tax_rate=format_rate(rate),
            net=Money.of(net_minor, currency),
            tax=Money.of(tax_minor, currency),
            gross=Money.of(net_minor + tax_minor, currency),
        )
        for rate, (net_minor, tax_minor) in sums.items()
    ]
