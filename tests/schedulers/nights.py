"""A small tenant whose clock has nights to run: fixed ids, so that two runs of the same facts can be compared."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from adapters.store import reading, snapshots
from adapters.store.writer import Request
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.fee_policies import AddFeePolicy, add_fee_policy
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.payments import ReceivePayment, receive_payment
from commands.tenants import CreateTenant, create_tenant
from ledger.money import Money
from ledger.tax import Line
from schedulers.business_day import DayResult, run_day
from schedulers.ports import Lease, Run

TENANT = UUID(int=7)
STARTS_ON = date(2026, 1, 5)
NOON = datetime(2026, 1, 20, 15, tzinfo=UTC)
"""When every command of the seed is given."""


def day(n: int) -> date:
    """The n-th business day of the clock, from 0."""
    return STARTS_ON + timedelta(days=n)


class Nights:
    """One tenant in BRL: 2% once, 1% a month, calendar without holidays, its clock starting on STARTS_ON."""

    def __init__(self, books: Books, tenant_id: UUID = TENANT) -> None:
        self.books = books
        self.tenant_id = tenant_id

    @classmethod
    def begin(
        cls,
        books: Books,
        name: str = "nights",
        tenant_id: UUID = TENANT,
        zone: str = "America/Sao_Paulo",
        starts_on: date = STARTS_ON,
        **policy: Any,
    ) -> "Nights":
        nights = cls(books, tenant_id)
        create = CreateTenant(name, "BRL", zone, calendar="none", clock_starts_on=starts_on)
        nights.ask(lambda unit: create_tenant(unit, create))
        terms = AddFeePolicy(**({"late_fee": "2%", "mora": "1%/month"} | policy))
        nights.ask(lambda unit: add_fee_policy(unit, terms))
        return nights

    def ask(self, handler: Any, key: str | None = None, now: datetime = NOON) -> dict[str, Any]:
        request = Request(tenant_id=self.tenant_id, actor="test", handler=handler, key=key, now=now)
        found: dict[str, Any] = msgspec.json.decode(self.books.writer.run(request).body)
        return found

    def customer(self, name: str = "Maria") -> UUID:
        command = RegisterCustomer(name)
        return UUID(
            self.ask(lambda unit: register_customer(unit, command), f"customer {name}")["id"]
        )

    def invoice(
        self, customer_id: UUID, name: str, amount: str = "100.00", due_on: date = STARTS_ON
    ) -> UUID:
        """A sent invoice. It was issued on New Year's Day."""
        draft = DraftInvoice(customer_id, due_on, (Line(name, "1", amount),))
        invoice_id = UUID(self.ask(lambda unit: draft_invoice(unit, draft), f"draft {name}")["id"])
        send = SendInvoice(issued_on=date(2026, 1, 1))
        self.ask(lambda unit: send_invoice(unit, invoice_id, send), f"send {name}")
        return invoice_id

    def invoices(self, count: int) -> list[UUID]:
        """Invoices due on the clock's first days, of two customers."""
        customers = [self.customer(name) for name in ("Maria", "Bruno")]
        return [
            self.invoice(customers[n % 2], f"I{n}", f"{100 + 7 * n}.{n:02}", day(n % 4 - 1))
            for n in range(count)
        ]

    def pay(self, invoice_id: UUID, amount: str, on: date, key: str | None = None) -> None:
        pay = ReceivePayment(Money(amount, "BRL"), invoice_id=invoice_id, received_on=on)
        self.ask(lambda unit: receive_payment(unit, pay), key)

    def run(self, on: date, **options: Any) -> DayResult:
        """Runs a day as a runner does, under a lease of its own."""
        lease = self.books.clock.acquire("test")
        try:
            return run_day(self.books.clock, Run(self.tenant_id, on, lease), **options)
        finally:
            self.books.clock.release(lease)

    def run_under(self, lease: Lease, on: date, **options: Any) -> DayResult:
        return run_day(self.books.clock, Run(self.tenant_id, on, lease), **options)

    def events(self, *tags: str) -> Iterator[reading.EventView]:
        """The tenant's events with these tags, or all, in order."""
        with self.books.database.writer.connection() as connection:
            for event in reading.every_event(connection, self.tenant_id):
                if not tags or event.tag in tags:
                    yield event

    def count(self) -> int:
        return sum(1 for _ in self.events())

    def posted(self) -> list[tuple[Any, ...]]:
        """What the clock has posted, by stream: all of it that two runs of the same facts must agree on."""
        return sorted(
            (event.stream_id, event.version, event.tag, event.effective_on, event.data)
            for event in self.events()
            if event.actor == "clock"
        )

    def state(self, kind: str, stream_id: UUID) -> Any:
        with self.books.database.writer.connection() as connection:
            found = snapshots.read(connection, self.tenant_id, kind, stream_id)
        return None if found is None else found[1]
