"""Each command is atomic by itself, whatever happens to the others of its group."""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from datetime import date
from hashlib import sha256
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.store.writer import Answer, StoreUnavailable
from adapters.wiring import Books
from commands.customers import RegisterCustomer, register_customer
from commands.unit_of_work import Unit
from ledger.errors import Rejected
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, counts, in_one_group, rows, until

PAYMENTS = "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'"


def test_one_transaction_takes_a_group_of_several_tenants(books: Books, database: Database) -> None:
    tenants = [Asking.new_tenant(books, f"tenant {n}") for n in range(3)]
    invoices = [tenant.invoice(tenant.customer(), "100.00") for tenant in tenants]
    requests = [
        tenant.request(tenant.paying(invoice, "1.00"), key=f"k{n}")
        for n in range(4)
        for tenant, invoice in zip(tenants, invoices, strict=True)
    ]
    before = {tenant.tenant_id: tenant.events() for tenant in tenants}

    answers = [future.result(20) for future in in_one_group(books.writer, requests)]

    found = rows(
        database, "SELECT DISTINCT xmin::text FROM events WHERE tag = 'payment.received.v1'"
    )
    assert len(found) == 1, "one transaction"
    for n, tenant in enumerate(tenants):
        # Two events each: of the invoice and of the payment.
        first = before[tenant.tenant_id]
        assert [answer.tenant_seq for answer in answers[n::3]] == [
            first + 2 * k for k in range(1, 5)
        ]
        assert tenant.state("invoice", invoices[n]).open.total == 9600
    assert_log_is_whole(database)


@pytest.mark.parametrize("error", [RuntimeError("a bug"), AssertionError("a bug"), MemoryError()])
def test_an_unexpected_exception_hurts_its_own_command_only(
    asking: Asking, database: Database, error: Exception
) -> None:
    customer = asking.customer()
    invoice = asking.invoice(customer, "100.00")

    def failing(unit: Unit) -> Any:
        asking.paying(invoice, "5.00")(unit)
        raise error

    requests = [
        asking.request(asking.paying(invoice, "1.00"), key="a"),
        asking.request(failing, key="b"),
        asking.request(asking.paying(invoice, "1.00"), key="c"),
    ]
    futures = in_one_group(asking.books.writer, requests)
    wait(futures, timeout=20)

    assert [future.exception() for future in futures] == [None, error, None]
    assert asking.state("invoice", invoice).open.total == 9800
    assert rows(database, "SELECT key FROM command_records ORDER BY key") == [("a",), ("c",)]
    assert_log_is_whole(database)


def claiming(name: str) -> Callable[[Unit], Any]:
    """A command that brings a name which no command of the ledger would let through."""

    def claim(unit: Unit) -> Any:
        unit.claim("customer_reference", name, uuid4())
        return register_customer(unit, RegisterCustomer(name="Maria"))

    return claim


def test_what_the_database_refuses_of_one_command_does_not_fail_the_others(
    asking: Asking, database: Database
) -> None:
    """A NUL reaches PostgreSQL in one command's name; a transaction is lost, the others are not."""
    customer = asking.customer()
    invoice = asking.invoice(customer, "100.00")
    requests = [
        asking.request(asking.paying(invoice, "1.00"), key="a"),
        asking.request(claiming("C\x001"), key="b"),
        asking.request(asking.paying(invoice, "1.00"), correlation_id="nul \x00"),
        asking.request(asking.paying(invoice, "1.00"), key="c\x00"),
        asking.request(asking.paying(invoice, "1.00"), key="d"),
    ]
    futures = in_one_group(asking.books.writer, requests)
    wait(futures, timeout=20)

    assert [future.exception() is None for future in futures] == [True, False, False, False, True]
    assert all(isinstance(future.exception(), psycopg.DataError) for future in futures[1:4])
    assert asking.state("invoice", invoice).open.total == 9800
    assert_log_is_whole(database)


