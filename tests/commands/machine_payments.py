"""What people ask for of payments: the rules of a journey."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commands.credit_application import ApplyPayment, apply_payment
from commands.payments import Allocation, PaymentView, ReceivePayment, receive_payment
from commands.reversals import (
    ChargeBackPayment,
    ReallocatePayment,
    ReversePayment,
    charge_back_payment,
    reallocate_payment,
    reverse_payment,
)
from commands.unit_of_work import AlreadyExists
from ledger.invoice.balance import open_on, written_off_on
from ledger.invoice.settling import counts_from
from ledger.invoice.state import Invoice
from ledger.money import Money
from ledger.payment import Payment
from tests.commands.journey import IS_OPEN, Journey, back, maybe_share, picks, thousandths


class Paying(Journey):
    """Pays, on time and late, reverses, reallocates, applies what is left."""

    @rule(pick=picks, share=thousandths, days=back, reference=st.sampled_from(("", "", "TED 1")))
    def pay_an_invoice(self, pick: int, share: int, days: int, reference: str) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN, "written_off")
        amount = self.part(invoice_id, share)
        view = self._pay(amount, days, invoice_id=invoice_id, reference=reference)
        if view is not None and view.unapplied.minor:
            self._assert_nothing_left_open(self.books.of_invoice(invoice_id), days)

    @rule(pick=picks, share=thousandths, days=back)
    def pay_what_is_owed(self, pick: int, share: int, days: int) -> None:
        amount = self.part(self.invoice(pick, *IS_OPEN), share)
        customer_id = self.customers[pick % 2]
        view = self._pay(amount, days, customer_id=customer_id)
        if view is not None and view.unapplied.minor:
            for _, invoice in self.books.payable(customer_id):
                if invoice.currency == amount.currency:
                    self._assert_nothing_left_open(invoice, days)

    def _assert_nothing_left_open(self, invoice: Invoice, days: int) -> None:
        """A payment left something over: then nothing was open at the end of its day."""
        if invoice.status not in ("draft", "void"):
            on = max(self.today - timedelta(days=days), counts_from(invoice))
            assert open_on(invoice, on).total == 0, "left over, and open"
            assert written_off_on(invoice, on) == 0, "left over, and not recovered"

    @rule(one=picks, other=picks, share=thousandths, days=back, more=st.sampled_from((0, 0, 7)))
    def pay_several(self, one: int, other: int, share: int, days: int, more: int) -> None:
        parts = [
            (self.invoice(pick), self.part(self.invoice(pick), share)) for pick in (one, other)
        ]
        named = tuple(Allocation(invoice_id, amount) for invoice_id, amount in parts if amount)
        sum_minor = sum(part.amount.minor for part in named) + more
        self._pay(Money.of(sum_minor, named[0].amount.currency), days, allocations=named)

    @rule(pick=picks, days=back)
    def pay_in_another_currency(self, pick: int, days: int) -> None:
        self._pay(Money("12.34", "EUR"), days, invoice_id=self.invoice(pick))

    def _pay(self, amount: Money, days: int, **fields: Any) -> PaymentView | None:
        fields["received_on"] = self.today - timedelta(days=days) if days else None
        command = ReceivePayment(amount, **fields)
        view: PaymentView | None = self.ask(receive_payment, command)
        if view is None:
            return None
        self.payments.append(view.id)
        # The same key again, its record purged: never a second payment.
        self.books.commands -= 1
        before = len(self.books.log)
        try:
            self.books.run(receive_payment, command)
        except AlreadyExists:
            assert len(self.books.log) == before
            self.books.commands += 1
        else:
            raise AssertionError("one key, two payments")
        return view

    @precondition(lambda self: self.payments)
    @rule(pick=picks, share=maybe_share)
    def reverse(self, pick: int, share: int | None) -> None:
        payment_id = self.payment(pick)
        command = ReversePayment("bounced", self._part_of(payment_id, share))
        self.ask(reverse_payment, payment_id, command)

    @precondition(lambda self: self.payments)
    @rule(pick=picks, days=back, share=maybe_share)
    def charge_back(self, pick: int, days: int, share: int | None) -> None:
        payment_id = self.payment(pick)
        amount = self._part_of(payment_id, share)
        command = ChargeBackPayment("disputed", self.earlier(days), amount)
        self.ask(charge_back_payment, payment_id, command)

    @precondition(lambda self: self.payments)
    @rule(pick=picks, parts=st.lists(st.tuples(picks, thousandths), max_size=2))
    def reallocate(self, pick: int, parts: list[tuple[int, int]]) -> None:
        """Mostly over invoices of its customer, and mostly no more than it has."""
        payment_id = self.payment(pick)
        payment: Payment = self.books.state("payment", payment_id)
        named: list[Allocation] = []
        for one, share in parts:
            invoice_id = self._of_customer(payment, one)
            minor = max(1, payment.left_minor * share // (1_000 * len(parts)))
            named.append(Allocation(invoice_id, Money.of(minor, payment.currency)))
        self.ask(reallocate_payment, payment_id, ReallocatePayment("a slip", tuple(named)))

    def _of_customer(self, payment: Payment, pick: int) -> UUID:
        found = [
            one
            for one in self.invoices
            if self.books.of_invoice(one).customer_id == payment.customer_id
            and self.books.of_invoice(one).currency == payment.currency
        ]
        found = found if found and pick else self.invoices
        return found[pick % len(found)]

    def _part_of(self, payment_id: UUID, share: int | None) -> Money | None:
        payment: Payment | None = self.books.find("payment", payment_id)
        if share is None or payment is None:
            return None
        minor = max(1, payment.amount_minor * share // 1_000)
        return Money.of(minor, payment.currency)

    @precondition(lambda self: self.payments)
    @rule(payment=picks, pick=st.none() | picks, share=maybe_share, days=back)
    def apply(self, payment: int, pick: int | None, share: int | None, days: int) -> None:
        invoice_id = None if pick is None else self.invoice(pick, *IS_OPEN, "written_off")
        amount = None if invoice_id is None else self.maybe(invoice_id, share)
        command = ApplyPayment(invoice_id, (), amount, self.earlier(days))
        self.ask(apply_payment, self.payment(payment), command)
