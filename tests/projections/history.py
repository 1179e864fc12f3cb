"""Random but legal histories: a tenant's commands and clock nights over months, decided by the real ones.

All kinds of facts come late: payments of earlier days, adjustments with an earlier effective date, partial reversals
and charge-backs, reallocations, reference rates that were in force before. The same seed gives the same commands. What
a rule refuses is passed over; refusals are part of a legal life.
"""

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.store.writer import Request
from adapters.wiring import Books
from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
)
from commands.agreements.early_pay_off import PayOffAgreement, pay_off_agreement
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    LoseAgreement,
    RenegotiateAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    lose_agreement,
    renegotiate_agreement,
    request_agreement,
)
from commands.credit_application import ApplyCredit, ApplyPayment, apply_credit, apply_payment
from commands.customers import (
    ChangeCustomer,
    RegisterCustomer,
    change_customer,
    register_customer,
)
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.holds import (
    DisputeInvoice,
    HoldInvoice,
    PromiseToPay,
    ReleaseInvoice,
    ResolveDispute,
    dispute_invoice,
    hold_invoice,
    promise_to_pay,
    release_invoice,
    resolve_dispute,
)
from commands.invoices import (
    ChangeInvoice,
    CloseInvoice,
    DraftInvoice,
    SendInvoice,
    cancel_invoice,
    change_invoice,
    draft_invoice,
    send_invoice,
    void_invoice,
)
from commands.payments import Allocation, ReceivePayment, receive_payment
from commands.reference_rates import SetReferenceRate, set_reference_rate
from commands.refunds import (
    ConfirmRefund,
    FailRefund,
    RequestRefund,
    begin_payout,
    confirm_refund,
    fail_refund,
    payout_attempt_failed,
    payout_sent,
    release_refund,
    request_refund,
)
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    ReversePayment,
    charge_back_payment,
    reallocate_payment,
    reverse_payment,
)
from commands.tenants import ConfigureTenant, CreateTenant, configure_tenant, create_tenant
from ledger.errors import LedgerError
from ledger.money import Money
from ledger.tax import Line
from ledger.waterfall import COMPONENTS
from schedulers.catch_up import catch_up

FIRST_DAY = date(2024, 1, 2)
CURRENCIES = ("BRL", "EUR", "JPY")
POLICIES = (
    AddFeePolicy(late_fee="2%", mora="1%/month"),
    AddFeePolicy(late_fee="1%", mora="9%/year", day_count="365", grace_days=3),
    AddFeePolicy(mora="1.5%/month", accrual="month_end", mora_base="original"),
    AddFeePolicy(
        late_fee="2%",
        mora="8%/year",
        mora_reference="ecb",
        day_count="365",
        small_balance_tolerance=Money("5.00", "EUR"),
    ),
)


