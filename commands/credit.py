"""Credit: money that is the customer's because no invoice takes it.

It is kept by its sources. Applied to an invoice it covers what is open there, as a payment of that day would. Taken
back after it was spent, it leaves the customer short.
"""

from collections.abc import Iterable
from datetime import date
from typing import NamedTuple
from uuid import UUID

from commands.agreements.follow_up import follow_agreement
from commands.tenants import today
from commands.unit_of_work import Unit, load
from ledger.customer import (
    CreditAdded,
    CreditApplied,
    CreditReturned,
    CreditWithdrawn,
    Customer,
    drawn,
)
from ledger.event_registry import New
from ledger.invoice import recording, settling
from ledger.invoice.events import Credited, Recalculated
from ledger.invoice.sources import Room
from ledger.invoice.state import Invoice, given_back_minor, taken_by_source
from ledger.payment import (
    Allocated,
    AllocationChange,
    AllocationsChanged,
    Applied,
    Payment,
)
from ledger.tenant import Tenant


class Lot(NamedTuple):
    """Credit of one source that is to be used: at most so much."""

    source_id: UUID
    most_minor: int


def post(
    unit: Unit,
    invoice_id: UUID,
    new: Iterable[New],
    *,
    own_source: UUID | None = None,
    own_minor: int | None = None,
) -> Invoice:
    """Appends what was decided on an invoice, and what follows from it elsewhere.

    That is the money that it takes of payments otherwise than before, what its credit notes give back, and its
    agreement, which may be paid, or open again.

    own_source  the payment or credit that the command is about: the command itself says what became of that
    own_minor   how much more of it the command says that the invoice takes, in minor units; all when left out
    """
    before: Invoice = load(unit, "invoice", invoice_id)
    decided = list(new)
    after: Invoice = unit.append("invoice", invoice_id, decided)
    because = next((event.because for event, _ in decided if isinstance(event, Recalculated)), "")
    taken_before, taken_after = taken_by_source(before), taken_by_source(after)
    changed = {
        source_id: minor - taken_before.get(source_id, 0)
        for source_id, minor in taken_after.items()
    }
    if own_source is not None:
        changed[own_source] = changed[own_source] - own_minor if own_minor is not None else 0
    changed = {source_id: minor for source_id, minor in changed.items() if minor}
    unit.expect(changed)
    for source_id, more_minor in changed.items():
        _take(unit, invoice_id, after, source_id, more_minor, because)
    given_back_now = given_back_minor(after) - given_back_minor(before)
    if given_back_now:
        noted = next((event for event, _ in decided if isinstance(event, Credited)), None)
        reason = f"credit note {noted.number}" if noted is not None else because
        credit = CreditChange(after.currency, given_back_now, reason, invoice_id=invoice_id)
        change_credit(unit, after.customer_id, credit, "" if noted is not None else "recalculated")
    follow_agreement(unit, before, after)
    for source_id, more_minor in changed.items():
        if more_minor < 0:
            refit(unit, source_id, because)
    return after


def refit(unit: Unit, source_id: UUID, because: str) -> None:
    """Lets invoices take what now fits and is there as credit of a source: those that a payment is offered to, or the
    one whose credit notes gave it."""
    payment: Payment | None = unit.find("payment", source_id)
    if payment is None:
        _refit(unit, source_id, because)
        return
    for part in payment.allocations:
        if part.offer_minor > part.amount_minor:
            _refit(unit, part.invoice_id, because)


def _refit(unit: Unit, invoice_id: UUID, because: str) -> None:
    invoice: Invoice = load(unit, "invoice", invoice_id)
    decision = recording.refit(invoice, today(unit), because, room_of(unit, invoice_id))
    post(unit, invoice_id, decision.new)


class CreditChange(NamedTuple):
    """Credit of one source that there is more of, or less (below zero), and why."""

    currency: str
    minor: int
    because: str
    payment_id: UUID | None = None
    invoice_id: UUID | None = None


def change_credit(unit: Unit, customer_id: UUID, change: CreditChange, flag: str = "") -> None:
    """Adds to a customer's credit, today, or takes from it. What is taken and was spent leaves a shortfall."""
    if change.minor > 0:
        added = CreditAdded(
            currency=change.currency,
            amount_minor=change.minor,
            because=change.because,
            payment_id=change.payment_id,
            invoice_id=change.invoice_id,
            flag=flag,
        )
        unit.append("customer", customer_id, [New(added, today(unit))])
    elif change.minor < 0:
        withdrawn = CreditWithdrawn(
            currency=change.currency,
            amount_minor=-change.minor,
            because=change.because,
            payment_id=change.payment_id,
            invoice_id=change.invoice_id,
        )
        unit.append("customer", customer_id, [New(withdrawn, today(unit))])


