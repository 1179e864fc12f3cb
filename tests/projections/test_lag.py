"""How soon the read models follow: with notifications, without any, and with the listening connection killed."""

import threading
import time
from collections.abc import Callable, Iterator

import psycopg
import pytest

from adapters.postgres.connection import Database, owner_connection
from adapters.wiring import Books
from projections.engine.runner import Runner
from tests.projections.conftest import new_runner
from tests.projections.history import History

Histories = Callable[[int], History]

KILL = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
 WHERE query LIKE 'LISTEN%' AND datname = current_database()
"""


@pytest.fixture
def listening(books: Books) -> Iterator[Runner]:
    """A runner in the background that listens for notifications."""
    url = books.database.writer_url
    runner = new_runner(books, listen=lambda: psycopg.connect(url, autocommit=True))
    stop = threading.Event()
    thread = threading.Thread(target=runner.run, args=(stop,))
    thread.start()
    yield runner
    stop.set()
    thread.join()


def seconds_to_follow(runner: Runner) -> float:
    """How long until nothing is behind. The log's end is read first, so it is the events before this call."""
    end = runner.lag()[0].end
    began = time.monotonic()
    while any(lag.position < end for lag in runner.lag()):
        assert time.monotonic() - began < 10
        time.sleep(0.01)
    return time.monotonic() - began


def killed(database: Database) -> int:
    with psycopg.connect(database.admin_url, autocommit=True) as connection:
        return len(connection.execute(KILL).fetchall())


def test_read_models_follow_a_killed_listening_connection(
    books: Books, history: Histories, listening: Runner
) -> None:
    life = history(1)
    seconds_to_follow(listening)
    assert killed(books.database) == 1
    life.night()
    assert seconds_to_follow(listening) < 2
    deadline = time.monotonic() + 10
    while not killed(books.database):  # it listens again
        assert time.monotonic() < deadline
        time.sleep(0.05)
    life.night()
    assert seconds_to_follow(listening) < 2


def test_read_models_follow_without_any_notification(
    books: Books, history: Histories, listening: Runner
) -> None:
    """A commit that notifies nobody: an event written by the owner, beside the writer."""
    history(2)
    seconds_to_follow(listening)
    with owner_connection(books.database) as connection, connection.transaction():
        connection.execute("UPDATE log_head SET position = position + 1")
        connection.execute(
            """INSERT INTO events (position, tenant_id, tenant_seq, stream_id, version, tag, recorded_at,
                                   effective_on, actor, command_id, correlation_id, causation_id, data)
               SELECT position + 1, tenant_id, tenant_seq + 1, gen_random_uuid(), 1, 'customer.registered.v1',
                      recorded_at, effective_on, actor, command_id, '', NULL, '{"reference":"silent"}'
                 FROM events ORDER BY position DESC LIMIT 1"""
        )
    assert seconds_to_follow(listening) < 2
    with books.database.writer.connection() as connection:
        row = connection.execute("SELECT count(*) FROM customers WHERE reference = 'silent'")
        assert row.fetchone() == (1,)


def test_read_models_follow_when_every_connection_is_killed(
    books: Books, history: Histories, listening: Runner
) -> None:
    life = history(3)
    seconds_to_follow(listening)
    with psycopg.connect(books.database.admin_url, autocommit=True) as connection:
        connection.execute(
            """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                WHERE usename = 'duebook_writer' AND datname = current_database()"""
        )
    books.database.writer.check()
    life.night()
    assert seconds_to_follow(listening) < 2
