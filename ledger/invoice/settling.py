"""Settling an invoice: money that is offered to it, and offers that are reversed.

The decisions take what is offered and return what is left over: money is never refused for its amount.
"""

import re
from datetime import date
from uuid import UUID

from ledger.errors import Rejected
from ledger.invoice import events as e
from ledger.invoice.accrual import Decision, bring_up_to_date
from ledger.invoice.charges import terms_of
from ledger.invoice.preconditions import NotOpen
from ledger.invoice.recording import change_offers, impute
from ledger.invoice.sources import NO_ROOM, Room
from ledger.invoice.state import OPEN, Imputation, Invoice, taken_over_on

_DIGITS = re.compile(r"([0-9]+)")


class NotItsPayment(Rejected):
    """The payment offers nothing to this invoice, or no longer so much."""


def takes_money(invoice: Invoice) -> bool:
    """Whether a payment can cover anything of it today: what is open, or what was written off."""
    return invoice.status in OPEN or invoice.written_off.total > 0


def takes_offers(invoice: Invoice) -> bool:
    """Whether money can be offered to it: also to what is closed, as facts to come may open it again."""
    return invoice.terms is not None and invoice.status != "void"


def by_number(invoice: Invoice) -> list[tuple[int, str]]:
    """Numbers in the order of their digits' value: INV-9 before INV-10."""
    return [
        (int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(invoice.number)
    ]


def counts_from(invoice: Invoice) -> date:
    """The first day on which a fact that covers something can count: the issue date, or the day on which an agreement
    took over what was open."""
    return max(terms_of(invoice).issued_on, taken_over_on(invoice) or date.min)


def offered_minor(invoice: Invoice, payment_id: UUID) -> int:
    """What a payment, and credit from it, offers to the invoice, charge-backs taken off, in minor units."""
    return sum(
        -one.asked_minor if one.kind == "charge_back" else one.asked_minor
        for one in invoice.imputations
        if one.source_id == payment_id and one.kind in ("payment", "credit", "charge_back")
    )


def receive(
    invoice: Invoice,
    payment_id: UUID,
    amount_minor: int,
    value_on: date,
    today: date,
    room: Room = NO_ROOM,
    *,
    reallocated: bool = False,
) -> tuple[Decision, int]:
    """Records money that a payment offers; returns the events and what is left over. Raises NotOpen.

    The amount covers what was open at its place among the facts, in the policy's order, and then what was written off.
    What it changes of later facts follows as one event (ADR 0020).
    """
    _require_offers(invoice)
    on = max(value_on, counts_from(invoice))
    one = Imputation("payment", on, payment_id, amount_minor, reallocated=reallocated)

    def received(covered: e.Covered) -> e.PaymentReceived:
        return e.PaymentReceived(
            payment_id, covered.paid, amount_minor, covered.recovered, reallocated
        )

    arrived = room._replace(brings_minor=amount_minor)
    decision = impute(invoice, one, received, today, f"payment {payment_id}", arrived)
    return decision, amount_minor - _taken_by_last(decision, len(invoice.imputations))


def apply_credit(
    invoice: Invoice, source_id: UUID, amount_minor: int, on: date, today: date, room: Room
) -> tuple[Decision, int]:
    """Records credit from one source that is applied; returns the events and what is left over. Raises NotOpen.

    `room` holds what is left of the credit.
    """
    _require_offers(invoice)
    one = Imputation("credit", max(on, counts_from(invoice)), source_id, amount_minor)

    def applied(covered: e.Covered) -> e.CreditApplied:
        return e.CreditApplied(source_id, covered.paid, amount_minor, covered.recovered)

    others = {**room.credit, source_id: room.of(source_id) - amount_minor}
    drawn = room._replace(credit=others, brings_minor=amount_minor)
    decision = impute(invoice, one, applied, today, f"credit from {source_id}", drawn)
    return decision, amount_minor - _taken_by_last(decision, len(invoice.imputations))


def reverse(
    invoice: Invoice, payment_id: UUID, amount_minor: int, today: date, room: Room = NO_ROOM
) -> Decision:
    """Takes so much off what a payment offers, credit from it too, the last offer first, as if it never had been.

    Raises NotItsPayment.
    """

    def reversed_(at: int, less_minor: int, less: e.Covered) -> e.PaymentReversed:
        return e.PaymentReversed(payment_id, at, less_minor, less.paid, less.recovered)

    offers = _last_offers(invoice, payment_id, amount_minor)
    because = f"reversal of payment {payment_id}"
    return change_offers(invoice, offers, reversed_, today, because, room)


def reallocate(
    invoice: Invoice, payment_id: UUID, amount_minor: int, today: date, room: Room = NO_ROOM
) -> Decision:
    """Takes so much off what a payment offers, because a person offers it to other invoices; below zero, it offers so
    much more, in its own place. Raises NotItsPayment."""

    def reallocated(at: int, less_minor: int, less: e.Covered) -> e.PaymentReallocated:
        return e.PaymentReallocated(payment_id, at, less_minor, less.paid, less.recovered)

    because = f"reallocation of payment {payment_id}"
    if amount_minor > 0:
        offers = _last_offers(invoice, payment_id, amount_minor)
        return change_offers(invoice, offers, reallocated, today, because, room)
    offers = {_first_offer(invoice, payment_id): amount_minor}
    credit = {**room.credit, payment_id: room.of(payment_id) - amount_minor}
    more = room._replace(credit=credit)
    return change_offers(invoice, offers, reallocated, today, because, more)


def charge_back(
    invoice: Invoice,
    payment_id: UUID,
    amount_minor: int,
    on: date,
    today: date,
    room: Room = NO_ROOM,
) -> Decision:
    """Takes so much back of what a payment offers, from a day on: until then it stood. Credit from it that was applied
    later covers nothing any more. Raises NotItsPayment."""
    _require_offered(invoice, payment_id, amount_minor)
    one = Imputation("charge_back", on, payment_id, amount_minor)

    def charged_back(covered: e.Covered) -> e.PaymentChargedBack:
        return e.PaymentChargedBack(payment_id, amount_minor, -covered.paid, -covered.recovered)

    because = f"charge-back of payment {payment_id}"
    decision = impute(invoice, one, charged_back, today, because, room)
    for event, effective_on in bring_up_to_date(decision.invoice, today).new:
        decision.add(event, effective_on)  # what is open again may be late since
    return decision


def _last_offers(invoice: Invoice, payment_id: UUID, amount_minor: int) -> dict[int, int]:
    """What is taken off each of a payment's offers, by place. Raises NotItsPayment."""
    _require_offered(invoice, payment_id, amount_minor)
    offers: dict[int, int] = {}
    for at, one in reversed(list(enumerate(invoice.imputations))):
        if one.source_id == payment_id and one.kind in ("payment", "credit"):
            less_minor = min(amount_minor, one.asked_minor)
            if less_minor:
                offers[at] = less_minor
                amount_minor -= less_minor
    return offers


def _first_offer(invoice: Invoice, payment_id: UUID) -> int:
    """The place of what a payment offers. Raises NotItsPayment."""
    for at, one in enumerate(invoice.imputations):
        if one.source_id == payment_id and one.kind == "payment":
            return at
    raise NotItsPayment(f"payment {payment_id} offers nothing to invoice {invoice.number}")


def offers(invoice: Invoice, payment_id: UUID) -> bool:
    """Whether a payment offers, or has offered, something to the invoice."""
    return any(one.source_id == payment_id and one.kind == "payment" for one in invoice.imputations)


def _require_offered(invoice: Invoice, payment_id: UUID, amount_minor: int) -> None:
    if not 0 < amount_minor <= offered_minor(invoice, payment_id):
        raise NotItsPayment(
            f"payment {payment_id} does not offer so much to invoice {invoice.number}"
        )


def _require_offers(invoice: Invoice) -> None:
    if not takes_offers(invoice):
        raise NotOpen(f"the invoice is {invoice.status}, so nothing can be paid on it")


def _taken_by_last(decision: Decision, at: int) -> int:
    return decision.invoice.imputations[at].covered.money_minor
