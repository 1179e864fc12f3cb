"""Payments: received over one invoice, several, or whatever the customer owes.

Arrived money is never refused for an invoice's state or amount: what no invoice takes becomes the customer's
credit in its own currency, flagged for a person (ADR 0014).
"""

from datetime import date
from typing import Annotated, NamedTuple
from uuid import UUID

import msgspec

from commands.credit import (
    CreditChange,
    change_credit,
    oldest_due_first,
    post,
    room_of,
    use_credit_automatically,
)
from commands.duplicate_payments import alike, find_duplicate
from commands.mails import queue_receipt
from commands.refunds import refund_automatically
from commands.tenants import today
from commands.unit_of_work import AlreadyExists, NameRange, Unit, load
from ledger.errors import Rejected
from ledger.event_registry import New
from ledger.invoice import issuing, settling
from ledger.invoice.state import Invoice
from ledger.money import Money, positive_minor, require_in_use
from ledger.payment import (
    Allocated,
    Payment,
    Received,
    ReceivedInFuture,
    ReceivedTooEarly,
)


class NoPayer(Rejected):
    """A payment says whose it is, in one way: an invoice, allocations, or a customer."""


class OverAllocated(Rejected):
    """The allocations add up to more than the payment."""


class SeveralCustomers(Rejected):
    """The invoices of one payment must be of one customer, who is `customer_id` where that is given, too."""


class AllocatedTwice(Rejected):
    """A payment names each invoice once."""


class TwoTargets(Rejected):
    """A payment names one invoice or allocations, not both."""


class CurrencyDiffers(Rejected):
    """An allocation is in another currency than the payment or its invoice."""


