"""`duebook credit-notes list|show`."""

import argparse
from typing import Any
from uuid import UUID

import msgspec

from adapters.cli.parsing import add_command, add_family, add_json, add_tenant, day
from adapters.cli.printing import print_fields, print_json, print_line, print_table
from adapters.cli.reporting import catch_up, stream_called
from adapters.settings import Settings
from adapters.wiring import open_books
from ledger.numbering import DOCUMENT_NUMBER
from projections.credit_notes.listing import (
    CreditNoteDocument,
    CreditNoteFilters,
    CreditNoteRow,
    list_credit_notes,
    show_credit_note,
)
from projections.pagination import MAX_LIMIT


def add(commands: Any) -> None:
    family = add_family(commands, "credit-notes", "list and show credit notes")
    listing = add_command(family, "list", _list, "list a tenant's credit notes, the latest first")
    add_tenant(listing)
    listing.add_argument("--invoice", metavar="I", help="only those of this invoice: id or number")
    listing.add_argument(
        "--from", dest="issued_from", type=day, metavar="D", help="only those issued from this day"
    )
    listing.add_argument(
        "--to", dest="issued_to", type=day, metavar="D", help="only those issued up to this day"
    )
    add_json(listing)
    show = add_command(family, "show", _show, "show a credit note with its lines and taxes")
    show.add_argument("credit_note", metavar="CREDIT_NOTE", help="the credit note's id or number")
    add_tenant(show)
    add_json(show)


def _list(arguments: argparse.Namespace) -> int:
    found: list[CreditNoteRow] = []
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        creditor = books.tenants.state(tenant_id).name
        catch_up(books)
        cursor: str | None = None
        with books.reading(tenant_id) as connection:
            invoice_id: UUID | None = None
            if arguments.invoice is not None:
                invoice_id = stream_called(
                    connection, tenant_id, DOCUMENT_NUMBER, arguments.invoice
                )
            filters = CreditNoteFilters(
                invoice_id=invoice_id,
                issued_from=arguments.issued_from,
                issued_to=arguments.issued_to,
            )
            while True:
                page = list_credit_notes(
                    connection,
                    tenant_id,
                    filters,
                    creditor=creditor,
                    cursor=cursor,
                    limit=MAX_LIMIT,
                )
                found += page.items
                cursor = page.next_cursor
                if cursor is None:
                    break
        opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(found))
    rows = msgspec.json.decode(opened, type=list[CreditNoteRow])
    if arguments.json:
        print_json({"items": rows})
        return 0
    print_table(
        ("number", "issued", "invoice", "customer", "currency", "net", "tax", "total", "reason"),
        [
            (
                one.number,
                one.issued_on,
                one.invoice_number,
                one.customer.name,
                one.total.currency,
                one.net.amount,
                one.tax.amount,
                one.total.amount,
                one.reason,
            )
            for one in rows
        ],
    )
    return 0


def _show(arguments: argparse.Namespace) -> int:
    with open_books(Settings.from_environment()) as books:
        tenant_id = books.tenants.id_of(arguments.tenant)
        creditor = books.tenants.state(tenant_id).name
        catch_up(books)
        with books.reading(tenant_id) as connection:
            credit_note_id = stream_called(
                connection, tenant_id, DOCUMENT_NUMBER, arguments.credit_note
            )
            found = show_credit_note(connection, tenant_id, credit_note_id, creditor)
        opened = books.cipher.decrypted(tenant_id, msgspec.json.encode(found))
    if arguments.json:
        print_json(opened)
        return 0
    _print(msgspec.json.decode(opened, type=CreditNoteDocument))
    return 0


def _print(note: CreditNoteDocument) -> None:
    print_fields(
        [
            ("credit note", f"{note.number} of {note.issued_on}"),
            ("id", note.id),
            ("invoice", f"{note.invoice_number} of {note.invoice_issued_on}"),
            ("creditor", note.creditor),
            ("customer", note.customer.name),
            ("reason", note.reason),
            ("currency", note.total.currency),
            ("net", note.net.amount),
            ("tax", note.tax.amount),
            ("total", note.total.amount),
            ("came off the open amount", note.applied.amount),
            ("went to credit", note.credit.amount),
        ]
    )
    print_line()
    print_table(
        ("line", "description", "quantity", "unit price", "rate", "net", "tax", "gross"),
        [
            (
                one.line,
                one.description,
                one.quantity,
                one.unit_price.amount,
                one.tax_rate,
                one.net.amount,
                one.tax.amount,
                one.gross.amount,
            )
            for one in note.lines
        ],
    )
    print_line()
    print_table(
        ("rate", "net", "tax", "gross"),
        [(one.tax_rate, one.net.amount, one.tax.amount, one.gross.amount) for one in note.taxes],
    )
