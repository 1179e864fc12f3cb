"""What people ask for of payments: the rules of a journey."""

from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commands.applying import ApplyPayment, apply_payment
from commands.payments import (
    Allocation,
    ChargeBackPayment,
    PaymentView,
    ReceivePayment,
    ReversePayment,
    charge_back_payment,
    receive_payment,
    reverse_payment,
)
from commands.unit import AlreadyExists
from ledger.invoice.state import OPEN
from ledger.money import Money
from tests.commands.journey import IS_OPEN, Journey, back, maybe_share, picks, thousandths


class Paying(Journey):
    """Pays, on time and late, takes back, applies what is left."""

    @rule(pick=picks, share=thousandths, days=back, reference=st.sampled_from(("", "", "TED 1")))
    def pay_an_invoice(self, pick: int, share: int, days: int, reference: str) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN, "written_off")
        amount = self.part(invoice_id, share)
        view = self._pay(amount, days, invoice_id=invoice_id, reference=reference)
        invoice = self.books.of_invoice(invoice_id)
        if view is not None and view.unapplied.minor:
            assert invoice.status not in (*OPEN, "written_off"), "left over, and open"

    @rule(pick=picks, share=thousandths, days=back)
    def pay_what_is_owed(self, pick: int, share: int, days: int) -> None:
        amount = self.part(self.invoice(pick, *IS_OPEN), share)
        customer_id = self.customers[pick % 2]
        view = self._pay(amount, days, customer_id=customer_id)
        if view is not None and view.unapplied.minor:
            payable = self.books.payable(customer_id)
            assert all(invoice.currency != amount.currency for _, invoice in payable)

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
    @rule(pick=picks)
    def reverse(self, pick: int) -> None:
        self.ask(reverse_payment, self.payment(pick), ReversePayment("bounced"))

    @precondition(lambda self: self.payments)
    @rule(pick=picks, days=back)
    def charge_back(self, pick: int, days: int) -> None:
        on = self.today - timedelta(days=days)
        command = ChargeBackPayment("disputed", on if days else None)
        self.ask(charge_back_payment, self.payment(pick), command)

    @precondition(lambda self: self.payments)
    @rule(payment=picks, pick=st.none() | picks, share=maybe_share)
    def apply(self, payment: int, pick: int | None, share: int | None) -> None:
        invoice_id = None if pick is None else self.invoice(pick, *IS_OPEN, "written_off")
        amount = None if invoice_id is None else self.maybe(invoice_id, share)
        self.ask(apply_payment, self.payment(payment), ApplyPayment(invoice_id, (), amount))