def room_of(unit: Unit, invoice_id: UUID) -> Room:
    """How much more money the facts of an invoice may take: what is left of the credit of their sources."""
    invoice: Invoice = load(unit, "invoice", invoice_id)
    wants_more = given_back_minor(invoice) or any(
        one.asked_minor > one.covered.money_minor
        for one in invoice.imputations
        if one.kind in ("payment", "credit")
    )
    if not wants_more or invoice.status == "void":
        return Room(own_id=invoice_id)
    customer: Customer = load(unit, "customer", invoice.customer_id)
    currency = invoice.currency
    credit = {lot.source_id: lot.minor for lot in customer.lots if lot.currency == currency}
    return Room(credit, invoice_id)


def return_credit(unit: Unit, customer_id: UUID, returned: CreditReturned) -> None:
    """Gives back, today, what was reserved for a refund that failed."""
    unit.append("customer", customer_id, [New(returned, today(unit))])


def lots_of(customer: Customer, currency: str, source_id: UUID | None = None) -> list[Lot]:
    """The customer's credit in a currency that can be used, oldest first; of one source when it is given."""
    if source_id is not None:
        left_minor = customer.of(source_id, currency)
        return [Lot(source_id, left_minor)] if left_minor else []
    parts = drawn(customer, currency, customer.credit.get(currency, 0))
    return [Lot(part.source_id, part.amount_minor) for part in parts]


def use_credit(
    unit: Unit,
    lots: Iterable[Lot],
    invoice_id: UUID,
    most_minor: int,
    *,
    on: date | None = None,
    offers: bool = False,
) -> int:
    """Lets an invoice take credit, lot by lot, at most so much; returns what it took.

    An invoice that can take no money takes nothing.

    on      the day on which it was applied; today when left out
    offers  what the invoice does not take now stays offered to it: it takes that first when a fact makes room for it
    """
    now_on = today(unit)
    taken_minor = 0
    for source_id, lot_minor in lots:
        invoice: Invoice = load(unit, "invoice", invoice_id)
        offered_minor = min(lot_minor, most_minor - taken_minor)
        if offered_minor <= 0 or not (offers or settling.takes_money(invoice)):
            break
        room = room_of(unit, invoice_id)
        room = room._replace(credit={**room.credit, source_id: lot_minor})
        decision, left_minor = settling.apply_credit(
            invoice, source_id, offered_minor, on or now_on, now_on, room
        )
        used_minor = offered_minor - left_minor
        if left_minor and not offers:
            if not used_minor:
                break
            offered_minor = used_minor
            decision, left_minor = settling.apply_credit(
                invoice, source_id, offered_minor, on or now_on, now_on, room
            )
            assert not left_minor, "an invoice takes again what it took"
        if used_minor:
            applied = CreditApplied(invoice.currency, used_minor, source_id, invoice_id)
            unit.append("customer", invoice.customer_id, [New(applied, now_on)])
        payment: Payment | None = unit.find("payment", source_id)
        if payment is not None:
            allocated = Allocated(
                invoice_id, used_minor, offered_minor if offered_minor != used_minor else None
            )
            unit.append("payment", source_id, [New(Applied((allocated,)), now_on)])
        post(unit, invoice_id, decision.new, own_source=source_id, own_minor=used_minor)
        taken_minor += used_minor
    return taken_minor


def use_credit_automatically(unit: Unit, customer_id: UUID, currency: str) -> None:
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


def _take(
    unit: Unit,
    invoice_id: UUID,
    invoice: Invoice,
    source_id: UUID,
    more_minor: int,
    because: str,
) -> None:
    """An invoice takes more of a source's money than before, or less (below zero)."""
    payment: Payment | None = unit.find("payment", source_id)
    if payment is None:
        credit = CreditChange(invoice.currency, -more_minor, because, invoice_id=source_id)
    else:
        change = AllocationChange(invoice_id, more_minor)
        changed = AllocationsChanged((change,), because)
        unit.append("payment", source_id, [New(changed, payment.received_on)])
        credit = CreditChange(invoice.currency, -more_minor, because, payment_id=source_id)
    change_credit(unit, invoice.customer_id, credit, "recalculated")
