"""What an event of an invoice writes into its customer's statement: kinds of entries, and the columns they count in.

An entry's amount is signed: what is owed more is above zero. The amounts of one event add up to the change of what is
open. An event that moves an amount without changing what is open is two entries, so that the columns tell of it: a
recovery is a payment and reverses as much of the write-off, and what goes over to the customer's credit is owed no
longer and paid no longer.
"""

from collections.abc import Callable
from datetime import date
from typing import Any, Literal, NamedTuple
from uuid import UUID

from ledger.event_registry import Event
from ledger.invoice import events as e
from projections.invoices.fold import Folded

Kind = Literal[
    "invoice",
    "instalment",
    "late_fee",
    "fee",
    "interest",
    "payment",
    "credit_applied",
    "recovery",
    "payment_reversed",
    "payment_reallocated",
    "charge_back",
    "to_credit",
    "waiver",
    "small_balance",
    "interest_returned",
    "credit_note",
    "written_off",
    "renegotiated",
    "void",
    "cancelled",
]
Column = Literal["invoiced", "charges", "payments", "forgiven"]

COLUMNS: dict[Kind, Column] = {
    "invoice": "invoiced",
    "instalment": "invoiced",
    "late_fee": "charges",
    "fee": "charges",
    "interest": "charges",
    "payment": "payments",
    "credit_applied": "payments",
    "recovery": "payments",
    "payment_reversed": "payments",
    "payment_reallocated": "payments",
    "charge_back": "payments",
    "to_credit": "payments",
    "waiver": "forgiven",
    "small_balance": "forgiven",
    "interest_returned": "forgiven",
    "credit_note": "forgiven",
    "written_off": "forgiven",
    "renegotiated": "forgiven",
    "void": "forgiven",
    "cancelled": "forgiven",
}

_MONEY: dict[e.ImputationKind, Kind] = {
    "payment": "payment",
    "credit": "credit_applied",
    "charge_back": "charge_back",
}
_FORGIVEN_AS: dict[e.ImputationKind, Kind] = {
    "void": "void",
    "cancelled": "cancelled",
    "waived": "waiver",
    "interest_returned": "interest_returned",
    "written_off": "written_off",
    "renegotiated": "renegotiated",
}


class Change(NamedTuple):
    """One entry's kind and signed minor units; its day and payment, where the event has several."""

    kind: Kind
    minor: int
    on: date | None = None
    payment_id: UUID | None = None


def changes(row: Folded, event: Event) -> list[Change]:
    """What an event writes into the statement, given its invoice's row after it; nothing where no amount moved.

    What is owed more comes first, so that two entries of one event take the balance no further down than it ends.
    """
    write = _WRITES.get(type(event))
    found = [] if write is None else [change for change in write(row, event) if change.minor]
    return sorted(found, key=lambda change: -change.minor)


def _sent(row: Folded, event: e.Sent) -> list[Change]:
    return [Change("invoice" if row.agreement_id is None else "instalment", row.total_minor)]


def _reversed(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    def write(row: Folded, event: Any) -> list[Change]:
        recovered_minor = event.recovered.total
        back = Change(kind, event.split.total + recovered_minor)
        return [back, Change("written_off", -recovered_minor)]

    return write


def _paid(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    def write(row: Folded, event: Any) -> list[Change]:
        recovered_minor = event.recovered.total
        return [
            Change(kind, -event.split.total),
            Change("recovery", -recovered_minor),
            Change("written_off", recovered_minor),
        ]

    return write


def _recalculated(row: Folded, event: e.Recalculated) -> list[Change]:
    """Fee and interest on their days, and what facts cover otherwise on theirs."""
    found = [Change("late_fee", one.minor, one.on) for one in event.late_fee]
    for run in event.mora:
        found += [Change("interest", one.minor, one.on) for one in run.by_day()]
    for one in event.imputations:
        found += _reimputed(one)
    for small in event.small_balances:
        minor = small.before.total - small.after.total
        found.append(Change("small_balance", minor, small.on))
    return found


def _reimputed(one: e.Reimputed) -> list[Change]:
    change = one.after - one.before
    kind = _MONEY.get(one.kind)
    if kind is not None:
        recovered_minor = change.recovered.total
        return [
            Change(kind, -change.paid.total, one.on, one.source_id),
            Change("recovery", -recovered_minor, one.on, one.source_id),
            Change("written_off", recovered_minor, one.on),
        ]
    if one.kind == "credited":
        return [Change("to_credit", -change.forgiven.total - change.paid.total, one.on)]
    return [Change(_FORGIVEN_AS[one.kind], -change.forgiven.total, one.on)]


def _credited(row: Folded, event: e.Credited) -> list[Change]:
    return [Change("credit_note", -event.total_minor), Change("to_credit", event.credit_minor)]


def _forgiven(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    return lambda row, event: [Change(kind, -event.forgiven.total)]


def _amount(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    return lambda row, event: [Change(kind, event.amount_minor)]


_WRITES: dict[type[Event], Callable[[Folded, Any], list[Change]]] = {
    e.Sent: _sent,
    e.LateFeeCharged: _amount("late_fee"),
    e.FeeCharged: _amount("fee"),
    e.MoraPosted: _amount("interest"),
    e.Recalculated: _recalculated,
    e.PaymentReceived: _paid("payment"),
    e.CreditApplied: _paid("credit_applied"),
    e.PaymentReversed: _reversed("payment_reversed"),
    e.PaymentReallocated: _reversed("payment_reallocated"),
    e.PaymentChargedBack: _reversed("charge_back"),
    e.Waived: _forgiven("waiver"),
    e.Credited: _credited,
    e.SmallBalanceWaived: _forgiven("small_balance"),
    e.InterestReturned: _forgiven("interest_returned"),
    e.WrittenOff: _forgiven("written_off"),
    e.Renegotiated: _forgiven("renegotiated"),
    e.Voided: _forgiven("void"),
    e.Cancelled: _forgiven("cancelled"),
}
