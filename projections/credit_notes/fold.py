"""The read model `credit_notes`: what an invoice's credit notes say, and the amounts of each.

A note's document never changes: its lines, net, tax and total. What it took off the open amount and what became credit
may change by a late fact, and is in the invoice.
"""

from collections.abc import Callable
from datetime import date
from typing import Any
from uuid import UUID

import msgspec

from ledger.event_registry import Event
from ledger.invoice import events as e
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable, SumTable

TABLE = RowTable(
    "credit_note_invoices",
    "invoice_id",
    customer_id="uuid",
    issued_on="date",
    currency="text",
    number="text",
    lines="text",
    notes="text",
)
NOTES = SumTable(
    "credit_notes",
    {"issued_on": "date", "credit_note_id": "uuid", "invoice_id": "uuid", "customer_id": "uuid"},
    ("net_minor", "tax_minor", "total_minor"),
)


class Folded(msgspec.Struct, gc=False):
    """An invoice's row while it is folded; the fields are the columns.

    lines  JSON: the invoice's lines, as `ledger.invoice.events.InvoiceLine`
    notes  JSON: its credit notes, as `Note`, in the order in which they were issued
    """

    tenant_id: bytes
    invoice_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    issued_on: date | None = None
    currency: str = ""
    number: str = ""
    lines: str = "[]"
    notes: str = "[]"


class Note(msgspec.Struct, frozen=True):
    """A credit note, in minor units of its invoice's currency. The reason is encrypted."""

    id: UUID
    number: str
    issued_on: date
    reason: str
    net_minor: int
    tax_minor: int
    total_minor: int
    lines: tuple[e.CreditedLine, ...]


_notes = msgspec.json.Decoder(tuple[Note, ...])
_lines = msgspec.json.Decoder(tuple[e.InvoiceLine, ...])


def notes_of(text: str) -> tuple[Note, ...]:
    """The column `notes`."""
    return _notes.decode(text)


def lines_of(text: str) -> tuple[e.InvoiceLine, ...]:
    """The column `lines`."""
    return _lines.decode(text)


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that it does not read."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> list[Part]:
    """The amounts of each of the invoice's credit notes."""
    if row.notes == "[]":
        return []
    return [
        Part(
            0,
            (row.tenant_id, note.issued_on, note.id.bytes, row.invoice_id, row.customer_id),
            (note.net_minor, note.tax_minor, note.total_minor),
        )
        for note in notes_of(row.notes)
    ]


def _drafted(row: Folded, event: e.Drafted, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.currency = event.currency
    row.lines = msgspec.json.encode(event.lines).decode()


def _redrafted(row: Folded, event: e.Redrafted, on: date) -> None:
    row.lines = msgspec.json.encode(event.lines).decode()


def _sent(row: Folded, event: e.Sent, on: date) -> None:
    row.number = event.number
    row.issued_on = event.issued_on


def _credited(row: Folded, event: e.Credited, on: date) -> None:
    note = Note(
        id=event.credit_note_id,
        number=event.number,
        issued_on=on,
        reason=event.reason,
        net_minor=event.net_minor,
        tax_minor=event.tax_minor,
        total_minor=event.total_minor,
        lines=event.lines,
    )
    row.notes = msgspec.json.encode((*notes_of(row.notes), note)).decode()


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Drafted: _drafted,
    e.Redrafted: _redrafted,
    e.Sent: _sent,
    e.Credited: _credited,
}

CREDIT_NOTES = Projection(
    name="credit_notes",
    version=1,
    streams=("invoice",),
    table=TABLE,
    sums=(NOTES,),
    row=Folded,
    fold=fold,
    parts=parts,
    reads=frozenset(kind.TAG for kind in _FOLDS),
)
