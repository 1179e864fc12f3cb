"""Settling an invoice: payments and credit that cover it, and payments that are taken back.

The decisions take what is offered and return what is left over: money is never refused for its amount.
"""

import re
from datetime import date
from uuid import UUID

from ledger.allocation import Split, waterfall
from ledger.errors import Rejected
from ledger.invoice import charges
from ledger.invoice import events as e
from ledger.invoice.accrual import (
    Decision,
    bring_up_to_date,
    promise_after_all,
    recalculate,
    reopen,
)
from ledger.invoice.evolving import evolve
from ledger.invoice.issuing import NotOpen
from ledger.invoice.recalculation import is_timely, still_owed
from ledger.invoice.state import NOTHING, OPEN, Invoice

_DIGITS = re.compile(r"([0-9]+)")


class NotItsPayment(Rejected):
    """The payment has no part in this invoice, or was reversed already."""


def takes_money(invoice: Invoice) -> bool:
    """Whether a payment can cover anything of it: what is open, or what was written off."""
    return invoice.status in OPEN or invoice.status == "written_off"


def by_number(invoice: Invoice) -> list[tuple[int, str]]:
    """Numbers in the order of their digits' value: INV-9 before INV-10."""
    return [
        (int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(invoice.number)
    ]


def payable(invoice: Invoice, value_on: date) -> Split:
    """What a payment of that value date can cover, by component, once the invoice was brought up to date.

    A later recorded payment covers fee and interest only as far as they were owed on its own date.
    """
    fee_minor, _ = charges.late_fee(invoice, value_on)
    mora_minor = charges.cumulative_mora(invoice, value_on)
    covered = invoice.paid + invoice.forgiven
    return Split(
        other_fees=invoice.open.other_fees,
        late_fee=max(0, min(invoice.open.late_fee, fee_minor - covered.late_fee)),
        mora=max(0, min(invoice.open.mora, mora_minor - covered.mora)),
        principal=invoice.open.principal,
    )


def receive(
    invoice: Invoice, payment_id: UUID, amount_minor: int, value_on: date, today: date
) -> tuple[Decision, int]:
    """Applies a payment; returns the events and what is left over. Raises NotOpen.

    The amount covers what was owed on the value date, in the policy's order. When that date lies before another
    fact or before the day up to which charges stand, what is left over covers the fee and interest that the later
    facts leave open, and what the payment changes follows as one event (decision 6). A payment dated before the
    invoice was issued counts from the issue date: there was no debt to pay before. What then is left over brings back
    what was written off, from that day at the earliest.
    """
    return _cover(invoice, payment_id, amount_minor, value_on, today, e.PaymentReceived)


def apply_credit(
    invoice: Invoice, source_id: UUID, amount_minor: int, today: date
) -> tuple[Decision, int]:
    """Applies credit from one source, today; returns the events and what is left over. Raises NotOpen."""
    return _cover(invoice, source_id, amount_minor, today, today, e.CreditApplied)


def reverse(invoice: Invoice, payment_id: UUID, today: date) -> Decision:
    """Takes a payment back, its later applied credit too, each part effective on its own date; what it had closed is
    open and has borne interest. Raises NotItsPayment."""
    parts = [part for part in invoice.received if part.source_id == payment_id]
    if not parts:
        raise NotItsPayment(f"payment {payment_id} has no part in invoice {invoice.number}")
    decision = bring_up_to_date(invoice, today)
    for part in parts:
        decision.add(e.PaymentReversed(payment_id, part.split, part.recovered), part.on)
    reopen(decision, today, because=f"reversal of payment {payment_id}")
    promise_after_all(decision)
    return decision


def charge_back(invoice: Invoice, payment_id: UUID, on: date, today: date) -> Decision:
    """Takes a payment back from a day on: until then it stood. Credit that was applied later stands until its own day.

    Raises NotItsPayment.
    """
    parts = [part for part in invoice.received if part.source_id == payment_id]
    if not parts:
        raise NotItsPayment(f"payment {payment_id} has no part in invoice {invoice.number}")
    decision = bring_up_to_date(invoice, today)
    for part in parts:
        event = e.PaymentChargedBack(payment_id, part.split, part.recovered)
        decision.add(event, max(on, part.on))
    reopen(decision, today, because=f"charge-back of payment {payment_id}")
    promise_after_all(decision)
    return decision


def _cover(
    invoice: Invoice,
    source_id: UUID,
    amount_minor: int,
    value_on: date,
    today: date,
    covers: type[e.PaymentReceived] | type[e.CreditApplied],
) -> tuple[Decision, int]:
    if not takes_money(invoice) or invoice.terms is None:
        raise NotOpen(f"the invoice is {invoice.status}, so nothing is open on it")
    value_on = max(value_on, invoice.terms.issued_on)
    decision, rest_minor = Decision(invoice, []), amount_minor
    if invoice.status in OPEN:
        decision, rest_minor = _cover_open(
            invoice, source_id, amount_minor, value_on, today, covers
        )
    recovered, rest_minor = waterfall(
        rest_minor, decision.invoice.written_off, invoice.terms.policy.waterfall
    )
    if recovered.total:
        last = max(gift.on for gift in invoice.given_up if gift.way == "written_off")
        decision.add(e.Recovered(source_id, recovered), max(value_on, last))
    promise_after_all(decision)
    return decision, rest_minor


def _cover_open(
    invoice: Invoice,
    source_id: UUID,
    amount_minor: int,
    value_on: date,
    today: date,
    covers: type[e.PaymentReceived] | type[e.CreditApplied],
) -> tuple[Decision, int]:
    assert invoice.terms is not None
    order = invoice.terms.policy.waterfall
    decision = bring_up_to_date(invoice, value_on, settle=True)
    timely = is_timely(decision.invoice, value_on)
    split, rest_minor = waterfall(amount_minor, payable(decision.invoice, value_on), order)
    while rest_minor > 0 and not timely:
        # What it covers more may take the place of what was given up, so that more is owed in the end.
        more = still_owed(evolve(decision.invoice, covers(source_id, split), value_on))
        extra, rest_minor = waterfall(rest_minor, more, order)
        if extra == NOTHING:
            break
        split = split + extra
    if split == NOTHING:
        return Decision(invoice, []), rest_minor
    decision.add(covers(source_id, split), value_on)
    if not timely:
        recalculate(decision, today, because=f"payment {source_id}")
    return decision, rest_minor