class History:
    """One tenant's life. `today` is the day it has come to; `invoices`, `payments` and `customers` are ids."""

    def __init__(self, books: Books, seed: int, policy: AddFeePolicy | None = None) -> None:
        self.books = books
        self.choose = random.Random(seed)
        self.tenant_id = uuid4()
        self.today = FIRST_DAY
        self.customers: list[UUID] = []
        self.invoices: list[UUID] = []
        self.currencies: dict[UUID, str] = {}
        self.payments: list[UUID] = []
        self.refunds: list[UUID] = []
        self.agreements: list[UUID] = []
        self.refused = 0
        create = CreateTenant(f"history {self.tenant_id}", "BRL", "UTC", clock_starts_on=FIRST_DAY)
        self.ask(lambda unit: create_tenant(unit, create))
        self._rate()
        self._policy(policy)
        for _ in range(3):
            self._customer()
            self.draft()
            self._send()

    def run(self, steps: int) -> "History":
        """So many random steps."""
        for _ in range(steps):
            self.step()
        return self

    def step(self) -> None:
        """One thing happens, or the night falls once or a few times."""
        happenings: list[tuple[Callable[[], object], int]] = [
            (self.draft, 4),
            (self._send, 5),
            (self._pay_invoice, 5),
            (self._pay_customer, 2),
            (self._pay_several, 2),
            (self._night, 6),
            (self._reverse, 2),
            (self._charge_back, 2),
            (self._reallocate, 2),
            (self._apply, 3),
            (self._lend, 1),
            (self._agree, 2),
            (self._rate, 1),
            (self._refund, 2),
            (self._pay_out, 3),
            (self._change, 2),
            (self._adjust, 5),
            (self._say, 4),
            (self._void, 1),
            (self._cancel, 1),
            (self._write_off, 1),
            (self._customer, 1),
            (self._rename, 1),
            (self._policy, 1),
            (self._configure, 1),
        ]
        functions, weights = zip(*happenings, strict=True)
        self.choose.choices(functions, weights)[0]()

    def night(self, days: int = 1) -> None:
        """The clock runs every day up to the one that comes."""
        self.today += timedelta(days=days)
        lease = self.books.clock.acquire("history")
        for _ in catch_up(self.books.clock, self.tenant_id, lease, self.today):
            pass
        self.books.clock.release(lease)

    def ask(self, handler: Any, actor: str = "history") -> dict[str, Any] | None:
        """What a command answers; None when it is refused."""
        now = datetime.combine(self.today, time(12), UTC)
        request = Request(tenant_id=self.tenant_id, actor=actor, handler=handler, now=now)
        try:
            answer = self.books.writer.run(request)
        except LedgerError:
            self.refused += 1
            return None
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found

    def _id(self, answer: dict[str, Any] | None, into: list[UUID]) -> None:
        if answer is not None:
            into.append(UUID(answer["id"]))

    def _night(self) -> None:
        self.night(self.choose.choice((1, 1, 2, 5, 17)))

    def _policy(self, policy: AddFeePolicy | None = None) -> None:
        chosen = policy or self.choose.choice(POLICIES)
        self.ask(lambda unit: add_fee_policy(unit, chosen))

    def _customer(self) -> None:
        reference = f"C{len(self.customers):04}"
        command = RegisterCustomer(name=f"Person {reference}", reference=reference, language="pt")
        self._id(self.ask(lambda unit: register_customer(unit, command)), self.customers)

    def _rename(self) -> None:
        customer_id = self.choose.choice(self.customers)
        command = ChangeCustomer(name="Renamed", email="someone@example.org")
        self.ask(lambda unit: change_customer(unit, customer_id, command))

    def draft(self) -> None:
        """A draft of one to three lines, due within forty days."""
        currency = self.choose.choice(CURRENCIES)
        due_on = self.today + timedelta(days=self.choose.randint(0, 40))
        lines = tuple(
            Line("Service", "1", self._amount(currency).amount)
            for _ in range(self.choose.randint(1, 3))
        )
        command = DraftInvoice(self.choose.choice(self.customers), due_on, lines, currency)
        self._id(self.ask(lambda unit: draft_invoice(unit, command)), self.invoices)
        self.currencies[self.invoices[-1]] = currency

    def _send(self) -> None:
        for invoice_id in self.invoices[-4:]:
            issued_on = self.today - timedelta(days=self.choose.choice((0, 0, 0, 4)))
            command = SendInvoice(issued_on=issued_on)
            self.ask(lambda unit, i=invoice_id, c=command: send_invoice(unit, i, c))

    def _pay_invoice(self) -> None:
        if self.invoices:
            invoice_id = self.choose.choice(self.invoices)
            amount = self._amount(self.currencies[invoice_id], times=self.choose.choice((1, 1, 9)))
            self._pay(invoice_id=invoice_id, amount=amount)

    def _pay_customer(self) -> None:
        self._pay(customer_id=self.choose.choice(self.customers))

    def _pay_several(self) -> None:
        currency = self.choose.choice(CURRENCIES)
        owing = [one for one in self.invoices if self.currencies[one] == currency]
        chosen = self.choose.sample(owing, min(3, len(owing)))
        parts = tuple(Allocation(one, self._amount(currency)) for one in chosen)
        if parts:
            whole = sum(part.amount.minor for part in parts) + self.choose.choice((0, 700))
            self._pay(allocations=parts, amount=Money.of(whole, currency))

    def _pay(self, **whose: Any) -> None:
        whose.setdefault("amount", self._amount(self.choose.choice(CURRENCIES)))
        back = self.choose.choice((0, 0, 0, 2, 20))
        whose.setdefault("received_on", self.today - timedelta(days=back))
        command = ReceivePayment(reference=self.choose.choice(("", "transfer")), **whose)
        answer = self.ask(lambda unit: receive_payment(unit, command))
        if answer is not None:
            self._id(answer, self.payments)
            self.currencies[self.payments[-1]] = command.amount.currency

    def _reverse(self) -> None:
        if self.payments:
            payment_id = self.choose.choice(self.payments)
            command = ReversePayment("returned by the bank", self._part_of(payment_id))
            self.ask(lambda unit: reverse_payment(unit, payment_id, command))

    def _charge_back(self) -> None:
        if self.payments:
            payment_id = self.choose.choice(self.payments)
            command = ChargeBackPayment("recalled", self._day(3), self._part_of(payment_id))
            self.ask(lambda unit: charge_back_payment(unit, payment_id, command))

    def _reallocate(self) -> None:
        """A payment is meant for other invoices, in other amounts, or for none."""
        if not self.payments:
            return
        payment_id = self.choose.choice(self.payments)
        currency = self.currencies[payment_id]
        same = [one for one in self.invoices if self.currencies[one] == currency]
        chosen = self.choose.sample(same, min(len(same), self.choose.randint(0, 2)))
        parts = tuple(Allocation(one, self._amount(currency)) for one in chosen)
        command = ReallocatePayment("meant for others", parts)
        self.ask(lambda unit: reallocate_payment(unit, payment_id, command))

    def _apply(self) -> None:
        if not self.payments:
            return
        payment_id = self.choose.choice(self.payments[-6:])
        customer_id = self.choose.choice(self.customers)
        credit = ApplyCredit(self.choose.choice(CURRENCIES), effective_on=self._day(9))
        applied = ApplyPayment(effective_on=self._day(9))
        self.ask(
            self.choose.choice(
                (
                    lambda unit: apply_payment(unit, payment_id, applied),
                    lambda unit: apply_credit(unit, customer_id, credit),
                )
            )
        )

    def _lend(self) -> None:
        """A loan, or a plan over what a customer owes, approved and put into force."""
        customer_id = self.choose.choice(self.customers)
        invoice_id = self.choose.choice(self.invoices)
        lends = self.choose.choice((True, False))
        terms = RequestAgreement(
            customer_id=customer_id,
            kind="loan" if lends else "payment_plan",
            currency="EUR" if lends else self.currencies[invoice_id],
            principal=Money("900.00", "EUR") if lends else None,
            invoice_ids=() if lends else (invoice_id,),
            **self._terms(),
        )
        asked = self.ask(lambda unit: request_agreement(unit, terms))
        if asked is None:
            return
        agreement_id = UUID(asked["id"])
        self.agreements.append(agreement_id)
        self.ask(lambda unit: approve_agreement(unit, agreement_id, ApproveAgreement()), "another")
        self._instalments(
            self.ask(lambda unit: activate_agreement(unit, agreement_id, ActivateAgreement()))
        )

    def _agree(self) -> None:
        """An agreement is paid off early, renegotiated or lost."""
        if not self.agreements:
            return
        agreement_id = self.choose.choice(self.agreements)
        again = RenegotiateAgreement(reason="less pay", **self._terms())
        paid = PayOffAgreement(Money("1000.00", "EUR"))
        lost = LoseAgreement("bankrupt")
        commands: list[Callable[[Any], Any]] = [
            lambda unit: pay_off_agreement(unit, agreement_id, paid),
            lambda unit: renegotiate_agreement(unit, agreement_id, again),
            lambda unit: lose_agreement(unit, agreement_id, lost),
        ]
        answer = self.ask(self.choose.choices(commands, (4, 2, 1))[0])
        if answer is not None and "payment" in answer:
            self._id(answer["payment"], self.payments)
            self.currencies[self.payments[-1]] = "EUR"
        elif answer is not None and UUID(answer["id"]) != agreement_id:
            self._id(answer, self.agreements)
            self._instalments(answer)

    def _instalments(self, answer: dict[str, Any] | None) -> None:
        for part in answer["instalments"] if answer is not None else ():
            self.invoices.append(UUID(part["invoice_id"]))
            self.currencies[self.invoices[-1]] = part["open"]["currency"]

    def _terms(self) -> dict[str, Any]:
        return {
            "schedule": "price",
            "count": self.choose.randint(1, 3),
            "first_due_on": self.today + timedelta(days=self.choose.randint(3, 30)),
            "rate": "2%/month",
        }

    def _rate(self) -> None:
        """A reference rate, perhaps in force for some time."""
        from_on = self._day(15) or self.today
        rate = self.choose.choice(("4.50%/year", "-0.88%/year", "12%/year"))
        command = SetReferenceRate("ecb", from_on, rate)
        self.ask(lambda unit: set_reference_rate(unit, command))

    def _refund(self) -> None:
        """Somebody who has credit asks for some of it, or all."""
        for customer_id in self.choose.sample(self.customers, len(self.customers)):
            currency = self.choose.choice(CURRENCIES)
            some = self.choose.choice((None, Money.of(1, currency)))
            command = RequestRefund(customer_id, "asked", some, currency)
            answer = self.ask(lambda unit, asked=command: request_refund(unit, asked))
            if answer is not None:
                return self._id(answer, self.refunds)

    def _pay_out(self) -> None:
        """What may happen to a refund; at one time of the day, so that an attempt is under way until tomorrow."""
        if not self.refunds:
            return
        refund_id = self.choose.choice(self.refunds[-4:])
        unknown = self.choose.choice((True, False))
        commands: list[Callable[[Any], Any]] = [
            lambda unit: begin_payout(unit, refund_id),
            lambda unit: payout_attempt_failed(unit, refund_id, 1, "no answer", unknown=unknown),
            lambda unit: payout_sent(unit, refund_id, self.choose.choice((1, 2)), "file", "x"),
            lambda unit: confirm_refund(unit, refund_id, ConfirmRefund("po-1")),
            lambda unit: fail_refund(unit, refund_id, FailRefund("account closed")),
            lambda unit: release_refund(unit, refund_id),
        ]
        for _ in range(3):
            self.ask(self.choose.choice(commands))

    def _adjust(self) -> None:
        if not self.invoices:
            return
        invoice_id = self.choose.choice(self.invoices)
        amount = Money.of(self.choose.choice((1, 250, 5_000)), self.currencies[invoice_id])
        some = self.choose.choice((None, amount))
        on = self._day(12)
        fee = ChargeFee(amount, "returned by the bank", on)
        waived = WaiveComponent(self.choose.choice(COMPONENTS), "goodwill", some, on)
        credited = CreditInvoice("not delivered", some, effective_on=on)
        commands: list[Callable[[Any], Any]] = [
            lambda unit: charge_fee(unit, invoice_id, fee),
            lambda unit: waive(unit, invoice_id, waived),
            lambda unit: credit_invoice(unit, invoice_id, credited),
        ]
        self.ask(self.choose.choice(commands))

    def _say(self) -> None:
        if not self.invoices:
            return
        invoice_id = self.choose.choice(self.invoices)
        amount = Money.of(self.choose.choice((1, 900)), self.currencies[invoice_id])
        some = self.choose.choice((None, amount))
        later_on = self.today + timedelta(days=self.choose.randint(0, 9))
        on = self._day(12)
        disputed = DisputeInvoice("not ours", some, on)
        resolved = ResolveDispute(self.choose.choice(("accepted", "rejected")), "", on)
        promised = PromiseToPay(later_on, some, "", on)
        held = HoldInvoice("a call is due", self.choose.choice((None, later_on)))
        commands: list[Callable[[Any], Any]] = [
            lambda unit: dispute_invoice(unit, invoice_id, disputed),
            lambda unit: resolve_dispute(unit, invoice_id, resolved),
            lambda unit: promise_to_pay(unit, invoice_id, promised),
            lambda unit: hold_invoice(unit, invoice_id, held),
            lambda unit: release_invoice(unit, invoice_id, ReleaseInvoice()),
        ]
        self.ask(self.choose.choice(commands))

    def _configure(self) -> None:
        command = ConfigureTenant(
            apply_credit=self.choose.choice(("by_hand", "automatic")),
            dispute_holds_interest=self.choose.choice((True, False)),
        )
        self.ask(lambda unit: configure_tenant(unit, command))

    def _change(self) -> None:
        if self.invoices:
            invoice_id = self.choose.choice(self.invoices)
            due_on = self.today + timedelta(days=self.choose.randint(-3, 30))
            command = ChangeInvoice(due_on=due_on, reason="agreed by phone")
            if self.choose.choice((True, False)):
                command = ChangeInvoice(
                    due_on=due_on, reason="agreed by phone", effective_on=self._day(9)
                )
            self.ask(lambda unit: change_invoice(unit, invoice_id, command))

    def _void(self) -> None:
        self._forgive(void_invoice, CloseInvoice("a mistake"))

    def _cancel(self) -> None:
        self._forgive(cancel_invoice, CloseInvoice("a mistake"))

    def _write_off(self) -> None:
        command = WriteOffInvoice("insolvent", effective_on=self._day(12))
        self._forgive(write_off, command)

    def _forgive(self, handler: Any, command: Any) -> None:
        if self.invoices:
            invoice_id = self.choose.choice(self.invoices)
            self.ask(lambda unit: handler(unit, invoice_id, command))

    def _day(self, most: int) -> date | None:
        """Today, said or left out, or a day up to so many back."""
        back = self.choose.choice((None, None, 0, self.choose.randint(1, most)))
        return None if back is None else self.today - timedelta(days=back)

    def _part_of(self, payment_id: UUID) -> Money | None:
        """All of a payment, or a part of it."""
        part = Money.of(self.choose.choice((1, 500, 9_000)), self.currencies[payment_id])
        return self.choose.choice((None, part))

    def _amount(self, currency: str, times: int = 1) -> Money:
        return Money.of(times * self.choose.choice((1, 999, 10_000, 33_333, 123_456)), currency)
