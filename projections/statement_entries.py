"""What an event of an invoice writes into its customer's statement: kinds of entries, and the columns they count in.

An entry's amount is signed: what is owed more is above zero. The amounts of one event add up to the change of what is
open. An event that moves an amount without changing what is open is two entries, so that the columns tell of it: a
recovery is a payment and takes back as much of the write-off, and what goes over to the customer's credit is owed no
longer and paid no longer.
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

from ledger.events import Event
from ledger.invoice import events as e
from projections.invoices import Folded

Kind = Literal[
    "invoice",
    "instalment",
    "late_fee",
    "fee",
    "interest",
    "adjustment",
    "payment",
    "credit_applied",
    "recovery",
    "payment_reversed",
    "charge_back",
    "to_credit",
    "waiver",
    "credit_note",
    "written_off",
    "renegotiated",
    "void",
    "cancelled",
]
Column = Literal["invoiced", "charges", "payments", "given_up"]

COLUMNS: dict[Kind, Column] = {
    "invoice": "invoiced",
    "instalment": "invoiced",
    "late_fee": "charges",
    "fee": "charges",
    "interest": "charges",
    "adjustment": "charges",
    "payment": "payments",
    "credit_applied": "payments",
    "recovery": "payments",
    "payment_reversed": "payments",
    "charge_back": "payments",
    "to_credit": "payments",
    "waiver": "given_up",
    "credit_note": "given_up",
    "written_off": "given_up",
    "renegotiated": "given_up",
    "void": "given_up",
    "cancelled": "given_up",
}

_GIVEN_UP: dict[e.GivenUpAs, Kind] = {
    "void": "void",
    "cancelled": "cancelled",
    "waived": "waiver",
    "credited": "credit_note",
    "written_off": "written_off",
    "renegotiated": "renegotiated",
}


class Change(NamedTuple):
    """One entry's kind and signed minor units."""

    kind: Kind
    minor: int


def changes(row: Folded, event: Event) -> list[Change]:
    """What an event writes into the statement, given its invoice's row after it; nothing where no amount moved.

    What is owed more comes first, so that two entries of one event take the balance no further down than it ends.
    """
    write = _WRITES.get(type(event))
    found = [] if write is None else [change for change in write(row, event) if change.minor]
    return sorted(found, key=lambda change: -change.minor)


def _sent(row: Folded, event: e.Sent) -> list[Change]:
    return [Change("invoice" if row.agreement_id is None else "instalment", row.total_minor)]


def _taken_back(
    kind: Kind,
) -> Callable[[Folded, e.PaymentReversed | e.PaymentChargedBack], list[Change]]:
    def write(row: Folded, event: e.PaymentReversed | e.PaymentChargedBack) -> list[Change]:
        recovered_minor = event.recovered.total
        back = Change(kind, event.split.total + recovered_minor)
        return [back, Change("written_off", -recovered_minor)]

    return write


def _recovered(row: Folded, event: e.Recovered) -> list[Change]:
    return [Change("recovery", -event.split.total), Change("written_off", event.split.total)]


def _recalculated(row: Folded, event: e.ChargesRecalculated) -> list[Change]:
    """Fee and interest, what of the overpaid went to credit, and what had been given up of the difference."""
    found = [
        Change("adjustment", event.late_fee_minor + event.mora_minor),
        Change("to_credit", -event.moved.total),
    ]
    if not event.forgiven_of:  # an event that only knew void and cancelled
        return [*found, Change("adjustment", -event.forgiven.total)]
    return [*found, *(Change(_GIVEN_UP[one.way], -one.split.total) for one in event.forgiven_of)]


def _credited(row: Folded, event: e.Credited) -> list[Change]:
    to_credit_minor = event.total_minor - event.forgiven.total
    return [Change("credit_note", -event.total_minor), Change("to_credit", to_credit_minor)]


def _given_up(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    return lambda row, event: [Change(kind, -event.forgiven.total)]


def _amount(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    return lambda row, event: [Change(kind, event.amount_minor)]


def _split(kind: Kind) -> Callable[[Folded, Any], list[Change]]:
    return lambda row, event: [Change(kind, -event.split.total)]


_WRITES: dict[type[Event], Callable[[Folded, Any], list[Change]]] = {
    e.Sent: _sent,
    e.LateFeeCharged: _amount("late_fee"),
    e.FeeCharged: _amount("fee"),
    e.MoraPosted: _amount("interest"),
    e.ChargesRecalculated: _recalculated,
    e.PaymentReceived: _split("payment"),
    e.CreditApplied: _split("credit_applied"),
    e.Recovered: _recovered,
    e.PaymentReversed: _taken_back("payment_reversed"),
    e.PaymentChargedBack: _taken_back("charge_back"),
    e.Waived: _given_up("waiver"),
    e.Credited: _credited,
    e.WrittenOff: _given_up("written_off"),
    e.Renegotiated: _given_up("renegotiated"),
    e.Voided: _given_up("void"),
    e.Cancelled: _given_up("cancelled"),
}
