"""Payments: receive over one invoice, several, or whatever the customer owes; reverse.

Arrived money is never refused for an invoice's state or amount: what no invoice takes becomes the customer's
credit in its own currency, flagged for a person (decision 10).
"""

import re
from datetime import date
from typing import NamedTuple
from uuid import UUID

import msgspec

from commands.credit import pass_on_credit
from commands.tenants import today
from commands.unit import AlreadyExists, Unit, load
from ledger.customer import CreditAdded, CreditWithdrawn
from ledger.errors import Rejected
from ledger.events import New
from ledger.invoice import adjusting, issuing, settling
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money, positive_minor
from ledger.payment import (
    Allocated,
    Payment,
    Received,
    ReceivedInFuture,
    ReceivedTooEarly,
    reverse,
)


class NoPayer(Rejected):
    """A payment must say whose it is: a customer, an invoice, or allocations."""


class OverAllocated(Rejected):
    """The allocations add up to more than the payment."""


class SeveralCustomers(Rejected):
    """The invoices of one payment must be of one customer."""


class AllocatedTwice(Rejected):
    """A payment names each invoice once."""


class TwoTargets(Rejected):
    """A payment says one invoice or allocations, not both."""


class CurrencyDiffers(Rejected):
    """An allocation is in another currency than the payment."""


class Allocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a payment is meant for an invoice."""

    invoice_id: UUID
    amount: Money


class ReceivePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money that arrived. Say one of: `invoice_id`; `allocations`; `customer_id`, then oldest due first.

    `received_on` is the value date, today when left out.
    """

    amount: Money
    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    allocations: tuple[Allocation, ...] = ()
    received_on: date | None = None
    reference: str = ""


class ReversePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    reason: str


class AllocationView(msgspec.Struct, frozen=True):
    invoice_id: UUID
    amount: Money


class PaymentView(msgspec.Struct, frozen=True):
    """A payment. The reference is sealed here and opened when the answer is written out."""

    id: UUID
    customer_id: UUID
    status: str
    amount: Money
    received_on: date
    reference: str
    allocations: list[AllocationView]
    unapplied: Money


class Offer(NamedTuple):
    """Money offered to an invoice: at most so much of the payment."""

    invoice_id: UUID
    invoice: Invoice
    most_minor: int


_DIGITS = re.compile(r"([0-9]+)")

_WHY_CREDIT = {
    "excess": "more was paid than was owed",
    "nothing_open": "no invoice of the customer was open",
    "other_currency": "the invoice is in another currency",
    "invoice_draft": "the invoice is a draft and owes nothing yet",
    "invoice_paid": "the invoice was paid already",
    "invoice_void": "the invoice is void",
    "invoice_cancelled": "the invoice was cancelled",
}
"""By the flag that asks a person to look at it."""


def receive_payment(unit: Unit, command: ReceivePayment) -> PaymentView:
    """Receives money that arrived.

    Raises Unknown, NoPayer, TwoTargets, OverAllocated, AllocatedTwice, SeveralCustomers, CurrencyDiffers,
    ReceivedInFuture, ReceivedTooEarly, and the refusals of a malformed amount.
    """
    payment_id = unit.new_id("payment")
    return receive_as(unit, payment_id, command, today(unit))


def receive_as(
    unit: Unit, payment_id: UUID, command: ReceivePayment, today_on: date
) -> PaymentView:
    """Receives a payment under a given id, on a given business date."""
    if unit.find("payment", payment_id) is not None:
        raise AlreadyExists(f"payment {payment_id} exists; its idempotency key was used before")
    amount_minor = positive_minor(command.amount)
    received_on = command.received_on or today_on
    if received_on < issuing.FIRST_ISSUE_ON:
        raise ReceivedTooEarly(
            f"received_on {received_on} lies before {issuing.FIRST_ISSUE_ON}; check the year",
            field="received_on",
        )
    if received_on > today_on:
        raise ReceivedInFuture(
            f"received_on {received_on} has not come; today is {today_on}", field="received_on"
        )
    customer_id, offers = _offers(unit, command, amount_minor)
    allocations: list[Allocated] = []
    rest_minor = amount_minor
    flag = "excess" if offers else "nothing_open"
    for invoice_id, invoice, most_minor in offers:
        refused = _refused(invoice, command.amount.currency)
        if refused:
            flag = refused
            continue
        offered_minor = min(most_minor, rest_minor)
        if not offered_minor:
            continue
        decision, left_minor = settling.receive(
            invoice, payment_id, offered_minor, received_on, today_on
        )
        if left_minor == offered_minor:
            continue
        unit.append("invoice", invoice_id, decision.new)
        pass_on_credit(unit, invoice_id, invoice, decision.new)
        allocations.append(Allocated(invoice_id, offered_minor - left_minor))
        rest_minor -= offered_minor - left_minor
    received = Received(
        customer_id=customer_id,
        currency=command.amount.currency,
        amount_minor=amount_minor,
        received_on=received_on,
        allocations=tuple(allocations),
        unapplied_minor=rest_minor,
        reference=unit.seal(customer_id, command.reference),
    )
    state = unit.append("payment", payment_id, [New(received, received_on)])
    if rest_minor:
        credit = CreditAdded(
            currency=command.amount.currency,
            amount_minor=rest_minor,
            because=_WHY_CREDIT[flag],
            payment_id=payment_id,
            flag=flag,
        )
        unit.append("customer", customer_id, [New(credit, received_on)])
    return payment_view(payment_id, state)


