"""What holds in a tenant's books after every command, whatever was asked: read from folded states and events."""

from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any
from uuid import UUID

from ledger.customer import Customer
from ledger.event_registry import New
from ledger.invoice.charges import cumulative_mora
from ledger.invoice.replay import replay
from ledger.invoice.settling import offered_minor
from ledger.invoice.sources import Room
from ledger.invoice.state import OPEN, Invoice, given_back_minor, lines_of, taken_by_source
from ledger.payment import Payment
from ledger.refund import Refund
from ledger.streams import fold
from ledger.waterfall import COMPONENTS, Split
from tests.commands.memory_unit import MemoryUnit
from tests.ledger.implied import Implied, implied

CLOSED_WITH_NOTHING_OPEN = {"paid", "void", "cancelled", "written_off", "renegotiated"}
ENDED_UNPAID_AS = {"void", "cancelled", "written_off", "renegotiated"}


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
    if invoice.status in OPEN:
        assert (invoice.status == "overdue") == (invoice.overdue_on is not None)
    if invoice.status == "void":
        assert invoice.paid == Split()
    credited = invoice.credited_lines
    assert sum(line.net_minor for line in credited) <= invoice.net_minor or not credited
    assert sum(line.net_minor + line.tax_minor for line in credited) <= invoice.total_minor
    for line, taken in zip(lines_of(invoice), credited, strict=False):
        if line.gross_minor == taken.net_minor + taken.tax_minor:
            assert (line.net_minor, line.tax_minor) == (taken.net_minor, taken.tax_minor)


def assert_nothing_is_owed_otherwise(invoice_id: UUID, invoice: Invoice, implied: Implied) -> None:
    """A replay of the invoice's facts changes nothing, and fee and interest stand as an independent calculation has
    them."""
    if invoice.terms is None:
        return
    days = [one.on for one in (*invoice.imputations, *invoice.fees)]
    days += [day for day in (invoice.mora_through, invoice.overdue_on) if day is not None]
    through = max([invoice.terms.issued_on, *days])
    no_credit = {one.source_id: -(10**15) for one in invoice.imputations}
    replayed = replay(invoice, Room(no_credit, invoice_id), through)
    assert replayed.covered == [one.covered for one in invoice.imputations]
    assert replayed.small_balances == list(invoice.small_balances)
    assert replayed.status == invoice.status
    assert replayed.charges.first_late_day(through) == invoice.overdue_on
    assert replayed.charges.late_fee(through)[0] == invoice.charged.late_fee
    assert cumulative_mora(invoice, invoice.mora_through or date.min) == invoice.charged.mora
    assert implied.asked_for() == (invoice.charged.late_fee, invoice.charged.mora)
    assert (implied.fee, implied.mora) == (invoice.charged.late_fee, invoice.charged.mora)


def assert_customer_is_sound(customer: Customer) -> None:
    """A source may be below zero; credit and shortfall are their sum, and never both."""
    assert all(lot.minor for lot in customer.lots)
    assert len({(lot.source_id, lot.currency) for lot in customer.lots}) == len(customer.lots)
    sums: Counter[str] = Counter()
    for lot in customer.lots:
        sums[lot.currency] += lot.minor
    assert customer.credit == {currency: minor for currency, minor in sums.items() if minor > 0}
    assert customer.shortfall == {currency: -minor for currency, minor in sums.items() if minor < 0}


def assert_payment_is_spread(payment: Payment) -> None:
    """What was not reversed is on invoices, or was left over; no invoice has more than it is offered."""
    reversed_minor = payment.reversed_minor + payment.charged_back_minor
    assert min(payment.reversed_minor, payment.charged_back_minor, payment.left_minor) >= 0
    allocated = [part.amount_minor for part in payment.allocations]
    assert all(0 <= part.amount_minor <= part.offer_minor for part in payment.allocations)
    assert len({part.invoice_id for part in payment.allocations}) == len(payment.allocations)
    assert payment.unapplied_minor >= 0
    assert sum(allocated) + payment.unapplied_minor + reversed_minor == payment.amount_minor
    assert (payment.status == "received") == (payment.left_minor > 0)
    if payment.status != "received":
        assert payment.allocations == ()


