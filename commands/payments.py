"""Payments: receive over one invoice, several, or whatever the customer owes; reverse.

Arrived money is never refused for an invoice's state or amount: what no invoice takes becomes the customer's
credit in its own currency, flagged for a person (decision 10).
"""

from datetime import date
from uuid import UUID

import msgspec

from commands.tenants import today
from commands.unit import AlreadyExists, Unit, load
from ledger.customer import CreditAdded, CreditWithdrawn
from ledger.errors import Rejected
from ledger.events import New
from ledger.invoice import decisions
from ledger.invoice.events import ChargesRecalculated
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money, positive_minor
from ledger.payment import Allocated, Payment, Received, ReceivedInFuture, reverse


class NoPayer(Rejected):
    """A payment must say whose it is: a customer, an invoice, or allocations."""


class OverAllocated(Rejected):
    """The allocations add up to more than the payment."""


class SeveralCustomers(Rejected):
    """The invoices of one payment must be of one customer."""


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


def receive_payment(unit: Unit, command: ReceivePayment) -> PaymentView:
    """Raises Unknown, NoPayer, OverAllocated, SeveralCustomers, CurrencyDiffers, ReceivedInFuture, and the
    refusals of a malformed amount."""
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
    if received_on > today_on:
        raise ReceivedInFuture(
            f"received_on {received_on} has not come; today is {today_on}", field="received_on"
        )
    customer_id, wanted = _wanted(unit, command, amount_minor)
    allocations: list[Allocated] = []
    rest_minor = amount_minor
    for invoice_id, invoice, most_minor in wanted:
        offered_minor = min(most_minor, rest_minor)
        if offered_minor <= 0 or invoice.status not in OPEN:
            continue
        decision, left_minor = decisions.receive(
            invoice, payment_id, offered_minor, received_on, today_on
        )
        if left_minor == offered_minor:
            continue
        unit.append("invoice", invoice_id, decision.new)
        _pass_on_credit(unit, invoice_id, invoice.customer_id, invoice.currency, decision)
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
            because="excess of a payment",
            payment_id=payment_id,
            flag="excess",
        )
        unit.append("customer", customer_id, [New(credit, received_on)])
    return payment_view(payment_id, state)


def reverse_payment(unit: Unit, payment_id: UUID, command: ReversePayment) -> PaymentView:
    """Takes a payment back from everything it covered. Raises Unknown, AlreadyReversed, ReasonMissing."""
    payment: Payment = load(unit, "payment", payment_id)
    reason = command.reason.strip()
    if not reason:
        raise decisions.ReasonMissing(
            "give a reason; it is kept in the audit trail", field="reason"
        )
    event = reverse(payment, unit.seal(payment.customer_id, reason))
    now_on = today(unit)
    for allocated in payment.allocations:
        invoice: Invoice = load(unit, "invoice", allocated.invoice_id)
        decision = decisions.reverse(invoice, payment_id, now_on)
        unit.append("invoice", allocated.invoice_id, decision.new)
        _pass_on_credit(unit, allocated.invoice_id, invoice.customer_id, invoice.currency, decision)
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


def _wanted(
    unit: Unit, command: ReceivePayment, amount_minor: int
) -> tuple[UUID, list[tuple[UUID, Invoice, int]]]:
    """(customer, (invoice id, invoice, at most so much) in the order in which the money is offered)."""
    currency = command.amount.currency
    if command.allocations:
        return _named(unit, command, amount_minor)
    if command.invoice_id is not None:
        invoice: Invoice = load(unit, "invoice", command.invoice_id)
        _same_customer(command.customer_id, invoice.customer_id)
        takes = (
            [(command.invoice_id, invoice, amount_minor)] if invoice.currency == currency else []
        )
        return invoice.customer_id, takes
    if command.customer_id is None:
        raise NoPayer("say customer_id, invoice_id or allocations", field="customer_id")
    load(unit, "customer", command.customer_id)
    owed = [
        (invoice_id, invoice, amount_minor)
        for invoice_id, invoice in unit.payable(command.customer_id)
        if invoice.currency == currency
    ]
    owed.sort(key=lambda item: (item[1].due_on, item[1].number, item[0]))
    return command.customer_id, owed


def _named(
    unit: Unit, command: ReceivePayment, amount_minor: int
) -> tuple[UUID, list[tuple[UUID, Invoice, int]]]:
    customer_id = command.customer_id
    wanted: list[tuple[UUID, Invoice, int]] = []
    for index, allocation in enumerate(command.allocations):
        field = f"allocations[{index}]"
        if allocation.amount.currency != command.amount.currency:
            raise CurrencyDiffers(
                f"the payment is in {command.amount.currency}; allocate in the same currency",
                field=f"{field}.amount",
            )
        most_minor = positive_minor(allocation.amount, f"{field}.amount")
        if any(allocation.invoice_id == invoice_id for invoice_id, _, _ in wanted):
            raise OverAllocated("name each invoice once", field=f"{field}.invoice_id")
        invoice: Invoice = load(unit, "invoice", allocation.invoice_id)
        _same_customer(customer_id, invoice.customer_id)
        customer_id = invoice.customer_id
        if invoice.currency == command.amount.currency:
            wanted.append((allocation.invoice_id, invoice, most_minor))
    if sum(most_minor for _, _, most_minor in wanted) > amount_minor:
        raise OverAllocated("the allocations add up to more than the payment", field="allocations")
    assert customer_id is not None
    return customer_id, wanted


def _same_customer(expected: UUID | None, found: UUID) -> None:
    if expected is not None and expected != found:
        raise SeveralCustomers("the invoice is of another customer", field="invoice_id")


def _pass_on_credit(
    unit: Unit, invoice_id: UUID, customer_id: UUID, currency: str, decision: decisions.Decision
) -> None:
    """Hands what a recalculation found overpaid to the customer's credit, or takes it back."""
    for event, effective_on in decision.new:
        if not isinstance(event, ChargesRecalculated) or event.credit_minor == 0:
            continue
        kind = CreditAdded if event.credit_minor > 0 else CreditWithdrawn
        credit = kind(
            currency=currency,
            amount_minor=abs(event.credit_minor),
            because=f"charges recalculated after {event.because}",
            invoice_id=invoice_id,
        )
        unit.append("customer", customer_id, [New(credit, effective_on)])
