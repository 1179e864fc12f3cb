"""The writer: groups, idempotency, conflicts, atomicity."""

from concurrent.futures import wait
from uuid import UUID

import pytest

from adapters.postgres.connection import Database
from adapters.store import writer as writer_module
from adapters.store.writer import KeyReused, StoreUnavailable
from adapters.wiring import Books
from commands.unit_of_work import Unknown
from tests.store.asking import Asking
from tests.store.forcing import log_head_held, queued, until

pytestmark = pytest.mark.both_engines


def test_an_invoice_is_drafted_sent_and_paid(asking: Asking) -> None:
    customer = asking.customer()
    invoice = asking.invoice(customer)

    paid = asking.pay(invoice, "100.00", key="pay-1", request_hash=b"1")

    assert paid["allocations"] == [
        {"invoice_id": str(invoice), "amount": {"amount": "100.00", "currency": "BRL"}}
    ]
    assert asking.state("invoice", invoice).status == "paid"
    assert asking.state("invoice", invoice).number == "INV-000001"


def test_a_repeated_key_gets_the_stored_answer_and_writes_nothing(asking: Asking) -> None:
    invoice = asking.invoice(asking.customer())
    request = asking.request(
        asking.paying(invoice, "40.00"), key="k", request_hash=b"h", status=201
    )

    first = asking.books.writer.run(request)
    second = asking.books.writer.run(request)

    assert (second.status, second.body, second.tenant_seq) == (201, first.body, first.tenant_seq)
    assert second.replayed
    assert not first.replayed
    assert asking.state("invoice", invoice).open.total == 6000


def test_a_key_for_another_request_is_refused(asking: Asking) -> None:
    invoice = asking.invoice(asking.customer())
    asking.pay(invoice, "40.00", key="k", request_hash=b"one")

    with pytest.raises(KeyReused):
        asking.pay(invoice, "41.00", key="k", request_hash=b"two")


def test_many_at_once_balance_and_the_excess_is_credit(asking: Asking) -> None:
    customer = asking.customer()
    invoice = asking.invoice(customer, "100.00")
    requests = [
        asking.request(asking.paying(invoice, "10.00"), key=f"k{n}", request_hash=b"")
        for n in range(16)
    ]

    futures = [asking.books.writer.submit(request) for request in requests]
    wait(futures, timeout=20)

    assert all(future.exception() is None for future in futures)
    assert asking.state("invoice", invoice).status == "paid"
    assert asking.state("customer", customer).credit == {"BRL": 6000}


def test_a_purged_record_does_not_let_a_payment_in_twice(
    asking: Asking, database: Database
) -> None:
    invoice = asking.invoice(asking.customer())
    asking.pay(invoice, "40.00", key="k", request_hash=b"h")
    with database.writer.connection() as connection:
        connection.execute("DELETE FROM command_records")

    with pytest.raises(Exception, match="idempotency key was used before"):
        asking.pay(invoice, "40.00", key="k", request_hash=b"h")

    assert asking.state("invoice", invoice).open.total == 6000


def test_another_tenants_stream_is_unknown(asking: Asking, books: Books) -> None:
    invoice = asking.invoice(asking.customer())
    other = Asking.new_tenant(books, "second")

    with pytest.raises(Unknown):
        other.pay(invoice, "1.00", key="k", request_hash=b"")


def test_numbers_have_no_gaps_and_every_log_is_gapless(asking: Asking, database: Database) -> None:
    customer = asking.customer()
    drafts = [asking.draft(customer) for _ in range(20)]
    from commands.invoices import SendInvoice, send_invoice

    def sending(invoice_id: UUID):  # type: ignore[no-untyped-def]
        return lambda unit: send_invoice(unit, invoice_id, SendInvoice())

    futures = [asking.books.writer.submit(asking.request(sending(draft))) for draft in drafts]
    wait(futures, timeout=20)

    numbers = sorted(asking.state("invoice", draft).number for draft in drafts)
    assert numbers == [f"INV-{n:06}" for n in range(1, 21)]
    with database.writer.connection() as connection:
        row = connection.execute(
            "SELECT count(*), max(position), max(tenant_seq) FROM events"
        ).fetchone()
    assert row is not None
    assert row[0] == row[1] == row[2]


def test_too_many_waiting_are_refused_and_those_before_are_served(
    asking: Asking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "MAX_QUEUE", 5)
    invoice = asking.invoice(asking.customer())
    writer = asking.books.writer
    with log_head_held(database):
        first = writer.submit(asking.request(asking.paying(invoice, "1.00"), key="first"))
        until(lambda: queued(database))
        waiting = [
            writer.submit(asking.request(asking.paying(invoice, "1.00"), key=f"k{n}"))
            for n in range(8)
        ]
        assert [isinstance(one.exception(1), StoreUnavailable) for one in waiting[5:]] == [True] * 3
        assert writer.waiting() == 6
    wait([first, *waiting], timeout=20)

    assert [one.exception() for one in (first, *waiting[:5])] == [None] * 6
    assert asking.state("invoice", invoice).open.total == 9400
    assert writer.run(asking.request(asking.paying(invoice, "1.00"), key="k7")).tenant_seq > 0