def test_a_text_too_long_for_an_index_fails_its_own_command_at_once(
    asking: Asking, database: Database
) -> None:
    """PostgreSQL calls that an operational error, as if it were away; nobody may wait for it to come back."""
    invoice = asking.invoice(asking.customer(), "100.00")
    long = "".join(sha256(bytes([n])).hexdigest() for n in range(200))
    requests = [
        asking.request(asking.paying(invoice, "1.00"), key="a"),
        asking.request(claiming(long)),
        asking.request(asking.paying(invoice, "1.00"), correlation_id=long),
        asking.request(asking.paying(invoice, "1.00"), key=long),
        asking.request(asking.paying(invoice, "1.00"), key="d"),
    ]
    began = time.monotonic()
    futures = in_one_group(asking.books.writer, requests)
    wait(futures, timeout=60)

    assert time.monotonic() - began < 5
    assert [future.exception() is None for future in futures] == [True, False, False, False, True]
    assert {type(future.exception()) for future in futures[1:4]} == {
        psycopg.errors.ProgramLimitExceeded
    }
    assert asking.state("invoice", invoice).open.total == 9800
    assert_log_is_whole(database)


def test_a_refused_command_leaves_nothing(asking: Asking, database: Database) -> None:
    asking.invoice(asking.customer())
    before = counts(database)
    customer = uuid4()

    def refused(unit: Unit) -> Any:
        view = register_customer(unit, RegisterCustomer(name="Maria", reference="C-1"))
        unit.claim("document_number", "X-1", customer)
        unit.encrypt(customer, "personal")
        assert unit.next_number("invoice", "INV", date.max) == 2
        unit.take_number("invoice", "INV", 2, date.max)
        unit.take_number("invoice", "NEW", 1, date.max)
        unit.register_tenant("another")
        unit.store_key(uuid4(), b"hash", "name", "auditor")
        assert view.reference == "C-1"
        raise Rejected("a rule refuses")

    futures = in_one_group(
        asking.books.writer, [asking.request(refused, key=f"k{n}") for n in range(3)]
    )
    wait(futures, timeout=20)

    assert [str(future.exception()) for future in futures] == ["a rule refuses"] * 3
    assert counts(database) == before
    assert asking.customer(reference="C-1"), "the name is free"
    assert asking.state("invoice", asking.invoice(asking.customer())).number == "INV-000002"
    assert_log_is_whole(database)


def test_refused_beside_kept_in_one_group(asking: Asking, database: Database) -> None:
    """A refused command's names and numbers are free for the one after it in the same transaction."""

    def refused(unit: Unit) -> Any:
        register_customer(unit, RegisterCustomer(name="Maria", reference="C-1"))
        raise Rejected("a rule refuses")

    def kept(unit: Unit) -> Any:
        return register_customer(unit, RegisterCustomer(name="Maria", reference="C-1"))

    requests = [asking.request(handler) for handler in (refused, kept, kept)]
    futures = in_one_group(asking.books.writer, requests)
    wait(futures, timeout=20)

    codes = [getattr(future.exception(), "code", None) for future in futures]
    assert codes == ["rejected", None, "already_exists"]
    assert rows(database, "SELECT count(*) FROM customer_keys") == [(1,)]
    assert_log_is_whole(database)


FAIL_AT = """
CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'forced' USING ERRCODE = '{code}';
END $$;
CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW WHEN ({condition}) EXECUTE FUNCTION fail();
"""


