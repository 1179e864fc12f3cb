"""What holds in a tenant's books after every command, whatever was asked: read from folded states and events."""

from collections import Counter
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from ledger.allocation import COMPONENTS, Split
from ledger.customer import Customer
from ledger.events import New
from ledger.invoice import events as e
from ledger.invoice.recalculation import recalculation
from ledger.invoice.state import OPEN, Invoice, lines_of
from ledger.payment import Payment
from ledger.refund import Refund
from ledger.streams import fold
from tests.commands.memory_unit import MemoryUnit
from tests.ledger.implied import Implied

CLOSED_WITH_NOTHING_OPEN = {"paid", "void", "cancelled", "written_off", "renegotiated"}
GIVEN_UP_AS = {"void", "cancelled", "written_off", "renegotiated"}


def assert_invoice_balances(invoice: Invoice) -> None:
    """By component: what is open, paid and given up adds up to what was charged, nothing below zero."""
    for component in COMPONENTS:
        charged, paid, forgiven, open_minor = (
            getattr(split, component)
            for split in (invoice.charged, invoice.paid, invoice.forgiven, invoice.open)
        )
        assert open_minor + paid + forgiven == charged, component
        assert min(open_minor, paid, forgiven, charged) >= 0, component
        for way, split in invoice.forgiven_of.items():
            assert getattr(split, component) >= 0, (way, component)
    assert sum(invoice.forgiven_of.values(), start=Split()) == invoice.forgiven
    if invoice.terms is None:
        assert invoice.charged == Split()
        return
    assert invoice.charged.principal == invoice.total_minor
    assert (invoice.status in OPEN) == (invoice.open.total > 0)
    if invoice.status == "written_off":
        assert invoice.written_off.total > 0
    if invoice.status == "overdue":
        assert invoice.was_overdue
    credited = invoice.credited_lines
    assert sum(line.net_minor for line in credited) <= invoice.net_minor or not credited
    assert sum(line.net_minor + line.tax_minor for line in credited) <= invoice.total_minor
    for line, taken in zip(lines_of(invoice), credited, strict=False):
        if line.gross_minor == taken.net_minor + taken.tax_minor:
            assert (line.net_minor, line.tax_minor) == (taken.net_minor, taken.tax_minor)


def assert_nothing_is_owed_otherwise(invoice: Invoice, implied: Implied) -> None:
    """Fee and interest stand as an independent calculation has them, and a recalculation finds nothing to change."""
    if invoice.terms is None:
        return
    assert recalculation(invoice, "nothing new") is None
    assert implied.asked_for() == (invoice.charged.late_fee, invoice.charged.mora)
    assert (implied.fee, implied.mora) == (invoice.charged.late_fee, invoice.charged.mora)


def assert_customer_is_sound(customer: Customer) -> None:
    assert all(lot.minor > 0 for lot in customer.lots)
    assert len({(lot.source_id, lot.currency) for lot in customer.lots}) == len(customer.lots)
    assert all(minor > 0 for minor in customer.shortfall.values())
    assert not customer.shortfall.keys() & customer.credit.keys()


def assert_payment_is_spread(payment: Payment) -> None:
    allocated = [part.amount_minor for part in payment.allocations]
    assert min(allocated, default=1) > 0
    assert payment.unapplied_minor >= 0
    assert sum(allocated) + payment.unapplied_minor == payment.amount_minor


def assert_money_balances(unit: MemoryUnit) -> None:
    """Each customer's money, by currency.

    What arrived and stands, and what credit notes gave back of it, is paid on invoices, is credit, or is on its way
    back in refunds. Spent credit that was taken back is owed: the shortfall.
    """
    stands: Counter[tuple[UUID, str]] = Counter()
    for _, kind, state in states(unit):
        if kind == "payment" and state.status == "received":
            stands[state.customer_id, state.currency] += state.amount_minor
        elif kind == "invoice":
            taken_back = sum(line.net_minor + line.tax_minor for line in state.credited_lines)
            came_off = state.forgiven_of.get("credited", Split()).total
            stands[state.customer_id, state.currency] += taken_back - came_off
            stands[state.customer_id, state.currency] -= state.paid.total
        elif kind == "refund" and is_out(state):
            stands[state.customer_id, state.currency] -= state.amount_minor
    for customer_id, kind, state in states(unit):
        if kind == "customer":
            for currency, minor in state.credit.items():
                stands[customer_id, currency] -= minor
            for currency, minor in state.shortfall.items():
                stands[customer_id, currency] += minor
    assert {whose: minor for whose, minor in stands.items() if minor} == {}


def assert_payments_are_on_their_invoices(unit: MemoryUnit) -> None:
    """What payments that stand say they gave to an invoice is what the invoice says that it took of them."""
    given: Counter[tuple[UUID, UUID]] = Counter()
    taken: Counter[tuple[UUID, UUID]] = Counter()
    payments = set()
    for stream_id, kind, state in states(unit):
        if kind == "payment":
            payments.add(stream_id)
            if state.status == "received":
                for part in state.allocations:
                    given[stream_id, part.invoice_id] += part.amount_minor
    for stream_id, kind, state in states(unit):
        if kind == "invoice":
            for part in state.received:
                if part.source_id in payments:
                    amount = part.split.total + part.recovered.total
                    taken[part.source_id, stream_id] += amount
    assert given == Counter({pair: amount for pair, amount in taken.items() if amount})


def assert_agreements_follow(unit: MemoryUnit) -> None:
    """An agreement in force is paid when every instalment is."""
    for _, kind, agreement in states(unit):
        if kind == "agreement" and agreement.status in ("active", "paid"):
            found = {
                unit.state("invoice", part.invoice_id).status for part in agreement.instalments
            }
            assert (agreement.status == "paid") == (found == {"paid"})


def assert_refolds(kind: str, told: Iterable[New], state: object) -> None:
    assert fold(kind, told) == state


def is_out(refund: Refund) -> bool:
    """Whether the refund's credit is set aside, or gone."""
    return refund.status != "compensated"


def states(unit: MemoryUnit) -> Iterable[tuple[UUID, str, Any]]:
    for stream_id, (kind, _) in unit.heads.items():
        yield stream_id, kind, unit.state(kind, stream_id)


def credit_given(told: Iterable[New]) -> int:
    return sum(new.event.credit_minor for new in told if isinstance(new.event, e.Credited))
