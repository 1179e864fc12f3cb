"""`kill -9` of PostgreSQL in the middle of batches, with fsync on: nothing acknowledged is lost, nothing is half."""

import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from uuid import UUID

import psutil
import psycopg
import pytest
from psycopg_pool import PoolTimeout

from adapters.postgres.connection import Database, connect_database
from adapters.postgres.embedded_server import EmbeddedPostgres
from adapters.store.writer import Answer, OutcomeUnknown, StoreUnavailable
from adapters.wiring import Books
from schedulers import chunks
from schedulers.business_day import run_day
from schedulers.ports import Run
from tests.conftest import MASTER_KEY
from tests.schedulers.nights import TENANT, Nights, day
from tests.soak.work import paying
from tests.store.forcing import assert_log_is_whole, rows

pytestmark = [pytest.mark.soak, pytest.mark.timeout(600)]

KILLS = 8
PAYERS = 8


@pytest.fixture
def server(private_server: Callable[..., EmbeddedPostgres]) -> EmbeddedPostgres:
    return private_server()


@pytest.fixture
def database(server: EmbeddedPostgres) -> Iterator[Database]:
    with psycopg.connect(server.admin_url, autocommit=True) as admin:
        assert admin.execute("SHOW fsync").fetchone() == ("on",)
        admin.execute("CREATE DATABASE durable")
    with connect_database(server.url("durable"), MASTER_KEY) as database:
        yield database


def kill(server: EmbeddedPostgres) -> None:
    """The postmaster and every process of its, at once, as when the machine loses power."""
    pid = server.postmaster_pid
    assert pid is not None
    postmaster = psutil.Process(pid)
    family = [postmaster, *postmaster.children(recursive=True)]
    for process in family:
        with contextlib.suppress(psutil.NoSuchProcess):
            os.kill(process.pid, signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)


class Payers:
    """Threads that pay under keys of their own and remember what they were told."""

    def __init__(self, books: Books, invoices: list[UUID]) -> None:
        self._books, self._invoices = books, invoices
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._pay, args=(n,)) for n in range(PAYERS)]
        self.asked: dict[str, UUID] = {}
        self.answered: dict[str, Answer] = {}
        self.unknown: set[str] = set()
        self.strange: list[Exception] = []

    def __enter__(self) -> "Payers":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _pay(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            key, invoice = f"{thread}-{number}", self._invoices[(thread + number) % 40]
            self.asked[key] = invoice
            try:
                self.answered[key] = self._books.writer.run(paying(invoice, key))
            except OutcomeUnknown:
                self.unknown.add(key)
            except StoreUnavailable:
                continue
            except Exception as error:
                self.strange.append(error)


class Clock:
    """A runner that catches up night after night, and goes on after each failure of the database."""

    def __init__(self, books: Books) -> None:
        self._books = books
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.closed: list[int] = []

    def __enter__(self) -> "Clock":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        lease = self._books.clock.acquire("soak")
        number = 0
        while not self._stop.is_set():
            try:
                run_day(self._books.clock, Run(TENANT, day(number), lease))
            except (psycopg.OperationalError, PoolTimeout):
                time.sleep(0.05)
            else:
                self.closed.append(number)
                number += 1


@pytest.mark.usefixtures("_small_chunks")
def test_what_was_acknowledged_is_there(server: EmbeddedPostgres, database: Database) -> None:
    chance = random.Random(1)
    recovered: list[float] = []
    with Books(database) as books:
        nights = Nights.begin(books)
        invoices = nights.invoices(200)
        with Payers(books, invoices) as payers, Clock(books) as clock:
            for _ in range(KILLS):
                time.sleep(chance.uniform(0.2, 1.2))
                kill(server)
                before = len(payers.answered)
                server.ensure_running()
                began = time.monotonic()
                while len(payers.answered) < before + PAYERS + 1:
                    assert time.monotonic() - began < 15, "the writer recovers by itself"
                    time.sleep(0.01)
                recovered.append(time.monotonic() - began)
        check(books, payers, clock, nights)
    print(
        f"{len(payers.answered)} payments and {len(clock.closed)} nights over {KILLS} kills; "
        f"answered again after {max(recovered):.1f} s at most"
    )


@pytest.fixture
def _small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FEWEST", "FIRST", "MOST"):
        monkeypatch.setattr(chunks, name, 40)


def check(books: Books, payers: Payers, clock: Clock, nights: Nights) -> None:
    assert payers.strange == []
    assert len(payers.answered) > KILLS * PAYERS
    assert_log_is_whole(books.database)
    stored = {
        key: (bytes(answer), seq)
        for key, answer, seq in rows(
            books.database, "SELECT key, answer, tenant_seq FROM command_records"
        )
    }
    for key, answer in payers.answered.items():
        assert stored[key] == (answer.body, answer.tenant_seq), key
    paid = rows(
        books.database,
        "SELECT command_id, count(*) FROM events WHERE tag = 'payment.received.v1' GROUP BY 1",
    )
    assert {count for _, count in paid} == {1}
    asked = set(payers.asked)
    assert len(paid) == len(asked & set(stored))
    closed = [event.effective_on for event in nights.events("business_day.closed.v1")]
    assert closed[: len(clock.closed)] == [day(n) for n in range(len(clock.closed))]
    assert len(set(closed)) == len(closed)
    # A payment dated before nights that were run takes their interest back, and the next night posts it again.
    paid_on = set(payers.asked.values())
    interest = [
        (event.stream_id, event.effective_on)
        for event in nights.events("invoice.mora_posted.v1")
        if event.actor == "clock" and event.stream_id not in paid_on
    ]
    assert interest
    assert len(interest) == len(set(interest))
    retry(books, payers)


def retry(books: Books, payers: Payers) -> None:
    """Every key once more: what was acknowledged is answered again, the rest is done now, and none is paid twice."""
    futures = {key: books.writer.submit(paying(one, key)) for key, one in payers.asked.items()}
    for key, future in futures.items():
        answer = future.result(60)
        if key in payers.answered:
            assert answer.replayed, key
            assert answer.body == payers.answered[key].body
    found = rows(books.database, "SELECT count(*) FROM events WHERE tag = 'payment.received.v1'")
    assert found == [(len(payers.asked),)]
    assert_log_is_whole(books.database)