@pytest.mark.parametrize(
    ("table", "condition"),
    [
        ("events", "NEW.actor = 'unlucky'"),
        ("snapshots", "NEW.stream = 'payment'"),
        ("command_records", "NEW.key = 'b'"),
    ],
)
def test_a_failure_at_any_point_of_the_transaction_leaves_nothing_half(
    asking: Asking, database: Database, table: str, condition: str
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    before = counts(database)
    requests = [
        asking.request(lambda unit: register_customer(unit, RegisterCustomer(name="A")), key="a"),
        asking.request(asking.paying(invoice, "1.00"), key="b"),
    ]
    requests[1].actor = "unlucky"
    with owner_connection(database) as owner:
        owner.execute(FAIL_AT.format(table=table, condition=condition, code="P0001").encode())

    futures = in_one_group(asking.books.writer, requests)
    wait(futures, timeout=20)

    assert futures[0].exception() is None
    assert isinstance(futures[1].exception(), psycopg.errors.RaiseException)
    after = counts(database)
    assert after["events"] == before["events"] + 1
    assert after["snapshots"] == before["snapshots"] + 1
    assert after["command_records"] == before["command_records"] + 1
    assert asking.state("invoice", invoice).open.total == 10000
    assert_log_is_whole(database)


def test_a_session_killed_inside_a_group_leaves_nothing_half_and_the_group_is_done_again(
    asking: Asking, database: Database
) -> None:
    """The backend dies between the events and the idempotency records."""
    invoice = asking.invoice(asking.customer(), "100.00")
    with owner_connection(database) as owner:
        owner.execute(
            """
            CREATE FUNCTION stand() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                PERFORM pg_advisory_xact_lock_shared(99);
                RETURN NEW;
            END $$;
            CREATE TRIGGER stand BEFORE INSERT ON command_records
                FOR EACH ROW EXECUTE FUNCTION stand();
            RESET ROLE;
            SELECT pg_advisory_lock(99)
            """
        )
        requests = [asking.request(asking.paying(invoice, "1.00"), key=f"k{n}") for n in range(5)]
        futures = in_one_group(asking.books.writer, requests)
        standing = (
            "FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'advisory'"
        )
        until(lambda: owner.execute(f"SELECT pid {standing}").fetchall())
        assert rows(database, PAYMENTS) == [(0,)]
        owner.execute(f"SELECT pg_terminate_backend(pid) {standing}")
        owner.execute("SELECT pg_advisory_unlock(99)")
        wait(futures, timeout=20)

    assert [future.exception() for future in futures] == [None] * 5
    assert rows(database, PAYMENTS) == [(5,)]
    assert asking.state("invoice", invoice).open.total == 9500
    assert_log_is_whole(database)


def test_a_caller_that_gives_up_leaves_its_duplicate_an_answer(
    asking: Asking, database: Database
) -> None:
    """The first client goes away while its command waits; the one that repeated it is answered all the same."""
    invoice = asking.invoice(asking.customer(), "100.00")
    request = asking.request(asking.paying(invoice, "1.00"), key="k")

    def leaving(unit: Unit) -> Any:
        futures[0].cancel()
        return asking.paying(invoice, "1.00")(unit)

    futures = in_one_group(asking.books.writer, [asking.request(leaving, key="k"), request])

    assert futures[1].result(1).tenant_seq > 0
    assert rows(database, PAYMENTS) == [(1,)]


def test_closing_answers_everyone(database: Database) -> None:
    """Whatever is submitted while the writer closes is either done or refused, and nobody waits for ever."""

    def refusing(unit: Unit) -> None:
        raise Rejected("done")

    for _ in range(10):
        futures: list[Future[Answer]] = []
        with Books(database) as books:
            request = Asking(books, uuid4()).request(refusing)
            submit = books.writer.submit

            def press(submit: Any = submit, request: Any = request, futures: Any = futures) -> None:
                while not futures or not isinstance(failure_of(futures[-1]), StoreUnavailable):
                    futures.append(submit(request))

            thread = threading.Thread(target=press)
            thread.start()
            until(lambda futures=futures: len(futures) > 20)
        thread.join()
        done, left = wait(futures, timeout=5)
        assert not left
        assert {type(future.exception()) for future in done} == {Rejected, StoreUnavailable}


def failure_of(future: Future[Answer]) -> BaseException | None:
    return future.exception() if future.done() else None
