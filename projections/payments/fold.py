"""The read model `payments`: a row per payment, and what was paid in each month.

A payment's reference is encrypted, so payments are found by customer and value date.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger import payment as e
from ledger.event_registry import Event
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable, SumTable

TABLE = RowTable(
    "payments",
    "payment_id",
    customer_id="uuid",
    amount_minor="bigint",
    unapplied_minor="bigint",
    reversed_minor="bigint",
    charged_back_minor="bigint",
    received_on="date",
    suspected_duplicate_of="uuid",
    status="text",
    currency="text",
    reference="text",
    allocations="text",
)
MONTHS = SumTable(
    "payment_totals", {"currency": "text", "month": "date"}, ("payment_count", "amount_minor")
)


class Folded(msgspec.Struct, gc=False):
    """A payment's row while it is folded; the fields are the columns. Amounts are minor units of `currency`."""

    tenant_id: bytes
    payment_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    amount_minor: int = 0
    unapplied_minor: int = 0
    reversed_minor: int = 0
    charged_back_minor: int = 0
    received_on: date = date.min
    suspected_duplicate_of: bytes | None = None
    status: str = "received"
    currency: str = ""
    reference: str = ""
    allocations: str = "[]"


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no payment has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> list[Part]:
    """What the payment adds to the month of its value date: what of it was not reversed."""
    left_minor = row.amount_minor - row.reversed_minor - row.charged_back_minor
    if not left_minor:
        return []
    month = row.received_on.replace(day=1)
    return [Part(0, (row.tenant_id, row.currency, month), (1, left_minor))]


def _received(row: Folded, event: e.Received, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.amount_minor = event.amount_minor
    row.unapplied_minor = event.unapplied_minor
    row.received_on = event.received_on
    row.currency = event.currency
    row.reference = event.reference
    taken = [
        e.Allocated(part.invoice_id, part.amount_minor)
        for part in event.allocations
        if part.amount_minor
    ]
    row.allocations = msgspec.json.encode(taken).decode()
    if event.suspected_duplicate_of is not None:
        row.suspected_duplicate_of = event.suspected_duplicate_of.bytes


def _applied(row: Folded, event: e.Applied, on: date) -> None:
    for part in event.allocations:
        _change(row, e.AllocationChange(part.invoice_id, part.amount_minor, part.offer_minor))


def _allocations_changed(
    row: Folded, event: e.AllocationsChanged | e.Reallocated, on: date
) -> None:
    for change in event.changes:
        _change(row, change)


def _reversed(row: Folded, event: e.Reversed, on: date) -> None:
    row.reversed_minor += event.amount_minor
    _change_offers(row, event, "reversed")


def _charged_back(row: Folded, event: e.ChargedBack, on: date) -> None:
    row.charged_back_minor += event.amount_minor
    _change_offers(row, event, "charged_back")


def _change_offers(row: Folded, event: e.Reversed | e.ChargedBack, status: str) -> None:
    row.unapplied_minor -= event.amount_minor
    for change in event.changes:
        _change(row, change)
    if row.amount_minor == row.reversed_minor + row.charged_back_minor:
        row.status = status


def _change(row: Folded, change: e.AllocationChange) -> None:
    """What an invoice takes of the payment, more or less."""
    if not change.amount_minor:
        return
    taken = {
        part.invoice_id: part.amount_minor
        for part in msgspec.json.decode(row.allocations, type=tuple[e.Allocated, ...])
    }
    taken[change.invoice_id] = taken.get(change.invoice_id, 0) + change.amount_minor
    left = [e.Allocated(invoice_id, minor) for invoice_id, minor in taken.items() if minor]
    row.allocations = msgspec.json.encode(left).decode()
    row.unapplied_minor -= change.amount_minor


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.Received: _received,
    e.Applied: _applied,
    e.AllocationsChanged: _allocations_changed,
    e.Reallocated: _allocations_changed,
    e.Reversed: _reversed,
    e.ChargedBack: _charged_back,
}

PAYMENTS = Projection(
    name="payments",
    version=3,
    streams=("payment",),
    table=TABLE,
    sums=(MONTHS,),
    row=Folded,
    fold=fold,
    parts=parts,
)
