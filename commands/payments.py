"""Payments: receive over one invoice, several, or whatever the customer owes; reverse; charge back.

Arrived money is never refused for an invoice's state or amount: what no invoice takes becomes the customer's
credit in its own currency, flagged for a person (decision 10).
"""

from datetime import date
from typing import NamedTuple
from uuid import UUID

import msgspec

from commands.credit import (
    add_credit,
    oldest_due_first,
    post,
    take_back,
    use_credit_by_itself,
    use_own_credit,
)
from commands.look_alikes import alike, look_alike
from commands.refunds import refund_by_itself
from commands.tenants import today
from commands.unit import AlreadyExists, NameRange, Unit, load
from ledger.customer import CreditAdded, CreditWithdrawn
from ledger.errors import Rejected
from ledger.events import New
from ledger.invoice import adjusting, issuing, settling
from ledger.invoice.state import Invoice
from ledger.money import Money, positive_minor, require_in_use
from ledger.payment import (
    Allocated,
    Payment,
    Received,
    ReceivedInFuture,
    ReceivedTooEarly,
    charge_back,
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
    """An allocation is in another currency than the payment or its invoice."""


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


class ChargeBackPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and on which day, the payer's bank took the money back; today when left out."""

    reason: str
    charged_back_on: date | None = None


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
    suspected_duplicate_of: UUID | None = None


class Offer(NamedTuple):
    """Money offered to an invoice: at most so much of the payment."""

    invoice_id: UUID
    invoice: Invoice
    most_minor: int


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
    return receive_as(unit, payment_id, command, today(unit), arrives_now=True)


def receive_as(
    unit: Unit,
    payment_id: UUID,
    command: ReceivePayment,
    today_on: date,
    *,
    arrives_now: bool = False,
) -> PaymentView:
    """Receives a payment under a given id, on a given business date.

    arrives_now  what is left over may be applied or paid back by itself, today; never that of an import, whose days
                 are long over
    """
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
    if all(offer.invoice.currency != command.amount.currency for offer in offers):
        require_in_use(command.amount.currency, received_on, "amount.currency")
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
        post(unit, invoice_id, decision.new)
        allocations.append(Allocated(invoice_id, offered_minor - left_minor))
        rest_minor -= offered_minor - left_minor
    fingerprint, duplicate_of = look_alike(
        unit, customer_id, command.amount, command.reference, received_on, payment_id
    )
    received = Received(
        customer_id=customer_id,
        currency=command.amount.currency,
        amount_minor=amount_minor,
        received_on=received_on,
        allocations=tuple(allocations),
        unapplied_minor=rest_minor,
        reference=unit.seal(customer_id, command.reference),
        fingerprint=fingerprint,
        suspected_duplicate_of=duplicate_of,
    )
    unit.append("payment", payment_id, [New(received, received_on)])
    if rest_minor:
        if duplicate_of is not None:
            flag = "suspected_duplicate"
        credit = CreditAdded(
            currency=command.amount.currency,
            amount_minor=rest_minor,
            because=_WHY_CREDIT[flag],
            payment_id=payment_id,
            flag=flag,
        )
        add_credit(unit, customer_id, credit, received_on)
    if arrives_now:
        use_credit_by_itself(unit, customer_id, command.amount.currency)
        if rest_minor and flag == "excess":
            refund_by_itself(unit, customer_id, payment_id, command.amount.currency)
    return payment_view(payment_id, load(unit, "payment", payment_id))


def reverse_payment(unit: Unit, payment_id: UUID, command: ReversePayment) -> PaymentView:
    """Takes a payment back from everything it covered, as if it had never come.

    Raises Unknown, AlreadyReversed, ReasonMissing.
    """
    payment: Payment = load(unit, "payment", payment_id)
    event = reverse(payment, unit.seal(payment.customer_id, _reason(command.reason)))
    now_on = today(unit)
    for invoice_id in _invoices_of(payment):
        invoice: Invoice = load(unit, "invoice", invoice_id)
        post(unit, invoice_id, settling.reverse(invoice, payment_id, now_on).new)
        use_own_credit(unit, invoice_id)
    _take_back_unapplied(
        unit, payment_id, payment, "reversal of the payment it came from", payment.received_on
    )
    state = unit.append("payment", payment_id, [New(event, payment.received_on)])
    use_credit_by_itself(unit, payment.customer_id, payment.currency)
    return payment_view(payment_id, state)


def charge_back_payment(unit: Unit, payment_id: UUID, command: ChargeBackPayment) -> PaymentView:
    """Takes a payment back from the day on which the payer's bank did: until then it stood.

    Raises Unknown, AlreadyReversed, ChargedBackTooEarly, ChargedBackInFuture, ReasonMissing.
    """
    payment: Payment = load(unit, "payment", payment_id)
    now_on = today(unit)
    on = command.charged_back_on or now_on
    reason = unit.seal(payment.customer_id, _reason(command.reason))
    event = charge_back(payment, on, now_on, reason)
    for invoice_id in _invoices_of(payment):
        invoice: Invoice = load(unit, "invoice", invoice_id)
        post(unit, invoice_id, settling.charge_back(invoice, payment_id, on, now_on).new)
        use_own_credit(unit, invoice_id)
    _take_back_unapplied(unit, payment_id, payment, "charge-back of the payment it came from", on)
    state = unit.append("payment", payment_id, [New(event, on)])
    use_credit_by_itself(unit, payment.customer_id, payment.currency)
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
        raise NoPayer("say customer_id, invoice_id or allocations", field="customer_id")
    load(unit, "customer", command.customer_id)
    owed = oldest_due_first(unit, command.customer_id, command.amount.currency)
    return command.customer_id, [Offer(*one, amount_minor) for one in owed]


def named_offers(
    unit: Unit, command: ReceivePayment, amount_minor: int
) -> tuple[UUID, list[Offer]]:
    """Whose money it is, and the invoices that a payment names, in their order."""
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


def _invoices_of(payment: Payment) -> list[UUID]:
    """The invoices that took some of the payment, each once."""
    return list(dict.fromkeys(part.invoice_id for part in payment.allocations))


def _take_back_unapplied(
    unit: Unit, payment_id: UUID, payment: Payment, because: str, on: date
) -> None:
    if payment.unapplied_minor:
        withdrawn = CreditWithdrawn(
            currency=payment.currency,
            amount_minor=payment.unapplied_minor,
            because=because,
            payment_id=payment_id,
        )
        take_back(unit, payment.customer_id, withdrawn, on)


def _reason(reason: str) -> str:
    adjusting.require_reason(reason)
    return reason.strip()


def _refused(invoice: Invoice, currency: str) -> str:
    """The flag of money that this invoice cannot take at all; empty when it can."""
    if invoice.currency != currency:
        return "other_currency"
    return "" if settling.takes_money(invoice) else f"invoice_{invoice.status}"


def _same_customer(expected: UUID | None, found: UUID, field: str) -> None:
    if expected is not None and expected != found:
        raise SeveralCustomers("the invoice is of another customer", field=field)