def reverse_payment(unit: Unit, payment_id: UUID, command: ReversePayment) -> PaymentView:
    """Takes a payment back from everything it covered. Raises Unknown, AlreadyReversed, ReasonMissing."""
    payment: Payment = load(unit, "payment", payment_id)
    reason = command.reason.strip()
    if not reason:
        raise adjusting.ReasonMissing(
            "give a reason; it is kept in the audit trail", field="reason"
        )
    event = reverse(payment, unit.seal(payment.customer_id, reason))
    now_on = today(unit)
    for allocated in payment.allocations:
        invoice: Invoice = load(unit, "invoice", allocated.invoice_id)
        decision = settling.reverse(invoice, payment_id, now_on)
        unit.append("invoice", allocated.invoice_id, decision.new)
        pass_on_credit(unit, allocated.invoice_id, invoice, decision.new)
    if payment.unapplied_minor:
        withdrawn = CreditWithdrawn(
            currency=payment.currency,
            amount_minor=payment.unapplied_minor,
            because="reversal of the payment it came from",
            payment_id=payment_id,
        )
        unit.append("customer", payment.customer_id, [New(withdrawn, payment.received_on)])
    state = unit.append("payment", payment_id, [New(event, payment.received_on)])
    return payment_view(payment_id, state)


def payment_view(payment_id: UUID, payment: Payment) -> PaymentView:
    currency = payment.currency
    return PaymentView(
        id=payment_id,
        customer_id=payment.customer_id,
        status=payment.status,
        amount=Money.of(payment.amount_minor, currency),
        received_on=payment.received_on,
        reference=payment.reference,
        allocations=[
            AllocationView(part.invoice_id, Money.of(part.amount_minor, currency))
            for part in payment.allocations
        ],
        unapplied=Money.of(payment.unapplied_minor, currency),
    )


def _offers(unit: Unit, command: ReceivePayment, amount_minor: int) -> tuple[UUID, list[Offer]]:
    """Whose money it is, and to which invoices it is offered, in order."""
    if command.allocations:
        return _named(unit, command, amount_minor)
    if command.invoice_id is not None:
        invoice: Invoice = load(unit, "invoice", command.invoice_id)
        _same_customer(command.customer_id, invoice.customer_id, "invoice_id")
        return invoice.customer_id, [Offer(command.invoice_id, invoice, amount_minor)]
    if command.customer_id is None:
        raise NoPayer("say customer_id, invoice_id or allocations", field="customer_id")
    load(unit, "customer", command.customer_id)
    owed = [
        Offer(invoice_id, invoice, amount_minor)
        for invoice_id, invoice in unit.payable(command.customer_id)
        if invoice.currency == command.amount.currency
    ]
    owed.sort(key=lambda offer: (offer.invoice.due_on, _by_number(offer.invoice), offer.invoice_id))
    return command.customer_id, owed


def _named(unit: Unit, command: ReceivePayment, amount_minor: int) -> tuple[UUID, list[Offer]]:
    if command.invoice_id is not None:
        raise TwoTargets("say invoice_id or allocations, not both", field="allocations")
    customer_id = command.customer_id
    offers: list[Offer] = []
    for index, allocation in enumerate(command.allocations):
        field = f"allocations[{index}]"
        if allocation.amount.currency != command.amount.currency:
            raise CurrencyDiffers(
                f"the payment is in {command.amount.currency}; allocate in the same currency",
                field=f"{field}.amount",
            )
        most_minor = positive_minor(allocation.amount, f"{field}.amount")
        if any(allocation.invoice_id == offer.invoice_id for offer in offers):
            raise AllocatedTwice("name each invoice once", field=f"{field}.invoice_id")
        invoice: Invoice = load(unit, "invoice", allocation.invoice_id)
        _same_customer(customer_id, invoice.customer_id, f"{field}.invoice_id")
        customer_id = invoice.customer_id
        offers.append(Offer(allocation.invoice_id, invoice, most_minor))
    if sum(offer.most_minor for offer in offers) > amount_minor:
        raise OverAllocated("the allocations add up to more than the payment", field="allocations")
    assert customer_id is not None
    return customer_id, offers


def _refused(invoice: Invoice, currency: str) -> str:
    """The flag of money that this invoice cannot take at all; empty when it can."""
    if invoice.currency != currency:
        return "other_currency"
    return "" if invoice.status in OPEN else f"invoice_{invoice.status}"


def _by_number(invoice: Invoice) -> list[tuple[int, str]]:
    """Numbers in the order of their digits' value: INV-9 before INV-10."""
    return [
        (int(part), "") if part.isdecimal() else (0, part) for part in _DIGITS.split(invoice.number)
    ]


def _same_customer(expected: UUID | None, found: UUID, field: str) -> None:
    if expected is not None and expected != found:
        raise SeveralCustomers("the invoice is of another customer", field=field)
