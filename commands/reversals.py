"""Payments reversed, whole or in part (reversal, charge-back), or offered to other invoices (reallocation)."""

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from uuid import UUID

import msgspec

from commands.credit import (
    CreditChange,
    change_credit,
    post,
    refit,
    room_of,
    use_credit_automatically,
)
from commands.payments import (
    Allocations,
    CurrencyDiffers,
    Offer,
    PaymentView,
    ReceivePayment,
    named_offers,
    payment_view,
)
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.customer import Customer
from ledger.event_registry import New
from ledger.invoice import settling
from ledger.invoice.accrual import Decision
from ledger.invoice.preconditions import NotOpen, require_reason
from ledger.invoice.sources import Room
from ledger.invoice.state import Invoice, taken_by_source
from ledger.money import Money, format_minor, positive_minor
from ledger.payment import (
    AllocationChange,
    ChargedBack,
    OverReallocated,
    Payment,
    Reallocated,
    Reversed,
    offers_to_reverse,
    require_chargeable_back,
    reversible,
)


class ReversePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the payment never was, or so much of it; all that is left when the amount is left out."""

    reason: str
    amount: Money | None = None


class ChargeBackPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why, and on which day, the payer's bank took the money, or so much of it, back; today when left out."""

    reason: str
    charged_back_on: date | None = None
    amount: Money | None = None


class ReallocatePayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which invoices a payment is meant for, instead of those that have it. What is left is the customer's credit."""

    reason: str
    allocations: Allocations


def reverse_payment(unit: Unit, payment_id: UUID, command: ReversePayment) -> PaymentView:
    """Takes a payment, or a part of it, back from everything it covered, as if it had never come.

    Raises Unknown, AlreadyReversed, OverReversed, ReasonMissing, CurrencyDiffers, and the refusals of a malformed
    amount.
    """
    payment: Payment = load(unit, "payment", payment_id)
    reason = unit.encrypt(payment.customer_id, _reason(command.reason))
    amount_minor = reversible(payment, _minor_of(payment, command.amount))
    now_on = today(unit)

    def reversed_(invoice_id: UUID, less_minor: int) -> Decision:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = _without(room_of(unit, invoice_id), payment_id)
        return settling.reverse(invoice, payment_id, less_minor, now_on, room)

    offers = offers_to_reverse(payment, amount_minor)
    changes = _change_offers(unit, payment_id, offers, reversed_)
    event = Reversed(reason, amount_minor, changes)
    because = "reversal of the payment it came from"
    return _appended(unit, payment_id, New(event, payment.received_on), because)


def charge_back_payment(unit: Unit, payment_id: UUID, command: ChargeBackPayment) -> PaymentView:
    """Takes a payment, or a part of it, back from the day on which the payer's bank did: until then it stood.

    Raises Unknown, AlreadyReversed, OverReversed, ChargedBackTooEarly, ChargedBackInFuture, ReasonMissing,
    CurrencyDiffers, and the refusals of a malformed amount.
    """
    payment: Payment = load(unit, "payment", payment_id)
    now_on = today(unit)
    on = command.charged_back_on or now_on
    reason = unit.encrypt(payment.customer_id, _reason(command.reason))
    amount_minor = reversible(payment, _minor_of(payment, command.amount))
    require_chargeable_back(payment, on, now_on)

    def charged_back(invoice_id: UUID, less_minor: int) -> Decision:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = _without(room_of(unit, invoice_id), payment_id)
        return settling.charge_back(invoice, payment_id, less_minor, on, now_on, room)

    offers = offers_to_reverse(payment, amount_minor)
    changes = _change_offers(unit, payment_id, offers, charged_back)
    event = ChargedBack(reason, amount_minor, changes)
    because = "charge-back of the payment it came from"
    return _appended(unit, payment_id, New(event, on), because)


