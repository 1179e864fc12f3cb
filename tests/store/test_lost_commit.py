"""A COMMIT whose reply never arrives: the caller gets its answer, and there is exactly one event."""

import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from psycopg.conninfo import make_conninfo

from adapters.postgres import connection as connection_module
from adapters.postgres.connection import Database, connect_database
from adapters.store import group_commit as group_module
from adapters.store.writer import OutcomeUnknown, StoreUnavailable
from adapters.wiring import Books
from tests.conftest import Engine
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, gate, log_head_held, rows, until
from tests.store.proxy import Fault, Proxy

PAYMENTS = "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'"


@pytest.fixture
def proxy(engine: Engine, temporary_home: Path) -> Iterator[Proxy]:
    folder = parse_qs(urlsplit(engine.server.admin_url).query)["host"][0]
    proxy = Proxy(temporary_home, Path(folder))
    yield proxy
    proxy.close()


@pytest.fixture
def proxied(
    proxy: Proxy, database: Database, temporary_home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Books]:
    """Books whose writer reaches the server through the proxy; what only reads does not."""
    monkeypatch.setattr(connection_module, "POOL_WAIT_SECONDS", 1.0)
    through = make_conninfo(database.writer_url, host=str(temporary_home))
    with (
        connect_database(database.admin_url, database.master_key, writer_url=through) as opened,
        Books(opened) as books,
    ):
        yield books


@pytest.fixture
def asking(proxied: Books) -> Asking:
    return Asking.new_tenant(proxied, "first")


@pytest.mark.parametrize("key", ["a key", None])
@pytest.mark.parametrize(
    "fault", ["swallow the reply", "swallow the commit", "cut after the commit was sent"]
)
def test_the_caller_gets_its_answer_and_there_is_one_event(
    asking: Asking, proxy: Proxy, database: Database, fault: Fault, key: str | None
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")

    proxy.arm(fault)
    paid = asking.pay(invoice, "40.00", key=key)

    assert proxy.spoilt == 1
    assert paid["allocations"][0]["amount"]["amount"] == "40.00"
    assert rows(database, PAYMENTS) == [(1,)]
    assert asking.state("invoice", invoice).open.total == 6000
    assert_log_is_whole(database)
    if key is not None:
        assert asking.pay(invoice, "40.00", key=key) == paid
        assert rows(database, PAYMENTS) == [(1,)]


def test_a_group_is_answered_as_if_nothing_had_happened(
    asking: Asking, proxy: Proxy, database: Database
) -> None:
    """Ten commands in one transaction: answered, refused and repeated ones each get what is theirs."""
    customer = asking.customer()
    invoices = [asking.invoice(customer) for _ in range(8)]
    asking.pay(invoices[0], "1.00", key="k0")
    requests = [
        asking.request(asking.paying(invoice, "1.00"), key=f"k{n}")
        for n, invoice in enumerate(invoices)
    ]
    refused = asking.request(asking.paying(customer, "1.00"), key="refused")
    writer = asking.books.writer

    with log_head_held(database):
        blocked = writer.submit(asking.request(asking.paying(invoices[0], "5.00"), key="first"))
        until(lambda: writer.waiting() == 1)
        futures = [writer.submit(request) for request in [*requests, refused, requests[1]]]
    blocked.result(timeout=20)
    proxy.arm("swallow the reply")
    answers = [future.exception(timeout=20) or future.result() for future in futures]

    assert [answer.replayed for answer in answers[:8]] == [True] + [False] * 7
    assert isinstance(answers[8], Exception)
    assert (answers[9].replayed, answers[9].body) == (True, answers[1].body)
    assert rows(database, PAYMENTS) == [(9,)]
    assert_log_is_whole(database)


def test_the_outcome_is_settled_while_the_commit_still_runs(
    asking: Asking, proxy: Proxy, database: Database
) -> None:
    """The client is cut off while the server is held up inside the COMMIT: the writer waits for what becomes of it."""
    invoice = asking.invoice(asking.customer(), "100.00")
    request = asking.request(asking.paying(invoice, "40.00"))
    request.actor = "delayed"

    with gate(database) as held:
        proxy.arm("cut after the commit was sent")
        future = asking.books.writer.submit(request)
        until(held.held_up)
        until(held.queued)
        assert not future.done()
        held.open()
        assert future.result(timeout=20).tenant_seq > 0

    assert rows(database, PAYMENTS) == [(1,)]
    assert_log_is_whole(database)


@pytest.mark.parametrize(("fault", "stored"), [("swallow the reply", 1), ("swallow the commit", 0)])
def test_a_server_that_stays_away_leaves_the_outcome_unknown_and_a_retry_settles_it(
    asking: Asking,
    proxy: Proxy,
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    fault: Fault,
    stored: int,
) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 0.3)
    monkeypatch.setattr(group_module, "CONNECTION_WAIT_SECONDS", 0.3)

    def go_away() -> None:
        proxy.shut = True
        proxy.cut_all()

    proxy.arm(fault, after=go_away)
    with pytest.raises(OutcomeUnknown, match="same idempotency key"):
        asking.pay(invoice, "40.00", key="k", request_hash=b"h")
    assert rows(database, PAYMENTS) == [(stored,)]
    with pytest.raises(StoreUnavailable):
        asking.pay(invoice, "40.00", key="k", request_hash=b"h")

    proxy.shut = False
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 15.0)
    answer = asking.books.writer.run(
        asking.request(asking.paying(invoice, "40.00"), key="k", request_hash=b"h")
    )

    assert answer.replayed == bool(stored)
    assert rows(database, PAYMENTS) == [(1,)]
    assert asking.state("invoice", invoice).open.total == 6000
    assert_log_is_whole(database)


def test_the_writer_is_back_soon_after_the_server_is(
    asking: Asking, proxy: Proxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 1.0)
    invoice = asking.invoice(asking.customer(), "100.00")
    proxy.shut = True
    proxy.cut_all()
    away_until = time.monotonic() + 7.5
    refused = 0
    while time.monotonic() < away_until:
        with pytest.raises(StoreUnavailable):
            asking.pay(invoice, "1.00")
        refused += 1
    proxy.shut = False
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 15.0)
    back_at = time.monotonic()
    asking.pay(invoice, "1.00")
    assert time.monotonic() - back_at < 5, "no pause between attempts grows without end"
    assert refused
    assert rows(database, PAYMENTS) == [(1,)]