class Allocation(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What of a payment is meant for an invoice."""

    invoice_id: UUID
    amount: Money


MAX_ALLOCATIONS = 500
Allocations = Annotated[tuple[Allocation, ...], msgspec.Meta(max_length=MAX_ALLOCATIONS)]


class ReceivePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Money that arrived. Say where it goes in exactly one way: `invoice_id`, `allocations`, or `customer_id` alone.

    invoice_id   pays this invoice
    allocations  pay these invoices, each at most so much
    customer_id  alone: pays what the customer owes, oldest due first. Beside the other two it is no second way but a
                 check: their invoices must be this customer's
    received_on  the value date, today when left out
    """

    amount: Money
    customer_id: UUID | None = None
    invoice_id: UUID | None = None
    allocations: Allocations = ()
    received_on: date | None = None
    reference: str = ""


class AllocationView(msgspec.Struct, frozen=True):
    invoice_id: UUID
    amount: Money


class PaymentView(msgspec.Struct, frozen=True):
    """A payment.

    `allocations` is what invoices have of it; `reversed` and `charged_back` what was reversed.
    """

    id: UUID
    customer_id: UUID
    status: str
    amount: Money
    received_on: date
    reference: str
    allocations: list[AllocationView]
    unapplied: Money
    reversed: Money
    charged_back: Money
    suspected_duplicate_of: UUID | None = None


class Offer(NamedTuple):
    """Money offered to an invoice: at most so much of the payment.

    named  somebody said that it is meant for this invoice: what the invoice does not take now stays offered to it
    """

    invoice_id: UUID
    invoice: Invoice
    most_minor: int
    named: bool = True


_WHY_CREDIT = {
    "excess": "more was paid than was owed",
    "nothing_open": "no invoice of the customer was open",
    "other_currency": "the invoice is in another currency",
    "invoice_draft": "the invoice is a draft and owes nothing yet",
    "invoice_paid": "the invoice was paid already",
    "invoice_void": "the invoice is void",
    "invoice_cancelled": "the invoice was cancelled",
    "invoice_renegotiated": "the invoice was renegotiated",
    "suspected_duplicate": "more was paid than was owed, perhaps twice",
}
"""By the flag that asks a person to look at it."""


def receive_payment(unit: Unit, command: ReceivePayment) -> PaymentView:
    """Receives money that arrived.

    Raises Unknown, NoPayer, TwoTargets, OverAllocated, AllocatedTwice, SeveralCustomers, CurrencyDiffers,
    ReceivedInFuture, ReceivedTooEarly, and the refusals of a malformed amount.
    """
    payment_id = unit.new_id("payment")
    view = receive_as(unit, payment_id, command, today(unit), arrives_now=True)
    queue_receipt(unit, payment_id)
    return view


def receive_as(
    unit: Unit,
    payment_id: UUID,
    command: ReceivePayment,
    today_on: date,
    *,
    arrives_now: bool = False,
) -> PaymentView:
    """Receives a payment under a given id, on a given business date.

    arrives_now  what is left over may be applied or paid back automatically, today; never that of an import, whose days
                 are long over
    """
    if unit.find("payment", payment_id) is not None:
        raise AlreadyExists(f"payment {payment_id} exists; its idempotency key was used before")
    amount_minor = positive_minor(command.amount)
    received_on = _received_on(command, today_on)
    placed = _place(unit, payment_id, command, received_on, today_on)
    fingerprint, duplicate_of = find_duplicate(
        unit, placed.customer_id, command.amount, command.reference, received_on, payment_id
    )
    received = Received(
        customer_id=placed.customer_id,
        currency=command.amount.currency,
        amount_minor=amount_minor,
        received_on=received_on,
        allocations=tuple(placed.allocations),
        unapplied_minor=placed.rest_minor,
        reference=unit.encrypt(placed.customer_id, command.reference),
        fingerprint=fingerprint,
        suspected_duplicate_of=duplicate_of,
    )
    unit.append("payment", payment_id, [New(received, received_on)])
    if placed.rest_minor and duplicate_of is not None:
        placed.flag = "suspected_duplicate"
    _credit_rest(unit, payment_id, received, placed, arrives_now=arrives_now)
    return payment_view(payment_id, load(unit, "payment", payment_id))


class _Placed(msgspec.Struct):
    """What of a payment went to which invoices, what is left over, and why that is credit."""

    customer_id: UUID
    allocations: list[Allocated]
    rest_minor: int
    flag: str


def _received_on(command: ReceivePayment, today_on: date) -> date:
    """The day the money arrived. Raises ReceivedTooEarly, ReceivedInFuture."""
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
    return received_on


def _place(
    unit: Unit, payment_id: UUID, command: ReceivePayment, received_on: date, today_on: date
) -> _Placed:
    """Allocates a payment to the invoices it is offered to, in their order."""
    amount_minor = positive_minor(command.amount)
    currency = command.amount.currency
    customer_id, offers = _offers(unit, command, amount_minor)
    if all(offer.invoice.currency != currency for offer in offers):
        require_in_use(currency, received_on, "amount.currency")
    placed = _Placed(customer_id, [], amount_minor, "excess" if offers else "nothing_open")
    for offer in offers:
        placed.flag = _refused(offer.invoice, currency) or placed.flag
        offered_minor = min(offer.most_minor, placed.rest_minor)
        if not offered_minor or not _takes_offer(offer, currency):
            continue
        allocated = _allocate(unit, payment_id, offer, offered_minor, received_on, today_on)
        if allocated is not None:
            placed.allocations.append(allocated)
            placed.rest_minor -= allocated.amount_minor
    return placed


def _credit_rest(
    unit: Unit, payment_id: UUID, received: Received, placed: _Placed, *, arrives_now: bool
) -> None:
    """Gives what is left over to the customer's credit; what arrives now may be applied or paid back at once."""
    if placed.rest_minor:
        because = _WHY_CREDIT[placed.flag]
        credit = CreditChange(received.currency, placed.rest_minor, because, payment_id)
        change_credit(unit, placed.customer_id, credit, placed.flag)
    if arrives_now:
        use_credit_automatically(unit, placed.customer_id, received.currency)
        if placed.rest_minor and placed.flag == "excess":
            refund_automatically(unit, placed.customer_id, payment_id, received.currency)


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
            if part.amount_minor
        ],
        unapplied=Money.of(payment.unapplied_minor, currency),
        reversed=Money.of(payment.reversed_minor, currency),
        charged_back=Money.of(payment.charged_back_minor, currency),
        suspected_duplicate_of=payment.suspected_duplicate_of,
    )


def _offers(unit: Unit, command: ReceivePayment, amount_minor: int) -> tuple[UUID, list[Offer]]:
    """Whose money it is, and to which invoices it is offered, in order."""
    if command.allocations:
        return named_offers(unit, command, amount_minor)
    if command.invoice_id is not None:
        invoice: Invoice = load(unit, "invoice", command.invoice_id)
        _same_customer(command.customer_id, invoice.customer_id, "invoice_id")
        return invoice.customer_id, [Offer(command.invoice_id, invoice, amount_minor)]
    if command.customer_id is None:
        raise NoPayer(
            "say where it goes by exactly one of: invoice_id; allocations; customer_id, then oldest due first",
            field="customer_id",
        )
    load(unit, "customer", command.customer_id)
    owed = oldest_due_first(unit, command.customer_id, command.amount.currency)
    return command.customer_id, [Offer(*one, amount_minor, named=False) for one in owed]


