"""Payments that look alike are flagged, whether they come one by one, in one group, or through two processes."""

from concurrent.futures import wait
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.postgres.connection import Database
from adapters.wiring import Books
from commands.payments import ReceivePayment, names_asked, receive_payment
from commands.unit_of_work import NameRange, Unit
from ledger.money import Money
from tests.store.asking import Asking
from tests.store.forcing import in_one_group, rows


@pytest.fixture
def invoice(asking: Asking) -> UUID:
    return asking.invoice(asking.customer(), "100.00")


def transfer(asking: Asking, invoice: UUID, key: str, reference: str = "transfer 7") -> Any:
    payment = ReceivePayment(Money("3.00", "BRL"), invoice_id=invoice, reference=reference)
    return asking.request(
        lambda unit: receive_payment(unit, payment),
        key=key,
        prefetch_streams=(invoice,),
        prefetch_names=lambda unit: names_asked(unit, payment),
    )


def earlier(answer: Any) -> str | None:
    found: str | None = msgspec.json.decode(answer.body)["suspected_duplicate_of"]
    return found


def test_one_by_one(asking: Asking, invoice: UUID) -> None:
    first = asking.books.writer.run(transfer(asking, invoice, "1"))
    other = asking.books.writer.run(transfer(asking, invoice, "2", "transfer 8"))
    again = asking.books.writer.run(transfer(asking, invoice, "3"))
    assert (earlier(first), earlier(other)) == (None, None)
    assert earlier(again) == msgspec.json.decode(first.body)["id"]


def test_in_one_group(asking: Asking, database: Database, invoice: UUID) -> None:
    futures = in_one_group(
        asking.books.writer, [transfer(asking, invoice, str(n)) for n in range(8)]
    )
    wait(futures, timeout=20)
    assert sum(earlier(future.result()) is None for future in futures) == 1
    held = "SELECT count(*) FROM unique_names WHERE kind = 'payment_fingerprint'"
    assert rows(database, held) == [(1,)]


def test_through_two_processes(asking: Asking, database: Database, invoice: UUID) -> None:
    """The second set of books has loaded nothing of the first's; the name tells it."""
    first = asking.books.writer.run(transfer(asking, invoice, "1"))
    with Books(database) as other:
        again = other.writer.run(transfer(asking, invoice, "2"))
    assert earlier(again) == msgspec.json.decode(first.body)["id"]


def test_one_customers_fingerprint_is_not_anothers(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    """The hash is keyed by customer: nobody can tell from it that two paid with the same reference."""
    other = asking.invoice(asking.customer("Ana"), "100.00")
    asking.books.writer.run(transfer(asking, invoice, "1"))
    assert earlier(asking.books.writer.run(transfer(asking, other, "2"))) is None
    held = "SELECT count(DISTINCT name) FROM unique_names WHERE kind = 'payment_fingerprint'"
    assert rows(database, held) == [(2,)]


def test_a_command_that_cannot_tell_its_names_holds_up_no_other(
    asking: Asking, invoice: UUID
) -> None:
    def stumble(unit: Unit) -> list[NameRange]:
        raise OverflowError("date value out of range")

    stumbling = transfer(asking, invoice, "1", "transfer 8")
    stumbling.prefetch_names = stumble
    futures = in_one_group(asking.books.writer, [stumbling, transfer(asking, invoice, "2")])
    wait(futures, timeout=20)
    assert [earlier(future.result()) for future in futures] == [None, None]
