"""The read model `invoices`: a row per invoice, and the sums for aging, customers' balances and the dashboard.

Customers' names are encrypted, so invoices cannot be searched by them: find the customer by its reference first.
"""

from collections.abc import Callable
from datetime import date
from typing import Any

import msgspec

from ledger.event_registry import Event
from ledger.invoice import events as e
from ledger.waterfall import Split
from projections.agreements.break_even_totals import BREAK_EVEN, PORTFOLIO
from projections.engine.projection import Part, Projection
from projections.engine.tables import RowTable, SumTable
from projections.invoices import nightly_interest

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
    written_off_minor="bigint",
    lent_minor="bigint",
    disputed_minor="bigint",
    promised_minor="bigint",
    policy_version="integer",
    due_on="date",
    issued_on="date",
    payable_until="date",
    late_on="date",
    mora_through="date",
    paid_on="date",
    promised_on="date",
    promise_made_on="date",
    due_moved_on="date",
    closed_on="date",
    held_until="date",
    agreement_id="uuid",
    first_agreement_id="uuid",
    was_overdue="boolean",
    held="boolean",
    promise="text",
    closed_as="text",
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
    """An invoice's row while it is folded; the fields are the columns. Amounts are minor units of `currency`.

    written_off_minor  what of the forgiven amounts is written off, and not recovered
    disputed_minor     the disputed principal, 0 when there is no open dispute
    promise            of the last promise to pay: empty for none, `pending`, `kept` or `broken`
    due_moved_on       the day on which the due date was moved last
    closed_as          how the debt was closed last, when no money of a later day has paid anything of it; else empty
    closed_on          the day on which it was closed last in such a way
    held, held_until   dunning leaves the invoice alone, through a day where it says one
    agreement_id       of whose instalments it is one; first_agreement_id begins its chain of renegotiations
    lent_minor         its share of what that one lent
    """

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
    written_off_minor: int = 0
    lent_minor: int = 0
    disputed_minor: int = 0
    promised_minor: int = 0
    policy_version: int = 0
    due_on: date = date.min
    issued_on: date | None = None
    payable_until: date | None = None
    late_on: date | None = None
    mora_through: date | None = None
    paid_on: date | None = None
    promised_on: date | None = None
    promise_made_on: date | None = None
    due_moved_on: date | None = None
    closed_on: date | None = None
    held_until: date | None = None
    agreement_id: bytes | None = None
    first_agreement_id: bytes | None = None
    was_overdue: bool = False
    held: bool = False
    promise: str = ""
    closed_as: str = ""
    status: str = "draft"
    currency: str = ""
    number: str = ""


def fold(row: Folded, event: Event, effective_on: date) -> None:
    """Changes the row by one more event. Raises KeyError for an event that no invoice has."""
    _FOLDS[type(event)](row, event, effective_on)


def parts(row: Folded) -> list[Part]:
    """What the invoice adds: its open amount to aging and to its customer, itself to its status."""
    tenant, currency, open_minor = row.tenant_id, row.currency, row.open_minor
    found = [Part(2, (tenant, currency, row.status), (1, row.total_minor, open_minor))]
    if open_minor:
        overdue_minor = open_minor if row.status == "overdue" else 0
        found.append(Part(0, (tenant, currency, row.due_on), (1, open_minor)))
        balance = (1, open_minor, overdue_minor)
        found.append(Part(1, (tenant, row.customer_id, currency), balance))
    if row.first_agreement_id is not None:
        paid_minor = (
            row.paid_principal_minor
            + row.paid_late_fee_minor
            + row.paid_mora_minor
            + row.paid_other_minor
        )
        chain = (tenant, row.first_agreement_id, currency)
        found.append(Part(3, chain, (row.lent_minor, paid_minor)))
    return found


