"""Books over a fresh database with one tenant in euro, a clock that the test turns, and an outbox of files."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.messages.files import FileSender
from adapters.postgres.connection import Database
from adapters.store import reading, snapshots
from adapters.store.outbox import PostgresOutbox
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.dunning_plans import activate_plan
from commands.invoices import DraftInvoice, SendInvoice, draft_invoice, send_invoice
from commands.payments import ReceivePayment, receive_payment
from commands.tenants import CreateTenant, create_tenant
from ledger.dunning.plan import DEFAULT_KEY
from ledger.message import Message
from ledger.money import Money
from ledger.tax import Line
from schedulers.business_day import DayResult, run_day
from schedulers.delivery import Sender
from schedulers.outbox import Outbox
from schedulers.ports import Run
from schedulers.sending import Round

TENANT = UUID(int=5)
PUBLIC_URL = "https://duebook.example.com"
STARTS_ON = date(2026, 3, 2)  # a Monday


def text_of(mail: EmailMessage) -> str:
    """The plain text of a mail."""
    part = mail.get_body(("plain",))
    assert part is not None
    text: str = part.get_content()
    return text


class Shop:
    """A tenant under the shipped plan. `today` is its business date, and noon its time, until a test turns it."""

    def __init__(self, books: Books, home: Path, tenant_id: UUID = TENANT) -> None:
        self.books = books
        self.tenant_id = tenant_id
        self.today = STARTS_ON
        self.sender = FileSender(home / "outbox")
        self.folder = home / "outbox"
        self.outbox = PostgresOutbox(
            books.database.writer, books.writer, books.cipher, books.links, lambda: self.now
        )
        self.minutes = 0

    def open(self, name: str = "Corner Shop", currency: str = "EUR") -> "Shop":
        create = CreateTenant(name, currency, "Etc/UTC", clock_starts_on=STARTS_ON)
        self.ask(lambda unit: create_tenant(unit, create))
        return self

    @property
    def now(self) -> datetime:
        noon = datetime.combine(self.today, time(12), tzinfo=UTC)
        return noon + timedelta(minutes=self.minutes)

    def ask(self, handler: Any, key: str | None = None) -> dict[str, Any]:
        answer = self.books.run(self.tenant_id, "test", handler, key=key, now=self.now)
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found

    def activate(self, key: str = DEFAULT_KEY) -> None:
        self.ask(lambda unit: activate_plan(unit, key))

    def customer(
        self, name: str = "Ann Other", email: str = "ann@example.com", **more: str
    ) -> UUID:
        command = RegisterCustomer(name, email=email, **more)
        return UUID(self.ask(lambda unit: register_customer(unit, command))["id"])

    def invoice(
        self, customer_id: UUID, due_on: date, amount: str = "100.00", *, notify: bool = False
    ) -> UUID:
        lines = (Line("Work", "1", amount),)
        draft = DraftInvoice(customer_id, due_on, lines)
        invoice_id = UUID(self.ask(lambda unit: draft_invoice(unit, draft))["id"])
        issued_on = min(date(2026, 2, 1), self.now.date() - timedelta(days=1))
        send = SendInvoice(issued_on=issued_on, notify=notify)
        self.ask(lambda unit: send_invoice(unit, invoice_id, send))
        return invoice_id

    def pay(self, invoice_id: UUID, amount: str) -> None:
        pay = ReceivePayment(Money(amount, "EUR"), invoice_id=invoice_id, received_on=self.today)
        self.ask(lambda unit: receive_payment(unit, pay))

    def night(self, on: date | None = None, today: date | None = None, **options: Any) -> DayResult:
        """Runs a day, today when left out."""
        on = on or self.today
        lease = self.books.clock.acquire("test")
        try:
            run = Run(self.tenant_id, on, lease)
            return run_day(self.books.clock, run, today=today or self.today, **options)
        finally:
            self.books.clock.release(lease)

    def nights(self, through: date) -> None:
        """Runs each day up to one, on that day."""
        while self.today < through:
            self.today += timedelta(days=1)
            self.night()

    def send(self, *senders: Sender, **options: Any) -> Round:
        """One round through the senders; as files when none is said."""
        chosen = senders or (self.sender,)
        return Outbox(self.outbox, lambda _: chosen, lambda: self.now, **options).send_waiting()

    def messages(self) -> list[tuple[UUID, Message]]:
        """Every message, in the order in which they were queued."""
        ids = [one.stream_id for one in self.events("message.queued.v1")]
        return [(message_id, self.state("message", message_id)) for message_id in ids]

    def told(self) -> list[tuple[date, str, str]]:
        """(day, step, state) of every message, in the order in which they were queued."""
        return [(one.business_date, one.step, one.state) for _, one in self.messages()]

    def name_of(self, customer_id: UUID) -> str:
        name: str = self.state("customer", customer_id).person.name
        return self.books.cipher.opened_text(self.tenant_id, name)

    def mails(self) -> list[EmailMessage]:
        return [
            message_from_bytes(path.read_bytes(), policy=policy.SMTP)  # type: ignore[arg-type]
            for path in sorted(self.folder.rglob("*.eml"))
        ]

    def events(self, *tags: str) -> Iterator[reading.EventView]:
        with self.books.database.writer.connection() as connection:
            for event in reading.every_event(connection, self.tenant_id):
                if not tags or event.tag in tags:
                    yield event

    def state(self, kind: str, stream_id: UUID) -> Any:
        with self.books.database.writer.connection() as connection:
            found = snapshots.read(connection, self.tenant_id, kind, stream_id)
        assert found is not None
        return found[1]


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database, public_url=PUBLIC_URL) as opened:
        yield opened


@pytest.fixture
def shop(books: Books, tmp_path: Path) -> Shop:
    return Shop(books, tmp_path).open()
