"""Recording a history in the product, in a given order, and reading what it then says of every day.

Facts go through the product's commands; where a command leaves no choice that a fact needs (an amount by component, a
dispute that holds interest or not), through the decision that the command makes.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import UUID

from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    WaiveComponent,
    charge_fee,
    credit_invoice,
    waive,
)
from commands.credit import CreditChange, Lot, change_credit, post, room_of, use_credit
from commands.credit_application import ApplyPayment, apply_payment
from commands.customers import RegisterCustomer, register_customer
from commands.holds import PromiseToPay, promise_to_pay
from commands.invoices import ChangeInvoice, change_invoice
from commands.payments import Allocation, ReceivePayment, receive_payment
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    ReversePayment,
    charge_back_payment,
    reallocate_payment,
    reverse_payment,
)
from commands.tenants import CreateTenant, create_tenant
from commands.unit_of_work import Unit, load
from ledger.agreement import events as agreement_events
from ledger.calendars import Calendar
from ledger.customer import CreditPart, CreditReserved
from ledger.errors import LedgerError
from ledger.event_registry import New
from ledger.ids import stable_id
from ledger.invoice import accrual, adjusting, holding, issuing, preconditions
from ledger.invoice import events as e
from ledger.invoice.evolve import evolve
from ledger.invoice.recording import impute
from ledger.invoice.state import NO_SOURCE, OPEN, Imputation, Invoice
from ledger.money import Money, format_minor
from ledger.payment import Received
from ledger.policy import FeePolicy
from ledger.rates import Rate
from ledger.refund import Requested
from ledger.tax import Line, Priced, PricedLine
from ledger.waterfall import Component, Order, Split
from schedulers.business_day_steps import DECIDE
from tests.commands.memory_unit import MemoryUnit
from tests.facts.facts import COMPONENTS, DAY, Fact, History
from tests.facts.facts import Invoice as Terms
from tests.facts.facts import Order as Recorded


class Refused(Exception):
    """The product refused a fact, or it is another fact in this order."""


class Books(MemoryUnit):
    """One tenant; credit notes may be numbered out of the order of their dates."""

    def next_number(self, kind: str, series: str, issued_on: date, *, yearly: bool = False) -> int:
        return super().next_number(kind, series, date.max, yearly=yearly)

    def on(self, day: date) -> None:
        self.now = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)


@dataclass
class Driver:
    """A history on its way into the product. `clock`: whether the nights' steps run daily, never, or some nights."""

    history: History
    clock: str = "daily"
    rng: random.Random = field(default_factory=lambda: random.Random(0))
    books: Books = field(default_factory=Books)
    invoices: dict[int, UUID] = field(default_factory=dict)
    payments: dict[int, UUID] = field(default_factory=dict)
    marks: list[int] = field(default_factory=list)

    def record(self, order: Recorded, through: date) -> "Driver":
        """Records everything, and brings the invoices up to a day. Raises Refused."""
        self._today = min(each.issued_on for each in self.history.invoices)
        self.books.on(self._today)
        self.books.run(create_tenant, CreateTenant("Acme", "BRL", "America/Sao_Paulo", "none"))
        self.customers = [
            self.books.run(register_customer, RegisterCustomer(name)).id for name in ("Ana", "Bo")
        ]
        self._issue()
        for on, fact in order:
            self._pass_days(on)
            try:
                self.books.run(getattr(self, f"_{fact.kind}"), fact)
            except LedgerError as error:
                raise Refused(f"{fact.kind}: {error}") from error
            self.marks.append(len(self.books.log))
        self._pass_days(through)
        for invoice_id in self.invoices.values():
            decision = accrual.bring_up_to_date(self.books.state("invoice", invoice_id), through)
            self.books.append("invoice", invoice_id, decision.new)
        return self

    # -- days

    def _pass_days(self, until: date) -> None:
        while self._today < until:
            self._today += DAY
            self.books.on(self._today)
            self._issue()
            if self.clock == "daily" or (self.clock == "sometimes" and self.rng.random() < 0.3):
                self._run_clock()

    def _run_clock(self) -> None:
        for step in DECIDE.values():
            for invoice_id in self.invoices.values():
                invoice: Invoice = self.books.state("invoice", invoice_id)
                self.books.append("invoice", invoice_id, step(invoice, self._today))

    # -- invoices

    def _issue(self) -> None:
        for place, terms in enumerate(self.history.invoices):
            is_known = place in self.invoices or terms.is_instalment  # those come with agreements
            if not is_known and terms.issued_on <= self._today:
                self._send(place, terms)

    def _send(self, place: int, terms: Terms) -> None:
        invoice_id = stable_id("invoice", str(place))
        text = format_minor(terms.total, terms.currency)
        priced = Priced((PricedLine(terms.total, 0, terms.total),), terms.total, 0, terms.total)
        instalment = (
            e.Instalment(stable_id("agreement", str(terms.agreement)), place, terms.total, 0)
            if terms.is_instalment
            else None
        )
        drafted = issuing.draft(
            self.customers[terms.customer],
            terms.currency,
            terms.due_on,
            [Line("Work", "1", text)],
            priced,
            "",
            instalment,
        )
        sent = issuing.send(
            evolve(None, drafted, terms.issued_on),
            f"INV-{place}",
            terms.issued_on,
            policy_of(terms),
            Calendar("weekends" if terms.weekends else "none", "1"),
            mora_base_minor=terms.original,
        )
        self.books.append("invoice", invoice_id, [New(drafted, terms.issued_on), sent])
        self.invoices[place] = invoice_id

    # -- facts

    def _payment(self, unit: Unit, fact: Fact) -> None:
        customer_id = self.customers[fact.customer]
        amount = Money.of(fact.amount, fact.currency)
        if not fact.offers:
            payment_id = unit.new_id("payment")
            received = Received(customer_id, fact.currency, fact.amount, fact.on)
            unit.append("payment", payment_id, [New(received, fact.on)])
            change = CreditChange(fact.currency, fact.amount, "for no invoice", payment_id)
            change_credit(unit, customer_id, change)
            self.payments[fact.payment] = payment_id
            return
        command = ReceivePayment(amount, allocations=self._allocations(fact), received_on=fact.on)
        self.payments[fact.payment] = receive_payment(unit, command).id

    def _allocations(self, fact: Fact) -> tuple[Allocation, ...]:
        currency = self.history.invoices[fact.offers[0][0]].currency if fact.offers else ""
        return tuple(
            Allocation(self.invoices[place], Money.of(minor, currency))
            for place, minor in fact.offers
        )

    def _credit_applied(self, unit: Unit, fact: Fact) -> None:
        invoice_id = self.invoices[fact.invoice]
        currency = self.history.invoices[fact.invoice].currency
        if fact.source_invoice < 0:
            command = ApplyPayment(
                invoice_id, amount=Money.of(fact.amount, currency), effective_on=fact.on
            )
            apply_payment(unit, self.payments[fact.payment], command)
            return
        source_id = self.invoices[fact.source_invoice]
        customer: Any = load(unit, "customer", self.customers_id(fact.invoice))
        if customer.of(source_id, currency) < fact.amount:
            raise Refused("so much credit of the invoice is not left")
        lot = Lot(source_id, fact.amount)
        use_credit(unit, [lot], invoice_id, fact.amount, on=fact.on, offers=True)

    def customers_id(self, place: int) -> UUID:
        found: UUID = self.customers[self.history.invoices[place].customer]
        return found

    def _reversal(self, unit: Unit, fact: Fact) -> None:
        command = ReversePayment("a slip", self._money(unit, fact))
        reverse_payment(unit, self.payments[fact.payment], command)

    def _charge_back(self, unit: Unit, fact: Fact) -> None:
        command = ChargeBackPayment("bounced", fact.on, self._money(unit, fact))
        charge_back_payment(unit, self.payments[fact.payment], command)

    def _money(self, unit: Unit, fact: Fact) -> Money:
        return Money.of(fact.amount, load(unit, "payment", self.payments[fact.payment]).currency)

    def _reallocation(self, unit: Unit, fact: Fact) -> None:
        command = ReallocatePayment("meant for others", self._allocations(fact))
        reallocate_payment(unit, self.payments[fact.payment], command)

    def _refund(self, unit: Unit, fact: Fact) -> None:
        if fact.on != self._today:
            raise Refused("a refund is requested on its own day")
        customer_id = self.customers[fact.customer]
        source_id = self.payments[fact.payment]
        if load(unit, "customer", customer_id).of(source_id, fact.currency) < fact.amount:
            raise Refused("so much credit is not left")
        refund_id, parts = unit.new_id("refund"), (CreditPart(source_id, fact.amount),)
        reserved = CreditReserved(fact.currency, refund_id, parts)
        requested = Requested(customer_id, fact.currency, fact.amount, parts)
        unit.append("customer", customer_id, [New(reserved, fact.on)])
        unit.append("refund", refund_id, [New(requested, fact.on)])

    def _fee(self, unit: Unit, fact: Fact) -> None:
        charge_fee(unit, *self._with(fact, ChargeFee(self._amount(fact), "a visit", fact.on)))

    def _waiver(self, unit: Unit, fact: Fact) -> None:
        component = cast(Component, fact.component)
        command = WaiveComponent(component, "kindness", self._amount(fact), fact.on)
        waive(unit, *self._with(fact, command))

    def _credit_note(self, unit: Unit, fact: Fact) -> None:
        command = CreditInvoice("returned", self._amount(fact), effective_on=fact.on)
        credit_invoice(unit, *self._with(fact, command))

    def _write_off(self, unit: Unit, fact: Fact) -> None:
        self._forgive(unit, fact, "written_off", lambda f, a: e.WrittenOff("lost", f, a))

    def _cancellation(self, unit: Unit, fact: Fact) -> None:
        self._forgive(unit, fact, "cancelled", lambda f, a: e.Cancelled("over", f, a))

    def _forgive(
        self,
        unit: Unit,
        fact: Fact,
        kind: e.ImputationKind,
        event_of: Callable[[Split, Split], e.WrittenOff | e.Cancelled],
    ) -> None:
        """An amount by component, on a day: the commands say one amount, or take effect today."""
        invoice_id = self.invoices[fact.invoice]
        invoice: Invoice = load(unit, "invoice", invoice_id)
        preconditions.require_effective(invoice, fact.on, self._today)
        preconditions.require_open(invoice, "can be forgiven", fact.on, self._today)
        asked = Split(**dict(zip(COMPONENTS, fact.split, strict=True)))
        one = Imputation(kind, fact.on, NO_SOURCE, 0, asked)
        decision = impute(
            invoice,
            one,
            lambda covered: event_of(covered.forgiven, asked),
            self._today,
            kind,
            room_of(unit, invoice_id),
        )
        post(unit, invoice_id, decision.new)

    def _takeover(self, unit: Unit, fact: Fact) -> None:
        """An agreement takes over all that is open; its instalments are invoices."""
        invoice_id = self.invoices[fact.invoice]
        invoice: Invoice = load(unit, "invoice", invoice_id)
        agreement_id = stable_id("agreement", str(fact.agreement))
        decision = adjusting.renegotiate(invoice, agreement_id, self._today, "a plan")
        taken_over = decision.invoice.imputations[-1].asked_minor
        if taken_over != fact.amount or fact.on != self._today:
            raise Refused(f"{taken_over} is taken over, not {fact.amount}")
        post(unit, invoice_id, decision.new)
        parts = [
            (place, terms)
            for place, terms in enumerate(self.history.invoices)
            if terms.agreement == fact.agreement
        ]
        scheduled = tuple(
            agreement_events.ScheduledInstalment(
                number, stable_id("invoice", str(place)), terms.due_on, terms.total, 0, 0
            )
            for number, (place, terms) in enumerate(parts, 1)
        )
        plan = agreement_events.Plan("equal", len(parts), Rate(0, 1, "month"), parts[0][1].due_on)
        requested = agreement_events.Requested(
            invoice.customer_id,
            "payment_plan",
            invoice.currency,
            fact.amount,
            fact.amount,
            plan,
            "key:1",
        )
        activated = agreement_events.Activated(
            fact.amount, fact.amount, scheduled, agreement_id, fact.amount
        )
        new = [New(requested, fact.on), New(activated, fact.on)]
        unit.append("agreement", agreement_id, new)
        for place, terms in parts:
            self._send(place, terms)

    def _dispute(self, unit: Unit, fact: Fact) -> None:
        invoice_id = self.invoices[fact.invoice]
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = room_of(unit, invoice_id)
        decision = holding.dispute(
            invoice, fact.amount, fact.holds_interest, "late", fact.on, self._today, room
        )
        post(unit, invoice_id, decision.new)

    def _resolution(self, unit: Unit, fact: Fact) -> None:
        invoice_id = self.invoices[fact.invoice]
        invoice: Invoice = load(unit, "invoice", invoice_id)
        room = room_of(unit, invoice_id)
        assert fact.outcome
        decision = holding.resolve(invoice, fact.outcome, "", fact.on, self._today, room)
        post(unit, invoice_id, decision.new)

    def _promise(self, unit: Unit, fact: Fact) -> None:
        command = PromiseToPay(fact.until, self._amount(fact), "", fact.on)
        promise_to_pay(unit, *self._with(fact, command))

    def _due_date_moved(self, unit: Unit, fact: Fact) -> None:
        change_invoice(unit, *self._with(fact, ChangeInvoice(fact.until, effective_on=fact.on)))

    def _with(self, fact: Fact, command: Any) -> tuple[UUID, Any]:
        return self.invoices[fact.invoice], command

    def _amount(self, fact: Fact) -> Money:
        return Money.of(fact.amount, self.history.invoices[fact.invoice].currency)


def policy_of(terms: Terms) -> FeePolicy:
    return FeePolicy(
        version=1,
        late_fee=Rate.of(terms.late_fee.numerator, terms.late_fee.denominator),
        late_fee_minimum=Money.of(terms.minimum, terms.currency) if terms.minimum else None,
        mora=Rate.of(terms.rate.numerator, terms.rate.denominator, cast(Any, terms.per)),
        mora_base=terms.base,
        grace_days=terms.grace_days,
        interest_from=terms.interest_from,
        day_count=terms.day_count,
        accrual=terms.accrual,
        rounding=terms.rounding,
        waterfall=cast(Order, terms.order),
        late_fee_cap=(
            Rate.of(terms.cap.numerator, terms.cap.denominator) if terms.cap is not None else None
        ),
        small_balance_tolerance=(
            Money.of(terms.small_balance, terms.currency) if terms.small_balance else None
        ),
    )


__all__ = ["OPEN", "Books", "Driver", "Refused", "policy_of"]