def _drafted(row: Folded, event: e.Drafted, on: date) -> None:
    row.customer_id = event.customer_id.bytes
    row.currency = event.currency
    row.due_on = event.due_on
    row.total_minor = event.total_minor
    if event.instalment is not None:
        row.agreement_id = event.instalment.agreement_id.bytes
        first_id = event.instalment.first_agreement_id or event.instalment.agreement_id
        row.first_agreement_id = first_id.bytes
        row.lent_minor = event.instalment.lent_minor


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
    row.held = event.imported
    row.charged_principal_minor = row.total_minor
    row.open_minor += row.total_minor


def _due_date_moved(row: Folded, event: e.DueDateMoved, on: date) -> None:
    if row.due_moved_on is not None and on < row.due_moved_on:
        return
    row.due_moved_on = on
    row.due_on = event.due_on
    row.payable_until = event.payable_until
    row.late_on = event.late_on


def _became_overdue(row: Folded, event: e.BecameOverdue, on: date) -> None:
    row.status = "overdue"
    row.was_overdue = True


def _late_fee_charged(row: Folded, event: e.LateFeeCharged, on: date) -> None:
    row.charged_late_fee_minor += event.amount_minor
    row.open_minor += event.amount_minor


def _fee_charged(row: Folded, event: e.FeeCharged, on: date) -> None:
    row.charged_other_minor += event.amount_minor
    row.open_minor += event.amount_minor
    _settle(row, on)


def _mora_posted(row: Folded, event: e.MoraPosted, on: date) -> None:
    row.charged_mora_minor += event.amount_minor
    row.open_minor += event.amount_minor
    row.mora_through = event.through


def _reference_rate_applied(row: Folded, event: e.ReferenceRateApplied, on: date) -> None:
    """A rate changes no amount; what it changes of interest is posted."""


def _payment_received(row: Folded, event: e.PaymentReceived | e.CreditApplied, on: date) -> None:
    _pay(row, event.split)
    _recover(row, event.recovered)
    is_after = row.closed_on is not None and on > row.closed_on
    if is_after and event.split.total + event.recovered.total:
        row.closed_as = ""
    _settle(row, on)


def _reversed(
    row: Folded, event: e.PaymentReversed | e.PaymentReallocated | e.PaymentChargedBack, on: date
) -> None:
    _pay(row, -event.split)
    _recover(row, -event.recovered)
    _settle(row, on)


def _recalculated(row: Folded, event: e.Recalculated, on: date) -> None:
    late_fee_minor, mora_minor = event.late_fee_minor, event.mora_minor
    row.charged_late_fee_minor += late_fee_minor
    row.charged_mora_minor += mora_minor
    row.open_minor += late_fee_minor + mora_minor
    row.mora_through = event.through
    row.was_overdue = event.overdue_on is not None
    for one in event.imputations:
        change = one.after - one.before
        _pay(row, change.paid)
        _recover(row, change.recovered)
        _forgive(row, change.forgiven)
        if one.kind == "written_off":
            row.written_off_minor += change.forgiven.total
    for small in event.small_balances:
        _forgive(row, small.after - small.before)
    if row.open_minor or event.settled_on is not None:  # else, as of a day, it says what came later
        row.closed_as = event.closed_as
    _settle(row, event.settled_on or on)


def _waived(row: Folded, event: Any, on: date) -> None:
    _forgive(row, event.forgiven)
    _settle(row, on)


def _credited(row: Folded, event: e.Credited, on: date) -> None:
    _forgive(row, event.forgiven)
    _pay(row, event.applied)
    _settle(row, on)


def _written_off(row: Folded, event: e.WrittenOff, on: date) -> None:
    _forgive(row, event.forgiven)
    row.written_off_minor += event.forgiven.total
    row.closed_as = ""
    _settle(row, on)


def _voided(row: Folded, event: e.Voided, on: date) -> None:
    _forgive(row, event.forgiven)
    row.status, row.paid_on = "void", None


