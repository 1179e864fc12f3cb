"""The same request several times at once: one event, and nobody waits longer than two seconds for the first."""

import threading
import time
from concurrent.futures import wait
from typing import Any
from uuid import UUID

import pytest

from adapters.postgres.connection import Database
from adapters.store.writer import Answer, KeyReused, StillRunning
from adapters.wiring import Books
from commands.unit_of_work import Unit
from ledger.errors import Conflict, Rejected
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, in_one_group, log_head_held, rows, until

PAYMENTS = "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'"


@pytest.fixture
def invoice(asking: Asking) -> UUID:
    return asking.invoice(asking.customer(), "100.00")


def test_sixteen_threads_pay_one_invoice(asking: Asking, database: Database, invoice: UUID) -> None:
    """Each blocks for its answer, as a request does: the books balance, the excess is credit."""
    answers: list[Answer] = []

    def pay(n: int) -> None:
        for k in range(5):
            request = asking.request(asking.paying(invoice, "3.00"), key=f"{n}-{k}")
            answers.append(asking.books.writer.run(request))

    threads = [threading.Thread(target=pay, args=(n,)) for n in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    state = asking.state("invoice", invoice)
    assert (state.status, state.paid.total, state.open.total) == ("paid", 10000, 0)
    assert asking.state("customer", state.customer_id).credit == {"BRL": 80 * 300 - 10000}
    assert len({answer.tenant_seq for answer in answers}) == 80
    assert rows(database, PAYMENTS) == [(80,)]
    assert_log_is_whole(database)


def test_sixteen_of_one_key_in_one_group(asking: Asking, database: Database, invoice: UUID) -> None:
    request = asking.request(asking.paying(invoice, "3.00"), key="k", request_hash=b"h")
    another = asking.request(asking.paying(invoice, "4.00"), key="k", request_hash=b"other")

    futures = in_one_group(asking.books.writer, [request] * 8 + [another] + [request] * 7)
    wait(futures, timeout=20)

    assert isinstance(futures[8].exception(), KeyReused)
    answers = [future.result() for future in futures[:8] + futures[9:]]
    assert len({(answer.body, answer.tenant_seq, answer.status) for answer in answers}) == 1
    assert [answer.replayed for answer in answers] == [False] + [True] * 14
    assert rows(database, PAYMENTS) == [(1,)]
    assert_log_is_whole(database)


def test_a_duplicate_waits_two_seconds_for_the_first_and_no_longer(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    request = asking.request(asking.paying(invoice, "3.00"), key="k", request_hash=b"h")
    writer = asking.books.writer
    with log_head_held(database):
        first = writer.submit(request)
        until(lambda: writer.waiting() == 1)
        asked_at = time.monotonic()
        late = writer.submit(request)
        failure = late.exception(timeout=10)
        waited = time.monotonic() - asked_at
        assert isinstance(failure, StillRunning)
        assert isinstance(failure, Conflict)
        assert 1.9 < waited < 6
        assert not first.done(), "the first one waits on"

    assert not first.result(20).replayed
    again = writer.run(request)
    assert (again.replayed, again.body) == (True, first.result().body)
    assert rows(database, PAYMENTS) == [(1,)]


def test_a_duplicate_of_one_that_finishes_in_time_gets_its_answer(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    request = asking.request(asking.paying(invoice, "3.00"), key="k", request_hash=b"h")
    writer = asking.books.writer
    with log_head_held(database):
        first = writer.submit(request)
        until(lambda: writer.waiting() == 1)
        late = [writer.submit(request) for _ in range(3)]
    answers = [future.result(20) for future in [first, *late]]

    assert [answer.replayed for answer in answers] == [False, True, True, True]
    assert len({answer.body for answer in answers}) == 1
    assert rows(database, PAYMENTS) == [(1,)]


def test_another_process_gets_the_stored_answer(
    asking: Asking, other_books: Books, database: Database, invoice: UUID
) -> None:
    request = asking.request(asking.paying(invoice, "3.00"), key="k", request_hash=b"h")
    with log_head_held(database):
        futures = [books.writer.submit(request) for books in (asking.books, other_books) * 4]
        until(lambda: asking.books.writer.waiting() and other_books.writer.waiting())
    answers = [future.result(20) for future in futures]

    assert sorted(answer.replayed for answer in answers) == [False] + [True] * 7
    assert len({answer.body for answer in answers}) == 1
    assert rows(database, PAYMENTS) == [(1,)]
    assert_log_is_whole(database)


def test_another_process_commits_it_after_the_keys_were_read(
    asking: Asking, other_books: Books, database: Database, invoice: UUID
) -> None:
    """What is loaded after that shows the command's own effect: its refusal is answered with the kept answer."""
    pay = asking.paying(invoice, "3.00")
    there = asking.request(pay, key="k", request_hash=b"h")
    first: list[Answer] = []

    def overtaken(unit: Unit) -> Any:
        if not first:
            first.append(other_books.writer.run(there))
        return pay(unit)

    here = asking.request(overtaken, key="k", request_hash=b"h")
    another = asking.request(overtaken, key="k", request_hash=b"other")
    found = asking.books.writer.run(here)

    assert (found.replayed, found.body) == (True, first[0].body)
    with pytest.raises(KeyReused):
        asking.books.writer.run(another)
    assert rows(database, PAYMENTS) == [(1,)]
    assert_log_is_whole(database)


def test_a_duplicate_of_a_refused_one_is_decided_by_itself(
    asking: Asking, database: Database, invoice: UUID
) -> None:
    runs = []

    def refused_once(unit: Unit) -> Any:
        runs.append(1)
        if len(runs) == 1:
            raise Rejected("not yet")
        return asking.paying(invoice, "3.00")(unit)

    request = asking.request(refused_once, key="k", request_hash=b"h")
    first, second = in_one_group(asking.books.writer, [request, request])

    assert isinstance(first.exception(20), Rejected)
    assert not second.result(20).replayed
    assert rows(database, PAYMENTS) == [(1,)]


def test_one_key_of_two_tenants_is_two_keys(books: Books, asking: Asking, invoice: UUID) -> None:
    second = Asking.new_tenant(books, "second")
    theirs = second.invoice(second.customer(), "100.00")

    futures = in_one_group(
        books.writer,
        [
            asking.request(asking.paying(invoice, "3.00"), key="k", request_hash=b"1"),
            second.request(second.paying(theirs, "4.00"), key="k", request_hash=b"2"),
        ],
    )

    assert not any(future.result(20).replayed for future in futures)
    assert asking.state("invoice", invoice).open.total == 9700
    assert second.state("invoice", theirs).open.total == 9600
