"""A COMMIT of the clock whose reply is lost, at any of a day's transactions: nothing is posted twice or not at all."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg_pool import ConnectionPool

from adapters.postgres.connection import Database, Pool
from adapters.store.clock import PostgresClock
from tests.conftest import Engine
from tests.schedulers.nights import Nights, day
from tests.store.forcing import assert_log_is_whole, rows
from tests.store.proxy import Fault, Proxy


@pytest.fixture
def proxy(engine: Engine, temporary_home: Path) -> Iterator[Proxy]:
    folder = parse_qs(urlsplit(engine.server.admin_url).query)["host"][0]
    proxy = Proxy(temporary_home, Path(folder))
    yield proxy
    proxy.close()


@pytest.fixture
def pool(proxy: Proxy, database: Database, temporary_home: Path) -> Iterator[Pool]:
    through = make_conninfo(database.writer_url, host=str(temporary_home))
    with ConnectionPool(through, min_size=2, max_size=4, open=True) as opened:
        yield opened


@pytest.mark.usefixtures("small_chunks")
@pytest.mark.parametrize(
    "fault", ["swallow the reply", "swallow the commit", "cut after the commit was sent"]
)
def test_each_transaction_of_a_day_in_turn(
    nights: Nights, database: Database, proxy: Proxy, pool: Pool, fault: Fault
) -> None:
    nights.invoices(8)
    lease = nights.books.clock.acquire("here")
    nights.books.clock = PostgresClock(pool)
    spoilt_days = 0
    for n in range(40):
        proxy.arm(fault, skip=n)
        before = proxy.spoilt
        # A run may also meet a connection that the cut before had spoilt, and only the next one its own cut.
        for attempt in range(3):
            try:
                nights.run_under(lease, day(n))
                break
            except psycopg.OperationalError:
                assert attempt < 2
        if proxy.spoilt == before:
            break  # a day has fewer commits than that
        spoilt_days += 1
    proxy.disarm()

    assert spoilt_days > 15
    interest = [
        (event.stream_id, event.effective_on) for event in nights.events("invoice.mora_posted.v1")
    ]
    assert len(interest) == len(set(interest))
    closed = rows(database, "SELECT count(*) FROM events WHERE tag = 'business_day.closed.v1'")
    opened = rows(database, "SELECT count(*) FROM events WHERE tag = 'business_day.opened.v1'")
    assert closed == opened == [(spoilt_days + 1,)]
    assert_log_is_whole(database)
