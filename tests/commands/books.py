"""One tenant's books for the tests of commands: short words for what is asked, dates instead of instants."""

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from commands.customers import RegisterCustomer, register_customer
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import (
    CloseInvoice,
    DraftInvoice,
    InvoiceView,
    SendInvoice,
    cancel_invoice,
    draft_invoice,
    send_invoice,
    void_invoice,
)
from commands.payments import PaymentView, ReceivePayment, receive_payment
from commands.reversals import ReversePayment, reverse_payment
from commands.tenants import CreateTenant, create_tenant
from ledger.invoice import accrual
from ledger.invoice.state import OPEN, Invoice
from ledger.money import Money
from ledger.tax import Line
from tests.commands.memory_unit import MemoryUnit


class Books(MemoryUnit):
    """A tenant in BRL, without weekends, at 2% once and 1% a month."""

    def __init__(self, **policy: Any) -> None:
        super().__init__()
        self.run(create_tenant, CreateTenant("Acme", "BRL", "America/Sao_Paulo", "none"))
        policy = {"late_fee": "2%", "mora": "1%/month", **policy}
        self.run(add_fee_policy, AddFeePolicy(**policy))
        self.customer_id = self.customer()

    def on(self, day: date) -> None:
        """Makes it noon in São Paulo on that day."""
        self.now = datetime(day.year, day.month, day.day, 15, tzinfo=UTC)

    def customer(self, name: str = "Maria", reference: str = "") -> UUID:
        found: UUID = self.run(register_customer, RegisterCustomer(name, reference)).id
        return found

    def draft(self, amount: str = "500.00", due_on: date = date(2024, 3, 8), **fields: Any) -> UUID:
        lines = (Line("Work", "1", amount),)
        command = DraftInvoice(
            **{"customer_id": self.customer_id, "due_on": due_on, "lines": lines, **fields}
        )
        view: InvoiceView = self.run(draft_invoice, command)
        return view.id

    def invoice(
        self, amount: str = "500.00", due_on: date = date(2024, 3, 8), **fields: Any
    ) -> UUID:
        """A sent invoice, issued today."""
        invoice_id = self.draft(amount, due_on, **fields)
        self.run(send_invoice, invoice_id, SendInvoice())
        return invoice_id

    def pay(self, amount: str, currency: str = "BRL", **fields: Any) -> PaymentView:
        view: PaymentView = self.run(
            receive_payment, ReceivePayment(Money(amount, currency), **fields)
        )
        return view

    def reverse(self, payment_id: UUID, reason: str = "bounced") -> PaymentView:
        view: PaymentView = self.run(reverse_payment, payment_id, ReversePayment(reason))
        return view

    def void(self, invoice_id: UUID, reason: str = "a slip") -> InvoiceView:
        view: InvoiceView = self.run(void_invoice, invoice_id, CloseInvoice(reason))
        return view

    def cancel(self, invoice_id: UUID, reason: str = "hopeless") -> InvoiceView:
        view: InvoiceView = self.run(cancel_invoice, invoice_id, CloseInvoice(reason))
        return view

    def run_clock(self, first: date, last: date) -> None:
        """The clock's steps, each date from the first to the last."""
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            day = date.fromordinal(ordinal)
            for stream_id, (kind, _) in list(self.snapshots.items()):
                if kind == "invoice":
                    invoice: Invoice = self.state(kind, stream_id)
                    if invoice.status in OPEN:
                        self.append(kind, stream_id, accrual.bring_up_to_date(invoice, day).new)

    def credit(self, customer_id: UUID | None = None) -> dict[str, int]:
        """The customer's credit, minor units by currency."""
        credit = self.state("customer", customer_id or self.customer_id).credit
        return {currency: minor for currency, minor in credit.items() if minor}

    def of_invoice(self, invoice_id: UUID) -> Invoice:
        found: Invoice = self.state("invoice", invoice_id)
        return found

    def assert_money_balances(self) -> None:
        """All that arrived and stands is paid on an invoice or somebody's credit."""
        arrived: dict[str, int] = {}
        held: dict[str, int] = {}
        for stream_id, (kind, _) in self.snapshots.items():
            state = self.state(kind, stream_id)
            if kind == "payment" and state.status == "received":
                arrived[state.currency] = arrived.get(state.currency, 0) + state.amount_minor
            if kind == "invoice":
                held[state.currency] = held.get(state.currency, 0) + state.paid.total
            if kind == "customer":
                for currency, minor in state.credit.items():
                    held[currency] = held.get(currency, 0) + minor
                    assert minor >= 0
        assert {c: minor for c, minor in held.items() if minor} == arrived
