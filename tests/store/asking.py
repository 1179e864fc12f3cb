"""A tenant as a client asks things of it: short words for commands, answers as dicts."""

from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec

from adapters.store import reading, snapshots
from adapters.store.writer import Answer, Request
from adapters.wiring import Books
from commands.agreements.lifecycle import (
    ActivateAgreement,
    ApproveAgreement,
    RequestAgreement,
    activate_agreement,
    approve_agreement,
    request_agreement,
)
from commands.customers import RegisterCustomer, register_customer
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.payments import ReceivePayment, receive_payment
from commands.reversals import ReversePayment, reverse_payment
from commands.tenants import CreateKey, CreateTenant, create_key, create_tenant
from ledger.money import Money
from ledger.tax import Line
from tests.daylight import TODAY, ZONE


class Asking:
    """Commands of one tenant against open books."""

    def __init__(self, books: Books, tenant_id: UUID) -> None:
        self.books = books
        self.tenant_id = tenant_id

    @classmethod
    def new_tenant(cls, books: Books, name: str, *, fees: bool = True) -> "Asking":
        asking = cls(books, uuid4())
        asking.ask(lambda unit: create_tenant(unit, CreateTenant(name, "BRL", ZONE)))
        if fees:
            policy = AddFeePolicy(late_fee="2%", mora="1%/month")
            asking.ask(lambda unit: add_fee_policy(unit, policy))
        return asking

    def request(self, handler: Any, **options: Any) -> Request:
        return Request(tenant_id=self.tenant_id, actor="test", handler=handler, **options)

    def ask(self, handler: Any, **options: Any) -> dict[str, Any]:
        answer: Answer = self.books.writer.run(self.request(handler, **options))
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found

    def customer(self, name: str = "Maria Souza", **fields: Any) -> UUID:
        command = RegisterCustomer(name=name, **fields)
        return UUID(self.ask(lambda unit: register_customer(unit, command))["id"])

    def draft(self, customer_id: UUID, amount: str = "100.00", due_in: int = 10) -> UUID:
        due_on = self.today() + timedelta(days=due_in)
        command = DraftInvoice(customer_id, due_on, (Line("Service", "1", amount),))
        return UUID(self.ask(lambda unit: draft_invoice(unit, command))["id"])

    def invoice(self, customer_id: UUID, amount: str = "100.00", due_in: int = 10) -> UUID:
        """A sent invoice, issued today."""
        invoice_id = self.draft(customer_id, amount, due_in)
        self.ask(lambda unit: send_invoice(unit, invoice_id, SendInvoice()))
        return invoice_id

    def paying(self, invoice_id: UUID, amount: str, received_on: date | None = None) -> Any:
        """A handler that pays an invoice."""
        command = ReceivePayment(
            Money(amount, "BRL"), invoice_id=invoice_id, received_on=received_on
        )
        return lambda unit: receive_payment(unit, command)

    def pay(self, invoice_id: UUID, amount: str, **options: Any) -> dict[str, Any]:
        return self.ask(self.paying(invoice_id, amount), **options)

    def reverse(self, payment_id: UUID) -> dict[str, Any]:
        command = ReversePayment("returned by the bank")
        return self.ask(lambda unit: reverse_payment(unit, payment_id, command))

    def approved(self, customer_id: UUID) -> UUID:
        """A loan of 900.00 in three equal parts, approved."""
        terms = RequestAgreement(
            customer_id=customer_id,
            kind="loan",
            principal=Money("900.00", "BRL"),
            schedule="equal",
            count=3,
            first_due_on=self.today() + timedelta(days=30),
        )
        agreement_id = UUID(self.ask(lambda unit: request_agreement(unit, terms))["id"])
        approval = Request(
            tenant_id=self.tenant_id,
            actor="another",
            handler=lambda unit: approve_agreement(unit, agreement_id, ApproveAgreement()),
        )
        self.books.writer.run(approval)
        return agreement_id

    def agreement(self, customer_id: UUID) -> UUID:
        """A loan of 900.00 in three equal parts, in force."""
        agreement_id = self.approved(customer_id)
        self.ask(lambda unit: activate_agreement(unit, agreement_id, ActivateAgreement()))
        return agreement_id

    def state(self, kind: str, stream_id: UUID) -> Any:
        with self.books.reading(self.tenant_id) as connection:
            found = snapshots.read(connection, self.tenant_id, kind, stream_id)
        return None if found is None else found[1]

    def key(self, name: str, key_hash: bytes) -> UUID:
        command = CreateKey(name)
        return UUID(self.ask(lambda unit: create_key(unit, command, key_hash))["key_id"])

    def events(self) -> int:
        """The number of the tenant's last event."""
        with self.books.reading(self.tenant_id) as connection:
            return reading.tenant_seq(connection, self.tenant_id)

    def today(self) -> date:
        return TODAY
