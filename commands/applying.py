"""Applying a customer's credit, whatever it came from: the oldest source first."""

from uuid import UUID

import msgspec

from commands.credit import lots_of
from commands.payments import Allocation, AllocationView, ApplyPayment, apply_lots
from commands.unit import Unit, load
from ledger.customer import Customer
from ledger.money import Money, exponent


class ApplyCredit(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The customer's credit in a currency, for one invoice, for several, or, left out, for what falls due first.

    `amount` is at most so much; all of the credit when left out.
    """

    currency: str
    invoice_id: UUID | None = None
    allocations: tuple[Allocation, ...] = ()
    amount: Money | None = None


class CreditAppliedView(msgspec.Struct, frozen=True):
    """What invoices took of the customer's credit, and the credit in that currency that is left."""

    customer_id: UUID
    applied: Money
    allocations: list[AllocationView]
    credit: Money


def apply_credit(unit: Unit, customer_id: UUID, command: ApplyCredit) -> CreditAppliedView:
    """Applies a customer's credit, today.

    Raises Unknown, UnknownCurrency, NothingToApply, OverApplied, OverAllocated, TwoTargets, AllocatedTwice,
    SeveralCustomers, CurrencyDiffers, NotOpen, and the refusals of a malformed amount.
    """
    currency = command.currency
    exponent(currency)
    customer: Customer = load(unit, "customer", customer_id)
    wanted = ApplyPayment(command.invoice_id, command.allocations, command.amount)
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
