"""Applying credit to invoices: what is left of a payment, or a customer's credit of any source, the oldest first."""

from datetime import date
from uuid import UUID

import msgspec

from commands.credit import Lot, lots_of, oldest_due_first, use_credit
from commands.payments import (
    Allocation,
    Allocations,
    AllocationView,
    CurrencyDiffers,
    PaymentView,
    ReceivePayment,
    TwoTargets,
    named_offers,
    payment_view,
)
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.customer import Customer
from ledger.errors import Rejected
from ledger.invoice import settling
from ledger.invoice.preconditions import EffectiveInFuture, NotOpen
from ledger.invoice.state import Invoice
from ledger.money import Money, exponent, format_minor, positive_minor
from ledger.payment import Allocated, Payment


class NothingToApply(Rejected):
    """The payment, or the customer, has no credit left to apply."""


class OverApplied(Rejected):
    """More credit is to be applied than is left."""


class ApplyPayment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is left of a payment, for one invoice, for several, or, left out, for what falls due first.

    `amount` is at most so much; all that is left when left out. It is applied today, or on an earlier day.
    """

    invoice_id: UUID | None = None
    allocations: Allocations = ()
    amount: Money | None = None
    effective_on: date | None = None


class ApplyCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer's credit in a currency, for one invoice, for several, or, left out, for what falls due first.

    `amount` is at most so much; all of the credit when left out. It is applied today, or on an earlier day.
    """

    currency: str
    invoice_id: UUID | None = None
    allocations: Allocations = ()
    amount: Money | None = None
    effective_on: date | None = None


class CreditAppliedView(msgspec.Struct, frozen=True):
    """What invoices took of the customer's credit, and the credit in that currency that is left."""

    customer_id: UUID
    applied: Money
    allocations: list[AllocationView]
    credit: Money


def apply_payment(unit: Unit, payment_id: UUID, command: ApplyPayment) -> PaymentView:
    """Applies what is left of a payment, today.

    Raises Unknown, NothingToApply, OverApplied, OverAllocated, TwoTargets, AllocatedTwice, SeveralCustomers,
    CurrencyDiffers, NotOpen, EffectiveInFuture, and the refusals of a malformed amount.
    """
    payment: Payment = load(unit, "payment", payment_id)
    customer: Customer = load(unit, "customer", payment.customer_id)
    lots = lots_of(customer, payment.currency, payment_id)
    apply_lots(unit, payment.customer_id, payment.currency, lots, command)
    return payment_view(payment_id, load(unit, "payment", payment_id))


def apply_lots(
    unit: Unit, customer_id: UUID, currency: str, lots: list[Lot], command: ApplyPayment
) -> list[Allocated]:
    """Applies credit to the invoices that a command names, or to what falls due first; returns what each took.

    An invoice that is named must be able to take money. Raises what `apply_payment` raises.
    """
    on = command.effective_on
    if on is not None and on > today(unit):
        raise EffectiveInFuture(
            f"effective_on {on} has not come; today is {today(unit)}", field="effective_on"
        )
    if on is not None:
        lots = [lot for lot in lots if _since(unit, lot.source_id) <= on]
    left_minor = sum(lot.most_minor for lot in lots)
    if not left_minor:
        there = "" if on is None else f" and was there on {on}"
        raise NothingToApply(f"no credit in {currency} is left to apply{there}")
    most_minor = left_minor
    if command.amount is not None:
        most_minor = positive_minor(command.amount)
        if command.amount.currency != currency:
            raise CurrencyDiffers(f"the credit is in {currency}", field="amount")
        if most_minor > left_minor:
            raise OverApplied(
                f"{format_minor(left_minor, currency)} {currency} is left to apply", field="amount"
            )
    is_named = command.invoice_id is not None and command.amount is not None
    says_amount = bool(command.allocations) or is_named
    taken: list[Allocated] = []
    taken_minor = 0
    for invoice_id, asked_minor in _targets(unit, customer_id, currency, command, most_minor):
        wanted_minor = min(asked_minor, most_minor - taken_minor)
        used_minor = use_credit(
            unit, lots, invoice_id, wanted_minor, on=command.effective_on, offers=says_amount
        )
        lots = _left(lots, used_minor)
        taken_minor += used_minor
        if used_minor:
            taken.append(Allocated(invoice_id, used_minor))
    return taken


def apply_credit(unit: Unit, customer_id: UUID, command: ApplyCredit) -> CreditAppliedView:
    """Applies a customer's credit, today.

    Raises Unknown, UnknownCurrency, NothingToApply, OverApplied, OverAllocated, TwoTargets, AllocatedTwice,
    SeveralCustomers, CurrencyDiffers, NotOpen, and the refusals of a malformed amount.
    """
    currency = command.currency
    exponent(currency)
    customer: Customer = load(unit, "customer", customer_id)
    wanted = ApplyPayment(
        command.invoice_id, command.allocations, command.amount, command.effective_on
    )
    taken = apply_lots(unit, customer_id, currency, lots_of(customer, currency), wanted)
    after: Customer = load(unit, "customer", customer_id)
    return CreditAppliedView(
        customer_id=customer_id,
        applied=Money.of(sum(part.amount_minor for part in taken), currency),
        allocations=[
            AllocationView(part.invoice_id, Money.of(part.amount_minor, currency)) for part in taken
        ],
        credit=Money.of(after.credit.get(currency, 0), currency),
    )


def _targets(
    unit: Unit, customer_id: UUID, currency: str, command: ApplyPayment, most_minor: int
) -> list[tuple[UUID, int]]:
    """(invoice, at most so much) in the order in which credit is applied."""
    if command.invoice_id is None and not command.allocations:
        owed = oldest_due_first(unit, customer_id, currency)
        return [(invoice_id, most_minor) for invoice_id, _ in owed]
    allocations = command.allocations
    if command.invoice_id is not None:
        if allocations:
            raise TwoTargets("say invoice_id or allocations, not both", field="allocations")
        allocations = (Allocation(command.invoice_id, Money.of(most_minor, currency)),)
    named = ReceivePayment(Money.of(most_minor, currency), customer_id, allocations=allocations)
    _, offers = named_offers(unit, named, most_minor)
    for offer in offers:
        if offer.invoice.currency != currency:
            raise CurrencyDiffers(f"the invoice is in {offer.invoice.currency}", field="invoice_id")
        if not settling.takes_money(offer.invoice):
            raise NotOpen(
                f"the invoice is {offer.invoice.status}, so nothing is open on it",
                field="invoice_id",
            )
    return [(offer.invoice_id, offer.most_minor) for offer in offers]


def _since(unit: Unit, source_id: UUID) -> date:
    """The day from which on a source has credit: a payment's value date, or that of an invoice's first credit note."""
    payment: Payment | None = unit.find("payment", source_id)
    if payment is not None:
        return payment.received_on
    invoice: Invoice = load(unit, "invoice", source_id)
    return min(one.on for one in invoice.imputations if one.kind == "credited")


def _left(lots: list[Lot], used_minor: int) -> list[Lot]:
    """The lots after so much of them was used, oldest first."""
    left: list[Lot] = []
    for source_id, minor in lots:
        used = min(minor, used_minor)
        used_minor -= used
        if minor > used:
            left.append(Lot(source_id, minor - used))
    return left