def _closed(status: str) -> Callable[[Folded, Any, date], None]:
    def closed(row: Folded, event: Any, on: date) -> None:
        row.closed_as = status
        row.closed_on = max(on, row.closed_on or on)
        _forgive(row, event.forgiven)
        _settle(row, on)

    return closed


def _disputed(row: Folded, event: e.Disputed, on: date) -> None:
    row.disputed_minor = event.amount_minor


def _dispute_resolved(row: Folded, event: e.DisputeResolved, on: date) -> None:
    row.disputed_minor = 0


def _promised(row: Folded, event: e.Promised, on: date) -> None:
    if row.promise_made_on is not None and on < row.promise_made_on:
        return
    row.promise_made_on = on
    row.promised_on, row.promised_minor = event.promised_on, event.amount_minor
    row.promise = "pending"


def _promise_kept(row: Folded, event: e.PromiseKept, on: date) -> None:
    row.promise = "kept"


def _promise_broken(row: Folded, event: e.PromiseBroken, on: date) -> None:
    row.promise = "broken"


def _held(row: Folded, event: e.Held, on: date) -> None:
    row.held, row.held_until = True, event.until_on


def _released(row: Folded, event: e.Released, on: date) -> None:
    row.held, row.held_until = False, None


def _of_dunning(row: Folded, event: e.DunningStepTaken | e.DunningPlanChosen, on: date) -> None:
    """Dunning changes no amount; messages are a read model of their own."""


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


def _recover(row: Folded, split: Split) -> None:
    """What was written off counts as paid instead; below zero, the other way round."""
    _pay(row, split)
    _forgive(row, -split)
    row.written_off_minor -= split.total


def _settle(row: Folded, on: date) -> None:
    """The status that follows from what is open, as `ledger.invoice.evolve` has it."""
    if row.status in ("draft", "void"):
        return
    if row.open_minor:
        status = "overdue" if row.was_overdue else "sent"
    else:
        status = row.closed_as or ("written_off" if row.written_off_minor else "paid")
    if status != "paid":
        row.paid_on = None
    elif row.status != "paid":
        row.paid_on = on
    row.status = status


_FOLDS: dict[type[Event], Callable[[Folded, Any, date], None]] = {
    e.MoraPosted: _mora_posted,
    e.Drafted: _drafted,
    e.Redrafted: _redrafted,
    e.Sent: _sent,
    e.DueDateMoved: _due_date_moved,
    e.BecameOverdue: _became_overdue,
    e.LateFeeCharged: _late_fee_charged,
    e.FeeCharged: _fee_charged,
    e.PaymentReceived: _payment_received,
    e.CreditApplied: _payment_received,
    e.PaymentReversed: _reversed,
    e.PaymentReallocated: _reversed,
    e.PaymentChargedBack: _reversed,
    e.Recalculated: _recalculated,
    e.ReferenceRateApplied: _reference_rate_applied,
    e.Waived: _waived,
    e.InterestReturned: _waived,
    e.SmallBalanceWaived: _waived,
    e.Credited: _credited,
    e.WrittenOff: _written_off,
    e.Renegotiated: _closed("renegotiated"),
    e.Voided: _voided,
    e.Cancelled: _closed("cancelled"),
    e.Disputed: _disputed,
    e.DisputeResolved: _dispute_resolved,
    e.Promised: _promised,
    e.PromiseKept: _promise_kept,
    e.PromiseBroken: _promise_broken,
    e.Held: _held,
    e.Released: _released,
    e.DunningPlanChosen: _of_dunning,
    e.DunningStepTaken: _of_dunning,
}

INVOICES = Projection(
    name="invoices",
    version=3,
    streams=("invoice",),
    table=TABLE,
    sums=(AGING, BALANCES, DASHBOARD, BREAK_EVEN, PORTFOLIO),
    row=Folded,
    fold=fold,
    parts=parts,
    shortcut=nightly_interest.post,
)