def assert_money_balances(unit: MemoryUnit) -> None:
    """Each customer's money, by currency.

    What arrived and was not reversed, and what credit notes gave back of it, is paid on invoices, is credit, or is on
    its way back in refunds. Spent credit that was reversed is owed: the shortfall.
    """
    stands: Counter[tuple[UUID, str]] = Counter()
    for _, kind, state in states(unit):
        if kind == "payment":
            stands[state.customer_id, state.currency] += state.left_minor
        elif kind == "invoice":
            credited_minor = sum(line.net_minor + line.tax_minor for line in state.credited_lines)
            came_off = state.forgiven_of.get("credited", Split()).total
            stands[state.customer_id, state.currency] += credited_minor - came_off
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


def assert_sources_balance(unit: MemoryUnit) -> None:
    """The credit of each source is what arrived of it, less what invoices have of it and what refunds paid back."""
    wanted: Counter[tuple[UUID, str]] = Counter()
    found: Counter[tuple[UUID, str]] = Counter()
    payments = {stream_id for stream_id, kind, _ in states(unit) if kind == "payment"}
    for stream_id, kind, state in states(unit):
        if kind == "payment":
            wanted[stream_id, state.currency] += state.unapplied_minor
        elif kind == "invoice":
            wanted[stream_id, state.currency] += given_back_minor(state)
            for source_id, minor in taken_by_source(state).items():
                if source_id not in payments:
                    wanted[source_id, state.currency] -= minor
        elif kind == "refund" and is_out(state):
            for part in state.parts:
                wanted[part.source_id, state.currency] -= part.amount_minor
        elif kind == "customer":
            for lot in state.lots:
                found[lot.source_id, lot.currency] += lot.minor
    assert found == Counter({source: minor for source, minor in wanted.items() if minor})


def assert_payments_are_on_their_invoices(unit: MemoryUnit) -> None:
    """What payments say that an invoice has of them, and is offered, is what the invoice says."""
    given: Counter[tuple[UUID, UUID]] = Counter()
    taken: Counter[tuple[UUID, UUID]] = Counter()
    offers: Counter[tuple[UUID, UUID]] = Counter()
    offered: Counter[tuple[UUID, UUID]] = Counter()
    payments = {stream_id for stream_id, kind, _ in states(unit) if kind == "payment"}
    for stream_id, kind, state in states(unit):
        if kind == "payment":
            for part in state.allocations:
                given[stream_id, part.invoice_id] += part.amount_minor
                offers[stream_id, part.invoice_id] += part.offer_minor
        elif kind == "invoice":
            for source_id, minor in taken_by_source(state).items():
                if source_id in payments:
                    taken[source_id, stream_id] += minor
                    offered[source_id, stream_id] += offered_minor(state, source_id)
    assert _known(given) == _known(taken)
    assert _known(offers) == _known(offered)


def _known(amounts: Counter[tuple[UUID, UUID]]) -> dict[tuple[UUID, UUID], int]:
    return {pair: minor for pair, minor in amounts.items() if minor}


def assert_agreements_follow(unit: MemoryUnit) -> None:
    """An agreement in force is paid when every instalment is."""
    for _, kind, agreement in states(unit):
        if kind == "agreement" and agreement.status in ("active", "paid"):
            found = {
                unit.state("invoice", part.invoice_id).status for part in agreement.instalments
            }
            assert (agreement.status == "paid") == (found == {"paid"})


def assert_sound(unit: MemoryUnit) -> None:
    """All of it, for every stream."""
    for stream_id, kind, state in states(unit):
        told = [new for _, one, new in unit.log if one == stream_id]
        assert_refolds(kind, told, state)
        if kind == "invoice":
            assert_invoice_balances(state)
            assert_nothing_is_owed_otherwise(stream_id, state, implied(told))
        elif kind == "customer":
            assert_customer_is_sound(state)
        elif kind == "payment":
            assert_payment_is_spread(state)
    assert_money_balances(unit)
    assert_sources_balance(unit)
    assert_payments_are_on_their_invoices(unit)
    assert_agreements_follow(unit)


def assert_refolds(kind: str, told: Iterable[New], state: object) -> None:
    assert fold(kind, told) == state


def is_out(refund: Refund) -> bool:
    """Whether the refund's credit is set aside, or gone."""
    return refund.status != "compensated"


def states(unit: MemoryUnit) -> Iterable[tuple[UUID, str, Any]]:
    for stream_id, (kind, _) in unit.snapshots.items():
        yield stream_id, kind, unit.state(kind, stream_id)
