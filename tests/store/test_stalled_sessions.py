"""A process that stands still in the middle of a COPY: no timeout of the server reaches it, whoever waits ends it."""

import os
import time
from collections.abc import Iterator

import psycopg
import pytest

from adapters.postgres.connection import Database
from adapters.store import group_commit as group_module
from adapters.store import lease as lease_module
from adapters.store import stalled_sessions as stalled_module
from adapters.store.append import COPY_EVENTS
from adapters.store.writer import StoreUnavailable
from projections.engine.postgres_binary import COPY_HEADER
from schedulers.ports import ClockTaken
from tests.store.asking import Asking
from tests.store.forcing import assert_log_is_whole, rows, until

pytestmark = pytest.mark.both_engines


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(group_module, "LOCK_TIMEOUT", "SET LOCAL lock_timeout = '200ms'")
    monkeypatch.setattr(lease_module, "LOCK_TIMEOUT", "SET LOCAL lock_timeout = '200ms'")
    monkeypatch.setattr(stalled_module, "STALLED_SECONDS", 0.3)


@pytest.fixture
def standing_still(database: Database) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A session that has sent half a message of its COPY, holding the clock's lease and the log head."""
    connection = psycopg.connect(database.writer_url)
    connection.execute(
        "INSERT INTO leases (name, holder, fence, expires_at) VALUES ('clock', 'w1', 1, now())"
    )
    connection.execute("UPDATE log_head SET position = position + 1 WHERE shard = 1")
    connection.pgconn.send_query(COPY_EVENTS.encode())
    half = b"d" + (100_000).to_bytes(4, "big") + COPY_HEADER
    os.write(connection.pgconn.socket, half)
    until(lambda: state_of(database, connection) == ("active", "ClientRead"))
    yield connection
    connection.close()


def state_of(database: Database, connection: psycopg.Connection[tuple[object, ...]]) -> object:
    """(state, what it waits for) of a session; None when it is gone."""
    query = "SELECT state, wait_event FROM pg_stat_activity WHERE pid = %s"
    return next(iter(rows(database, query, connection.info.backend_pid)), None)


def test_commands_go_on(asking: Asking, database: Database, request: pytest.FixtureRequest) -> None:
    invoice = asking.invoice(asking.customer(), "100.00")
    connection = request.getfixturevalue("standing_still")

    asking.pay(invoice, "1.00")

    assert state_of(database, connection) is None
    assert asking.state("invoice", invoice).open.total == 9900
    assert_log_is_whole(database)


def test_the_clock_goes_on(
    asking: Asking, database: Database, request: pytest.FixtureRequest
) -> None:
    connection = request.getfixturevalue("standing_still")

    def taken() -> bool:
        try:
            asking.books.clock.acquire("w2")
        except ClockTaken:
            return False
        return True

    until(taken)
    assert state_of(database, connection) is None


def test_who_only_waits_a_moment_is_left_alone(
    asking: Asking,
    database: Database,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(stalled_module, "STALLED_SECONDS", 30.0)
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 0.5)
    connection = request.getfixturevalue("standing_still")

    with pytest.raises(StoreUnavailable):
        asking.customer()

    assert state_of(database, connection) == ("active", "ClientRead")


def test_who_holds_no_lock_of_the_log_is_left_alone(
    asking: Asking, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long COPY of something else, such as a rebuild's, is nobody's stalled append."""
    monkeypatch.setattr(group_module, "GIVE_UP_SECONDS", 1.0)
    with (
        psycopg.connect(database.writer_url) as idle,
        psycopg.connect(database.writer_url) as copying,
    ):
        idle.execute(
            "UPDATE tenant_log SET tenant_seq = tenant_seq"
        )  # what a command waits for next
        copying.execute("SELECT position FROM log_head")
        copying.pgconn.send_query(b"COPY parked_streams FROM STDIN")
        until(lambda: state_of(database, copying) == ("active", "ClientRead"))
        with pytest.raises(StoreUnavailable):
            asking.customer()
        assert state_of(database, copying) == ("active", "ClientRead")
        assert state_of(database, idle) == ("idle in transaction", "ClientRead")
        copying.close()


def test_a_session_that_idles_after_a_pipeline_is_ended(asking: Asking, database: Database) -> None:
    """The server's own timeout need not run then (see adapters.store.stalled_sessions)."""
    invoice = asking.invoice(asking.customer(), "100.00")
    options = "-c search_path=duebook_s1 -c idle_in_transaction_session_timeout=300ms"
    with psycopg.connect(database.writer_url, options=options) as idle:
        with idle.pipeline():
            idle.execute("UPDATE log_head SET position = position + 1")
        time.sleep(0.8)

        asking.pay(invoice, "1.00")

        assert state_of(database, idle) is None
        idle.close()
    assert_log_is_whole(database)


def test_a_session_that_idles_otherwise_is_ended_by_the_server(database: Database) -> None:
    with psycopg.connect(database.writer_url) as idle:
        timeout = idle.execute("SHOW idle_in_transaction_session_timeout").fetchone()
        assert timeout == ("20s",)
        idle.execute("SET idle_in_transaction_session_timeout = '300ms'")
        idle.execute("UPDATE log_head SET position = position + 1")
        until(lambda: state_of(database, idle) is None, 3)
        idle.close()
