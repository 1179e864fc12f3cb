"""Requests accepted now and carried out soon: stored before they are answered, done once, refusals kept."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
import psycopg
import pytest
from cryptography.exceptions import InvalidTag

from adapters.store import inbox as inbox_module
from adapters.store.inbox import Inbox, Status, status_of
from adapters.store.requests import KeyReused
from adapters.wiring import Books
from commands.payments import ReceivePayment, receive_payment
from ledger.money import Money
from tests.store.asking import Asking

HASH = b"hash of method, path and body"


@pytest.fixture
def customer(asking: Asking) -> UUID:
    return asking.customer()


def body_of(customer: UUID, amount: str = "12.00", **fields: Any) -> bytes:
    command = ReceivePayment(Money(amount, "BRL"), customer, reference="from Maria", **fields)
    return msgspec.json.encode(command)


def accept(asking: Asking, body: bytes, key: str = "k", request_hash: bytes = HASH) -> UUID:
    return asking.books.inbox.enqueue(
        asking.tenant_id,
        key,
        "receive_payment",
        request_hash,
        body,
        actor="key:1",
        correlation_id="corr-1",
    )


def status(asking: Asking, request_id: UUID) -> Status | None:
    with asking.books.reading(asking.tenant_id) as connection:
        return status_of(connection, asking.tenant_id, request_id)


def payments(asking: Asking) -> list[tuple[Any, ...]]:
    with asking.books.database.writer.connection() as connection:
        return connection.execute(
            "SELECT stream_id, actor, correlation_id FROM events WHERE tag = 'payment.received.v1'"
        ).fetchall()


def rows(asking: Asking) -> int:
    with asking.books.database.writer.connection() as connection:
        found = connection.execute("SELECT count(*) FROM accepted_requests").fetchone()
    assert found is not None
    return int(found[0])


def test_what_is_accepted_is_done_once(asking: Asking, customer: UUID) -> None:
    request_id = accept(asking, body_of(customer))
    found = status(asking, request_id)
    assert found is not None
    assert found.refusal is None
    assert payments(asking) == []
    assert asking.books.inbox.execute() == 1
    assert asking.books.inbox.execute() == 0
    assert payments(asking) == [(request_id, "key:1", "corr-1")]
    assert (status(asking, request_id), rows(asking)) == (None, 0)
    assert asking.state("customer", customer).credit == {"BRL": 1_200}


def test_the_body_is_stored_encrypted_and_goes_when_it_is_done(
    asking: Asking, customer: UUID
) -> None:
    accept(asking, body_of(customer))
    with asking.books.database.writer.connection() as connection:
        (row,) = connection.execute("SELECT body FROM accepted_requests").fetchall()
    assert b"Maria" not in bytes(row[0])
    assert b"12.00" not in bytes(row[0])
    with pytest.raises(InvalidTag):  # bound to its tenant and key
        asking.books.cipher.open_request(asking.tenant_id, "other", bytes(row[0]))


def test_again_under_its_key_it_is_the_same_request(asking: Asking, customer: UUID) -> None:
    body = body_of(customer)
    request_id = accept(asking, body)
    assert accept(asking, body) == request_id
    with pytest.raises(KeyReused):
        accept(asking, body_of(customer, "99.00"), request_hash=b"another")
    asking.books.inbox.execute()
    assert accept(asking, body) == request_id
    assert rows(asking) == 0
    with pytest.raises(KeyReused):
        accept(asking, body_of(customer, "99.00"), request_hash=b"another")
    asking.books.inbox.execute()
    assert len(payments(asking)) == 1


def test_a_synchronous_request_under_the_same_key_does_it_now(
    asking: Asking, customer: UUID
) -> None:
    request_id = accept(asking, body_of(customer))
    command = msgspec.json.decode(body_of(customer), type=ReceivePayment)
    done = asking.ask(
        lambda unit: receive_payment(unit, command), key="k", request_hash=HASH, status=201
    )
    assert done["id"] == str(request_id)
    assert asking.books.inbox.execute() == 1
    assert (len(payments(asking)), rows(asking)) == (1, 0)


def test_a_refusal_is_kept_without_the_body_and_may_be_asked_again(
    asking: Asking, customer: UUID
) -> None:
    nobody = UUID(int=404)
    request_id = accept(asking, body_of(nobody))
    assert asking.books.inbox.execute() == 1
    found = status(asking, request_id)
    assert found is not None
    assert found.refusal is not None
    assert (found.refusal.code, str(nobody) in found.refusal.detail) == ("unknown", True)
    with asking.books.database.writer.connection() as connection:
        assert connection.execute("SELECT body FROM accepted_requests").fetchall() == [(None,)]
    assert asking.books.inbox.execute() == 0
    assert accept(asking, body_of(customer), request_hash=b"mended") == request_id
    assert asking.books.inbox.execute() == 1
    assert [one[0] for one in payments(asking)] == [request_id]


def test_it_counts_from_the_moment_it_was_accepted(
    asking: Asking, customer: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Yesterday(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> Any:
            return datetime.now(UTC) - timedelta(days=1)

    monkeypatch.setattr(inbox_module, "datetime", Yesterday)
    request_id = accept(asking, body_of(customer))
    monkeypatch.undo()
    asking.books.inbox.execute()
    payment = asking.state("payment", request_id)
    assert payment.received_on == asking.today() - timedelta(days=1)


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_run_that_ends_around_the_commit_is_repeated(
    books: Books, asking: Asking, customer: UUID, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    """The command is committed, or not, and the request is still in the inbox: carried out again, it is done once."""
    accept(asking, body_of(customer))
    submit = books.writer.submit

    def cut_off(request: Any) -> Any:
        if point == "after":
            submit(request).result()
        raise ConnectionError("killed")

    monkeypatch.setattr(books.writer, "submit", cut_off)
    assert books.inbox.execute() == 0
    assert rows(asking) == 1
    monkeypatch.undo()
    after = Inbox(books.database.writer, books.writer, books.cipher)
    assert after.execute() == 1
    assert (len(payments(asking)), rows(asking)) == (1, 0)


def test_two_workers_do_it_once(
    books: Books, other_books: Books, asking: Asking, customer: UUID
) -> None:
    for number in range(40):
        accept(asking, body_of(customer), key=f"k{number}")
    with ThreadPoolExecutor(2) as executor:
        list(executor.map(lambda one: one.inbox.execute(), [books, other_books]))
    assert (len(payments(asking)), rows(asking)) == (40, 0)
    assert asking.state("customer", customer).credit == {"BRL": 48_000}


def test_one_that_fails_does_not_keep_the_others_waiting(
    asking: Asking, customer: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "MAX_TOGETHER", 2)
    accept(asking, b"not a payment", key="broken")
    ids = {accept(asking, body_of(customer), key=f"k{number}") for number in range(5)}
    assert asking.books.inbox.execute() == 5
    assert {one[0] for one in payments(asking)} == ids
    assert rows(asking) == 1


def test_in_the_background(books: Books, asking: Asking, customer: UUID) -> None:
    books.inbox.start()
    request_id = accept(asking, body_of(customer))
    deadline = time.monotonic() + 10
    while asking.state("payment", request_id) is None:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_nothing_is_accepted_that_was_not_stored(
    asking: Asking, customer: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_module, "INSERT_ACCEPTED", "SELECT 1 / 0")
    with pytest.raises(psycopg.Error):
        accept(asking, body_of(customer))
    monkeypatch.undo()
    assert asking.books.inbox.execute() == 0
