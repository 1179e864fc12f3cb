"""The read model `invoices`: a row per invoice, and the sums for ageing, customers' balances and the dashboard.

Customers' names are sealed, so invoices cannot be searched by them: find the customer by its reference first.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger.allocation import Split
from ledger.events import Event
from ledger.invoice import events as e
from projections import nightly_interest
from projections.projection import Part, Projection
from projections.tables import RowTable, SumTable

TABLE = RowTable(
    "invoices",
    "invoice_id",
    customer_id="uuid",
    total_minor="bigint",
    open_minor="bigint",
    charged_principal_minor="bigint",
    charged_late_fee_minor="bigint",
    charged_mora_minor="bigint",
    charged_other_minor="bigint",
    paid_principal_minor="bigint",
    paid_late_fee_minor="bigint",
    paid_mora_minor="bigint",
    paid_other_minor="bigint",
    forgiven_principal_minor="bigint",
    forgiven_late_fee_minor="bigint",
    forgiven_mora_minor="bigint",
    forgiven_other_minor="bigint",
    policy_version="integer",
    due_on="date",
    issued_on="date",
    payable_until="date",
    late_on="date",
    mora_through="date",
    paid_on="date",
    was_overdue="boolean",
    status="text",
    currency="text",
    number="text",
)
AGING = SumTable(
    "aging_totals", {"currency": "text", "due_on": "date"}, ("invoice_count", "open_minor")
)
BALANCES = SumTable(
    "customer_balances",
    {"customer_id": "uuid", "currency": "text"},
    ("invoice_count", "open_minor", "overdue_minor"),
)
DASHBOARD = SumTable(
    "dashboard_totals",
    {"currency": "text", "status": "text"},
    ("invoice_count", "total_minor", "open_minor"),
)


class Folded(msgspec.Struct, gc=False):
    """An invoice's row while it is folded; the fields are the columns. Amounts are minor units of `currency`."""

    tenant_id: bytes
    invoice_id: bytes
    version: int = 0
    tenant_seq: int = 0
    customer_id: bytes = bytes(16)
    total_minor: int = 0
    open_minor: int = 0
    charged_principal_minor: int = 0
    charged_late_fee_minor: int = 0
    charged_mora_minor: int = 0
    charged_other_minor: int = 0
    paid_principal_minor: int = 0
    paid_late_fee_minor: int = 0
    paid_mora_minor: int = 0
    paid_other_minor: int = 0
    forgiven_principal_minor: int = 0
    forgiven_late_fee_minor: int = 0
    forgiven_mora_minor: int = 0
    forgiven_other_minor: int = 0
    policy_version: int = 0
    due_on: date = date.min
    issued_on: date | None = None
    payable_until: date | None = None
    late_on: date | None = None
    mora_through: date | None = None
    paid_on: date | None = None
    was_overdue: bool = False
    status: str = "draft"
    currency: str = ""
    number: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no invoice has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> list[Part]:
    """What the invoice adds: its open amount to ageing and to its customer, itself to its status."""
    tenant, currency, open_minor = row.tenant_id, row.currency, row.open_minor
    found = [Part(2, (tenant, currency, row.status), (1, row.total_minor, open_minor))]
    if open_minor:
        overdue_minor = open_minor if row.status == "overdue" else 0
        found.append(Part(0, (tenant, currency, row.due_on), (1, open_minor)))
        balance = (1, open_minor, overdue_minor)
        found.append(Part(1, (tenant, row.customer_id, currency), balance))
    return found


def _drafted(row: Folded, event: e.Drafted, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.currency = event.currency
    row.due_on = event.due_on
    row.total_minor = event.total_minor


def _redrafted(row: Folded, event: e.Redrafted, on: date) -> None:
    row.due_on = event.due_on
    row.total_minor = event.total_minor


def _sent(row: Folded, event: e.Sent, on: date) -> None:
    row.status = "sent"
    row.number = event.number
    row.issued_on = event.issued_on
    row.due_on = event.due_on
    row.payable_until = event.payable_until
    row.late_on = event.late_on
    row.policy_version = event.policy.version
    row.charged_principal_minor = row.total_minor
    row.open_minor += row.total_minor


def _due_date_moved(row: Folded, event: e.DueDateMoved, on: date) -> None:
    row.due_on = event.due_on
    row.payable_until = event.payable_until
    row.late_on = event.late_on
    row.was_overdue = False
    if row.status == "overdue":
        row.status = "sent"


def _became_overdue(row: Folded, event: e.BecameOverdue, on: date) -> None:
    row.status = "overdue"
    row.was_overdue = True


def _late_fee_charged(row: Folded, event: e.LateFeeCharged, on: date) -> None:
    row.charged_late_fee_minor += event.amount_minor
    row.open_minor += event.amount_minor


def _mora_posted(row: Folded, event: e.MoraPosted, on: date) -> None:
    row.charged_mora_minor += event.amount_minor
    row.open_minor += event.amount_minor
    row.mora_through = event.through


def _payment_received(row: Folded, event: e.PaymentReceived, on: date) -> None:
    _pay(row, event.split)
    _settle(row, on)


def _payment_reversed(row: Folded, event: e.PaymentReversed, on: date) -> None:
    _pay(row, -event.split)
    _settle(row, on)


def _charges_recalculated(row: Folded, event: e.ChargesRecalculated, on: date) -> None:
    row.charged_late_fee_minor += event.late_fee_minor
    row.charged_mora_minor += event.mora_minor
    row.open_minor += event.late_fee_minor + event.mora_minor
    row.mora_through = event.through
    _pay(row, event.moved)
    _forgive(row, event.forgiven)
    _settle(row, on)


def _voided(row: Folded, event: e.Voided, on: date) -> None:
    row.status = "void"
    _forgive(row, event.forgiven)


def _cancelled(row: Folded, event: e.Cancelled, on: date) -> None:
    row.status = "cancelled"
    _forgive(row, event.forgiven)


def _pay(row: Folded, split: Split) -> None:
    row.paid_principal_minor += split.principal
    row.paid_late_fee_minor += split.late_fee
    row.paid_mora_minor += split.mora
    row.paid_other_minor += split.other_fees
    row.open_minor -= split.total


def _forgive(row: Folded, split: Split) -> None:
    row.forgiven_principal_minor += split.principal
    row.forgiven_late_fee_minor += split.late_fee
    row.forgiven_mora_minor += split.mora
    row.forgiven_other_minor += split.other_fees
    row.open_minor -= split.total


def _settle(row: Folded, on: date) -> None:
    """The status that follows from what is open, as `ledger.invoice.state` has it."""
    if row.open_minor == 0:
        if row.status in ("sent", "overdue"):
            row.status, row.paid_on = "paid", on
    elif row.status in ("paid", "cancelled"):
        row.status, row.paid_on = "overdue" if row.was_overdue else "sent", None


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.MoraPosted: _mora_posted,
    e.Drafted: _drafted,
    e.Redrafted: _redrafted,
    e.Sent: _sent,
    e.DueDateMoved: _due_date_moved,
    e.BecameOverdue: _became_overdue,
    e.LateFeeCharged: _late_fee_charged,
    e.PaymentReceived: _payment_received,
    e.PaymentReversed: _payment_reversed,
    e.ChargesRecalculated: _charges_recalculated,
    e.Voided: _voided,
    e.Cancelled: _cancelled,
}

INVOICES = Projection(
    name="invoices",
    version=1,
    stream="invoice",
    table=TABLE,
    sums=(AGING, BALANCES, DASHBOARD),
    row=Folded,
    fold=fold,
    parts=parts,
    shortcut=nightly_interest.post,
)
