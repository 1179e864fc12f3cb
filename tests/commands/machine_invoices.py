"""What people ask for of invoices: the rules of a journey."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from commands.adjustments import (
    ChargeFee,
    CreditInvoice,
    CreditLine,
    WaiveComponent,
    WriteOffInvoice,
    charge_fee,
    credit_invoice,
    waive,
    write_off,
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
from ledger.tax import Line
from ledger.waterfall import COMPONENTS
from tests.commands.journey import (
    CURRENCIES,
    IS_OPEN,
    Journey,
    back,
    maybe_share,
    picks,
    policies,
    thousandths,
)

lines = st.lists(
    st.tuples(
        st.sampled_from(("0.01", "1", "3", "19.99", "500", "1234.56", "-0.5", "-3")),
        st.sampled_from(("0%", "10%", "17.5%", "23%")),
        st.booleans(),
    ),
    min_size=1,
    max_size=3,
)


class Invoicing(Journey):
    """Drafts, sends, adjusts, disputes, promises, gives up."""

    # The rules: what people ask for.

    @precondition(lambda self: len(self.invoices) < 7)
    @rule(who=picks, currency=st.sampled_from(CURRENCIES), lines=lines, due_in=st.integers(0, 25))
    def draft(
        self, who: int, currency: str, lines: list[tuple[str, str, bool]], due_in: int
    ) -> None:
        command = DraftInvoice(
            customer_id=self.customers[who % 2],
            due_on=self.today + timedelta(days=due_in),
            lines=tuple(Line("Work", "1", price, rate, inc) for price, rate, inc in lines),
            currency=currency,
        )
        view = self.ask(draft_invoice, command)
        if view is not None:
            self.invoices.append(view.id)

    @precondition(lambda self: len(self.invoices) < 7)
    @rule(
        who=picks,
        currency=st.sampled_from(CURRENCIES),
        price=st.sampled_from(("40", "500", "77.7")),
        due_in=st.integers(0, 25),
    )
    def draft_and_send(self, who: int, currency: str, price: str, due_in: int) -> None:
        self.open_invoice(who, currency, price, due_in)

    @rule(pick=picks, days=back)
    def send(self, pick: int, days: int) -> None:
        issued_on = self.today - timedelta(days=days)
        self.ask(
            send_invoice, self.invoice(pick, "draft"), SendInvoice(issued_on if days else None)
        )

    @rule(pick=picks, share=thousandths, days=back)
    def charge(self, pick: int, share: int, days: int) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN)
        amount = self.part(invoice_id, max(1, share // 20))
        self.ask(charge_fee, invoice_id, ChargeFee(amount, "the bank's", self.earlier(days)))

    @rule(pick=picks, component=st.sampled_from(COMPONENTS), share=maybe_share, days=back)
    def give_up_a_component(self, pick: int, component: Any, share: int | None, days: int) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN)
        amount = self.maybe(invoice_id, share, component)
        command = WaiveComponent(component, "kindness", amount, self.earlier(days))
        self.ask(waive, invoice_id, command)

    @rule(pick=picks, share=maybe_share, days=back)
    def credit(self, pick: int, share: int | None, days: int) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN, "paid")
        amount = self.maybe(invoice_id, share, "principal")
        command = CreditInvoice("returned", amount, effective_on=self.earlier(days))
        self.ask(credit_invoice, invoice_id, command)

    @rule(pick=picks, line=st.integers(0, 3), share=maybe_share)
    def credit_a_line(self, pick: int, line: int, share: int | None) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN, "paid")
        credited = CreditLine(line, self.maybe(invoice_id, share, "principal"))
        self.ask(credit_invoice, invoice_id, CreditInvoice("returned", lines=(credited,)))

    @rule(pick=picks, share=maybe_share, days=back)
    def lose_hope(self, pick: int, share: int | None, days: int) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN)
        amount = self.maybe(invoice_id, share)
        self.ask(write_off, invoice_id, WriteOffInvoice("hopeless", amount, self.earlier(days)))

    @rule(pick=picks, how=st.sampled_from((cancel_invoice, void_invoice)))
    def close_or_write_off(self, pick: int, how: Callable[..., Any]) -> None:
        if pick < 2:  # what is forgiven is dull from then on
            self.ask(how, self.invoice(pick, *IS_OPEN), CloseInvoice("hopeless"))

    @rule(pick=picks, days=st.integers(-1, 40), ago=back)
    def move_the_due_date(self, pick: int, days: int, ago: int) -> None:
        invoice_id = self.invoice(pick, *IS_OPEN)
        due_on = self.books.of_invoice(invoice_id).due_on + timedelta(days=days)
        command = ChangeInvoice(due_on, reason="agreed", effective_on=self.earlier(ago))
        self.ask(change_invoice, invoice_id, command)

    @precondition(lambda self: len(self.invoices) in (4, 6))
    @rule(policy=policies)
    def change_the_policy(self, policy: dict[str, Any]) -> None:
        self.ask(add_fee_policy, AddFeePolicy(**policy))

    @rule(pick=picks, share=maybe_share, days=back)
    def dispute(self, pick: int, share: int | None, days: int) -> None:
        invoice_id = self.invoice(pick, "sent", "overdue")
        amount = self.maybe(invoice_id, share, "principal")
        command = DisputeInvoice("never ordered", amount, self.earlier(days))
        self.ask(dispute_invoice, invoice_id, command)

    @rule(pick=picks, outcome=st.sampled_from(("accepted", "rejected")), days=back)
    def resolve(self, pick: int, outcome: Any, days: int) -> None:
        command = ResolveDispute(outcome, effective_on=self.earlier(days))
        self.ask(resolve_dispute, self.invoice(pick, "disputed"), command)

    @rule(pick=picks, share=maybe_share, days=st.integers(-1, 20), ago=back)
    def promise(self, pick: int, share: int | None, days: int, ago: int) -> None:
        promised_on = self.today + timedelta(days=days)
        invoice_id = self.invoice(pick, *IS_OPEN)
        amount = self.maybe(invoice_id, share)
        command = PromiseToPay(promised_on, amount, effective_on=self.earlier(ago))
        self.ask(promise_to_pay, invoice_id, command)

    @rule(pick=picks, days=st.none() | st.integers(-1, 9))
    def hold(self, pick: int, days: int | None) -> None:
        until_on = None if days is None else self.today + timedelta(days=days)
        self.ask(hold_invoice, self.invoice(pick, *IS_OPEN), HoldInvoice("in court", until_on))

    @rule(pick=picks)
    def release(self, pick: int) -> None:
        self.ask(release_invoice, self.invoice(pick), ReleaseInvoice("out of court"))
