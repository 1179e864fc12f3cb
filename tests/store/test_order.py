"""Order: commit order is position order, whatever is delayed, and recorded time never runs backwards."""

import threading
from concurrent.futures import wait
from datetime import UTC, datetime, timedelta

import pytest

from adapters.postgres.connection import Database
from adapters.store import group_writing as group_module
from adapters.store.application import LedgerApplication
from adapters.wiring import Books
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, gate, rows, until

pytestmark = pytest.mark.both_engines


class Reader:
    """Pages through the shard's log by position, from where it stopped, as a projection does."""

    def __init__(self, application: LedgerApplication) -> None:
        self._log = application.notification_log
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._read)
        self.seen: list[int] = []

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._thread.join()

    def _read(self) -> None:
        while not self._stopping.is_set():
            start = self.seen[-1] if self.seen else 0
            page = self._log.select(start, 10, inclusive_of_start=False)
            self.seen += [notification.id for notification in page]


def test_a_reader_misses_nothing_while_a_commit_is_delayed(
    asking: Asking, other_books: Books, database: Database
) -> None:
    customer = asking.customer()
    invoices = [asking.invoice(customer) for _ in range(12)]
    paying = [
        asking.request(asking.paying(invoice, "10.00"), key=f"k{n}")
        for n, invoice in enumerate(invoices)
    ]
    paying[0].actor = "delayed"

    with Reader(asking.books.application) as reader, gate(database) as held:
        first = asking.books.writer.submit(paying[0])
        until(held.held_up)
        others = [other_books.writer.submit(request) for request in paying[1:]]
        until(held.queued)
        before = rows(database, "SELECT count(*) FROM events")[0][0]
        until(lambda: len(reader.seen) == before)
        assert not first.done()
        assert not any(other.done() for other in others), "nobody overtakes an unfinished commit"
        held.open()
        wait([first, *others], timeout=20)
        last = max(future.result().tenant_seq for future in [first, *others])
        until(lambda: len(reader.seen) == last)

    assert reader.seen == list(range(1, last + 1))
    assert first.result().tenant_seq < min(other.result().tenant_seq for other in others)
    assert_log_is_whole(database)


def test_a_transaction_that_fails_in_its_commit_leaves_no_gap(
    asking: Asking, other_books: Books, database: Database
) -> None:
    invoice, another = (asking.invoice(asking.customer()) for _ in range(2))
    failing = asking.request(asking.paying(invoice, "10.00"), key="a")
    failing.actor = "delayed"

    with gate(database) as held:
        first = asking.books.writer.submit(failing)
        until(held.held_up)
        second = other_books.writer.submit(asking.request(asking.paying(another, "10.00"), key="b"))
        until(held.queued)
        rows(
            database,
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event = 'advisory'""",
        )
        assert second.result(timeout=20).tenant_seq > 0
        held.open()
        assert first.result(timeout=20).tenant_seq > 0

    assert_log_is_whole(database)
    assert rows(database, "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'") == [(2,)]


def test_recorded_time_stands_still_when_the_clock_runs_backwards(
    asking: Asking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = asking.customer()
    offset = timedelta()

    class Jumping(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) + offset

    monkeypatch.setattr(group_module, "datetime", Jumping)
    for minutes in (2, 0, -2, 3, -1):
        offset = timedelta(minutes=minutes)
        asking.draft(customer)

    assert_log_is_whole(database)
    found = rows(database, "SELECT recorded_at FROM events ORDER BY position")
    jumped = [row[0] for row in found[-5:]]
    assert jumped[0] == jumped[1] == jumped[2] < jumped[3] == jumped[4]
