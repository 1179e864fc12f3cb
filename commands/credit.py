"""Credit: money that is the customer's because no invoice takes it.

It is kept by its sources. Applied to an invoice it covers what is open there, as a payment of that day would. What has
to be taken back after it was spent is the customer's shortfall, which other credit settles first.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from msgspec.structs import replace

from commands.instalments import follow_agreement
from commands.tenants import today
from commands.unit import Unit, load
from ledger.customer import (
    CreditAdded,
    CreditApplied,
    CreditReturned,
    CreditWithdrawn,
    Customer,
    ShortfallRecorded,
    ShortfallSettled,
    drawn,
    source_of,
)
from ledger.events import New
from ledger.invoice import settling
from ledger.invoice.events import ChargesRecalculated, Credited
from ledger.invoice.state import Invoice
from ledger.payment import Allocated, Applied, Payment
from ledger.tenant import Tenant


class Lot(NamedTuple):
    """Credit of one source that is to be used: at most so much."""

    source_id: UUID
    most_minor: int


def post(unit: Unit, invoice_id: UUID, new: Iterable[New]) -> Invoice:
    """Appends what was decided on an invoice, and all that follows from it elsewhere: what it gives back is the
    customer's credit, and its agreement may be paid, or open again."""
    before: Invoice = load(unit, "invoice", invoice_id)
    decided = list(new)
    after: Invoice = unit.append("invoice", invoice_id, decided)
    for event, effective_on in decided:
        if isinstance(event, ChargesRecalculated) and event.credit_minor:
            because = f"charges recalculated after {event.because}"
            _give_back(
                unit, invoice_id, after, event.credit_minor, because, effective_on, "recalculated"
            )
        elif isinstance(event, Credited) and event.credit_minor:
            because = f"credit note {event.number}"
            _give_back(unit, invoice_id, after, event.credit_minor, because, effective_on)
    follow_agreement(unit, before, after)
    return after


def add_credit(unit: Unit, customer_id: UUID, added: CreditAdded, on: date) -> None:
    """Credit the customer has from now on; a shortfall is settled from it at once."""
    unit.append("customer", customer_id, [New(added, on)])
    _settle_shortfall(unit, customer_id, added.currency)


def take_back(unit: Unit, customer_id: UUID, withdrawn: CreditWithdrawn, on: date) -> None:
    """Takes credit back from its source. What was spent of it is a shortfall, which other credit settles."""
    customer: Customer = load(unit, "customer", customer_id)
    source_id, currency = source_of(withdrawn), withdrawn.currency
    left_minor = min(withdrawn.amount_minor, customer.of(source_id, currency))
    spent_minor = withdrawn.amount_minor - left_minor
    new: list[New] = []
    if left_minor:
        new.append(New(replace(withdrawn, amount_minor=left_minor), on))
    if spent_minor:
        short = ShortfallRecorded(currency, spent_minor, withdrawn.because, source_id)
        new.append(New(short, today(unit)))
    unit.append("customer", customer_id, new)
    _settle_shortfall(unit, customer_id, currency)


def return_credit(unit: Unit, customer_id: UUID, returned: CreditReturned) -> None:
    """Gives back, today, what was set aside for a refund that failed; a shortfall is settled from it at once."""
    unit.append("customer", customer_id, [New(returned, today(unit))])
    _settle_shortfall(unit, customer_id, returned.currency)


def lots_of(customer: Customer, currency: str, source_id: UUID | None = None) -> list[Lot]:
    """The customer's credit in a currency, oldest first; of one source when it is given."""
    return [
        Lot(lot.source_id, lot.minor)
        for lot in customer.lots
        if lot.currency == currency and source_id in (None, lot.source_id)
    ]


def use_credit(unit: Unit, lots: Iterable[Lot], invoice_id: UUID, most_minor: int) -> int:
    """Lets an invoice take credit, lot by lot, at most so much; returns what it took.

    An invoice that can take no money takes nothing.
    """
    now_on = today(unit)
    taken_minor = 0
    for source_id, lot_minor in lots:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        offered_minor = min(lot_minor, most_minor - taken_minor)
        if offered_minor <= 0 or not settling.takes_money(invoice):
            break
        decision, left_minor = settling.apply_credit(invoice, source_id, offered_minor, now_on)
        used_minor = offered_minor - left_minor
        if not used_minor:
            break
        applied = CreditApplied(invoice.currency, used_minor, source_id, invoice_id)
        unit.append("customer", invoice.customer_id, [New(applied, now_on)])
        payment: Payment | None = unit.find("payment", source_id)
        if payment is not None:
            allocated = Applied((Allocated(invoice_id, used_minor),))
            unit.append("payment", source_id, [New(allocated, now_on)])
        post(unit, invoice_id, decision.new)
        taken_minor += used_minor
    return taken_minor


def use_own_credit(unit: Unit, invoice_id: UUID) -> None:
    """Covers what is open of an invoice by the credit that it gave back itself: its credit note counts there first."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    customer: Customer = load(unit, "customer", invoice.customer_id)
    lots = lots_of(customer, invoice.currency, invoice_id)
    use_credit(unit, lots, invoice_id, sum(lot.most_minor for lot in lots))


def use_credit_by_itself(unit: Unit, customer_id: UUID, currency: str) -> None:
    """Where the tenant has it so, applies the customer's credit to what is open, the oldest due first."""
    tenant: Tenant = load(unit, "tenant", unit.tenant_id)
    if tenant.settings.apply_credit != "automatic":
        return
    customer: Customer = load(unit, "customer", customer_id)
    if not lots_of(customer, currency):
        return
    for invoice_id, _ in oldest_due_first(unit, customer_id, currency):
        customer = load(unit, "customer", customer_id)
        lots = lots_of(customer, currency)
        if not lots:
            return
        use_credit(unit, lots, invoice_id, sum(lot.most_minor for lot in lots))


def oldest_due_first(unit: Unit, customer_id: UUID, currency: str) -> list[tuple[UUID, Invoice]]:
    """(id, invoice) of what the customer owes in a currency: oldest due first, then by number."""
    owed = [
        (invoice_id, invoice)
        for invoice_id, invoice in unit.payable(customer_id)
        if invoice.currency == currency
    ]
    owed.sort(key=lambda one: (one[1].due_on, settling.by_number(one[1]), one[0]))
    return owed


def _give_back(
    unit: Unit,
    invoice_id: UUID,
    invoice: Invoice,
    minor: int,
    because: str,
    on: date,
    flag: str = "",
) -> None:
    """Hands what an invoice gives back to the customer's credit; below zero, takes it back."""
    if minor > 0:
        added = CreditAdded(
            currency=invoice.currency,
            amount_minor=minor,
            because=because,
            invoice_id=invoice_id,
            flag=flag,
        )
        add_credit(unit, invoice.customer_id, added, on)
    else:
        withdrawn = CreditWithdrawn(
            currency=invoice.currency, amount_minor=-minor, because=because, invoice_id=invoice_id
        )
        take_back(unit, invoice.customer_id, withdrawn, on)


def _settle_shortfall(unit: Unit, customer_id: UUID, currency: str) -> None:
    customer: Customer = load(unit, "customer", customer_id)
    short_minor = customer.shortfall.get(currency, 0)
    parts = drawn(customer, currency, short_minor)
    if parts:
        settled = ShortfallSettled(currency, parts)
        unit.append("customer", customer_id, [New(settled, today(unit))])