def reallocate_payment(unit: Unit, payment_id: UUID, command: ReallocatePayment) -> PaymentView:
    """Offers a payment to other invoices, or in other amounts, on its own value date.

    Raises Unknown, AlreadyReversed, OverAllocated, OverReallocated, AllocatedTwice, SeveralCustomers, CurrencyDiffers,
    NotOpen, ReasonMissing, and the refusals of a malformed amount.
    """
    payment: Payment = load(unit, "payment", payment_id)
    reason = unit.encrypt(payment.customer_id, _reason(command.reason))
    left_minor = reversible(payment, None)
    wanted = ReceivePayment(
        Money.of(left_minor, payment.currency), payment.customer_id, allocations=command.allocations
    )
    offers = named_offers(unit, wanted, left_minor)[1] if command.allocations else []
    _require_allocable(unit, payment_id, payment, offers)
    now_on = today(unit)
    more = {offer.invoice_id: offer.most_minor for offer in offers}
    less: dict[UUID, int] = {}
    for part in payment.allocations:
        change_minor = more.get(part.invoice_id, 0) - part.offer_minor
        if change_minor < 0:
            less[part.invoice_id] = -change_minor
        more[part.invoice_id] = max(0, change_minor)

    def offered_less(invoice_id: UUID, less_minor: int) -> Decision:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = _without(room_of(unit, invoice_id), payment_id)
        return settling.reallocate(invoice, payment_id, less_minor, now_on, room)

    def offered_more(invoice_id: UUID, more_minor: int) -> Decision:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = _without(room_of(unit, invoice_id), payment_id)
        if settling.offers(invoice, payment_id):
            return settling.reallocate(invoice, payment_id, -more_minor, now_on, room)
        received_on = payment.received_on
        return settling.receive(
            invoice, payment_id, more_minor, received_on, now_on, room, reallocated=True
        )[0]

    changes = _change_offers(unit, payment_id, less, offered_less)
    more = {invoice_id: minor for invoice_id, minor in more.items() if minor}
    changes += _change_offers(unit, payment_id, more, offered_more, sign=1)
    event = Reallocated(changes, reason)
    return _appended(unit, payment_id, New(event, now_on), "reallocation of the payment")


def _change_offers(
    unit: Unit,
    payment_id: UUID,
    offers: Mapping[UUID, int],
    decide: Callable[[UUID, int], Decision],
    sign: int = -1,
) -> tuple[AllocationChange, ...]:
    """Changes what a payment offers to invoices; returns what they take and are offered less, or more."""
    unit.expect(offers)
    changes: list[AllocationChange] = []
    for invoice_id, minor in offers.items():
        before: Invoice = load(unit, "invoice", invoice_id)
        decision = decide(invoice_id, minor)
        after = post(unit, invoice_id, decision.new, own_source=payment_id)
        more_minor = _taken(after, payment_id) - _taken(before, payment_id)
        changes.append(AllocationChange(invoice_id, more_minor, sign * minor))
    return tuple(changes)


def _appended(unit: Unit, payment_id: UUID, new: New, because: str) -> PaymentView:
    """Appends what became of a payment; what is left of it as credit follows from what it has left."""
    before: Payment = load(unit, "payment", payment_id)
    after: Payment = unit.append("payment", payment_id, [new])
    change_minor = after.unapplied_minor - before.unapplied_minor
    credit = CreditChange(after.currency, change_minor, because, payment_id)
    change_credit(unit, after.customer_id, credit)
    refit(unit, payment_id, because)
    use_credit_automatically(unit, after.customer_id, after.currency)
    return payment_view(payment_id, load(unit, "payment", payment_id))


def _require_allocable(
    unit: Unit, payment_id: UUID, payment: Payment, offers: Sequence[Offer]
) -> None:
    """Raises CurrencyDiffers, NotOpen, OverReallocated."""
    for index, offer in enumerate(offers):
        if offer.invoice.currency != payment.currency:
            raise CurrencyDiffers(
                f"the invoice is in {offer.invoice.currency}, the payment in {payment.currency}",
                field=f"allocations[{index}].invoice_id",
            )
        if not settling.takes_offers(offer.invoice):
            raise NotOpen(
                f"the invoice is {offer.invoice.status}, so nothing can be paid on it",
                field=f"allocations[{index}].invoice_id",
            )
    customer: Customer = load(unit, "customer", payment.customer_id)
    left_minor = customer.of(payment_id, payment.currency)
    left_minor += sum(part.amount_minor for part in payment.allocations)
    if sum(offer.most_minor for offer in offers) > left_minor:
        raise OverReallocated(
            f"{format_minor(left_minor, payment.currency)} of the payment can be allocated; "
            "the rest was refunded or used",
            field="allocations",
        )


def _without(room: Room, source_id: UUID) -> Room:
    return room._replace(credit={**room.credit, source_id: min(0, room.credit.get(source_id, 0))})


def _taken(invoice: Invoice, payment_id: UUID) -> int:
    return taken_by_source(invoice).get(payment_id, 0)


def _minor_of(payment: Payment, amount: Money | None) -> int | None:
    """Raises CurrencyDiffers, and the refusals of a malformed amount."""
    if amount is None:
        return None
    minor = positive_minor(amount, "amount")
    if amount.currency != payment.currency:
        raise CurrencyDiffers(f"the payment is in {payment.currency}", field="amount")
    return minor


def _reason(reason: str) -> str:
    require_reason(reason)
    return reason.strip()
