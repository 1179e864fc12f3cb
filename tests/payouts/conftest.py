"""Books over a fresh database with one tenant, a clock that the test turns, and a provider of payouts on loopback."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.store import reading, snapshots
from adapters.store.payouts import PostgresPayouts
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.payments import ReceivePayment, receive_payment
from commands.refunds import RequestRefund, request_refund
from commands.tenants import CreateTenant, create_tenant
from ledger.money import Money
from ledger.refund import Refund
from schedulers.refund_payouts import Payout, Round, pay_out
from tests.daylight import ZONE
from tests.payouts.peer import Peer, listening_peer

IBAN = "PT50 0002 0123 1234 5678 9015 4"


class Dispatcher:
    """One tenant, one customer with credit, and a clock of its own for payouts."""

    def __init__(self, books: Books) -> None:
        self.books = books
        self.now = datetime.now(UTC)
        self.payouts = PostgresPayouts(
            books.database.writer, books.writer, books.cipher, lambda: self.now
        )
        self.tenant_id = uuid4()
        self.ask(
            lambda unit: create_tenant(unit, CreateTenant(f"shop {self.tenant_id}", "EUR", ZONE))
        )
        customer = self.ask(lambda unit: register_customer(unit, RegisterCustomer("Maria Souza")))
        self.customer_id = UUID(customer["id"])
        credit = ReceivePayment(Money("1000.00", "EUR"), self.customer_id)
        self.ask(lambda unit: receive_payment(unit, credit))

    def ask(self, handler: Any) -> dict[str, Any]:
        answer = self.books.run(self.tenant_id, "test", handler)
        found: dict[str, Any] = msgspec.json.decode(answer.body)
        return found

    def request(self, amount: str = "10.00", destination: str = IBAN) -> UUID:
        command = RequestRefund(self.customer_id, "asked", Money(amount, "EUR"), "", destination)
        return UUID(self.ask(lambda unit: request_refund(unit, command))["id"])

    def refund(self, refund_id: UUID) -> Refund:
        found: Refund = self.state("refund", refund_id)
        return found

    def credit(self) -> int:
        found: int = self.state("customer", self.customer_id).credit.get("EUR", 0)
        return found

    def state(self, kind: str, stream_id: UUID) -> Any:
        with self.books.reading(self.tenant_id) as connection:
            found = snapshots.read(connection, self.tenant_id, kind, stream_id)
        assert found is not None
        return found[1]

    def tags(self, refund_id: UUID) -> list[str]:
        """What happened to a refund: its events' tags, without the stream and the version."""
        with self.books.reading(self.tenant_id) as connection:
            events = reading.stream_events(connection, self.tenant_id, refund_id)
        return [event.tag.split(".")[1] for event in events]

    def run(self, payout: Payout) -> Round:
        return pay_out(self.payouts, payout, lambda: self.now)

    def later(self, minutes: int = 1) -> None:
        self.now += timedelta(minutes=minutes)


@pytest.fixture
def books(database: Database) -> Iterator[Books]:
    with Books(database) as opened:
        yield opened


@pytest.fixture
def desk(books: Books) -> Dispatcher:
    return Dispatcher(books)


@pytest.fixture
def peer() -> Iterator[Peer]:
    with listening_peer() as peer:
        yield peer


def wait_until(true: Any, seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.01)