def named_offers(
    unit: Unit, command: ReceivePayment, amount_minor: int
) -> tuple[UUID, list[Offer]]:
    """Whose money it is, and the invoices that a payment names, in their order."""
    if command.invoice_id is not None:
        raise TwoTargets(
            "say where it goes in one way: leave out invoice_id or allocations", field="allocations"
        )
    customer_id = command.customer_id
    offers: list[Offer] = []
    seen: set[UUID] = set()
    for index, allocation in enumerate(command.allocations):
        field = f"allocations[{index}]"
        if allocation.amount.currency != command.amount.currency:
            raise CurrencyDiffers(
                f"the payment is in {command.amount.currency}; allocate in the same currency",
                field=f"{field}.amount",
            )
        most_minor = positive_minor(allocation.amount, f"{field}.amount")
        if allocation.invoice_id in seen:
            raise AllocatedTwice("name each invoice once", field=f"{field}.invoice_id")
        invoice: Invoice = load(unit, "invoice", allocation.invoice_id)
        _same_customer(customer_id, invoice.customer_id, f"{field}.invoice_id")
        customer_id = invoice.customer_id
        offers.append(Offer(allocation.invoice_id, invoice, most_minor))
        seen.add(allocation.invoice_id)
    if sum(offer.most_minor for offer in offers) > amount_minor:
        raise OverAllocated("the allocations add up to more than the payment", field="allocations")
    assert customer_id is not None
    return customer_id, offers


def names_asked(unit: Unit, command: ReceivePayment) -> list[NameRange]:
    """The names that receiving this payment will ask for. Raises what finding its payer refuses."""
    if not command.reference.strip():
        return []
    target = command.invoice_id or (command.allocations and command.allocations[0].invoice_id)
    if target:
        invoice: Invoice = load(unit, "invoice", target)
        customer_id = invoice.customer_id
    elif command.customer_id is not None:
        customer_id = command.customer_id
    else:
        return []
    now_on = today(unit)
    received_on = command.received_on or now_on
    if not issuing.FIRST_ISSUE_ON <= received_on <= now_on:
        return []  # it will be refused
    return [alike(unit, customer_id, command.amount, command.reference, received_on).names]


def _allocate(
    unit: Unit,
    payment_id: UUID,
    offer: Offer,
    offered_minor: int,
    received_on: date,
    today_on: date,
) -> Allocated | None:
    """Offers money to an invoice; returns what it took of it. None where it took nothing that was not meant for it."""
    invoice_id = offer.invoice_id
    invoice: Invoice = load(unit, "invoice", invoice_id)  # the offer before may have changed it
    room = room_of(unit, invoice_id)
    decision, left_minor = settling.receive(
        invoice, payment_id, offered_minor, received_on, today_on, room
    )
    taken_minor = offered_minor - left_minor
    if left_minor and not offer.named:
        if not taken_minor:
            return None
        offered_minor = taken_minor
        decision, left_minor = settling.receive(
            invoice, payment_id, offered_minor, received_on, today_on, room
        )
        assert not left_minor, "an invoice takes again what it took"
    post(unit, invoice_id, decision.new, own_source=payment_id)
    return Allocated(
        invoice_id, taken_minor, offered_minor if offered_minor != taken_minor else None
    )


def _refused(invoice: Invoice, currency: str) -> str:
    """The flag of money that this invoice takes none of now; empty when it can."""
    if invoice.currency != currency:
        return "other_currency"
    return "" if settling.takes_money(invoice) else f"invoice_{invoice.status}"


def _takes_offer(offer: Offer, currency: str) -> bool:
    """Whether the offer is a fact of the invoice, though it may take nothing now."""
    return offer.invoice.currency == currency and settling.takes_offers(offer.invoice)


def _same_customer(expected: UUID | None, found: UUID, field: str) -> None:
    if expected is not None and expected != found:
        raise SeveralCustomers(
            f"the invoice is of customer {found}, not of {expected}: name invoices of one customer",
            field=field,
        )
